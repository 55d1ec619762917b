"""Files that only grow, the folder they are in, and what failures of the disk mean. Owns the words for an operator, no
decisions.

The file operations are an argument of whoever writes, so that a test or a simulation can bring a disk that is full or
slow.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path

from mesh.errors import StorageError

FOLDER_MODE = 0o700
FILE_MODE = 0o600


class DiskFull(StorageError):
    """No room: nothing was written, and it may be tried again."""


class AppendFile:
    """A file that grows at its end only. What `append` did not finish is taken back."""

    def __init__(self, path: Path, size: int) -> None:
        """Open at `size`: what lies behind it is cut off. 0 makes a new file."""
        self.path, self.size = path, size
        flags = os.O_WRONLY | os.O_CLOEXEC | (os.O_CREAT if size == 0 else 0)
        try:
            self._fd = os.open(path, flags, FILE_MODE)
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise explained(error, path) from None

    def append(self, data: bytes) -> None:
        """Hand all of `data` to the operating system. DiskFull or StorageError: the file is as it was before."""
        at, view = self.size, memoryview(data)
        try:
            while view:
                written = self.write(view, at)
                at, view = at + written, view[written:]
        except OSError as error:
            with contextlib.suppress(OSError):  # the next append begins at `size` in any case
                os.ftruncate(self._fd, self.size)
            raise explained(error, self.path) from None
        self.size = at

    def write(self, data: memoryview, at: int) -> int:
        """One write; how many bytes it took."""
        return os.pwrite(self._fd, data, at)

    def sync(self) -> None:
        """On the disk itself."""
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise explained(error, self.path) from None

    def close(self) -> None:
        os.close(self._fd)


class Folder:
    """A data folder that one process writes to."""

    def __init__(self, path: Path) -> None:
        """Make it, close it to others, lock it. StorageError when it cannot be used."""
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
            path.chmod(FOLDER_MODE)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        except OSError as error:
            raise explained(error, path) from None
        try:
            fcntl.lockf(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise StorageError(
                f"{path}: another process writes here: stop it, or give this one its own folder"
            ) from None

    def sync(self) -> None:
        """Names of new files are on the disk itself."""
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise explained(error, self.path) from None

    def close(self) -> None:
        os.close(self._lock)


def explained(error: OSError, path: Path) -> StorageError:
    """The same failure, with the file and the remedy."""
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{path}: {reason}: free some space, or have this node keep fewer bytes (its settings)")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"{path}: {reason}: the user who runs this node must be able to read and write here")
    if error.errno in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
        return StorageError(f"{path}: {reason}: something else is in the way, move it")
    return StorageError(f"{path}: {reason}")
