"""The bytes of one metric's values in one block: series times points, compressed. Pure; all numbers are little-endian.

What one point is told by is its distance from the point before: whole numbers by their difference (most counters and
gauges), others by the bits that differ (XOR of the doubles, as Facebook's Gorilla does). The bytes of these distances
are laid out by significance, all lowest bytes first, since the high ones are nearly all zero; zstd does the rest. Of
the bit-wise codes of Gorilla itself nothing is used: they need a loop over points, which Python has no time for.

    chunk   crc32 u32 of what follows | flags u8 (1 whole numbers, 2 gaps) | width u8 | zero u16 | anew u32, then a
            zstd frame of
            gaps      with flag 2: one bit for each point, each series beginning a new byte
            first     u64 for each series, as 8 planes of bytes, the lowest first
            rest      the distances u64[series][points - 1], as `width` planes of bytes
            anew      points u16[anew], rows u32[anew], increases f8[anew]: see rows.Anew

A missing point repeats the one before it in `rest` and has its bit in `gaps`. Whole numbers are below 2^53, their
differences zigzag-coded. Series can be taken out singly: what is not wanted is decompressed but never decoded.
"""

import struct
import zlib
from typing import NamedTuple

import numpy as np

from mesh.compression import compress, decompress
from nodes.ops.history.identities import Array

LEVEL = 3  # of zstd; more takes more time and saves little, as most of it are zeros
POINTS_MAX = 4096  # of one block, for readers
SERIES_MAX = 1 << 20  # of one chunk, for readers

_HEAD = struct.Struct("<IBBHI")
_WHOLE, _GAPS = 1, 2
_WHOLE_MAX = 2.0**53
_ANEW_BYTES = 2 + 4 + 8


class Resets(NamedTuple):
    """Where counters began again, in a matrix of series and points: one entry for each."""

    points: Array
    rows: Array
    increases: Array


NO_RESETS = Resets(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))


def pack(values: Array, resets: Resets = NO_RESETS) -> bytes:
    """f8[series, points], nan for what is missing, at least one point. No infinities."""
    gaps = np.isnan(values)
    flags = 0
    parts = []
    if gaps.any():
        flags |= _GAPS
        parts.append(np.packbits(gaps, axis=1).tobytes())
        values = _without_gaps(values, gaps)
    whole = _whole(values)
    if whole is None:
        bits = np.ascontiguousarray(values, "<f8").view("<u8")
        first, rest = bits[:, 0], bits[:, 1:] ^ bits[:, :-1]
    else:
        flags |= _WHOLE
        first, rest = _zigzag(whole[:, 0]), _zigzag(np.diff(whole, axis=1))
    width = (int(rest.max()).bit_length() + 7) // 8 if rest.size else 0
    parts += [_planes(first, 8), _planes(rest, width)]
    parts += [resets.points.astype("<u2").tobytes(), resets.rows.astype("<u4").tobytes()]
    parts.append(resets.increases.astype("<f8").tobytes())
    chunk = _HEAD.pack(0, flags, width, 0, len(resets.points)) + compress(b"".join(parts), LEVEL)
    return struct.pack("<I", zlib.crc32(chunk[4:])) + chunk[4:]


def intact(chunk: bytes) -> bool:
    """Whether that is what was packed."""
    return len(chunk) >= _HEAD.size and zlib.crc32(chunk[4:]) == _HEAD.unpack_from(chunk)[0]


def unpack(chunk: bytes, series: int, points: int, some: Array | slice) -> tuple[Array, Resets]:
    """f8[some, points] of a chunk with so many series and points, and all its resets. ValueError when that is not
    what it is."""
    if not intact(chunk):
        raise ValueError("a chunk is damaged")
    _, flags, width, _, anew = _HEAD.unpack_from(chunk)
    if not (0 < points <= POINTS_MAX and series <= SERIES_MAX and width <= 8 and anew <= series * points):
        raise ValueError("a chunk of nothing that can be")
    gap_bytes = (points + 7) // 8 if flags & _GAPS else 0
    sizes = (series * gap_bytes, 8 * series, width * series * (points - 1), anew * _ANEW_BYTES)
    raw = decompress(chunk[_HEAD.size :], sum(sizes))
    first_at, rest_at, anew_at = sizes[0], sizes[0] + sizes[1], sum(sizes[:3])
    first = _words(raw, first_at, 8, (series, 1), some)
    rest = _words(raw, rest_at, width, (series, points - 1), some)
    words = np.concatenate((first, rest), axis=1)
    if flags & _WHOLE:
        values = np.cumsum(_unzigzag(words), axis=1).astype(np.float64)
    else:
        values = np.bitwise_xor.accumulate(words, axis=1).view("<f8").astype(np.float64, copy=False)
    if gap_bytes:
        bits = np.frombuffer(raw, np.uint8, sizes[0]).reshape(series, gap_bytes)[some]
        values[np.unpackbits(bits, axis=1, count=points).astype(bool)] = np.nan
    return values, _resets(raw, anew_at, anew, series, points)


def _without_gaps(values: Array, gaps: Array) -> Array:
    """Each missing point as the one before it, at the beginning as the first one that there is, else 0."""
    points = np.arange(values.shape[1])
    source = np.maximum.accumulate(np.where(gaps, 0, points), axis=1)
    source = np.maximum(source, np.argmin(gaps, axis=1)[:, None])
    filled = np.take_along_axis(values, source, axis=1)
    filled[np.isnan(filled)] = 0.0
    return filled


def _whole(values: Array) -> Array | None:
    """As i64, when all of them are whole and exact."""
    if values.size and float(np.abs(values).max()) >= _WHOLE_MAX:
        return None
    whole = values.astype(np.int64)
    return whole if np.array_equal(whole, values) else None


def _zigzag(numbers: Array) -> Array:
    return ((numbers << 1) ^ (numbers >> 63)).view(np.uint64)


def _unzigzag(words: Array) -> Array:
    return (words >> np.uint64(1)).view(np.int64) ^ -(words & np.uint64(1)).view(np.int64)


def _planes(words: Array, width: int) -> bytes:
    """The lowest `width` bytes of each word: all lowest first."""
    columns = np.ascontiguousarray(words, "<u8").view(np.uint8).reshape(-1, 8)
    return np.ascontiguousarray(columns[:, :width].T).tobytes()


def _words(raw: bytes, at: int, width: int, shape: tuple[int, int], some: Array | slice) -> Array:
    """u64[some, shape[1]] out of planes."""
    planes = np.frombuffer(raw, np.uint8, width * shape[0] * shape[1], at).reshape(width, *shape)[:, some]
    made = np.zeros((planes.shape[1], shape[1], 8), np.uint8)
    made[:, :, :width] = planes.transpose(1, 2, 0)
    return made.reshape(planes.shape[1], shape[1] * 8).view("<u8")


def _resets(raw: bytes, at: int, count: int, series: int, points: int) -> Resets:
    if not count:
        return NO_RESETS
    found = Resets(
        np.frombuffer(raw, "<u2", count, at).astype(np.int64),
        np.frombuffer(raw, "<u4", count, at + 2 * count).astype(np.int64),
        np.frombuffer(raw, "<f8", count, at + 6 * count),
    )
    if int(found.points.max()) >= points or int(found.rows.max()) >= series:
        raise ValueError("a reset of no series or point")
    return found
