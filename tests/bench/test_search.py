"""The search for the largest number of players that is OK."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tools.bench.search import GRAIN, STEPS_MAX, Search


def searched(search: Search, capacity: int) -> list[int]:
    tried = []
    while (players := search.next()) is not None:
        tried.append(players)
        search.ended(players, "held" if players <= capacity else "broke")
    return tried


def test_it_climbs_while_steps_hold_and_then_halves_the_gap_and_tries_what_broke_again() -> None:
    search = Search(5500, 12_000, held=4000)
    assert searched(search, 7600) == [5500, 6750, 8250, 8250, 7500, 7750, 7750]
    assert search.held == 7500


def test_what_is_known_to_hold_already_is_the_answer_when_nothing_more_does() -> None:
    search = Search(5500, 12_000, held=4000)
    searched(search, 4100)
    assert search.held == 4000


def test_one_bad_second_is_no_limit() -> None:
    search = Search(5500, 6000, held=4000)
    search.ended(search.next() or 0, "broke")
    assert search.next() == 5500
    search.ended(5500, "held")
    assert search.next() == 6000


def test_a_run_that_says_nothing_got_as_far_as_one_that_broke() -> None:
    search = Search(2000, 12_000)
    for _ in range(2):
        search.ended(search.next() or 0, "void")
    assert search.next() == 1000


@pytest.mark.parametrize("capacity", [0, 10])
def test_when_nothing_holds_it_ends_with_nothing(capacity: int) -> None:
    search = Search(500, 12_000)
    tried = searched(search, capacity)
    assert search.held == 0
    assert len(tried) <= STEPS_MAX


@given(some.integers(300, 20_000), some.integers(250, 9000))
def test_it_always_ends_with_what_held_and_close_below_what_did_not(capacity: int, start: int) -> None:
    search = Search(start, 12_000)
    tried = searched(search, capacity)
    assert len(tried) <= STEPS_MAX
    assert search.held <= max(capacity, 0)
    assert all(0 < players <= 12_000 for players in tried)
    if len(tried) < STEPS_MAX and search.held < 12_000:
        assert search.broke - search.held <= GRAIN
