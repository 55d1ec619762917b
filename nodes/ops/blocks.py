"""The arithmetic of signals, many at a time: sums over columns, quotients of sums, quantiles of buckets, spreads.

A column is one number of one node (a key of its plan). Everything here works on the columns of all nodes at once, since
some hundred signals one by one would take most of a second's budget for calling Python functions.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from nodes.ops.plans import Floats, Indices

Columns = Mapping[float, Floats]
"""By window: the growth of each column in it, a second; 0.0: the columns as they are. NaN: not known."""


class Group(NamedTuple):
    """Columns that are added up, and how many of them have to be known."""

    columns: Sequence[int]
    signs: Sequence[float]
    need: int


class Block:
    """One sum for each group; none of them is empty."""

    def __init__(self, groups: Sequence[Group]) -> None:
        sizes = [len(group.columns) for group in groups]
        self._columns: Indices = np.array([at for group in groups for at in group.columns], np.intp)
        self._signs = np.array([sign for group in groups for sign in group.signs], np.float64)
        self._starts: Indices = np.concatenate(([0], np.cumsum(sizes)))[:-1].astype(np.intp)
        self._need: Indices = np.array([group.need for group in groups], np.intp)

    def sums(self, columns: Floats) -> Floats:
        """NaN where too little is known."""
        some = columns[self._columns] * self._signs
        known = np.isfinite(some)
        sums: Floats = np.add.reduceat(np.where(known, some, 0.0), self._starts)
        sums[np.add.reduceat(known, self._starts, dtype=np.intp) < self._need] = np.nan
        return sums


class FigureOf(NamedTuple):
    """A figure of one slot."""

    slot: int
    top: Group
    under: Group | None
    least: float
    free: float = 0.0


class Figures:
    """Those of one window, all with a divisor of the same kind or all without."""

    def __init__(self, window_s: float, grows: bool, figures: Sequence[FigureOf]) -> None:
        self._window_s, self._grows = window_s, grows
        self._slots: Indices = np.array([one.slot for one in figures], np.intp)
        self._top = Block([one.top for one in figures])
        unders = [one.under for one in figures if one.under is not None]
        self._under = Block(unders) if unders else None
        self._least = np.array([one.least for one in figures], np.float64)
        free = np.array([one.free for one in figures], np.float64)
        self._free = free / window_s if window_s and free.any() else None

    def fill(self, values: Floats, columns: Columns) -> None:
        """Enter what they are now."""
        top = self._top.sums(columns[self._window_s])
        if self._free is not None:
            top = np.where(self._free > 0, np.maximum(top - self._free, 0.0), top)
        if self._under is None:
            values[self._slots] = top
        elif self._grows:
            under = self._under.sums(columns[self._window_s])
            enough = under * self._window_s >= self._least
            values[self._slots] = np.divide(top, under, out=np.full(len(top), np.nan), where=enough & (under > 0))
        else:
            values[self._slots] = top / np.maximum(self._under.sums(columns[0.0]), self._least)


class QuantileOf(NamedTuple):
    """A quantile of one slot: a group for each bucket, from the lowest bound to +Inf."""

    slot: int
    q: float
    bounds: Sequence[float]
    buckets: Sequence[Group]
    least: float


class Quantiles:
    """Those of one window. Within a bucket observations are taken to lie evenly, as `histogram_quantile` of Prometheus
    does; what is above the highest bound is said to be at that bound."""

    def __init__(self, window_s: float, quantiles: Sequence[QuantileOf]) -> None:
        self._window_s = window_s
        self._slots: Indices = np.array([one.slot for one in quantiles], np.intp)
        self._q = np.array([one.q for one in quantiles])
        self._least = np.array([one.least for one in quantiles])
        self._block = Block([group for one in quantiles for group in one.buckets])
        width = max(len(one.bounds) for one in quantiles)
        starts = np.concatenate(([0], np.cumsum([len(one.bounds) for one in quantiles])))
        rows = [
            [int(start) + min(n, len(one.bounds) - 1) for n in range(width)]
            for start, one in zip(starts, quantiles, strict=False)
        ]
        self._places: Indices = np.array(rows, np.intp)
        self._bounds = np.array([[*one.bounds, *[np.inf] * (width - len(one.bounds))] for one in quantiles])
        self._rows: Indices = np.arange(len(quantiles))

    def fill(self, values: Floats, columns: Columns) -> None:
        """Enter what they are now."""
        counts = self._block.sums(columns[self._window_s])[self._places]
        total = counts[:, -1]
        rank = self._q * total
        at = (counts >= rank[:, None]).argmax(axis=1)
        before = np.maximum(at - 1, 0)
        first = at == 0
        low = np.where(first, 0.0, self._bounds[self._rows, before])
        below = np.where(first, 0.0, counts[self._rows, before])
        high = self._bounds[self._rows, at]
        inside = np.maximum(counts[self._rows, at] - below, 1e-12)
        found = np.where(np.isinf(high), low, low + (high - low) * np.clip((rank - below) / inside, 0.0, 1.0))
        values[self._slots] = np.where(total * self._window_s >= self._least - 1e-6, found, np.nan)


class LesserOf(NamedTuple):
    """The lesser of two sums of one slot, by a third."""

    slot: int
    groups: tuple[Group, Group, Group]
    least: float


class Lessers:
    """Those of one window."""

    def __init__(self, window_s: float, lessers: Sequence[LesserOf]) -> None:
        self._window_s = window_s
        self._slots: Indices = np.array([one.slot for one in lessers], np.intp)
        self._least = np.array([one.least for one in lessers], np.float64)
        self._blocks = [Block([one.groups[n] for one in lessers]) for n in range(3)]

    def fill(self, values: Floats, columns: Columns) -> None:
        """Enter what they are now."""
        one, other = (block.sums(columns[self._window_s]) for block in self._blocks[:2])
        values[self._slots] = np.minimum(one, other) / np.maximum(self._blocks[2].sums(columns[0.0]), self._least)


class SpreadOf(NamedTuple):
    """A spread of one slot: a column of what lies there for each node, and one that says whether it counts."""

    slot: int
    what: Indices
    counted: Indices
    chance: float


def fill_spread(one: SpreadOf, values: Floats, columns: Columns) -> None:
    """Enter what it is now: NaN with fewer than two nodes, 0 where chance explains all of it.

    What lies on two nodes by the throw of a fair coin differs by the root of all of it (one standard deviation)."""
    now = columns[0.0]
    some = now[one.what][now[one.counted] > 0]
    some = some[np.isfinite(some)]
    if len(some) < 2:
        values[one.slot] = np.nan
        return
    mean = float(some.mean())
    excess = float(some.max() - some.min()) - one.chance * float(np.sqrt(2.0 * mean))
    values[one.slot] = max(0.0, excess) / mean if mean > 0 else 0.0
