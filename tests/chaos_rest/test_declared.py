"""What the scenarios declare, and the library that makes a wall clock jump."""

import subprocess
import sys
from pathlib import Path

import pytest

from mesh.checking.records import Problem
from tools.bench.build import NoCompilerError
from tools.chaos import catalogue
from tools.chaos.scenario import Found
from tools.chaos.scenarios import overload
from tools.chaos.wallclocks import WallClocks

NAMES = ("pubsub-gap", "clock-jump", "overload", "soak")


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_is_what_the_list_says(name: str) -> None:
    scenario = catalogue.load(name)
    assert (scenario.name, scenario.line) == (name, catalogue.SCENARIOS[name])
    assert 0 < scenario.faults_quick < scenario.faults
    judged = [figure for figure in scenario.figures if figure.quick]
    assert judged, "something is judged in the short form"
    assert [figure.name for figure in judged if figure.unit in ("ms", "s", "x")] == []


def test_the_figures_of_both_parts_of_overload_are_declared() -> None:
    declared = {figure.name for figure in catalogue.load("overload").figures}
    load = overload.Load("login", None, None, list, 5.0, 1.0, float)  # type: ignore[arg-type]
    assert set(load.reached()) <= declared


def test_what_both_parts_of_overload_have_found_is_added() -> None:
    one = Found(faults=2, acked=5, lost=1, reached={"a": 1.0}, problems=[Problem("x", "y")])
    both = overload.together(one, Found(faults=1, acked=7, unknown=3, reached={"b": 2.0}, notes=["n"]))
    assert (both.faults, both.acked, both.lost, both.unknown) == (3, 12, 1, 3)
    assert (both.reached, len(both.problems), both.notes) == ({"a": 1.0, "b": 2.0}, 1, ["n"])


PROGRAM = """
import sys, time, datetime
wall, mono = time.time(), time.monotonic()
print("ready", flush=True)
sys.stdin.readline()
print(round(time.time() - wall), round(time.monotonic() - mono), flush=True)
print(round(datetime.datetime.now().timestamp() - time.time()), flush=True)
"""


def test_a_wall_clock_jumps_at_that_moment_and_the_monotonic_one_does_not(tmp_path: Path) -> None:
    try:
        clocks = WallClocks(tmp_path, ["dc.1", "log.1"])
    except NoCompilerError:
        pytest.skip("needs a C compiler")
    environment = clocks.environments()["dc.1"]
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        clocks.jump("dc.1", -3600)
        program.stdin.write("go\n")
        program.stdin.flush()
        assert program.stdout.readline() == "-3600 0\n"
        assert program.stdout.readline() == "0\n", "every way to ask for the date is wrong by the same"
    assert (clocks.wrong_s("dc.1"), clocks.wrong_s("log.1")) == (-3600, 0)
