"""What the DC holds in memory: committed rows, and cached (class C) states that are not on disk yet.

`Rows` is a bounded copy of the store: it never holds anything that is not committed. `States` is the only place where
something newer than the disk lives; it forgets nothing before its commit, so its size is bounded by refusing.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from nodes.dc.records import STATES, StateRow, Table
from nodes.dc.store import Store
from nodes.dc.view import Change, Overlay

K = TypeVar("K")
R = TypeVar("R", bound=msgspec.Struct)

At = tuple[str, Any]
"""Table and key. A name and not the Table: tuples of plain values are nothing for the garbage collector to look at."""

ROW_OVERHEAD = 300  # bytes: what a decoded row costs in memory besides what it is on disk, roughly


class Rows:
    """Committed rows: from memory, else from the store. Least recently used ones go first."""

    def __init__(self, store: Store, rows_max: int, bytes_max: int) -> None:
        self._store = store
        self._rows_max, self._bytes_max = rows_max, bytes_max
        self._rows: OrderedDict[At, tuple[Any, int]] = OrderedDict()
        self.bytes = 0
        self.hits = self.misses = self.evicted = 0

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, table: Table[K, R], key: K) -> R | None:
        at = (table.name, key)
        known = self._rows.get(at)
        if known is not None:
            self.hits += 1
            self._rows.move_to_end(at)
            row: R = known[0]
            return row
        self.misses += 1
        return self._load(table, key)

    def committed(self, overlay: Overlay, packed: Sequence[Change]) -> None:
        """These changes are on disk now: serve them from here on."""
        for ((table, key), row), (name, at, value) in zip(overlay.changes.items(), packed, strict=True):
            if table.kept:
                self._forget((name, key))
                if value is not None:
                    self._keep((name, key), row, len(at) + len(value))

    def _load(self, table: Table[K, R], key: K) -> R | None:
        packed = table.keys.pack(key)
        value = self._store.get(table.name, packed)
        if value is None:
            return None
        row = table.unpack(packed, value)
        if table.kept:
            self._keep((table.name, key), row, len(packed) + len(value))
        return row

    def _keep(self, at: At, row: Any, size: int) -> None:
        size += ROW_OVERHEAD
        self._rows[at] = (row, size)
        self.bytes += size
        while len(self._rows) > self._rows_max or self.bytes > self._bytes_max:
            _, (_, freed) = self._rows.popitem(last=False)
            self.bytes -= freed
            self.evicted += 1

    def _forget(self, at: At) -> None:
        known = self._rows.pop(at, None)
        if known is not None:
            self.bytes -= known[1]


class States:
    """The newest state of every character whose state is not on disk yet, oldest write first."""

    def __init__(self, rows: Rows, waiting_max: int) -> None:
        self._rows = rows
        self._waiting_max = waiting_max
        self._waiting: OrderedDict[int, tuple[StateRow, float]] = OrderedDict()  # since when, on the clock's `now`

    def __len__(self) -> int:
        return len(self._waiting)

    def get(self, account: int) -> StateRow | None:
        """The newest state, on disk or not."""
        return self.waiting(account) or self._rows.get(STATES, account)

    def waiting(self, account: int) -> StateRow | None:
        """The newest state if it is not on disk yet."""
        known = self._waiting.get(account)
        return known[0] if known is not None else None

    def room(self, accounts: int) -> bool:
        """May this many more be put?"""
        return len(self._waiting) + accounts <= self._waiting_max

    def put(self, account: int, row: StateRow, now: float) -> None:
        """Take a newer state. It stays as old as the oldest one that it replaces unflushed."""
        known = self._waiting.get(account)
        self._waiting[account] = (row, known[1] if known is not None else now)

    def age_s(self, now: float) -> float:
        """How long the oldest one waits; 0 when none does."""
        return now - next(iter(self._waiting.values()))[1] if self._waiting else 0.0

    def oldest(self, count: int) -> dict[int, StateRow]:
        """The ones that have waited longest. They go on waiting until `flushed`."""
        return {account: row for (account, (row, _)), _ in zip(self._waiting.items(), range(count), strict=False)}

    def flushed(self, written: dict[int, StateRow], began: float) -> None:
        """These are on disk, as they were when the commit began at `began`. Newer ones wait on, from then at most."""
        for account, row in written.items():
            newest, _ = self._waiting.pop(account)
            if newest is not row:
                self._waiting[account] = (newest, began)
