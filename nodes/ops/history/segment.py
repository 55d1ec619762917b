"""One segment: blocks of a tier, in a file or waiting for one. Blocking where it reads or writes.

Owns its file. What the disk did not take waits in memory, in order, and can be read from there; without a folder
everything does. It must never write behind a record that failed: AppendFile takes back what was not finished.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from mesh.disk import AppendFile
from nodes.ops.history.columns import Columns
from nodes.ops.history.counts import Counts
from nodes.ops.history.identities import Array
from nodes.ops.history.segments import BlockHead, SegmentReader, pack_file_head
from nodes.ops.history.tiers import Tier

OpenFile = Callable[[Path, int], AppendFile]


class Block(msgspec.Struct, eq=False):
    """Some points of all series of a segment, and where they are."""

    head: BlockHead
    begin_s: int
    end_s: int  # of the last point
    points: int
    body_at: int  # in the record
    offset: int = -1  # of the record in the file
    record: bytes | None = None  # until it is in the file

    @property
    def times(self) -> Array:
        """i64, seconds since 1970."""
        return np.frombuffer(self.head.times, "<u4").astype(np.int64)


class Waiting(msgspec.Struct, eq=False):
    """Bytes for the file."""

    data: bytes
    block: Block | None  # whose record it is


class Segment:
    """See the module."""

    def __init__(self, tier: Tier, columns: Columns, path: Path | None, size: int = 0) -> None:
        """`size`: where the intact part of its file ends; 0 for a new one."""
        self.tier, self.columns, self.path, self.size = tier, columns, path, size
        self.blocks: list[Block] = []
        self.points = 0
        self.waiting: deque[Waiting] = deque()
        self.waiting_bytes = 0
        self.aged_s = 0  # when the file was written to last, if nothing in it can be read
        self._file: AppendFile | None = None
        self._reader: SegmentReader | None = None
        if not size:
            self.wait(pack_file_head(tier))

    @property
    def begin_s(self) -> int:
        """Its first point."""
        return self.blocks[0].begin_s if self.blocks else self.aged_s

    @property
    def end_s(self) -> int:
        """Its last point: the newest that was written, even when the clock went back meanwhile."""
        return self.blocks[-1].end_s if self.blocks else self.aged_s

    def add(self, block: Block) -> None:
        """A block that is in memory or in the file."""
        self.blocks.append(block)
        self.points += block.points
        if block.record is not None:
            self.wait(block.record, block)

    def wait(self, data: bytes, block: Block | None = None) -> None:
        """To be written."""
        self.waiting.append(Waiting(data, block))
        self.waiting_bytes += len(data)

    def write(self, open_file: OpenFile, counts: Counts) -> None:
        """What waits. DiskFull or StorageError: the rest goes on waiting."""
        assert self.path is not None, "a segment with a file"
        if self._file is None:
            self._file = open_file(self.path, self.size)
        while self.waiting:
            item = self.waiting[0]
            self._file.append(item.data)
            if item.block:
                item.block.offset, item.block.record = self.size, None
                counts.blocks_written += 1
            self.size = self._file.size
            counts.bytes_written += len(item.data)
            self._waited()

    def oldest_waiting(self) -> Block | None:
        """The first block that no file has."""
        return next((item.block for item in self.waiting if item.block), None)

    def drop(self, block: Block) -> None:
        """Forget the first block that no file has."""
        place = next(place for place, item in enumerate(self.waiting) if item.block is block)
        self.waiting_bytes -= len(self.waiting[place].data)
        del self.waiting[place]
        self.blocks.remove(block)

    def chunk(self, block: Block, place: int) -> bytes:
        """One chunk of a block. ValueError when a block has none there, StorageError when the disk fails."""
        lengths = np.frombuffer(block.head.lengths, "<u4")
        if place >= len(lengths):
            raise ValueError("a block without this chunk")
        begin, length = block.body_at + int(lengths[:place].sum()), int(lengths[place])
        if block.record is not None:
            return block.record[begin : begin + length]
        return self._read(block.offset + begin, length)

    def seal(self) -> None:
        """Nothing more is written: what is there is on the disk itself. StorageError when the disk fails."""
        if self._file and not self.waiting:
            file, self._file = self._file, None
            try:
                file.sync()
            finally:
                file.close()

    def close(self) -> None:
        """The file is not used any more. What waits is lost."""
        if self._file:
            self._file.close()
            self._file = None
        if self._reader:
            self._reader.close()
            self._reader = None

    def _read(self, at: int, length: int) -> bytes:
        if self._reader is None:
            assert self.path is not None, "a block without a record is in a file"
            self._reader = SegmentReader(self.path)
        return self._reader.read(at, length)

    def _waited(self) -> Waiting:
        item = self.waiting.popleft()
        self.waiting_bytes -= len(item.data)
        return item
