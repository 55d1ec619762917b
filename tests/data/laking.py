"""What the tests of the data share: logs with known events, a lake's content in plain Python, disks that fail."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from mesh.lake.columns import FIELDS, HOURLY, MOVED
from mesh.lake.disk import Disk
from mesh.lake.lake import Lake, manifest_of
from mesh.lake.manifest import DataFile
from mesh.lake.parquet import read
from mesh.protocol.journal import StoreEvents
from nodes.log.compaction import Compacted, Compaction
from tests.log.writing import Happening, batch, write

HOUR_MS = 3_600_000
WALL_MS = 1_750_003_200_000  # 2025-06-15 16:00 UTC
SCENE, GATE = "eu.one.scene.1", "eu.two.gate.1"


class Event(NamedTuple):
    """One of a lake, or one that should be in it."""

    node: str
    incarnation: int
    number: int
    at_ms: int
    kind: str
    account: int
    fields: str  # JSON with sorted keys


def said(happening: Happening, number: int, sender: str = SCENE, incarnation: int = 7) -> Event:
    """An event as it should be in a lake."""
    at_ms, kind, player, fields = happening
    return Event(sender, incarnation, number, at_ms, kind, player, plain(fields))


def all_said(happenings: Sequence[Happening], first: int = 0, sender: str = SCENE, incarnation: int = 7) -> list[Event]:
    return [said(one, first + at, sender, incarnation) for at, one in enumerate(happenings)]


def plain(fields: dict[str, Any]) -> str:
    return msgspec.json.encode(dict(sorted(fields.items()))).decode()


def content(folder: Path) -> list[Event]:
    """All events of a lake, sorted."""
    found = []
    for file in manifest_of(folder).files:
        if file.table not in HOURLY:
            continue
        rows = read(folder / file.name).to_pylist()
        assert len(rows) == file.rows
        for row in rows:
            fields = {name: row[name] for name in (*FIELDS, *MOVED) if row.get(name) is not None}
            if row["fields"]:
                fields |= msgspec.json.decode(row["fields"])
            kind = row.get("kind", "move")
            at_ms = round(row["ts"].timestamp() * 1000) if row["ts"].tzinfo else _ms(row["ts"])
            assert at_ms // HOUR_MS == file.hour
            assert row["zone"] == file.zone
            found.append(
                Event(row["node"], row["incarnation"], row["number"], at_ms, kind, row["account"], plain(fields))
            )
    return sorted(found)


def compact(lake: Path, *folders: Path, wall_ms: int = WALL_MS, disk: Disk | None = None) -> Compacted:
    """One compaction."""
    with Lake(lake, wall_ms, disk) as opened:
        return Compaction(opened, wall_ms).run(folders)


def log_folder(folder: Path, *batches: StoreEvents, **settings: Any) -> Path:
    """The folder of a log node that was stopped."""
    write(folder, *batches, **settings)
    return folder


def some_events(count: int, begin_ms: int = WALL_MS - HOUR_MS, step_ms: int = 1000) -> list[Happening]:
    """Of several kinds and players, the numbers of which they carry."""
    kinds = ("loot", "say", "move", "login")
    found: list[Happening] = []
    for at in range(count):
        kind = kinds[at % len(kinds)]
        fields: dict[str, Any] = {
            "loot": {"gold": at, "items": [at, at + 1]},
            "say": {"text": f"hello {at}"},
            "move": {"x": float(at), "y": 2.5},
            "login": {"session": at, "map": "meadow", "line": 1, "n": at},
        }[kind]
        found.append((begin_ms + at * step_ms, kind, at % 5 + 1, fields))
    return found


def batches_of(
    happenings: Sequence[Happening], size: int, sender: str = SCENE, incarnation: int = 7, first: int = 0
) -> list[StoreEvents]:
    return [
        batch(happenings[at : at + size], sender, incarnation, first + at) for at in range(0, len(happenings), size)
    ]


class Killed(BaseException):
    """The process is dead. No `except Exception` catches it."""


class DyingDisk(Disk):
    """Dies at one of its steps: before it, in the middle of it (of a write) or right after it."""

    def __init__(self, step: int, moment: str) -> None:
        super().__init__()
        self.left, self.moment = step, moment
        self.died = False

    def _dies(self) -> bool:
        self.left -= 1
        self.died = self.died or self.left == 0
        return self.left == 0

    def _do(self, act: Any) -> Any:
        dies = self._dies()
        if dies and self.moment != "after":
            raise Killed
        result = act()
        if dies:
            raise Killed
        return result

    def make_folder(self, path: Path) -> list[Path]:
        return self._do(lambda: Disk.make_folder(self, path))

    def write(self, path: Path, data: bytes) -> None:
        dies = self._dies()
        if dies and self.moment == "before":
            raise Killed
        Disk.write(self, path, data[: len(data) // 2] if dies and self.moment == "torn" else data)
        if dies:
            raise Killed

    def rename(self, old: Path, new: Path) -> None:
        self._do(lambda: Disk.rename(self, old, new))

    def sync_folder(self, path: Path) -> None:
        self._do(lambda: Disk.sync_folder(self, path))

    def remove(self, path: Path) -> None:
        self._do(lambda: Disk.remove(self, path))


class FullDisk(Disk):
    """Has room for so many files more."""

    def __init__(self, files: int) -> None:
        super().__init__()
        self.room = files

    def write(self, path: Path, data: bytes) -> None:
        if self.room == 0:
            path.write_bytes(data[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= 1
        super().write(path, data)


def data_files(folder: Path) -> list[DataFile]:
    """Those with events."""
    return [file for file in manifest_of(folder).files if file.table in HOURLY]


def files_in(folder: Path) -> set[str]:
    """Data files that are there, whether the manifest knows them or not."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet*")}


def named(folder: Path) -> set[str]:
    """Data files that the manifest knows, also those that are left to readers."""
    manifest = manifest_of(folder)
    return {one.name for one in manifest.files} | {one.name for one in manifest.retired}


def _ms(moment: Any) -> int:
    from datetime import UTC

    return round(moment.replace(tzinfo=UTC).timestamp() * 1000)
