"""Which connections may be read or written without looking at them, as columns.

Owns nothing that the connections do not know themselves; they say when it changes. Tags are small numbers, so are
descriptors. Pure.
"""

import numpy as np

from nodes.gate.ring import Array

NONE = -1
FIRST_ROWS = 256


class Shortcuts:
    """See the module."""

    def __init__(self) -> None:
        self.readers = np.full(FIRST_ROWS, NONE, np.int32)  # by descriptor: the tag of who says a record next, or NONE
        self.writers = np.full(FIRST_ROWS, NONE, np.int32)  # by tag: the descriptor of who takes a frame, or NONE

    def enter(self, fd: int) -> None:
        """There is a connection with this descriptor; it has no tag yet."""
        self.readers = _with(self.readers, fd)

    def set(self, fd: int, tag: int, reads: bool, writes: bool) -> None:
        """From now on, for the connection with this descriptor and this tag."""
        self.writers = _with(self.writers, tag)
        self.readers[fd], self.writers[tag] = tag if reads else NONE, fd if writes else NONE


def _with(column: Array, row: int) -> Array:
    """The column, long enough for this row."""
    if row < len(column):
        return column
    grown = np.full(2 * row, NONE, column.dtype)
    grown[: len(column)] = column
    return grown
