"""Everything of a center that has to do with other zones, put together in one place.

    claims     before a session comes in: arrivals ask it
    handlers   of what other centers say, for the node's own table
    zones      a watcher, and the society's way into the other zones
    travels    of what clients say about zones; made last, since it needs transfers

In a cluster of one zone it is there, too, and has nobody to talk to.
"""

import asyncio
from collections.abc import Awaitable, Callable

from mesh.node import Node
from nodes.center.claims import Claims
from nodes.center.courier import Courier
from nodes.center.departures import Departures
from nodes.center.directory import Directory, Presence
from nodes.center.locks import AccountLocks
from nodes.center.neighbours import Neighbours
from nodes.center.queue import Queue
from nodes.center.settings import CenterSettings
from nodes.center.travel import Travels
from nodes.center.zones import STATE_S, Ears, Zones


class Border:
    """See the module."""

    def __init__(
        self,
        node: Node,
        told: CenterSettings,
        directory: Directory,
        queue: Queue,
        locks: AccountLocks,
        courier: Courier,
        departures: Departures,
        ears: Ears,
        whole: asyncio.Event,
    ) -> None:
        own = node.seat.spec.zone
        centers = [(spec.name, spec.zone) for spec in node.topology.of_role("center") if spec.zone != own]
        self._node, self._told, self._directory, self._courier = node, told, directory, courier
        self.neighbours = Neighbours(centers, node.clock.now())
        self.claims = Claims(node, directory, queue, locks, courier, departures, self.neighbours, whole)
        self.zones = Zones(node, told, directory, courier, self.neighbours, self.claims, whole, ears)
        self.handlers: list[object] = [self.claims, self.zones]
        self._measure()

    def open(self) -> None:
        """The node runs."""
        self._node.every(STATE_S, self.zones.tend)

    def travels(self, depart: Callable[[Presence], Awaitable[None]]) -> Travels:
        """`depart` saves a character and takes it out of the world, or refuses."""
        made = Travels(self._node, self._told, self._directory, self._courier, self.neighbours, depart)
        self._node.metrics.reads("center_travellers_total", "Characters sent to another zone.", lambda: made.begun)
        return made

    def _measure(self) -> None:
        reads = self._node.metrics.reads
        reads("center_zones_linked", "Other zones whose centers can be reached.", lambda: len(self.neighbours.linked()))
        reads("center_claims_total", "Sessions claimed from other zones.", lambda: self.claims.made)
        reads("center_claimed_total", "Sessions that went on in another zone.", lambda: self.claims.ended)
        reads("center_relayed_total", "Messages for other zones.", lambda: self.zones.relayed)
