"""Gold is conserved, an item has one owner, and the whole economy follows from the ledger: for any operations."""

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from mesh.errors import Code, RefusedError
from mesh.protocol.records import (
    GoldMove,
    ItemMove,
    Operate,
)
from mesh.protocol.sessions import session_of
from nodes.dc import ledger
from nodes.dc.audit import Audit
from nodes.dc.cache import Rows
from nodes.dc.records import ITEMS

from .desk import Desk, make, pay
from .test_accounts import refused

ACCOUNTS = (1, 2, 3)
owners = st.sampled_from(ACCOUNTS)
sources, targets = st.sampled_from((0, *ACCOUNTS)), st.sampled_from((*ACCOUNTS, -1))
gold_moves = st.builds(GoldMove, sources, targets, st.integers(1, 60))
item_moves = st.builds(ItemMove, st.just(0), st.just(0), owners, st.sampled_from(["axe", "hat"])) | st.builds(
    ItemMove, st.integers(1, 5), owners, targets, st.just("")
)
operations = st.tuples(owners, st.integers(1, 30), st.lists(gold_moves, max_size=2), st.lists(item_moves, max_size=2))


@settings(max_examples=60, deadline=None)
@given(st.lists(operations, max_size=40))
def test_no_operations_make_gold_or_double_an_item(asked: list) -> None:  # type: ignore[type-arg]
    desk = Desk(gold=100)
    sessions = [desk.player(f"p{account}")[1] for account in ACCOUNTS]
    done = 0
    for account, sequence, gold, items in asked:
        before = desk.store.count("ledger")
        try:
            desk.operate(Operate(session_of(account, 1), sequence, "any", sessions, gold, items))
            done += desk.store.count("ledger") - before
        except RefusedError:
            assert desk.store.count("ledger") == before
    event(f"{min(done, 10)} carried out (10: or more)")
    verdict = Audit(desk.store).run()
    assert verdict["problems"] == []
    gold = verdict["gold"]
    assert gold["wallets"] == gold["minted"] - gold["burned"]
    assert verdict["durable_operations"] == 2 * len(ACCOUNTS) + done
    assert all(ledger.gold_of(desk.rows, account) >= 0 for account in ACCOUNTS)


def test_gold_moves_or_is_refused() -> None:
    desk = Desk()
    (anna, session), (bert, _) = desk.player("anna"), desk.player("bert")
    assert [(h.account, h.gold) for h in desk.operate(pay(session, 1, (anna, bert, 30))).holdings] == [(anna, 70)]
    assert ledger.gold_of(desk.rows, bert) == 130
    for number, move in enumerate([(anna, bert, 71), (anna, 99, 1), (0, 99, 1)], start=2):
        with pytest.raises(RefusedError) as refusal:
            desk.operate(pay(session, number, move))
        assert refusal.value.code == (Code.INSUFFICIENT if move[1] == bert else Code.NOT_FOUND)
    assert ledger.gold_of(desk.rows, anna) == 70


@pytest.mark.parametrize("move", [(1, 1, 5), (-1, 1, 5), (1, 0, 5), (0, 0, 5), (-2, 1, 5), (1, -2, 5)])
def test_gold_has_one_direction_through_mint_and_burn(move: tuple[int, int, int]) -> None:
    desk = Desk()
    _, session = desk.player("anna")
    with refused(Code.NOT_ALLOWED):
        desk.operate(pay(session, 1, move))
    with refused(Code.NOT_ALLOWED):
        desk.operate(make(session, 2, (1, move[0], move[1], "axe")))


def test_a_purse_has_a_limit() -> None:
    desk = Desk()
    anna, session = desk.player("anna")
    with refused(Code.OUT_OF_RANGE):
        desk.operate(pay(session, 1, (0, anna, ledger.GOLD_MAX)))


def test_only_parties_give() -> None:
    desk = Desk()
    (anna, session), (bert, other) = desk.player("anna"), desk.player("bert")
    with refused(Code.NOT_ALLOWED):
        desk.operate(pay(session, 1, (bert, anna, 5)))
    desk.operate(pay(session, 2, (bert, anna, 5), parties=(session, other)))
    assert ledger.gold_of(desk.rows, anna) == 105


def test_items_are_made_handed_over_and_destroyed() -> None:
    desk = Desk()
    (anna, session), (bert, other) = desk.player("anna"), desk.player("bert")
    answer = desk.operate(make(session, 1, (0, 0, anna, "axe"), (0, 0, anna, "hat")))
    axe, hat = answer.made
    assert (axe.kind, hat.kind) == ("axe", "hat")
    assert axe.id != hat.id
    both = desk.operate(make(session, 2, (axe.id, anna, bert, ""), parties=(session, other)))
    assert [(h.account, [i.id for i in h.items]) for h in both.holdings] == [(anna, [hat.id]), (bert, [axe.id])]
    desk.operate(make(session, 3, (hat.id, anna, -1, "")))
    assert desk.rows.get(ITEMS, hat.id) is None
    assert desk.operate(make(session, 4, (0, 0, anna, "hat"))).made[0].id > hat.id
    with refused(Code.INSUFFICIENT):
        desk.operate(make(session, 5, (axe.id, anna, bert, "")))
    with refused(Code.INSUFFICIENT):
        desk.operate(make(session, 6, (hat.id, anna, bert, "")))


@pytest.mark.parametrize("move", [(7, 0, 1, "axe"), (0, 0, 1, ""), (0, 0, -1, "axe")])
def test_a_new_item_has_a_kind_and_gets_its_id_here(move: tuple[int, int, int, str]) -> None:
    desk = Desk()
    _, session = desk.player("anna")
    with refused(Code.NOT_ALLOWED):
        desk.operate(make(session, 1, move))


def test_nobody_carries_more_than_the_limit() -> None:
    desk = Desk()
    anna, session = desk.player("anna")
    for sequence in range(ledger.ITEMS_MAX // 100):
        desk.operate(make(session, sequence, *[(0, 0, anna, "axe")] * 100))
    with refused(Code.OUT_OF_RANGE):
        desk.operate(make(session, 99, (0, 0, anna, "axe")))


def test_an_operation_happens_whole_or_not_at_all() -> None:
    desk = Desk()
    (anna, session), (bert, _) = desk.player("anna"), desk.player("bert")
    with refused(Code.INSUFFICIENT):
        desk.operate(Operate(session, 1, "trade", [], [GoldMove(anna, bert, 50)], [ItemMove(1, anna, bert)]))
    fresh = Rows(desk.store, 100, 100_000)
    assert (ledger.gold_of(fresh, anna), ledger.gold_of(fresh, bert)) == (100, 100)
