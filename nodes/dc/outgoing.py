"""The batches that the standby may still need: in order, bounded, in memory. Pure.

A batch is kept until the standby has it on disk. While the standby is away they are kept as well, so that a short
absence does not cost a whole copy; when that takes more than `bytes_max` all are dropped, and a copy it is.
"""

from collections import deque
from collections.abc import Sequence

from nodes.dc.view import Change

ROW_BYTES = 32  # what a row costs besides its key and value, roughly

Position = tuple[int, int]
"""Epoch and batch."""


class Outgoing:
    """Of one writer in one epoch, which found its own disk at `base`."""

    def __init__(self, epoch: int, base: Position, bytes_max: int) -> None:
        self.epoch, self.last = epoch, base[1]
        self.acknowledged = base[1]  # the standby has everything up to here
        self.bytes = 0
        self._base: Position | None = base  # the oldest state from which what is kept leads on; None: there is none
        self._bytes_max = bytes_max
        self._kept: deque[tuple[int, list[Change], int]] = deque()

    @property
    def waiting(self) -> int:
        """Batches that the standby has not."""
        return self.last - self.acknowledged

    def add(self, batch: int, changes: Sequence[Change]) -> None:
        """The writer has committed it."""
        assert batch == self.last + 1, "every transaction has the next number"
        size = sum(ROW_BYTES + len(key) + len(value or b"") for _, key, value in changes)
        self.last, self.bytes = batch, self.bytes + size
        self._kept.append((batch, list(changes), size))
        if self.bytes > self._bytes_max:
            self._base, self.bytes = None, 0
            self._kept.clear()

    def resume(self, position: Position) -> bool:
        """The standby is there: can it go on from what is kept?"""
        epoch, batch = position
        if not epoch:
            return False  # not a whole, or one that was never one of a pair, as our own may have been
        if position != self._base and not (epoch == self.epoch and self._first() - 1 <= batch <= self.last):
            return False
        self.confirm(batch)
        return True

    def restart(self) -> int:
        """A whole copy begins: what is committed from here on goes with it. Returns where it begins."""
        self._kept.clear()
        self._base, self.bytes, self.acknowledged = (self.epoch, self.last), 0, self.last
        return self.last

    def take(self, bytes_max: int) -> tuple[int, int, list[Change]] | None:
        """The next batches as one: after which, up to which, their changes. None when there is nothing."""
        if not self._kept:
            return None
        changes: list[Change] = []
        size, upto = 0, self._kept[0][0]
        for batch, rows, bytes_ in self._kept:
            if changes and size + bytes_ > bytes_max:
                break
            changes += rows
            size, upto = size + bytes_, batch
        return self._kept[0][0] - 1, upto, changes

    def confirm(self, batch: int) -> None:
        """The standby has everything up to here."""
        while self._kept and self._kept[0][0] <= batch:
            self.bytes -= self._kept.popleft()[2]
            self._base = self.epoch, batch
        self.acknowledged = batch

    def _first(self) -> int:
        return self._kept[0][0] if self._kept else self.last + 1
