"""The whole economy computed anew from the ledger: every purse, every item, every mail must follow from it alone.

Reads the ledger from its first entry on and compares what comes out with what the tables say. Memory is bounded
whatever the size: a pass looks at one share of all accounts, items, mails and operations (those whose number leaves the
same rest), a few bytes for each, and there are as many passes as it takes. Works on a store that nobody writes to.
"""

from array import array
from typing import Any

import numpy as np

from mesh.protocol.records import GoldMove, ItemMove
from nodes.dc.fences import process_fenced
from nodes.dc.ledger import BURN, DATABASE, MINT
from nodes.dc.listing import gold_totals
from nodes.dc.mails import mail_of
from nodes.dc.problems import Problems
from nodes.dc.reading import DAMAGED, row_at, rows_of
from nodes.dc.records import ITEMS, LEDGER, MAILBOXES, MAILS, META, PURSES, LedgerRow, MetaRow
from nodes.dc.store import Store

SHARE = 4_000_000  # of accounts, items, mails and operations in one pass: 200 MB


class Economy:
    """See the module."""

    def __init__(self, store: Store, problems: Problems, *, report: bool, share: int = SHARE) -> None:
        """`report`: damaged rows are reported here."""
        self._store, self._problems, self._report, self._share = store, problems, report, share
        self.totals = {"wallets": 0, "mails": 0, "minted": 0, "burned": 0}
        self.passes = 0

    def run(self) -> None:
        """`totals` says how much gold there is, the problems what does not add up."""
        known = row_at(self._store, META, DATABASE)
        if known is None or known is DAMAGED:
            self._problems.add("the row about the database is missing or damaged: the ledger cannot be followed")
            return
        self._check_gaps(known)
        most = max(known.next_account, known.next_item, known.next_mail, known.next_entry)
        self.passes = -(-most // self._share)
        for index in range(self.passes):
            one = _Share(self.passes, index, known, self._problems)
            self._follow(one, index == 0)
            self._compare(one, index == 0)
        totals = self.totals
        if totals["wallets"] + totals["mails"] != totals["minted"] - totals["burned"]:
            self._problems.add(
                f"wallets hold {totals['wallets']} and mails {totals['mails']}, "
                f"minted less burned is {totals['minted'] - totals['burned']}"
            )

    def _check_gaps(self, known: MetaRow) -> None:
        count = self._store.count(LEDGER.name)
        if count != known.next_entry - 1:
            self._problems.add(f"the ledger has gaps: {count} entries, and {known.next_entry - 1} were made")

    def _follow(self, share: "_Share", first: bool) -> None:
        expected = 1
        fenced = dict[int, str]()
        for number, row in rows_of(self._store, LEDGER, self._problems, report=self._report and first):
            if first and number != expected:
                self._problems.add(f"the ledger has gaps: {number} follows {expected - 1}")
            expected = number + 1
            if row is DAMAGED:
                continue
            share.enter(number, row)
            if process := process_fenced(row):
                fenced[process] = row.note
            elif first and row.process in fenced:
                self._problems.add(f"ledger {number}: {fenced[row.process]} had been given up")
        share.check_once()

    def _compare(self, share: "_Share", first: bool) -> None:
        report = self._report and first
        gold: dict[int, int] = {}
        wallets = in_mails = 0
        for purse, row in rows_of(self._store, PURSES, self._problems, report=report):
            if row is not DAMAGED:
                wallets += row.gold if purse > 0 else 0
                gold.update({purse: row.gold} if purse <= 0 else {})
                share.compare_purse(purse, row.gold)
        for number, row in rows_of(self._store, ITEMS, self._problems, report=report):
            if row is not DAMAGED:
                share.compare_item(number, row.owner)
        for number, row in rows_of(self._store, MAILS, self._problems, report=report):
            if row is not DAMAGED:
                in_mails += row.gold
                share.compare_mail(number, row)
        for account, row in rows_of(self._store, MAILBOXES, self._problems, report=report):
            if row is not DAMAGED:
                share.compare_box(account, row.under_way)
        share.check_missing()
        self.totals = gold_totals(gold, wallets, in_mails)


class _Share:
    """What the ledger says about one share of everything, in columns."""

    def __init__(self, shares: int, index: int, known: MetaRow, problems: Problems) -> None:
        self._shares, self._index, self._problems = shares, index, problems
        self._purses = self._column(known.next_account)
        self._owners = self._column(known.next_item)  # 0: was never made
        self._mails = self._column(known.next_mail)
        self._under_way = self._column(known.next_account)
        self._others = {MINT: 0, BURN: 0} if index == 0 else {}
        self._sessions, self._sequences = array("Q"), array("Q")

    def _column(self, count: int) -> "array[int]":
        return array("q", bytes(8 * (count // self._shares + 1)))

    def _at(self, number: int) -> int | None:
        """Where in its column, if it is in this share."""
        place, rest = divmod(number, self._shares)
        return place if rest == self._index else None

    # --- the ledger ---

    def enter(self, number: int, row: LedgerRow) -> None:
        for gold in row.gold:
            self._pay(number, gold)
        for item in row.items:
            self._hand(number, item)
        if row.sequence and (row.session + row.sequence) % self._shares == self._index:
            self._sessions.append(row.session)
            self._sequences.append(row.sequence)

    def _pay(self, number: int, move: GoldMove) -> None:
        for purse, amount in ((move.source, -move.amount), (move.target, move.amount)):
            if purse in (MINT, BURN):
                if purse in self._others:
                    self._others[purse] += amount
                continue
            column, at = (self._mails, mail_of(purse)) if purse < BURN else (self._purses, purse)
            place = self._at(at)
            if place is None:
                continue
            if place >= len(column):
                self._problems.add(f"ledger {number}: there is no purse {purse}")
                continue
            column[place] += amount
            if column[place] < 0:
                self._problems.add(f"ledger {number}: purse {purse} had not got {-amount} coins")

    def _hand(self, number: int, move: ItemMove) -> None:
        place = self._at(move.item)
        if place is None:
            return
        if place >= len(self._owners):
            self._problems.add(f"ledger {number}: there is no item {move.item}")
            return
        if self._owners[place] != move.source:
            self._problems.add(f"ledger {number}: item {move.item} was not {move.source}'s to give")
        self._owners[place] = move.target  # BURN stays there for ever: no item has its number again

    def check_once(self) -> None:
        """No operation twice."""
        if not self._sessions:
            return
        sessions, sequences = np.frombuffer(self._sessions, np.uint64), np.frombuffer(self._sequences, np.uint64)
        order = np.lexsort((sequences, sessions))
        sessions, sequences = sessions[order], sequences[order]
        twice = np.flatnonzero((sessions[1:] == sessions[:-1]) & (sequences[1:] == sequences[:-1]))
        for at in twice.tolist():
            self._problems.add(f"operation {sessions[at]}/{sequences[at]} was carried out twice")

    # --- the tables; what was compared is forgotten, so that what is left is missing ---

    def compare_purse(self, purse: int, gold: int) -> None:
        if purse in (MINT, BURN):
            if self._others.pop(purse, gold) != gold:
                self._problems.add(f"purse {purse} does not hold what the ledger says")
            return
        self._compare(self._purses, purse, gold, "purse {} holds {}, by the ledger {}")

    def compare_item(self, number: int, owner: int) -> None:
        self._compare(self._owners, number, owner, "item {} belongs to {}, by the ledger to {}")

    def compare_mail(self, number: int, row: Any) -> None:
        self._compare(self._mails, number, row.gold, "mail {} holds {}, by the ledger {}")
        place = self._at(row.sender)
        if (row.gold or row.items) and place is not None and place < len(self._under_way):
            self._under_way[place] += 1

    def compare_box(self, account: int, under_way: int) -> None:
        self._compare(self._under_way, account, under_way, "account {} counts {} mails under way, there are {}")

    def _compare(self, column: "array[int]", number: int, found: int, text: str) -> None:
        place = self._at(number)
        if place is None:
            return
        wanted = column[place] if 0 <= place < len(column) else 0
        if wanted != found:
            self._problems.add(text.format(number, found, wanted))
        if 0 <= place < len(column):
            column[place] = 0

    def check_missing(self) -> None:
        for purse in self._others:
            self._problems.add(f"purse {purse} is missing")
        for column, text in (
            (self._purses, "purse {} is missing, by the ledger it holds {}"),
            (self._owners, "item {} is missing, by the ledger it belongs to {}"),
            (self._mails, "mail {} is missing, by the ledger it holds {}"),
            (self._under_way, "account {} does not count its mails under way, there are {}"),
        ):
            left = np.frombuffer(column, np.int64)
            for place in np.flatnonzero((left != 0) & (left != BURN)).tolist():
                self._problems.add(text.format(place * self._shares + self._index, column[place]))
