"""Batches of rows of pieces, cut up and put together. Pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mesh.front import Blob

Array = npt.NDArray[Any]

FRAME_BYTES_AIM = 64 * 1024
"""Pieces are joined up to this size; a longer row travels alone."""


class Block(NamedTuple):
    """Rows of pieces as they came, one for each handle."""

    handles: Array  # u32
    lengths: Array  # u32, of the row for each handle
    body: memoryview

    def cut(self, count: int) -> "tuple[Block, Block]":
        """All rows but the last ones, and these."""
        row = max(0, len(self.handles) - count)
        at = len(self.body) - int(self.lengths[row:].sum(dtype=np.int64))
        return (
            Block(self.handles[:row], self.lengths[:row], self.body[:at]),
            Block(self.handles[row:], self.lengths[row:], self.body[at:]),
        )

    def rows(self) -> Iterator[tuple[int, Blob]]:
        """Each row with its handle."""
        body, at = self.body, 0
        for handle, length in zip(self.handles.tolist(), self.lengths.tolist(), strict=True):
            yield handle, body[at : at + length]
            at += length

    def some(self, wanted: Array) -> list[tuple[int, Blob]]:
        """The same for the rows with these places."""
        ends = np.cumsum(self.lengths, dtype=np.int64)[wanted]
        begins = ends - self.lengths[wanted]
        where = zip(self.handles[wanted].tolist(), begins.tolist(), ends.tolist(), strict=True)
        return [(handle, self.body[begin:end]) for handle, begin, end in where]


def block_of(blobs: list[bytes]) -> Block | None:
    """[handles u32[n], lengths u32[n], bodies]; None when they do not fit together."""
    if len(blobs) != 3 or len(blobs[0]) != len(blobs[1]) or len(blobs[0]) % 4:
        return None
    lengths = np.frombuffer(blobs[1], "<u4")
    if int(lengths.sum(dtype=np.uint64)) != len(blobs[2]):
        return None
    return Block(np.frombuffer(blobs[0], "<u4"), lengths, memoryview(blobs[2]))


def are_different(numbers: Array) -> bool:
    """Is none of these small numbers there twice?"""
    at = np.arange(len(numbers))
    place = np.empty(int(numbers.max(initial=0)) + 1, np.intp)
    place[numbers] = at
    return bool((place[numbers] == at).all())


def class_of(row: Blob) -> int:
    """The class of the first piece; 0 when there is none."""
    return row[1] if len(row) > 1 else 0


def portions(rows: list[Blob]) -> list[list[Blob]]:
    """Rows in order, grouped into frames of at most FRAME_BYTES_AIM bytes where possible."""
    frames: list[list[Blob]] = []
    size = FRAME_BYTES_AIM + 1
    for row in rows:
        if size + len(row) > FRAME_BYTES_AIM:
            frames.append([])
            size = 0
        frames[-1].append(row)
        size += len(row)
    return frames
