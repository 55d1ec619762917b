"""Where a lake can be copied to: what such a place has to do, and the one that comes along.

A copy has the data files under their names, and `copy.json`, which says what they are. Data files never change, so one
whose name is there already is not copied again; what is not in the lake any more is removed, so that a copy forgets
whom the lake has forgotten. For another store (S3, ClickHouse), write a class with these four methods and a line in
SINKS.
"""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from mesh.errors import StorageError
from mesh.lake.columns import TABLES
from mesh.lake.disk import explained
from tools.ctl.exits import CommandError, Exit

ASIDE = ".part"


class Sink(Protocol):
    """A place for files under names with slashes. StorageError from any of its methods ends the copy."""

    def names(self) -> Iterable[str]:
        """Of the files that are there as a whole."""
        ...

    def put(self, name: str, file: Path) -> None:
        """A copy of this file. It has its name when it is there as a whole."""
        ...

    def put_text(self, name: str, text: str) -> None:
        """A small file, in the place of one of that name."""
        ...

    def remove(self, name: str) -> None:
        """One that is there."""
        ...


class FolderSink:
    """A folder: of another disk, of a file server, of whatever brings it elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> Iterable[str]:
        found = []
        for table in TABLES:
            for path in (self.folder / table).rglob("*"):
                if path.is_file() and not path.name.endswith(ASIDE):
                    found.append(path.relative_to(self.folder).as_posix())
        return found

    def put(self, name: str, file: Path) -> None:
        def copy(aside: Path) -> None:
            with file.open("rb") as source, aside.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.fsync(target.fileno())

        self._write(name, copy)

    def put_text(self, name: str, text: str) -> None:
        self._write(name, lambda aside: _write_text(aside, text))

    def remove(self, name: str) -> None:
        path = self.folder / name
        try:
            path.unlink(missing_ok=True)
            while path.parent != self.folder and not any(path.parent.iterdir()):
                path = path.parent
                path.rmdir()
        except OSError as error:
            raise explained(error, path) from None

    def _write(self, name: str, write: Callable[[Path], object]) -> None:
        path = self.folder / name
        aside = path.with_name(path.name + ASIDE)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(aside)
            aside.replace(path)
        except FileNotFoundError:
            raise
        except OSError as error:
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)
            raise StorageError(f"{path}: {error.strerror or error}: what was copied so far stays") from None


SINKS: Mapping[str, Callable[[str], Sink]] = {"": lambda text: FolderSink(Path(text).absolute())}
"""By the scheme of the address; "" is a path."""


def sink_of(address: str) -> Sink:
    """What an address means. CommandError for one that nothing knows."""
    scheme, separator, _ = address.partition("://")
    if not separator and address != "clickhouse":
        return SINKS[""](address)
    name = scheme if separator else address
    if name in SINKS:
        return SINKS[name](address)
    raise CommandError(
        f"nothing here copies to {name}; a folder can be written, and tools/data/sinks.py says what a class for "
        f"{name} has to do: four methods and a line in SINKS",
        Exit.USAGE,
    )


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
