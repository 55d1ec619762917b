"""Is a database whole? Every checksum, every key, and everything that one row says about another.

Works on a store that nobody writes to: a stopped DC's, or a backup. Reads it in order, a row at a time, so that its
size does not matter. What the economy should be is the business of `economy.py`.
"""

from collections.abc import Iterator
from typing import Any

from mesh.protocol.sessions import account_of, session_of
from nodes.dc.holdings import check_holdings
from nodes.dc.ledger import DATABASE
from nodes.dc.problems import Problems
from nodes.dc.reading import DAMAGED, row_at, rows_of
from nodes.dc.records import (
    ACCOUNTS,
    CHARACTERS,
    FENCES,
    FORMAT,
    FRIENDS,
    INVENTORIES,
    ITEMS,
    LEDGER,
    MAILBOXES,
    MAILS,
    META,
    NAMES,
    OPERATIONS,
    PURSES,
    SESSIONS,
    STATES,
    TABLES,
    Table,
)
from nodes.dc.store import Store

OF_ACCOUNTS: tuple[Table[Any, Any], ...] = (
    ACCOUNTS, SESSIONS, CHARACTERS, STATES, INVENTORIES, FRIENDS, PURSES, MAILBOXES,
)  # fmt: skip
"""Tables with at most one row for an account, which are read side by side."""
OPTIONAL = (MAILBOXES.name,)  # an account may be without
FITTING = {
    "friend": ("friend",),
    "asked": ("asking",),
    "asking": ("asked", "blocked"),
    "blocked": (None, "asking", "blocked"),
}
"""What is in one list about a friend -> what may be in the friend's about this one."""


class Verification:
    """One reading of a whole database."""

    def __init__(self, store: Store, problems: Problems) -> None:
        self._store, self._problems = store, problems
        self.rows: dict[str, int] = dict.fromkeys(TABLES, 0)
        self._waiting = 0  # mails, by the boxes that they wait in
        self._ring = 0

    def run(self) -> None:
        """`rows` tells what was read, the problems what is wrong."""
        self._check_meta()
        for account, found in self._by_account():
            self._check_account(account, found)
        self._check_names()
        self._check_operations()
        self._check_mails()
        check_holdings(self._store, self._problems, report=False)
        for table in (ITEMS, LEDGER, FENCES):
            for _ in self._rows(table):
                pass

    def _rows(self, table: Table[Any, Any]) -> Iterator[tuple[Any, Any]]:
        for key, row in rows_of(self._store, table, self._problems, report=True):
            self.rows[table.name] += 1
            yield key, row

    def _check_meta(self) -> None:
        known = dict(self._rows(META)).get(DATABASE)
        if known is None:
            self._problems.add("this is not the database of a DC, or a new one: the row about it is missing")
        elif known is not DAMAGED:
            self._ring = known.operation_ring
            if known.format != FORMAT:
                self._problems.add(f"the database has format {known.format}, this program knows {FORMAT}")

    def _by_account(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Accounts in order, each with its row of every table that has one."""
        streams = {table.name: self._rows(table) for table in OF_ACCOUNTS}
        heads = {name: self._next(stream) for name, stream in streams.items()}
        while ahead := [head[0] for head in heads.values() if head is not None]:
            account = min(ahead)
            found = {name: head[1] for name, head in heads.items() if head is not None and head[0] == account}
            for name in found:
                heads[name] = self._next(streams[name])
            yield account, found

    @staticmethod
    def _next(stream: Iterator[tuple[int, Any]]) -> tuple[int, Any] | None:
        """The next row of an account: there are purses that are nobody's."""
        return next((head for head in stream if head[0] > 0), None)

    def _check_account(self, account: int, found: dict[str, Any]) -> None:
        for table in OF_ACCOUNTS[1:]:
            optional = table.name in OPTIONAL and ACCOUNTS.name in found
            if (table.name in found) != (ACCOUNTS.name in found) and not optional:
                self._problems.add(f"{table.name} and accounts differ about account {account}")
        state, session, friends = found.get(STATES.name), found.get(SESSIONS.name), found.get(FRIENDS.name)
        if state not in (None, DAMAGED) and session not in (None, DAMAGED) and state.session:
            newest = session_of(account, session.epoch) if session.epoch else 0
            if account_of(state.session) != account or state.session > newest:
                self._problems.add(f"the state of account {account} is of session {state.session}, which never was")
        if friends not in (None, DAMAGED):
            self._check_friends(account, friends.friends)
        box = found.get(MAILBOXES.name)
        if box not in (None, DAMAGED):
            self._check_box(account, box.mails)

    def _check_friends(self, account: int, friends: Any) -> None:
        for friend in friends:
            row = row_at(self._store, FRIENDS, friend.account)
            if row is DAMAGED:
                continue
            theirs = [one.state for one in row.friends if one.account == account] if row is not None else []
            if (theirs[0] if theirs else None) not in FITTING[friend.state]:
                self._problems.add(f"account {account} and account {friend.account} differ about their friendship")

    def _check_box(self, account: int, mails: tuple[int, ...]) -> None:
        self._waiting += len(mails)
        for number in mails:
            row = row_at(self._store, MAILS, number)
            if row is None or (row is not DAMAGED and row.account != account):
                self._problems.add(f"mail {number} is in the box of account {account}, and is not its")
        if len(set(mails)) != len(mails):
            self._problems.add(f"a mail is in the box of account {account} twice")

    def _check_names(self) -> None:
        names = 0
        for name, row in self._rows(NAMES):
            names += 1
            if row is DAMAGED:
                continue
            account = row_at(self._store, ACCOUNTS, row.account)
            if account is None or (account is not DAMAGED and account.name.lower() != name):
                self._problems.add(f"names and accounts do not agree about {name}")
        if names != self.rows[ACCOUNTS.name]:
            self._problems.add(f"names and accounts do not agree: {names} and {self.rows[ACCOUNTS.name]}")

    def _check_operations(self) -> None:
        known = 0
        for (account, slot), row in self._rows(OPERATIONS):
            if account != known and row_at(self._store, ACCOUNTS, account) is None:
                self._problems.add(f"operations and accounts differ about account {account}")
            known = account
            if row is DAMAGED or not self._ring:
                continue
            if account_of(row.session) != account or row.sequence % self._ring != slot:
                self._problems.add(
                    f"operation {row.session}/{row.sequence} is in the place {account}.{slot} of another"
                )

    def _check_mails(self) -> None:
        mails = sum(1 for _ in self._rows(MAILS))
        if mails != self._waiting:
            self._problems.add(f"there are {mails} mails, and {self._waiting} in the boxes")
