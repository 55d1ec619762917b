"""Make very many accounts at once, for load tests: `python -P -m nodes dc --offline fill`.

Each is made as the DC itself would make it, with a first session, so that what is filled passes every check and can be
played. Only the commits are larger. Works on a Store that nobody else uses.
"""

from collections.abc import Callable

from mesh.protocol.cluster import CreateAccount
from nodes.dc.accounts import create_account, open_session
from nodes.dc.cache import Rows
from nodes.dc.ledger import DATABASE, prepare
from nodes.dc.records import META
from nodes.dc.store import MapFull, Store
from nodes.dc.view import Change, Overlay

PER_COMMIT = 5_000  # accounts: 50,000 rows
DIGITS = 8  # names have as many, so that the order of names is that of accounts
CACHE_ROWS, CACHE_BYTES = 100_000, 64 << 20


def name_of(prefix: str, number: int) -> str:
    """Of one of the accounts."""
    return f"{prefix}{number:0{DIGITS}}"


def fill(store: Store, count: int, prefix: str, operation_ring: int, at_ms: int, done: Callable[[int], None]) -> int:
    """Make `count` accounts `<prefix>00000001` and so on; how many rows were written. RefusedError when one exists."""
    rows = Rows(store, CACHE_ROWS, CACHE_BYTES)
    written = 0
    store.begin()
    for begin in range(1, count + 1, PER_COMMIT):
        overlay = Overlay(rows)
        if rows.get(META, DATABASE) is None:
            prepare(overlay, operation_ring)
        for number in range(begin, min(begin + PER_COMMIT, count + 1)):
            overlay.begin()
            account = create_account(overlay, CreateAccount(name_of(prefix, number), ""), 0, at_ms).account
            open_session(overlay, account, at_ms)
        packed = overlay.packed()
        put_on_disk(store, sorted(packed))  # neighbours on disk one after the other
        rows.committed(overlay, packed)
        written += len(packed)
        done(min(begin + PER_COMMIT - 1, count))
    return written


def put_on_disk(store: Store, changes: list[Change]) -> None:
    """In one commit; the store is enlarged when it has to be."""
    while True:
        try:
            store.write(changes)
            store.commit()
        except MapFull:
            store.drop()
            store.grow()
            store.begin()
        else:
            return
