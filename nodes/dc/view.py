"""Rows as an operation sees them: what is committed, with the changes of the operations before it on top.

All rules of the game's data (accounts, ledger, operations ...) are functions over a View, so they know neither LMDB
nor the cache, and an operation that is refused half-way leaves nothing behind: its changes are rolled back. Rejected:
an overlay of its own for each operation on top of that of its group: every read then looks into both; and one
dictionary for all tables: each look then makes a tuple of table and key, and what is done table by table cannot be.
"""

from collections.abc import Mapping, Sequence
from itertools import compress, islice
from operator import is_not
from typing import Any, Protocol, TypeVar

import msgspec

from nodes.dc.records import TABLES, Table

K = TypeVar("K")
R = TypeVar("R", bound=msgspec.Struct)

Changes = Mapping[str, dict[Any, Any]]
"""Of each table by its name: keys, and rows or GONE. Every table is there."""

Change = tuple[str, bytes, bytes | None]
"""Table, packed key, packed row (None: deleted): what a store commits."""


GONE: Any = "gone"
"""Stands for the row of a key that was deleted."""

NO_CHANGES: Changes = {name: {} for name in TABLES}


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

    __slots__ = ("_committed", "_packed", "_under", "_undo", "changes")

    def __init__(self, committed: Readable, under: "Overlay | None" = None) -> None:
        self._committed = committed.get
        self._under: Changes = NO_CHANGES if under is None else under.changes
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        """Of each change since `begin`: the changes of its table, the key, and what was there before, None: nothing."""
        self.changes: dict[str, dict[Any, Any]] = {name: {} for name in TABLES}
        self._packed: dict[str, _Packed] = {}  # by table, from the first `pack` on

    def get(self, table: Table[K, R], key: K) -> R | None:
        name = table.name
        row: R | None = self.changes[name].get(key) or self._under[name].get(key)  # a row is never false
        if row is None:
            return self._committed(table, key)
        return None if row is GONE else row

    def put(self, table: Table[K, R], key: K, row: R) -> None:
        rows = self.changes[table.name]
        self._undo.append((rows, key, rows.get(key)))
        rows[key] = row

    def delete(self, table: Table[K, R], key: K) -> None:
        self.put(table, key, GONE)

    def settled(self) -> None:
        """The changes of the overlay under this one are committed."""
        self._under = NO_CHANGES

    def begin(self) -> None:
        """From here on changes can be dropped; those before cannot any more."""
        self._undo.clear()

    @property
    def rows(self) -> int:
        """How many it changes."""
        return sum(map(len, self.changes.values()))

    @property
    def is_empty(self) -> bool:
        """Was nothing changed at all?"""
        return not any(self.changes.values())

    @property
    def is_changed(self) -> bool:
        """Was anything changed since `begin`?"""
        return bool(self._undo)

    def rollback(self) -> None:
        """Drop the changes since `begin`."""
        for rows, key, before in reversed(self._undo):
            if before is None:
                del rows[key]
            else:
                rows[key] = before
        self._undo.clear()

    def pack(self) -> None:
        """Make bytes of what is new, so that less is left for `packed`. Not while changes may still be dropped."""
        for name, rows in self.changes.items():
            if rows:
                if name not in self._packed:
                    self._packed[name] = _Packed(TABLES[name])
                self._packed[name].extend(rows)

    def packed(self) -> Sequence[Change]:
        """The changes as bytes, table by table in the order of `changes`."""
        self.pack()
        packed: list[Change] = []
        for name, rows in self.changes.items():
            if rows:
                packed += self._packed[name].renewed(rows)
        return packed


class _Packed:
    """Changes of one table as bytes, in their order; rows may have changed since."""

    def __init__(self, table: Table[Any, Any]) -> None:
        self._table = table
        self._rows: list[Any] = []  # that were packed
        self._changes: list[Change] = []

    def extend(self, rows: dict[Any, Any]) -> None:
        """With those that were added."""
        new = len(rows) - len(self._rows)
        if new:
            added = list(islice(reversed(rows.items()), new))[::-1]
            self._rows += [row for _, row in added]
            self._changes += self._table.pack_all(added, GONE)

    def renewed(self, rows: dict[Any, Any]) -> Sequence[Change]:
        """All of them as they are now."""
        newer = list(compress(enumerate(rows.items()), map(is_not, rows.values(), self._rows)))
        again = self._table.pack_all([row for _, row in newer], GONE)
        for (at, (_, row)), change in zip(newer, again, strict=True):
            self._rows[at], self._changes[at] = row, change
        return self._changes
