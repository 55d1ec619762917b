"""Who is near whom: entities sorted by the cell that they are in, and sweeps over the cells around observers.

Owns the sorted places of one tick. Pure. Cells are much smaller than what an observer reaches, and numbered along
rows, so what is near it are a few consecutive runs of the sorted entities, one per row, cut to the circle: about 1.4
times as many candidates as hits. A sweep takes about 4 ns for each candidate.

Rejected: cells as large as the reach (three times the candidates), a k-d tree (a Python object or a copy for each
query; building it alone takes longer than this sweep), a matrix of all against all.
Source of the runs: the usual cell list, as in molecular dynamics.
"""

from typing import NamedTuple

import numpy as np

from nodes.scene.world import Array

ACROSS, ALONG = 4, 2  # cells within the reach, to the side and up
SPARE = 2  # times as many candidates as are wanted are kept: some of them are not new, which counts later
CROWD_MIN = 400  # candidates, below which it is cheaper to keep them all
MEASURED = 6  # candidates that are measured and left out cost as much as one that is sorted
CELLS_MAX = 200  # on one side of the map: cell numbers fit into two bytes, which are sorted by radix


class Near(NamedTuple):
    """All pairs within the reach, by observer in the order in which they were asked for."""

    at: Array  # which of the observers
    slots: Array  # of the entity
    square: Array  # of their distance, float32


class Grid:
    """`units` is the side of the map, `reach` a radius."""

    def __init__(self, units: int, reach: float) -> None:
        side = float(units + 1)
        self.reach = np.float32(reach)
        self.width = np.float32(max(reach / ACROSS, side / CELLS_MAX))
        self.height = np.float32(max(reach / ALONG, side / CELLS_MAX))
        self.columns = int(side / float(self.width)) + 1
        self.rows = int(side / float(self.height)) + 1
        around = int(np.ceil(self.reach / self.height))
        self._around = np.arange(-around, around + 1, dtype=np.int32)
        self._x = self._y = np.empty(0, np.float32)
        self._slots = np.empty(0, np.int32)
        self._start = np.zeros(self.columns * self.rows + 1, np.int32)

    def sort(self, x: Array, y: Array, entities: Array) -> None:
        """These slots are there now; x, y by slot."""
        ex, ey = x[entities].astype(np.float32), y[entities].astype(np.float32)
        cell = (ey / self.height).astype(np.uint16) * np.uint16(self.columns) + (ex / self.width).astype(np.uint16)
        order = np.argsort(cell, kind="stable")
        np.cumsum(np.bincount(cell, minlength=self.columns * self.rows), out=self._start[1:])
        self._x, self._y, self._slots = ex[order], ey[order], entities[order].astype(np.int32)

    def runs(self, ox: Array, oy: Array) -> tuple[Array, Array]:
        """For observers at these places (float32): where their runs begin, and how long they are; a row for each."""
        rows = (oy / self.height).astype(np.int32)[:, None] + self._around
        low = rows * self.height
        away = np.maximum(np.maximum(low - oy[:, None], oy[:, None] - low - self.height) - 1, 0)  # 1: of rounding
        half = np.sqrt(np.maximum(self.reach**2 - away * away, 0)) + 1
        inside = (rows >= 0) & (rows < self.rows) & (away <= self.reach)
        base = np.clip(rows, 0, self.rows - 1) * self.columns
        left = (np.maximum(ox[:, None] - half, 0) / self.width).astype(np.int32)
        right = np.minimum(((ox[:, None] + half) / self.width).astype(np.int32), self.columns - 1)
        first = self._start.take(base + left)
        return first, np.where(inside, self._start.take(base + right + 1) - first, 0)

    def sweep(self, ox: Array, oy: Array, first: Array, count: Array, enough: Array) -> tuple[Near, Array]:
        """Measure the runs of these observers. Of one with a crowd around it only the nearest are found, but at least
        the nearest `enough`, each further than these by the returned bound (the square of a distance) left out."""
        per = count.sum(axis=1)
        runs = count.ravel()
        at = np.repeat((first.ravel() - (np.cumsum(runs) - runs)).astype(np.int32), runs)
        at += np.arange(len(at), dtype=np.int32)
        square = np.repeat(ox, per)
        square -= self._x.take(at)
        square *= square
        dy = np.repeat(oy, per)
        dy -= self._y.take(at)
        dy *= dy
        square += dy
        bound = self._bounds(square, per, enough)
        close = np.flatnonzero(square <= np.repeat(bound, per))
        observer = np.repeat(np.arange(len(per), dtype=np.int32), per)
        return Near(observer.take(close), self._slots.take(at.take(close)), square.take(close)), bound

    def _bounds(self, square: Array, per: Array, enough: Array) -> Array:
        """Up to which square of the distance each observer wants to know. Only crowds take a step of Python each."""
        bound = np.full(len(per), self.reach**2)
        crowds = np.flatnonzero(per > crowd_from(enough))
        begins = np.cumsum(per) - per
        for row in crowds.tolist():
            begin, nth = int(begins[row]), int(enough[row])
            nearest = np.partition(square[begin : begin + int(per[row])], nth)[nth]
            bound[row] = min(bound[row], SPARE * nearest)
        return bound


def crowd_from(enough: Array) -> Array:
    """The number of candidates from which on an observer is content with `enough` and some to spare."""
    crowd: Array = np.maximum(SPARE * enough, CROWD_MIN)
    return crowd


def cost_of(candidates: Array, enough: Array) -> Array:
    """What it takes to look around, in candidates that are sorted: those left out of a crowd are only measured."""
    crowd = crowd_from(enough)
    cost: Array = np.minimum(candidates, crowd) + np.maximum(candidates - crowd, 0) // MEASURED
    return cost
