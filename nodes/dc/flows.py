"""The gold of the ledger and who holds it, as two tables of text for other programs (`mesh data` takes them).

    ledger.csv   entry,at_ms,kind,account,session,source,target,amount    every move of gold from an entry on
    purses.csv   account,gold,place                                       who holds how much now

A purse is an account; 0 mints, -1 burns, below that are mails. An account that was made without gold has a row with an
amount of 0. `place` is "purse" or "mail" (whose it is that waits), "minted" for purse 0 and "burned" for purse -1.
Works on a store that nobody writes to.
"""

import csv
from pathlib import Path
from typing import Any

from mesh.errors import StorageError
from mesh.protocol.records import GoldMove
from nodes.dc.ledger import BURN, DATABASE, MINT
from nodes.dc.records import LEDGER, MAILS, META, PURSES, LedgerRow
from nodes.dc.store import Store

LEDGER_FILE, PURSES_FILE = "ledger.csv", "purses.csv"
CREATED = "create"
_PLACES = {MINT: "minted", BURN: "burned"}


def write_flows(store: Store, folder: Path, first: int) -> dict[str, Any]:
    """Write both into a folder; the ledger from the entry `first` on. DamagedError or StorageError."""
    try:
        with open(folder / LEDGER_FILE, "w", newline="", encoding="utf-8") as file:
            moves = _write_ledger(store, csv.writer(file), first)
        with open(folder / PURSES_FILE, "w", newline="", encoding="utf-8") as file:
            holders = _write_purses(store, csv.writer(file))
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror or error}") from None
    return {"moves": moves, "holders": holders, "next": _next_entry(store)}


def _write_ledger(store: Store, out: Any, first: int) -> int:
    out.writerow(("entry", "at_ms", "kind", "account", "session", "source", "target", "amount"))
    count = 0
    for key, value in store.scan(LEDGER.name, start=LEDGER.keys.pack(first)):
        row = LEDGER.unpack(key, value)
        for move in _moves(row):
            about = (LEDGER.keys.unpack(key), row.at_ms, row.kind, row.account, row.session)
            out.writerow((*about, move.source, move.target, move.amount))
            count += 1
    return count


def _moves(row: LedgerRow) -> tuple[GoldMove, ...]:
    if not row.gold and row.kind == CREATED:
        return (GoldMove(MINT, row.account, 0),)
    return row.gold


def _write_purses(store: Store, out: Any) -> int:
    out.writerow(("account", "gold", "place"))
    count = 0
    for key, value in store.scan(PURSES.name):
        purse = PURSES.keys.unpack(key)
        place = _PLACES.get(purse, "purse")
        out.writerow((max(purse, 0), PURSES.unpack(key, value).gold, place))
        count += place == "purse"
    for key, value in store.scan(MAILS.name):
        mail = MAILS.unpack(key, value)
        if mail.gold:
            out.writerow((mail.account, mail.gold, "mail"))
    return count


def _next_entry(store: Store) -> int:
    key = META.keys.pack(DATABASE)
    value = store.get(META.name, key)
    if value is None:
        raise StorageError("the row about the database is missing: this is not the database of a DC")
    return META.unpack(key, value).next_entry
