"""Seeded courses of the whole zone: what was promised holds, and a seed is the same course every time."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from mesh.checking.records import Problem
from mesh.errors import StorageError
from mesh.protocol.records import Operate
from nodes.dc import intake, pair
from nodes.dc.group import Waiting
from nodes.simulation.command import progress
from nodes.simulation.course import Verdict, run_course, run_plan
from nodes.simulation.disk import SimulatedStore
from nodes.simulation.plan import Kind, plan_of
from nodes.simulation.telling import story, summary_of

ROOT = Path(__file__).parent.parent.parent
SEEDS = 300


def simulate(*words: str, hashes: str = "") -> dict[str, Any]:
    """The command in a process of its own, as people run it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | ({"PYTHONHASHSEED": hashes} if hashes else {})
    program = [sys.executable, "-P", "-m", "nodes", "simulate", *words, "--json"]
    done = subprocess.run(program, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=1800, check=False)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_no_seed_breaks_a_promise() -> None:
    said = simulate("--seeds", str(SEEDS), "--workers", "2")
    assert said["failures"] == [], said["failed_seeds"]
    assert said["seeds"] == SEEDS
    # Something has happened in them: players won and traded, and every kind of fault was met.
    assert said["acked"] > 2 * SEEDS
    assert set(get_args(Kind)) == set(said["faults"])
    assert {"loot", "trade", "mail-send", "mail-take"} <= set(said["kinds"])
    assert said["switched_over"] > 5


def test_a_seed_is_the_same_course_in_the_same_process_and_in_another() -> None:
    first, second = run_course(11), run_course(11)
    assert first.messages > 500
    assert (first.digest, first.events, first.messages) == (second.digest, second.events, second.messages)
    assert first.digest != run_course(12).digest
    said = [simulate("--seed", "11", hashes=hashes)["digests"]["11"] for hashes in ("1", "2")]
    assert said[0] == said[1]


def test_workers_run_the_same_courses() -> None:
    alone, shared = (simulate("--seeds", "4", "--from", "20", "--workers", workers) for workers in ("1", "2"))
    assert alone["digests"] == shared["digests"]
    assert len(shared["digests"]) == 4


def test_it_says_how_far_it_is() -> None:
    assert progress(500, 10_000, 1, 60.0) == "500 of 10,000 courses, 1 failed, 500 a minute, 19.0 min left"


def test_plans_differ_and_repeat() -> None:
    plans = [plan_of(seed) for seed in range(200)]
    assert plans == [plan_of(seed) for seed in range(200)]
    assert len({plan.faults for plan in plans}) > 190


def test_a_failure_says_what_led_to_it_and_how_to_see_it_again() -> None:
    verdict = Verdict(17, "00", [Problem("lost", "operation 1/2 is not there")], ["   1.000 kill dc.1 for 0.05 s"])
    told = story(verdict)
    assert "lost: operation 1/2 is not there" in told
    assert "kill dc.1" in told
    assert "simulate --seed 17" in told
    summary = summary_of([verdict, Verdict(18)], 2.0)
    assert (summary["ok"], summary["failed_seeds"], summary["seeds_per_minute"]) == (False, [17], 60.0)


@pytest.mark.parametrize("seed", range(3))
def test_faults_come_in_their_order_and_end(seed: int) -> None:
    faults = [fault for fault in plan_of(seed).faults if fault.kind != "failpoint"]
    assert [fault.at_s for fault in faults] == sorted(fault.at_s for fault in faults)
    assert all(fault.lasts_s or fault.count or fault.kind == "sever" for fault in faults)


def test_a_dc_whose_commit_fails_ends_and_is_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    commit, failed = SimulatedStore.commit, list[int]()

    def broken(self: SimulatedStore) -> None:
        if self.commits == 15 and not failed:
            failed.append(self.commits)
            raise StorageError("the disk is broken")
        commit(self)

    monkeypatch.setattr(SimulatedStore, "commit", broken)
    verdict = run_plan(replace(plan_of(3), faults=(), pair=False))
    assert failed == [15]
    [problem] = verdict.problems
    assert (problem.checker, "a commit failed" in problem.text) == ("log", True)
    assert verdict.faults == {"failpoint": 1}, "its end is seen as that of one that dies by itself"


def test_a_plan_with_a_standby_strikes_it() -> None:
    struck = {fault.who for plan in map(plan_of, range(200)) if plan.pair for fault in plan.faults}
    alone = {fault.who for plan in map(plan_of, range(200)) if not plan.pair for fault in plan.faults}
    assert "dc.2" in struck
    assert "dc.2" not in alone


def test_in_courses_of_class_r_the_dc_hears_of_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Operate] = []

    class Noting(Waiting):
        def __new__(cls, apply: Any, new: Any, done: Any) -> Any:
            said.extend(one for one in new if isinstance(one, Operate))
            return Waiting(apply, new, done)

    for module in (intake, pair):
        monkeypatch.setattr(module, "Waiting", Noting)
    paired = [plan for plan in map(plan_of, range(30)) if plan.pair]
    for replicated in (True, False):
        plan = next(plan for plan in paired if plan.replicated is replicated)
        said.clear()
        assert run_plan(plan).problems == []
        assert {one.replicated for one in said} == {replicated}
    assert not any(plan.replicated for plan in map(plan_of, range(200)) if not plan.pair)
