"""The committed rows that the DC holds in memory: a bounded copy of the store.

It never holds anything that is not committed. What is newer than the disk lives in `states.py` only. Of a pair a row
may be on disk before it counts: who asks for it then, when it is not in memory, is refused.

The rows are in two generations: one that is asked for joins the young, and what has to go is of the old, which the
young become when no old are left. So what was used lately stays. Rejected: to keep them in the exact order of use, for
which every read changes a chained list in four places of a memory that no processor's cache holds (reads of
rows were 12 % of the DC's samples under durable operations).
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from mesh.errors import Code, RefusedError
from nodes.dc.records import TABLES, Table
from nodes.dc.store import Store
from nodes.dc.view import NO_CHANGES, Change, Changes, Overlay

K = TypeVar("K")
R = TypeVar("R", bound=msgspec.Struct)

Kept = dict[Any, tuple[Any, int]]
"""Rows of one table by key, and what each costs in bytes."""

ROW_OVERHEAD = 300  # bytes: what a decoded row costs in memory besides what it is on disk, roughly


class Rows:
    """Committed rows: from memory, else from the store. What was not used lately goes first."""

    def __init__(self, store: Store, rows_max: int, bytes_max: int) -> None:
        self._store = store
        self._rows_max, self._bytes_max = rows_max, bytes_max
        self._young, self._old = _no_rows(), _no_rows()  # by table
        self._count = 0
        self.bytes = 0
        self.withheld: Changes = NO_CHANGES  # on disk perhaps, and not to be seen until a standby has them, too
        self.hits = self.misses = self.evicted = 0

    def __len__(self) -> int:
        return self._count

    def get(self, table: Table[K, R], key: K) -> R | None:
        known = self._young[table.name].get(key)
        if known is None:
            known = self._old[table.name].pop(key, None)
            if known is None:
                self.misses += 1
                return self._load(table, key)
            self._young[table.name][key] = known
        self.hits += 1
        row: R = known[0]
        return row

    def forget(self) -> None:
        """Another DC has written to the disk, or will."""
        self._young, self._old = _no_rows(), _no_rows()
        self._count = self.bytes = 0

    def committed(self, overlay: Overlay, packed: Sequence[Change]) -> None:
        """These changes are on disk now: serve them from here on. `packed` is what the overlay has given."""
        begin = 0
        for name, rows in overlay.changes.items():
            end = begin + len(rows)
            if rows and name not in _PASSING:
                self._keep_all(name, rows, packed[begin:end])
            begin = end

    def _keep_all(self, name: str, rows: Mapping[Any, Any], packed: Sequence[Change]) -> None:
        young = self._young[name]
        for (key, row), (_, packed_key, value) in zip(rows.items(), packed, strict=True):
            size = 0 if value is None else len(packed_key) + len(value)
            known = young.get(key)
            if known is not None and value is not None:  # nearly always
                young[key] = row, size + ROW_OVERHEAD
                self.bytes += size + ROW_OVERHEAD - known[1]
                continue
            self._drop(name, key)
            if value is not None:
                self._keep(name, key, row, size)
                young = self._young[name]  # to make room the young may have become old

    def _load(self, table: Table[K, R], key: K) -> R | None:
        if key in self.withheld[table.name]:
            raise RefusedError(Code.UNAVAILABLE, "this is being changed: try again in a moment")
        packed = table.keys.pack(key)
        value = self._store.get(table.name, packed)
        if value is None:
            if table.absent:
                self._keep(table.name, key, None, len(packed))
            return None
        row = table.unpack(packed, value)
        if table.kept:
            self._keep(table.name, key, row, len(packed) + len(value))
        return row

    def _drop(self, name: str, key: Any) -> None:
        known = self._young[name].pop(key, None) or self._old[name].pop(key, None)
        if known is not None:
            self._count -= 1
            self.bytes -= known[1]

    def _keep(self, name: str, key: Any, row: Any, size: int) -> None:
        """Of a row that is not known. There is room for one at least, however large."""
        size += ROW_OVERHEAD
        while self._count and (self._count >= self._rows_max or self.bytes + size > self._bytes_max):
            self._evict()
        self._young[name][key] = (row, size)
        self._count += 1
        self.bytes += size

    def _evict(self) -> None:
        """One of the old; when there is none, all are old."""
        old = next(filter(None, self._old.values()), None)
        if old is None:
            self._young, self._old = self._old, self._young
            old = next(filter(None, self._old.values()))
        _, (_, freed) = old.popitem()
        self._count -= 1
        self.bytes -= freed
        self.evicted += 1


def _no_rows() -> dict[str, Kept]:
    return {name: {} for name in TABLES}


_PASSING = frozenset(name for name, table in TABLES.items() if not table.kept)
