"""The beat: on time, never twice, and skipping what was missed."""

from itertools import pairwise

import pytest

from nodes.scene.ticker import Ticker, turn_of


def test_ticks_are_evenly_spaced_whatever_they_cost() -> None:
    ticker, now, times = Ticker(10), 100.0, []
    ticker.restart(now)
    for _ in range(5):
        now += ticker.wait_s(now)
        times.append(round(now, 6))
        now += 0.04
    assert times == [100.1, 100.2, 100.3, 100.4, 100.5]
    assert ticker.skipped == 0


def test_missed_ticks_are_skipped_not_made_up_for() -> None:
    ticker = Ticker(10)
    ticker.restart(0.0)
    assert ticker.wait_s(0.05) == pytest.approx(0.05)
    assert ticker.wait_s(0.55) == 0.0
    assert ticker.skipped == 3
    assert ticker.wait_s(0.56) == pytest.approx(0.04)


def test_pressure_and_percentiles_follow_the_duration() -> None:
    ticker = Ticker(10)
    assert ticker.percentile_ms(99) == 0.0
    for _ in range(100):
        ticker.ended(0.05)
    assert ticker.pressure == pytest.approx(0.5, abs=0.01)
    assert (ticker.percentile_ms(50), ticker.percentile_ms(99)) == (50.0, 50.0)
    ticker.restart(5.0)
    assert ticker.pressure == 0.0


def test_a_slower_game_has_fewer_ticks_and_each_may_take_longer() -> None:
    ticker, now, times = Ticker(10), 100.0, []
    ticker.restart(now)
    for _ in range(200):
        ticker.ended(0.08)
    assert ticker.pressure == pytest.approx(0.8)
    ticker.stretch(0.5)
    assert ticker.pressure == pytest.approx(0.4)
    for _ in range(3):
        now += ticker.wait_s(now)
        times.append(round(now, 6))
    assert (times, ticker.hz) == ([100.2, 100.4, 100.6], 5.0)
    ticker.stretch(1.0)
    assert ticker.hz == 10.0


def test_the_share_is_of_the_ticks_since_it_was_asked() -> None:
    ticker = Ticker(10)
    ticker.ended(0.05)
    ticker.ended(0.07)
    assert ticker.share() == pytest.approx(0.6)
    assert ticker.share() == pytest.approx(0.6)
    ticker.ended(60.0)  # the process stood still
    assert ticker.share() == 3.0
    ticker.restart(1.0)
    assert ticker.share() == 0.0


def test_the_middle_of_a_tick_and_what_is_done_in_it() -> None:
    ticker = Ticker(10)
    ticker.restart(0.0)
    assert ticker.wait_s(0.0) == pytest.approx(0.1)
    ticker.ended(0.02)
    assert ticker.half_s(0.12) == pytest.approx(0.03)
    assert ticker.half_s(0.16) == 0.0
    ticker.went_on(0.01)
    assert ticker.share() == pytest.approx(0.3)
    assert ticker.tick == 1
    assert ticker.wait_s(0.16) == pytest.approx(0.04)


@pytest.mark.parametrize("within", [0.3, 1.0, 2.0, 3.0, 7.6, 8.0, 9.0, 10.0, 80.0])
def test_everybody_has_a_turn_within_so_many_ticks(within: float) -> None:
    ticks = max(1, round(within))
    turns = {odd: [turn_of(tick, within, odd) for tick in range(10 * ticks)] for odd in (False, True)}
    for odd, found in turns.items():
        parts = {turn[1] for turn in found if turn is not None}
        assert len(parts) == 1
        for part in range(parts.pop()):
            at = [tick for tick, turn in enumerate(found) if turn is not None and turn[0] == part]
            assert max(later - earlier for earlier, later in pairwise(at)) <= ticks
            assert ticks == 1 or all(tick % 2 == odd for tick in at)
