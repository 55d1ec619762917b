"""Rows of a store that is checked: in order, each as it can be trusted.

A damaged row is reported once, by whoever is told to `report`; for others it is there and says nothing.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

from mesh.errors import StorageError
from nodes.dc.problems import Problems
from nodes.dc.records import Table
from nodes.dc.store import Store


class _Damaged:
    """In place of a row that is there and cannot be read."""


DAMAGED: Final = _Damaged()


def rows_of(store: Store, table: Table[Any, Any], problems: Problems, *, report: bool) -> Iterator[tuple[Any, Any]]:
    """Keys and rows (or DAMAGED). A key that is none of this table has no place in an order, so it is left out."""
    try:
        for key, value in store.scan(table.name):
            at = _key(table, key)
            if at is None:
                if report:
                    problems.add_damaged(f"{table.name}: {key.hex()} is no key of this table")
                continue
            try:
                row = table.unpack(key, value)
            except StorageError as error:
                if report:
                    problems.add_damaged(str(error))
                row = DAMAGED
            yield at, row
    except StorageError as error:
        if report:
            problems.add(f"{table.name}: {error}")


def row_at(store: Store, table: Table[Any, Any], key: Any) -> Any:
    """The row, DAMAGED, or None."""
    try:
        packed = table.keys.pack(key)
    except struct.error:
        return None  # no key is like that
    try:
        value = store.get(table.name, packed)
        return None if value is None else table.unpack(packed, value)
    except StorageError:
        return DAMAGED


def _key(table: Table[Any, Any], key: bytes) -> Any:
    try:
        at = table.keys.unpack(key)
    except (struct.error, UnicodeDecodeError):
        return None
    return at if table.keys.pack(at) == key else None
