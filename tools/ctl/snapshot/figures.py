"""The figures of one node: the row of numbers that it hands out, and what two rows of one life say together. Pure.

A row is made by `mesh/sheet.py`. What only grows (counters, the buckets of histograms) is told as its growth from one
row to the next: since the start of a node says little about how it is now. Two rows of different lives say nothing
together.
"""

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from math import inf, isinf, isnan, nan

from mesh.errors import MeshError
from mesh.protocol.monitoring import MetricsRead, Series

BYTES = 8  # of one number


class NonsenseError(MeshError):
    """Figures that do not add up; the text says why."""


class Layout:
    """What the numbers of a row are. The same object as long as the node's series stay the same."""

    def __init__(self, series: Sequence[Series]) -> None:
        self.series = tuple(series)

    @cached_property
    def by_name(self) -> dict[str, list[int]]:
        """Places of the series of each name."""
        found: dict[str, list[int]] = {}
        for at, one in enumerate(self.series):
            found.setdefault(one.name, []).append(at)
        return found

    @cached_property
    def places(self) -> dict[Series, int]:
        return {one: at for at, one in enumerate(self.series)}

    def matching(self, name: str, labels: dict[str, str]) -> Iterator[int]:
        """Places of the series of this name that have these labels, whatever others they have."""
        for at in self.by_name.get(name, ()):
            if not labels or labels.items() <= dict(self.series[at].labels).items():
                yield at


class Row:
    """The figures of one moment. `pid`: nodes of one machine with the same one share the figures of their process."""

    def __init__(self, layout: Layout, values: Sequence[float], pid: int = 0) -> None:
        self.layout, self.values, self.pid = layout, values, pid

    def get(self, series: Series) -> float:
        """Not a number when there is none."""
        at = self.layout.places.get(series)
        return self.values[at] if at is not None else nan


def row_of(said: MetricsRead, known: Layout | None) -> Row:
    """The row in an answer; `known`: the layout whose number was asked with. NonsenseError when it is none."""
    layout = Layout(said.series) if said.series or known is None else known
    if len(said.values) % BYTES:
        raise NonsenseError(f"{len(said.values)} bytes are no row of numbers")
    values = array("d")
    values.frombytes(said.values)
    if sys.byteorder == "big":
        values.byteswap()
    if len(values) != len(layout.series):
        raise NonsenseError(f"{len(values)} numbers for {len(layout.series)} series")
    if len(layout.places) != len(layout.series):
        raise NonsenseError("a series stands there twice")
    if any(map(isinf, values)):
        raise NonsenseError("a number without end")
    return Row(layout, values, said.pid)


class Figures:
    """Of one node: how they are now, and how they grew in the `seconds` since `before`, a row of the same life."""

    def __init__(self, now: Row, before: Row | None = None, seconds: float = 0.0) -> None:
        self.now, self.before = now, before if seconds > 0 else None
        self.seconds = seconds

    # --- now ---

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of all series of this name with these labels; None when there is none."""
        found = [self.now.values[at] for at in self.now.layout.matching(name, labels)]
        good = [number for number in found if not isnan(number)]
        return sum(good) if good else None

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The same for each value of a label."""
        return self._summed(label, self.now.layout.matching(name, labels), self._now)

    # --- growth ---

    def grown(self, name: str, **labels: str) -> float | None:
        """By how much; None when there is no such series or no earlier row."""
        if self.before is None:
            return None
        places = list(self.now.layout.matching(name, labels))
        return sum(map(self._growth, places)) if places else None

    def grown_by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The same for each value of a label; empty without an earlier row."""
        if self.before is None:
            return {}
        return self._summed(label, self.now.layout.matching(name, labels), self._growth)

    def rate(self, name: str, **labels: str) -> float | None:
        """Growth in a second."""
        grown = self.grown(name, **labels)
        return grown / self.seconds if grown is not None else None

    def change(self, name: str, **labels: str) -> float | None:
        """Of a gauge: how much more it is than before."""
        if self.before is None:
            return None
        pairs = [(self._now(at), self._before(at)) for at in self.now.layout.matching(name, labels)]
        good = [now - before for now, before in pairs if not isnan(now) and not isnan(before)]
        return sum(good) if good else None

    # --- histograms ---

    def times(self, name: str, **labels: str) -> float:
        """How many values were observed; 0 when nothing is known."""
        return self.grown(f"{name}_count", **labels) or 0.0

    def mean(self, name: str, **labels: str) -> float | None:
        """Of the values that were observed; None when none was."""
        times = self.times(name, **labels)
        return (self.grown(f"{name}_sum", **labels) or 0.0) / times if times else None

    def quantile(self, share: float, name: str, **labels: str) -> float | None:
        """Of the values that were observed, the one below which this share of them is: as exact as the buckets are, and
        at most the end of the last one. None when none was observed."""
        ends = self.grown_by("le", f"{name}_bucket", **labels)
        return quantile_of(share, {float(end): count for end, count in ends.items()})

    # --- inside ---

    def _now(self, at: int) -> float:
        return self.now.values[at]

    def _before(self, at: int) -> float:
        assert self.before is not None
        if self.before.layout is self.now.layout:
            return self.before.values[at]
        return self.before.get(self.now.layout.series[at])

    def _growth(self, at: int) -> float:
        """What had no series before began with nothing."""
        now, before = self._now(at), self._before(at)
        if isnan(now):
            return 0.0
        return max(0.0, now - (0.0 if isnan(before) else before))

    def _summed(self, label: str, places: Iterable[int], read: Callable[[int], float]) -> dict[str, float]:
        found: dict[str, float] = {}
        for at in places:
            key, number = dict(self.now.layout.series[at].labels).get(label, ""), read(at)
            if not isnan(number):
                found[key] = found.get(key, 0.0) + number
        return found


def quantile_of(share: float, ends: dict[float, float]) -> float | None:
    """Out of cumulative counts by the upper ends of their buckets; evenly within a bucket, as Prometheus has it."""
    ordered = sorted(ends.items())
    if not ordered or ordered[-1][1] <= 0:
        return None
    rank, low, below = share * ordered[-1][1], 0.0, 0.0
    for end, count in ordered:
        if count >= rank and count > below:
            return low if end == inf else low + (end - low) * (rank - below) / (count - below)
        low, below = end if end != inf else low, count
    return low
