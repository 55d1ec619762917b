"""Runs one cluster in this process until it is stopped: what `mesh up` and its detached twin have in common."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from mesh.clock import Clock, SystemClock
from mesh.topology import Topology
from tools.ctl import clusters, prechecks, state
from tools.ctl.control import ControlServer, socket_path
from tools.ctl.exits import CommandError, Exit
from tools.ctl.supervision import Instruction, Word
from tools.ctl.supervisor import Supervisor
from tools.ctl.words import client_addresses, sentence

LOG_BYTES_MAX = 5 << 20  # of the supervisor's log; above it a start makes it `.log.1`


class Outcome(CommandError):
    """A start that failed; every reason was told already."""


def supervise_cluster(
    topology: Topology,
    overrides: Mapping[str, str],
    environment: Mapping[str, str],
    say: Callable[[str], None],
    ready: Callable[[dict[str, Any]], None],
) -> Exit:
    """Check, start, look after, stop. `ready` is called once, with what `up --json` prints."""
    clock = SystemClock()
    with contextlib.ExitStack() as stack:
        prechecks.check_not_running(topology, environment)
        prechecks.check_settings(topology, overrides)
        prechecks.check_writable(topology)
        stack.callback(prechecks.lock(topology).close)
        log = stack.enter_context(open_log(topology.runtime / "logs" / "supervisor.log"))
        return asyncio.run(_supervise(topology, overrides, environment, Teller(clock, say, log), clock, ready))


async def _supervise(
    topology: Topology,
    overrides: Mapping[str, str],
    environment: Mapping[str, str],
    tell: "Teller",
    clock: Clock,
    ready: Callable[[dict[str, Any]], None],
) -> Exit:
    await prechecks.wait_leftovers(topology, clock, tell.say)
    prechecks.check_ports(topology, topology.processes)

    def told(said: Instruction) -> None:
        tell.say(sentence(said, topology))
        if said.word is Word.ALL_READY:
            ready(summary(topology, supervisor, said.value))

    supervisor = Supervisor(topology, overrides, clock, told, topology.processes, topology.runtime / state.SUPERVISOR)
    control = ControlServer(supervisor, socket_path(topology))
    note = clusters.register(topology, overrides, "supervisor", environment)
    try:
        await control.open()
        count = len(topology.processes)
        tell.say(f"cluster {topology.runtime.name}: starting {count} processes, data in {topology.runtime}")
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
