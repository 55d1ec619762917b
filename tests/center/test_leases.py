"""Which DC of a pair may write: decided from what the two say, never twice in one epoch."""

import random

import msgspec
import pytest

from mesh.errors import StorageError
from nodes.center.leases import LEASE_S, MARGIN_S, PAUSE_S, Leases, Question, Tenure
from nodes.center.memory import TENURE_FILE, load_tenure, save_tenure

ONE, TWO = "eu.one.dc.1", "eu.one.dc.2"
OVER_S = LEASE_S + MARGIN_S


class Desk:
    """Asks for both, with serials that grow."""

    def __init__(self, tenure: Tenure | None = None) -> None:
        self.now = 100.0
        self.leases = Leases(ONE, TWO, tenure, self.now)
        self.serial = 0

    def ask(self, name: str, incarnation: int = 1, **said) -> bool:
        self.serial += 1
        said.setdefault("serial", self.serial)
        said.setdefault("heard", self.serial - 1)
        asked = Question(name, incarnation, epoch=said.pop("epoch", 0), **said)
        return self.leases.settle(self.leases.decide(asked, self.now), asked, self.now)

    @property
    def tenure(self) -> Tenure:
        assert self.leases.tenure is not None
        return self.leases.tenure

    def wait(self, seconds: float) -> None:
        """Without standing still."""
        until = self.now + seconds
        while self.now < until - 1e-9:
            self.now = min(until, self.now + 0.25)
            self.leases.tick(self.now)


def paired(epoch: int = 3) -> Desk:
    """The first writes, the second is in sync."""
    return Desk(Tenure(epoch, ONE, 1, epoch, epoch))


def test_a_new_pair_begins_with_the_first():
    desk = Desk()
    assert not desk.ask(TWO)
    assert desk.ask(ONE)
    assert (desk.tenure.epoch, desk.tenure.synced) == (1, 0)
    assert not desk.ask(TWO)


def test_of_two_that_were_a_pair_and_no_record_the_one_that_is_further_goes_on():
    desk = Desk()
    assert not desk.ask(ONE, epoch=4, batch=9)
    assert desk.ask(TWO, epoch=5, batch=2)
    assert desk.tenure == Tenure(6, TWO, 1, 0, 5)
    assert not desk.ask(ONE, epoch=4, batch=9)


def test_a_blank_disk_does_not_begin_beside_one_with_data():
    desk = Desk()
    assert not desk.ask(TWO, epoch=5, batch=2)
    assert not desk.ask(ONE)
    assert desk.ask(TWO, epoch=5, batch=2)


def test_a_blank_disk_does_not_begin_before_the_other_one_was_heard():
    """The other one may have everything, and be a moment later."""
    desk = Desk()
    assert not desk.ask(ONE)
    assert desk.ask(TWO, epoch=5, batch=2)
    assert desk.tenure == Tenure(6, TWO, 1, 0, 5)
    assert not desk.ask(ONE)


def test_a_new_process_of_the_writer_gets_a_new_epoch_at_once():
    desk = paired()
    assert desk.ask(ONE, 2, epoch=3)
    assert desk.tenure == Tenure(4, ONE, 2, 3, 3)


def test_a_writer_whose_disk_was_exchanged_is_the_writer_no_more():
    desk = paired()
    assert not desk.ask(ONE, 2, epoch=0)
    desk.wait(OVER_S)
    assert desk.ask(TWO, epoch=3, free=True)


def test_two_that_were_restored_to_the_same_go_on_and_one_alone_does_not():
    desk = Desk(Tenure(7, TWO, 1, 7, 7))
    assert not desk.ask(TWO, 2, epoch=3, batch=40)
    assert not desk.ask(ONE, 2, epoch=3, batch=41)
    assert not desk.ask(TWO, 2, epoch=3, batch=40), "the other one has something else"
    assert not desk.ask(ONE, 2, epoch=3, batch=40)
    assert desk.ask(TWO, 2, epoch=3, batch=40)
    assert desk.tenure == Tenure(8, TWO, 2, 0, 3)
    assert not desk.ask(ONE, 2, epoch=3, batch=40)
    assert desk.ask(TWO, 2, epoch=8, batch=41, term=8)


def test_two_blank_disks_are_no_database_that_goes_on():
    desk = Desk(Tenure(7, ONE, 1, 7, 7))
    for _ in range(3):
        assert not desk.ask(ONE, 2)
        assert not desk.ask(TWO, 2)


def test_a_lease_that_is_handed_back_need_not_run_out():
    desk = paired()
    desk.wait(OVER_S)
    assert desk.ask(ONE, epoch=3, term=3)
    assert not desk.ask(TWO, epoch=3, free=True)
    said = {"epoch": 3, "term": 3, "leaving": True}
    assert not desk.ask(ONE, heard=0, **said), "it is told that it writes no more; what it has heard does not matter"
    assert desk.leases.over(desk.now)
    assert desk.ask(TWO, epoch=3, free=True)
    assert desk.tenure == Tenure(4, TWO, 1, 0, 3)


def test_who_has_handed_it_back_and_asks_again_before_anybody_else_has_it():
    desk = paired()
    desk.ask(ONE, epoch=3, term=3, leaving=True)
    assert desk.ask(ONE, epoch=3, term=3)
    assert not desk.ask(TWO, epoch=3, free=True)


def test_only_the_writer_can_hand_it_back():
    desk = paired()
    desk.ask(ONE, epoch=3, term=3)
    desk.ask(TWO, epoch=3, leaving=True)
    assert not desk.ask(TWO, epoch=3, free=True)


def test_who_hears_nothing_keeps_nothing_and_gets_nothing():
    desk = paired()
    assert desk.ask(ONE, epoch=3, term=3)
    heard = desk.serial
    desk.wait(0.5)
    assert desk.ask(ONE, epoch=3, term=3, heard=heard), "its answer may be lost"
    desk.wait(OVER_S - 0.3)
    assert not desk.ask(ONE, epoch=3, term=3, heard=heard)
    desk.wait(0.3)
    assert not desk.ask(TWO, epoch=3, free=True, heard=0)
    assert desk.tenure.writer == ONE
    assert desk.ask(TWO, epoch=3, free=True)


def test_one_answer_that_was_lost_costs_a_question_and_no_office():
    desk = paired()
    assert desk.ask(ONE, epoch=3, term=3)
    heard = desk.serial
    assert desk.ask(ONE, epoch=3, term=3, heard=heard)
    assert not desk.ask(ONE, epoch=3, term=3, heard=heard)
    assert desk.ask(ONE, epoch=3, term=3)


def test_the_standby_takes_over_when_the_lease_is_over_and_not_before():
    desk = paired()
    assert desk.ask(ONE, epoch=3, term=3)
    desk.wait(OVER_S - 0.01)
    assert not desk.ask(TWO, epoch=3, free=True)
    desk.wait(0.01)
    assert desk.leases.over(desk.now)
    assert desk.ask(TWO, epoch=3, free=True)
    assert desk.tenure == Tenure(4, TWO, 1, 0, 3)
    assert not desk.ask(ONE, epoch=3, term=3), "the old writer is one no more"


@pytest.mark.parametrize(
    ("tenure", "said"),
    [
        (Tenure(3, ONE, 1, 0, 3), {"epoch": 3, "free": True}),  # it lacks something
        (Tenure(3, ONE, 1, 3, 3), {"epoch": 2, "free": True}),  # its disk is an older one
        (Tenure(3, ONE, 1, 3, 3), {"epoch": 3, "free": False}),  # it keeps a promise
    ],
)
def test_who_must_not_take_over(tenure, said):
    desk = Desk(tenure)
    desk.wait(60)
    assert not desk.ask(TWO, **said)
    assert desk.tenure == tenure


def test_a_center_that_has_just_started_waits_for_leases_that_it_does_not_know_of():
    desk = paired()
    assert not desk.ask(TWO, epoch=3, free=True)
    desk.wait(OVER_S)
    assert desk.ask(TWO, epoch=3, free=True)


def test_a_center_that_stood_still_waits_for_what_came_meanwhile():
    desk = paired()
    desk.ask(ONE, epoch=3, term=3)
    desk.now += OVER_S + PAUSE_S
    assert not desk.ask(TWO, epoch=3, free=True)
    assert desk.ask(ONE, epoch=3, term=3)


def test_only_the_writer_says_who_is_in_sync_and_only_in_its_epoch():
    desk = Desk(Tenure(3, ONE, 1, 0, 3))
    desk.ask(TWO, epoch=3, synced=True)
    desk.ask(ONE, epoch=3, term=2, synced=True)
    assert desk.tenure.synced == 0
    desk.ask(ONE, epoch=3, term=3, synced=True)
    assert desk.tenure.synced == 3


def test_a_standby_is_left_behind_by_a_writer_that_hears_us():
    desk = paired()
    desk.ask(ONE, epoch=3, term=3, synced=False, heard=0)
    desk.ask(ONE, epoch=3, term=3, synced=False, heard=0)
    assert desk.tenure.synced == 3, "it hears nothing"
    desk.ask(ONE, epoch=3, term=3, synced=False)
    assert desk.tenure.synced == 0


def test_a_question_that_comes_late_says_nothing():
    desk = paired()
    desk.ask(ONE, epoch=3, term=3, serial=7)
    assert not desk.ask(ONE, epoch=3, term=3, serial=6, synced=False, heard=9)
    assert desk.tenure.synced == 3


def test_a_stranger_is_told_and_given_nothing():
    desk = paired()
    desk.wait(60)
    assert not desk.ask("eu.one.dc.3", epoch=9, free=True)
    assert desk.tenure.writer == ONE


@pytest.mark.parametrize("seed", range(20))
def test_an_epoch_has_one_process_and_epochs_grow(seed):
    """Whatever the two ask, and whenever the center starts anew from its record."""
    rolls = random.Random(seed)
    desk, owners, last = Desk(), {}, 0
    for _ in range(400):
        choice = rolls.random()
        if choice < 0.05:
            known = desk.leases.tenure
            desk.leases = Leases(ONE, TWO, known, desk.now)
        elif choice < 0.3:
            desk.wait(rolls.random() * 2)
        name, incarnation = rolls.choice((ONE, TWO)), rolls.randrange(1, 4)
        epoch = rolls.randrange(last + 1)
        said = {"synced": rolls.choice((None, True, False)), "free": rolls.random() < 0.5}
        if desk.ask(name, incarnation, epoch=epoch, term=rolls.randrange(last + 1), **said):
            tenure = desk.tenure
            assert owners.setdefault(tenure.epoch, (name, incarnation)) == (name, incarnation)
            assert tenure.epoch >= last
            last = tenure.epoch


def test_the_record_is_on_disk_and_a_damaged_one_is_no_guess(tmp_path):
    assert load_tenure(tmp_path) is None
    tenure = Tenure(7, TWO, 123, 6, 6)
    assert save_tenure(tmp_path, tenure)
    assert load_tenure(tmp_path) == tenure
    (tmp_path / TENURE_FILE).write_bytes(msgspec.msgpack.encode(["seven"]))
    with pytest.raises(StorageError, match="damaged"):
        load_tenure(tmp_path)
