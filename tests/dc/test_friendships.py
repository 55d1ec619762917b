"""Both sides of a friendship always agree."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.errors import Code, RefusedError
from mesh.protocol.records import ChangeFriendship, FriendshipChanged
from nodes.dc import friendships
from nodes.dc.audit import Audit

from .desk import AT_MS, Desk
from .test_accounts import refused


def change(desk: Desk, kind: str, account: int, other: str) -> FriendshipChanged:
    said = ChangeFriendship(kind, account, other)  # type: ignore[arg-type]
    return desk.do(lambda view: friendships.change_friendship(view, said, AT_MS))


def shown(answer: FriendshipChanged) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    return [(f.name, f.state) for f in answer.friends], [(f.name, f.state) for f in answer.other_friends]


def test_ask_accept_remove() -> None:
    desk = Desk()
    anna, bert = desk.account("Anna"), desk.account("Bert")
    asked = change(desk, "ask", anna, "bert")
    assert (asked.account, asked.other, asked.other_name) == (anna, bert, "Bert")
    assert shown(asked) == ([("Bert", "asking")], [("Anna", "asked")])
    assert shown(change(desk, "accept", bert, "Anna")) == ([("Anna", "friend")], [("Bert", "friend")])
    assert shown(change(desk, "remove", anna, "Bert")) == ([], [])


def test_asking_back_accepts() -> None:
    desk = Desk()
    anna, bert = desk.account("Anna"), desk.account("Bert")
    change(desk, "ask", anna, "Bert")
    assert shown(change(desk, "ask", bert, "Anna")) == ([("Anna", "friend")], [("Bert", "friend")])


def test_what_is_so_already_costs_no_ledger_row() -> None:
    desk = Desk()
    anna, bert = desk.account("Anna"), desk.account("Bert")
    change(desk, "ask", anna, "Bert")
    before = desk.store.count("ledger")
    change(desk, "ask", anna, "Bert")
    assert desk.store.count("ledger") == before
    change(desk, "accept", bert, "Anna")
    change(desk, "accept", bert, "Anna")
    change(desk, "ask", anna, "Bert")
    assert desk.store.count("ledger") == before + 1
    change(desk, "remove", anna, "Bert")
    change(desk, "remove", anna, "Bert")
    assert desk.store.count("ledger") == before + 2


def test_what_cannot_be() -> None:
    desk = Desk()
    anna = desk.account("Anna")
    desk.account("Bert")
    with refused(Code.NOT_ALLOWED):
        change(desk, "ask", anna, "anna")
    with refused(Code.NOT_FOUND):
        change(desk, "ask", anna, "Carl")
    with refused(Code.NOT_FOUND):
        change(desk, "accept", anna, "Bert")
    with refused(Code.NOT_FOUND):
        change(desk, "ask", 99, "Bert")


def test_one_who_asked_cannot_accept_for_the_other() -> None:
    desk = Desk()
    anna = desk.account("Anna")
    desk.account("Bert")
    change(desk, "ask", anna, "Bert")
    with refused(Code.NOT_FOUND):
        change(desk, "accept", anna, "Bert")


def test_the_list_has_a_limit() -> None:
    desk = Desk()
    anna = desk.account("Anna")
    for number in range(friendships.FRIENDS_MAX):
        desk.account(f"p{number}")
        change(desk, "ask", anna, f"p{number}")
    desk.account("one-more")
    with refused(Code.OUT_OF_RANGE):
        change(desk, "ask", anna, "one-more")


def test_a_block_ends_a_friendship_and_the_other_has_no_row_of_it() -> None:
    desk = Desk()
    anna, bert = desk.account("Anna"), desk.account("Bert")
    change(desk, "ask", anna, "Bert")
    change(desk, "accept", bert, "Anna")
    assert shown(change(desk, "block", anna, "bert")) == ([("Bert", "blocked")], [])
    assert shown(change(desk, "block", anna, "bert")) == ([("Bert", "blocked")], [])
    assert shown(change(desk, "unblock", anna, "bert")) == ([], [])


def test_a_block_ends_requests_in_both_directions() -> None:
    for asker in (0, 1):
        desk = Desk()
        both = [desk.account("Anna"), desk.account("Bert")]
        change(desk, "ask", both[asker], ("Bert", "Anna")[asker])
        assert shown(change(desk, "block", both[0], "Bert")) == ([("Bert", "blocked")], [])


def test_who_is_blocked_sees_its_request_wait_and_the_blocker_does_not_see_it() -> None:
    desk = Desk()
    anna, bert = desk.account("Anna"), desk.account("Bert")
    change(desk, "block", anna, "Bert")
    assert shown(change(desk, "ask", bert, "Anna")) == ([("Anna", "asking")], [("Bert", "blocked")])
    assert shown(change(desk, "block", anna, "Bert")) == ([("Bert", "blocked")], [("Anna", "asking")])
    with refused(Code.NOT_FOUND):
        change(desk, "accept", bert, "Anna")
    assert shown(change(desk, "unblock", anna, "Bert")) == ([("Bert", "asked")], [("Anna", "asking")])
    assert Audit(desk.store).run()["problems"] == []


def test_a_request_to_a_blocker_can_be_withdrawn() -> None:
    desk = Desk()
    anna, bert = desk.account("Anna"), desk.account("Bert")
    change(desk, "block", anna, "Bert")
    change(desk, "ask", bert, "Anna")
    assert shown(change(desk, "remove", bert, "Anna")) == ([], [("Bert", "blocked")])


def test_who_blocks_neither_asks_nor_accepts_nor_unblocks_by_removing() -> None:
    desk = Desk()
    anna = desk.account("Anna")
    desk.account("Bert")
    change(desk, "block", anna, "Bert")
    for kind in ("ask", "accept"):
        with refused(Code.NOT_ALLOWED):
            change(desk, kind, anna, "Bert")
    assert shown(change(desk, "remove", anna, "Bert")) == ([("Bert", "blocked")], [])
    with refused(Code.NOT_ALLOWED):
        change(desk, "block", anna, "Anna")
    with refused(Code.NOT_FOUND):
        change(desk, "block", anna, "Carl")


def test_both_may_block_each_other() -> None:
    desk = Desk()
    anna, bert = desk.account("Anna"), desk.account("Bert")
    change(desk, "block", anna, "Bert")
    assert shown(change(desk, "block", bert, "Anna")) == ([("Anna", "blocked")], [("Bert", "blocked")])
    assert shown(change(desk, "unblock", anna, "Bert")) == ([], [("Anna", "blocked")])
    assert shown(change(desk, "ask", anna, "Bert")) == ([("Bert", "asking")], [("Anna", "blocked")])
    assert shown(change(desk, "unblock", anna, "Bert")) == ([("Bert", "asking")], [("Anna", "blocked")])


def test_blocks_have_a_limit_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(friendships, "FRIENDS_MAX", 2)
    monkeypatch.setattr(friendships, "BLOCKED_MAX", 1)
    desk = Desk()
    anna = desk.account("Anna")
    for name in ("Bert", "Carl", "Dora", "Emil"):
        desk.account(name)
    change(desk, "block", anna, "Emil")
    for name in ("Bert", "Carl"):
        change(desk, "ask", anna, name)
    with refused(Code.OUT_OF_RANGE):
        change(desk, "ask", anna, "Dora")
    with refused(Code.OUT_OF_RANGE):
        change(desk, "block", anna, "Dora")
    with refused(Code.OUT_OF_RANGE):
        change(desk, "block", anna, "Bert")


def test_a_request_that_finds_no_room_at_the_end_of_a_block_is_gone_on_both_sides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(friendships, "FRIENDS_MAX", 1)
    desk = Desk()
    anna, bert = desk.account("Anna"), desk.account("Bert")
    desk.account("Carl")
    change(desk, "block", anna, "Bert")
    change(desk, "ask", bert, "Anna")
    change(desk, "ask", anna, "Carl")
    assert shown(change(desk, "unblock", anna, "Bert")) == ([("Carl", "asking")], [])


@pytest.mark.parametrize("others", [["Carl"], []])
def test_asking_somebody_with_a_full_list_does_not_tell_of_a_block(
    monkeypatch: pytest.MonkeyPatch, others: list[str]
) -> None:
    monkeypatch.setattr(friendships, "FRIENDS_MAX", 1)
    answers: list[object] = []
    for blocks in (False, True):
        desk = Desk()
        anna, bert = desk.account("Anna"), desk.account("Bert")
        desk.account("Carl")
        if blocks:
            change(desk, "block", anna, "Bert")
        for name in others:
            change(desk, "ask", anna, name)
        try:
            answers.append(shown(change(desk, "ask", bert, "Anna"))[0])
        except RefusedError as error:
            answers.append((error.code, error.text))
    assert answers[0] == answers[1]
    assert isinstance(answers[0], tuple) == bool(others)


KINDS = ["ask", "accept", "remove", "block", "unblock"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KINDS), st.integers(1, 3), st.integers(1, 3)), max_size=40))
def test_both_sides_agree_whatever_happens(changes: list[tuple[str, int, int]]) -> None:
    desk = Desk()
    names = {desk.account(f"p{i}"): f"p{i}" for i in (1, 2, 3)}
    for kind, account, other in changes:
        with suppress(RefusedError):
            change(desk, kind, account, names[other])
    assert Audit(desk.store).run()["problems"] == []
