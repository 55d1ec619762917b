"""A lake: the behaviour log as Parquet files, for questions in SQL. Blocking.

Owns the order of writing: data files first, each on the disk under its own name; then the manifest that names them, in
one step. So a writer that dies leaves the lake as it was before or as it is after, and files that nobody names, which
the next writer removes. What takes the place of a data file leaves that to those who read it for RETIRED_MS.

It never looks into data files (see parquet.py) and knows nothing of segments (see nodes/log/compaction.py). One process
changes a lake at a time; any number read it, beside that one: `manifest_of` is all they need.
"""

import secrets
from collections.abc import Collection, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from mesh.errors import StorageError
from mesh.lake.columns import TABLES
from mesh.lake.disk import Disk, explained, locked, put
from mesh.lake.manifest import DataFile, Manifest, Retired, decoded, encoded, file_name

MANIFEST = "manifest.json"
FOLDER = "lake"  # in the runtime folder of a cluster
RETIRED_MS = 15 * 60_000  # longer than any question may take


class NoLake(StorageError):
    """There is none in this folder."""


def manifest_of(folder: Path) -> Manifest:
    """What the lake in a folder consists of at this moment. NoLake; StorageError when it cannot be read."""
    path = folder / MANIFEST
    try:
        return decoded(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise NoLake(f"there is no lake in {folder}") from None
    except OSError as error:
        raise explained(error, path) from None
    except ValueError as error:
        raise StorageError(f"{path}: {error}") from None


class Lake:
    """A lake that this process may change; made when there is none. Close it, or use it as a context."""

    def __init__(self, folder: Path, wall_ms: int, disk: Disk | None = None, *, wait: bool = False) -> None:
        """StorageError when the folder cannot be used, or another process writes here and there is no `wait`."""
        self.folder = folder
        self._disk = disk or Disk()
        self._put: list[str] = []  # written, and not yet named by the manifest
        self._locks = ExitStack()
        self._locks.enter_context(locked(folder, wait=wait))
        try:
            self.manifest = _known(folder)
            self._sweep(wall_ms)
        except BaseException:
            self._locks.close()
            raise

    def __enter__(self) -> "Lake":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._locks.close()

    def path(self, file: DataFile | Retired) -> Path:
        """Where it is."""
        return self.folder / file.name

    def add(self, content: bytes, about: DataFile) -> DataFile:
        """Write a data file; `about` says all but its name and size. It is part of the lake after `commit`. NoRoom or
        StorageError: nothing has changed, and what was added since the last commit is gone, too."""
        number = self.manifest.next_file + len(self._put)
        name = file_name(about.table, about.zone, about.hour, number)
        try:
            put(self._disk, self.folder / name, content)
        except StorageError:
            self._forget()
            raise
        self._put.append(name)
        return msgspec.structs.replace(about, name=name, bytes=len(content))

    def commit(
        self,
        wall_ms: int,
        added: Sequence[DataFile] = (),
        dropped: Collection[DataFile] = (),
        changed: Manifest | None = None,
        *,
        at_once: bool = False,
    ) -> None:
        """From here on the lake has what was added, and has not what was dropped. `changed` is the manifest with other
        changes; `at_once`: what was dropped is not even left to those who read it. NoRoom or StorageError: nothing has
        changed."""
        before = changed or self.manifest
        gone = {file.name for file in dropped}
        retired = [] if at_once else [Retired(name, wall_ms) for name in sorted(gone)]
        after = msgspec.structs.replace(
            before,
            next_file=self.manifest.next_file + len(self._put),
            files=[file for file in before.files if file.name not in gone] + list(added),
            retired=[*before.retired, *retired],
        )
        try:
            put(self._disk, self.folder / MANIFEST, encoded(after))
        except StorageError:
            if _is_there(self.folder, after):
                self.manifest, self._put = after, []  # only whether it outlives the machine is not known
            else:
                self._forget()
            raise
        self.manifest, self._put = after, []
        if at_once:
            self._remove(self.folder / name for name in sorted(gone))

    def clear_retired(self, wall_ms: int, keep_ms: int = 0) -> None:
        """Remove what is not part of the lake any more, and was not for so long."""
        old = [one for one in self.manifest.retired if one.at_ms <= wall_ms - keep_ms]
        if not old:
            return
        self._remove([self.path(one) for one in old])
        kept = [one for one in self.manifest.retired if one not in old]
        self.commit(wall_ms, changed=msgspec.structs.replace(self.manifest, retired=kept))

    def _sweep(self, wall_ms: int) -> None:
        """Remove what a writer that died has left. Clocks may have been set back: what retired in the future goes."""
        named = {one.name for one in self.manifest.files} | {one.name for one in self.manifest.retired}
        for table in TABLES:
            for path in sorted((self.folder / table).rglob("*")):
                if path.is_file() and path.relative_to(self.folder).as_posix() not in named:
                    self._remove([path])
        late = [one for one in self.manifest.retired if not 0 <= wall_ms - one.at_ms < RETIRED_MS]
        if late:
            self._remove([self.path(one) for one in late])
            kept = [one for one in self.manifest.retired if one not in late]
            self.commit(wall_ms, changed=msgspec.structs.replace(self.manifest, retired=kept))

    def _forget(self) -> None:
        """What was added is not wanted any more. One that cannot be removed now is removed by the next writer."""
        names, self._put = self._put, []
        for name in names:
            try:
                self._disk.remove(self.folder / name)
            except OSError:
                return

    def _remove(self, paths: Iterable[Path]) -> None:
        for path in paths:
            try:
                self._disk.remove(path)
                _remove_empty(path.parent, self.folder)
            except OSError as error:
                raise explained(error, path) from None


def _known(folder: Path) -> Manifest:
    try:
        return manifest_of(folder)
    except NoLake:
        return Manifest(salt=secrets.token_hex(16))


def _remove_empty(folder: Path, top: Path) -> None:
    """Folders of hours that have no file any more."""
    while folder != top and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _is_there(folder: Path, manifest: Manifest) -> bool:
    try:
        return manifest_of(folder) == manifest
    except StorageError:
        return False
