"""From figures to a verdict, and into words."""

from io import StringIO

import pytest
from rich.console import Console

from tools.bench.bench import Bench, Better, Figure, Outcome, judge, judgement, written
from tools.bench.result import Judgement
from tools.bench.show import figures


async def nothing(_ground: object) -> Outcome:
    return Outcome()


def bench(*figures: Figure) -> Bench:
    return Bench("some", "Something.", figures, nothing)


RATE = Figure("rate", "logins", "/s", required=600, aim=1000)
P99 = Figure("p99_ms", "p99", "ms", required=200, better="less", quick=True)


@pytest.mark.parametrize(
    ("reached", "better", "found"),
    [
        (1000.0, "more", "aim"),
        (999.0, "more", "required"),
        (600.0, "more", "required"),
        (599.9, "more", "missed"),
        (None, "more", "unmeasured"),
        (600.0, "less", "aim"),
        (1000.0, "less", "required"),
        (1000.1, "less", "missed"),
    ],
)
def test_a_figure_is_held_against_what_is_required_and_against_the_aim(
    reached: float | None, better: Better, found: Judgement
) -> None:
    required, aim = (600.0, 1000.0) if better == "more" else (1000.0, 600.0)
    assert judgement(Figure("x", "x", "", required, aim, better), reached, quick=False) == found


def test_a_full_run_fails_by_what_it_missed_and_by_what_it_did_not_measure() -> None:
    verdict, why, judged = judge(bench(RATE, P99), Outcome(reached={"rate": 580.0}), quick=False)
    assert verdict == "FAILED"
    assert why == ["logins: 580 /s, at least 600 /s", "p99: not measured"]
    assert [one.judgement for one in judged] == ["missed", "unmeasured"]


def test_a_quick_run_is_judged_only_by_the_figures_that_few_players_can_show() -> None:
    verdict, why, judged = judge(bench(RATE, P99), Outcome(reached={"rate": 5.0}, p99_ms=130.0), quick=True)
    assert (verdict, why) == ("OK", [])
    assert [one.judgement for one in judged] == ["unjudged", "required"]
    assert judge(bench(RATE, P99), Outcome(p99_ms=230.0), quick=True)[0] == "FAILED"


def test_a_limit_that_a_quick_run_is_not_held_to_says_so() -> None:
    _, _, judged = judge(bench(RATE, P99), Outcome(reached={"rate": 5.0}, p99_ms=130.0), quick=True)
    console = Console(width=100, file=StringIO())
    console.print(figures(judged))
    assert isinstance(console.file, StringIO)
    row = next(line for line in console.file.getvalue().splitlines() if "logins" in line)
    assert row.split()[-2:] == ["not", "judged"]


def test_a_run_that_says_nothing_is_invalid_however_good_its_figures_are() -> None:
    outcome = Outcome(reached={"rate": 2000.0}, p99_ms=1.0, invalid=["gate.1 ended during the run"])
    verdict, why, _ = judge(bench(RATE, P99), outcome, quick=False)
    assert (verdict, why) == ("INVALID", ["gate.1 ended during the run"])


def test_what_a_machine_may_not_have_is_missed_only_when_it_was_measured() -> None:
    other = Figure("behind", "the other one", "x", required=1.5, optional=True)
    assert judge(bench(other), Outcome(), quick=False)[0] == "OK"
    assert judge(bench(other), Outcome(reached={"behind": 1.4}), quick=False)[0] == "FAILED"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "-"),
        (12_345.6, "/s", "12,346 /s"),
        (13.04, "us", "13.0 us"),
        (1.234, "x", "1.23 x"),
        (3.0, "", "3"),
        (100.04, "%", "100 %"),
    ],
)
def test_numbers_are_written_with_the_digits_that_mean_something(value: float | None, unit: str, text: str) -> None:
    assert written(value, unit) == text
