"""Periods and turns: nothing exceeds the records of a telling, and everybody has a turn in time."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.scene.ranking import CLASSES, lanes_for, longest, order_by, schedule

row = st.tuples(st.integers(1, 300), st.integers(0, 4), st.floats(0, 1), st.integers(0, 40)).map(
    lambda drawn: (max(1, round(drawn[2] * (drawn[0] << drawn[1]))), drawn[0], drawn[1], drawn[3])
)


def columns(rows: list[tuple[int, int, int, int]]) -> list[np.ndarray]:
    return [np.array(column) for column in zip(*rows, strict=True)]


@given(st.lists(row, min_size=1, max_size=6))
@settings(max_examples=300, deadline=None)
def test_lanes_hold_everybody_and_no_more_than_the_records(rows) -> None:
    views, records, last, always = columns(rows)
    lanes = lanes_for(views, records, last, np.minimum(always, views))
    assert (lanes >= 0).all()
    assert (lanes.sum(axis=1) <= records).all()
    assert ((lanes << np.arange(CLASSES)).sum(axis=1) >= views).all()
    for one, highest in zip(lanes, last, strict=True):
        assert not one[highest + 1 :].any()
    fits = views <= records
    assert (lanes[fits, 0] == views[fits]).all(), "who can be told of all is told of all every time"


def test_an_interval_grows_with_the_rank_and_those_first_in_rank_are_always_told_of() -> None:
    few, many, crowd, fights = lanes_for(
        np.array([120, 500, 1_600, 1_500]), np.full(4, 100), np.full(4, 4), np.array([0, 0, 0, 30])
    )
    assert few.tolist() == [80, 20, 0, 0, 0]
    assert many[0] >= 20
    assert (many > 0).all()
    assert crowd.tolist() == [0, 0, 0, 0, 100]
    assert fights[0] == 6, "as far as the others leave room"
    assert lanes_for(np.array([500]), np.array([100]), np.array([4]), np.array([30]))[0, 0] == 30


@given(st.lists(row, min_size=1, max_size=4), st.integers(0, 300), st.randoms())
@settings(max_examples=100, deadline=None)
def test_everybody_has_one_turn_in_its_period_and_who_waits_longest_the_first(rows, telling, chance) -> None:
    views, records, last, always = columns(rows)
    lanes = lanes_for(views, records, last, np.minimum(always, views))
    of = np.repeat(np.arange(len(rows)), views)
    rank = np.concatenate([np.arange(count) for count in views])
    since = np.array([chance.randrange(100) for _ in of])
    mask, phase = schedule(of, rank, since, 100, lanes, np.full(len(rows), telling))
    turn = (phase.astype(int) - telling) & mask
    for number in range(len(rows)):
        mine = of == number
        for ahead in range(16):
            told = (mask[mine] & ((telling + ahead) & 0xFF)) == phase[mine]
            assert told.sum() <= records[number]
        for period in np.unique(mask[mine]):
            group = mine & (mask == period)
            order = np.argsort(turn[group], kind="stable")
            assert (np.maximum.accumulate(since[group][order]) >= since[group][order]).all()
            for one in np.unique(turn[group])[1:]:
                assert since[group][turn[group] < one].max() <= since[group][turn[group] == one].min()


def test_the_longest_period_starves_nobody() -> None:
    assert [longest(hz) for hz in (0.5, 1, 2, 2.5, 5, 10, 30)] == [0, 0, 1, 2, 3, 4, 4]


def test_order_by_row_then_key() -> None:
    rows, key = np.array([2, 0, 2, 1, 0]), np.array([5, 9, 1, 3, 8])
    assert order_by(rows, key).tolist() == [4, 1, 3, 2, 0]
