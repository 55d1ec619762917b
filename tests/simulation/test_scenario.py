"""`mesh chaos run simulation`: what the program says, in the words of a scenario."""

from mesh.checking.records import Problem
from nodes.simulation.course import Verdict
from nodes.simulation.telling import summary_of
from tools.chaos import catalogue
from tools.chaos.scenarios.simulation import found_in


def test_problems_are_counted_by_their_checker_and_name_their_seed() -> None:
    broken = Verdict(4, "00", [Problem("lost", "operation 1/2: gone"), Problem("gold", "all purses hold 1")], [], 10, 5)
    found = found_in(summary_of([Verdict(3, messages=20, operations=7), broken], 1.0))
    assert found.problems == [
        Problem("lost", "seed 4: operation 1/2: gone"),
        Problem("gold", "seed 4: all purses hold 1"),
    ]
    assert (found.faults, found.acked, found.lost, found.doubled) == (2, 12, 1, 0)
    assert found.reached["failed_courses"] == 1
    assert any("--seed 4" in note for note in found.notes)


def test_it_is_in_the_catalogue() -> None:
    assert catalogue.load("simulation").what == "courses"
