"""The clock of the game: never back, never a jump, and lenient to those who have not heard of it yet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.scene.gameclock import LENIENT_S, GameClock


class Real:
    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_it_begins_as_the_real_one_and_slows_down_without_a_jump() -> None:
    real = Real()
    game = GameClock(real)
    real.now += 10
    assert game.now() == 1010.0
    game.go(0.5)
    assert game.now() == 1010.0
    real.now += 10
    assert game.now() == 1015.0
    game.go(1.0)
    real.now += 5
    assert game.now() == 1020.0


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from([0.1, 0.4, 0.7, 1.0])), max_size=50))
def test_it_never_goes_back_and_never_faster_than_real(turns: list[tuple[float, float]]) -> None:
    real = Real()
    game = GameClock(real)
    before, expected = game.now(), game.now()
    for elapsed, rate in turns:
        expected += elapsed * game.rate
        real.now += elapsed
        assert game.now() >= before
        game.go(rate)
        assert game.now() == pytest.approx(expected, abs=1e-6)
        before = game.now()


def test_a_real_clock_that_goes_back_does_not_take_the_game_along() -> None:
    real = Real()
    game = GameClock(real)
    real.now += 10
    game.go(0.5)
    real.now -= 60
    assert game.now() == 1010.0
    game.go(0.4)
    assert game.now() == 1010.0
    real.now += 70
    assert game.now() == 1014.0


def test_who_has_not_heard_of_it_may_be_as_fast_as_before_for_a_moment() -> None:
    real = Real()
    game = GameClock(real)
    assert game.lenience() == 1.0
    game.go(0.8)
    assert game.lenience() == pytest.approx(1.25)
    real.now += LENIENT_S / 2
    game.go(0.4)
    assert game.lenience() == pytest.approx(2.5)  # the fastest of both
    real.now += LENIENT_S / 2
    assert game.lenience() == pytest.approx(2.0)  # 1.0 is long ago, 0.8 is not
    real.now += LENIENT_S / 2
    assert game.lenience() == 1.0


def test_a_game_that_becomes_faster_asks_for_no_lenience() -> None:
    real = Real()
    game = GameClock(real)
    game.go(0.5)
    real.now += LENIENT_S
    game.go(1.0)
    assert game.lenience() == 1.0
