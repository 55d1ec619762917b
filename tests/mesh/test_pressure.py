"""Pressure on a simulated node whose load depends on the level: the loop closes, settles and finds its way back."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from mesh.core.pressure import Delay, Pressure, Step
from mesh.topology.policy import DEFAULT

LOOK_S = 0.12
RELIEF = (1.0, 0.85, 0.65, 0.42, 0.3, 0.18)
"""What is left of the load at each level of the default policy, roughly."""


class Plant:
    """A node whose load is `wish(now)` times what its level leaves; the signal is noisy and `lag_s` behind."""

    def __init__(
        self, wish: Callable[[float], float], relief: tuple[float, ...] = RELIEF, lag_s: float = 0.3, noise: float = 0.1
    ) -> None:
        self.wish, self.relief, self.lag_s, self.noise = wish, relief, lag_s, noise
        self.pressure = Pressure(len(relief) - 1)
        self.chance = random.Random(7)
        self.now = 100.0
        self.load = wish(0.0)
        self.steps: list[tuple[float, Step]] = []
        self.levels: list[tuple[float, int]] = []

    def run(self, until: float) -> "Plant":
        while self.now - 100.0 < until:
            elapsed = self.chance.uniform(0.5 * LOOK_S, 1.5 * LOOK_S)
            self.now += elapsed
            aim = self.wish(self.now - 100.0) * self.relief[self.pressure.level]
            self.load += (aim - self.load) * min(1.0, elapsed / self.lag_s)
            signal = self.load * self.chance.uniform(1 - self.noise, 1 + self.noise)
            step = self.pressure.look({"loop lag": signal / 2, "tick time": signal}, self.now)
            if step is not None:
                self.steps.append((self.now - 100.0, step))
            self.levels.append((self.now - 100.0, self.pressure.level))
        return self

    def changes(self, since: float = 0.0) -> int:
        return sum(1 for at, _ in self.steps if at >= since)


def test_a_load_below_the_limit_changes_nothing() -> None:
    assert Plant(lambda _: 0.85).run(300).steps == []


@pytest.mark.parametrize("load", [0.9, 1.0, 1.1, 1.3, 1.5, 1.8, 2.0, 2.5, 3.0, 4.0, 5.0, 8.0])
def test_any_constant_load_settles(load: float) -> None:
    """However much the levels save: after the way up it tries to go down a few times, each time later than before."""
    plant = Plant(lambda _: load).run(300)
    reached = max(level for _, level in plant.levels)
    assert plant.changes() <= reached + 8
    assert plant.changes(since=120) <= 4
    left = load * RELIEF[plant.pressure.level]
    assert left < 1.15 or plant.pressure.level == len(RELIEF) - 1


@pytest.mark.parametrize("saves", [0.9, 0.7, 0.5, 0.35, 0.2])
@pytest.mark.parametrize("load", [1.2, 2.0, 4.0])
def test_it_settles_whatever_a_level_saves(saves: float, load: float) -> None:
    """A policy whose levels each save much more than lies between UP and DOWN cannot be told when to go down."""
    relief = tuple(saves**level for level in range(6))
    plant = Plant(lambda _: load, relief).run(300)
    assert plant.changes(since=60) <= 8
    assert plant.changes(since=150) <= 4


@pytest.mark.parametrize("top", range(1, 10))
def test_from_the_highest_level_it_is_back_within_ten_seconds(top: int) -> None:
    """And one level at a time, where on the way up it may be two."""
    relief = tuple(1.0 - 0.7 * level / top for level in range(top + 1))
    plant = Plant(lambda now: 6.0 if now < 40 else 0.3, relief).run(60)
    assert max(level for _, level in plant.levels) == top
    assert {step.level - step.before for _, step in plant.steps} <= {-1, 1, 2}
    back = min(at for at, level in plant.levels if at > 40 and level == 0)
    assert back - 40 <= 10.0
    assert plant.changes(since=back) <= 1


def test_up_is_faster_than_down_and_a_moment_is_not_enough() -> None:
    plant = Plant(lambda now: 6.0 if 10 <= now < 30 else 0.3, lag_s=0.01, noise=0.0).run(60)
    up = [at for at, step in plant.steps if step.level > step.before]
    down = [at for at, step in plant.steps if step.level < step.before]
    assert up[0] - 10 <= 1.5
    assert up[-1] - up[0] < down[-1] - down[0]
    assert Plant(lambda now: 6.0 if 10 <= now < 10.4 else 0.3, lag_s=0.01).run(30).steps == []


def test_far_above_the_limit_it_is_at_the_fourth_level_within_a_second_and_a_half() -> None:
    """And where one level may be enough, it waits to see."""
    far, near = (Plant(lambda now, load=load: load if now >= 10 else 0.3).run(14) for load in (6.0, 1.2))
    ups = [[(at - 10, step) for at, step in plant.steps] for plant in (far, near)]
    assert ups[0][0][0] <= 0.8
    assert ups[0][0][1].level == 1, "the first one alone"
    assert max(step.level for at, step in ups[0] if at <= 1.5) >= 4
    assert min(later - sooner for (sooner, _), (later, _) in pairwise(ups[1])) >= 0.9
    assert {step.level - step.before for _, step in ups[1]} == {1}


def test_after_failed_tries_a_load_that_falls_is_believed_at_once() -> None:
    """At 1.8 a level saves so much that the score without it is too high: tries fail, later and later."""
    plant = Plant(lambda now: 1.8 if now < 120 else 0.3, (1.0, 0.25, 0.2), noise=0.02).run(140)
    tries = [at for at, step in plant.steps if step.level < step.before and at < 120]
    gaps = [later - sooner for sooner, later in pairwise(tries)]
    assert len(tries) >= 3
    assert gaps == sorted(gaps)
    assert min(at for at, level in plant.levels if at > 120 and level == 0) <= 130


def test_what_failed_is_forgotten_when_that_level_was_not_enough() -> None:
    """A greater load has come in between: what it was like before says nothing about what comes after it."""
    load = [(0, 1.15), (60, 6.0), (75, 0.95)]
    plant = Plant(lambda now: max(one for one in load if one[0] <= now)[1], (1.0, 0.25, 0.2, 0.15), noise=0.02).run(120)
    assert len([at for at, step in plant.steps if step.level < step.before and at < 60]) >= 3, "tries that have failed"
    assert max(level for at, level in plant.levels if at < 75) == 3
    assert min(at for at, level in plant.levels if at > 75 and level == 0) <= 85


def test_waves_of_load_are_followed_and_nothing_else() -> None:
    """Half a minute of rush, half a minute of quiet: each time up and back."""
    plant = Plant(lambda now: 2.2 if now % 60 < 30 else 0.4).run(240)
    for wave in range(4):
        quiet = [level for at, level in plant.levels if wave * 60 + 42 <= at < wave * 60 + 60]
        assert set(quiet) == {0}
    assert plant.changes() <= 4 * 2 * 5


def test_a_process_that_stood_still_is_not_under_pressure() -> None:
    """Everything is a minute old after a minute's pause; a moment later it is not."""
    pressure, now = Pressure(5), 0.0
    for look in range(100):
        paused = look == 50
        now += 60.0 if paused else LOOK_S
        signals = {"loop lag": 1200.0, "queue delay": 300.0} if paused else {"loop lag": 0.1, "queue delay": 0.0}
        assert pressure.look(signals, now, 59.9 if paused else 0.0) is None
        assert pressure.score < 0.2
    assert (pressure.level, pressure.pauses) == (0, 1)


def test_what_is_left_of_a_pause_is_not_enough_for_a_step() -> None:
    """The first looks after it still see what piled up meanwhile."""
    pressure, now = Pressure(5), 0.0
    for look in range(100):
        now += 60.0 if look == 50 else LOOK_S
        behind = 50 <= look < 53
        assert pressure.look({"queue delay": 100.0 if behind else 0.0}, now, 59.9 if look == 50 else 0.0) is None


def test_a_loop_whose_every_turn_takes_seconds_is_under_pressure() -> None:
    pressure, now = Pressure(3), 0.0
    for _ in range(12):
        now += 2.5
        pressure.look({"loop lag": 40.0}, now, 2.4)
    assert (pressure.level, pressure.pauses) == (3, 1)


def test_a_clock_that_goes_back_changes_nothing() -> None:
    pressure = Pressure(3)
    for now in (100.0, 100.1, 40.0, 40.1, 40.2):
        assert pressure.look({"loop lag": 0.5}, now) is None
    assert pressure.score < 0.6


def test_a_pinned_level_stays_and_auto_goes_on_from_there() -> None:
    pressure, now, heard = Pressure(5), 0.0, []
    step = pressure.pin(4)
    assert step is not None
    assert (step.before, step.level, step.reason) == (0, 4, "operator")
    assert pressure.pin(4) is None
    for _ in range(100):
        now += LOOK_S
        assert pressure.look({"tick time": 3.0}, now) is None
    pressure.pin(None)
    for _ in range(200):
        now += LOOK_S
        step = pressure.look({"tick time": 0.0}, now)
        heard += [step.level] if step is not None else []
    assert heard == [3, 2, 1, 0]
    assert pressure.changes == {"up": 4, "down": 4}


def test_the_reason_is_the_greatest_signal_and_signals_that_end_fade() -> None:
    pressure, now = Pressure(len(DEFAULT) - 1), 0.0
    steps = []
    for _ in range(12):
        now += LOOK_S
        steps.append(pressure.look({"loop lag": 0.2, "send backlog": 2.0}, now))
    step = next(one for one in steps if one is not None)
    assert (step.reason, sorted(step.values)) == ("send backlog", ["loop lag", "send backlog"])
    for _ in range(60):
        now += LOOK_S
        pressure.look({"loop lag": 0.2}, now)
    assert pressure.reason == "loop lag"


def test_a_policy_without_levels_has_nothing_to_change() -> None:
    pressure = Pressure(0)
    assert all(pressure.look({"loop lag": 3.0}, look * LOOK_S) is None for look in range(50))


def test_the_age_of_the_oldest_thing_follows_from_counts() -> None:
    delay = Delay()
    assert delay.age_s(0, 0, 10.0) == 0.0
    assert delay.age_s(0, 5, 10.2) == 0.0  # came since the last look
    assert delay.age_s(2, 6, 10.4) == pytest.approx(0.2)  # the third one came with them
    assert delay.age_s(5, 3, 10.6) == pytest.approx(0.2)  # those of the second look
    assert delay.age_s(8, 0, 10.8) == 0.0
    assert delay.age_s(8, 1, 11.0) == 0.0
    assert delay.age_s(8, 1, 19.0) == pytest.approx(8.0)


def test_a_queue_in_which_something_always_waits_but_never_for_long() -> None:
    delay = Delay()
    assert {delay.age_s(look * 100, 30, look * 0.1) for look in range(50)} == {0.0}
