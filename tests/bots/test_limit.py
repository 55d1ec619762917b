"""The search for the limit: objectives, steps, and what the bottleneck is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bots.test_result import increment, series
from tools.bots.bottleneck import Load, bottlenecks
from tools.bots.increments import Total, Totals
from tools.bots.objective import DEFAULT, Checked, check, parse
from tools.bots.options import Limits
from tools.bots.ramp import Step, invalid, sentence, sentence_of, show
from tools.bots.result import MISTAKE, ServerUse
from tools.bots.search import Bounds, Search
from tools.bots.servers import Ticks
from tools.bots.statistics import encode_series


def total(**fields: object) -> Total:
    made = Total()
    made.add(increment(0, **fields))  # type: ignore[arg-type]
    return made


# --- objectives ---


def test_an_objective_is_read() -> None:
    clauses = parse("move.p99<200ms, login.p99.9<=1.5s,attack.mean<300us,errors<=3,ratio>=95%,crossing.max<50")
    assert [(c.measure, c.statistic, c.comparison, c.limit) for c in clauses] == [
        ("move", "p99", "<", 200.0),
        ("login", "p99.9", "<=", 1500.0),
        ("attack", "mean", "<", 0.3),
        ("errors", "", "<=", 3.0),
        ("ratio", "", ">=", 0.95),
        ("crossing", "max", "<", 50.0),
    ]
    assert len(parse(DEFAULT)) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no clause"),
        ("move.p99=200ms", "is not a clause"),
        ("move.p42<200ms", "is not a clause"),
        ("move<200ms", "needs .p50"),
        ("errors.p99<1", "stand alone"),
        ("errors<1s", "errors without a unit"),
        ("ratio>0.9", "ratio is given in %"),
        ("move.p99<90%", "times in us, ms or s"),
    ],
)
def test_what_is_no_objective_is_refused(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text)


def test_clauses_are_checked_against_the_step() -> None:
    slow = {"login": encode_series(series(1500)), "move": encode_series(series(90))}
    quick = {"login": encode_series(series(10)), "move": encode_series(series(250))}
    checked = check(
        parse("move.p99<200ms,login.p99<1s,attack.p99<1ms,errors<=0,ratio>=95%"),
        total(series=slow),
        total(series=quick, errors={"x": 2}),
        0.97,
    )
    assert [one.ok for one in checked] == [False, False, True, False, True]
    assert checked[1].value == pytest.approx(1500, rel=0.01), "logins count while players come, too"
    assert checked[2].value is None, "nobody attacked: shown as missing, neither held nor broken"
    assert check(parse("ratio>=95%"), Total(), Total(), 0.0)[0].value is None


# --- steps ---


def climb(limit: int, bounds: Bounds) -> Search:
    search = Search(bounds)
    while search.wanted is not None:
        search.tell(search.wanted <= limit, search.steps * 20.0)
    return search


@given(st.integers(1, 4000), st.integers(1, 300))
def test_the_limit_is_found_closely(limit: int, start: int) -> None:
    search = climb(limit, Bounds(start=start, users_max=5000, steps_max=60, time_s=1e9))
    assert search.held <= limit < search.broke
    assert search.broke - search.held <= max(0.05 * search.held, 1) or search.broke == 1
    assert "between" in search.ended


def test_steps_are_coarse_first_and_fine_then() -> None:
    search, wanted = Search(Bounds(start=100)), []
    while search.wanted is not None:
        wanted.append(search.wanted)
        search.tell(search.wanted <= 300, 0.0)
    assert wanted == [100, 160, 256, 410, 333, 294, 313, 303]


@pytest.mark.parametrize(
    ("limit", "bounds", "words"),
    [
        (10_000, Bounds(users_max=400), "with 400 players nothing broke"),
        (3000, Bounds(steps_max=3), "after 3 steps"),
        (3000, Bounds(time_s=40.0), "after 40 s"),
        (0, Bounds(start=1), "between 0 and 1 players"),
    ],
)
def test_a_search_is_bounded(limit: int, bounds: Bounds, words: str) -> None:
    search = climb(limit, bounds)
    assert words in search.ended
    assert search.held <= bounds.users_max


# --- bottlenecks ---

GATE, SCENE = ServerUse("gate.1", 7, 0.4, 60.0), ServerUse("scene.1", 8, 0.2, 60.0)


def load(servers: list[ServerUse], ticks: list[Ticks] | None = None, busy: float = 0.5) -> Load:
    return Load(servers, ticks or [], 100.0, busy, 2, 0.4)


def test_a_full_process_is_named() -> None:
    full = ServerUse("gate.1", 7, 0.97, 60.0)
    assert bottlenecks(load([SCENE, full])) == ["gate.1 CPU 97 %"]


def test_the_fullest_comes_first_and_the_machine_last() -> None:
    servers = [ServerUse("gate.1", 7, 0.9, 60.0), ServerUse("scene.1", 8, 0.99, 60.0)]
    found = bottlenecks(load(servers, [Ticks("scene.1", 100, 60.0, 100.0, 5)], busy=0.98))
    assert found[0].startswith("scene.1")
    assert found[2] == "gate.1 CPU 90 %"
    assert found[3] == "the machine: 98 % of 2 cores busy (189 % servers, 40 % bots, of one core)"


def test_late_ticks_are_a_bottleneck_without_a_full_process() -> None:
    assert bottlenecks(load([SCENE], [Ticks("scene.1", 100, 30.0, 100.0, 0)])) == [
        "scene.1 ticks of up to 100 ms, every 100 ms"
    ]
    assert "2 skipped" in bottlenecks(load([SCENE], [Ticks("scene.1", 100, 3.0, 10.0, 2)]))[0]


def test_when_nothing_is_full_it_is_said() -> None:
    assert bottlenecks(load([SCENE, GATE])) == ["none in sight: gate.1 is the busiest with CPU 40 %"]
    assert bottlenecks(load([])) == ["not known: no server process could be looked at"]


# --- words ---


def step(wanted: int, *checked: Checked, invalid: list[str] | None = None) -> Step:
    return Step(
        0.0, wanted, wanted, 10.0, list(checked), invalid or [], 1000, 2.0, [0.2], [GATE], [], 0.5, ["gate.1 CPU 97 %"]
    )


def test_the_outcome_is_one_sentence() -> None:
    search = climb(2400, Bounds(start=1000, steps_max=60))
    broken = step(search.broke, Checked("move.p99<200ms", 321.0, False))
    text = sentence("OK", search, broken.bottlenecks, broken)
    assert text == (
        f"{search.held:,} players here, bottleneck: gate.1 CPU 97 % (with {search.broke:,}: move.p99 321 ms (<200ms))"
    )
    assert sentence_of(broken) == f"  {search.broke:,} players  BROKEN   move.p99 321 ms (<200ms)"


def test_when_the_bots_are_the_bottleneck_it_is_said() -> None:
    search = Search(Bounds(start=1000))
    search.tell(True, 0.0)
    tired = step(1600, invalid=["the bots were late: p99 80 ms, limit 50 ms"])
    assert not tired.ok
    assert sentence("INVALID", search, [], tired) == (
        "1,000 players are carried; with 1,600 the bots were the bottleneck, not the servers"
    )
    assert "INVALID  the bots were late" in sentence_of(tired)


def test_no_break_and_an_immediate_one_are_told_apart() -> None:
    none = climb(9999, Bounds(start=100, users_max=100))
    assert sentence("OK", none, [], step(100)) == "100 players and more: with 100 players nothing broke (--max-users)"
    first = climb(0, Bounds(start=1))
    assert sentence("FAILED", first, ["x"], step(1)).startswith("not even 1 players here, bottleneck: x")


def test_values_are_shown_in_their_unit() -> None:
    shown = [show(Checked("ratio>=95%", 0.971, True)), show(Checked("errors<=0", 2.0, False))]
    assert shown == ["ratio 97.1 % (>=95%)", "errors 2 (<=0)"]
    assert show(Checked("login.p99<1s", None, True)) == "login.p99 - (<1s)"
    assert show(Checked("all players in the world", 9.0, False)) == "all players in the world: 9"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"lag_ms": 80.0}, "were late"),
        ({"cpu_s": 9.9}, "of a core"),
        ({"moves_missed": 400}, "left out"),
        ({"errors": {f"{MISTAKE}own.py:1: x": 1}}, "scenario itself"),
    ],
)
def test_a_step_in_which_the_bots_could_not_keep_up_is_invalid(change: dict[str, object], word: str) -> None:
    assert any(word in reason for reason in invalid(total(**change), Limits(), ()))
    assert invalid(total(), Limits(), ()) == []
    assert invalid(total(), Limits(), ("out of ports",)) == ["out of ports"]


def test_a_step_is_added_up_apart() -> None:
    totals = Totals()
    totals.begin_step(1)
    totals.add(increment(0, "start", step=1))
    totals.add(increment(0, "window", step=1))
    totals.begin_step(2)
    totals.add(increment(0, "window", step=1))  # said before the worker heard of the next step
    totals.add(increment(0, "start", step=2))
    totals.add(increment(0, "window", step=2))
    assert (totals.step.moves, totals.held.moves, totals.whole.moves) == (10_000, 5000, 25_000)
