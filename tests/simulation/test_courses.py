"""Seeded courses of the whole zone: what was promised holds, and a seed is the same course every time."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mesh.checking.records import Problem
from nodes.simulation.command import story, summary_of
from nodes.simulation.course import Verdict, run_course
from nodes.simulation.plan import plan_of

ROOT = Path(__file__).parent.parent.parent
SEEDS = 300


def simulate(*words: str, hashes: str = "") -> dict[str, Any]:
    """The command in a process of its own, as people run it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | ({"PYTHONHASHSEED": hashes} if hashes else {})
    program = [sys.executable, "-P", "-m", "nodes", "simulate", *words, "--json"]
    done = subprocess.run(program, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_no_seed_breaks_a_promise() -> None:
    said = simulate("--seeds", str(SEEDS))
    assert said["failures"] == [], said["failed_seeds"]
    assert said["seeds"] == SEEDS
    # Something has happened in them: players won and traded, and every kind of fault was met.
    assert said["acked"] > 2 * SEEDS
    assert {"kill", "stop", "cut", "part", "sever", "gap", "slow disk", "full disk", "failpoint"} == set(said["faults"])


def test_a_seed_is_the_same_course_in_the_same_process_and_in_another() -> None:
    first, second = run_course(11), run_course(11)
    assert first.messages > 500
    assert (first.digest, first.events, first.messages) == (second.digest, second.events, second.messages)
    assert first.digest != run_course(12).digest
    said = [simulate("--seed", "11", hashes=hashes)["digests"]["11"] for hashes in ("1", "2")]
    assert said[0] == said[1]


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
