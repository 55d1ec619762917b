"""A whole zone in one process: the real nodes of a topology on virtual time."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from mesh.node import Node
from mesh.seat import Seat
from mesh.testing.clients import MemoryFront
from mesh.testing.network import MemoryNetwork
from mesh.testing.virtual import InlineWorkers, ManualClock, SilentLog
from mesh.topology import Topology

T = TypeVar("T")


class Cluster:
    """Real nodes of a topology in one process, on virtual time and a network in memory.

    `roles` maps a role to its node class (tests know them, `mesh` does not).
    """

    def __init__(self, topology: Topology, roles: dict[str, type[Node]], data: Path, seed: int = 1) -> None:
        self.topology, self.roles, self.data = topology, roles, data
        self.network = MemoryNetwork(seed)
        self.clock = ManualClock(asyncio.get_running_loop())
        self.random = random.Random(seed)
        self.log = SilentLog()
        self.nodes: dict[str, Node] = {}  # by short name
        self.fronts: dict[str, MemoryFront] = {}

    def seat(self, short: str) -> Seat:
        """What a node of this cluster is given."""
        spec = self.topology.node(short)
        front = self.fronts.setdefault(short, MemoryFront())

        def make_front(*_: object) -> MemoryFront:
            return front

        own = random.Random(self.random.getrandbits(64))
        return Seat(
            spec, self.topology, self.clock, self.network, own, self.log, InlineWorkers, self.data / short, make_front
        )

    async def start(self, *shorts: str) -> None:
        """Start these nodes, or all, and wait until they are Ready."""
        wanted = shorts or tuple(spec.short for spec in self.topology.nodes.values())
        for short in wanted:
            self.fronts.pop(short, None)
            node = self.roles[self.topology.node(short).role](self.seat(short))
            self.nodes[short] = node
            await node.start()
        for short in wanted:
            await self.nodes[short].ready.wait()

    def node(self, short: str) -> Any:
        return self.nodes[short]

    async def kill(self, short: str) -> None:
        """As SIGKILL: no drain, no goodbye."""
        await self.crash(short).abandon()

    def crash(self, short: str) -> Node:
        """What the others see of a SIGKILL, at once. Returns what is left, to be abandoned."""
        node = self.nodes.pop(short)
        self.network.kill(node.name)
        front = self.fronts.get(short)
        if front is not None:
            front.listening = False
            for connection in list(front.connections):
                front.connections.remove(connection)
                connection.lose()
        return node

    async def stop(self) -> None:
        """Everything in order: gates first, the DC and the center last."""
        order = ("gate", "login", "scene", "dc", "log", "ops", "center")
        for short in sorted(self.nodes, key=lambda s: order.index(s.split(".")[0])):
            await self.nodes[short].stop()

    def internal_errors(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Mistakes of ours that nodes logged: a test that ends with some has failed."""
        return [line for line in self.log.lines if line[0] in ("error", "exception")]


async def with_cluster(
    topology: Topology,
    roles: dict[str, type[Node]],
    data: Path,
    story: Callable[[Cluster], Awaitable[T]],
    *,
    seed: int = 1,
) -> T:
    """Start a whole zone, run a story in it, stop it."""
    cluster = Cluster(topology, roles, data, seed)
    await cluster.start()
    try:
        return await story(cluster)
    finally:
        await cluster.stop()
