"""The checkers of who writes: one process an epoch, and nobody says yes who has been followed."""

from mesh.checking.records import Entry
from mesh.checking.tenures import TENURE, Answer, Tenure, one_writer, tenures, zombies

ONE, TWO = "eu.one.dc.1 a", "eu.one.dc.2 b"


def begins(epoch: int, writer: str) -> Entry:
    return Entry(0, 0, TENURE, note=f"{writer} {epoch}")


def done(number: int) -> Entry:
    return Entry(7, number, "loot")


LEDGER = [begins(1, ONE), done(1), begins(2, TWO), done(2), begins(4, ONE), done(3)]
CLAIMS = [Tenure(1, ONE), Tenure(2, TWO), Tenure(3, TWO), Tenure(4, ONE)]  # in the third one nothing was written


def checkers(problems) -> list[str]:
    return [one.checker for one in problems]


def test_a_ledger_tells_who_wrote():
    assert tenures(LEDGER) == [Tenure(1, ONE), Tenure(2, TWO), Tenure(4, ONE)]


def test_one_after_the_other_is_right():
    assert one_writer(CLAIMS, LEDGER) == []


def test_an_epoch_that_two_have_taken():
    assert checkers(one_writer([*CLAIMS, Tenure(2, ONE)], LEDGER)) == ["one-writer"]
    assert checkers(one_writer([*CLAIMS, Tenure(4, ONE)], LEDGER)) == ["one-writer"], "it is taken once"


def test_an_epoch_that_another_one_has_written():
    wrong = [*LEDGER[:2], begins(2, ONE), *LEDGER[3:]]
    assert checkers(one_writer(CLAIMS, wrong)) == ["one-writer"]
    assert checkers(one_writer(CLAIMS[:-1], LEDGER)) == ["one-writer"], "nobody had the last one"


def test_an_epoch_that_comes_back():
    found = one_writer(CLAIMS, [*LEDGER, begins(2, TWO)])
    assert checkers(found) == ["epochs"]


def answer(number: int, asked: float, answered: float, epoch: int) -> Answer:
    return Answer((7, number), asked, answered, epoch)


def test_answers_of_those_who_write_are_right():
    assert zombies([answer(1, 0, 1, 1), answer(2, 2, 3, 2), answer(3, 4, 5, 4), answer(1, 6, 7, 4)], LEDGER) == []


def test_what_was_asked_before_anybody_followed_may_be_answered_late():
    assert zombies([answer(2, 2, 3, 2), answer(1, 1, 9, 1)], LEDGER) == []


def test_an_answer_of_one_that_was_followed():
    assert checkers(zombies([answer(2, 2, 3, 2), answer(1, 4, 5, 1)], LEDGER)) == ["zombie"]


def test_what_was_acknowledged_and_lost_and_carried_out_once_more():
    assert checkers(zombies([answer(3, 0, 1, 1)], LEDGER)) == ["zombie"]
