"""Durable operations whose outcome is unknown: what is said of them, and what is never said."""

import asyncio
import itertools
import random

import pytest

from mesh.core.bucket import Bucket
from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError
from mesh.protocol.records import GoldMove, Operated
from mesh.protocol.sessions import session_of
from mesh.testing import run
from nodes.scene.ledger import AGAIN_S, Ledger
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


def carry_out(dc: Dc, tries: int = 3, asked: int = 0) -> Operated:
    async def story() -> Operated:
        session = Session(session_of(1, 1), "anna", 0, 0, 7, 100, Bucket(1, 1, 0.0))
        ledger = Ledger(dc.ask, asyncio.ensure_future, tries)
        return await ledger.carry_out([session], "loot", [GoldMove(0, 1, 5)], asked=asked)

    return run(story())


NOT_NOW = [Code.UNAVAILABLE, Code.DISK_FULL, Code.SHUTDOWN]


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.DISK_FULL])
def test_a_refusal_of_the_first_attempt_is_one(code):
    dc = Dc(RefusedError(code))
    with pytest.raises(RefusedError):
        carry_out(dc)
    assert dc.asked == [101]


def test_a_dc_that_is_restarted_is_asked_again():
    """It refuses what it has no time for any more. Somebody who loots in that moment does not lose by it."""
    done = Operated([])
    dc = Dc(RefusedError(Code.SHUTDOWN), PeerLost("the DC is gone"), done)
    assert carry_out(dc) == done
    assert dc.asked == [101, 101, 101]


def test_a_dc_that_only_ever_refuses_has_carried_out_nothing():
    with pytest.raises(RefusedError):
        carry_out(Dc(*[RefusedError(Code.SHUTDOWN)] * 3))


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


@pytest.mark.parametrize("code", NOT_NOW)
def test_not_now_says_nothing_about_what_a_scene_before_may_have_asked_for(code):
    """A mail that is said again to the next scene: the one that was lost may have had it carried out."""
    done = Operated([], again=True)
    assert carry_out(Dc(RefusedError(code), done), asked=5) == done
    with pytest.raises(DeadlineExceeded):
        carry_out(Dc(*[RefusedError(code)] * 3), asked=5)
    with pytest.raises(RefusedError, match="insufficient"):
        carry_out(Dc(RefusedError(code), RefusedError(Code.INSUFFICIENT)), asked=5)


def test_after_a_crash_of_the_dc_not_everybody_asks_again_at_the_same_moment():
    at: list[float] = []

    async def ask(_target, said, _timeout_s):
        at.append(asyncio.get_running_loop().time())
        if len(at) <= 50:
            raise PeerLost("the DC died")
        return Operated([])

    async def story() -> None:
        ledger = Ledger(ask, asyncio.ensure_future, 3, chance=random.Random(1))
        players = [Session(session_of(n, 1), f"p{n}", 0, 0, n, 100, Bucket(1, 1, 0.0)) for n in range(1, 51)]
        await asyncio.gather(*(ledger.carry_out([one], "loot", [GoldMove(0, one.account, 5)]) for one in players))

    run(story())
    first, again = at[:50], sorted(at[50:])
    assert max(first) == min(first)
    assert (again[0] - first[0], again[-1] - first[0]) == pytest.approx((AGAIN_S / 2, 3 * AGAIN_S / 2), abs=0.1)
    assert max(b - a for a, b in itertools.pairwise(again)) < 0.1, "spread evenly"


def test_only_kinds_that_are_named_are_replicated():
    said = []

    async def ask(_target, operate, _timeout_s):
        said.append((operate.kind, operate.replicated))
        return Operated([])

    async def story() -> None:
        ledger = Ledger(ask, asyncio.ensure_future, 3, replicated=["trade"])
        player = Session(session_of(1, 1), "anna", 0, 0, 7, 100, Bucket(1, 1, 0.0))
        for kind in ("loot", "trade"):
            await ledger.carry_out([player], kind)

    run(story())
    assert said == [("loot", False), ("trade", True)]


def test_any_other_refusal_tells_that_no_attempt_was_carried_out():
    with pytest.raises(RefusedError, match="insufficient"):
        carry_out(Dc(DeadlineExceeded("late"), RefusedError(Code.INSUFFICIENT)))


@pytest.mark.parametrize("unknown", [DeadlineExceeded("late"), PeerLost("the link broke")])
def test_a_fence_says_nothing_about_an_attempt_before_it(unknown: Exception) -> None:
    with pytest.raises(DeadlineExceeded, match="may have been carried out"):
        carry_out(Dc(unknown, RefusedError(Code.STALE_EPOCH)))


def test_nor_about_what_a_scene_before_has_asked_for() -> None:
    with pytest.raises(DeadlineExceeded, match="may have been carried out"):
        carry_out(Dc(RefusedError(Code.STALE_EPOCH)), asked=5)


def test_who_is_given_up_before_the_first_attempt_has_done_nothing() -> None:
    with pytest.raises(RefusedError):
        carry_out(Dc(RefusedError(Code.STALE_EPOCH)))
