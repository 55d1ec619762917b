"""From points to the steps of an answer. Pure: pieces of points in, in the order in which they were stored; a grid out.

A step's value is made of the points in it. An increase is that from the last point that is known to the next one,
wherever that was, so that none is lost; a rate is divided by the time that these two are apart, so that a series that
was away for a minute does not look as if it had rushed when it is back.

Only the step that is under way is kept for each series; steps that are complete are put together into their groups
(`sum by`) at once. So a question about a month costs no more memory than one about an hour.
"""

from typing import NamedTuple

import numpy as np

from nodes.ops.history.blocks import Resets
from nodes.ops.history.identities import Array
from nodes.ops.history.wanted import How

CELLS_MAX = 250_000  # points times series that are worked on together: some arrays of 2 MB

_NONE = np.empty(0)


class Piece(NamedTuple):
    """Some points of all series of a question."""

    times: Array  # i64[points], ascending
    values: Array  # f8[series, points], nan for missing
    resets: Resets


class Grid:
    """The steps of an answer, for each group."""

    def __init__(self, first: int, count: int, starts: Array, how: How) -> None:
        """Steps `first` to `first + count`; `starts`: of each group, its first series."""
        self.values = np.full((len(starts), count), np.nan)
        self._first, self._starts = first, starts
        self._largest = how == "max"

    def put(self, steps: Array, values: Array, series: int) -> None:
        """Complete steps: f8[series, len(steps)]. What is known stands before what was put earlier."""
        here = (steps >= self._first) & (steps < self._first + self.values.shape[1])
        if not here.any():
            return
        values, columns = values[:, here], steps[here] - self._first
        if len(self._starts) < series:
            values = self._grouped(values)
        self.values[:, columns] = np.where(np.isnan(values), self.values[:, columns], values)

    def _grouped(self, values: Array) -> Array:
        if self._largest:
            return np.fmax.reduceat(values, self._starts, axis=0)
        known = ~np.isnan(values)
        sums = np.add.reduceat(np.where(known, values, 0.0), self._starts, axis=0)
        return np.where(np.logical_or.reduceat(known, self._starts, axis=0), sums, np.nan)


class Reduction:
    """Points of one run of time, in which it never goes back, into a grid."""

    def __init__(self, how: How, step_s: int, tier_s: int, series: int, grid: Grid) -> None:
        self._how, self._step_s, self._tier_s, self._series, self._grid = how, step_s, tier_s, series, grid
        self._pieces: list[Piece] = []
        self._points = 0
        self._known_values = np.full(series, np.nan)  # the last that is known of each
        self._known_times = np.zeros(series, np.int64)
        self._step = -1  # that is under way
        self._parts: list[Array] = []  # its parts so far: f8[series] each

    def add(self, piece: Piece) -> None:
        self._pieces.append(piece)
        self._points += len(piece.times)
        if self._points * self._series >= CELLS_MAX:
            self._work()

    def end(self) -> None:
        """Nothing more comes."""
        self._work()
        if self._parts:
            self._finish(np.array([self._step]), [part[:, None] for part in self._parts])

    def _work(self) -> None:
        if not self._pieces:
            return
        piece = _joined(self._pieces)
        self._pieces, self._points = [], 0
        steps = piece.times // self._step_s
        starts = np.flatnonzero(np.diff(steps, prepend=-1))
        steps = steps[starts]
        parts = self._reduced(piece, starts)
        if self._parts and self._step == steps[0]:
            for part, before in zip(parts, self._parts, strict=True):
                part[:, 0] = self._merged(before, part[:, 0])
        elif self._parts:
            self._finish(np.array([self._step]), [part[:, None] for part in self._parts])
        self._finish(steps[:-1], [part[:, :-1] for part in parts])
        self._step, self._parts = int(steps[-1]), [part[:, -1] for part in parts]

    def _reduced(self, piece: Piece, starts: Array) -> list[Array]:
        """Each step's parts, f8[series, steps]: what can be put together from pieces."""
        values = piece.values
        known = ~np.isnan(values)
        if self._how == "last":
            return [_last_known(values, known, starts)]
        if self._how == "max":
            return [np.fmax.reduceat(values, starts, axis=1)]
        if self._how == "mean":
            weights = known.astype(np.float64)
        else:
            values, weights = self._increases(piece, known)
            known = ~np.isnan(values)
        sums = np.add.reduceat(np.where(known, values, 0.0), starts, axis=1)
        return [sums, np.add.reduceat(np.where(known, weights, 0.0), starts, axis=1)]

    def _merged(self, before: Array, after: Array) -> Array:
        if self._how == "last":
            return np.where(np.isnan(after), before, after)
        return np.fmax(before, after) if self._how == "max" else before + after

    def _finish(self, steps: Array, parts: list[Array]) -> None:
        if not len(steps):
            return
        values = parts[0]
        if len(parts) == 2:
            divided = self._how in ("mean", "rate")
            values = np.full(values.shape, np.nan)
            np.divide(parts[0], parts[1] if divided else 1.0, out=values, where=parts[1] > 0)
        self._grid.put(steps, values, self._series)

    def _increases(self, piece: Piece, known: Array) -> tuple[Array, Array]:
        """f8[series, points]: from the last known point to each, nan where one of them is missing, and the seconds
        between the two."""
        times, values = piece.times, piece.values
        all_values = np.concatenate((self._known_values[:, None], values), axis=1)
        at = np.where(known, np.arange(1, len(times) + 1), 0)
        at = np.maximum.accumulate(np.concatenate((np.zeros((self._series, 1), np.int64), at), axis=1), axis=1)
        before = at[:, :-1]  # of each point the last known one before it, as a place in `all_values`
        earlier = np.take_along_axis(all_values, before, axis=1)
        grown = values - earlier
        grown = np.where(grown < 0, values, grown)
        apart = times - np.where(before > 0, times[before - 1], self._known_times[:, None])
        apart = np.where(np.isnan(earlier), self._tier_s, apart).astype(np.float64)
        resets = piece.resets
        if len(resets.points):
            there = known[resets.rows, resets.points]
            grown[resets.rows[there], resets.points[there]] = resets.increases[there]
        self._known_values = np.take_along_axis(all_values, at[:, -1:], axis=1)[:, 0]
        self._known_times = np.where(at[:, -1] > 0, times[at[:, -1] - 1], self._known_times)
        return grown, apart


def _last_known(values: Array, known: Array, starts: Array) -> Array:
    at = np.maximum.reduceat(np.where(known, np.arange(values.shape[1]), -1), starts, axis=1)
    found = np.take_along_axis(values, np.maximum(at, 0), axis=1)
    return np.where(at < 0, np.nan, found)


def _joined(pieces: list[Piece]) -> Piece:
    if len(pieces) == 1:
        return pieces[0]
    ends = np.cumsum([len(piece.times) for piece in pieces])
    anew = [
        (piece.resets, int(end) - len(piece.times))
        for piece, end in zip(pieces, ends, strict=True)
        if len(piece.resets.points)
    ]
    return Piece(
        np.concatenate([piece.times for piece in pieces]),
        np.concatenate([piece.values for piece in pieces], axis=1),
        Resets(
            np.concatenate([_NONE.astype(np.int64), *(resets.points + begin for resets, begin in anew)]),
            np.concatenate([_NONE.astype(np.int64), *(resets.rows for resets, _ in anew)]),
            np.concatenate([_NONE, *(resets.increases for resets, _ in anew)]),
        ),
    )
