"""What operators are shown: rows as readable values, and how much of everything there is.

Secrets (password hashes) never leave a table this way. Everything is counted from what is stored, not from memory.
"""

import struct
from collections.abc import Iterator
from typing import Any

from nodes.dc.ledger import BURN, MINT
from nodes.dc.records import ACCOUNTS, ITEMS, LEDGER, MAILS, NAMES, PURSES, TABLES, DamagedError, Table
from nodes.dc.store import Store

Shown = tuple[str, dict[str, Any]]


def gold_totals(purses: dict[int, int], wallets: int, mails: int) -> dict[str, int]:
    """All coins in wallets and in mails that wait, and all that were ever minted and burned, by the balances of these
    two purses."""
    return {"wallets": wallets, "mails": mails, "minted": -purses.get(MINT, 0), "burned": purses.get(BURN, 0)}


def stat(store: Store, purses_max: int) -> dict[str, Any]:
    """Rows per table, sizes in bytes, totals of the economy (None when there are more than `purses_max` purses and
    mails). DamagedError when one is damaged."""
    counts = {name: store.count(name) for name in TABLES}
    gold = None
    if counts[PURSES.name] + counts[MAILS.name] <= purses_max:
        purses = {PURSES.keys.unpack(key): PURSES.unpack(key, value).gold for key, value in store.scan(PURSES.name)}
        mails = sum(MAILS.unpack(key, value).gold for key, value in store.scan(MAILS.name))
        gold = gold_totals(purses, sum(gold for purse, gold in purses.items() if purse > 0), mails)
    return {
        **store.facts(),
        "tables": counts,
        "accounts": counts[ACCOUNTS.name],
        "items": counts[ITEMS.name],
        "durable_operations": counts[LEDGER.name],
        "gold": gold,
    }


def find_rows(store: Store, table: Table[Any, Any], prefix: str, limit: int) -> tuple[list[Shown], bool]:
    """Up to `limit` rows and whether there are more.

    Where keys are texts, the prefix is how they begin. Elsewhere it is a whole number, or, in tables whose rows belong
    to accounts, how the names of the wanted accounts begin. Empty: all rows.
    """
    found: list[Shown] = []
    for beginning in _beginnings(store, table, prefix):
        for key, value in store.scan(table.name, beginning):
            if len(found) == limit:
                return found, True
            found.append((table.show_key(key), _shown(table, key, value)))
    return found, False


def _beginnings(store: Store, table: Table[Any, Any], prefix: str) -> Iterator[bytes]:
    keys = table.keys
    if not prefix:
        yield b""
    elif keys.begin is None:
        yield prefix.lower().encode()
    elif prefix.lstrip("-").isdecimal():
        try:
            yield keys.begin(int(prefix))
        except struct.error:
            return  # no key is that large
    elif keys.of_account:
        for key, value in store.scan(NAMES.name, prefix.lower().encode()):
            yield keys.begin(NAMES.unpack(key, value).account)


def _shown(table: Table[Any, Any], key: bytes, value: bytes) -> dict[str, Any]:
    try:
        return table.show(table.unpack(key, value))
    except DamagedError as error:
        return {"damaged": str(error)}
