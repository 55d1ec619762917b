"""Rows as an operation sees them: what is committed, with the changes of the operations before it on top.

All rules of the game's data (accounts, ledger, operations ...) are functions over a View, so they know neither LMDB
nor the cache, and an operation that is refused half-way leaves nothing behind: its changes are rolled back. Rejected:
an overlay of its own for each operation on top of that of its group: every read then looks into both.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from nodes.dc.records import Table

K = TypeVar("K")
R = TypeVar("R", bound=msgspec.Struct)

At = tuple[Table[Any, Any], Any]
Change = tuple[str, bytes, bytes | None]
"""Table, packed key, packed row (None: deleted): what a store commits."""


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
    """Changes on top of something readable, which stays as it is. The changes since the last `begin` can be dropped."""

    __slots__ = ("_below", "_undo", "changes")

    def __init__(self, below: Readable) -> None:
        self._below = below
        self._undo: list[tuple[At, Any]] = []  # what was there before each change since `begin`
        self.changes: dict[At, Any] = {}

    def get(self, table: Table[K, R], key: K) -> R | None:
        row: R | None = self.changes.get((table, key), _UNCHANGED)
        return self._below.get(table, key) if row is _UNCHANGED else row

    def put(self, table: Table[K, R], key: K, row: R) -> None:
        self._change((table, key), row)

    def delete(self, table: Table[K, R], key: K) -> None:
        self._change((table, key), None)

    def rebase(self, below: Readable) -> None:
        """What was below, with its changes, is in this now."""
        self._below = below

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
            if before is _UNCHANGED:
                del self.changes[at]
            else:
                self.changes[at] = before
        self._undo.clear()

    def _change(self, at: At, row: Any) -> None:
        self._undo.append((at, self.changes.get(at, _UNCHANGED)))
        self.changes[at] = row

    def packed(self) -> Sequence[Change]:
        """The changes as bytes."""
        packed: list[Change] = []
        for (table, key), row in self.changes.items():
            at = table.keys.pack(key)
            packed.append((table.name, at, None if row is None else table.pack(at, row)))
        return packed


_UNCHANGED: Any = object()
