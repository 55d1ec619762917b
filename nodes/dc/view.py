"""Rows as an operation sees them: what is committed, with the changes of the operations before it on top.

All rules of the game's data (accounts, ledger, operations ...) are functions over a View, so they know neither LMDB
nor the cache, and an operation that is refused half-way leaves nothing behind: its changes are rolled back. Rejected:
an overlay of its own for each operation on top of that of its group: every read then looks into both.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from nodes.dc.records import TABLES, Table

K = TypeVar("K")
R = TypeVar("R", bound=msgspec.Struct)

At = tuple[str, Any]
"""Table and key. A name and not the Table: tuples of plain values are nothing for the garbage collector to look at."""

Change = tuple[str, bytes, bytes | None]
"""Table, packed key, packed row (None: deleted): what a store commits."""


GONE: Any = "gone"
"""Stands for the row of a key that was deleted."""


class Readable(Protocol):
    """Where rows can be read."""

    def get(self, table: Table[K, R], key: K) -> R | None:
        """The row, or None. DamagedError when it cannot be trusted."""
        ...


class View(Readable, Protocol):
    """Where rows can be read and changed."""

    def put(self, table: Table[K, R], key: K, row: R) -> None: ...

    def delete(self, table: Table[K, R], key: K) -> None: ...


class Overlay:
    """Changes on top of committed rows, which stay as they are, and of those of another overlay that are on their way
    to the disk. The changes since the last `begin` can be dropped."""

    __slots__ = ("_committed", "_under", "_undo", "changes")

    def __init__(self, committed: Readable, under: "Overlay | None" = None) -> None:
        self._committed = committed.get
        self._under: Mapping[At, Any] = {} if under is None else under.changes
        self._undo: list[tuple[At, Any]] = []  # what was there before each change since `begin`; None: nothing
        self.changes: dict[At, Any] = {}  # a row, or GONE

    def get(self, table: Table[K, R], key: K) -> R | None:
        at = table.name, key
        row: R | None = self.changes.get(at) or self._under.get(at)  # a row is never false
        if row is None:
            return self._committed(table, key)
        return None if row is GONE else row

    def put(self, table: Table[K, R], key: K, row: R) -> None:
        changes, at = self.changes, (table.name, key)
        self._undo.append((at, changes.get(at)))
        changes[at] = row

    def delete(self, table: Table[K, R], key: K) -> None:
        self.put(table, key, GONE)

    def settled(self) -> None:
        """The changes of the overlay under this one are committed."""
        self._under = {}

    def begin(self) -> None:
        """From here on changes can be dropped; those before cannot any more."""
        self._undo.clear()

    @property
    def is_changed(self) -> bool:
        """Was anything changed since `begin`?"""
        return bool(self._undo)

    def rollback(self) -> None:
        """Drop the changes since `begin`."""
        for at, before in reversed(self._undo):
            if before is None:
                del self.changes[at]
            else:
                self.changes[at] = before
        self._undo.clear()

    def packed(self) -> Sequence[Change]:
        """The changes as bytes."""
        packed: list[Change] = []
        for (name, key), row in self.changes.items():
            table = TABLES[name]
            at = table.pack_key(key)
            packed.append((name, at, None if row is GONE else table.pack(at, row)))
        return packed
