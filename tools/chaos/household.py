"""Processes of a topology without a supervisor: each is started again at once when it ends, however it ends.

Owns what it starts. A process can be killed, paused, held down and armed with failpoints by its name. Centers and DCs
have spares, as with `mesh up`, but for lives with failpoints or an environment of their own. Rejected: the supervisor,
for those who kill the same process every second: it waits longer after each crash in a row, so that a storm of kills
would measure its patience. Its first restart is immediate, as every one is here.
"""

import asyncio
import contextlib
import os
import resource
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from signal import Signals

from mesh.clock import Clock
from mesh.failpoints import VARIABLE
from mesh.topology import Process, Topology
from tools.bench.ground import Ground
from tools.ctl.launch import Launched, is_ready, launch, node_command
from tools.ctl.prechecks import check_ports
from tools.ctl.spares import Spares, is_spared
from tools.ctl.supervision import CONFIGURATION, HANDED_OVER

OWN_EXITS_MAX = 5  # in a row, soon after the start, that nobody caused by a kill or a failpoint: it cannot live
SOON_S = 5.0  # one that has lived longer could; a scene that was given up, for example, ends by itself
POLL_S = 0.01
STOP_S = 6.0
READY_S = 30.0


@dataclass
class Life:
    """One run of a process."""

    launched: Launched
    began: float
    armed: str
    ended: float | None = None
    code: int | None = None  # below zero: the signal

    @property
    def pid(self) -> int:
        return self.launched.pid

    @property
    def was_short(self) -> bool:
        """Did it end soon after its start, and nobody has caused that?"""
        was_caused = self.code in (-Signals.SIGKILL, HANDED_OVER) or bool(self.armed)
        return not was_caused and self.ended is not None and self.ended - self.began < SOON_S


@dataclass
class Kept:
    """A process that is wanted. `next_armed` are the failpoints of its next life, and only of that one."""

    topology: Topology
    process: Process
    overrides: Mapping[str, str]
    clock: Clock
    environment: Mapping[str, str] = field(default_factory=dict)  # what it has more than we have, in every life
    next_armed: str = ""
    lives: list[Life] = field(default_factory=list)
    gave_up: bool = False
    _wanted: bool = True
    _free: asyncio.Event = field(default_factory=asyncio.Event)  # not held down
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    _keeping: asyncio.Task[None] | None = None
    _heir: Launched | None = None
    _spares: Spares | None = None
    _preparing: asyncio.Task[None] | None = None
    refusals: list[str] = field(default_factory=list)  # why processes did not hand over

    @property
    def life(self) -> Life:
        """The latest."""
        return self.lives[-1]

    @property
    def alive(self) -> bool:
        return bool(self.lives) and self.life.ended is None

    def begin(self) -> None:
        self._free.set()
        if is_spared(self.process) and not self.environment:
            self._spares = self._spares or Spares(self._start_spare, self._spare_command)
        self._keeping = asyncio.create_task(self._keep())

    def signal(self, number: Signals) -> float:
        """When it was sent; nothing happens to one that is gone."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.life.pid, number)
        return self.clock.now()

    def kill(self) -> float:
        """As kill -9; when it was done."""
        return self.signal(Signals.SIGKILL)

    def terminate(self) -> float:
        """Ask it to stop in order; it is started again."""
        return self.signal(Signals.SIGTERM)

    async def hand_over(self, timeout_s: float = READY_S) -> bool:
        """Start another process beside it, which is to take over from it. False when it goes on as it was."""
        before = self.life
        environment = {**os.environ, **self.environment, VARIABLE: ""}
        heir = self._heir = await launch(
            self.topology, self.process, self.overrides, environment=environment, beside=True
        )
        ended = asyncio.create_task(heir.process.wait())
        over = asyncio.create_task(self.wait_ended(before, timeout_s))
        await asyncio.wait({ended, over}, return_when=asyncio.FIRST_COMPLETED)
        over.cancel()
        if before.ended is None:
            heir.signal(Signals.SIGKILL)
            await ended
            self._heir = None
            self.refusals.append(" ".join(heir.last_words()))
            return False
        ended.cancel()
        return before.code == HANDED_OVER and await self.wait_ready(timeout_s)

    def hold(self) -> None:
        """When it ends it stays down until `release`."""
        self._free.clear()

    def release(self) -> None:
        """It starts; also when it was given up, and whatever it was given up for is over."""
        if self.gave_up:
            self.gave_up = False
            self.begin()
        self._free.set()

    def limit_files(self, bytes_: int | None) -> None:
        """From now on no file of the process may become larger: a full disk for whoever appends. None: any size."""
        _, hard = resource.prlimit(self.life.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.life.pid, resource.RLIMIT_FSIZE, (hard if bytes_ is None else bytes_, hard))

    async def wait_ended(self, life: Life, timeout_s: float) -> bool:
        """Until this life is over; False when it goes on."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s), self._changed:
                await self._changed.wait_for(lambda: life.ended is not None)
        return life.ended is not None

    async def wait_ready(self, timeout_s: float = READY_S) -> bool:
        """Until it serves; False when it does not within this time, or was given up."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.gave_up:
                    if self.alive and await is_ready(self.process.host, self.process.metrics_port, timeout_s):
                        return True
                    await asyncio.sleep(POLL_S)
        return False

    def words(self) -> list[str]:
        """What the latest life wrote on stdout and stderr, the last of it."""
        return self.life.launched.last_words()

    async def stop(self) -> None:
        """In order, or killed when that takes too long. It is not started again."""
        await self._leave(Signals.SIGTERM)
        await self._leave(Signals.SIGKILL)

    async def end(self) -> None:
        """Killed, and not started again."""
        await self._leave(Signals.SIGKILL)

    async def _leave(self, number: Signals) -> None:
        """One that is being started at this moment is told as soon as it is there."""
        self._wanted, told, until = False, None, self.clock.now() + STOP_S
        self._free.set()
        while self._keeping is not None and not self._keeping.done() and self.clock.now() < until:
            if self.alive and told is not self.life:
                told = self.life
                self.signal(number)
                self.signal(Signals.SIGCONT)
            await asyncio.wait({self._keeping}, timeout=POLL_S)
        if self._preparing is not None:
            self._preparing.cancel()
        if self._spares is not None:
            await self._spares.close()

    async def _keep(self) -> None:
        own_exits = 0
        while not self.gave_up:
            await self._free.wait()
            if not self._wanted:
                return
            code = await self._live()
            own_exits = own_exits + 1 if self.life.was_short else 0
            self.gave_up = code == CONFIGURATION or own_exits >= OWN_EXITS_MAX

    async def _live(self) -> int:
        armed, self.next_armed = self.next_armed, ""
        environment = {**os.environ, VARIABLE: armed, **self.environment}
        heir, self._heir = self._heir, None
        spare = self._spares.take(self.process.name) if self._spares and not heir and not armed else None
        launched = heir or spare or await launch(self.topology, self.process, self.overrides, environment=environment)
        life = Life(launched, self.clock.now(), armed)
        self.lives.append(life)
        if self._spares is not None:
            self._preparing = asyncio.create_task(self._prepare(self._spares, life, at_once=spare is not None))
        code = await launched.process.wait()
        async with self._changed:
            life.ended, life.code = self.clock.now(), code
            self._changed.notify_all()
        return code

    async def _prepare(self, spares: Spares, life: Life, at_once: bool) -> None:
        """When the supervisor would."""
        if at_once or (await self.wait_ready() and life is self.life):
            spares.prepare(self.process.name)

    async def _start_spare(self, _name: str) -> Launched:
        environment = {**os.environ, VARIABLE: ""}
        return await launch(self.topology, self.process, self.overrides, environment=environment, spare=True)

    def _spare_command(self, _name: str) -> list[str]:
        return node_command(self.topology, self.process, self.overrides, os.getpid(), spare=True)


@contextlib.asynccontextmanager
async def household(
    ground: Ground,
    topology: Topology,
    names: Sequence[str],
    overrides: Mapping[str, str] | None = None,
    environments: Mapping[str, Mapping[str, str]] | None = None,
) -> AsyncIterator[dict[str, Kept]]:
    """These processes of the topology by name (`dc.1`), started and, after the body, stopped in this order reversed.
    `environments`: by name, what the environment of one has more than ours."""
    processes, own = {process.name: process for process in topology.processes}, environments or {}
    check_ports(topology, [processes[name] for name in names])
    kept = {name: Kept(topology, processes[name], overrides or {}, ground.clock, own.get(name, {})) for name in names}
    try:
        for one in kept.values():
            one.begin()
        yield kept
    finally:
        for one in reversed(kept.values()):
            await asyncio.shield(one.stop())
