"""A process that is started beside another one, to take over from it: what the supervisor decides."""

import asyncio

from mesh.testing import wait_until
from tests.ctl.test_growth import Machine, play  # noqa: F401 - a fixture
from tests.ctl.test_supervision import LIMITS, crash, names, settled, words
from tools.ctl.commands.restart import RESTART_S
from tools.ctl.supervision import HANDED_OVER, UNHEARD, Do, Limits, Phase, Supervision, Word

OLD, NEW = "/opt/old/python", "/opt/new/python"


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


def test_of_one_that_is_not_wanted_any_more_nobody_takes_over() -> None:
    supervision = begun()
    said = supervision.retire("scene.1", "removed", 151.0)
    assert names(said, Do.KILL_BESIDE) == ["scene.1"]
    assert names(said, Do.TERMINATE) == ["scene.1"]
    supervision.beside_ended("scene.1", "was ended by SIGKILL", -9, 151.1)
    supervision.exited("scene.1", "ended", HANDED_OVER, 151.2)
    assert supervision.children["scene.1"].phase is Phase.SHUTDOWN


def test_the_end_of_one_beside_a_process_that_was_removed_is_nobodys_concern() -> None:
    supervision = begun()
    supervision.retire("scene.1", "removed", 151.0)
    supervision.exited("scene.1", "ended", 0, 151.1)
    supervision.forget("scene.1")
    assert supervision.beside_ended("scene.1", "was ended by SIGKILL", -9, 151.2) == []


def test_one_that_was_drained_in_the_middle_stays_so() -> None:
    supervision = begun()
    supervision.drained("scene.1")
    said = supervision.exited("scene.1", "ended with exit code 3", HANDED_OVER, 151.0)
    assert (names(said, Do.ADOPT), names(said, Do.KILL_BESIDE)) == ([], ["scene.1"])
    assert words(said) == [Word.LEFT]
    assert supervision.children["scene.1"].phase is Phase.SHUTDOWN


def test_nobody_waits_longer_for_an_answer_than_a_restart_may_take() -> None:
    limits = Limits()
    assert limits.handing_s + limits.start_s < RESTART_S


async def beside(machine: Machine, python: str = NEW) -> "asyncio.Task[str]":
    """A restart of scene.1 whose second process has begun."""
    asked = asyncio.ensure_future(machine.supervisor.restart("scene.1", python))
    await wait_until(lambda: "scene.1" in machine.supervisor.beside)
    return asked


def test_the_state_says_from_where_it_runs_when_nothing_became_of_the_other(play) -> None:  # noqa: F811
    async def story(machine: Machine) -> None:
        machine.supervisor.installations.choose("scene.1", OLD, is_running=True)
        asked = await beside(machine)
        machine.of("scene.1")[-1].end(2)
        assert "goes on as it was" in await asked
        assert machine.written()["scene.1"].python == OLD

    play(story)


def test_one_that_is_removed_meanwhile_is_waited_for_no_longer(play) -> None:  # noqa: F811
    async def story(machine: Machine) -> None:
        asked = await beside(machine)
        await machine.supervisor.retire("scene.1", "removed")
        assert await asked != ""
        assert machine.phase("scene.1") is Phase.SHUTDOWN
        assert machine.supervisor.beside == {}

    play(story)


def test_a_second_restart_does_not_choose_where_the_first_one_runs(play) -> None:  # noqa: F811
    async def story(machine: Machine) -> None:
        machine.supervisor.installations.choose("scene.1", OLD, is_running=True)
        asked = await beside(machine)
        assert "is being restarted" in await machine.supervisor.restart("scene.1", "/opt/third/python")
        assert machine.supervisor.installations.of("scene.1") == NEW
        second = asyncio.ensure_future(machine.supervisor.restart("scene.1"))
        await asyncio.sleep(0)
        machine.of("scene.1")[-1].end(2)
        assert "goes on as it was" in await asked
        assert "goes on as it was" in await second
        assert machine.supervisor.installations.of("scene.1") == OLD
        assert len(machine.of("scene.1")) == 2

    play(story)
