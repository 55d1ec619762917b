"""The scene of the Python reference: who sees whom, and all frames of a tick, in a few numpy calls.

No sessions, no movement checks, no budgets, nothing stored: what is left when everything that a game needs is taken
away. Frames are those of src/town.c.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
ENTITY = np.dtype([("flags", "<u4"), ("id", "<u4"), ("x", "<f4"), ("y", "<f4"), ("stamp", "<u8")])
MOVE_BYTES = ENTITY.itemsize
HEAD = np.dtype([("type", "<u2"), ("count", "<u2"), ("tick", "<u4")])
PLAYERS_MAX = 65_536
WORDS = MOVE_BYTES // 8


class Square:
    """Everybody on it, by the slot that the gate gave."""

    def __init__(self, width_m: float, radius_m: float) -> None:
        self.radius_m = radius_m
        self.side = max(1, int(width_m / radius_m))
        self.cell_m = width_m / self.side
        self.entities = np.zeros(PLAYERS_MAX, ENTITY)
        self.count = 0
        self.tick = 0

    def move(self, slots: Array, records: bytes | memoryview) -> None:
        """Of several moves of one slot the last one counts."""
        self.entities[slots] = np.frombuffer(records, ENTITY)
        self.count = max(self.count, int(slots.max()) + 1)

    def frames(self) -> tuple[Array, Array]:
        """All frames of a tick behind each other, by slot: their lengths in bytes, and the bytes."""
        seer, seen = self._pairs()
        order = np.argsort(seer, kind="stable")
        seer, seen = seer[order], seen[order]
        counts = np.bincount(seer, minlength=self.count)
        self.tick += 1
        words = 1 + WORDS * counts
        begins = np.cumsum(words) - words
        frames = np.empty(int(words.sum()), "<u8")
        heads = np.zeros(self.count, HEAD)
        heads["type"], heads["count"], heads["tick"] = 2, counts, self.tick
        frames[begins] = heads.view("<u8")
        first = begins + 1 - WORDS * (np.cumsum(counts) - counts)
        at = np.repeat(first, counts) + WORDS * np.arange(len(seer))
        entries = self.entities[: self.count].view("<u8").reshape(-1, WORDS)[seen]
        for word in range(WORDS):
            frames[at + word] = entries[:, word]
        return (words * 8).astype("<u4"), frames

    def _pairs(self) -> tuple[Array, Array]:
        """Everybody beside everybody within the radius, but not beside itself."""
        entities, side = self.entities[: self.count], self.side
        x, y = entities["x"].copy(), entities["y"].copy()
        column = np.clip((x / self.cell_m).astype(np.int32), 0, side - 1)
        row = np.clip((y / self.cell_m).astype(np.int32), 0, side - 1)
        cell = row * side + column
        order = np.argsort(cell, kind="stable")
        starts = np.searchsorted(cell[order], np.arange(side * side + 1))
        xs, ys = x[order], y[order]
        west, east = np.maximum(column - 1, 0), np.minimum(column + 1, side - 1)
        seers, others = [], []
        for step in (-1, 0, 1):  # of each of three rows of cells, one contiguous run
            beside = np.clip(row + step, 0, side - 1)
            begin = starts[beside * side + west]
            end = np.where(beside == row + step, starts[beside * side + east + 1], begin)
            length = end - begin
            seer = np.repeat(np.arange(self.count, dtype=np.int32), length)
            other = np.arange(len(seer)) + np.repeat(begin - (np.cumsum(length) - length), length)
            near = (xs[other] - x[seer]) ** 2 + (ys[other] - y[seer]) ** 2 <= self.radius_m**2
            seer, other = seer[near], order[other[near]]
            apart = seer != other
            seers.append(seer[apart])
            others.append(other[apart])
        return np.concatenate(seers), np.concatenate(others)
