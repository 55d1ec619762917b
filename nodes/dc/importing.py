"""Make a database out of what was exported. Nothing is changed before all of it was found right.

Every line is checked as it is read: types, keys, order (so no key comes twice), numbers of rows, the checksum of the
whole. The rows go into a new file beside the one that it is to replace, which is then checked like any database (every
reference, the economy); only then it takes its place.
"""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from mesh.errors import StorageError
from nodes.dc.exporting import SAY_EVERY, VERSION, End, Head, Line, row_of
from nodes.dc.filling import put_on_disk
from nodes.dc.manifest import MAP_BYTES
from nodes.dc.records import FORMAT, TABLES
from nodes.dc.restoring import checked, put_in_place, replacing
from nodes.dc.store import LmdbStore
from nodes.dc.view import Change

LINE_MAX = 16 << 20  # bytes; no row is that long
PER_COMMIT = 50_000  # rows


def import_(file: Path, data: Path, map_bytes_max: int, say: Callable[[int], None], *, force: bool) -> dict[str, Any]:
    """The verdict of the check. Only when `ok` was anything changed. StorageError when a line is wrong, when there is
    a database and no `force`, and when that is in use."""
    with replacing(data, force) as new:
        try:
            with open(file, "rb") as handle:
                _fill(new, _Reader(handle, file), map_bytes_max, say)
        except OSError as error:
            raise StorageError(f"{file} cannot be read: {error.strerror or error}") from None
        verdict = checked(new)
        if verdict["ok"]:
            verdict["kept"] = put_in_place(new, data)
        return verdict


def _fill(new: Path, reader: "_Reader", map_bytes_max: int, say: Callable[[int], None]) -> None:
    store = LmdbStore(new, MAP_BYTES, map_bytes_max)
    try:
        store.begin()
        changes: list[Change] = []
        for change in reader.rows():
            changes.append(change)
            if len(changes) == PER_COMMIT:
                put_on_disk(store, changes)
                changes = []
            if reader.count % SAY_EVERY == 0:
                say(reader.count)
        put_on_disk(store, changes)
    finally:
        store.close()


class _Reader:
    """The lines of an export, each checked."""

    def __init__(self, handle: IO[bytes], file: Path) -> None:
        self.count = 0  # rows so far
        self._handle, self._file = handle, file
        self._number = 0  # of the line
        self._digest = hashlib.sha256()
        self._decode = msgspec.json.Decoder(Line).decode

    def rows(self) -> Iterator[Change]:
        """All rows. StorageError names the first line that is wrong."""
        head = self._head()
        for table in TABLES.values():
            before, last = self.count, b""
            for _ in range(head.tables.get(table.name, 0)):
                try:
                    line = self._decode(self._next())
                    if line.t != table.name:
                        raise self._wrong(f"a row of {table.name} is expected, not of {line.t}")
                    key, value = row_of(line, table)
                except (ValueError, msgspec.DecodeError) as error:
                    raise self._wrong(str(error)) from None
                if self.count > before and key <= last:
                    raise self._wrong(f"{table.name} {line.k}: not in the order of keys, or there twice")
                last = key
                self.count += 1
                yield table.name, key, value
        self._end()

    def _head(self) -> Head:
        try:
            head = msgspec.json.decode(self._next(), type=Head)
        except msgspec.DecodeError as error:
            raise self._wrong(f"this is not the beginning of an export: {error}") from None
        if (head.zonemesh, head.version, head.database_format) != ("export", VERSION, FORMAT):
            said = f"this is version {head.version} of an export, of database format {head.database_format}"
            raise self._wrong(f"{said}; this program reads version {VERSION} of format {FORMAT}")
        unknown = set(head.tables) - set(TABLES)
        if unknown:
            raise self._wrong(f"unknown tables: {', '.join(sorted(unknown))}")
        return head

    def _end(self) -> None:
        digest = self._digest.hexdigest()
        try:
            end = msgspec.json.decode(self._next(), type=End)
        except msgspec.DecodeError as error:
            raise self._wrong(f"the last line is expected: {error}") from None
        if (end.rows, end.sha256) != (self.count, digest):
            raise self._wrong("the file was changed, or is damaged: the checksum does not match")
        if self._handle.read(1):
            raise self._wrong("something follows the last line")

    def _next(self) -> bytes:
        line = self._handle.readline(LINE_MAX)
        self._number += 1
        if not line.endswith(b"\n"):
            raise self._wrong("the file was cut short here")
        self._digest.update(line)
        return line

    def _wrong(self, text: str) -> StorageError:
        return StorageError(f"{self._file}:{self._number}: {text}")
