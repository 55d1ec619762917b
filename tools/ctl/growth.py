"""How a running cluster becomes larger or smaller: what `mesh scale` and `mesh drain` ask of the supervisor.

A further process has one node, which is not in the topology file. Its place follows from INDEX:NODE@ZONE: the index
fixes its ports. Every node that is started from then on is told of it (`--add`); those that run learn of it from the
registry. What was added is forgotten when the cluster stops: the file says what a cluster is, and this is for the hours
in which it is not enough.

Owns the choice of the index and the list of what was added. Whom to add or stop, and whether a node is empty, is the
business of the command (`scaling.py`, `draining.py`).
"""

from collections.abc import Callable, Collection, Sequence

import msgspec

from mesh import topology as topologies
from mesh.errors import MeshError
from mesh.topology import PROCESSES_MAX, Process, Topology
from tools.ctl import prechecks, state
from tools.ctl.exits import CommandError
from tools.ctl.supervision import Phase
from tools.ctl.supervisor import Supervisor


class Growth:
    """The part of one supervisor. `told` hears the list of what is added, after every change."""

    def __init__(self, supervisor: Supervisor, told: Callable[[Sequence[str]], object]) -> None:
        self._supervisor = supervisor
        self._told = told

    async def add(self, node: str, zone: str) -> str:
        """Start a node, or one of the file that was stopped by `remove`; returns when it is Ready, "", or a text that
        says why it is not."""
        supervisor = self._supervisor
        if supervisor.supervision.stopping or not supervisor.supervision.settled:
            return "the cluster is starting or being stopped"
        if node in supervisor.processes:
            child = supervisor.supervision.children.get(node)  # None: it is about to be started
            if child is None or child.phase not in (Phase.SHUTDOWN, Phase.DOWN):
                return f"{node} is there already ({child.phase if child is not None else Phase.WAITING})"
            return await supervisor.restart(node)
        try:
            process, text = self._place(node, zone)
        except MeshError as error:
            return str(error)
        problem = await self._start(process, text)
        if problem and not supervisor.supervision.stopping:
            await self.remove(node)
        return problem

    async def remove(self, name: str) -> str:
        """Stop a process; one of the file can be started again, of another nothing is left but its data."""
        supervisor = self._supervisor
        if supervisor.supervision.stopping:
            return "the cluster is being stopped"
        await supervisor.retire(name, state.SCALED_AWAY)
        text = next((text for text in supervisor.added if node_of(text) == name), None)
        if text is not None and not supervisor.supervision.stopping:
            await supervisor.forget(name, text)
            supervisor.topology = without(supervisor.topology, name)
            self._told(supervisor.added)
        return ""

    def _place(self, node: str, zone: str) -> tuple[Process, str]:
        """Where it goes; a MeshError says why there is no place."""
        supervisor = self._supervisor
        index = free_index([p.index for p in supervisor.topology.processes])
        text = f"{index}:{node}@{zone}"
        topology = self._load([*supervisor.added, text])
        process = next(p for p in topology.processes if p.index == index)
        prechecks.check_ports(topology, [process])
        supervisor.topology = topology
        return process, text

    async def _start(self, process: Process, text: str) -> str:
        self._told([*self._supervisor.added, text])  # `mesh status` shows it from the first moment
        return await self._supervisor.add(process, text)

    def _load(self, added: Sequence[str]) -> Topology:
        topology, overrides = self._supervisor.topology, self._supervisor.overrides
        return topologies.load(
            topology.file, base_port=topology.base_port, runtime=topology.runtime, overrides=overrides, added=added
        )


def without(topology: Topology, name: str) -> Topology:
    """This process is no part of it. The file is not read again: it may have changed since."""
    processes = [p for p in topology.processes if p.name != name]
    return msgspec.structs.replace(topology, processes=processes, nodes={n.name: n for p in processes for n in p.nodes})


def node_of(text: str) -> str:
    """`scene.3` of `7:scene.3@one`."""
    return text.partition(":")[2].partition("@")[0]


def free_index(taken: Collection[int]) -> int:
    """The lowest one, so that the ports of what was stopped are used again; CommandError when all are taken."""
    for index in range(PROCESSES_MAX):
        if index not in taken:
            return index
    raise CommandError(f"{PROCESSES_MAX} processes are as many as one cluster has ports for")
