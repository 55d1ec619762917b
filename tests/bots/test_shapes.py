"""Shapes are read with everything that is wrong in them, and the timetable follows the curve."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.bots.attendance import Attendance
from tools.bots.lengths import Lengths
from tools.bots.options import Options
from tools.bots.shape import FOLDER, NAMES, Drops, Shape, load, parse
from tools.bots.visits import REST_S, Visit, expected_players, plan_visits, wanted_players
from tools.ctl.exits import CommandError, Exit

GOOD = """
text = "Something."
length = "10m"
players = [["0s", 0.5], ["5m", 1.0]]
[session]
kind = "exponential"
mean = "2m"
"""

LENGTHS = [
    Lengths("fixed", mean="10m"),
    Lengths("exponential", mean="10m"),
    Lengths("weibull", mean="10m", shape=0.5),
    Lengths("weibull", mean="10m", shape=2.0),
    Lengths("lognormal", median="8m", sigma=0.7),
]
named = pytest.mark.parametrize("lengths", LENGTHS, ids=lambda one: f"{one.kind}-{one.shape or one.sigma}")


def shape(text: str) -> Shape:
    return parse(text, Path("own.toml"))


def refusal(text: str) -> str:
    with pytest.raises(CommandError) as refused:
        shape(text)
    assert refused.value.exit_code == Exit.USAGE
    return str(refused.value)


def players_at(visits: list[Visit], at_s: float) -> int:
    return sum(visit.starts <= at_s < visit.ends for visit in visits)


# --- how long something lasts ---


@named
def test_drawn_lengths_have_the_mean_and_the_survival_that_they_promise(lengths: Lengths) -> None:
    drawn = lengths.draw((np.arange(200_000) + 0.5) / 200_000)
    assert drawn.mean() == pytest.approx(lengths.mean_s, rel=0.02)
    for at in (60.0, 300.0, 900.0):
        assert (drawn > at).mean() == pytest.approx(lengths.survival(np.array([at]))[0], abs=0.01)


@named
def test_the_rest_of_a_session_is_that_of_who_is_met_in_the_middle_of_it(lengths: Lengths) -> None:
    """Against the definition: long sessions are met more often, each at a moment that is anywhere in it."""
    random = np.random.default_rng(1)
    drawn = lengths.draw(random.random(100_000))
    met = random.choice(drawn, 200_000, p=drawn / drawn.sum())
    rest = met * random.random(len(met))
    ours = lengths.draw_rest((np.arange(100_000) + 0.5) / 100_000)
    for share in (0.25, 0.5, 0.75, 0.9):
        assert np.quantile(ours, share) == pytest.approx(np.quantile(rest, share), rel=0.05)
    at = np.array([30.0, 300.0, 1200.0])
    assert lengths.rest_survival(at) == pytest.approx([(ours > one).mean() for one in at], abs=0.01)


def test_a_weibull_length_is_the_one_of_the_literature() -> None:
    """Form 0.5 and scale 20 minutes have a mean of 40 minutes and a median of 20 ln(2)^2."""
    median = Lengths("weibull", mean="40m", shape=0.5).draw(np.array([0.5]))[0]
    assert median == pytest.approx(1200 * math.log(2) ** 2)


def test_who_stays_for_ever_does() -> None:
    forever = Lengths("forever")
    assert np.isinf(forever.draw(np.array([0.1, 0.9]))).all()
    assert forever.survival(np.array([1e9]))[0] == 1.0


# --- the files ---


@pytest.mark.parametrize("name", NAMES)
def test_the_shapes_that_come_along_hold_together(name: str) -> None:
    found = load(name)
    assert (found.name, found.text.endswith("."), bool(found.source)) == (name, True, True)
    assert max(share for _, share in found.players) <= 1


def test_no_shape_comes_along_unnamed() -> None:
    folder = Path(__file__).parents[2] / "tools" / "bots" / FOLDER
    assert sorted(NAMES) == sorted(path.stem for path in folder.glob("*.toml"))


def test_a_shape_is_read() -> None:
    found = shape(GOOD + '[drops]\nevery = "3m"\naway = "5s"\n')
    assert (found.name, found.length_s, found.players) == ("own", 600.0, [(0.0, 0.5), (300.0, 1.0)])
    assert found.arrivals == "poisson"
    assert found.drops is not None
    assert (found.drops.every_s, found.drops.away_s) == (180.0, 5.0)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('length = "10m"', 'length = "soon"', "length: 'soon' is not a duration"),
        ('length = "10m"', 'length = "0s"', "length: must be more than nothing"),
        ('["0s", 0.5]', '["1s", 0.5]', 'the first point must be at "0s"'),
        ('["5m", 1.0]', '["0s", 1.0]', "later than the one before"),
        ('["5m", 1.0]', '["11m", 1.0]', "after the end"),
        ('["5m", 1.0]', '["5m", 1.5]', "from 0 to 1"),
        ('[["0s", 0.5], ["5m", 1.0]]', '[["0s", 0.0]]', "nobody ever comes"),
        ('[["0s", 0.5], ["5m", 1.0]]', "[]", "from 1 to 1000 points"),
        ('[["0s", 0.5], ["5m", 1.0]]', '[["0s"]]', "players[0]"),
        ('kind = "exponential"', 'kind = "often"', "session.kind"),
        ('kind = "exponential"', 'kind = "weibull"', "takes mean and shape, and this has mean"),
        ('mean = "2m"', 'mean = "0s"', "more than nothing"),
        ('mean = "2m"', "", "takes mean, and this has nothing"),
        ("text =", "txt =", "txt"),
        ("text =", "text", "line 2"),
        ("[session]", '[gather]\nfrom = "2m"\nuntil = "1m"\nradius_m = 0.0\n[session]', "until must be later"),
        ("[session]", '[drops]\nevery = "0s"\naway = "1s"\n[session]', "drops: every and away"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(old: str, new: str, words: str) -> None:
    text = refusal(GOOD.replace(old, new))
    assert text.startswith("own.toml: ")
    assert words in text


def test_everything_that_is_wrong_is_named_at_once() -> None:
    text = refusal(GOOD.replace('["0s", 0.5]', '["1s", 2.0]').replace('["5m", 1.0]', '["11m", 1.0]'))
    assert text.count("own.toml: ") == 3


def test_a_name_that_there_is_not_is_answered_with_those_that_come_close() -> None:
    for name, words in (
        ("stedy", "did you mean steady?"),
        ("zzz", "there are battle"),
        ("no/such.toml", "No such file"),
    ):
        with pytest.raises(CommandError, match=words):
            load(name)


# --- who comes when ---


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_players_follows_the_curve(name: str) -> None:
    """Where the curve falls, no faster than sessions end: shape mmorpg has long ones."""
    found = load(name)
    timetable = plan_visits(found, 2000, 1.0, 100.0, seed=3)
    at = np.linspace(0.02, 0.7, 20) * found.length_s
    for when, wanted in zip(at, expected_players(found, 2000, at), strict=True):
        assert players_at(timetable.visits, when) == pytest.approx(wanted, abs=110 + 0.05 * wanted)


@given(st.floats(0.5, 600), st.integers(1, 300), st.sampled_from(NAMES), st.integers(0, 9))
def test_nobody_is_in_two_places_at_once(speed: float, users: int, name: str, seed: int) -> None:
    timetable = plan_visits(load(name), users, speed, 50.0, seed)
    until: dict[int, float] = {}
    for visit in timetable.visits:
        assert 0 <= visit.number < users
        assert visit.starts >= until.get(visit.number, -math.inf) + REST_S
        assert visit.ends > visit.starts
        until[visit.number] = visit.ends
    starts = [visit.starts for visit in timetable.visits]
    assert starts == sorted(starts)


def test_the_same_seed_gives_the_same_timetable_and_speed_only_compresses_it() -> None:
    steady = load("steady")
    one, other = plan_visits(steady, 300, 1.0, 50.0, 1), plan_visits(steady, 300, 1.0, 50.0, 1)
    assert one == other
    assert plan_visits(steady, 300, 1.0, 50.0, 2) != one
    fast = plan_visits(steady, 300, 10.0, 50.0, 1)
    assert fast.length_s == steady.length_s / 10
    arrivals = [sum(visit.starts > 0 for visit in table.visits) for table in (one, fast)]
    assert arrivals[1] == pytest.approx(arrivals[0], rel=0.1)


def test_who_is_in_at_the_beginning_logs_in_before_it_at_the_spawn_rate() -> None:
    visits = plan_visits(load("steady"), 100, 1.0, 20.0, 1).visits
    before = [visit for visit in visits if visit.starts < 0]
    assert len(before) == 90
    assert (before[0].starts, before[-1].starts) == (-4.5, pytest.approx(-0.05))
    assert all(visit.ends > 0 for visit in before)


def test_what_a_shape_wants_is_known_at_every_moment_of_a_run() -> None:
    options = Options([], "", users=100, spawn_rate=10.0, shape=shape(GOOD), speed=10.0)
    at = [wanted_players(options, elapsed_s) for elapsed_s in (0.0, 5.0, 20.0, 35.0, 99.0)]
    assert at == [50.0, 50.0, 75.0, 100.0, 100.0], "it begins when those who are in at its beginning have come"
    assert wanted_players(Options([], ""), 3.0) is None


def test_arrivals_that_find_nobody_free_are_counted() -> None:
    crowded = shape(GOOD.replace('["5m", 1.0]', '["1s", 1.0]'))
    timetable = plan_visits(crowded, 10, 1.0, 100.0, 1)
    assert timetable.left_out > 0
    assert max(players_at(timetable.visits, at) for at in range(600)) <= 10


def test_even_arrivals_come_evenly() -> None:
    storm = plan_visits(load("boot-storm"), 100, 1.0, 50.0, 1).visits
    gaps = np.diff([visit.starts for visit in storm])
    assert len(storm) == 100
    assert gaps == pytest.approx(np.full(99, 0.1), abs=0.02)


def test_attendance_tells_each_thing_once() -> None:
    visits = [Visit(-1.0, 5.0, 0), Visit(2.0, math.inf, 3)]
    attendance = Attendance(visits, began=100.0, drops=None, speed=1.0, seed=1)
    assert list(attendance.due(98.9)) == []
    assert list(attendance.due(99.5)) == [(0, 99.0)]
    assert list(attendance.due(110.0)) == [(3, 102.0)]
    assert list(attendance.leaving(110.0)) == [0]
    assert list(attendance.leaving(1e9)) == []
    assert list(attendance.dropping(1e9)) == []


def test_connections_break_as_often_as_they_should_and_not_after_the_end() -> None:
    drops = Drops("3m", "5s")
    visits = [Visit(0.0, 3600.0, number) for number in range(200)]
    attendance = Attendance(visits, 0.0, drops, speed=10.0, seed=1)
    list(attendance.due(0.0))
    times = []
    for now in range(0, 4000, 10):
        times += [(now, away_s) for _, away_s in attendance.dropping(float(now))]
    per_visit = len(times) / 200
    assert per_visit == pytest.approx(3600 / (18.0 + 0.6), rel=0.05)
    assert np.mean([away_s for _, away_s in times]) == pytest.approx(0.56, abs=0.06), "exponential, but not below 0.2 s"
    assert max(now for now, _ in times) <= 3600
