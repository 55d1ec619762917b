"""The bytes of a segment: what a segment file and a block look like. Pure; all numbers are little-endian.

A segment file is a head and then blocks, one behind the other:

    head    magic "ZONELOG\\n" (8) | version u16 | zero u16 | senders length u32 | crc32 u32 | created ms u64 |
            number u64
            then the senders: MessagePack [[sender, incarnation, next], ...], what was stored when the file was begun
    block   marker "ZBLK" (4) | head crc32 u32 | body crc32 u32 | index length u32 | body length u32 | raw length u32 |
            events u32 | oldest ms u64 | newest ms u64
            then the index: MessagePack [[[sender, incarnation, first, count, raw length], ...], players, columns]
            then the body: a zstd frame of the batches' bodies exactly as they were sent
    columns [kinds, [[lowest, width], ...], raw length, frame]: see columns.py; the frame is zstd over the columns
            players, times, places in kinds, lengths, one behind the other

The crc of a file's head covers the whole head but itself, the head crc of a block what follows it and the index.
A block of batches without columns (older senders) has nil for them; `players` is then u64[n], sorted, without
repetitions, so that a query skips the block without opening its body; else it is empty. The senders in the head make
recovery short: who has stored what is known from the last file alone.

Stored files are read by later versions: a change of this page is a new version number and a reader for the old one.
Version 1 had no columns, and its index no place for them: it reads as nil.
"""

import struct
import zlib
from collections.abc import Sequence

import msgspec
import numpy as np

from mesh.compression import compress, decompress
from mesh.protocol.journal import StoreEvents
from nodes.log.columns import Array, Packed, columns_of, pack, unpack

VERSION = 2
FILE_MAGIC = b"ZONELOG\n"
FILE_HEAD = struct.Struct("<8sHHIIQQ")
_CRC_AT = 16  # where FILE_HEAD has its crc
BLOCK_MARKER = b"ZBLK"
BLOCK_HEAD = struct.Struct("<4sIIIIIIQQ")

SENDERS_BYTES_MAX = 4 * 1024 * 1024  # a limit for readers; see Senders for how many there can be
INDEX_BYTES_MAX = 64 * 1024 * 1024  # for readers: every event of the largest block from another player
BODY_BYTES_MAX = 64 * 1024 * 1024  # for readers: compressed or not

SenderRow = tuple[str, int, int]  # sender, incarnation, next


class FileHead(msgspec.Struct, frozen=True):
    """The head of a segment file."""

    number: int
    created_ms: int
    senders: list[SenderRow]
    size: int  # of the head in bytes: where the first block is


class Part(msgspec.Struct, frozen=True, array_like=True):
    """One sender's batch in a block."""

    sender: str
    incarnation: int
    first: int
    count: int
    length: int  # of its part of the body, not compressed


class BlockIndex(msgspec.Struct, frozen=True, array_like=True):
    """What is known of a block without opening its body."""

    parts: list[Part]
    players: bytes
    columns: Packed | None = None


class BlockHead(msgspec.Struct, frozen=True):
    """A block's head, with its place in the file."""

    offset: int
    body_crc: int
    index_length: int
    body_length: int
    raw_length: int
    events: int
    oldest_ms: int
    newest_ms: int
    head_crc: int

    @property
    def body_offset(self) -> int:
        return self.offset + BLOCK_HEAD.size + self.index_length

    @property
    def end(self) -> int:
        return self.body_offset + self.body_length


class NewerVersion(ValueError):
    """A file that a later version of this program wrote."""


_encode = msgspec.msgpack.Encoder().encode
_decode_senders = msgspec.msgpack.Decoder(list[SenderRow]).decode
_decode_index = msgspec.msgpack.Decoder(BlockIndex).decode


def pack_file_head(number: int, created_ms: int, senders: Sequence[SenderRow]) -> bytes:
    """The first bytes of a segment."""
    rows = _encode(senders)
    made = FILE_HEAD.pack(FILE_MAGIC, VERSION, 0, len(rows), 0, created_ms, number) + rows
    return made[:_CRC_AT] + struct.pack("<I", _file_crc(made)) + made[_CRC_AT + 4 :]


def file_head_size(data: bytes) -> int:
    """How long the head is that begins with these FILE_HEAD.size bytes; never more than a reader should read."""
    if len(data) < FILE_HEAD.size:
        return len(data)
    length: int = FILE_HEAD.unpack_from(data)[3]
    return FILE_HEAD.size + min(length, SENDERS_BYTES_MAX)


def unpack_file_head(data: bytes) -> FileHead:
    """The head out of `file_head_size` bytes. ValueError when they are damaged or of something else, NewerVersion when
    this program is too old for them (later versions keep the fixed part of the head and its crc)."""
    if len(data) < FILE_HEAD.size:
        raise ValueError("too short for a segment's head")
    magic, version, _, length, crc, created_ms, number = FILE_HEAD.unpack_from(data)
    if magic != FILE_MAGIC or len(data) != FILE_HEAD.size + length or _file_crc(data) != crc:
        raise ValueError("not a segment, or its head is damaged")
    if version > VERSION:
        raise NewerVersion(f"format version {version}, this program reads up to {VERSION}")
    try:
        senders = _decode_senders(data[FILE_HEAD.size :])
    except msgspec.MsgspecError as error:
        raise ValueError(f"the head is damaged: {error}") from None
    return FileHead(number, created_ms, senders, len(data))


def pack_block(batches: Sequence[StoreEvents], level: int) -> bytes:
    """These batches as one block."""
    raw = b"".join([batch.body for batch in batches])
    parts = [Part(b.sender, b.incarnation, b.first, b.count, len(b.body)) for b in batches]
    columns = columns_of(batches)
    if columns is None:
        players = np.unique(np.frombuffer(b"".join([batch.players for batch in batches]), "<u8"))
        index = _encode(BlockIndex(parts, players.tobytes()))
    else:
        index = _encode(BlockIndex(parts, b"", pack(columns, level)))
    body = compress(raw, level)
    oldest_ms, newest_ms = _span(batches)
    rest = struct.pack(
        "<IIIIIQQ",
        zlib.crc32(body),
        len(index),
        len(body),
        len(raw),
        sum(batch.count for batch in batches),
        oldest_ms,
        newest_ms,
    )
    crc = zlib.crc32(index, zlib.crc32(rest))
    return b"".join((BLOCK_MARKER, struct.pack("<I", crc), rest, index, body))


def unpack_packed(block: bytes, offset: int) -> tuple[BlockHead, BlockIndex]:
    """Head and index of a block that was just made, as it will stand at `offset`."""
    head = unpack_block_head(block, offset)
    assert head is not None, "a block begins with its head"
    return head, _decode_index(memoryview(block)[BLOCK_HEAD.size : BLOCK_HEAD.size + head.index_length])


def unpack_block_head(data: bytes, offset: int) -> BlockHead | None:
    """A head from BLOCK_HEAD.size bytes, its crc not yet checked (that takes the index); None when it is none."""
    if len(data) < BLOCK_HEAD.size:
        return None
    marker, head_crc, body_crc, index_length, body_length, raw_length, events, oldest, newest = BLOCK_HEAD.unpack_from(
        data
    )
    if marker != BLOCK_MARKER or index_length > INDEX_BYTES_MAX or max(body_length, raw_length) > BODY_BYTES_MAX:
        return None
    return BlockHead(offset, body_crc, index_length, body_length, raw_length, events, oldest, newest, head_crc)


def unpack_index(head: BlockHead, head_bytes: bytes, index: bytes) -> BlockIndex | None:
    """The index, when head and index are what was written; else None."""
    if len(index) != head.index_length:
        return None
    if zlib.crc32(index, zlib.crc32(head_bytes[8 : BLOCK_HEAD.size])) != head.head_crc:
        return None
    try:
        return _decode_index(index)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def body_intact(head: BlockHead, body: bytes) -> bool:
    """Whether the compressed body is what was written."""
    return len(body) == head.body_length and zlib.crc32(body) == head.body_crc


def opened(head: BlockHead, body: bytes) -> bytes:
    """The body, not compressed any more. ValueError when it is not what was written."""
    if not body_intact(head, body):
        raise ValueError("the body is damaged")
    return decompress(body, head.raw_length)


def open_body(head: BlockHead, index: BlockIndex, body: bytes) -> list[bytes]:
    """The batches' bodies, one for each part. ValueError when the block does not hold what its head says."""
    raw = opened(head, body)
    bodies, at = [], 0
    for part in index.parts:
        bodies.append(raw[at : at + part.length])
        at += part.length
    if at != len(raw):
        raise ValueError("the parts do not add up to the body")
    return bodies


def has_player(index: BlockIndex, player: int) -> bool:
    """Whether a block without columns has an event of this player."""
    players = np.frombuffer(index.players, "<u8")
    at = int(np.searchsorted(players, np.uint64(player)))
    return at < len(players) and int(players[at]) == player


def players_in(head: BlockHead, index: BlockIndex) -> Array:
    """Whose events a block has: u64, sorted, without repetitions. ValueError when the columns are damaged."""
    if index.columns is None:
        return np.frombuffer(index.players, "<u8")
    return np.unique(unpack(index.columns, head.events).players)


def _file_crc(data: bytes) -> int:
    return zlib.crc32(data[_CRC_AT + 4 :], zlib.crc32(data[:_CRC_AT]))


def _span(batches: Sequence[StoreEvents]) -> tuple[int, int]:
    """The oldest and the newest time; from 0 to the end of time when a sender did not say."""
    if any(batch.newest_ms == 0 for batch in batches):
        return 0, 2**63 - 1
    return min(batch.oldest_ms for batch in batches), max(batch.newest_ms for batch in batches)
