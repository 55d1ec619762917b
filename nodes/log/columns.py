"""What a block knows of each of its events without opening its body: whose, when, of what kind, and how long. Pure.

Senders bring these columns with their batches (see StoreEvents). A block keeps them beside its body, so that a
question about one player takes a comparison of numbers and opens the few bytes that it is about. Each column is kept
as the distances from its lowest value, as narrow as they allow; together they are one zstd frame.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from mesh.compression import compress, decompress
from mesh.protocol.journal import StoreEvents
from mesh.protocol.types import U63

EVENTS_MAX = 65_536  # of one block, for readers; blocks of tiny events end here
PLAYER_MAX = 2**63 - 1

Array = npt.NDArray[Any]

_WIDTHS = ((1 << 8, "<u1"), (1 << 16, "<u2"), (1 << 32, "<u4"), (1 << 64, "<u8"))
_FORMS = {np.dtype(form).itemsize: form for _, form in _WIDTHS}


class Columns(NamedTuple):
    """One entry for each event, in the order of the body."""

    players: Array  # u64
    times: Array  # u64, ms
    kind_numbers: Array  # u64, places in `kinds`
    lengths: Array  # u64, bytes
    kinds: list[str]


class Packed(msgspec.Struct, frozen=True, array_like=True):
    """Columns as a block keeps them."""

    kinds: list[str]
    shapes: list[tuple[U63, int]]  # lowest value and bytes of each distance from it: players, times, kinds, lengths
    raw_length: int
    frame: bytes


def problem_of(batch: StoreEvents) -> str | None:
    """Why the columns of a batch are not of its events; None when all is well."""
    if len(batch.players) != 8 * batch.count or not batch.body:
        return "count, players and body do not agree"
    if not batch.lengths:
        return None
    sizes = len(batch.lengths), len(batch.times), len(batch.kind_numbers)
    if sizes != (4 * batch.count, 8 * batch.count, 2 * batch.count):
        return "count and columns do not agree"
    lengths = np.frombuffer(batch.lengths, "<u4")
    if int(lengths.sum(dtype=np.uint64)) != len(batch.body) or not lengths.all():
        return "lengths and body do not agree"
    if int(np.frombuffer(batch.kind_numbers, "<u2").max()) >= len(batch.kinds):
        return "an event of no kind"
    times = np.frombuffer(batch.times, "<u8")
    if not batch.oldest_ms <= int(times.min()) <= int(times.max()) <= batch.newest_ms:
        return "an event older or newer than all"
    if int(np.frombuffer(batch.players, "<u8").max()) > PLAYER_MAX:
        return "an account that cannot be"
    return None


def columns_of(batches: Sequence[StoreEvents]) -> Columns | None:
    """Those of several batches, one behind the other; None when one of them comes without."""
    if not all(batch.lengths for batch in batches):
        return None
    kinds: dict[str, int] = {}
    numbers = []
    for batch in batches:
        places = np.array([kinds.setdefault(kind, len(kinds)) for kind in batch.kinds], np.uint64)
        numbers.append(places[np.frombuffer(batch.kind_numbers, "<u2")])
    return Columns(
        _joined([batch.players for batch in batches], "<u8"),
        _joined([batch.times for batch in batches], "<u8"),
        np.concatenate(numbers),
        _joined([batch.lengths for batch in batches], "<u4"),
        list(kinds),
    )


def pack(columns: Columns, level: int) -> Packed:
    """For the index of a block."""
    shapes, parts = [], []
    for column in columns[:4]:
        lowest = column.min()
        span = int(column.max()) - int(lowest)
        form = next(form for limit, form in _WIDTHS if span < limit)
        shapes.append((int(lowest), np.dtype(form).itemsize))
        parts.append((column - lowest).astype(form).tobytes())
    raw = b"".join(parts)
    return Packed(columns.kinds, shapes, len(raw), compress(raw, level))


def unpack(packed: Packed, events: int) -> Columns:
    """The columns of a block with so many events. ValueError when they are not what a block has."""
    widths = [width for _, width in packed.shapes]
    if len(widths) != 4 or not all(width in _FORMS for width in widths) or events > EVENTS_MAX:
        raise ValueError("not the columns of a block")
    if packed.raw_length != events * sum(widths):
        raise ValueError("the columns do not add up")
    raw, at, found = decompress(packed.frame, packed.raw_length), 0, []
    for lowest, width in packed.shapes:
        found.append(np.frombuffer(raw, _FORMS[width], events, at).astype(np.uint64) + np.uint64(lowest))
        at += events * width
    players, times, numbers, lengths = found
    if events and int(numbers.max()) >= len(packed.kinds):
        raise ValueError("an event of no kind")
    return Columns(players, times, numbers, lengths, packed.kinds)


def found_by(columns: Columns, begin: int, count: int) -> list[tuple[int, int, str]]:
    """Player, time and kind of some events, as the columns have them."""
    some = slice(begin, begin + count)
    kinds = [columns.kinds[number] for number in columns.kind_numbers[some].tolist()]
    return list(zip(columns.players[some].tolist(), columns.times[some].tolist(), kinds, strict=True))


def part_of(batch: StoreEvents, begin: int, end: int) -> StoreEvents:
    """Some events of a batch that has columns, as a batch."""
    lengths = np.frombuffer(batch.lengths, "<u4")
    start = int(lengths[:begin].sum(dtype=np.uint64))
    stop = start + int(lengths[begin:end].sum(dtype=np.uint64))
    return msgspec.structs.replace(
        batch,
        first=batch.first + begin,
        count=end - begin,
        players=batch.players[8 * begin : 8 * end],
        times=batch.times[8 * begin : 8 * end],
        kind_numbers=batch.kind_numbers[2 * begin : 2 * end],
        lengths=batch.lengths[4 * begin : 4 * end],
        body=batch.body[start:stop],
    )


def divided(batch: StoreEvents, block_bytes: int) -> list[StoreEvents]:
    """A batch as pieces of about `block_bytes` each. One without columns cannot be divided."""
    if len(batch.body) <= block_bytes or not batch.lengths:
        return [batch]
    pieces = -(-len(batch.body) // block_bytes)
    ends = np.cumsum(np.frombuffer(batch.lengths, "<u4"), dtype=np.uint64)
    cuts = np.searchsorted(ends, np.arange(1, pieces) * (len(batch.body) // pieces), "right")
    bounds = np.unique(np.concatenate(([0], cuts, [batch.count])))
    return [part_of(batch, int(a), int(b)) for a, b in itertools.pairwise(bounds)]


def _joined(parts: Sequence[bytes], form: str) -> Array:
    return np.frombuffer(b"".join(parts), form).astype(np.uint64)
