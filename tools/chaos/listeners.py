"""Nodes that listen to the center's publications through a network of their own that can be made bad.

Each is a real node of the mesh in this process, registered like any other, that hears the stream through a proxy in
front of the center's publisher, so that it alone can lose what is published. What a gate or scene does with the stream
is the mesh's, and so the same in these.
"""

import random
import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from mesh.clock import Clock
from mesh.node import on_published
from mesh.protocol.cluster import Announce
from mesh.protocol.control import Load, Member
from mesh.topology import Topology
from mesh.transport.sockets import ZmqNetwork
from tools.bench.cluster import Cluster
from tools.bench.standin import StandIn, seat, started
from tools.chaos.proxy import ChaosProxy

TAG = "chaos"
"""Announcements say this and their number."""
_NUMBER = re.compile(rb"\b%b ([0-9]+)" % TAG.encode())


class Listener(StandIn):
    """`numbers` are those of announcements, in the order in which they came."""

    ROLE = "scene"  # needs nobody but the DC

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.numbers: list[int] = []
        self._turn = 0

    @on_published(Announce)
    def on_announce(self, said: Announce) -> None:
        found = _NUMBER.search(said.body)
        if found is not None:
            self.numbers.append(int(found[1]))

    def facts(self) -> dict[str, str]:
        return {"turn": str(self._turn)}

    def turn(self) -> None:
        """It says something new about itself, which everybody is told."""
        self._turn += 1
        self.registry.facts_changed()

    @property
    def place(self) -> tuple[int, int]:
        """Up to where it has heard the stream: epoch and number."""
        known = self.registry.membership
        return known.epoch, known.sequence

    @property
    def members(self) -> dict[str, Member]:
        """As it knows them."""
        return without_load(self.registry.membership.members.values())


def without_load(members: Iterable[Member]) -> dict[str, Member]:
    """By name. The load of a member is for the center alone and is not published."""
    return {member.name: msgspec.structs.replace(member, load=Load()) for member in members}


@dataclass(frozen=True)
class Ear:
    """A listener and its network."""

    listener: Listener
    proxy: ChaosProxy
    first: int | None  # the number of the first announcement that it must have heard; None: it came late

    @property
    def name(self) -> str:
        return self.listener.name


@dataclass(frozen=True)
class Hall:
    """Where listeners are let in."""

    topology: Topology
    folder: Path
    clock: Clock
    chance: random.Random

    @asynccontextmanager
    async def ear(self, number: int, *, late: bool = False) -> AsyncIterator[Ear]:
        """A listener that is Ready; it is stopped at the end. `late`: something was announced before."""
        center = self.topology.center_of(self.topology.zone)
        proxy = ChaosProxy(center.publisher.removeprefix("ipc://"), 0, self.chance)
        port, network = await proxy.start(), ZmqNetwork(None)
        cluster = Cluster(self.topology, {}, (), self.folder, self.clock)
        place = seat(cluster, f"{Listener.ROLE}.{number}", network, self.clock)
        behind = msgspec.structs.replace(center, publisher=f"tcp://127.0.0.1:{port}")
        nodes = {**place.topology.nodes, center.name: behind}
        there = replace(place, topology=msgspec.structs.replace(place.topology, nodes=nodes))
        try:
            async with started(Listener(there), network) as listener:
                yield Ear(listener, proxy, None if late else 1)
        finally:
            await proxy.stop()
