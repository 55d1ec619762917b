"""A whole database as text, one JSON value a line, for other programs and other engines; and how a line is read.

    {"zonemesh": "export", "version": 1, "database_format": 1, "made_s": ..., "secrets": false, "tables": {name: rows}}
    {"t": "accounts", "k": 1, "r": {"name": "Anna", ...}}         a row: its table, its key, its fields
    ...
    {"end": true, "rows": 12345, "sha256": "..."}                 of all lines before this one

Tables come one after the other, each in the order of its keys. Bytes are written in base64. Password hashes are left
out unless they are asked for; who has none can log in by ticket. Works on a store that nobody writes to.
"""

import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from mesh.errors import StorageError
from nodes.dc import manifest
from nodes.dc.records import FORMAT, TABLES, DamagedError, Table
from nodes.dc.store import Store

VERSION = 1
SAY_EVERY = 1_000_000  # rows


class Head(msgspec.Struct, frozen=True):
    """The first line."""

    zonemesh: str
    version: int
    database_format: int
    made_s: int
    secrets: bool
    tables: dict[str, int]


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row."""

    t: str
    k: Any
    r: dict[str, Any]


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last line: without it the file was cut short."""

    end: bool
    rows: int
    sha256: str


def export(store: Store, file: Path, made_s: int, say: Callable[[int], None], *, secrets: bool) -> dict[str, Any]:
    """Write the file; it has its name when it is whole and on disk. StorageError when it exists or a row is damaged."""
    if file.exists():
        raise StorageError(f"{file} exists already")
    part = file.with_name(file.name + manifest.PART)
    counts = {name: store.count(name) for name in TABLES}
    head = Head("export", VERSION, FORMAT, made_s, secrets, counts)
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            rows, digest = _write(store, handle.write, head, say)
            handle.write(_line(End(True, rows, digest)))
            handle.flush()
            os.fsync(handle.fileno())
        manifest.rename_durably(part, file)
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return {"file": str(file), "rows": rows, "bytes": file.stat().st_size, "secrets": secrets, "tables": counts}


def _write(store: Store, write: Callable[[bytes], Any], head: Head, say: Callable[[int], None]) -> tuple[int, str]:
    digest, rows = hashlib.sha256(), 0

    def put(line: bytes) -> None:
        digest.update(line)
        write(line)

    put(_line(head))
    for table in TABLES.values():
        for key, value in store.scan(table.name):
            put(_line(_shown(table, key, value, head.secrets)))
            rows += 1
            if rows % SAY_EVERY == 0:
                say(rows)
    return rows, digest.hexdigest()


def _shown(table: Table[Any, Any], key: bytes, value: bytes, secrets: bool) -> Line:
    row = table.unpack(key, value)
    left_out = () if secrets else table.secret
    fields = {name: getattr(row, name) for name in row.__struct_fields__ if name not in left_out}
    try:
        return Line(table.name, table.keys.unpack(key), fields)
    except (struct.error, UnicodeDecodeError):
        raise DamagedError(f"{table.name}: {key.hex()} is no key of this table") from None


def _line(value: msgspec.Struct) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def row_of(line: Line, table: Table[Any, Any]) -> tuple[bytes, bytes]:
    """Key and value for the store. ValueError says what is wrong with the line. Secrets that were left out are empty,
    other fields may be missing at the end only when they have a default."""
    key = tuple(line.k) if isinstance(line.k, list) else line.k
    try:
        packed = table.keys.pack(key)
    except (struct.error, TypeError, AttributeError):
        raise ValueError(f"{line.k!r} is no key of {table.name}") from None
    names = table.row.__struct_fields__
    fields = {**dict.fromkeys(table.secret, ""), **line.r}
    strange = set(fields) - set(names)
    given = [name for name in names if name in fields]
    if strange or list(names[: len(given)]) != given:
        wrong = strange or set(names[: len(given)]) - set(given)
        raise ValueError(f"{table.name} {line.k}: unknown or missing: {', '.join(sorted(wrong))}")
    try:
        return packed, table.pack(packed, msgspec.convert([fields[name] for name in given], table.row))
    except msgspec.ValidationError as error:
        raise ValueError(f"{table.name} {line.k}: {error}") from None
