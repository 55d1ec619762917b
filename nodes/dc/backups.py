"""A backup of a DC that runs: a copy of one moment, made while everybody plays.

LMDB reads the pages of that moment in a thread and writes them into a pipe; another thread takes them out, sums them up
and puts them on disk, a block at a time and no faster than is allowed. The loop only waits. While the copy is made the
file cannot use its old pages again and grows with every change, so a backup that takes too long for what is changed
meanwhile is given up: its end of the pipe is closed. One at a time. LMDB may not enlarge its map while anybody reads:
the writer pauses the copy for that, which then begins anew.
"""

import asyncio
import fcntl
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext, suppress
from pathlib import Path

from mesh.clock import Clock
from mesh.errors import Code, RefusedError, StorageError
from mesh.node import Caller, Node, on
from mesh.protocol.records import BackUpDb, DbStat
from mesh.seat import Workers
from nodes.dc import manifest
from nodes.dc.manifest import Manifest
from nodes.dc.settings import DcSettings
from nodes.dc.store import DATA_FILE, Store
from nodes.dc.writer import Writer

BLOCK_BYTES = 1 << 20  # what is read, written and paid for at a time; as large as a pipe can be made
THREADS = 2  # one in LMDB, one at the other end of the pipe
ATTEMPTS_MAX = 10  # each is the end of one that was paused; the map doubles in between
LOOK_S = 0.25  # how often is looked at what has grown meanwhile
CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC


class Backups:
    """See the module."""

    def __init__(
        self, node: Node, store: Store, writer: Writer, workers: Workers, settings: DcSettings, data: Path
    ) -> None:
        self._node, self._store, self._workers, self._settings, self._data = node, store, workers, settings, data
        self._writer = writer
        writer.pausing = self.paused
        self._copying: Copying | None = None
        self._into, self._since = Path(), 0.0  # of that
        self._idle = asyncio.Event()
        self._idle.set()
        self.last_s = manifest.last(data)
        node.metrics.reads(
            "dc_last_backup_timestamp_seconds", "When the newest backup was made; 0: none is known.",
            lambda: self.last_s,
        )  # fmt: skip

    @on(BackUpDb)
    async def on_back_up(self, said: BackUpDb, _caller: Caller) -> DbStat:
        folder = Path(said.folder)
        if not folder.is_absolute():
            raise RefusedError(Code.BAD_MESSAGE, f"{folder} is not an absolute path")
        if self._writer.closed:
            raise RefusedError(Code.STALE_EPOCH, "this DC does not write: what it has may be old")
        if self._copying is not None:
            text = f"a copy is being made already, into {self._into} since {self._node.clock.now() - self._since:.0f} s"
            raise RefusedError(Code.OUT_OF_ORDER, f"{text}: try again when it is done")
        self._copying = Copying(self._store, self._workers, self._node.clock, self._settings.backup_growth_max)
        self._into, self._since = folder, self._node.clock.now()
        self._idle.clear()
        try:
            made = await self._copying.run(folder, said.bytes_s or self._settings.backup_bytes_s, self._node.clock.wall)
            if said.kept:
                await self._workers.run(manifest.note, self._data, made)
        except (StorageError, OSError) as error:
            self._node.log.error("a backup was not made", folder=str(folder), reason=str(error))
            raise RefusedError(Code.UNAVAILABLE, str(error)) from None
        finally:
            self._copying = None
            self._idle.set()
        self.last_s = made.made_s if said.kept else self.last_s
        self._node.log.info("a backup was made", folder=str(folder), bytes=made.bytes)
        return DbStat({**manifest.shown(made), "folder": str(folder)})

    def paused(self) -> AbstractAsyncContextManager[None]:
        """Nobody reads the store in a thread meanwhile."""
        return nullcontext() if self._copying is None else self._copying.paused()

    async def stop(self) -> None:
        """Give up what is being made; the store may be closed then."""
        if self._copying is not None:
            self._copying.stop()
            await self._idle.wait()
        self._workers.close()


class Copying:
    """One copy of a store that is written to meanwhile."""

    def __init__(self, store: Store, workers: Workers, clock: Clock, growth_max: int) -> None:
        self._store, self._workers, self._clock, self._growth_max = store, workers, clock, growth_max
        self._stopped = self._paused = False
        self._wake = asyncio.Event()  # one of these was set
        self._reads = asyncio.Lock()  # while a thread does

    async def run(self, folder: Path, bytes_s: int, wall: Callable[[], float]) -> Manifest:
        """Make the backup. StorageError: there is none, and nothing is left of it."""
        run = self._workers.run
        part = await run(manifest.begin, folder)
        try:
            for _ in range(ATTEMPTS_MAX):
                made_s = int(wall())
                async with self._reads:
                    size, digest = await self._copy(part / DATA_FILE, bytes_s)
                if not self._paused:
                    return await run(manifest.finish, part, folder, size, digest, made_s)
            raise StorageError("the database was enlarged again and again while it was copied: try again")
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)  # a file or two
            raise

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """No thread reads the store meanwhile. What was copied is of no use then."""
        self._paused = True
        self._wake.set()
        async with self._reads:
            yield

    def stop(self) -> None:
        """`run` raises soon."""
        self._stopped = True
        self._wake.set()

    async def _copy(self, file: Path, bytes_s: int) -> tuple[int, str]:
        """Size and checksum of the file, which is on disk then if it was not paused."""
        self._paused = False
        self._wake.clear()
        source, target = os.pipe()
        with suppress(OSError):  # as large as it may be here
            fcntl.fcntl(target, fcntl.F_SETPIPE_SZ, BLOCK_BYTES)
        filling = asyncio.ensure_future(self._workers.run(_fill, self._store, target))
        sink = _Sink(source, file)
        try:
            await self._drain(sink, bytes_s)
        finally:
            sink.close()  # this also ends a copy that is not over
            failed = await asyncio.shield(filling)
        if failed is not None and not self._paused:
            raise failed
        return sink.size, sink.digest.hexdigest()

    async def _drain(self, sink: "_Sink", bytes_s: int) -> None:
        before, began = self._used(), self._clock.now()
        more = True
        while more and not self._paused:
            taking = asyncio.ensure_future(self._workers.run(sink.take))
            try:
                more = await asyncio.shield(taking)
            finally:
                await asyncio.shield(taking)  # nothing is closed that a thread reads from
            self._check(before)
            while not self._paused and (left_s := began + sink.size / bytes_s - self._clock.now()) > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(left_s, LOOK_S)):
                        await self._wake.wait()
                self._check(before)

    def _check(self, before: int) -> None:
        if self._stopped:
            raise StorageError("the DC stops")
        grown = self._used() - before
        if grown > self._growth_max:
            raise StorageError(
                f"the database grew by {grown} bytes while it was copied: the backup was given up; let it be faster"
            )

    def _used(self) -> int:
        return int(self._store.facts()["used_bytes"])


class _Sink:
    """The other end of the pipe: sums up what comes out of it and puts it on disk."""

    def __init__(self, source: int, file: Path) -> None:
        self.size, self.digest = 0, hashlib.sha256()
        self._source, self._file = source, open(os.open(file, CREATE, 0o600), "wb")  # noqa: SIM115 - see close

    def take(self) -> bool:
        """One block, in a thread. False: that was all, and it is on disk."""
        wanted = BLOCK_BYTES
        while wanted and (piece := os.read(self._source, wanted)):
            self.digest.update(piece)
            self._file.write(piece)
            self.size += len(piece)
            wanted -= len(piece)
        if wanted:
            self._file.flush()
            os.fsync(self._file.fileno())
        return not wanted

    def close(self) -> None:
        os.close(self._source)
        with suppress(OSError):  # what was not written is of no use to anybody
            self._file.close()


def _fill(store: Store, target: int) -> StorageError | None:
    """In its thread. What went wrong is an answer: the other end of the pipe may have wanted it so."""
    try:
        store.copy(target)
    except StorageError as error:
        return error
    finally:
        os.close(target)
    return None
