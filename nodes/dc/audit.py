"""Is a database whole? Every checksum, every reference, and the whole economy computed anew from the ledger.

Works on a Store that nobody writes to. It reads everything once and keeps numbers per account and item in memory.
"""

from collections import Counter
from typing import Any

from mesh.errors import StorageError
from nodes.dc.ledger import BURN, DATABASE, MINT
from nodes.dc.listing import gold_totals
from nodes.dc.records import (
    ACCOUNTS,
    CHARACTERS,
    FRIENDS,
    INVENTORIES,
    ITEMS,
    LEDGER,
    META,
    NAMES,
    PURSES,
    SESSIONS,
    STATES,
    TABLES,
    LedgerRow,
    Table,
)
from nodes.dc.store import Store

PROBLEMS_MAX = 100  # shown; more are only counted

Rows = dict[Any, Any]


class Audit:
    """One reading of a whole database. `problems` are sentences, empty when it is whole."""

    def __init__(self, store: Store) -> None:
        self.problems: list[str] = []
        self.damaged = 0
        self.more = 0
        self.rows = {name: self._read(store, table) for name, table in TABLES.items()}

    def run(self) -> dict[str, Any]:
        """The verdict, with what was counted."""
        self._check_accounts()
        self._check_items()
        self._check_friends()
        self._check_ledger()
        purses = {purse: row.gold for purse, row in self.rows[PURSES.name].items()}
        totals = gold_totals(purses)
        if sum(purses.values()):
            self._problem(
                f"wallets hold {totals['wallets']}, minted less burned is {totals['minted'] - totals['burned']}"
            )
        return {
            "ok": not self.problems,
            "problems": self.problems,
            "problems_not_shown": self.more,
            "damaged_rows": self.damaged,
            "rows": sum(len(rows) for rows in self.rows.values()),
            "durable_operations": len(self.rows[LEDGER.name]),
            "accounts": len(self.rows[ACCOUNTS.name]),
            "items": len(self.rows[ITEMS.name]),
            "gold": totals,
        }

    def _read(self, store: Store, table: Table[Any, Any]) -> Rows:
        rows: Rows = {}
        try:
            for key, value in store.scan(table.name):
                try:
                    rows[table.keys.unpack(key)] = table.unpack(key, value)
                except StorageError as error:
                    self.damaged += 1
                    self._problem(str(error))
        except StorageError as error:
            self._problem(f"{table.name}: {error}")
        return rows

    def _check_accounts(self) -> None:
        accounts = self.rows[ACCOUNTS.name]
        for table in (SESSIONS, CHARACTERS, STATES, INVENTORIES, FRIENDS, PURSES):
            owners = {key for key in self.rows[table.name] if key > 0}
            for account in sorted(owners ^ accounts.keys()):
                self._problem(f"{table.name} and accounts differ about account {account}")
        names = {name: row.account for name, row in self.rows[NAMES.name].items()}
        if names != {row.name.lower(): account for account, row in accounts.items()}:
            self._problem("names and accounts do not agree")

    def _check_items(self) -> None:
        held: dict[int, list[int]] = {}
        for owner, row in self.rows[INVENTORIES.name].items():
            for item in row.items:
                held.setdefault(item.id, []).append(owner)
        items = self.rows[ITEMS.name]
        for item in sorted(held.keys() | items.keys()):
            owners, row = held.get(item, []), items.get(item)
            if row is None or owners != [row.owner]:
                self._problem(f"item {item} belongs to {row.owner if row else 'nobody'} and is held by {owners}")

    def _check_friends(self) -> None:
        fitting = {
            "friend": ("friend",),
            "asked": ("asking",),
            "asking": ("asked", "blocked"),
            "blocked": (None, "asking", "blocked"),
        }
        pairs = {
            (account, friend.account): friend.state
            for account, row in self.rows[FRIENDS.name].items()
            for friend in row.friends
        }
        for (account, other), state in pairs.items():
            if pairs.get((other, account)) not in fitting[state]:
                self._problem(f"account {account} and account {other} differ about their friendship")

    def _check_ledger(self) -> None:
        """Whatever purses and items say must follow from the ledger alone."""
        ledger, meta = self.rows[LEDGER.name], self.rows[META.name].get(DATABASE)
        if meta is None or sorted(ledger) != list(range(1, meta.next_entry)):
            self._problem(f"the ledger has gaps: {len(ledger)} entries up to {max(ledger, default=0)}")
        purses: Counter[int] = Counter()
        owners: dict[int, int] = {}
        once: set[tuple[int, int]] = set()
        for number in sorted(ledger):
            self._replay(number, ledger[number], purses, owners, once)
        for purse, row in self.rows[PURSES.name].items():
            if row.gold != purses[purse]:
                self._problem(f"purse {purse} holds {row.gold}, by the ledger {purses[purse]}")
        if owners != {item: row.owner for item, row in self.rows[ITEMS.name].items()}:
            self._problem("the owners of items are not those of the ledger")

    def _replay(
        self, number: int, row: LedgerRow, purses: Counter[int], owners: dict[int, int], once: set[tuple[int, int]]
    ) -> None:
        for gold in row.gold:
            purses[gold.source] -= gold.amount
            purses[gold.target] += gold.amount
        for item in row.items:
            if owners.pop(item.item, MINT) != item.source:
                self._problem(f"ledger {number}: item {item.item} was not {item.source}'s to give")
            if item.target != BURN:
                owners[item.item] = item.target
        if row.sequence:
            if (row.session, row.sequence) in once:
                self._problem(f"ledger {number}: operation {row.session}/{row.sequence} was carried out twice")
            once.add((row.session, row.sequence))

    def _problem(self, text: str) -> None:
        if len(self.problems) < PROBLEMS_MAX:
            self.problems.append(text)
        else:
            self.more += 1
