"""What the writers want: gold that only changes hands, items that exist, ids that are never used twice."""

import random
from collections import Counter

from mesh.protocol.play import Item
from mesh.protocol.records import Holding, Operated
from mesh.protocol.sessions import account_of, session_of
from tools.chaos.deals import BAG_FULL, BURN, Deals, args_of

SESSIONS = [session_of(account, 1) for account in range(1, 6)]


def deals() -> Deals:
    return Deals(SESSIONS, random.Random(4))


def test_no_id_is_used_twice_and_numbers_have_no_gaps() -> None:
    made, numbers = deals(), Counter[int]()
    for _ in range(500):
        said = made.next()
        numbers[said.session] += 1
        assert said.sequence == numbers[said.session]


def test_gold_is_never_made_or_burned_and_givers_are_parties() -> None:
    made = deals()
    for _ in range(500):
        said = made.next()
        parties = {account_of(session) for session in said.parties}
        assert {move.source for move in said.gold} | {move.target for move in said.gold} <= parties
        assert {move.source for move in said.items} - {0} <= parties


def test_only_items_that_somebody_seems_to_have_are_sold_or_burned() -> None:
    made, owned = deals(), {account_of(session): set[int]() for session in SESSIONS}
    kinds, fresh = Counter[str](), 0
    for _ in range(2000):
        said = made.next()
        kinds[said.kind] += 1
        for move in said.items:
            if move.source == 0:
                fresh += 1
                assert len(owned[move.target]) < BAG_FULL
                owned[move.target].add(fresh)
            else:
                owned[move.source].remove(move.item)
                if move.target != BURN:
                    owned[move.target].add(move.item)
        holdings = [Holding(who, 0, [Item(item, "gem") for item in sorted(owned[who])]) for who in owned]
        made.learn(Operated(holdings))
    assert min(kinds[kind] for kind in ("gold", "make", "sell", "burn")) > 20


def test_what_is_recorded_names_gold_and_items() -> None:
    made = deals()
    said = next(one for one in iter(made.next, None) if one.kind == "gold")
    [move] = said.gold
    assert args_of(said) == (((move.source, move.target, move.amount),), ())
