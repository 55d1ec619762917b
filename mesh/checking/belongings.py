"""Checker `belongings`: what players were told that they have gained is in the ledger, and nothing else of theirs is.

Players do not know the numbers under which scenes ask for their operations, so theirs are found by what they say: each
"loot" that was acknowledged with (gold, items) must be one row of that account in the ledger with the same gold and
items, each trade that was acknowledged to an account one row in which it takes part. A row that no player was told of
must be one of those whose outcome its player does not know.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from mesh.checking.records import Entry, Operation, Problem
from mesh.protocol.sessions import account_of

Gain = tuple[int, tuple[int, ...]]
"""Gold and items of one loot."""


def belongings(operations: Iterable[Operation], ledger: Iterable[Entry]) -> list[Problem]:
    """Problems by account. Operations of the kinds "loot" and "trade" count, by their session; loot that is shared in
    a party is not looked at here."""
    told: defaultdict[int, Counter[Gain]] = defaultdict(Counter)
    trades: Counter[int] = Counter()
    open_: Counter[tuple[int, str]] = Counter()
    for one in operations:
        account = account_of(one.session)
        if one.ended == "unknown":
            open_[account, one.kind] += 1
        elif one.ended == "ok" and one.kind == "loot":
            told[account][one.answer] += 1
        elif one.ended == "ok" and one.kind == "trade":
            trades[account] += 1
    gained, traded = _by_account(ledger)
    found = []
    for account in sorted(told.keys() | gained.keys()):
        found += _compare_loot(account, told[account], gained[account], open_[account, "loot"])
    for account in sorted(trades.keys() | traded.keys()):
        low, high = trades[account], trades[account] + open_[account, "trade"]
        if not low <= traded[account] <= high:
            text = f"account {account} was told of {low} trades, {high} at most can be, {traded[account]} are written"
            found.append(Problem("belongings", text))
    return found


def _by_account(ledger: Iterable[Entry]) -> tuple[defaultdict[int, Counter[Gain]], Counter[int]]:
    """What each account looted, and in how many trades it took part."""
    gained: defaultdict[int, Counter[Gain]] = defaultdict(Counter)
    traded: Counter[int] = Counter()
    for entry in ledger:
        owners = {coins.target for coins in entry.gold} | {thing.target for thing in entry.items}
        givers = {coins.source for coins in entry.gold} | {thing.source for thing in entry.items}
        if entry.kind == "loot" and len(owners) == 1:
            gain = sum(coins.amount for coins in entry.gold), tuple(thing.item for thing in entry.items)
            gained[owners.pop()][gain] += 1
        elif entry.kind == "trade":
            traded.update(owners | givers)
    return gained, traded


def _compare_loot(account: int, told: Counter[Gain], gained: Counter[Gain], open_: int) -> list[Problem]:
    missing, more = told - gained, gained - told
    found = [
        Problem("belongings", f"account {account} was told of {gold} gold and items {list(items)}: no such row")
        for gold, items in missing.elements()
    ]
    if more.total() > open_:
        text = f"account {account}: {more.total()} loots are written that it was not told of, {open_} are unknown"
        found.append(Problem("belongings", text))
    return found
