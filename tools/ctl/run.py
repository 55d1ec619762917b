"""Runs one cluster in this process until it is stopped: what `mesh up` and its detached twin have in common."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from mesh.clock import Clock, SystemClock
from mesh.topology import Process, Topology
from tools.ctl import clusters, prechecks, state
from tools.ctl.control import ControlServer, socket_path
from tools.ctl.exits import CommandError, Exit
from tools.ctl.growth import Growth
from tools.ctl.supervision import Instruction, Limits, Word
from tools.ctl.supervisor import Supervisor
from tools.ctl.words import client_addresses, sentence

PART_START_S = 300.0  # for the processes of one machine, which wait for those of the others
LOG_BYTES_MAX = 5 << 20  # of the supervisor's log; above it a start makes it `.log.1`


class Outcome(CommandError):
    """A start that failed; every reason was told already."""


def supervise_cluster(
    topology: Topology,
    overrides: Mapping[str, str],
    environment: Mapping[str, str],
    say: Callable[[str], None],
    ready: Callable[[dict[str, Any]], None],
    host: str = "",
) -> Exit:
    """Check, start, look after, stop. `ready` is called once, with what `up --json` prints. With `host` only its
    processes: the others have supervisors of their own."""
    clock = SystemClock()
    processes = prechecks.processes_on(topology, host)
    with contextlib.ExitStack() as stack:
        prechecks.check_not_running(topology, environment)
        prechecks.check_settings(topology, overrides)
        prechecks.check_keys(topology, processes)
        prechecks.check_writable(topology)
        stack.callback(prechecks.lock(topology).close)
        log = stack.enter_context(open_log(topology.runtime / "logs" / "supervisor.log"))
        part = Part(topology, overrides, environment, host, processes)
        return asyncio.run(_supervise(part, Teller(clock, say, log), clock, ready))


@dataclass(frozen=True)
class Part:
    """What one supervisor runs: a cluster, or what one machine has of it."""

    topology: Topology
    overrides: Mapping[str, str]
    environment: Mapping[str, str]
    host: str
    processes: list[Process]

    @property
    def limits(self) -> Limits:
        """Nobody starts several machines in the same second."""
        return Limits(start_s=PART_START_S) if self.host else Limits()

    def leave_note(self, added: Sequence[str] = ()) -> Path:
        """For the other commands."""
        return clusters.register(self.topology, self.overrides, "supervisor", self.environment, self.host, added)


async def _supervise(part: Part, tell: "Teller", clock: Clock, ready: Callable[[dict[str, Any]], None]) -> Exit:
    topology = part.topology
    await prechecks.wait_leftovers(topology, clock, tell.say)
    prechecks.check_ports(topology, part.processes)

    def told(said: Instruction) -> None:
        tell.say(sentence(said, topology, part.host))
        if said.word is Word.ALL_READY:
            ready(summary(topology, supervisor, said.value))

    file = topology.runtime / state.SUPERVISOR
    supervisor = Supervisor(topology, part.overrides, clock, told, part.processes, file, limits=part.limits)
    growth = Growth(supervisor, part.leave_note)
    control = ControlServer(supervisor, growth, socket_path(topology))
    note = part.leave_note()
    try:
        await control.open()
        what = f"{len(part.processes)} processes{f' of {part.host}' if part.host else ''}"
        tell.say(f"cluster {topology.runtime.name}: starting {what}, data in {topology.runtime}")
        code = await supervisor.run()
        tell.say(f"cluster {topology.runtime.name} has stopped")
    finally:
        note.unlink(missing_ok=True)
        await control.close()
    if supervisor.supervision.failed:
        raise Outcome(f"cluster {topology.runtime.name} did not start: {supervisor.supervision.failed}", code)
    return Exit.OK if supervisor.supervision.settled else Exit.INTERRUPTED


class Teller:
    """Sentences to people and to the supervisor's log. Neither a closed terminal nor a full disk ends a cluster."""

    def __init__(self, clock: Clock, say: Callable[[str], None], log: IO[str]) -> None:
        self._clock = clock
        self._say = say
        self._log = log

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._say(text)
        stamp = datetime.fromtimestamp(self._clock.wall(), UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        with contextlib.suppress(OSError, ValueError):
            self._log.write(f"{stamp} INFO    supervisor {text}\n")
            self._log.flush()


def open_log(path: Path) -> IO[str]:
    """Append, after moving one that has grown large out of the way."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_suffix(".log.1"))
    return path.open("a", encoding="utf-8")


def summary(topology: Topology, supervisor: Supervisor, ready_s: float) -> dict[str, Any]:
    """What `up --json` prints when all are Ready."""
    processes = supervisor.state().processes
    return {
        "cluster": topology.runtime.name,
        "topology": str(topology.file),
        "runtime": str(topology.runtime),
        "base_port": topology.base_port,
        "supervisor_pid": supervisor.state().supervisor.pid,
        "ready_s": round(ready_s, 3),
        "clients": client_addresses(topology),
        "nodes": [
            {
                "name": topology.node(short).name,
                "role": topology.node(short).role,
                "state": p.phase,
                "pid": p.pid,
                "metrics_url": p.metrics_url,
            }
            for p in processes
            for short in p.nodes
        ],
    }
