"""The database: LMDB behind the Store interface. The only module that imports lmdb.

Owns the data folder, its lock and the LMDB environment. It never acknowledges before the data is on disk: `sync` and
`metasync` are on and `writemap` is off (without sync most power-loss images were bad, with writemap a full disk is a
SIGBUS).

Reads, `write` and `grow` happen on the loop, `begin`, `commit` and `drop` in a thread, never two of these five at once:
LMDB's lock belongs to the thread that began a transaction, so that one ends it, too. `write` is not the thread's, since
the binding lets go of the interpreter's lock for every row and, beside a busy loop, waits 5 ms to have it back (50 rows
took 250 ms (measured), on the loop they take 0.05 ms). Rejected: LMDB without its locks, where any thread may commit.
"""

import errno
import fcntl
import os
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import lmdb

from mesh.errors import StorageError
from nodes.dc.records import TABLES
from nodes.dc.view import Change

DATA_FILE = "data.mdb"
LOCK_FILE = "dc.lock"
RESERVE_MIN = 64 << 10  # bytes that must be free for "not full": less than that is no room for a commit
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_ERRNOS = (*_FULL, *_FORBIDDEN, errno.EIO)


class MapFull(StorageError):
    """The store is as large as it was allowed to be: `grow` and commit again."""


class DiskFull(StorageError):
    """There is no room; nothing was changed, reads go on."""


class Store(Protocol):
    """What a game database must do for the DC."""

    def get(self, table: str, key: bytes) -> bytes | None:
        """The committed value. Called on the loop: it must not wait for a network."""
        ...

    def scan(self, table: str, prefix: bytes = b"", start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Committed rows whose keys begin with `prefix` and are not before `start`, in the order of keys.

        A snapshot; close the iterator (or use it up) before the loop turns."""
        ...

    def count(self, table: str) -> int:
        """How many rows."""
        ...

    def begin(self) -> None:
        """Be ready for `write`; what was begun before is dropped. Called in the thread."""
        ...

    def write(self, changes: Sequence[Change]) -> None:
        """Changes of what was begun; only `commit` makes them happen. MapFull: `drop`, `grow` and write all again."""
        ...

    def commit(self) -> None:
        """All that was written or nothing, on disk when this returns, and the next is begun. Called in the thread.

        MapFull and DiskFull: nothing was changed, nothing is begun. Any other StorageError: unknown, so the process
        must end."""
        ...

    def drop(self) -> None:
        """Forget what was begun, if anything was. Called in the thread."""
        ...

    def grow(self) -> None:
        """Make room for MapFull, when nothing is begun. DiskFull when the limit is reached."""
        ...

    def copy(self, target: int) -> None:
        """Write what is committed at this moment into an open file or pipe, as the data file of a new store. In a
        thread of its own, while others read and write. StorageError when the other end of the pipe was closed."""
        ...

    def facts(self) -> dict[str, Any]:
        """Sizes in bytes, for people."""
        ...

    def close(self) -> None:
        """Called in the thread; what was written and not committed is gone."""
        ...


class LmdbStore:
    """One LMDB environment in one folder, which nobody else has open."""

    def __init__(
        self, folder: Path, map_bytes: int, map_bytes_max: int, *, create: bool = True, read_only: bool = False
    ) -> None:
        """StorageError with what is wrong and what to do. An existing file may be larger than `map_bytes`. `read_only`
        is for a backup, which nobody changes: nothing is written into its folder, not even a lock."""
        self.folder = folder
        self._read_only = read_only
        self._map_bytes_max = map_bytes_max
        self._transaction: Any = None  # what was begun
        self._written: list[Sequence[Change]] = []  # what is in it
        self._lock = _data_file(folder) if read_only else _lock_folder(folder, create)
        try:
            self._open(map_bytes, readahead=not create)
        except StorageError:
            os.close(self._lock)
            raise

    def _open(self, map_bytes: int, *, readahead: bool) -> None:
        file = self.folder / DATA_FILE
        try:
            size = file.stat().st_size if file.exists() else 0
            while map_bytes <= size:
                map_bytes *= 2
            self._environment = lmdb.open(
                str(self.folder),
                map_size=map_bytes,
                max_dbs=len(TABLES),
                mode=0o600,
                sync=True,
                metasync=True,
                writemap=False,
                readahead=readahead,  # a DC reads here and there; who works on its file reads all of it
                max_spare_txns=2,
                readonly=self._read_only,
                lock=not self._read_only,
            )
            self._check_length(file)
            self._open_tables()
            if not self._read_only:
                os.chmod(file, 0o600)
        except (lmdb.Error, OSError) as error:
            raise _explained(error, file) from None

    def _open_tables(self) -> None:
        """All of them; one that the program which wrote a backup did not know is empty there."""
        open_, self._tables = self._environment.open_db, {}
        if self._read_only:
            for name in TABLES:
                with suppress(lmdb.NotFoundError):
                    self._tables[name] = open_(name.encode(), create=False)
            return
        with self._environment.begin(write=True) as transaction:  # one commit for all tables of a new database
            self._tables = {name: open_(name.encode(), txn=transaction) for name in TABLES}

    def _check_length(self, file: Path) -> None:
        """A file that was cut short opens, and kills the process with SIGBUS when a missing page is touched."""
        pages = self._environment.info()["last_pgno"] + 1
        page = self._environment.stat()["psize"]
        if file.stat().st_size < pages * page:
            self._environment.close()
            raise StorageError(f"{file} was cut short: {pages * page} bytes are expected; restore it from a backup")

    def get(self, table: str, key: bytes) -> bytes | None:
        if table not in self._tables:
            return None
        try:
            with self._environment.begin(db=self._tables[table]) as transaction:
                value: bytes | None = transaction.get(key)
                return value
        except lmdb.Error as error:
            raise self._unreadable(error) from None

    def scan(self, table: str, prefix: bytes = b"", start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        if table not in self._tables:
            return
        try:
            with self._environment.begin(db=self._tables[table]) as transaction:
                cursor = transaction.cursor()
                if not cursor.set_range(max(prefix, start)):
                    return
                for key, value in cursor.iternext():
                    if not key.startswith(prefix):
                        return
                    yield key, value
        except lmdb.Error as error:
            raise self._unreadable(error) from None

    def count(self, table: str) -> int:
        if table not in self._tables:
            return 0
        try:
            with self._environment.begin() as transaction:
                entries: int = transaction.stat(self._tables[table])["entries"]
                return entries
        except lmdb.Error as error:
            raise self._unreadable(error) from None

    def begin(self) -> None:
        self.drop()
        try:
            self._transaction = self._environment.begin(write=True)
        except lmdb.Error as error:
            raise StorageError(f"{self.folder / DATA_FILE} cannot be written any more: {error}") from None

    def write(self, changes: Sequence[Change]) -> None:
        assert self._transaction is not None, "nothing was begun"
        tables, put, delete = self._tables, self._transaction.put, self._transaction.delete
        self._written.append(changes)
        try:
            for table, key, value in changes:
                if value is None:
                    delete(key, db=tables[table])
                else:
                    put(key, value, True, True, False, tables[table])  # by place: half the time of by name
        except lmdb.MapFullError:
            raise self._map_full() from None
        except lmdb.Error as error:
            raise self._failed(error) from None

    def commit(self) -> None:
        assert self._transaction is not None, "nothing was begun"
        transaction, self._transaction = self._transaction, None
        try:
            transaction.commit()
        except lmdb.MapFullError:
            raise self._map_full() from None
        except lmdb.Error as error:
            raise self._failed(error) from None
        self._written = []
        self.begin()

    def drop(self) -> None:
        self._written = []
        if self._transaction is not None:
            self._transaction.abort()
            self._transaction = None

    def grow(self) -> None:
        wanted = self.map_bytes * 2
        if wanted > self._map_bytes_max:
            raise DiskFull(f"{self.folder / DATA_FILE} may not become larger than {self._map_bytes_max} bytes")
        try:
            self._environment.set_mapsize(wanted)
        except lmdb.Error as error:  # no address space: the environment is of no use any more
            raise self._failed(error) from None

    def copy(self, target: int) -> None:
        """Page by page and without those that are free. Rejected: a plain copy, which waits for whoever has begun a
        transaction, and the DC always has."""
        try:
            self._environment.copyfd(target, compact=True)
        except lmdb.Error as error:
            raise StorageError(f"{self.folder / DATA_FILE} could not be copied: {error}") from None

    @property
    def map_bytes(self) -> int:
        size: int = self._environment.info()["map_size"]
        return size

    def facts(self) -> dict[str, Any]:
        info, stat = self._environment.info(), self._environment.stat()
        return {
            "engine": f"LMDB {'.'.join(map(str, lmdb.version()))}",
            "file_bytes": (self.folder / DATA_FILE).stat().st_size,
            "used_bytes": (info["last_pgno"] + 1) * stat["psize"],
            "map_bytes": info["map_size"],
            "transactions": info["last_txnid"],
            "reader_slots": info["num_readers"],
            "reader_slots_max": info["max_readers"],
        }

    def close(self) -> None:
        if self._lock < 0:
            return
        self.drop()
        self._environment.close()
        os.close(self._lock)
        self._lock = -1

    def _unreadable(self, error: lmdb.Error) -> StorageError:
        return StorageError(f"{self.folder / DATA_FILE} cannot be read: {error}")

    def _map_full(self) -> MapFull:
        return MapFull(f"{self.folder / DATA_FILE} has reached its {self.map_bytes} bytes")

    def _failed(self, error: lmdb.Error) -> StorageError:
        """Was it only that there is no room? LMDB reports a write that was cut short by a full disk as EIO, like a
        broken disk, so room is asked for once more, in a way that tells."""
        code = _code_of(error)
        if code in _FULL or (code == errno.EIO and not self._has_room(_bytes_of(self._written))):
            return DiskFull(f"no room left for {self.folder / DATA_FILE}")
        return StorageError(f"{self.folder / DATA_FILE} could not be written: {error}")

    def _has_room(self, bytes_: int) -> bool:
        file = self.folder / DATA_FILE
        wanted = RESERVE_MIN + 2 * bytes_
        limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
        if limit != resource.RLIM_INFINITY and file.stat().st_size + wanted > limit:
            return False
        disk = os.statvfs(self.folder)
        if disk.f_bavail * disk.f_frsize < wanted:
            return False
        try:  # a quota shows only to those who ask for room
            with open(file, "r+b") as handle:
                os.posix_fallocate(handle.fileno(), file.stat().st_size, wanted)
        except OSError as error:
            return error.errno not in _FULL
        return True


def _bytes_of(written: list[Sequence[Change]]) -> int:
    return sum(len(value or b"") for changes in written for _, _, value in changes)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder and keep every DC out of it. StorageError when one uses it."""
    lock = _lock_folder(folder, True)
    try:
        yield
    finally:
        os.close(lock)


def _data_file(folder: Path) -> int:
    """The open file of a folder that is only read."""
    try:
        return os.open(folder / DATA_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _explained(error, folder / DATA_FILE) from None


def _lock_folder(folder: Path, create: bool) -> int:
    """An open file that says: this folder is in use. The kernel lets go of it when the process ends, however."""
    try:
        if create:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        elif not (folder / DATA_FILE).exists():
            raise StorageError(f"{folder} has no {DATA_FILE}: it is not the data folder of a DC")
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _explained(error, folder) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StorageError(f"{folder} is in use by process {owner}; stop that one first") from None
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        os.close(lock)
        raise _explained(error, folder) from None
    return lock


def _explained(error: Exception, path: Path) -> StorageError:
    """What went wrong while opening, in words that say what to do."""
    code = _code_of(error)
    if isinstance(error, lmdb.InvalidError | lmdb.VersionMismatchError | lmdb.CorruptedError):
        return StorageError(f"{path} is not an LMDB file; move it away or restore it from a backup")
    if code in _FORBIDDEN:
        return StorageError(f"{path}: no permission to write; give it to the user that runs the DC")
    if code in _FULL:
        return DiskFull(f"{path}: the disk is full; make room and start again")
    return StorageError(f"{path} cannot be opened: {error}")


def _code_of(error: Exception) -> int:
    """The errno of an error; older releases of the binding have its words at the end of their text only."""
    code = getattr(error, "errno", None) or getattr(error, "code", None)
    if code:
        return int(code)
    return next((known for known in _ERRNOS if str(error).endswith(os.strerror(known))), 0)
