"""The audit trail: who asked for what, when, from where, and how it ended. One JSON object per line, only ever added.

An action has two lines with one id: "asked", on disk before anything is done, then how it ended. An action without an
end is one in whose middle the node died. What cannot be written down is not done. The file is opened anew for each
line, so that whoever archives it may move it away at any time. Owns the file and the newest entries in memory;
secrets never come near it: whoever asks says in plain fields what is to be remembered.
"""

import asyncio
import os
from collections import OrderedDict
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec

from mesh.clock import Clock
from mesh.errors import StorageError
from mesh.seat import Workers

KEPT_MAX = 2000  # entries in memory, which is what the page can show
TAIL_BYTES_MAX = 4 << 20  # of the file, read at the start
Outcome = Literal["asked", "done", "refused", "unknown", "failed"]


class Entry(msgspec.Struct, frozen=True):
    """One line of the file."""

    id: int
    at_s: float
    by: str
    address: str
    action: str
    target: str
    outcome: Outcome
    details: dict[str, Any] = {}
    text: str = ""
    ended_s: float = 0.0


class Audit:
    """See the module."""

    def __init__(self, path: Path, clock: Clock, workers: Workers) -> None:
        self._path, self._clock, self._workers = path, clock, workers
        self._entries: OrderedDict[int, Entry] = OrderedDict()  # oldest first
        self._next = 1
        self._order = asyncio.Lock()  # of the lines in the file

    async def open(self) -> None:
        """Read what was written last. StorageError when the file cannot be read."""
        for entry in await self._workers.run(_tail, self._path):
            self._remember(entry)
            self._next = max(self._next, entry.id + 1)

    async def begin(self, by: str, address: str, action: str, target: str, details: dict[str, Any]) -> Entry:
        """StorageError when it cannot be written: then it must not be done."""
        entry = Entry(self._next, self._clock.wall(), by, address, action, target, "asked", details)
        self._next += 1
        await self._add(entry)
        return entry

    async def end(self, entry: Entry, outcome: Outcome, text: str) -> Entry:
        ended = msgspec.structs.replace(entry, outcome=outcome, text=text, ended_s=self._clock.wall())
        await self._add(ended)
        return ended

    async def note(self, by: str, address: str, action: str, target: str, outcome: Outcome, text: str = "") -> None:
        """Something that is over already, such as a sign-in."""
        wall = self._clock.wall()
        entry = Entry(self._next, wall, by, address, action, target, outcome, text=text, ended_s=wall)
        self._next += 1
        await self._add(entry)

    def latest(self, limit: int, by: str = "", action: str = "", text: str = "") -> list[Entry]:
        """Newest first. "" is any; `text` is looked for in target, details and outcome, in any case."""
        wanted = text.casefold()
        found = (
            entry
            for entry in reversed(self._entries.values())
            if (not by or entry.by == by)
            and (not action or entry.action == action)
            and (not wanted or wanted in _words(entry))
        )
        return list(islice(found, limit))

    async def _add(self, entry: Entry) -> None:
        async with self._order:
            await self._workers.run(_append, self._path, msgspec.json.encode(entry) + b"\n")
        self._remember(entry)

    def _remember(self, entry: Entry) -> None:
        self._entries[entry.id] = entry
        while len(self._entries) > KEPT_MAX:
            self._entries.popitem(last=False)


def _words(entry: Entry) -> str:
    said = " ".join(str(value) for value in entry.details.values())
    return f"{entry.by} {entry.action} {entry.target} {entry.text} {said} {entry.outcome}".casefold()


def _append(path: Path, line: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        text = f"the audit trail {path} cannot be written ({error.strerror}), so nothing is done from the console"
        raise StorageError(text) from None


def _tail(path: Path) -> list[Entry]:
    """A line that was cut off by a crash, or is none of ours, is left out."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - TAIL_BYTES_MAX))
            lines = file.read(TAIL_BYTES_MAX).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StorageError(f"the audit trail {path} cannot be read: {error.strerror}") from None
    if lines[-1]:
        _append(path, b"\n")  # the next one is not to be added to a line that was cut off
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Entry))
        except msgspec.DecodeError:
            continue
    return found
