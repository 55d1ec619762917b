"""Rows as an operation sees them: what is committed, with the changes of the operations before it on top.

All rules of the game's data (accounts, ledger, operations ...) are functions over a View, so they know neither LMDB
nor the cache, and an operation that is refused half-way leaves nothing behind: its overlay is dropped.
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
    """Changes on top of something readable, which stays as it is."""

    __slots__ = ("_below", "changes")

    def __init__(self, below: Readable) -> None:
        self._below = below
        self.changes: dict[At, Any] = {}

    def get(self, table: Table[K, R], key: K) -> R | None:
        row: R | None = self.changes.get((table, key), _UNCHANGED)
        return self._below.get(table, key) if row is _UNCHANGED else row

    def put(self, table: Table[K, R], key: K, row: R) -> None:
        self.changes[table, key] = row

    def delete(self, table: Table[K, R], key: K) -> None:
        self.changes[table, key] = None

    def absorb(self, above: "Overlay") -> None:
        """Take over the changes of an overlay on top of this one."""
        self.changes.update(above.changes)

    def packed(self) -> Sequence[Change]:
        """The changes as bytes."""
        packed: list[Change] = []
        for (table, key), row in self.changes.items():
            at = table.keys.pack(key)
            packed.append((table.name, at, None if row is None else table.pack(at, row)))
        return packed


_UNCHANGED: Any = object()
