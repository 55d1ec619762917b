"""Events on their way into a lake: rows as they come, until they are enough for data files.

Owns rows of Python objects by kind, at most FLUSH_ROWS of each, and tables of what came before. The events of a kind
have the same fields, so a table made of them is full columns and empty ones.
"""

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from mesh.lake.columns import fields_of, table_of, zone_of
from mesh.lake.fields import Fields, columns_of, seen_in
from mesh.lake.manifest import KINDS_MAX, Seen, with_fields
from mesh.lake.parquet import Rows, table_from, together

FLUSH_ROWS = 8192
WAITING_KINDS_MAX = 256  # with rows; more are made tables of at once

Row = tuple[int, int, str, int, int, Fields]
"""at_ms, account, node, incarnation, number, fields."""

Blank = Callable[[int, int, Fields], bool]
"""Whether the event of this account at this time is left out; takes out of the fields what must not be there."""


class Gathering:
    """See the module."""

    def __init__(self, blank: Blank | None = None) -> None:
        self.rows = 0
        self.seen: dict[str, Seen] = {}
        self.left_out = 0
        self._blank = blank
        self._waiting: dict[str, list[Row]] = {}
        self._tables: dict[str, list[Rows]] = {}

    def add(self, kind: str, row: Row) -> None:
        """One event."""
        if self._blank is not None and self._blank(row[1], row[0], row[5]):
            self.left_out += 1
            return
        rows = self._waiting.get(kind)
        if rows is None:
            if len(self._waiting) >= WAITING_KINDS_MAX:
                self._flush_all()
            rows = self._waiting[kind] = []
        rows.append(row)
        self.rows += 1
        if len(rows) >= FLUSH_ROWS:
            self._flush(kind, self._waiting.pop(kind))

    def tables(self) -> dict[str, Rows]:
        """All that was added, by table. It is empty afterwards."""
        self._flush_all()
        found = {table: together(some) for table, some in self._tables.items()}
        self._tables, self.rows = {}, 0
        return found

    def _flush_all(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for kind, rows in waiting.items():
            self._flush(kind, rows)

    def _flush(self, kind: str, rows: Sequence[Row]) -> None:
        table = table_of(kind)
        times, accounts, nodes, incarnations, numbers, events = zip(*rows, strict=True)
        columns, rest = columns_of(events, fields_of(table))
        self._see(kind, seen_in(columns, events))
        of_node = {node: zone_of(node) for node in set(nodes)}
        whole: dict[str, Any] = {
            "ts": pa.array(times, pa.int64()),
            "account": accounts,
            "zone": [of_node[node] for node in nodes],
            "node": nodes,
            "incarnation": incarnations,
            "number": numbers,
            "fields": rest,
            **columns,
        }
        if table == "events":
            whole["kind"] = [kind] * len(rows)
        self._tables.setdefault(table, []).append(table_from(table, whole))

    def _see(self, kind: str, now: Seen) -> None:
        if kind in self.seen or len(self.seen) < KINDS_MAX:
            self.seen[kind] = with_fields(self.seen.get(kind, Seen()), now)
