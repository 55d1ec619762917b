"""What is known without the disk: whether an operation can have been carried out before."""

import pytest

from mesh.errors import Code, RefusedError
from nodes.dc import latest as module
from nodes.dc.latest import Latest
from nodes.dc.operations import operate

from .desk import AT_MS, Desk, pay


def test_only_what_is_later_than_the_last_one_is_new() -> None:
    latest = Latest()
    assert not latest.follows(7, 1), "nothing is known of it"
    latest.opened(7)
    assert [latest.follows(7, sequence) for sequence in (1, 5, 3, 5, 6, 6)] == [True, True, False, False, True, False]
    assert not latest.follows(8, 1)
    assert not latest.follows(8, 2), "somebody else may have carried out more of it"
    latest.forget()
    assert not latest.follows(7, 7)


def test_of_an_account_the_newest_session_is_kept_and_of_all_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SESSIONS_MAX", 2)
    latest = Latest()
    for session in (100, 101, 200, 300):
        latest.opened(session)
    assert [latest.follows(session, 1) for session in (100, 101, 200, 300)] == [False, False, True, True]
    assert len(latest) == 2


def test_an_operation_is_recognised_whatever_is_known() -> None:
    desk, latest = Desk(ring=8), Latest()
    anna, session = desk.player("anna")
    latest.opened(session)
    said = [pay(session, sequence, (0, anna, 10)) for sequence in (1, 2, 3)]
    made = [desk.do(lambda view, one=one: operate(view, one, AT_MS, latest=latest)) for one in said]  # type: ignore[misc]
    assert [one.holdings[0].gold for one in made] == [110, 120, 130]
    for known in (latest, Latest(), None):
        again = desk.do(lambda view, known=known: operate(view, said[1], AT_MS, latest=known))  # type: ignore[misc]
        assert again.holdings[0].gold == 130


def test_what_was_refused_can_still_be_done() -> None:
    desk, latest = Desk(ring=8), Latest()
    anna, session = desk.player("anna")
    latest.opened(session)
    with pytest.raises(RefusedError) as refused:
        desk.do(lambda view: operate(view, pay(session, 1, (anna, -1, 1000)), AT_MS, latest=latest))
    assert refused.value.code == Code.INSUFFICIENT
    done = desk.do(lambda view: operate(view, pay(session, 1, (anna, -1, 100)), AT_MS, latest=latest))
    assert done.holdings[0].gold == 0
