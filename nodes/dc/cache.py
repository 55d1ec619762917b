"""The committed rows that the DC holds in memory: a bounded copy of the store.

It never holds anything that is not committed. What is newer than the disk lives in `states.py` only.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from nodes.dc.records import Table
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

    def forget(self) -> None:
        """Another DC has written to the disk, or will."""
        self._rows.clear()
        self.bytes = 0

    def committed(self, overlay: Overlay, packed: Sequence[Change]) -> None:
        """These changes are on disk now: serve them from here on."""
        rows = self._rows
        for ((table, key), row), (name, at, value) in zip(overlay.changes.items(), packed, strict=True):
            if not table.kept:
                continue
            known = rows.pop((name, key), None)
            if known is not None:
                self.bytes -= known[1]
            if value is not None:
                self._keep((name, key), row, len(at) + len(value))

    def _load(self, table: Table[K, R], key: K) -> R | None:
        packed = table.keys.pack(key)
        value = self._store.get(table.name, packed)
        if value is None:
            if table.absent:
                self._keep((table.name, key), None, len(packed))
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
