"""What the tests of the log node share: batches as senders make them, a sink on a folder, a disk with limits."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from mesh.core.journal_outbox import JournalOutbox
from mesh.disk import AppendFile
from mesh.protocol.journal import StoreEvents
from nodes.log.query import Found, Query, search
from nodes.log.settings import LogSettings
from nodes.log.sink import Sink

WALL_MS = 1_750_000_000_000
Happening = tuple[int, str, int, dict[str, Any]]  # at_ms, kind, player, fields


def batch(
    happenings: Sequence[Happening], sender: str = "eu.one.scene.1", incarnation: int = 7, first: int = 0
) -> StoreEvents:
    """These events as one batch, numbered from `first`."""
    outbox = JournalOutbox(sender, incarnation)
    outbox._next = outbox.stored = first
    for happening in happenings:
        outbox.add(*happening)
    made = outbox.take()
    assert made is not None
    return made


def numbered(first: int, count: int, *, sender: str = "eu.one.scene.1", incarnation: int = 7) -> StoreEvents:
    """Events that carry their own number: at WALL_MS + n, of player n % 10."""
    events: list[Happening] = [(WALL_MS + n, "test", n % 10 + 1, {"n": n}) for n in range(first, first + count)]
    return batch(events, sender, incarnation, first)


def without_columns(said: StoreEvents) -> StoreEvents:
    """The batch as a sender of the previous version makes it."""
    return msgspec.structs.replace(said, kinds=[], kind_numbers=b"", times=b"", lengths=b"")


def store(sink: Sink, *batches: StoreEvents, now: float = 0.0, wall_ms: int = WALL_MS) -> list[Any]:
    return sink.store(batches, now, wall_ms)


def write(folder: Path, *batches: StoreEvents, **settings: Any) -> None:
    """One start, these batches each in a block of its own, one clean stop."""
    sink = Sink(folder, LogSettings(**settings))
    for each in batches:
        assert store(sink, each) == [each.first + each.count]
    sink.close()


def everything(folder: Path, **query: Any) -> Found:
    return search(folder, Query(**({"limit": 100_000} | query)))


def numbers(folder: Path, **query: Any) -> list[int]:
    """The numbers of the matching events, in the order of the answer."""
    return [event.fields["n"] for event in everything(folder, **query).events]


class SmallDisk:
    """Room for so many bytes, then ENOSPC in the middle of a write, as a real disk does it."""

    def __init__(self, room: int, code: int = errno.ENOSPC) -> None:
        self.room, self.code = room, code

    def open(self, path: Path, size: int) -> AppendFile:
        disk = self

        class File(AppendFile):
            def write(self, data: memoryview, at: int) -> int:
                if disk.room == 0:
                    raise OSError(disk.code, "no room")
                written = super().write(data[: disk.room], at)
                disk.room -= written
                return written

        return File(path, size)
