"""What `mesh db check`, `verify` and `audit` say about a database: verdicts, as JSON can carry them.

    verify    every checksum, key and reference (verification.py)
    audit     the economy: it follows from the ledger (economy.py), and every item is in one place (holdings.py)
    check     both

All work on a store that nobody writes to, and in memory that does not grow with it.
"""

from typing import Any

from nodes.dc.economy import Economy
from nodes.dc.holdings import check_holdings
from nodes.dc.problems import Problems
from nodes.dc.records import ACCOUNTS, ITEMS, LEDGER, MAILS
from nodes.dc.store import Store
from nodes.dc.verification import Verification


class Audit:
    """One reading of a whole database: `run` gives the verdict of a check."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self) -> dict[str, Any]:
        problems = Problems()
        verification = Verification(self._store, problems)
        verification.run()
        economy = Economy(self._store, problems, report=False)
        economy.run()
        return {**_verdict(self._store, problems), "rows": sum(verification.rows.values()), "gold": economy.totals}


def verify(store: Store) -> dict[str, Any]:
    """Is every row what was written, and do the rows agree?"""
    problems = Problems()
    verification = Verification(store, problems)
    verification.run()
    return {**_verdict(store, problems), "rows": sum(verification.rows.values()), "tables": verification.rows}


def audit(store: Store) -> dict[str, Any]:
    """Is everybody's gold and every item where the ledger says?"""
    problems = Problems()
    economy = Economy(store, problems, report=True)
    economy.run()
    check_holdings(store, problems, report=True)
    return {**_verdict(store, problems), "gold": economy.totals}


def _verdict(store: Store, problems: Problems) -> dict[str, Any]:
    return {
        "ok": not problems.texts,
        "problems": problems.texts,
        "problems_not_shown": problems.more,
        "damaged_rows": problems.damaged,
        "durable_operations": store.count(LEDGER.name),
        "accounts": store.count(ACCOUNTS.name),
        "items": store.count(ITEMS.name),
        "mails": store.count(MAILS.name),
    }
