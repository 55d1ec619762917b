"""The ops node: gathers what all nodes say of themselves, keeps it, and says when something is wrong.

Every node opens a link to it when the registry names it, and then answers its questions. It is asked by operators and
by nobody else: when it dies nothing changes for the game. One ops node serves all zones of a topology.
"""

import asyncio

from mesh.node import Node
from mesh.seat import Seat
from nodes.ops.collector import Collector
from nodes.ops.reading import Reading
from nodes.ops.settings import OpsSettings


class OpsNode(Node):
    """See the module."""

    ROLE = "ops"
    SETTINGS = OpsSettings

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        self.collector = Collector(self)
        self.latest: dict[str, Reading] = {}  # by node; of those that answered in the last round
        self._rounds = 0
        reads = self.metrics.reads
        reads("ops_rounds_total", "Rounds of questions to all nodes.", lambda: self._rounds)
        reads("ops_nodes_read", "Nodes that answered in the last round.", lambda: len(self.latest))
        text = "Answers that were nonsense and left out, by node."
        reads("ops_refused_total", text, lambda: {(name,): n for name, n in self.collector.refused.items()}, "of")
        text = "Rounds in which a node did not answer in time."
        reads("ops_late_total", text, lambda: {(name,): n for name, n in self.collector.late.items()}, "of")

    async def serve(self) -> None:
        self.spawn(self._rounds_for_ever())

    async def _rounds_for_ever(self) -> None:
        """Once in `every_s` by the clock: a round that took long shortens the pause, and does not shift the next."""
        every_s: float = self.settings.every_s
        due = self.clock.now()
        while True:
            due = max(due + every_s, self.clock.now())
            await asyncio.sleep(due - self.clock.now())
            readings = await self.collector.read_all()
            self.latest = {reading.node: reading for reading in readings}
            self._rounds += 1
