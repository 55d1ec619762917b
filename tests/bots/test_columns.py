"""Bots walk within the map, no faster than they may, and get where they want to go."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.protocol.play import Character, Entered
from tools.bots.columns import NEAR_M, PACE, Columns

DT = 0.1


def entered(x: int = 500, y: int = 500, hp: int = 10) -> Entered:
    you = Character(1, "anna", 1, 0, hp, 10, {}, 0, [])
    return Entered("scene.1", "meadow", 1, 100.0, 0.1, 10.0, 50.0, 6.0, x, y, you, [], 0)


def columns(count: int = 1, seed: int = 3, **place: int) -> Columns:
    made = Columns(count, np.random.default_rng(seed))
    for row in range(count):
        made.enter(row, entered(**place))
    return made


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_a_random_walk_stays_on_the_map_and_keeps_to_the_speed(x: int, y: int, seed: int) -> None:
    walk = columns(4, seed, x=x, y=y)
    rows = np.arange(4)
    for _ in range(50):
        before_x, before_y = walk.x.copy(), walk.y.copy()
        walk.advance(rows, DT)
        assert ((walk.x >= 0) & (walk.x <= 100) & (walk.y >= 0) & (walk.y <= 100)).all()
        assert (np.hypot(walk.x - before_x, walk.y - before_y) <= 6.0 * PACE * DT + 1e-9).all()


def test_every_step_of_a_walk_is_a_move() -> None:
    walk = columns(50)
    rows = np.arange(50)
    for _ in range(100):
        before = walk.units(rows)
        walk.advance(rows, DT)
        after = walk.units(rows)
        assert all(a != b for a, b in zip(zip(*before, strict=True), zip(*after, strict=True), strict=True))


def test_a_bot_gets_to_its_goal_and_strolls_there() -> None:
    walk = columns()
    walk.seek(0, 90.0, 20.0)
    for _ in range(math.ceil(math.hypot(40, 30) / (6.0 * PACE * DT)) + 1):
        walk.advance(np.array([0]), DT)
    for _ in range(50):
        walk.advance(np.array([0]), DT)
        assert math.hypot(walk.x[0] - 90, walk.y[0] - 20) <= NEAR_M + 6.0 * PACE * DT
    walk.wander(0)
    for _ in range(400):
        walk.advance(np.array([0]), DT)
    assert math.hypot(walk.x[0] - 90, walk.y[0] - 20) > NEAR_M


def test_what_the_server_says_counts() -> None:
    walk = columns()
    walk.put(0, 20, 980)
    assert (walk.x[0], walk.y[0]) == (2.0, pytest.approx(98.0))
    assert walk.units(np.array([0]))[:2] == ([20], [980])


def test_the_dead_and_those_outside_do_not_walk() -> None:
    walk = columns()
    assert walk.walking[0]
    assert walk.world[0]
    walk.leave(0)
    assert not walk.walking[0]
    assert not walk.world[0]
    walk.enter(0, entered(hp=0))
    assert not walk.walking[0]
    assert walk.world[0]


def test_a_step_into_a_circle_is_noticed_once() -> None:
    walk = columns(2)
    rows = np.arange(2)
    assert walk.stepped_in(rows) == []
    walk.watch(0, 60.0, 50.0, 3.0)
    walk.seek(0, 60.0, 50.0)
    seen = []
    for _ in range(40):
        walk.advance(rows, DT)
        seen += walk.stepped_in(rows)
    assert seen == [0]
    walk.seek(0, 50.0, 50.0)
    for _ in range(40):
        walk.advance(rows, DT)
        assert walk.stepped_in(rows) == []
    walk.seek(0, 60.0, 50.0)
    for _ in range(40):
        walk.advance(rows, DT)
        seen += walk.stepped_in(rows)
    assert seen == [0, 0]


def test_who_stands_in_the_circle_already_has_to_leave_it_first() -> None:
    walk = columns()
    walk.watch(0, 50.0, 50.0, 3.0)
    assert walk.stepped_in(np.array([0])) == []
    walk.enter(0, entered())
    walk.put(0, 500, 500)
    assert walk.stepped_in(np.array([0])) == [], "another world has other circles"


def test_a_crowd_gathers_in_the_middle_and_scatters() -> None:
    walk = columns(30, x=0, y=0)
    rows = np.arange(30)
    walk.seek(7, 1.0, 99.0)
    walk.gather(rows, 10.0)
    for _ in range(200):
        walk.advance(rows, DT)
    away = np.hypot(walk.x - 50, walk.y - 50)
    assert (np.delete(away, 7) <= 10.0 + NEAR_M + 1).all()
    assert away[7] > 40, "who has a goal of its own keeps it"
    walk.scatter(rows)
    assert np.isnan(walk.goal_x).all()


def test_under_pressure_a_bot_moves_seldom_and_slower() -> None:
    walk, rows = columns(2, x=100), np.arange(2)
    for row in rows.tolist():
        walk.seek(row, 90.0, 50.0)
    walk.degrade(1, 0.5, 2)
    turns = [walk.due(rows, revolution).tolist() for revolution in range(4)]
    assert sorted(len(turn) for turn in turns) == [1, 1, 2, 2]
    for revolution in range(20):
        walk.advance(walk.due(rows, revolution), DT)
    way = walk.x - 10.0
    assert way[1] == pytest.approx(way[0] / 2)
    walk.enter(1, entered())
    assert len(walk.due(rows, 1)) == 2, "all is as it should be in another place"
