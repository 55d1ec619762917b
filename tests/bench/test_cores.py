"""Cores: pinning with every thread, and who else worked on them."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import psutil
import pytest

from tools import machine
from tools.bench import cores, usage
from tools.bench.cluster import reason
from tools.bench.usage import Mark
from tools.ctl.exits import CommandError
from tools.machine import Times, disturbance, usable


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A process with a thread besides its first one."""
    program = "import threading, sys; threading.Thread(target=sys.stdin.read).start(); print(1, flush=True)"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        yield started
        started.kill()


def test_a_process_is_pinned_with_all_its_threads(child: subprocess.Popen[bytes]) -> None:
    cores.pin([child.pid], (0,))
    found = cores.threads(child.pid)
    assert len(found) == 2
    assert all(os.sched_getaffinity(thread) == {usable()[0]} for thread in found)


def test_one_that_has_ended_is_left_out(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    cores.pin([child.pid], (0,))
    assert machine.cpu_of(child.pid) is None
    assert machine.rss_of(child.pid) == 0.0


def test_this_process_gets_its_cores_back() -> None:
    before = os.sched_getaffinity(0)
    done = []

    def pinned() -> None:
        cores.pin([os.getpid()], (0,))
        done.append(os.sched_getaffinity(0))
        cores.unpin()

    thread = threading.Thread(target=pinned)
    thread.start()
    thread.join()
    assert len(done[0]) == 1
    assert os.sched_getaffinity(0) == before


def test_too_few_cores_are_said_with_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "usable", lambda: [3])
    with pytest.raises(CommandError, match=r"needs 2 cores.*may use 1"):
        cores.numbers((0, 1))
    assert cores.numbers((0,)) == [3]


@pytest.fixture(autouse=True)
def not_nice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the tests themselves are."""
    monkeypatch.setattr("os.nice", lambda _: 0)


@pytest.mark.parametrize(
    ("busy", "steal", "ours", "said", "invalid"),
    [
        (5.0, 0.0, 4.9, 0, 0),
        (5.0, 0.0, 4.0, 1, 0),
        (5.0, 0.0, 1.0, 0, 1),
        (5.0, 0.5, 5.0, 1, 0),
        (5.0, 2.0, 5.0, 0, 1),
        (5.0, 2.0, 1.0, 0, 2),
        (4.0, 0.0, 6.0, 0, 0),
    ],
)
def test_the_work_of_others_is_said_and_much_of_it_voids_the_run(
    busy: float, steal: float, ours: float, said: int, invalid: int
) -> None:
    words, void = disturbance(Times(0.0, 0.0, 0.0), Times(10.0, busy, steal), ours)
    assert (len(words), len(void)) == (said, invalid)


def test_a_process_that_ended_voids_the_run_and_the_others_are_told() -> None:
    own = os.getpid()
    before = Mark(0.0, {"gate.1": 10.0, "scene.1": 1.0}, Times(0.0, 0.0, 0.0))
    after = Mark(5.0, {"gate.1": 13.0}, Times(5.0, 3.5, 0.0))
    use = usage.between(before, after, {"gate.1": own, "scene.1": 1}, guests_s=0.5)
    assert use.invalid == ["scene.1 ended during the run"]
    assert use.disturbed == []
    assert [(one.name, one.cpu) for one in use.processes] == [("gate.1", 0.6)]
    assert use.cpu_s() == use.cpu_s("gate") == pytest.approx(3.0)
    assert use.cpu_s("scene") == 0.0
    assert use.rss_mb("gate") == pytest.approx(psutil.Process(own).memory_info().rss / 1e6, rel=0.2)
    assert use.notes == []


def test_of_a_start_that_failed_the_reason_is_told_and_not_its_whole_story() -> None:
    story = [
        "gate.1 is Ready",
        "scene.1 starts again",
        "cluster c1 did not start: scene.1 ended 3 times",
        "    NameError",
    ]
    assert reason(story) == story[2:]
    assert reason(["port 12700 is taken"]) == ["port 12700 is taken"]


def test_without_knowing_the_guests_nobody_is_accused() -> None:
    before, after = Mark(0.0, {"gate.1": 0.0}, Times(0.0, 0.0, 0.0)), Mark(5.0, {"gate.1": 1.0}, Times(5.0, 9.0, 0.0))
    assert usage.between(before, after, {"gate.1": os.getpid()}, None).invalid == []


def test_a_process_of_several_nodes_counts_for_each_of_its_roles() -> None:
    assert usage.roles_of("center.1+login.1+scene.1+gate.1") == {"center", "login", "scene", "gate"}


def test_a_run_that_is_nice_itself_does_not_hide_the_work_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.nice", lambda _: 5)
    _, void = disturbance(Times(0.0, 0.0, 0.0), Times(10.0, 8.0, 0.0), 10.0)
    assert "other processes used 80 % of a core" in void[0]
