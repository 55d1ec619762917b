"""The file operations of a lake, and what their failures mean. Owns the words for an operator, no decisions.

They are an argument of the lake, so that a test can bring a disk that is full, or a process that dies at any of them.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from mesh.errors import StorageError

FOLDER_MODE = 0o700
FILE_MODE = 0o600
ASIDE = ".new"  # behind the name of a file that is being written


class NoRoom(StorageError):
    """The disk is full: everything is as it was."""


class Disk:
    """Each method is one step, after which a process may be dead."""

    def __init__(self, *, durable: bool = True) -> None:
        """Not `durable`: what is written may be gone when the machine dies, and is written in a tenth of the time."""
        self._durable = durable

    def make_folder(self, path: Path) -> list[Path]:
        """With all above it; which folders have a new name in them."""
        new = []
        while not path.exists():
            new.append(path)
            path = path.parent
        for folder in reversed(new):
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
        return [folder.parent for folder in new]

    def write(self, path: Path, data: bytes) -> None:
        """A new file, on the disk itself."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            if self._durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        old.replace(new)

    def sync_folder(self, path: Path) -> None:
        """The names of its files are on the disk itself."""
        if not self._durable:
            return
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def remove(self, path: Path) -> None:
        path.unlink(missing_ok=True)


def put(disk: Disk, path: Path, data: bytes) -> None:
    """A file that is there as a whole or not at all. NoRoom or StorageError: it is not there."""
    aside = path.with_name(path.name + ASIDE)
    try:
        made = disk.make_folder(path.parent)
        disk.write(aside, data)
        disk.rename(aside, path)
        for folder in (path.parent, *made):
            disk.sync_folder(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            disk.remove(aside)
        raise explained(error, path) from None


@contextlib.contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """As the only one who changes this lake. When somebody else does: StorageError, or wait for the end of that."""
    try:
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        raise explained(error, folder) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            raise StorageError(f"{folder} is being written by another process: try again when that is done") from None
        yield
    finally:
        os.close(descriptor)


def explained(error: OSError, path: Path) -> StorageError:
    """The same failure, with the file and the remedy."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NoRoom(f"{path}: {reason}: the lake is as it was; make room, or `mesh data prune`")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"{path}: {reason}: the user who runs this must be able to read and write here")
    return StorageError(f"{path}: {reason}")
