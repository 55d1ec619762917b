"""Where events end up: the open segment, what is sealed, what is thrown away. Blocking; runs in one worker thread.

Owns the data folder. `store` returns when the blocks were handed to the operating system: what it reports as stored
survives the death of this process. `tend` follows with an fsync at least once a second (settings.sync_s), so the death
of the machine costs at most about one second of events; an fsync per block was rejected because events are a record,
not money (that is the DC's), and it would halve what a slow disk takes.

It must never open a body: it is compressed as it came. Full disk: what does not fit is refused and nothing of it is in
the segment; its senders keep it. Retention: the oldest sealed segments go first, the open one never.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from mesh.disk import AppendFile, DiskFull, Folder, explained
from mesh.errors import Code, MeshError, RefusedError, StorageError
from mesh.protocol.journal import StoreEvents
from nodes.log.columns import EVENTS_MAX, divided
from nodes.log.indexes import OpenFile, SegmentIndex, index_path
from nodes.log.layout import pack_block, pack_file_head, unpack_packed
from nodes.log.recovery import Recovered, recover
from nodes.log.segments import segment_path, segment_paths
from nodes.log.senders import without_first
from nodes.log.settings import LogSettings

SEGMENTS_MIN = 4  # retention by size deletes whole segments: it never costs more than a quarter of what is kept

_DAY_MS = 86_400_000


class Counts:
    """What happened since the start; written by the worker, read by anybody."""

    def __init__(self) -> None:
        self.events_stored = 0
        self.events_duplicate = 0
        self.raw_bytes = 0  # of the stored events, before compression
        self.blocks_written = 0
        self.bytes_written = 0
        self.segments_begun = 0
        self.segments_deleted = 0
        self.bytes_deleted = 0
        self.blocks_unindexed = 0  # found by looking at them, which takes longer
        self.syncs = 0
        self.disk_full = 0
        self.failures = 0  # of the disk, besides that it is full


class Sealed(msgspec.Struct, frozen=True):
    """A segment that is not written any more."""

    number: int
    path: Path
    size: int
    sealed_ms: int  # nothing in it happened later, as far as the senders' clocks agree


class Sink:
    """The one writer of a data folder."""

    def __init__(self, path: Path, settings: LogSettings, open_file: OpenFile = AppendFile) -> None:
        """Lock the folder, recover. StorageError, with what to do, when the folder cannot be used."""
        self.counts = Counts()
        self._settings, self._open_file = settings, open_file
        self._segment_bytes = min(settings.segment_bytes, settings.retention_bytes // SEGMENTS_MIN)
        self._folder = Folder(path)
        try:
            self.recovered = recover(path)
            self._senders = self.recovered.senders
            self._sealed = _sealed_before(path, self.recovered)
            self._number = self.recovered.next_number
            self._file: AppendFile | None = None
            self._index: SegmentIndex | None = None
            self._opened_at: float | None = None  # on the clock that never jumps; None until the first `tend`
            self._dirty = False
            if self.recovered.open_path:
                self._file = open_file(self.recovered.open_path, self.recovered.open_size)
                self._index = self._index_of(self._file)
        except StorageError:
            self._folder.close()
            raise

    @property
    def senders(self) -> int:
        """Incarnations that are known."""
        return len(self._senders)

    @property
    def segments(self) -> int:
        return len(self._sealed) + (self._file is not None)

    @property
    def open_bytes(self) -> int:
        """The size of the open segment."""
        return self._file.size if self._file else 0

    @property
    def total_bytes(self) -> int:
        """Of all segments."""
        return sum(sealed.size for sealed in self._sealed) + self.open_bytes

    def store(self, batches: Sequence[StoreEvents], now: float, wall_ms: int) -> list[int | MeshError]:
        """For each batch what follows its last event, or why it is not stored."""
        wrong: dict[int, MeshError] = {}
        fresh: list[StoreEvents] = []
        ahead: dict[tuple[str, int], int] = {}  # what this group is about to store
        for at, batch in enumerate(batches):
            key = (batch.sender, batch.incarnation)
            try:
                rest = self._fresh_part(batch, max(ahead.get(key, 0), self._senders.next_of(*key)))
            except RefusedError as error:
                wrong[at] = error.with_traceback(None)  # it holds this frame, and so itself and all batches
                continue
            if rest:
                fresh.append(rest)
                ahead[key] = rest.first + rest.count
        failure = self._write(fresh, now, wall_ms)
        return [wrong.get(at) or self._result(batch, failure) for at, batch in enumerate(batches)]

    def tend(self, now: float, wall_ms: int) -> None:
        """What must happen now and then: fsync, sealing by age, retention. StorageError when the disk fails."""
        if self._opened_at is None:
            self._opened_at = now
        if self._dirty and self._file:
            self._file.sync()
            self._dirty = False
            self.counts.syncs += 1
        if self._file and now - self._opened_at >= self._settings.segment_age_s:
            self._seal(wall_ms)
        self._retain(wall_ms)

    def seal(self, wall_ms: int) -> None:
        """End the open segment, if there is one; what comes later begins another. StorageError when the disk fails."""
        if self._file:
            self._seal(wall_ms)

    def close(self) -> None:
        """Everything on the disk, the folder free for another process."""
        try:
            if self._file:
                self._file.sync()
        finally:
            if self._file:
                self._file.close()
                self._file = None
            self._close_index()
            self._folder.close()

    def _fresh_part(self, batch: StoreEvents, known: int) -> StoreEvents | None:
        """The batch without what is stored already; None when that is all of it."""
        duplicates = min(max(0, known - batch.first), batch.count)
        if duplicates == batch.count:
            rest = None
        elif duplicates:
            try:
                rest = without_first(batch, duplicates)
            except ValueError as error:
                raise RefusedError(Code.BAD_MESSAGE, str(error)) from None
        else:
            rest = batch
        self.counts.events_duplicate += duplicates
        return rest

    def _result(self, batch: StoreEvents, failure: MeshError | None) -> int | MeshError:
        """What is stored decides, not what was tried: the same batch may have been in the group twice."""
        following = self._senders.next_of(batch.sender, batch.incarnation)
        if following >= batch.first + batch.count:
            return following
        return failure or RefusedError(Code.UNAVAILABLE, "not stored, try again")

    def _write(self, fresh: list[StoreEvents], now: float, wall_ms: int) -> MeshError | None:
        """Blocks of about block_bytes. The first failure ends it, so that of one sender nothing later is stored than
        what was refused."""
        for group in _grouped(fresh, self._settings.block_bytes):
            try:
                self._write_block(group, now, wall_ms)
            except DiskFull as error:
                self.counts.disk_full += 1
                return RefusedError(Code.DISK_FULL, str(error))
            except StorageError as error:
                self.counts.failures += 1
                return RefusedError(Code.UNAVAILABLE, str(error))
        return None

    def _write_block(self, batches: list[StoreEvents], now: float, wall_ms: int) -> None:
        block = pack_block(batches, self._settings.compression_level)
        file = self._file or self._begin(now, wall_ms)
        offset = file.size
        file.append(block)
        self._dirty = True
        if self._index:
            self._index.add(*unpack_packed(block, offset))
        for batch in batches:
            self._senders.keep(batch.sender, batch.incarnation, batch.first + batch.count)
            self.counts.events_stored += batch.count
            self.counts.raw_bytes += len(batch.body)
        self.counts.blocks_written += 1
        self.counts.bytes_written += len(block)
        if file.size >= self._segment_bytes:
            self._seal(wall_ms)
            self._retain(wall_ms)

    def _begin(self, now: float, wall_ms: int) -> AppendFile:
        """A new segment. DiskFull or StorageError: there is none, and it is tried again with the next group."""
        file = self._open_file(segment_path(self._folder.path, self._number), 0)
        try:
            file.append(pack_file_head(self._number, wall_ms, self._senders.rows()))
            self._folder.sync()
        except StorageError:
            file.close()
            file.path.unlink(missing_ok=True)
            raise
        self._file, self._opened_at = file, now
        self._index = self._index_of(file)
        self._number += 1
        self.counts.segments_begun += 1
        return file

    def _seal(self, wall_ms: int) -> None:
        assert self._file is not None, "there is an open segment"
        file, self._file = self._file, None
        self._sealed.append(Sealed(self._number - 1, file.path, file.size, wall_ms))
        self._dirty = False
        try:
            file.sync()
        finally:
            file.close()
            self._close_index()

    def _index_of(self, file: AppendFile) -> SegmentIndex | None:
        """The index to go on with. Without one the segment is as good, only questions to it take longer."""
        try:
            return SegmentIndex(file.path, self._settings.compression_level, file.size, self._open_file)
        except StorageError:
            self.counts.failures += 1
            return None

    def _close_index(self) -> None:
        index, self._index = self._index, None
        if index:
            index.close()
            self.counts.blocks_unindexed += index.lost_blocks

    def _retain(self, wall_ms: int) -> None:
        too_old_ms = wall_ms - self._settings.retention_days * _DAY_MS
        total = self.total_bytes
        while self._sealed and (total > self._settings.retention_bytes or self._sealed[0].sealed_ms < too_old_ms):
            oldest = self._sealed.pop(0)
            try:
                oldest.path.unlink(missing_ok=True)
                index_path(oldest.path).unlink(missing_ok=True)
            except OSError as error:
                self._sealed.insert(0, oldest)
                raise explained(error, oldest.path) from None
            total -= oldest.size
            self.counts.segments_deleted += 1
            self.counts.bytes_deleted += oldest.size


def _grouped(batches: list[StoreEvents], block_bytes: int) -> list[list[StoreEvents]]:
    """What shares a block. Batches that are larger than one are divided."""
    groups: list[list[StoreEvents]] = []
    size, events, columns = block_bytes, 0, False
    for batch in [piece for whole in batches for piece in divided(whole, block_bytes)]:
        if size >= block_bytes or events + batch.count > EVENTS_MAX or columns != bool(batch.lengths):
            groups.append([])
            size, events, columns = 0, 0, bool(batch.lengths)
        groups[-1].append(batch)
        size += len(batch.body)
        events += batch.count
    return groups


def _sealed_before(folder: Path, recovered: Recovered) -> list[Sealed]:
    """Every segment but the one to go on with. Each was sealed, at the latest, when it was last written to."""
    sealed = []
    for number, path in segment_paths(folder):
        if path != recovered.open_path:
            facts = path.stat()
            sealed.append(Sealed(number, path, facts.st_size, int(facts.st_mtime * 1000)))
    return sealed
