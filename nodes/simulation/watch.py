"""Looks at the nodes of a running course many times a second: what must hold at every moment.

Owns what it has found, each rule once for what it is about. Looks, never touches.
"""

import asyncio

from mesh.checking.bounds import bounds, one_at_a_time
from mesh.checking.records import Problem
from mesh.core.journal_outbox import EVENTS_MAX
from nodes.dc.node import DcNode
from nodes.gate.node import GateNode
from nodes.scene.mailing import UNDER_WAY_MAX
from nodes.scene.node import SceneNode
from nodes.simulation.zone import SimulatedZone

LOOK_S = 0.05


class Watch:
    """See the module."""

    def __init__(self, zone: SimulatedZone) -> None:
        self._zone = zone
        self._found: dict[str, Problem] = {}

    @property
    def problems(self) -> list[Problem]:
        return list(self._found.values())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        for problem in (*one_at_a_time(self._writers()), *bounds(self._sizes())):
            what = problem.text.partition(":")[0]
            if what not in self._found:
                self._found[what] = problem
                self._zone.tell(f"{problem.checker}: {problem.text}")

    def _writers(self) -> list[str]:
        """Those that would answer now. One that stands still does not, and looks at its clock before it goes on."""
        zone = self._zone
        paired = [(short, zone.dc(short).pair) for short in zone.stores if short in zone.nodes]
        return [short for short, pair in paired if pair is not None and pair.may_answer() and zone.is_up(short)]

    def _sizes(self) -> dict[str, tuple[int, int]]:
        sizes: dict[str, tuple[int, int]] = {}
        for short, node in self._zone.nodes.items():
            if not node.ready.is_set():
                continue
            sizes[f"events of {short} for the log"] = node.journal.pending, node.topology.events_kept or EVENTS_MAX
            if isinstance(node, DcNode):
                sizes[f"operations at {short}"] = node.writer.depth, node.settings.queue_max
            elif isinstance(node, SceneNode):
                busy = max((session.busy for session in node.sessions), default=0)
                sizes[f"operations of a player at {short}"] = busy, UNDER_WAY_MAX
            elif isinstance(node, GateNode):
                limit = node.settings.unread_bytes_max
                unread = (c.control_bytes + c.connection.backlog for c in node.clients.by_session.values())
                sizes[f"bytes of a client at {short}"] = max(unread, default=0), limit
        return sizes
