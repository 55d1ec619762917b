"""Where the sums that signals are made of stand in a node's values. Pure; made once for each layout.

A plan takes a second's values of a node and puts them together: each sum of series becomes one number, in the order of
`keys`. Which numbers there are depends on the role and on the bounds of its histograms, not on which labels happen to
have been seen, so that a node whose first login fails does not look like another node.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from nodes.ops.forms import Figure, Late, Lesser, Quantile, Signal, Spread, Sum, Where
from nodes.ops.reading import Layout, Series

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

INFINITE = "+Inf"
_HOW = ("sum", "max", "min")


class Plan:
    """Of one layout, for a node of one role."""

    def __init__(self, layout: Layout, role: str, catalogue: Sequence[Signal]) -> None:
        self.layout = layout
        found = _by_name(layout.series)
        self.signals = tuple(one for one in catalogue if _is_of(one, role) and _is_there(one, layout.series, found))
        keys = dict.fromkeys(key for one in self.signals for key in _sums_of(one, layout.series, found))
        self.keys: tuple[Sum, ...] = tuple(sorted(keys, key=lambda key: _HOW.index(key.how)))
        self._size = len(layout.series)
        self._values = np.append(np.zeros(self._size + 1), np.nan)  # then a 0 and a NaN, for sums of nothing
        groups = [_matching(key, layout.series, found) or [self._nothing(key)] for key in self.keys]
        self._order: Indices = np.array([at for group in groups for at in group], np.intp)
        starts = np.concatenate(([0], np.cumsum([len(group) for group in groups])))[:-1].astype(np.intp)
        firsts = [sum(key.how in _HOW[:n] for key in self.keys) for n in range(len(_HOW) + 1)]
        reduce = (np.add.reduceat, np.maximum.reduceat, np.minimum.reduceat)
        self._parts = [
            (function, starts[first:last], slice(first, last))
            for function, first, last in zip(reduce, firsts[:-1], firsts[1:], strict=True)
            if first < last
        ]

    def gather(self, values: Floats) -> Floats | None:
        """One number for each key; None when these are not the values of this layout."""
        if len(values) != self._size:
            return None
        if not self.keys:
            return np.empty(0)
        self._values[: self._size] = values
        ordered = self._values[self._order]
        result = np.empty(len(self.keys))
        ends = [*(int(starts[0]) for _, starts, _ in self._parts[1:]), len(ordered)]
        for (function, starts, part), end in zip(self._parts, ends, strict=True):
            result[part] = function(ordered[starts[0] : end], starts - starts[0])
        return result

    def bounds_of(self, histogram: str, where: Where) -> tuple[str, ...]:
        """The `le` of a histogram here, from low to high."""
        return _bounds(histogram, where, self.layout.series, _by_name(self.layout.series))

    def _nothing(self, key: Sum) -> int:
        return self._size if key.how == "sum" else self._size + 1


def bucket(histogram: str, where: Where, bound: str) -> Sum:
    """The sum that is one bucket."""
    return Sum(f"{histogram}_bucket", (*where, ("le", (bound,))))


def levels_and_growths(signal: Signal) -> tuple[Sum, ...]:
    """All sums of a signal but for buckets."""
    match signal.form:
        case Figure(plus, minus, per):
            return (*plus, *minus, *per)
        case Lesser(one, other, per):
            return one, other, per
        case Spread(what, counted):
            return what, counted
        case _:
            return ()


def _sums_of(signal: Signal, series: Sequence[Series], found: dict[str, list[int]]) -> Iterable[Sum]:
    match signal.form:
        case Quantile(metric, _, _, where) | Late(metric, _, _, where):
            return [bucket(metric, where, bound) for bound in _bounds(metric, where, series, found)]
        case _:
            return levels_and_growths(signal)


def _is_of(signal: Signal, role: str) -> bool:
    return signal.form is not None and (role in signal.roles or not signal.roles)


def _is_there(signal: Signal, series: Sequence[Series], found: dict[str, list[int]]) -> bool:
    """Does the node have something of it? Where several roles make it up, each has its part."""
    match signal.form:
        case Quantile(metric, _, _, where) | Late(metric, _, _, where):
            return bool(_bounds(metric, where, series, found))
        case _:
            return any(one.metric in found for one in levels_and_growths(signal))


def _by_name(series: Sequence[Series]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for at, one in enumerate(series):
        found[one.name].append(at)
    return dict(found)


def _matching(key: Sum, series: Sequence[Series], found: dict[str, list[int]]) -> list[int]:
    some = found.get(key.metric, [])
    return [at for at in some if _matches(dict(series[at].labels), key.where)] if key.where else some


def _matches(labels: dict[str, str], where: Where) -> bool:
    return all(labels.get(label) in values for label, values in where)


def _bounds(histogram: str, where: Where, series: Sequence[Series], found: dict[str, list[int]]) -> tuple[str, ...]:
    some = _matching(Sum(f"{histogram}_bucket", where), series, found)
    return tuple(sorted({dict(series[at].labels).get("le", INFINITE) for at in some}, key=float))
