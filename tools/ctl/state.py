"""What a supervisor writes down for others: `<runtime>/supervisor.json`, or `<runtime>/keep/<process>.json`.

Written after every change and read by `status`, `restart`, `down` and by the next `up`, which finds here what a
supervisor that was killed left behind.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil

from mesh.topology import Process, Topology
from tools.ctl.clusters import write_json
from tools.ctl.processes import Identity, identity, is_alive
from tools.ctl.supervision import Child, Phase

SUPERVISOR = "supervisor.json"
KEEP = "keep"
SCALED_AWAY = "stopped by `mesh scale`"
"""The reason of a process that nobody misses."""


class ProcessState(msgspec.Struct, frozen=True):
    """One process of the cluster as its supervisor sees it."""

    name: str
    nodes: list[str]  # short names
    phase: str
    pid: int
    started: float  # seconds since 1970; 0 when it does not run
    restarts: int
    reason: str
    metrics_url: str
    drained: bool = False  # an operator emptied it, and it is not started again when it ends
    python: str = ""  # of the installation that it runs from; "": its supervisor does not say

    @property
    def identity(self) -> Identity:
        return Identity(self.pid, self.started)

    @property
    def runs(self) -> bool:
        return self.pid != 0 and is_alive(self.identity)


class ClusterState(msgspec.Struct, frozen=True):
    """Everything one supervisor looks after."""

    cluster: str
    supervisor: Identity
    whole: bool  # looks after all processes and listens on the control socket; a keep has one and does not
    foreman: Identity | None  # of a keep under honcho: what to signal to stop everything
    processes: list[ProcessState]

    @property
    def supervised(self) -> bool:
        return is_alive(self.supervisor)


def describe(process: Process, child: Child, python: str) -> ProcessState:
    """The two halves of what is known: the plan and the child."""
    started = 0.0
    if child.pid:
        with contextlib.suppress(psutil.Error):
            started = identity(child.pid).started
    return ProcessState(
        name=process.name,
        nodes=[node.short for node in process.nodes],
        phase=str(child.phase),
        pid=child.pid,
        started=started,
        restarts=child.restarts,
        reason=child.reason,
        metrics_url=f"http://{process.host}:{process.metrics_port}/metrics",
        drained=child.drained,
        python=python,
    )


def write(path: Path, state: ClusterState) -> None:
    """Whole or not at all; OSError when the disk refuses."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, state)


def read(path: Path) -> ClusterState | None:
    """None when there is none, or none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=ClusterState)
    except (OSError, msgspec.DecodeError):
        return None


def states_of(topology: Topology) -> Iterator[ClusterState]:
    """What the supervisor and the keeps of this runtime folder wrote, also when they are gone."""
    paths = [topology.runtime / SUPERVISOR, *sorted((topology.runtime / KEEP).glob("*.json"))]
    for path in paths:
        state = read(path)
        if state is not None:
            yield state


def processes_of(topology: Topology) -> dict[str, ProcessState]:
    """By short node name: the process that hosts it. What a living supervisor says goes before a dead one's words."""
    found: dict[str, ProcessState] = {}
    for state in sorted(states_of(topology), key=lambda s: s.supervised):
        for process in state.processes:
            for node in process.nodes:
                found[node] = process
    return found


def is_whole(topology: Topology) -> bool:
    """Is there a supervisor that listens on the control socket?"""
    return any(state.whole and state.supervised for state in states_of(topology))


def has_ended(topology: Topology, short: str) -> bool:
    """Is this a node of this machine that was stopped while its cluster runs, by `mesh scale` for example?"""
    known = processes_of(topology).get(short)
    return known is not None and not known.runs and known.phase == Phase.SHUTDOWN


def leftovers(topology: Topology) -> list[ProcessState]:
    """Node processes that still run although their supervisor does not."""
    return [p for state in states_of(topology) if not state.supervised for p in state.processes if p.runs]
