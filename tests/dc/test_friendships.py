"""Both sides of a friendship always agree."""

from contextlib import suppress

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


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["ask", "accept", "remove"]), st.integers(1, 3), st.integers(1, 3))))
def test_both_sides_agree_whatever_happens(changes: list[tuple[str, int, int]]) -> None:
    desk = Desk()
    names = {desk.account(f"p{i}"): f"p{i}" for i in (1, 2, 3)}
    for kind, account, other in changes:
        with suppress(RefusedError):
            change(desk, kind, account, names[other])
    assert Audit(desk.store).run()["problems"] == []
