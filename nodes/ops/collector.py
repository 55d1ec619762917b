"""Asks every node that is linked for its figures, all at once, and makes a Reading of each answer.

Owns the layouts that the nodes were known by last. A node that answers late or with nonsense costs its own reading and
nobody else's: what is refused is counted by node and said once.
"""

import asyncio
from collections.abc import Sequence

import numpy as np

from mesh.core.links import Link
from mesh.errors import MeshError
from mesh.node import Node
from mesh.protocol.monitoring import MetricsRead, ReadMetrics
from mesh.topology import zone_in
from nodes.ops.reading import Layout, Reading

ANSWER_S = 0.8  # of the second: who takes longer is not asked twice at a time


class Collector:
    """See the module. `refused` counts answers that made no sense, by node."""

    def __init__(self, node: Node) -> None:
        self.refused: dict[str, int] = {}
        self.late: dict[str, int] = {}  # rounds without an answer, by node
        self._node = node
        self._known: dict[str, tuple[int, int, Layout]] = {}  # peer -> incarnation, number, layout

    async def read_all(self) -> list[Reading]:
        """One round; takes ANSWER_S at most."""
        at_s = self._node.clock.wall()
        links = [link for link in self._node.switchboard.links.up.values() if link.role != "ctl"]
        found = await asyncio.gather(*(self._read(link, at_s) for link in links))
        own = self._made(self._node.name, self._node.ROLE, self._node.incarnation, at_s, self._own())
        return [reading for reading in (own, *found) if reading is not None]

    def forget(self, peer: str) -> None:
        """It left: its layout is of no use."""
        self._known.pop(peer, None)

    async def _read(self, link: Link, at_s: float) -> Reading | None:
        known = self._known.get(link.peer)
        number = known[1] if known is not None and known[0] == link.incarnation else 0
        try:
            answer = await self._node.ask(link.peer, ReadMetrics(number), ANSWER_S)
        except MeshError:
            self.late[short_of(link.peer)] = self.late.get(short_of(link.peer), 0) + 1
            return None
        assert isinstance(answer, MetricsRead), "the catalogue allows nothing else"
        return self._made(link.peer, link.role, link.incarnation, at_s, answer)

    def _own(self) -> MetricsRead:
        known = self._known.get(self._node.name)
        return self._node.monitoring.read(known[1] if known is not None else 0)

    def _made(self, peer: str, role: str, incarnation: int, at_s: float, said: MetricsRead) -> Reading | None:
        known = self._known.get(peer)
        if known is None or known[:2] != (incarnation, said.layout):
            if len(set(said.series)) != len(said.series):
                self._refuse(peer, "a series stands there twice")
                return None
            known = self._known[peer] = (incarnation, said.layout, Layout(tuple(said.series)))
        values = np.frombuffer(said.values, "<f8") if len(said.values) % 8 == 0 else np.empty(0)
        problem = _problem(known[2].series, values)
        if problem:
            self._refuse(peer, problem)
            return None
        return Reading(
            short_of(peer), role, zone_in(peer), incarnation, at_s, known[2], values, said.pid, self._host(peer)
        )

    def _host(self, peer: str) -> str:
        spec = self._node.topology.nodes.get(peer)
        return spec.host if spec is not None else ""

    def _refuse(self, peer: str, problem: str) -> None:
        short = short_of(peer)
        if short not in self.refused:
            self._node.log.warning("a node reports nonsense: its figures are left out", peer=peer, reason=problem)
        self.refused[short] = self.refused.get(short, 0) + 1
        self._known.pop(peer, None)


def _problem(series: Sequence[object], values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> str:
    """What is wrong with an answer, or nothing."""
    if len(series) != len(values):
        return f"{len(values)} numbers for {len(series)} series"
    return "" if not np.isinf(values).any() else "a number without end"


def short_of(peer: str) -> str:
    """`scene.1` of a full name."""
    return ".".join(peer.split(".")[-2:])
