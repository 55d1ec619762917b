"""The index of a row of blocks in a segment: which of them has events of whom, of what kind, and when. Pure.

A stretch describes up to BLOCKS_MAX blocks that stand one behind the other. All of a segment's stretches are its index
(see indexes.py): a question about a player who is in few of a million blocks reads those and nothing else. What is in
it is taken from the blocks, so it can be made again from them at any time.

The players are kept as sorted numbers, and for each the places of his blocks: exact, and never more than a few bytes
an event. A filter that is only nearly right (Bloom's) was rejected, because it has to be sized for the number of
players beforehand, and a bitmap of players and blocks because it grows with both when most players are in few blocks.

    record  marker "ZIDX" (4) | crc32 u32 | length u32, then MessagePack: see Stretch
"""

import struct
import zlib
from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import numpy as np

from mesh.compression import compress, decompress
from mesh.protocol.types import U63
from nodes.log.columns import EVENTS_MAX, Array
from nodes.log.layout import BlockHead, BlockIndex, players_in

RECORD_HEAD = struct.Struct("<4sII")
RECORD_MARKER = b"ZIDX"
BLOCKS_MAX = 256  # so that a place is one byte
RECORD_BYTES_MAX = 256 * 1024 * 1024  # for readers

_KINDS_MAX = 64  # as many as a mask has bits; above it a block may have any kind
_ANY_KIND = 2**64 - 1
_FOREVER = 2**63 - 1
_BLOCK = np.dtype([("offset", "<u8"), ("oldest", "<u8"), ("newest", "<u8"), ("kinds", "<u8")])
_ENTRIES_MAX = BLOCKS_MAX * EVENTS_MAX


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """Numbers of one type, compressed."""

    count: U63
    data: bytes


class Stretch(msgspec.Struct, frozen=True, array_like=True):
    """Blocks that stand one behind the other, from byte `begin` to byte `end` of the segment."""

    begin: U63
    end: U63
    kinds: list[str]
    blocks: bytes  # _BLOCK[n]
    players: Frame  # u64, sorted, as the differences from one to the next
    lengths: Frame  # u8, for each player how many blocks he is in, less one
    places: Frame  # u8, those blocks of the first player, then of the second ...


class Described(msgspec.Struct, frozen=True):
    """What is kept of a block until its stretch is complete."""

    offset: int
    end: int
    oldest_ms: int
    newest_ms: int
    kinds: list[str] | None  # None: may be any
    players: Array


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stretch).decode


def described(head: BlockHead, index: BlockIndex) -> Described:
    """A block as its head and index tell. ValueError when these are damaged."""
    kinds = index.columns.kinds if index.columns else None
    players = players_in(head, index)
    if len(players) and int(players[-1]) < 1 << 32:
        players = players.astype(np.uint32)  # half the memory until the stretch is written
    return Described(head.offset, head.end, head.oldest_ms, head.newest_ms, kinds, players)


def pack_stretch(rows: Sequence[Described], level: int) -> bytes:
    """A record of these blocks, at least one and at most BLOCKS_MAX."""
    assert 0 < len(rows) <= BLOCKS_MAX, "a place is one byte"
    kinds = sorted({kind for row in rows for kind in row.kinds or ()})
    blocks = np.array([(r.offset, r.oldest_ms, r.newest_ms, _mask(r.kinds, kinds)) for r in rows], _BLOCK)
    every = np.concatenate([row.players.astype(np.uint64) for row in rows])
    places = np.repeat(np.arange(len(rows), dtype=np.uint8), [len(row.players) for row in rows])
    order = np.argsort(every, kind="stable")  # keeps the places of one player in order
    players, counts = np.unique(every, return_counts=True)
    body = _encode(
        Stretch(
            rows[0].offset,
            rows[-1].end,
            kinds,
            blocks.tobytes(),
            _frame(np.diff(players, prepend=np.uint64(0)), "<u8", level),
            _frame(counts - 1, "u1", level),
            _frame(places[order], "u1", level),
        )
    )
    return RECORD_HEAD.pack(RECORD_MARKER, zlib.crc32(body), len(body)) + body


def record_size(head: bytes) -> int:
    """How long the record is that begins with these bytes; 0 when none does."""
    if len(head) < RECORD_HEAD.size:
        return 0
    marker, _, length = RECORD_HEAD.unpack_from(head)
    return RECORD_HEAD.size + length if marker == RECORD_MARKER and length <= RECORD_BYTES_MAX else 0


def unpack_stretch(record: bytes) -> Stretch | None:
    """The stretch out of `record_size` bytes; None when they are damaged."""
    if not record_size(record) == len(record) > 0:
        return None
    body = memoryview(record)[RECORD_HEAD.size :]
    if zlib.crc32(body) != RECORD_HEAD.unpack_from(record)[1]:
        return None
    try:
        found = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if found.blocks and len(found.blocks) % _BLOCK.itemsize == 0 and found.begin < found.end else None


def blocks_of(stretch: Stretch) -> int:
    """How many blocks it describes."""
    return len(stretch.blocks) // _BLOCK.itemsize


def last_offset(stretch: Stretch) -> int:
    """Where the last of its blocks begins."""
    return int(np.frombuffer(stretch.blocks, _BLOCK)["offset"][-1])


def candidates(stretch: Stretch, player: int, kinds: Collection[str], since_ms: int, until_ms: int) -> Array:
    """Blocks that may have an event like this, as rows with offset and newest. ValueError for a damaged index."""
    blocks = np.frombuffer(stretch.blocks, _BLOCK)
    wanted = (blocks["newest"] >= since_ms) & (blocks["oldest"] <= (until_ms or _FOREVER))
    if kinds:
        mask = np.uint64(_mask(kinds, stretch.kinds))
        wanted &= (blocks["kinds"] & mask != 0) | (blocks["kinds"] == np.uint64(_ANY_KIND))
    if player and wanted.any():
        has = np.zeros(BLOCKS_MAX, bool)
        has[_places_of(stretch, player)] = True
        wanted &= has[: len(blocks)]
    return blocks[wanted]


def _places_of(stretch: Stretch, player: int) -> Any:
    players = np.cumsum(_numbers(stretch.players, "<u8"), dtype=np.uint64)
    at = int(np.searchsorted(players, np.uint64(player)))
    if at == len(players) or int(players[at]) != player:
        return slice(0, 0)
    lengths = _numbers(stretch.lengths, "u1")
    if len(lengths) != len(players):
        raise ValueError("the index does not add up")
    begin = int(lengths[:at].sum(dtype=np.uint64)) + at
    return _numbers(stretch.places, "u1")[begin : begin + int(lengths[at]) + 1]


def _mask(kinds: Collection[str] | None, names: Sequence[str]) -> int:
    """Which of `names` occur, as bits. A name beyond the last bit, or no knowledge of the kinds, sets all."""
    if kinds is None or len(names) > _KINDS_MAX:
        return _ANY_KIND
    return sum(1 << place for place, name in enumerate(names) if name in kinds)


def _frame(numbers: Array, form: str, level: int) -> Frame:
    return Frame(len(numbers), compress(numbers.astype(form).tobytes(), level))


def _numbers(frame: Frame, form: str) -> Array:
    if frame.count > _ENTRIES_MAX:
        raise ValueError("more than a stretch can have")
    return np.frombuffer(decompress(frame.data, frame.count * np.dtype(form).itemsize), form)
