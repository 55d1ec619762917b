"""One snapshot feeds every output, and the verdict tells a bad server from a bad generator."""

import csv
import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from tools.bots.history import Sums, point
from tools.bots.increments import Increment, Phase, Totals
from tools.bots.neighbours import PLACE, Expectation
from tools.bots.options import Options
from tools.bots.report import HISTORY_COLUMNS, STATS_COLUMNS, render, write_csv
from tools.bots.result import MISTAKE, NOTHING, QUEUED, UNQUEUED, Aside, Finding, Result, ServerUse, build
from tools.bots.shape import load
from tools.bots.statistics import Latencies, Series, encode_series


def series(ms: float, count: int = 100) -> Series:
    made = Series()
    made.raw.record(ms / 1000, count)
    made.corrected.record(ms / 1000, count)
    return made


def increment(
    worker: int = 0, phase: Phase = "window", updates: int = 10_000, lag_ms: float = 1.0, **other: object
) -> Increment:
    lag = Latencies()
    lag.record(lag_ms / 1000, 100)
    fields: dict[str, object] = {
        "worker": worker,
        "phase": phase,
        "elapsed_s": 10.0,
        "cpu_s": 5.0,
        "rss_bytes": 50_000_000,
        "players": 50,
        "starting": 0,
        "entered": 50,
        "moves": 5000,
        "moves_missed": 0,
        "updates": updates,
        "updates_other": 7,
        "first_due": 100.0,
        "last_entered": 101.0,
        "lag": lag.encode(),
        "series": {"login": encode_series(series(50)), "move": encode_series(series(90))},
    }
    return Increment(**(fields | other))  # type: ignore[arg-type]


def expectation(neighbours: int = 2) -> Expectation:
    made = Expectation()
    made.sample(np.array([(1, 50, 0, 0)] * (neighbours + 1), PLACE))
    return made


def result_of(*said: Increment, users: int = 100, aside: Aside = NOTHING) -> Result:
    totals = Totals()
    for one in said:
        totals.add(one)
    options = Options(gates=[], key_file="", users=users, processes=2)
    return build(options, totals, expectation(), [ServerUse("gate.1", 7, 0.5, 60.0)], aside)


def test_workers_add_up() -> None:
    result = result_of(increment(0), increment(1))
    assert (result.verdict, result.reasons) == ("OK", [])
    assert (result.players, result.logged_in, result.logins_per_s) == (100, 100, 100.0)
    assert (result.moves_per_s, result.updates_per_s, result.expected_updates_per_s) == (1000.0, 2000.0, 2000.0)
    assert result.ratio == 1.0
    assert result.move_ms.p99 == pytest.approx(90, rel=0.01)
    assert [(w.worker, w.cpu, w.rss_mb) for w in result.workers] == [(0, 0.5, 50.0), (1, 0.5, 50.0)]


def test_moves_before_and_after_the_window_do_not_count() -> None:
    slow = {"move": encode_series(series(900))}
    ends: list[Increment] = [increment(phase=phase, entered=0, series=slow, moves=99_999) for phase in ("start", "end")]
    result = result_of(*ends, increment(0), increment(1))
    assert result.move_ms.max == pytest.approx(90, rel=0.01)
    assert result.moves_per_s == 1000.0
    assert result.logged_in == 100


def test_a_run_that_was_stopped_before_its_window_shows_what_there_is() -> None:
    result = result_of(increment(phase="start"))
    assert result.moves_per_s == 500.0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"updates": 4000}, "expected updates"),
        ({"entered": 49}, "1 of 100 bots did not get in"),
        ({"entered": 40, "counts": {QUEUED: 15, UNQUEUED: 5}}, "10 of 100 bots did not get in: 10 wait in the queue"),
        ({"entered": 49, "counts": {QUEUED: 4, UNQUEUED: 3}}, "did not get in: 1 waits in the queue"),
        ({"errors": {"disconnected: idle": 1}}, "1 error,"),
        ({"series": {"move": encode_series(series(250))}}, "move p99"),
        ({"series": {"login": encode_series(series(1500, 50))}}, "login p99"),
    ],
)
def test_a_server_that_breaks_a_limit_has_failed(change: dict[str, object], word: str) -> None:
    result = result_of(increment(0, **change), increment(1))  # type: ignore[arg-type]
    assert result.verdict == "FAILED"
    assert any(word in reason for reason in result.reasons), result.reasons


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"lag_ms": 80.0}, "were late"),
        ({"cpu_s": 9.9}, "of a core"),
        ({"moves_missed": 400}, "left out"),
    ],
)
def test_bots_that_could_not_keep_up_make_a_run_invalid(change: dict[str, object], word: str) -> None:
    result = result_of(increment(0, updates=1, **change), increment(1))  # type: ignore[arg-type]
    assert result.verdict == "INVALID"
    assert any(word in reason for reason in result.reasons), result.reasons
    assert any("expected updates" in reason for reason in result.reasons), "what failed is told, too"


def test_a_generator_that_ran_out_of_something_is_invalid() -> None:
    result = result_of(increment(0), increment(1), aside=Aside(stopped=("the bots' machine ran out of ports 3 times",)))
    assert result.verdict == "INVALID"


def test_a_scenario_that_goes_wrong_says_nothing_about_the_servers() -> None:
    result = result_of(increment(0, errors={f"{MISTAKE}own.py:7: KeyError: 'x'": 3}), increment(1))
    assert result.verdict == "INVALID"
    assert result.reasons == ["the scenario itself went wrong 3 times, such as own.py:7: KeyError: 'x'"]


def test_what_a_scenario_must_show_counts() -> None:
    found = [Finding("lost, doubled", "1, 0", "0, 0", False), Finding("crossings", "9", "> 0")]
    result = result_of(increment(0), increment(1), aside=Aside(findings=found))
    assert result.verdict == "FAILED"
    assert result.reasons == ["lost, doubled: 1, 0, must be 0, 0"]


def test_with_a_shape_only_logins_that_failed_are_missing() -> None:
    totals = Totals()
    totals.add(increment(0, started=51, entered=50))
    shape = load("steady")
    options = Options(gates=[], key_file="", users=900, shape=shape, speed=60.0)
    aside = Aside(left_out=3)
    result = build(options, totals, expectation(), [], aside)
    assert (result.verdict, result.shape, result.left_out) == ("OK", "steady", 3)
    failed = series(50)
    failed.failures = 1
    totals.add(increment(0, started=1, entered=0, series={"login": encode_series(failed)}))
    result = build(options, totals, expectation(), [], aside)
    assert "1 of 52 logins failed" in result.reasons


def test_csv_files_have_locusts_columns(tmp_path: Path) -> None:
    totals = Totals()
    totals.add(increment(errors={"login: banned": 2}))
    second = point(totals.whole, Sums(), 1_700_000_000.5, 1.0, "window", [], [], 0.5)
    paths = write_csv(str(tmp_path / "out" / "run"), totals, [second])
    assert [p.name for p in paths] == [
        "run_stats.csv",
        "run_stats_history.csv",
        "run_failures.csv",
        "run_exceptions.csv",
    ]
    stats, history, failures, _ = [list(csv.reader(path.read_text().splitlines())) for path in paths]
    assert stats[0] == STATS_COLUMNS
    assert stats[0][11:] == [
        "50%", "66%", "75%", "80%", "90%", "95%", "98%", "99%", "99.9%", "99.99%", "100%",
    ]  # fmt: skip
    assert [row[:2] for row in stats[1:]] == [["LOGIN", "login"], ["MOVE", "move"], ["", "Aggregated"]]
    assert stats[3][2] == "200"
    assert history[0] == HISTORY_COLUMNS
    assert all(len(row) == len(HISTORY_COLUMNS) for row in history)
    assert history[1][:2] == ["1700000000", "50"]
    assert failures[1:] == [["LOGIN", "login", "banned", "2"]]


def test_the_table_of_latencies_fits_into_eighty_cells() -> None:
    many = series(123.4, count=1_234_567)
    many.failures = 12_345
    result = result_of(increment(series={"login": encode_series(series(50)), "connect": encode_series(many)}))
    page = io.StringIO()
    Console(file=page, width=80).print(render(result))
    text = page.getvalue()
    assert "…" not in text
    assert "1,246,912" in text, "with those that failed"
    assert "failed: what the game refused" in text


def test_screen_and_json_show_the_same_snapshot() -> None:
    result = result_of(increment(0, updates=4000), increment(1))
    page = io.StringIO()
    Console(file=page, width=160).print(render(result))
    assert "FAILED" in page.getvalue()
    assert result.reasons[0] in page.getvalue()
    assert "70.0 % of 2,000 /s expected" in page.getvalue()
    again = msgspec.json.decode(msgspec.json.encode(result), type=Result)
    assert again == result


def judged(said: Increment, seen: Expectation, **options: object) -> Result:
    totals = Totals()
    totals.add(said)
    made = {"gates": [], "key_file": "", "users": 50, "scenario": "walk"} | options
    return build(Options(**made), totals, seen, [])  # type: ignore[arg-type]


LOGINS = {"login": encode_series(series(50))}


@pytest.mark.parametrize(("scenario", "verdict"), [("walk", "INVALID"), ("mixed", "INVALID"), ("chat", "OK")])
def test_nothing_measured_is_not_ok(scenario: str, verdict: str) -> None:
    result = judged(increment(series=LOGINS, updates=0), Expectation(), scenario=scenario)
    assert result.verdict == verdict
    assert result.notes[0].startswith("no move was measured")
    page = io.StringIO()
    Console(file=page, width=160).print(render(result))
    assert "note: no move was measured" in page.getvalue()
    assert result.reasons == (
        ["nothing was measured: no bot was ever in view of another one; -u"] if verdict == "INVALID" else []
    )


def test_a_series_without_a_value_shows_none() -> None:
    failed = Series()
    failed.fail()
    result = judged(increment(series=LOGINS | {"resume": encode_series(failed)}), expectation())
    page = io.StringIO()
    Console(file=page, width=160).print(render(result))
    row = next(line for line in page.getvalue().splitlines() if line.startswith("resume"))
    assert row.split() == ["resume", str(failed.count), "1", *"-------"]


@pytest.mark.parametrize(
    "options",
    [
        {"shape": load("steady")},
        {"scenario": "lines"},
        {"scenario": "portals"},
        {"scenario": "/own/courier.py"},
        {"returning": True},
    ],
)
def test_the_share_of_updates_is_not_judged_while_players_come_and_go(options: dict[str, object]) -> None:
    said = increment(updates=5000)
    assert judged(said, expectation()).verdict == "FAILED"
    result = judged(said, expectation(), **options)
    assert (result.verdict, bool(result.ratio_unjudged)) == ("OK", True)


def test_the_share_of_updates_is_not_judged_of_a_few() -> None:
    result = judged(increment(updates=500, entered=3, players=3), expectation(1), users=3)
    assert result.ratio_unjudged == "too few were in view of each other"
    assert result.verdict == "OK"


def test_a_mistake_of_the_bots_themselves_makes_a_run_invalid() -> None:
    result = result_of(increment(0, errors={"bot: wire.py:9: AssertionError": 2}), increment(1))
    assert result.verdict == "INVALID"
    assert result.reasons == ["the bots themselves went wrong 2 times, such as bot: wire.py:9: AssertionError"]
