"""One request with everything that it caused, drawn over time: who had it when, and who only waited (pure).

Every hop was seen by both of its ends, so its time splits into three: on the way (from the asker's clock to the
target's and back), in the target's own hands, and in the hands of those whom the target asked in turn. Only
differences taken on one clock are trusted: a hop is placed inside its parent by the parent's own clock, so that a
trace over several machines, whose clocks differ, is drawn right, too.
"""

from collections.abc import Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mesh.protocol import client, cluster, control, journal, play, social
from mesh.protocol.catalogue import CATALOGUE
from mesh.protocol.control import Trace
from mesh.protocol.envelope import Hop

BAR_CELLS = 44
BAR_CELLS_MIN = 12
BESIDE_CELLS = 68  # of a terminal's width, for the words and numbers in front of a bar
OWN, WAIT, WAY = "█", "░", "·"

KNOWN_MODULES = (client, cluster, control, journal, play, social)
"""Importing a module enters its messages into the catalogue, which is where names of numbers come from."""


class Span(msgspec.Struct, frozen=True):
    """A hop as it is drawn; microseconds since the beginning of the trace."""

    hop: Hop
    starts_us: int  # asked
    arrives_us: int
    leaves_us: int
    ends_us: int  # heard
    own_us: int  # in the target's hands
    waits: tuple[tuple[int, int], ...]  # while the target waited for others, from and to

    @property
    def total_us(self) -> int:
        return self.ends_us - self.starts_us

    @property
    def waited_us(self) -> int:
        return sum(end - start for start, end in self.waits)

    @property
    def way_us(self) -> int:
        return self.total_us - self.own_us - self.waited_us


class NodeTime(msgspec.Struct, frozen=True):
    """What one node did in a trace."""

    node: str
    requests: int
    own_us: int
    waited_us: int


def lay_out(hops: Sequence[Hop]) -> list[Span]:
    """Spans in the order of the hops, which is that of the tree: a hop, then all that is below it."""
    if not hops:
        return []
    origin = min(hop.asked_us for hop in hops if hop.depth == 0)
    spans: list[Span] = []
    above: list[tuple[Hop, int]] = []  # the open ancestors, and where their target's clock lies in the drawing
    for at, hop in enumerate(hops):
        del above[hop.depth :]
        shift = above[-1][1] if above else -origin
        starts = hop.asked_us + shift
        arrives = starts + _way_there(hop)
        inner = arrives - hop.received_us
        below = [(h.asked_us + inner, h.heard_us + inner) for h in _children(hops, at)]
        waits = _merge(below)
        inside = max(hop.answered_us - hop.received_us, 0)
        own = max(inside - sum(end - start for start, end in waits), 0)
        spans.append(Span(hop, starts, arrives, arrives + inside, starts + hop.heard_us - hop.asked_us, own, waits))
        above.append((hop, inner))
    return spans


def by_node(spans: Sequence[Span]) -> list[NodeTime]:
    """Own and waiting time per node, in the order in which the trace reached them."""
    found: dict[str, NodeTime] = {}
    for span in spans:
        name = span.hop.target
        before = found.get(name, NodeTime(name, 0, 0, 0))
        found[name] = NodeTime(
            name, before.requests + 1, before.own_us + span.own_us, before.waited_us + span.waited_us
        )
    return list(found.values())


def begun_at(spans: Sequence[Span]) -> NodeTime:
    """The node where the trace began: what it waited for, and what it did itself in between."""
    top = [span for span in spans if span.hop.depth == 0]
    waits = _merge([(span.starts_us, span.ends_us) for span in top])
    waited = sum(end - start for start, end in waits)
    return NodeTime(top[0].hop.source, 0, max(waits[-1][1] - waits[0][0] - waited, 0), waited)


def bar_cells(width: int) -> int:
    """How long a whole bar may be on a terminal of this width."""
    return min(max(width - BESIDE_CELLS, BAR_CELLS_MIN), BAR_CELLS)


def render(trace: Trace, cells: int = BAR_CELLS) -> RenderableType:
    """For a terminal: the waterfall with bars of so many cells, then the time in each node."""
    spans = lay_out(trace.hops)
    if not spans:
        return Text(f"{trace.kind} of {trace.subject}: nothing was asked of anybody")
    total = max(span.ends_us for span in spans)
    title = Text.assemble((f"{trace.kind} of {trace.subject}", "bold"), f"   {_ms(total)} ms   trace {trace.id:x}")
    legend = Text(f"{OWN} working   {WAIT} waiting for another node   {WAY} on the way", style="dim")
    return Group(title, _waterfall(spans, total, cells), legend, Text(), _nodes(spans))


def _waterfall(spans: Sequence[Span], total: int, cells: int) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("step", justify="right", no_wrap=True)
    table.add_column("request", no_wrap=True)
    table.add_column("to", no_wrap=True)
    for name in ("total ms", "own", "waiting"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=cells)
    for span in spans:
        table.add_row(
            str(span.hop.step or ""),
            "  " * span.hop.depth + name_of(span.hop),
            short(span.hop.target),
            _ms(span.total_us),
            _ms(span.own_us),
            _ms(span.waited_us),
            Text(bar(span, total, cells), style="cyan"),
        )
    return table


def _nodes(spans: Sequence[Span]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=False)
    table.add_column("node")
    for name in ("requests", "own ms", "waiting ms"):
        table.add_column(name, justify="right")
    for node in (begun_at(spans), *by_node(spans)):
        table.add_row(short(node.node), str(node.requests or "began"), _ms(node.own_us), _ms(node.waited_us))
    return table


def bar(span: Span, total_us: int, cells: int = BAR_CELLS) -> str:
    """One line of the drawing. Whatever happened has at least one cell."""
    drawn = [" "] * cells
    _fill(drawn, WAY, span.starts_us, span.ends_us, total_us)
    _fill(drawn, OWN, span.arrives_us, span.leaves_us, total_us)
    for start, end in span.waits:
        _fill(drawn, WAIT, start, end, total_us)
    return "".join(drawn)


def name_of(hop: Hop) -> str:
    """What was asked. The request that a trace began with may have come from outside and have no number."""
    if hop.number in CATALOGUE:
        return CATALOGUE[hop.number].type.__name__
    unnumbered = {1: "Login", 4: "query"}.get(hop.step, "request")
    return f"message {hop.number}" if hop.number else unnumbered


def short(name: str) -> str:
    """`gate.1` of `eu.one.gate.1`."""
    return ".".join(name.split(".")[-2:])


def _fill(drawn: list[str], mark: str, start_us: int, end_us: int, total_us: int) -> None:
    cells = len(drawn)
    first = min(max(start_us, 0) * cells // max(total_us, 1), cells - 1)
    last = min(max(-(-end_us * cells // max(total_us, 1)), first + 1), cells)
    drawn[first:last] = mark * (last - first)


def _way_there(hop: Hop) -> int:
    """From asker to target: as the clocks say when they agree, otherwise half of what was spent on the way."""
    way = max(hop.heard_us - hop.asked_us - (hop.answered_us - hop.received_us), 0)
    there = hop.received_us - hop.asked_us
    return there if 0 <= there <= way else way // 2


def _children(hops: Sequence[Hop], at: int) -> list[Hop]:
    """The hops directly below the one at this place."""
    depth, found = hops[at].depth, []
    for hop in hops[at + 1 :]:
        if hop.depth <= depth:
            break
        if hop.depth == depth + 1:
            found.append(hop)
    return found


def _merge(spans: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Overlapping intervals as one: two questions asked together are waited for once."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def _ms(us: int) -> str:
    return f"{us / 1000:.2f}"
