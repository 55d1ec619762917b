"""A process that is started beside another one, to take over from it: what the supervisor decides."""

from tests.ctl.test_supervision import LIMITS, crash, names, settled, words
from tools.ctl.supervision import HANDED_OVER, UNHEARD, Do, Phase, Supervision, Word


def begun() -> Supervision:
    supervision = settled()
    said = supervision.restart("scene.1", 150.0, beside=True)
    assert names(said, Do.SPAWN_BESIDE) == ["scene.1"]
    assert words(said) == [Word.RESTARTING]
    assert names(said, Do.TERMINATE) == []
    return supervision


def test_it_takes_over_and_is_the_process_from_then_on() -> None:
    supervision = begun()
    child = supervision.children["scene.1"]
    said = supervision.exited("scene.1", "ended with exit code 3", HANDED_OVER, 151.0)
    assert names(said, Do.ADOPT) == ["scene.1"]
    assert names(said, Do.SPAWN) == []
    supervision.spawned("scene.1", 4711, 151.0)
    supervision.ready("scene.1", 151.1)
    assert (child.phase, child.pid, child.restarts, child.crashes) == (Phase.READY, 4711, 0, 0)
    assert child.beside_until is None


def test_when_it_ends_first_the_old_one_goes_on() -> None:
    supervision = begun()
    child = supervision.children["scene.1"]
    said = supervision.beside_ended("scene.1", "ended with exit code 2", 2, 151.0)
    assert words(said) == [Word.STAYS]
    assert (child.phase, child.failures) == (Phase.READY, ["ended with exit code 2"])
    assert names(supervision.restart("scene.1", 152.0, beside=True), Do.SPAWN_BESIDE) == ["scene.1"]


def test_an_old_one_that_does_not_answer_is_restarted_without_its_help() -> None:
    supervision = begun()
    said = supervision.beside_ended("scene.1", "ended with exit code 4", UNHEARD, 151.0)
    assert names(said, Do.TERMINATE) == ["scene.1"]
    assert words(said) == [Word.STAYS, Word.RESTARTING]
    assert supervision.children["scene.1"].failures == []


def test_an_old_one_that_dies_takes_the_other_one_along_and_is_started_as_ever() -> None:
    supervision = begun()
    said = crash(supervision, "scene.1", 151.0)
    assert names(said, Do.KILL_BESIDE) == ["scene.1"]
    assert names(said, Do.SPAWN) == ["scene.1"]
    assert supervision.beside_ended("scene.1", "was ended by SIGKILL", -9, 151.1) == []
    assert supervision.children["scene.1"].failures == []


def test_it_has_its_time_and_no_more() -> None:
    supervision = begun()
    due = supervision.wakes()
    assert due == 150.0 + LIMITS.beside_s
    assert supervision.tick(due - 0.1) == []
    assert names(supervision.tick(due), Do.KILL_BESIDE) == ["scene.1"]
    assert supervision.tick(due + 0.1) == []
    assert words(supervision.beside_ended("scene.1", "was ended by SIGKILL", -9, due + 0.2)) == [Word.STAYS]


def test_asked_twice_it_is_one() -> None:
    supervision = begun()
    assert supervision.restart("scene.1", 150.5, beside=True) == []


def test_a_stop_ends_both() -> None:
    supervision = begun()
    said = supervision.stop(151.0)
    assert names(said, Do.KILL_BESIDE) == ["scene.1"]
    supervision.exited("gate.1", "", 0, 151.5)
    assert names(supervision.exited("scene.1", "", HANDED_OVER, 152.0), Do.ADOPT) == []
    assert supervision.children["scene.1"].phase is Phase.SHUTDOWN


def test_one_that_does_not_serve_is_simply_started_again() -> None:
    supervision = settled()
    crash(supervision, "scene.1", 150.0)
    crash(supervision, "scene.1", 150.1)
    said = supervision.restart("scene.1", 150.2, beside=True)
    assert names(said, Do.SPAWN_BESIDE) == []
    assert names(said, Do.SPAWN) == ["scene.1"]
