"""Durable operations whose outcome is unknown: what is said of them, and what is never said."""

import asyncio

import pytest

from mesh.core.bucket import Bucket
from mesh.errors import Code, DeadlineExceeded, RefusedError
from mesh.protocol.records import GoldMove, Operated
from mesh.protocol.sessions import session_of
from mesh.testing import run
from nodes.scene.ledger import Ledger
from nodes.scene.sessions import Session


class Dc:
    """Answers each attempt as it is told to."""

    def __init__(self, *answers: Exception | Operated) -> None:
        self.answers = list(answers)
        self.asked: list[int] = []

    async def ask(self, _target, said, _timeout_s):
        self.asked.append(said.sequence)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def carry_out(dc: Dc, tries: int = 3) -> Operated:
    async def story() -> Operated:
        session = Session(session_of(1, 1), "anna", 0, 0, 7, 100, Bucket(1, 1, 0.0))
        ledger = Ledger(dc.ask, asyncio.ensure_future, tries)
        return await ledger.carry_out([session], "loot", [GoldMove(0, 1, 5)])

    return run(story())


NOT_NOW = [Code.UNAVAILABLE, Code.DISK_FULL, Code.SHUTDOWN]


@pytest.mark.parametrize("code", NOT_NOW)
def test_a_refusal_of_the_first_attempt_is_one(code):
    dc = Dc(RefusedError(code))
    with pytest.raises(RefusedError):
        carry_out(dc)
    assert dc.asked == [101]


@pytest.mark.parametrize("code", NOT_NOW)
def test_not_now_says_nothing_about_an_attempt_before(code):
    """The first attempt may wait in the queue of a DC that takes no more: to say that nothing was done would put what
    is on its way into a purse back into the corpse."""
    done = Operated([])
    dc = Dc(DeadlineExceeded("late"), RefusedError(code), done)
    assert carry_out(dc) == done
    assert dc.asked == [101, 101, 101]
    with pytest.raises(DeadlineExceeded):
        carry_out(Dc(DeadlineExceeded("late"), RefusedError(code), RefusedError(code)))


def test_any_other_refusal_tells_that_no_attempt_was_carried_out():
    with pytest.raises(RefusedError, match="insufficient"):
        carry_out(Dc(DeadlineExceeded("late"), RefusedError(Code.INSUFFICIENT)))
