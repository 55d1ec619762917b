"""Carries out what `supervision.py` decides: the process behind `mesh up`. Who joins a running cluster is `growth.py`.

The idea is honcho's: everything that happens (a child ended, became Ready, a signal, a word on the control socket)
becomes an event on one queue, and one loop decides. What it starts it ends, whatever happens to it; when it is killed
itself, the nodes see that their parent is gone and stop.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mesh.clock import Clock
from mesh.topology import Process, Topology
from tools.ctl import state as states
from tools.ctl.exits import Exit
from tools.ctl.installations import Installations
from tools.ctl.launch import Launched, how_it_ended, is_ready, launch, node_command
from tools.ctl.processes import Identity, identity
from tools.ctl.spares import Spares, is_spared
from tools.ctl.supervision import Child, Do, Instruction, Limits, Phase, Supervision, supervise

POLL_S = 0.03  # how often a starting process is asked whether it is Ready
POLL_SLOW_S = 0.25  # the same when it takes longer than
POLL_SLOW_AFTER_S = 5.0
ASK_S = 1.0  # for one such question
NOT_STARTED = 71  # as an exit code: the system did not let us start the process
HANDS_OVER = "scene"  # alone in its process: its players are not to notice a restart
DATA_FILE = "data.mdb"  # of a DC
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Event:
    """Something happened. Exactly one field is set."""

    exited: tuple[str, Launched, int] | None = None
    ready: tuple[str, int] | None = None
    stop: bool = False
    restart: str = ""
    beside: str = ""  # restart it by a process that takes over from it
    add: Process | None = None
    retire: tuple[str, str] | None = None  # process, why


def databases(topology: Topology, processes: Sequence[Process]) -> dict[str, str]:
    """The data file that a process keeps, of those that have a DC."""
    kept = [(process.name, node) for process in processes for node in process.nodes if node.role == "dc"]
    return {name: str(topology.data(node) / DATA_FILE) for name, node in kept}


class Supervisor:
    """One cluster's processes. `told` hears every SAY instruction, right after it happened."""

    def __init__(
        self,
        topology: Topology,
        overrides: Mapping[str, str],
        clock: Clock,
        told: Callable[[Instruction], None],
        processes: list[Process],
        state_file: Path,
        foreman: Identity | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.topology = topology
        self.overrides = overrides
        self.clock = clock
        self.told = told
        self.foreman = foreman
        self.state_file = state_file
        self.processes = {p.name: p for p in processes}
        self.added: list[str] = []  # processes that are not in the file, as INDEX:NODE@ZONE
        self.installations = Installations(sys.executable)
        plan = [(p.name, [n.role for n in p.nodes]) for p in self.processes.values()]
        self.supervision: Supervision = supervise(plan, limits, databases(topology, processes))
        self.running: dict[str, Launched] = {}
        self.beside: dict[str, Launched] = {}  # started beside these, to take over from them
        self.spares = Spares(partial(self._launch, spare=True), self._spare_command)
        self.events: asyncio.Queue[Event] = asyncio.Queue()
        self.changed = asyncio.Condition()
        self._restarting: list[str] = []  # asked for and not answered yet; one may be in it several times
        self._waits: dict[str, asyncio.Task[None]] = {}
        self._reapers: set[asyncio.Task[None]] = set()

    async def run(self) -> Exit:
        """Until everything has stopped. Never raises for what a child, a disk or a user does."""
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            # nohup sets SIGHUP to be ignored, and means it.
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self.stop)
        try:
            await self._carry_out(self.supervision.start(self.clock.now()))
            while not self.supervision.finished:
                event = await self._next_event()
                await self._carry_out(self._decide(event) + self.supervision.tick(self.clock.now()))
                self._write_state()
                async with self.changed:
                    self.changed.notify_all()
        finally:
            await self.spares.close()
        return Exit.UNHEALTHY if self.supervision.failed else Exit.OK

    def stop(self) -> None:
        """As Ctrl-C does; a second call is impatient."""
        self.events.put_nowait(Event(stop=True))

    async def restart(self, process: str, python: str = "", *, cold: bool = False) -> str:
        """End a process and start it again, from this installation or the one that it had; returns when it is Ready,
        "", or a text that says why it is not. The process of a scene is first started beside the old one, which gives
        it all that it has, unless this is to be `cold`; a text then says why the old one goes on."""
        if self.supervision.stopping:
            return "the cluster is being stopped"
        if python and process in self._restarting:
            return f"{process} is being restarted already: ask again when that is over"
        self._restarting.append(process)
        try:
            return await self._restart(process, python, cold)
        finally:
            self._restarting.remove(process)

    async def _restart(self, process: str, python: str, cold: bool) -> str:
        child = self.supervision.children[process]
        had = self.installations.of(process)
        self.installations.choose(process, python, child.alive)
        before, failures = child.starts, len(child.failures)
        hands_over = [node.role for node in self.processes[process].nodes] == [HANDS_OVER]
        if cold or not hands_over or child.phase is not Phase.READY or child.drained:
            self.events.put_nowait(Event(restart=process))
            return await self._wait_up(process, lambda: child.starts > before)
        self.events.put_nowait(Event(beside=process))
        await self._wait_handed(child, before, failures)
        if self.supervision.stopping or child.starts > before:
            return await self._wait_up(process, lambda: child.starts > before)
        self.installations.choose(process, had if python else "", child.alive)
        self._write_state()
        if len(child.failures) > failures:
            text = f"{process} goes on as it was: the process that was to take over {child.failures[-1]}"
            return f"{text}; try again, or with --cold"
        return f"nobody has taken over from {process}, which is {child.phase}"

    async def _wait_handed(self, child: Child, starts: int, failures: int) -> None:
        """Until it is another process, or is not to be one: also when it was stopped for good meanwhile."""

        def is_over() -> bool:
            changed = child.starts > starts or len(child.failures) > failures
            return changed or self.supervision.stopping or child.phase in (Phase.DOWN, Phase.SHUTDOWN)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.supervision.limits.handing_s), self.changed:
                await self.changed.wait_for(is_over)

    async def add(self, process: Process, text: str) -> str:
        """Start a further process; returns when it is Ready, "", or a text that says why it is not."""
        self.processes[process.name] = process
        self.added.append(text)
        self.events.put_nowait(Event(add=process))
        return await self._wait_up(process.name, lambda: process.name in self.supervision.children)

    async def retire(self, process: str, why: str) -> None:
        """Stop a process for good; returns when it has ended."""
        self.events.put_nowait(Event(retire=(process, why)))
        children = self.supervision.children
        async with self.changed:
            await self.changed.wait_for(lambda: process not in children or children[process].phase is Phase.SHUTDOWN)

    async def forget(self, process: str, text: str) -> None:
        """It has ended and was not in the file: nothing of it is left but its data."""
        self.supervision.forget(process)
        del self.processes[process]
        self.added.remove(text)
        self._write_state()

    async def drained(self, process: str) -> None:
        """An operator empties this process."""
        self.supervision.drained(process)
        self._write_state()

    async def _wait_up(self, name: str, begun: Callable[[], bool]) -> str:
        """Until a process that was just started is Ready or has been given up; "", or a text that says why not."""
        limit_s, children = self.supervision.limits.start_s, self.supervision.children

        def is_over() -> bool:
            if self.supervision.stopping or not begun():
                return self.supervision.stopping
            child = children[name]
            return child.phase in (Phase.READY, Phase.DOWN) or child.crashes >= self.supervision.limits.loop_exits

        try:
            async with asyncio.timeout(limit_s), self.changed:
                await self.changed.wait_for(is_over)
        except TimeoutError:
            reason = children[name].reason if name in children else ""
            return f"not Ready after {limit_s:.0f} s" + (f"; it {reason}" if reason else "")
        child = children.get(name)
        if child is not None and child.phase is Phase.READY:
            return ""
        return (child.reason if child is not None else "") or "the cluster is being stopped"

    def state(self) -> states.ClusterState:
        """For the state file and the control socket."""
        children = self.supervision.children
        return states.ClusterState(
            cluster=self.topology.cluster,
            supervisor=identity(),
            whole=self.state_file.name == states.SUPERVISOR,
            foreman=self.foreman,
            processes=[
                states.describe(process, children[name], self.installations.of(name))
                for name, process in self.processes.items()
                if name in children
            ],
        )

    # --- the loop ---

    async def _next_event(self) -> Event:
        wakes = self.supervision.wakes()
        if wakes is None:
            return await self.events.get()
        try:
            async with asyncio.timeout(max(0.0, wakes - self.clock.now())):
                return await self.events.get()
        except TimeoutError:
            return Event()

    def _decide(self, event: Event) -> list[Instruction]:
        now = self.clock.now()
        if event.exited is not None:
            name, launched, code = event.exited
            if self.beside.get(name) is launched:
                del self.beside[name]
                return self.supervision.beside_ended(name, how_it_ended(code, launched.last_words()), code, now)
            if self.running.get(name) is launched:
                del self.running[name]
                self._stop_waiting(name)
            return self.supervision.exited(name, how_it_ended(code, launched.last_words()), code, now)
        if event.ready is not None:
            name, pid = event.ready
            if self.supervision.children[name].pid != pid:
                return []
            said = self.supervision.ready(name, now)
            self._renew_spares()
            return said
        if event.stop:
            return self.supervision.stop(now)
        if event.restart or event.beside:
            self.spares.release(event.restart or event.beside)
            return self.supervision.restart(event.restart or event.beside, now, beside=bool(event.beside))
        if event.add is not None:
            return self._join(event.add, now)
        if event.retire is not None and event.retire[0] in self.supervision.children:
            self.spares.release(event.retire[0])
            return self.supervision.retire(*event.retire, now)
        return []

    def _join(self, process: Process, now: float) -> list[Instruction]:
        if self.supervision.stopping or process.name in self.supervision.children:
            return []
        return self.supervision.add(process.name, [n.role for n in process.nodes], now)

    async def _carry_out(self, instructions: list[Instruction]) -> None:
        todo = list(instructions)
        while todo:
            instruction = todo.pop(0)
            if instruction.do is Do.SPAWN:
                todo += await self._spawn(instruction.process)
            elif instruction.do is Do.SPAWN_BESIDE:
                todo += await self._spawn_beside(instruction.process)
            elif instruction.do is Do.ADOPT:
                todo += self._adopt(instruction.process)
            elif instruction.do is Do.KILL_BESIDE:
                if instruction.process in self.beside:
                    self.beside[instruction.process].signal(signal.SIGKILL)
            elif instruction.do is Do.SAY:
                self.told(instruction)
            elif instruction.process in self.running:
                number = signal.SIGTERM if instruction.do is Do.TERMINATE else signal.SIGKILL
                self.running[instruction.process].signal(number)

    async def _spawn(self, name: str) -> list[Instruction]:
        if (spare := self.spares.take(name)) is not None:
            self.spares.prepare(name)  # another crash may be near, and this process needs little for its start
        try:
            launched = spare or await self._launch(name)
        except OSError as error:
            how = f"could not be started: {error.strerror}: {error.filename or ''}"
            return self.supervision.exited(name, how, NOT_STARTED, self.clock.now())
        self._watch(name, launched)
        return self._runs(name, launched)

    async def _spawn_beside(self, name: str) -> list[Instruction]:
        try:
            launched = await self._launch(name, beside=True)
        except OSError as error:
            return self.supervision.beside_ended(
                name, f"could not be started: {error.strerror}", NOT_STARTED, self.clock.now()
            )
        self.beside[name] = launched
        self._watch(name, launched)
        return []

    async def _launch(self, name: str, beside: bool = False, spare: bool = False) -> Launched:
        python = self.installations.of(name)
        process = self.processes[name]
        return await launch(
            self.topology, process, self.overrides, self.added, python=python, beside=beside, spare=spare
        )

    def _spare_command(self, name: str) -> list[str]:
        """What a spare would be started with now."""
        python = self.installations.of(name)
        process = self.processes[name]
        return node_command(self.topology, process, self.overrides, os.getpid(), self.added, python, spare=True)

    def _renew_spares(self) -> None:
        """Whoever is Ready and has none, or one that is behind, gets one. First everybody is to be there: the start of
        a cluster waits for nothing that may never be needed."""
        if not self.supervision.settled or self.supervision.stopping:
            return
        for name, child in self.supervision.children.items():
            if child.phase is Phase.READY and is_spared(self.processes[name]):
                self.spares.prepare(name)

    def _adopt(self, name: str) -> list[Instruction]:
        """The old one has ended, and the one beside it is the process. It may have ended by now: that is reported."""
        return self._runs(name, self.beside.pop(name)) if name in self.beside else []

    def _runs(self, name: str, launched: Launched) -> list[Instruction]:
        self.running[name] = launched
        self._stop_waiting(name)
        self._waits[name] = asyncio.create_task(self._wait_ready(self.processes[name], launched.pid))
        said = self.supervision.spawned(name, launched.pid, self.clock.now())
        self._write_state()
        return said

    def _watch(self, name: str, launched: Launched) -> None:
        reaper = asyncio.create_task(self._reap(name, launched))
        self._reapers.add(reaper)
        reaper.add_done_callback(self._reapers.discard)

    async def _reap(self, name: str, launched: Launched) -> None:
        code = await launched.process.wait()
        self.events.put_nowait(Event(exited=(name, launched, code)))

    async def _wait_ready(self, process: Process, pid: int) -> None:
        begun = self.clock.now()
        while not await is_ready(process.host, process.metrics_port, ASK_S):
            slow = self.clock.now() - begun > POLL_SLOW_AFTER_S
            await asyncio.sleep(POLL_SLOW_S if slow else POLL_S)
        self.events.put_nowait(Event(ready=(process.name, pid)))

    def _stop_waiting(self, name: str) -> None:
        if task := self._waits.pop(name, None):
            task.cancel()

    def _write_state(self) -> None:
        """A full disk must not end a cluster that plays: what is not written down is only less convenient."""
        with contextlib.suppress(OSError):
            states.write(self.state_file, self.state())
