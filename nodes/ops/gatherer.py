"""Fetches from every node what it has traced and what its process has logged since it was asked last.

Owns the place in each node's stream. A node that starts anew begins anew; what it forgot before it was asked is counted
in `missed`. Nodes of one process log into one stream: one of them is asked for it.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

from mesh.core.links import Link
from mesh.errors import MeshError
from mesh.node import Node
from mesh.protocol.monitoring import Line, LinesRead, ReadLines, ReadTraces, TracesRead
from nodes.ops.archive import KeptTrace
from nodes.ops.collector import short_of
from nodes.ops.reading import Reading

ANSWER_S = 3.0
LINES_AT_ONCE = 1000
TRACES_AT_ONCE = 200


class Gathered(NamedTuple):
    """What is new."""

    traces: list[KeptTrace]
    lines: list[Line]


class Gatherer:
    """See the module."""

    def __init__(self, node: Node) -> None:
        self.missed = 0  # traces and lines that were gone before they were asked for
        self._node = node
        self._traces: dict[str, tuple[int, int]] = {}  # peer -> incarnation, place
        self._lines: dict[str, tuple[int, int]] = {}

    async def gather(self, readings: Mapping[str, Reading]) -> Gathered:
        """All that is new, of everybody that answers in time. `readings`: who shares a process, by node."""
        links = [link for link in self._node.switchboard.links.up.values() if link.role != "ctl"]
        speaking = self._speaking(links, readings)
        traces = await asyncio.gather(*(self._new_traces(link) for link in links))
        lines = await asyncio.gather(*(self._new_lines(link) for link in speaking))
        return Gathered([one for some in traces for one in some], [one for some in lines for one in some])

    def _speaking(self, links: list[Link], readings: Mapping[str, Reading]) -> list[Link]:
        """One of each process, and not of our own, whose lines we have."""
        own = readings.get(short_of(self._node.name))
        seen = {(own.host, own.pid)} if own is not None else set()
        found = []
        for link in links:
            reading = readings.get(short_of(link.peer))
            process = (reading.host, reading.pid) if reading is not None else (link.peer, 0)
            if process not in seen:
                seen.add(process)
                found.append(link)
        return found

    async def _new_traces(self, link: Link) -> list[KeptTrace]:
        try:
            answer = await self._node.ask(
                link.peer, ReadTraces(self._place(self._traces, link), TRACES_AT_ONCE), ANSWER_S
            )
        except MeshError:
            return []
        assert isinstance(answer, TracesRead), "the catalogue allows nothing else"
        self._moved(self._traces, link, answer.last, answer.missed)
        return [KeptTrace(short_of(link.peer), trace) for trace in answer.traces]

    async def _new_lines(self, link: Link) -> list[Line]:
        try:
            asking = ReadLines(self._place(self._lines, link), LINES_AT_ONCE)
            answer = await self._node.ask(link.peer, asking, ANSWER_S)
        except MeshError:
            return []
        assert isinstance(answer, LinesRead), "the catalogue allows nothing else"
        self._moved(self._lines, link, answer.last, answer.missed)
        return answer.lines

    def _place(self, places: dict[str, tuple[int, int]], link: Link) -> int:
        incarnation, place = places.get(link.peer, (0, 0))
        return place if incarnation == link.incarnation else 0

    def _moved(self, places: dict[str, tuple[int, int]], link: Link, last: int, missed: int) -> None:
        if places.get(link.peer, (0, 0))[0] == link.incarnation:
            self.missed += missed  # what was before our own start is nobody's loss
        places[link.peer] = (link.incarnation, last)
