"""What an operator asks the DC: rows, sizes and totals. Read only.

Of a pair only the one that writes answers: what the other one has may be old, and nobody could tell. It waits until
all that is on its disk is on the other one, too: what is not may yet be gone.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from mesh.clock import Clock
from mesh.errors import Code, RefusedError
from mesh.node import Caller, on
from mesh.protocol.records import DbStat, ReadRecords, Records, StatDb
from nodes.dc.cache import Rows
from nodes.dc.listing import find_rows, stat
from nodes.dc.pair import Pair
from nodes.dc.records import STATES, TABLES
from nodes.dc.states import States
from nodes.dc.store import Store
from nodes.dc.writer import Writer

PURSES_SUMMED_MAX = 200_000  # more would hold the loop for too long; the offline `stat` counts any number

T = TypeVar("T")


class Office(Protocol):
    """The DC."""

    clock: Clock
    store: Store
    rows: Rows
    states: States
    writer: Writer
    pair: Pair | None

    def read(self, function: Callable[..., T], *args: Any) -> T: ...


class Operators:
    """See the module."""

    def __init__(self, node: Office) -> None:
        self._node = node

    @on(ReadRecords)
    async def on_read_records(self, said: ReadRecords, _caller: Caller) -> Records:
        node = self._node
        self._must_write()
        table = TABLES.get(said.table)
        if table is None:
            raise RefusedError(Code.NOT_FOUND, f"no table {said.table}; there are {', '.join(sorted(TABLES))}")
        async with node.writer.settled():
            self._must_write()
            rows, more = node.read(find_rows, node.store, table, said.prefix, said.limit)
        if table is STATES:
            rows = [(key, self._newest(key, shown)) for key, shown in rows]
        return Records(list(rows), more)

    @on(StatDb)
    async def on_stat_db(self, _said: StatDb, _caller: Caller) -> DbStat:
        node = self._node
        self._must_write()
        async with node.writer.settled():
            self._must_write()
            facts = node.read(stat, node.store, PURSES_SUMMED_MAX)
        waiting = {
            "operations": node.writer.depth,
            "states": len(node.states),
            "oldest_state_s": node.states.age_s(node.clock.now()),
        }
        rows = node.rows
        cache = {"rows": len(rows), "bytes": rows.bytes, "hits": rows.hits, "misses": rows.misses}
        return DbStat({**facts, "waiting": waiting, "cache": cache, "durable_acked": node.writer.counts.acked})

    def _must_write(self) -> None:
        pair = self._node.pair
        if pair is not None and not pair.may_answer():
            raise RefusedError(Code.STALE_EPOCH, "this DC does not write: what it has may be old")

    def _newest(self, key: str, shown: dict[str, Any]) -> dict[str, Any]:
        row = self._node.states.waiting(int(key))
        return shown if row is None else STATES.show(row)
