"""Exactly once: the same id, the same answer, one effect. And only by the newest session."""

import pytest

from mesh.errors import Code
from mesh.protocol.records import GoldMove, ItemMove, Letter, Operate
from nodes.dc import ledger
from nodes.dc.cache import Rows
from nodes.dc.characters import status_of
from nodes.dc.operations import digest_of
from nodes.dc.records import LEDGER, STATES
from nodes.dc.store import Store
from nodes.dc.view import Overlay

from .desk import AT_MS, Desk, make, pay
from .test_accounts import refused

RING = 16


def test_a_repeated_operation_has_one_effect_and_the_same_result(store: Store) -> None:
    desk = Desk(store, RING)
    anna, session = desk.player("anna")
    said = Operate(
        session, 1, "loot", [session], pay(session, 1, (0, anna, 7)).gold, make(session, 1, (0, 0, anna, "axe")).items
    )
    first = desk.operate(said)
    rows = store.count("ledger"), store.count("items")
    assert desk.operate(said) == first
    assert (store.count("ledger"), store.count("items")) == rows
    assert ledger.gold_of(desk.rows, anna) == 107


def test_it_is_recognised_after_a_restart(store: Store) -> None:
    desk = Desk(store, RING)
    anna, session = desk.player("anna")
    said = pay(session, 1, (0, anna, 7))
    desk.operate(said)
    desk.rows = Rows(store, 100, 100_000)
    desk.operate(said)
    assert ledger.gold_of(desk.rows, anna) == 107


def test_it_is_recognised_within_one_commit() -> None:
    desk = Desk(ring=RING)
    anna, session = desk.player("anna")
    said = make(session, 1, (0, 0, anna, "axe"))

    from nodes.dc.operations import operate

    overlay = Overlay(desk.rows)
    first, second = operate(overlay, said, AT_MS), operate(overlay, said, AT_MS)
    assert first == second
    assert len(first.made) == 1


def test_the_same_id_with_another_request_is_a_conflict() -> None:
    desk = Desk(ring=RING)
    anna, session = desk.player("anna")
    desk.operate(pay(session, 1, (0, anna, 7)))
    with refused(Code.OP_CONFLICT):
        desk.operate(pay(session, 1, (0, anna, 8)))


@pytest.mark.parametrize(
    ("said", "digest"),
    [
        (Operate(7, 1, "loot", [7], [GoldMove(0, 1, 3)], [ItemMove(0, 0, 1, "axe")]), "cedc392e01a2cdb8"),
        (Operate(2**62, 2**40, "advance", [], level=9), "74596590333ec126"),
        (Operate(7, 2, "mail-take", [7], mail=5, room=3), "5f913777cc4e807f"),
        (Operate(7, 3, "paid", [7, 8], [GoldMove(1, 2, 300)], replicated=True), "3f0cc016b41ab60d"),
        (Operate(7, 4, "mail-send", [7], letter=Letter("bert", "hi", 5), asked=70_000), "8227e532939ec8b0"),
    ],
)
def test_a_request_that_is_on_disk_is_recognised_by_later_programs(said: Operate, digest: str) -> None:
    assert digest_of(said).hex() == digest


def test_the_window_is_the_ring() -> None:
    desk = Desk(ring=RING)
    anna, session = desk.player("anna")
    said = [pay(session, sequence, (0, anna, 1)) for sequence in range(1, RING + 3)]
    for operation in said:
        desk.operate(operation)
    for old in said[:2]:
        with refused(Code.OP_TOO_OLD):
            desk.operate(old)
    for recent in said[2:]:
        desk.operate(recent)
    assert ledger.gold_of(desk.rows, anna) == 100 + len(said)


def test_sequences_may_arrive_in_any_order_within_the_window() -> None:
    desk = Desk(ring=RING)
    anna, session = desk.player("anna")
    for sequence in (5, 3, 4, 1, 2, 3, 5):
        desk.operate(pay(session, sequence, (0, anna, 1)))
    assert ledger.gold_of(desk.rows, anna) == 105


def test_a_refused_operation_leaves_its_id_unused() -> None:
    desk = Desk(ring=RING)
    anna, session = desk.player("anna")
    with refused(Code.INSUFFICIENT):
        desk.operate(pay(session, 1, (anna, -1, 500)))
    desk.operate(pay(session, 1, (anna, -1, 50)))
    assert ledger.gold_of(desk.rows, anna) == 50


def test_an_older_session_is_refused_but_hears_of_what_it_did() -> None:
    desk = Desk(ring=RING)
    anna, old = desk.player("anna")
    done, late = pay(old, 1, (0, anna, 7)), pay(old, 2, (0, anna, 7))
    desk.operate(done)
    new = desk.session(anna)
    with refused(Code.STALE_EPOCH):
        desk.operate(late)
    desk.operate(done)  # a repetition of what was carried out before: answered, not carried out
    assert ledger.gold_of(desk.rows, anna) == 107
    desk.operate(pay(new, 1, (0, anna, 1)))  # the new session's own numbers begin anew
    with refused(Code.STALE_EPOCH):
        desk.operate(done)  # its slot belongs to the new session now
    assert ledger.gold_of(desk.rows, anna) == 108


@pytest.mark.parametrize("who", ["own", "other"])
def test_every_party_must_be_there_with_its_newest_session(who: str) -> None:
    desk = Desk(ring=RING)
    (anna, hers), (bert, his) = desk.player("anna"), desk.player("bert")
    desk.session(anna if who == "own" else bert)
    with refused(Code.STALE_EPOCH):
        desk.operate(pay(hers, 1, (anna, bert, 5), parties=(hers, his)))
    assert ledger.gold_of(desk.rows, bert) == 100


def test_a_session_that_never_was_is_refused() -> None:
    desk = Desk(ring=RING)
    anna, session = desk.player("anna")
    with refused(Code.STALE_EPOCH):
        desk.operate(pay(session + 1, 1, (0, anna, 5)))


def test_an_advance_raises_the_level_once() -> None:
    desk = Desk(ring=RING)
    anna, session = desk.player("anna")
    for _ in range(2):
        desk.operate(Operate(session, 1, "advance", [], level=2))
    status = status_of(desk.rows, lambda account: desk.rows.get(STATES, account), anna)
    assert status.level == 2
    kinds = [LEDGER.unpack(key, value) for key, value in desk.store.scan("ledger")]
    assert [(row.kind, row.note, row.sequence) for row in kinds][2:] == [("advance", "level 2", 1)]
    with refused(Code.OUT_OF_RANGE):
        desk.operate(Operate(session, 2, "advance", [], level=1))


def test_holdings_are_told_for_every_party() -> None:
    desk = Desk(ring=RING)
    (anna, hers), (bert, his) = desk.player("anna"), desk.player("bert")
    answer = desk.operate(pay(hers, 1, (anna, bert, 5), (bert, anna, 10), parties=(his, hers)))
    assert [(h.account, h.gold) for h in answer.holdings] == [(anna, 105), (bert, 95)]
