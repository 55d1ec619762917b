"""A node of ours inside this process: speaks to a cluster through the mesh, as a node of another role would.

It is registered and linked like any other, so that a bench of the DC or of a scene measures the real node with its real
transport, and nothing of the roles in between. It must not be what is measured. Tools know the roles' classes no more
than `mesh` does, so a stand-in has no settings.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any, TypeVar

import msgspec

from mesh import topology as topologies
from mesh.clock import Clock, SystemClock
from mesh.node import Node
from mesh.seat import Seat, ThreadWorkers
from mesh.topology import PROCESSES_MAX, Topology
from mesh.transport.sockets import ZmqNetwork
from tools.bench.cluster import Cluster
from tools.ctl.exits import CommandError

READY_S = 15.0


class StandIn(Node):
    """A subclass says as what it passes by ROLE, and has handlers for what it wants to hear."""


S = TypeVar("S", bound=StandIn)


class Quiet:
    """Its log: a mistake is what the bench notices by itself."""

    def info(self, text: str, **fields: Any) -> None:
        pass

    warning = error = exception = info


@contextlib.asynccontextmanager
async def stand_in(cluster: Cluster, kind: type[S], number: int = 9) -> AsyncIterator[S]:
    """A node `<ROLE>.<number>` that is Ready; CommandError when it does not become so."""
    network = ZmqNetwork(None)
    async with started(kind(seat(cluster, f"{kind.ROLE}.{number}", network, cluster.clock)), network) as node:
        yield node


@contextlib.asynccontextmanager
async def started(node: S, network: ZmqNetwork) -> AsyncIterator[S]:
    """One that was made before, with the network that is its own."""
    try:
        await node.start()
        try:
            async with asyncio.timeout(READY_S):
                await node.ready.wait()
        except TimeoutError:
            raise CommandError(f"{node.name} was not taken in by the cluster within {READY_S:.0f} s") from None
        yield node
    finally:
        await asyncio.shield(node.stop())
        network.close()


def seat(cluster: Cluster, short: str, network: ZmqNetwork, clock: Clock | None = None) -> Seat:
    """A place beside the nodes of the cluster; its ports are those of processes that the topology does not have."""
    topology = beside(cluster.topology, short)
    spec = topology.node(short)
    chance = random.Random(random.SystemRandom().getrandbits(64))
    return Seat(spec, topology, clock or SystemClock(), network, chance, Quiet(), ThreadWorkers, cluster.folder / short)


def beside(topology: Topology, short: str) -> Topology:
    """The topology with one more node, and without settings, which are those of roles that are not known here."""
    taken = {process.index for process in topology.processes}
    index = next(index for index in reversed(range(PROCESSES_MAX)) if index not in taken)
    loaded = topologies.load(
        topology.file, base_port=topology.base_port, runtime=topology.runtime, added=[f"{index}:{short}"]
    )
    return msgspec.structs.replace(loaded, settings={})
