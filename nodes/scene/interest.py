"""Who sees whom on one line, and what changed about that since the last tick.

Owns one sorted array of (observer slot, entity slot) pairs, each pair one 30-bit number. Every tick it is computed
anew: entities sorted by grid cell, each observer's nine cells are three contiguous runs, distances in one sweep.
Then ONE sort of old and new pairs together tells what appeared, stayed and vanished. An entity is seen from `enter`
on and lost beyond `leave`, so that somebody who walks along the border does not flicker.

Rejected: a set of neighbours per observer (a Python object per pair: 10,000 players see 200,000), and a search of
each new pair in the old ones (three times slower than sorting both together).
Source of the grid of runs: the usual cell list, as in molecular dynamics.
"""

from typing import NamedTuple

import numpy as np

from nodes.scene.settings import LINE_BITS, LINE_SLOTS
from nodes.scene.world import Array

_ENTITY = np.uint32(LINE_SLOTS - 1)
_OLD, _NEAR, _BAND = 0, 1, 2  # the two low bits while sorting
CANDIDATES_MAX = 2_000_000  # pairs that are measured at once: bounds the memory that a crowd takes


class Pairs(NamedTuple):
    """Ascending by observer, then by entity."""

    observers: Array
    entities: Array


class Changes(NamedTuple):
    appeared: Pairs
    stayed: Pairs
    vanished: Pairs


class Interest:
    """`units` is the side of the map; `enter` and `leave` are radii in units. An observer sees at most `view_max`
    entities, the nearest ones: a crowd of n costs n * view_max, not n * n."""

    def __init__(self, units: int, enter: float, leave: float, view_max: int) -> None:
        assert leave >= enter > 0
        self.view_max = view_max
        self.enter2 = np.float32(enter) ** 2
        self.leave2 = np.float32(leave) ** 2
        self.side = max(1, min(int((units + 1) / leave), 4096))
        self.cell = (units + 1) / self.side
        self.keys = np.empty(0, np.uint32)  # observer << LINE_BITS | entity, ascending

    def update(self, x: Array, y: Array, entities: Array, observers: Array, fresh: Array) -> Changes:
        """The new state. x, y by slot; `entities` are the slots that exist, `observers` those that look, `fresh`
        those of them that know nothing yet (for them everything appears)."""
        if len(fresh):
            self.keys = self.keys[~np.isin(self.keys >> LINE_BITS, fresh.astype(np.uint32))]
        near = self._candidates(x, y, entities, observers)
        merged = np.concatenate([self.keys << np.uint32(2), near])
        merged.sort()
        keys = merged >> np.uint32(2)
        code = merged & np.uint32(3)
        same = np.empty(len(merged), "?")  # as the entry before: an old pair that is still a candidate
        same[:1] = False
        np.equal(keys[1:], keys[:-1], out=same[1:])
        fresh_or_near = code == _NEAR
        stays = same & (code != _OLD)
        seen = stays | fresh_or_near
        lost = code == _OLD
        lost[:-1] &= ~same[1:]
        self.keys = keys[seen]
        return Changes(_pairs(keys[fresh_or_near & ~same]), _pairs(keys[stays]), _pairs(keys[lost]))

    def watchers(self, wanted: Array) -> Pairs:
        """All pairs whose entity is marked in `wanted` (a flag per slot)."""
        return _pairs(self.keys[wanted[self.keys & _ENTITY]])

    def watched(self, capacity: int) -> Array:
        """A flag per slot: somebody sees it."""
        flags = np.zeros(capacity, "?")
        flags[self.keys & _ENTITY] = True
        return flags

    def _candidates(self, x: Array, y: Array, entities: Array, observers: Array) -> Array:
        """Every pair within `leave`, as key << 2 | (_NEAR or _BAND)."""
        if not len(observers) or not len(entities):
            return np.empty(0, np.uint32)
        side = self.side
        ex, ey = x[entities].astype(np.float32), y[entities].astype(np.float32)
        cell = self._cells(ey) * side + self._cells(ex)
        if side * side <= 0xFFFF:
            cell = cell.astype(np.uint16)  # sorted by radix: several times faster
        order = np.argsort(cell, kind="stable")
        start = np.zeros(side * side + 1, np.int64)
        np.cumsum(np.bincount(cell, minlength=side * side), out=start[1:])
        ex, ey, slot = ex[order], ey[order], entities[order].astype(np.uint32)

        ox, oy = x[observers].astype(np.float32), y[observers].astype(np.float32)
        cx, cy = self._cells(ox), self._cells(oy)
        left, right = np.maximum(cx - 1, 0), np.minimum(cx + 1, side - 1)
        rows = cy[:, None] + np.array([-1, 0, 1], np.int32)
        inside = (rows >= 0) & (rows < side)
        rows = np.clip(rows, 0, side - 1) * side
        first = start[rows + left[:, None]]
        count = np.where(inside, start[rows + right[:, None] + 1] - first, 0)

        found = [
            self._sweep(observers[some], ox[some], oy[some], first[some], count[some], ex, ey, slot)
            for some in _chunks(count.sum(axis=1))
        ]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _sweep(
        self, observers: Array, ox: Array, oy: Array, first: Array, count: Array, ex: Array, ey: Array, slot: Array
    ) -> Array:
        """The pairs of some observers, given their runs (`first`, `count`) in the entities sorted by cell."""
        per = count.sum(axis=1)
        runs, starts = count.ravel(), first.ravel()
        at = np.repeat((starts - (np.cumsum(runs) - runs)).astype(np.int32), runs)
        at += np.arange(len(at), dtype=np.int32)
        dx = np.repeat(ox, per)
        dx -= ex[at]
        dy = np.repeat(oy, per)
        dy -= ey[at]
        dx *= dx
        dy *= dy
        dx += dy
        close = np.flatnonzero(dx <= self.leave2)
        keys = np.repeat(observers.astype(np.uint32) << np.uint32(LINE_BITS), per)[close]
        seen, square = slot[at[close]], dx[close]
        itself = (keys >> np.uint32(LINE_BITS)) == seen
        keys |= seen
        keys <<= np.uint32(2)
        keys |= np.where(square <= self.enter2, np.uint32(_NEAR), np.uint32(_BAND))
        return self._nearest(keys[~itself], square[~itself])

    def _nearest(self, keys: Array, square: Array) -> Array:
        """At most `view_max` for each observer. Only crowds pay for this."""
        if len(keys) <= self.view_max:
            return keys
        observers = keys >> np.uint32(LINE_BITS + 2)
        begins = np.flatnonzero(np.diff(observers, prepend=np.uint32(0xFFFF_FFFF)))
        counts = np.diff(begins, append=len(keys))
        crowded = counts > self.view_max
        if not crowded.any():
            return keys
        kept = np.ones(len(keys), "?")
        for begin, count in zip(begins[crowded].tolist(), counts[crowded].tolist(), strict=True):
            order = np.argpartition(square[begin : begin + count], self.view_max)
            kept[begin + order[self.view_max :]] = False
        return keys[kept]

    def _cells(self, values: Array) -> Array:
        return (values / np.float32(self.cell)).astype(np.int32)


def _chunks(per: Array) -> list[slice]:
    """Consecutive observers, so that together they have few candidates (`per` observer)."""
    ends = np.cumsum(per, dtype=np.int64)
    begin, chunks = 0, []
    while begin < len(per):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + CANDIDATES_MAX, side="right")))
        chunks.append(slice(begin, end))
        begin = end
    return chunks


def _pairs(keys: Array) -> Pairs:
    return Pairs((keys >> np.uint32(LINE_BITS)).astype(np.int32), (keys & _ENTITY).astype(np.int32))
