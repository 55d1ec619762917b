"""The parts of a pair for themselves: the writer's term, the standby's mind, the batches between them, answers that
wait for the standby, the settings."""

import asyncio
from typing import Any

import pytest
from msgspec import ValidationError, convert

from mesh.errors import PeerLost
from mesh.promise import Promise
from mesh.protocol.replication import Leased
from mesh.testing import run
from nodes.dc.follower import CENTER_AWAY_S, SILENT_S, Follower
from nodes.dc.lease import SUPPORT_MARGIN_S, SUPPORT_S, Term
from nodes.dc.memory_store import MemoryStore
from nodes.dc.outgoing import Outgoing
from nodes.dc.replication import Replication, Twofold
from nodes.dc.settings import DcSettings

ONE, TWO = "eu.one.dc.1", "eu.one.dc.2"
LEASE_S = 1.5


def leased(epoch: int = 3, writer: str = ONE, granted: bool = True, synced: bool = True) -> Leased:
    return Leased(epoch, writer, granted, synced, LEASE_S)


# --- the writer's term ---


def test_a_lease_counts_from_when_it_was_asked_for():
    term = Term(leased(), 10.0)
    assert term.may_speak(10.0 + LEASE_S - 0.01)
    assert not term.may_speak(10.0 + LEASE_S)
    term.heard(leased(), ONE, 11.0, None)
    assert term.may_speak(12.0)
    assert not term.may_speak(11.0 + LEASE_S)


def test_one_that_nobody_can_follow_needs_no_lease():
    term = Term(leased(synced=False), 10.0)
    assert term.mode == "alone"
    assert term.may_speak(1000.0)


def test_the_standby_supports_while_the_center_is_away():
    term = Term(leased(), 10.0)
    term.supported(20.0)
    assert term.may_speak(20.0 + SUPPORT_S - 0.01)
    assert not term.may_speak(20.0 + SUPPORT_S)


@pytest.mark.parametrize("answer", [leased(4, TWO, False), leased(4), leased(3, TWO, False)])
def test_a_higher_epoch_or_another_writer_ends_it(answer):
    term = Term(leased(synced=False), 10.0)
    term.heard(answer, ONE, 10.0, None)
    assert term.over
    assert not term.may_speak(10.0)


def test_a_refused_renewal_is_none():
    term = Term(leased(), 10.0)
    term.heard(leased(granted=False), ONE, 11.0, None)
    assert not term.over
    assert not term.may_speak(10.0 + LEASE_S)


def test_to_go_on_alone_takes_the_centers_word():
    term = Term(leased(), 10.0)
    term.lost()
    assert (term.mode, term.wish) == ("paired", False)
    term.heard(leased(), ONE, 10.1, False)
    assert (term.mode, term.wish) == ("paired", False), "it was not written down yet"
    term.heard(leased(synced=False), ONE, 10.2, False)
    assert (term.mode, term.wish) == ("alone", None)


def test_who_joins_is_in_sync_from_the_moment_of_asking():
    term = Term(leased(synced=False), 10.0)
    term.join()
    assert term.mode == "joining"
    term.joined()
    assert (term.mode, term.wish) == ("paired", True)
    assert not term.may_speak(10.0 + LEASE_S)
    term.heard(leased(), ONE, 12.0, True)
    assert (term.mode, term.wish) == ("paired", None)


def test_who_is_lost_while_joining_is_not_missed():
    term = Term(leased(synced=False), 10.0)
    term.join()
    term.lost()
    assert (term.mode, term.wish) == ("alone", None)


def test_an_answer_to_an_older_wish_does_not_fulfil_a_newer_one():
    term = Term(leased(synced=False), 10.0)
    term.join()
    term.joined()
    term.lost()  # the wish to join is on its way
    term.heard(leased(), ONE, 10.1, True)
    assert (term.mode, term.wish) == ("paired", False)


def test_an_answer_to_a_question_without_the_wish_to_join_does_not_end_the_joining():
    """It was asked before, and answered as things were then: the standby could be written down as in sync behind the
    back of a writer that goes on alone."""
    term = Term(leased(synced=False), 10.0)
    term.join()
    term.joined()
    term.heard(leased(synced=False), ONE, 10.1, None)
    assert (term.mode, term.wish) == ("paired", True)
    term.heard(leased(), ONE, 10.2, True)
    assert (term.mode, term.wish) == ("paired", None)


def test_one_that_hands_its_lease_back_says_nothing_more_even_when_it_needed_none():
    for term in (Term(leased(), 10.0), Term(leased(synced=False), 10.0)):
        assert term.may_speak(10.1)
        term.hand_back()
        assert not term.may_speak(10.1)
        term.heard(leased(), ONE, 10.2, None)
        assert not term.may_speak(10.3), "an older answer does not bring it back"


# --- the standby's mind ---


def follower(now: float = 0.0) -> Follower:
    return Follower(3, 7, now)


def test_batches_are_taken_in_order_and_once():
    mind = follower()
    assert mind.judge(7, 9) == "apply"
    mind.took(3, 9)
    assert mind.judge(7, 9) == "known"
    assert mind.judge(10, 11) == "gap"
    assert mind.judge(9, 10) == "apply"


def test_lower_epochs_are_not_heard():
    mind = follower()
    assert mind.hear(4, 1.0)
    assert not mind.hear(3, 1.0)
    mind.answered(6, False, 1.0)
    assert not mind.hear(5, 1.0)


def test_what_is_no_whole_takes_nothing_and_never_takes_over():
    mind = Follower(0, 0, 0.0)
    assert mind.judge(0, 1) == "gap"
    assert not mind.wants(1000.0)
    mind.begin_copy(5)
    assert mind.judge(5, 6) == "apply"
    mind.took(3, 6)
    assert mind.epoch == 0
    mind.end_copy(3, 6)
    assert (mind.epoch, mind.batch) == (3, 6)


def test_it_promises_only_while_the_center_is_away():
    mind = follower()
    mind.answered(3, False, 10.0)
    assert not mind.promise(10.0 + CENTER_AWAY_S - 0.01)
    assert mind.promise(10.0 + CENTER_AWAY_S + 0.01)


def test_it_does_not_ask_for_the_office_while_it_keeps_a_promise():
    mind = follower()
    assert mind.hear(3, 100.0)
    assert mind.promise(100.0)
    assert not mind.wants(100.0 + SUPPORT_S + SUPPORT_MARGIN_S - 0.01)
    assert mind.wants(100.0 + SUPPORT_S + SUPPORT_MARGIN_S)


def test_a_writer_that_has_said_its_last_word_wants_no_promise_kept():
    mind = follower()
    assert mind.hear(3, 100.0)
    assert mind.promise(100.0)
    mind.released(100.1)
    assert mind.wants(100.1)


def test_who_has_asked_for_the_office_promises_nothing_until_it_is_answered():
    mind = follower()
    assert mind.wants(100.0)
    assert not mind.promise(100.0), "the answer may be that we write, and be lost"
    mind.answered(3, False, 100.5)
    assert mind.promise(200.0)


def test_it_asks_when_the_writer_is_silent_or_the_center_says_that_the_lease_is_over():
    mind = follower()
    assert mind.hear(3, 100.0)
    assert not mind.wants(100.0 + SILENT_S)
    assert mind.wants(100.0 + SILENT_S + 0.01)
    mind.answered(3, False, 102.0)
    assert mind.hear(3, 102.0)
    assert not mind.wants(102.0)
    mind.answered(3, True, 102.0)
    assert mind.wants(102.0)


# --- the batches between them ---


def batches(count: int = 3, bytes_max: int = 10_000) -> Outgoing:
    log = Outgoing(3, (2, 10), bytes_max)
    for number in range(11, 11 + count):
        log.add(number, [("purses", b"k", bytes([number]))])
    return log


def test_they_travel_together_until_they_are_confirmed():
    log = batches()
    assert log.take(10_000) == (10, 13, [("purses", b"k", bytes([n])) for n in (11, 12, 13)])
    assert log.take(1) == (10, 11, [("purses", b"k", b"\x0b")])
    log.confirm(12)
    assert log.waiting == 1
    assert log.take(10_000) == (12, 13, [("purses", b"k", b"\x0d")])
    log.confirm(13)
    assert log.take(10_000) is None


@pytest.mark.parametrize("position", [(2, 10), (3, 10), (3, 11), (3, 13)])
def test_one_that_is_on_the_way_goes_on(position):
    log = batches()
    assert log.resume(position)
    assert log.waiting == 13 - position[1]


@pytest.mark.parametrize("position", [(2, 11), (1, 10), (2, 9), (3, 14), (4, 12), (0, 0), (0, 10)])
def test_one_that_went_another_way_does_not(position):
    assert not batches().resume(position)


def test_a_database_that_was_never_one_of_a_pair_is_copied():
    assert not Outgoing(1, (0, 0), 1000).resume((0, 0)), "the rows of a single DC have no number either"


def test_one_that_was_away_for_too_long_is_copied():
    log = batches(count=2, bytes_max=60)
    assert not log.resume((2, 10))
    assert log.bytes <= 60
    log.restart()
    assert log.resume((3, 12))


# --- settings ---


@pytest.mark.parametrize(
    "table", [{"dc.1": "dc.1"}, {"dc.1": "dc.2", "dc.3": "dc.4"}, {"dc.1": "gate.2"}, {"dc": "dc.2"}]
)
def test_a_standby_is_another_dc(table):
    with pytest.raises(ValidationError, match="must name two nodes"):
        convert({"standby": table}, DcSettings)


# --- the standby's office ---


def test_who_may_have_promised_before_it_was_restarted_waits_until_that_is_over():
    follower = Follower(3, 7, 100.0)
    over = 100.0 + SUPPORT_S + SUPPORT_MARGIN_S
    assert not follower.may_begin(5, over - 0.01)
    assert follower.may_begin(5, over)


def test_who_wrote_itself_has_promised_nothing_and_begins_at_once():
    assert Follower(3, 7, 100.0).may_begin(4, 100.0)
    assert Follower(0, 0, 100.0).may_begin(1, 100.0)  # nobody ever wrote


# --- answers that wait for the standby ---


class Waiting:
    """Class R of a writer that tells class D without its standby; batch 6 is on its own disk."""

    def __init__(self, synced: bool = True) -> None:
        self.told: list[Any] = []
        term = Term(leased(1, synced=synced), 0.0)
        self.log = Outgoing(1, (1, 5), 1 << 20)
        self.replication = Replication(
            self,
            TWO,
            term,
            self.log,
            MemoryStore(),
            DcSettings(replicated="paid"),
            lambda: None,  # type: ignore[arg-type]
        )
        self.log.add(6, [("purses", b"k", b"v")])

    def ask(self) -> Promise[Any]:
        """For the answer to one operation; it is on this disk already."""
        promise = Twofold(self.replication)
        parts: list[Promise[Any]] = []
        promise.then = lambda _, answers: parts.extend(answers)
        promise.keep(["done"])
        (part,) = parts
        part.then = lambda _, answer: self.told.append(answer)
        return part


def test_the_last_answers_of_class_r_leave_before_the_office_is_handed_over():
    """The word of the standby, and the end of the writing, in one turn of the loop."""

    async def story() -> None:
        waiting = Waiting()
        waiting.ask()

        async def hand_over() -> None:  # as a pair begins with it
            assert await waiting.replication.complete()
            waiting.replication.term.hand_back()

        def heard() -> None:  # as the sending goes on with it
            waiting.log.confirm(6)
            waiting.replication.changed()

        asyncio.get_running_loop().call_soon(heard)
        await asyncio.create_task(hand_over())
        assert waiting.told == [["done"]]

    run(story())


def test_class_r_is_told_when_the_center_knows_of_the_second_copy():
    """Before that nobody would give the standby the office."""
    waiting = Waiting(synced=False)
    term, replication = waiting.replication.term, waiting.replication
    waiting.ask()
    term.join()
    term.joined()
    waiting.log.confirm(6)
    replication.changed()
    assert waiting.told == []
    term.heard(leased(1), ONE, 1.0, True)
    replication.changed()
    assert waiting.told == [["done"]]


def test_who_is_followed_by_another_writer_says_nothing_of_what_one_disk_has():
    waiting = Waiting()
    waiting.ask()
    waiting.replication.term.heard(leased(2, TWO, False), ONE, 1.0, None)
    waiting.replication.changed()
    (answer,) = waiting.told
    assert isinstance(answer, PeerLost)


def test_who_waits_no_more_is_forgotten():
    waiting = Waiting()
    waiting.ask().give_up()
    waiting.replication.changed()
    waiting.log.confirm(6)
    waiting.replication.changed()
    assert waiting.told == []
    assert waiting.replication._told_later == []
