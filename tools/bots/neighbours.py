"""How many updates the bots should have received (pure): counted from where bots are, not from what a server says.

Every bot writes its position and the world that it is in (scene, map and line) into a table that all worker processes
share. Several times a second the positions are sampled, and for each sample the players within the AOI radius of each
other are counted. A move should reach everyone who sees the mover, so over a window

    expected = moves sent * mean over the samples of (neighbours in view per bot)

Neighbours count on both sides: a bot that sees n others is seen by n others, as the radius is the same for all.
Moves that two bots make within one tick of the scene are both expected; two moves of the same bot within one tick are
one update, since the latest wins: when bots move as often as the scene ticks, jitter makes this happen to a few
per cent of them, and `ratio` then stays as much below 1.
"""

import zlib

import numpy as np
from numpy.typing import NDArray

PLACE = np.dtype([("world", "<u4"), ("aoi", "<f4"), ("x", "<f4"), ("y", "<f4")])
"""Where a bot is and how far it sees, in metres; world 0: not in any. One row per bot, in a file that workers map."""


def world_number(scene: str, map_name: str, line: int) -> int:
    """The same number in every process, never 0."""
    return zlib.crc32(f"{scene} {map_name} {line}".encode()) or 1


def count_neighbours(places: NDArray[np.void]) -> NDArray[np.int64]:
    """For every row with a world: how many other rows of the same world are within its AOI. Others get 0."""
    result = np.zeros(len(places), np.int64)
    for world in np.unique(places["world"]):
        if world:
            here = np.flatnonzero(places["world"] == world)
            of_world = places[here]
            x, y = of_world["x"].astype(np.float64), of_world["y"].astype(np.float64)
            result[here] = _count(x, y, float(of_world["aoi"][0]))
    return result


def _count(x: NDArray[np.float64], y: NDArray[np.float64], radius: float) -> NDArray[np.int64]:
    """Neighbours within a radius by a grid of cells of that size: sorted by cell, three contiguous runs per point."""
    column = np.floor((x - x.min()) / radius).astype(np.int64)
    row = np.floor((y - y.min()) / radius).astype(np.int64)
    width = int(column.max()) + 3  # an empty column on either side, so that runs do not wrap into the next row
    cell = (row + 1) * width + column + 1
    order = np.argsort(cell, kind="stable")
    cells, xs, ys = cell[order], x[order], y[order]
    result = np.full(len(x), -1, np.int64)  # without the point itself
    for step in (-width, 0, width):
        first = np.searchsorted(cells, cell + step - 1, "left")
        length = np.searchsorted(cells, cell + step + 1, "right") - first
        who = np.repeat(np.arange(len(x)), length)
        other = np.arange(len(who)) + np.repeat(first - (np.cumsum(length) - length), length)
        near = (xs[other] - x[who]) ** 2 + (ys[other] - y[who]) ** 2 <= radius * radius
        result += np.bincount(who[near], minlength=len(x))
    return result


class Expectation:
    """Samples of one measuring window, summed up."""

    def __init__(self) -> None:
        self.samples = 0
        self._in_view = 0.0  # sum of means
        self.most = 0

    def sample(self, places: NDArray[np.void]) -> None:
        """Take the positions as they are now. Nothing is learned while nobody is in a world."""
        inside = places["world"] > 0
        if not inside.any():
            return
        neighbours = count_neighbours(places)[inside]
        self.samples += 1
        self._in_view += float(neighbours.mean())
        self.most = max(self.most, int(neighbours.max()))

    @property
    def mean_in_view(self) -> float:
        return self._in_view / self.samples if self.samples else 0.0

    def updates(self, moves: int) -> float:
        """How many updates `moves` should have caused."""
        return moves * self.mean_in_view
