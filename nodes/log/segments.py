"""Segment files for reading: which there are, what is in them, what is damaged. Owns nothing; never writes.

Reading is safe beside the log node that writes: a block is there as a whole or it is the tail. A tail is what follows
the last intact block: in the newest file a write that was cut short or is not finished, which was never acknowledged.
Anything unreadable before an intact block is damage: it is stepped over by looking for the next intact block.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from mesh.disk import explained
from mesh.errors import StorageError
from nodes.log.layout import (
    BLOCK_HEAD,
    BLOCK_MARKER,
    FILE_HEAD,
    BlockHead,
    BlockIndex,
    FileHead,
    NewerVersion,
    body_intact,
    file_head_size,
    unpack_block_head,
    unpack_file_head,
    unpack_index,
)

_NAME = re.compile(r"^([0-9]{8,20})\.zlog$")
_LOOK_AHEAD = 16_384  # bytes read with a head, so that one read usually brings the index, too
_SEARCH_BYTES = 1 << 20  # at a time, when looking for the next block


class Block(msgspec.Struct, frozen=True):
    """An intact block (its body's checksum only when that was asked for)."""

    head: BlockHead
    index: BlockIndex


class Damage(msgspec.Struct, frozen=True):
    """Bytes that are no block."""

    offset: int
    length: int
    events: int  # as far as known from an intact head, else 0
    tail: bool = False  # nothing intact follows


def segment_path(folder: Path, number: int) -> Path:
    return folder / f"{number:08}.zlog"


def segment_paths(folder: Path) -> list[tuple[int, Path]]:
    """All segments by number, oldest first. StorageError when the folder cannot be read."""
    try:
        names = os.listdir(folder)
    except OSError as error:
        raise explained(error, folder) from None
    return sorted((int(match[1]), folder / name) for name in names if (match := _NAME.match(name)))


class SegmentFile:
    """One segment, open for reading. `head` is None when it is damaged."""

    def __init__(self, path: Path) -> None:
        """FileNotFoundError when retention was faster; StorageError when it cannot be read or is too new."""
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise explained(error, path) from None
        self.size = os.fstat(self._fd).st_size
        self.head: FileHead | None = None
        try:
            self.head = unpack_file_head(self._read(0, file_head_size(self._read(0, FILE_HEAD.size))))
        except NewerVersion as error:
            self.close()
            raise StorageError(f"{path}: {error}: start the newer program") from None
        except ValueError:
            return

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> "SegmentFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def begin(self) -> int:
        """Where the first block is."""
        return self.head.size if self.head else 0

    def scan(self, *, bodies: bool, begin: int | None = None, end: int | None = None) -> Iterator[Block | Damage]:
        """Everything in the file, or between two places where a block begins, in order. With `bodies` their checksums
        are checked, too, else only the heads'."""
        at, until = self.begin if begin is None else begin, self.size if end is None else min(end, self.size)
        while at < until:
            block = self.block_at(at)
            if block is None:
                found = self._next_block(at + 1)
                yield Damage(at, (found or self.size) - at, self._events_at(at), tail=found is None)
                at = found or self.size
            elif bodies and not body_intact(block.head, self.body(block)):
                following = block.head.end
                tail = following >= self.size
                yield Damage(at, following - at, block.head.events, tail=tail)
                at = following
            else:
                yield block
                at = block.head.end

    def body(self, block: Block) -> bytes:
        """The compressed body, not checked."""
        return self._read(block.head.body_offset, block.head.body_length)

    def block_at(self, at: int) -> Block | None:
        """The block that begins here, without its body; None when there is none or its head is damaged."""
        data = self._read(at, _LOOK_AHEAD)
        head = unpack_block_head(data, at)
        if head is None or head.end > self.size:
            return None
        if len(data) < BLOCK_HEAD.size + head.index_length:
            data = self._read(at, BLOCK_HEAD.size + head.index_length)
        index = unpack_index(head, data, data[BLOCK_HEAD.size : BLOCK_HEAD.size + head.index_length])
        return Block(head, index) if index else None

    def _next_block(self, start: int) -> int | None:
        at = start
        while at < self.size:
            window = self._read(at, _SEARCH_BYTES)
            found = window.find(BLOCK_MARKER)
            while found >= 0:
                if self.block_at(at + found):
                    return at + found
                found = window.find(BLOCK_MARKER, found + 1)
            at += max(1, len(window) - len(BLOCK_MARKER) + 1)
        return None

    def _events_at(self, at: int) -> int:
        """What a block that is cut short would have held, when its head and index came through."""
        data = self._read(at, BLOCK_HEAD.size)
        head = unpack_block_head(data, at)
        if head is None:
            return 0
        index = unpack_index(head, data, self._read(at + BLOCK_HEAD.size, head.index_length))
        return head.events if index else 0

    def _read(self, at: int, length: int) -> bytes:
        length = min(length, self.size - at)
        try:
            return os.pread(self._fd, length, at) if length > 0 else b""
        except OSError as error:
            raise explained(error, self.path) from None
