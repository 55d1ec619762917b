"""Checker `belongings`: what players were told that they have gained is in the ledger, and nothing else of theirs is.

Players do not know the numbers under which scenes ask for their operations, so theirs are found by what they say: each
"loot" that was acknowledged with (gold, items) must be one row of that account in the ledger with the same gold and
items, each trade, and each mail that was sent or taken, one row in which the account takes part. A row that no player
was told of must be one of those whose outcome its player does not know. In a party the one who loots is the one who has
asked; the others are told of their share (kind "share") without asking, or not at all when their scene has died.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from mesh.checking.records import Entry, Operation, Problem
from mesh.protocol.sessions import account_of

Gain = tuple[int, tuple[int, ...]]
"""Gold and items of one loot."""


MAIL = ("mail-send", "mail-take")
COUNTED = ("trade",)
"""Kinds of which it is known who took part and how often, and that is all that is compared."""


@dataclass(slots=True)
class _Rows:
    """What the ledger says of accounts."""

    looted: defaultdict[int, Counter[Gain]] = field(default_factory=lambda: defaultdict(Counter))
    shared: defaultdict[int, Counter[Gain]] = field(default_factory=lambda: defaultdict(Counter))
    counted: Counter[tuple[int, str]] = field(default_factory=Counter)


def belongings(
    operations: Iterable[Operation], ledger: Iterable[Entry], counted: Collection[str] = COUNTED
) -> list[Problem]:
    """Problems by account. Operations of the kinds "loot", "share" and `counted` count, by their session. MAIL may be
    counted by whoever has written down all mails that players asked for."""
    told: defaultdict[int, Counter[Gain]] = defaultdict(Counter)
    shares: defaultdict[int, Counter[Gain]] = defaultdict(Counter)
    done: Counter[tuple[int, str]] = Counter()
    open_: Counter[tuple[int, str]] = Counter()
    for one in operations:
        account = account_of(one.session)
        if one.ended == "unknown":
            open_[account, one.kind] += 1
        elif one.ended == "ok" and one.kind in ("loot", "share"):
            (told if one.kind == "loot" else shares)[account][one.answer] += 1
        elif one.ended == "ok" and one.kind in counted:
            done[account, one.kind] += 1
    rows = _by_account(ledger, counted)
    found = []
    for account in sorted(told.keys() | rows.looted.keys()):
        found += _compare_loot(account, told[account], rows.looted[account], open_[account, "loot"])
    for account in sorted(shares):
        found += _missing(account, shares[account], rows.shared[account])
    for account, kind in sorted(done.keys() | rows.counted.keys()):
        low, written = done[account, kind], rows.counted[account, kind]
        high = low + open_[account, kind]
        if not low <= written <= high:
            text = f"account {account} was told of {low} x {kind}, {high} at most can be, {written} are written"
            found.append(Problem("belongings", text))
    return found


def _by_account(ledger: Iterable[Entry], counted: Collection[str]) -> _Rows:
    rows = _Rows()
    for entry in ledger:
        asker = account_of(entry.session)
        owners = {coins.target for coins in entry.gold} | {thing.target for thing in entry.items}
        givers = {coins.source for coins in entry.gold} | {thing.source for thing in entry.items}
        if entry.kind == "loot":
            rows.looted[asker][_gain(entry, asker)] += 1
            for owner in owners - {asker}:
                rows.shared[owner][_gain(entry, owner)] += 1
        elif entry.kind == "trade":
            rows.counted.update((account, "trade") for account in owners | givers)
        elif entry.kind in counted:
            rows.counted[asker, entry.kind] += 1
    return rows


def _gain(entry: Entry, account: int) -> Gain:
    gold = sum(coins.amount for coins in entry.gold if coins.target == account)
    return gold, tuple(thing.item for thing in entry.items if thing.target == account)


def _missing(account: int, told: Counter[Gain], gained: Counter[Gain]) -> list[Problem]:
    return [
        Problem("belongings", f"account {account} was told of {gold} gold and items {list(items)}: no such row")
        for gold, items in (told - gained).elements()
    ]


def _compare_loot(account: int, told: Counter[Gain], gained: Counter[Gain], open_: int) -> list[Problem]:
    found, more = _missing(account, told, gained), gained - told
    if more.total() > open_:
        text = f"account {account}: {more.total()} loots are written that it was not told of, {open_} are unknown"
        found.append(Problem("belongings", text))
    return found
