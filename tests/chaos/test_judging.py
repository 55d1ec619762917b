"""From what was found to a verdict: what fails a run, what makes it say nothing, what is only shown."""

from typing import Any

import pytest

from mesh.checking.records import Book, Coins, Entry, Problem, State
from tools.bench.bench import Figure
from tools.chaos.judging import judge, proves, shown, times_of
from tools.chaos.result import Times
from tools.chaos.running import result_of
from tools.chaos.scenario import Found, Scenario, counted
from tools.chaos.show import lines


async def never(_arena: Any) -> Found:
    raise AssertionError


SOME = Scenario(
    "some",
    "Something.",
    (
        Figure("lost", "lost", "", 0, better="less", quick=True),
        Figure("gold_change", "coins", "", 0, better="less", quick=True),
        Figure("recovery_p99_ms", "back", "ms", 500, better="less"),
        Figure("odd", "odd things", "", 1, better="less", quick=True),
    ),
    never,
    faults=300,
    faults_quick=3,
    bound_ms=500,
)


def found(**changed: Any) -> Found:
    usual = {"faults": 300, "acked": 9, "applied": 9, "gold_before": 5, "gold_after": 5, "recovery_ms": [90.0, 100.0]}
    return Found(**{**usual, "reached": {"odd": 1}, **changed})


def test_a_run_without_problems_and_with_every_bound_kept_is_ok() -> None:
    verdict, why, judged = judge(SOME, found(), quick=False)
    assert (verdict, why) == ("OK", [])
    assert [one.reached for one in judged] == [0, 0, 100.0, 1]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"lost": 2}, "lost: 2, at most 0"),
        ({"gold_after": 6}, "coins: 1, at most 0"),
        ({"recovery_ms": [501.0]}, "back: 501 ms, at most 500 ms"),
        ({"problems": [Problem("order", "a before b"), Problem("order", "c")]}, "order: 2 x, such as: a before b"),
    ],
)
def test_what_does_not_hold_fails_it(changed: dict[str, Any], says: str) -> None:
    assert judge(SOME, found(**changed), quick=False)[:2] == ("FAILED", [says])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"invalid": ["no load"]}, "no load"),
        ({"reached": {}}, "odd things: not measured"),
        ({"recovery_ms": []}, "back: not measured"),
        ({"faults": 0}, "nothing was done to the cluster"),
    ],
)
def test_a_run_that_shows_nothing_is_not_ok(changed: dict[str, Any], says: str) -> None:
    assert judge(SOME, found(**changed), quick=False)[:2] == ("INVALID", [says])


def test_a_problem_is_worse_than_a_run_that_shows_little() -> None:
    assert judge(SOME, found(lost=1, faults=0), quick=False)[0] == "FAILED"


def test_a_short_run_judges_loss_and_not_times() -> None:
    assert judge(SOME, found(recovery_ms=[9000.0]), quick=True)[0] == "OK"
    assert judge(SOME, found(recovery_ms=[]), quick=True)[0] == "OK"
    assert judge(SOME, found(lost=1), quick=True)[0] == "FAILED"


def test_times_are_by_nearest_rank() -> None:
    assert times_of([]) == Times()
    assert times_of([float(number) for number in range(200)]) == Times(100.0, 198.0, 199.0)
    assert times_of([3.0]) == Times(3.0, 3.0, 3.0)


def test_some_problems_of_each_checker_are_shown() -> None:
    some = shown([Problem("lost", str(number)) for number in range(9)] + [Problem("gold", "x")])
    assert [problem.checker for problem in some] == ["lost"] * 5 + ["gold"]


def test_a_problem_takes_all_proof_away() -> None:
    assert "1 %" in proves(SOME, found())
    assert proves(SOME, found(problems=[Problem("gold", "x")])) == "nothing: 1 problems in 300 kills"


def test_the_result_has_what_scripts_need_and_says_how_to_run_it_again() -> None:
    result = result_of(SOME, found(), False, 7, {}, 0.0, 12.34)
    assert (result.ok, result.kills, result.acked, result.lost, result.doubled) == (True, 300, 9, 0, 0)
    assert (result.gold_before, result.gold_after, result.bound_ms, result.bound_of_rate) == (5, 5, 500, 0.01)
    assert result.recovery_ms == Times(100.0, 100.0, 100.0)
    assert result.command == "mesh chaos run some --kills 300 --seed 7"
    assert any("9 acknowledged" in line for line in lines(result))


def test_what_is_counted_comes_from_records_and_state() -> None:
    book = Book()
    for number in (1, 2, 3):
        line = book.call(1, number, "gold", (), 0.0)
        if number < 3:
            book.end(line, 1.0, "ok")
    state = State(ledger=[Entry(1, 1, "gold", [Coins(0, 1, 2)]), Entry(1, 3, "gold"), Entry(0, 0, "create")],
                  purses={0: -2, 1: 2})  # fmt: skip
    one = counted(book, state, 4, [Problem("again", "x")])
    assert (one.faults, one.acked, one.applied, one.unknown, one.lost) == (4, 2, 2, 1, 1)
    assert [problem.checker for problem in one.problems] == ["again", "lost"]
