"""Batches of rows of pieces, cut up and put together. Pure."""

import numpy as np

from mesh.front import Blob

FRAME_BYTES_AIM = 64 * 1024
"""Pieces are joined up to this size; a longer row travels alone."""


def rows_of(blobs: list[bytes]) -> tuple[list[int], list[int], memoryview] | None:
    """[handles u32[n], lengths u32[n], bodies] as lists and one view; None when they do not fit together."""
    if len(blobs) != 3 or len(blobs[0]) != len(blobs[1]) or len(blobs[0]) % 4:
        return None
    lengths = np.frombuffer(blobs[1], "<u4")
    if int(lengths.sum(dtype=np.uint64)) != len(blobs[2]):
        return None
    return np.frombuffer(blobs[0], "<u4").tolist(), lengths.tolist(), memoryview(blobs[2])


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
