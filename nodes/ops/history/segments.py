"""The bytes of a segment file, and how it is read when a file is all there is. Never writes; numbers are little-endian.

    file    head: magic "ZONEHIST" (8) | version u16 | zero u16 | step u32 (s) | crc32 u32, then records
    record  marker "ZREC" (4) | crc32 u32 | head length u32 | body length u32, then the head: MessagePack, then the body
    series  head ["series", place of the first, count, raw length, crc32 of the body]
            body: zstd of MessagePack [[node, role, zone, name, kind, [[label, value], ...]], ...]
    block   head ["block", until, series, times, lengths, lives]
            body: chunks, one behind the other; see blocks.py and columns.py
            until    how many seconds the history had stored when this block was complete, its own points included
            times    u32 for each point: seconds since 1970
            lengths  u32 for each chunk: bytes
            lives    [[node, incarnation], ...] of the nodes that are in it, in the finest tier

The crc of a record covers the two lengths and the head, that of a file's head the head up to it; bodies have their
own. Each series record stands twice: a flipped bit in it would otherwise cost all blocks behind it. Heads are checked at
the start, bodies when somebody reads them. What follows the last intact record is a tail: a write that was cut short. Anything unreadable
before that is damage, and is stepped over by looking for the next record.
"""

import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from mesh.compression import compress, decompress
from mesh.disk import explained
from nodes.ops.history.blocks import LEVEL
from nodes.ops.history.identities import Identity
from nodes.ops.history.tiers import Tier

VERSION = 1
FILE_HEAD = struct.Struct("<8sHHII")
RECORD_HEAD = struct.Struct("<4sIII")
RECORD_MARKER = b"ZREC"
HEAD_BYTES_MAX = 4 * 1024 * 1024  # for readers
BODY_BYTES_MAX = 256 * 1024 * 1024  # for readers: compressed or not

_MAGIC = b"ZONEHIST"
_LOOK_AHEAD = 8192  # bytes read with a record's fixed part, so that one read usually brings the head, too
_SEARCH_BYTES = 1 << 20  # at a time, when looking for the next record


class SeriesHead(msgspec.Struct, frozen=True, array_like=True, tag="series"):
    """Series that blocks behind this record have columns for."""

    first: int
    count: int
    raw_length: int
    crc: int


class BlockHead(msgspec.Struct, frozen=True, array_like=True, tag="block"):
    """What is known of a block without its body."""

    until: int
    series: int
    times: bytes
    lengths: bytes
    lives: list[tuple[str, int]]


class Record(NamedTuple):
    """An intact record (its body was not looked at)."""

    offset: int
    head: SeriesHead | BlockHead
    body_at: int
    body_length: int

    @property
    def end(self) -> int:
        return self.body_at + self.body_length


class Damage(NamedTuple):
    """Bytes that are no record."""

    offset: int
    length: int
    tail: bool  # nothing intact follows


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SeriesHead | BlockHead).decode
_decode_series = msgspec.msgpack.Decoder(list[Identity]).decode


def segment_path(folder: Path, tier: Tier, number: int) -> Path:
    return folder / f"{tier.name}-{number:08}.zhist"


def segment_paths(folder: Path, tier: Tier) -> list[tuple[int, Path]]:
    """A tier's files by number, oldest first. StorageError when the folder cannot be read."""
    name = re.compile(rf"^{re.escape(tier.name)}-([0-9]{{8,20}})\.zhist$")
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise explained(error, folder) from None
    return sorted((int(match[1]), folder / each) for each in names if (match := name.match(each)))


def pack_file_head(tier: Tier) -> bytes:
    rest = FILE_HEAD.pack(_MAGIC, VERSION, 0, tier.step_s, 0)[:-4]
    return rest + struct.pack("<I", zlib.crc32(rest))


def pack_series(first: int, identities: Sequence[Identity]) -> bytes:
    """A record, once."""
    raw = _encode(identities)
    body = compress(raw, LEVEL)
    return _record(_encode(SeriesHead(first, len(identities), len(raw), zlib.crc32(body))), body)


def pack_block(head: BlockHead, chunks: Sequence[bytes]) -> tuple[bytes, int]:
    """A record, and where in it the body begins."""
    packed = _encode(head)
    return _record(packed, b"".join(chunks)), RECORD_HEAD.size + len(packed)


def unpack_series(head: SeriesHead, body: bytes) -> list[Identity]:
    """ValueError when the body is not what was written."""
    if zlib.crc32(body) != head.crc or head.raw_length > BODY_BYTES_MAX:
        raise ValueError("the series are damaged")
    try:
        found = _decode_series(decompress(body, head.raw_length))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"the series are damaged: {error}") from None
    if len(found) != head.count:
        raise ValueError("the series do not add up")
    return found


class SegmentReader:
    """A file, open for reading."""

    def __init__(self, path: Path) -> None:
        """StorageError when it cannot be read."""
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise explained(error, path) from None

    def close(self) -> None:
        os.close(self._fd)

    @property
    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def read(self, at: int, length: int) -> bytes:
        """As many bytes as there are. StorageError when the disk fails."""
        try:
            return os.pread(self._fd, length, at)
        except OSError as error:
            raise explained(error, self.path) from None

    def version(self) -> int | None:
        """Of the format; None when the file's head is damaged."""
        head = self.read(0, FILE_HEAD.size)
        if len(head) < FILE_HEAD.size:
            return None
        magic, version, _, _, crc = FILE_HEAD.unpack(head)
        return version if magic == _MAGIC and crc == zlib.crc32(head[:-4]) else None

    def scan(self) -> Iterator[Record | Damage]:
        """Everything behind the file's head, in order."""
        at, size = FILE_HEAD.size, self.size
        while at < size:
            record = self._record_at(at, size)
            if record:
                yield record
                at = record.end
            else:
                found = self._next_record(at + 1, size)
                following = size if found is None else found
                yield Damage(at, following - at, tail=found is None)
                at = following

    def _record_at(self, at: int, size: int) -> Record | None:
        data = self.read(at, _LOOK_AHEAD)
        if len(data) < RECORD_HEAD.size:
            return None
        marker, crc, head_length, body_length = RECORD_HEAD.unpack_from(data)
        if marker != RECORD_MARKER or head_length > HEAD_BYTES_MAX or body_length > BODY_BYTES_MAX:
            return None
        body_at = at + RECORD_HEAD.size + head_length
        if body_at + body_length > size:
            return None
        if RECORD_HEAD.size + head_length > len(data):
            data = self.read(at, RECORD_HEAD.size + head_length)
        packed = data[RECORD_HEAD.size : RECORD_HEAD.size + head_length]
        if zlib.crc32(packed, zlib.crc32(data[8 : RECORD_HEAD.size])) != crc:
            return None
        try:
            return Record(at, _decode(packed), body_at, body_length)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def _next_record(self, start: int, size: int) -> int | None:
        at = start
        while at < size:
            window = self.read(at, _SEARCH_BYTES)
            found = window.find(RECORD_MARKER)
            while found >= 0:
                if self._record_at(at + found, size):
                    return at + found
                found = window.find(RECORD_MARKER, found + 1)
            at += max(1, len(window) - len(RECORD_MARKER) + 1)
        return None


def _record(head: bytes, body: bytes) -> bytes:
    lengths = struct.pack("<II", len(head), len(body))
    crc = zlib.crc32(head, zlib.crc32(lengths))
    return b"".join((RECORD_MARKER, struct.pack("<I", crc), lengths, head, body))
