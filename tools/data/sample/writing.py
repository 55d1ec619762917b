"""A sample goes into a lake: events a day at a time, straight as tables; then the ledger and the purses."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mesh.lake.columns import KIND_OF_MOVES, fields_of, table_of
from mesh.lake.lake import Lake
from mesh.lake.manifest import DataFile, Seen, with_kinds
from mesh.lake.parquet import Rows, add, table_from, together
from tools.data.sample.deeds import NODES_OF_ZONE, ZONES, Events, nodes
from tools.data.sample.purses import BURN, MINT, Moves

OTHERS = {
    "connected": {"resumed": "bool"}, "loot": {"items": "json"}, "trade": {"items": "json"},
    "mail": {"to": "text", "items": "json"}, "party_join": {"party": "int"},
}  # fmt: skip
"""Fields of a kind that are in the JSON."""


class Writer:
    """Owns the numbers of events and entries, and what belongs to a later day."""

    def __init__(self, rng: np.random.Generator, lake: Lake, wall_ms: int, end_ms: int) -> None:
        self._lake, self._wall_ms, self._end_ms = lake, wall_ms, end_ms
        names = nodes()
        self._names, self._zones = pa.array(names), pa.array([ZONES[at // NODES_OF_ZONE] for at in range(len(names))])
        self._incarnations = rng.integers(1, 2**62, len(names))
        self._next_number = np.zeros(len(names), np.int64)
        self._next_entry = 1
        self._waiting: dict[str, list[Rows]] = {}
        self.events = 0

    def put(self, happened: Sequence[Events]) -> None:
        """Events of a day, some of which may be later."""
        for some in happened:
            inside = some.ts < self._end_ms
            if inside.any():
                self._waiting.setdefault(table_of(some.kind), []).append(self._table(some, inside))

    def flush(self, until_ms: int, moves: Sequence[Moves]) -> None:
        """Write what happened before then, and these moves of gold."""
        added: list[DataFile] = []
        for table, waiting in self._waiting.items():
            rows = together(waiting)
            due = pc.less(rows["ts"].cast(pa.int64()), until_ms)
            now = rows.filter(due)
            self._waiting[table] = [rows.filter(pc.invert(due))]
            self.events += now.num_rows
            added += add(self._lake, table, now)
        added += self._ledger(moves)
        self._lake.commit(self._wall_ms, added)

    def end(self, accounts: Any, gold: Any, made: int, destroyed: int, seen: Sequence[Events]) -> None:
        """Who holds how much, and which fields there are. `made`: what the ledger says was made."""
        columns = {
            "account": np.concatenate((accounts, [0, 0])),
            "gold": np.concatenate((gold, [-made, destroyed])),
            "place": ["purse"] * len(accounts) + ["minted", "burned"],
            "ts": np.full(len(accounts) + 2, self._end_ms),
        }
        added = add(self._lake, "purses", table_from("purses", columns))
        self._lake.commit(self._wall_ms, added, changed=with_kinds(self._lake.manifest, _seen(seen)))

    def _table(self, some: Events, inside: Any) -> Rows:
        node = some.node[inside].astype(np.int8)
        columns: dict[str, Any] = {
            "account": some.account[inside],
            "ts": some.ts[inside].astype(np.int64),
            "zone": pa.DictionaryArray.from_arrays(node, self._zones),
            "node": pa.DictionaryArray.from_arrays(node, self._names),
            "incarnation": self._incarnations[node],
            "number": self._numbers(node),
            **{name: column[inside] for name, column in some.columns.items()},
        }
        if some.kind != KIND_OF_MOVES:
            columns["kind"] = pa.repeat(some.kind, len(node))
        return table_from(table_of(some.kind), columns)

    def _numbers(self, node: Any) -> Any:
        """The next ones of each node."""
        order = np.argsort(node, kind="stable")
        counts = np.bincount(node, minlength=len(self._next_number))
        starts = np.cumsum(counts) - counts
        numbers = np.empty(len(node), np.int64)
        numbers[order] = np.arange(len(node)) - np.repeat(starts, counts) + np.repeat(self._next_number, counts)
        self._next_number += counts
        return numbers

    def _ledger(self, moves: Sequence[Moves]) -> list[DataFile]:
        some = [one for one in moves if len(one.ts)]
        if not some:
            return []
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(one, name) for one in some]).astype(np.int64)
            for name in ("ts", "account", "source", "target", "amount")
        }
        kinds = np.concatenate([np.full(len(one.ts), one.kind) for one in some])
        order = np.argsort(columns["ts"], kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
        columns["entry"] = np.arange(self._next_entry, self._next_entry + len(order))
        columns["kind"] = kinds[order]
        self._next_entry += len(order)
        assert set(np.unique(columns["source"][columns["source"] <= 0]).tolist()) <= {MINT, BURN}, "a purse below zero"
        return add(self._lake, "ledger", table_from("ledger", columns))


def _seen(happened: Sequence[Events]) -> dict[str, Seen]:
    found: dict[str, Seen] = {}
    for some in happened:
        typed = sorted(name for name in some.columns if name in fields_of(table_of(some.kind)))
        found[some.kind] = Seen(typed, OTHERS.get(some.kind, {}))
    return found
