"""Where blocks end up: the segments of all tiers, what waits for the disk, what is thrown away. Blocking; runs in one
worker thread.

Owns the folder. Blocks are handed to the operating system at once, so what is written survives the death of this
process; only a file that is complete is synced, so the death of the machine may cost what it had not written by then
(about half a minute). Without a folder, or while the disk takes nothing, blocks stay in memory up to a limit.

Retention: by age for each tier, and by size for all together, the oldest first; never the file that is written to. A
clock that leaps forward would make everything old at once, so nothing is deleted for its age before time has gone on
evenly for STEADY_ROWS.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from mesh.disk import DiskFull, Folder, explained
from mesh.errors import StorageError
from nodes.ops.history.columns import Columns
from nodes.ops.history.counts import Counts
from nodes.ops.history.identities import Identities
from nodes.ops.history.limits import Limits
from nodes.ops.history.recovery import recover
from nodes.ops.history.rows import Row
from nodes.ops.history.segment import Block, OpenFile, Segment
from nodes.ops.history.segments import BlockHead, pack_block, pack_series, segment_path
from nodes.ops.history.tiers import TIME_MAX, Tier

STEADY_ROWS = 3600


class Shelf(msgspec.Struct, eq=False):
    """The segments of a tier, oldest first."""

    tier: Tier
    segments: list[Segment] = []
    next_number: int = 1
    open: Segment | None = None  # the last of them, while it is written to

    def ended_s(self) -> int:
        """When the oldest segment ended, at the latest when a later one began: its clock may have run ahead."""
        return min(self.segments[0].end_s, *(segment.begin_s for segment in self.segments[1:]), TIME_MAX)


class Archive:
    """See the module."""

    def __init__(
        self,
        path: Path | None,
        identities: Identities,
        tiers: Sequence[Tier],
        limits: Limits,
        counts: Counts,
        open_file: OpenFile,
    ) -> None:
        """Lock the folder, recover. StorageError, with what to do, when the folder cannot be used."""
        self._identities, self._limits, self._counts, self._open_file = identities, limits, counts, open_file
        self._path = path
        self._folder = None if path is None else Folder(path)
        self.shelves = [Shelf(tier) for tier in tiers]
        self.troubled = False  # the disk took nothing the last time
        if path is None:
            return
        try:
            for place, shelf in enumerate(self.shelves):
                found = recover(path, shelf.tier, identities, counts, tops=place > 0)
                shelf.segments, shelf.next_number = found.segments, found.next_number
                shelf.open = found.segments[-1] if found.goes_on else None
        except StorageError:
            self.close()
            raise

    @property
    def disk_bytes(self) -> int:
        """Of all files."""
        return sum(segment.size for segment in self._segments())

    @property
    def memory_bytes(self) -> int:
        """Of what no file has."""
        return sum(segment.waiting_bytes for segment in self._segments())

    @property
    def blocks(self) -> int:
        return sum(len(segment.blocks) for segment in self._segments())

    def append(self, place: int, rows: Sequence[Row], until: int, lives: Sequence[tuple[str, int]] = ()) -> None:
        """One block of a tier; it waits for `write`."""
        shelf = self.shelves[place]
        segment = shelf.open or self._begin(place)
        fresh = segment.columns.missing(rows)
        if len(fresh):
            first = len(segment.columns)
            segment.columns.enter(fresh)
            if segment.path:
                record = pack_series(first, [self._identities.at(number) for number in fresh.tolist()])
                segment.wait(2 * record)
        chunks = segment.columns.pack(rows)
        head = BlockHead(
            until,
            len(segment.columns),
            np.array([row.at_s for row in rows], "<u4").tobytes(),
            np.array([len(chunk) for chunk in chunks], "<u4").tobytes(),
            list(lives),
        )
        record, body_at = pack_block(head, chunks)
        segment.add(Block(head, rows[0].at_s, rows[-1].at_s, len(rows), body_at, record=record))
        if segment.points >= shelf.tier.segment_points:
            shelf.open = None

    def write(self) -> None:
        """Bring to the files what waits. What the disk does not take goes on waiting, and is tried again next time."""
        if self._folder:
            try:
                self._write()
            except DiskFull as error:
                self._counts.disk_full += 1
                self._trouble(error)
            except StorageError as error:
                self._counts.failures += 1
                self._trouble(error)
            else:
                if self.troubled:
                    self._counts.say(f"{self._path}: the history is written to the disk again")
                self.troubled = False
        self._keep_within_memory()

    def retain(self, newest_s: int, steady_rows: int) -> None:
        """Delete what is too old or too much. `steady_rows`: since the clock leapt last, or since the start."""
        try:
            for shelf in self.shelves:
                if steady_rows >= STEADY_ROWS:
                    while self._deletable(shelf) and shelf.ended_s() < newest_s - shelf.tier.keep_s:
                        self._delete_oldest(shelf)
            total = self.disk_bytes
            while total > self._limits.disk_bytes:
                full = [shelf for shelf in self.shelves if self._deletable(shelf)]
                if not full:
                    return
                total -= self._delete_oldest(min(full, key=Shelf.ended_s))
        except StorageError as error:
            self._counts.failures += 1
            self._trouble(error)

    def close(self) -> None:
        """The folder is free for another process."""
        for segment in self._segments():
            try:
                segment.seal()
            except StorageError as error:
                self._counts.failures += 1
                self._trouble(error)
            segment.close()
        if self._folder:
            self._folder.close()
            self._folder = None

    def _segments(self) -> list[Segment]:
        return [segment for shelf in self.shelves for segment in shelf.segments]

    def _begin(self, place: int) -> Segment:
        shelf = self.shelves[place]
        path = None if self._path is None else segment_path(self._path, shelf.tier, shelf.next_number)
        segment = Segment(shelf.tier, Columns(self._identities, tops=place > 0), path)
        shelf.next_number += 1
        shelf.segments.append(segment)
        shelf.open = segment
        return segment

    def _write(self) -> None:
        for shelf in self.shelves:
            for segment in shelf.segments:
                if segment.waiting:
                    segment.write(self._open_file, self._counts)
                if segment is not shelf.open:
                    segment.seal()

    def _keep_within_memory(self) -> None:
        while self.memory_bytes > self._limits.memory_bytes:
            waiting = [(block, segment) for segment in self._segments() if (block := segment.oldest_waiting())]
            if not waiting:
                return
            block, segment = min(waiting, key=lambda pair: pair[0].begin_s)
            segment.drop(block)
            self._counts.blocks_lost += self._folder is not None

    @staticmethod
    def _deletable(shelf: Shelf) -> bool:
        return bool(shelf.segments) and shelf.segments[0] is not shelf.open

    def _delete_oldest(self, shelf: Shelf) -> int:
        """How many bytes of the disk that gives back."""
        segment = shelf.segments[0]
        if segment.path:
            try:
                segment.path.unlink(missing_ok=True)
            except OSError as error:
                raise explained(error, segment.path) from None
        shelf.segments.pop(0)
        segment.columns.leave()
        segment.close()
        self._counts.segments_deleted += 1
        self._counts.bytes_deleted += segment.size
        return segment.size

    def _trouble(self, error: StorageError) -> None:
        """Said once, until it is over."""
        if not self.troubled:
            self._counts.say(f"{error}: until then the history is kept in memory only")
        self.troubled = True
