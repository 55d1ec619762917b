"""The index of a segment on disk, beside it: `<number>.zidx`, stretches one behind the other. Blocking.

The writer adds a stretch whenever BLOCKS_MAX blocks are complete and when the segment is sealed, so memory holds one
stretch's worth of players. Nothing depends on it: what no intact stretch describes is found by looking at the blocks.
So a stretch that could not be written is left out, and a file that is lost costs time and no event. After a kill the
index is cut to what fits the segment, and what is missing is read from the blocks.

It must never be believed before it was compared with the segment: a machine that dies may keep more of the index than
of the segment, and other blocks may come to stand there.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from mesh.disk import AppendFile, explained
from mesh.errors import StorageError
from nodes.log.layout import BlockHead, BlockIndex
from nodes.log.segments import Damage, SegmentFile
from nodes.log.stretch import (
    BLOCKS_MAX,
    RECORD_HEAD,
    Described,
    Stretch,
    described,
    last_offset,
    pack_stretch,
    record_size,
    unpack_stretch,
)

OpenFile = Callable[[Path, int], AppendFile]


def index_path(segment: Path) -> Path:
    return segment.with_suffix(".zidx")


def stretches(segment: Path, size: int) -> Iterator[tuple[Stretch, int]]:
    """The stretches of a segment of this size, in order, each with where its record ends; up to the first that is
    damaged or of another segment. No index at all is an empty one. StorageError when it cannot be read."""
    path = index_path(segment)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise explained(error, path) from None
    at = covered = 0
    try:
        while length := record_size(os.pread(fd, RECORD_HEAD.size, at)):
            stretch = unpack_stretch(os.pread(fd, length, at))
            if stretch is None or stretch.begin < covered or stretch.end > size:
                return
            at, covered = at + length, stretch.end
            yield stretch, at
    except OSError as error:
        raise explained(error, path) from None
    finally:
        os.close(fd)


class SegmentIndex:
    """The index of the segment that is being written."""

    def __init__(self, segment: Path, level: int, size: int = 0, open_file: OpenFile = AppendFile) -> None:
        """Go on with a segment that has `size` bytes, or begin. StorageError when that cannot be read or written."""
        self.lost_blocks = 0  # described by no stretch, because the disk took none or the block is damaged
        self._segment, self._level = segment, level
        self._rows: list[Described] = []
        index_size = covered = 0
        if size:
            for stretch, end in stretches(segment, size):
                if not _is_there(segment, stretch):
                    break
                index_size, covered = end, stretch.end
        self._file = open_file(index_path(segment), index_size)
        if size:
            self._catch_up(covered, size)

    def add(self, head: BlockHead, index: BlockIndex) -> None:
        """A block was appended to the segment."""
        if self._rows and self._rows[-1].end != head.offset:
            self.flush()  # something unreadable lies between: no stretch goes over it
        try:
            self._rows.append(described(head, index))
        except ValueError:
            self.lost_blocks += 1
        if len(self._rows) >= BLOCKS_MAX:
            self.flush()

    def flush(self) -> None:
        """Write what is known as a stretch. A disk that fails costs the stretch."""
        rows, self._rows = self._rows, []
        if not rows:
            return
        try:
            self._file.append(pack_stretch(rows, self._level))
        except StorageError:
            self.lost_blocks += len(rows)

    def close(self) -> None:
        """Complete as far as it can be, and on the disk itself."""
        self.flush()
        with contextlib.suppress(StorageError):  # then a machine that dies now costs the index
            self._file.sync()
        self._file.close()

    def _catch_up(self, covered: int, size: int) -> None:
        with SegmentFile(self._segment) as file:
            for item in file.scan(bodies=False, begin=max(covered, file.begin), end=size):
                if not isinstance(item, Damage):
                    self.add(item.head, item.index)


def _is_there(segment: Path, stretch: Stretch) -> bool:
    """Whether the last block of a stretch is still where it was: then so are those before it."""
    with SegmentFile(segment) as file:
        block = file.block_at(last_offset(stretch))
        return block is not None and block.head.end == stretch.end
