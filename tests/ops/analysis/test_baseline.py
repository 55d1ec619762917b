"""What is normal: learned from ordinary values and not from outliers; adopted when it lasts; known after a restart."""

import numpy as np
import pytest

from nodes.ops.analysis.baseline import ADOPT_S, WARM_S, Baselines
from nodes.ops.analysis.forms import Signal
from nodes.ops.analysis.seasons import HOURS, Seasons, hour_of_week
from nodes.ops.analysis.signals import Slot
from tests.ops.analysis.synthetic import DAY, HOUR, MONDAY

LATENCY = Slot(Signal(name="latency", text="", floor=0.005), "dc.1", "dc.1", "one")
LOW = Slot(Signal(name="players", text="", floor=30.0, low=True, times=2.0), "zone:one", "", "one")


class Normal:
    """Baselines of one slot, fed second by second."""

    def __init__(self, slot: Slot = LATENCY, baselines: Baselines | None = None) -> None:
        self.slot, self.baselines, self.now_s = slot, baselines or Baselines(), MONDAY
        self.chance = np.random.default_rng(3)

    def go(
        self,
        seconds: float,
        value: float,
        *,
        noise: float = 0.1,
        step_s: float = 1.0,
        held: bool = False,
        found: bool = False,
    ) -> list[bool]:
        beyond = []
        for _ in range(int(seconds / step_s)):
            self.now_s += step_s
            now = np.array([value * np.exp(self.chance.normal(0, noise))])
            self.baselines.look([self.slot], now, self.now_s, step_s, np.array([held]), np.array([found]))
            beyond.append(bool(self.baselines.beyond[0]))
        return beyond

    @property
    def level(self) -> float:
        return self.baselines.band(0)[1]


def test_nothing_is_strange_before_it_is_known_what_is_normal() -> None:
    normal = Normal()
    assert not any(normal.go(WARM_S / 2, 0.005))
    assert not any(normal.go(20, 5.0))


def test_the_level_is_found_and_ordinary_noise_is_within_the_band() -> None:
    normal = Normal()
    assert not any(normal.go(3600, 0.02, noise=0.3))
    low, level, high = normal.baselines.band(0)
    assert level == pytest.approx(0.02, rel=0.15)
    assert low < 0.01
    assert 0.05 < high < 0.2


def test_a_step_is_beyond_at_once_and_for_as_long_as_it_lasts() -> None:
    normal = Normal()
    normal.go(1200, 0.02)
    assert all(normal.go(600, 0.2))
    assert normal.level == pytest.approx(0.02, rel=0.1)
    assert not any(normal.go(60, 0.02))


def test_what_happens_below_the_floor_is_of_no_interest() -> None:
    normal = Normal()
    normal.go(1200, 0.0001)
    assert not any(normal.go(60, 0.002))


def test_single_outliers_move_the_level_as_little_as_ordinary_values() -> None:
    normal = Normal()
    normal.go(1200, 0.02)
    before = normal.level
    for _ in range(20):
        normal.go(1, 20.0)
        normal.go(20, 0.02)
    assert normal.level == pytest.approx(before, rel=0.1)


def test_a_slow_evening_is_followed() -> None:
    """Three times as much within a quarter of an hour, by players who come."""
    normal = Normal()
    normal.go(1200, 0.02)
    beyond = [normal.go(1, 0.02 * 3 ** (second / 900))[0] for second in range(900)]
    assert not any(beyond)


def test_a_lasting_new_level_is_adopted() -> None:
    normal = Normal()
    normal.go(1200, 0.02)
    assert all(normal.go(ADOPT_S - 60, 0.2, found=True))
    assert not any(normal.go(300, 0.2)[120:])
    assert normal.level == pytest.approx(0.2, rel=0.2)


def test_nothing_is_learned_while_nodes_are_restarted_or_a_finding_is_open() -> None:
    normal = Normal()
    normal.go(1200, 0.02)
    before = normal.level
    normal.go(300, 0.03, held=True)
    normal.go(300, 0.03, found=True)
    assert normal.level == pytest.approx(before)


def test_low_values_are_beyond_where_these_are_bad() -> None:
    normal = Normal(LOW)
    assert not any(normal.go(1200, 1000.0, noise=0.02))
    assert not any(normal.go(20, 3000.0, noise=0.02))
    assert all(normal.go(20, 200.0, noise=0.02))


def test_values_that_are_not_known_change_nothing() -> None:
    normal = Normal()
    normal.go(1200, 0.02)
    before = normal.baselines.band(0)
    assert not any(normal.go(600, float("nan")))
    assert normal.baselines.band(0) == pytest.approx(before, rel=0.01)


def test_it_survives_a_restart() -> None:
    normal = Normal()
    normal.go(2 * HOUR, 0.02, step_s=10.0)
    after = Baselines()
    after.restore(normal.baselines.state([LATENCY]))
    again = Normal(baselines=after)
    again.now_s = normal.now_s
    assert all(again.go(5, 0.3))
    assert again.baselines.band(0) == pytest.approx(normal.baselines.band(0), rel=0.05)


def test_a_damaged_state_is_forgotten() -> None:
    normal = Normal()
    normal.go(600, 0.02)
    state = normal.baselines.state([LATENCY])
    after = Baselines()
    after.restore(type(state)(state.keys, state.level[:-1], state.spread, state.slow, state.seen_s, state.seasons))
    assert not any(Normal(baselines=after).go(5, 0.3))


def test_hours_of_the_week() -> None:
    assert hour_of_week(MONDAY) == 0
    assert hour_of_week(MONDAY + 25 * HOUR) == 25
    assert hour_of_week(MONDAY + 7 * DAY - 1) == HOURS - 1


def test_what_happens_every_night_is_normal_in_its_hour() -> None:
    """Twelve minutes of slow commits from four o'clock on: strange in the first night, usual in the third."""
    normal = Normal()
    strange = {}
    for day in range(3):
        beyond: list[bool] = []
        while normal.now_s < MONDAY + (day + 1) * DAY:
            hour = normal.now_s % DAY / HOUR
            beyond += normal.go(20, 0.2 if 4.0 <= hour < 4.2 else 0.02, step_s=20.0)
        strange[day] = any(beyond)
    assert strange == {0: True, 1: False, 2: False}


def see_hour(seasons: Seasons, from_s: float, level: float) -> None:
    for minute in range(61):
        seasons.look(np.array([level]), from_s + minute * 60)


def test_an_hour_is_the_median_of_its_days_until_it_was_seen_twice() -> None:
    seasons = Seasons()
    seasons.grow([("a", "b")])
    for day, level in enumerate((1.0, 2.0, 9.0)):
        see_hour(seasons, MONDAY + day * DAY, level)
    seasons.look(np.array([5.0]), MONDAY + 2 * DAY + 7 * DAY)
    assert seasons.usual()[1][0] == 2.0
    see_hour(seasons, MONDAY + 9 * DAY, 9.0)
    seasons.look(np.array([5.0]), MONDAY + 16 * DAY)
    assert seasons.usual()[1][0] == 9.0


def test_a_few_strange_minutes_are_not_the_habit_of_an_hour() -> None:
    seasons = Seasons()
    seasons.grow([("a", "b")])
    for minute in range(61):
        seasons.look(np.array([9.0 if minute in (10, 11) else 1.0]), MONDAY + minute * 60)
    seasons.look(np.array([5.0]), MONDAY + DAY)
    assert seasons.usual()[1][0] == 1.0
