"""Coarser steps against the same written with loops, for values with gaps, resets and new incarnations."""

import math
import random

import numpy as np
import pytest

from nodes.ops.history.cascade import Cascade
from nodes.ops.history.rows import Anew, Row
from tests.ops.history.plain import Point, coarser
from tests.ops.history.readings import SHORT, START

SERIES = 6  # the first half are counters


def made_up(rng: random.Random, seconds: int, counts: bool) -> list[Point]:
    """A series as a bad day makes it."""
    points, value, incarnation = [], float(rng.randrange(50)), 1
    for second in range(seconds):
        if rng.random() < 0.02:
            incarnation += 1
            value = float(rng.randrange(200))  # with luck above what it was: only the incarnation tells
        value = value + rng.randrange(5) if counts else rng.uniform(-5, 5)
        if counts and rng.random() < 0.01:
            value = float(rng.randrange(3))
        missing = rng.random() < 0.1 or 200 < second < 230
        points.append(Point(START + second, math.nan if missing else value, incarnation))
    return points


def rows_of(series: list[list[Point]]) -> list[Row]:
    """As the collector's side hands them on."""
    rows = []
    seen: dict[int, int] = {}
    for points in zip(*series, strict=True):
        row = Row(points[0].at_s, np.array([point.value for point in points]))
        for number, point in enumerate(points):
            if math.isnan(point.value):
                continue
            if number < SERIES // 2 and seen.get(number, point.incarnation) != point.incarnation:
                row.anew.append(Anew(np.array([number]), np.array([point.value])))
            seen[number] = point.incarnation
        rows.append(row)
    return rows


@pytest.mark.parametrize("seed", range(12))
def test_coarser_rows_are_what_loops_make_of_the_same_points(seed: int) -> None:
    rng = random.Random(seed)
    series = [made_up(rng, 600, counts=number < SERIES // 2) for number in range(SERIES)]
    counters = np.arange(SERIES) < SERIES // 2
    cascade = Cascade(SHORT, counters)
    complete = [done for row in rows_of(series) for done in cascade.follow(row)] + cascade.rest()
    for place, tier in enumerate(SHORT[1:], 1):
        rows = [row for done in complete if done.place == place for row in done.rows]
        assert [row.at_s for row in rows] == list(range(START, START + 600 - tier.step_s, tier.step_s))
        for number, points in enumerate(series):
            kind = "counter" if number < SERIES // 2 else "gauge"
            expected = [one for one in coarser(points, kind, tier.step_s) if one["at_s"] <= rows[-1].at_s]
            known = [row for row in rows if not math.isnan(row.values[number])]
            assert [row.at_s for row in known] == [one["at_s"] for one in expected]
            assert [row.values[number] for row in known] == pytest.approx([one["value"] for one in expected])
            if kind == "gauge":
                assert [row.tops[number] for row in known if row.tops is not None] == [one["top"] for one in expected]
            else:
                assert increases(known, number)[1:] == pytest.approx([one["increase"] for one in expected[1:]])


def increases(rows: list[Row], number: int) -> list[float]:
    """As a reader works them out: from value to value, but where the row says that the counter began anew."""
    found, before = [], math.nan
    for row in rows:
        grown = row.values[number] - before
        for anew in row.anew:
            for one, increase in zip(anew.numbers.tolist(), anew.increases.tolist(), strict=True):
                grown = increase if one == number else grown
        found.append(grown)
        before = row.values[number]
    return found


def test_a_reset_that_the_coarser_values_hide_is_kept() -> None:
    cascade = Cascade(SHORT, np.array([True]))
    for second, value in enumerate([100.0, 110.0, 5.0, *[120.0] * 18]):
        for done in cascade.follow(Row(START + second, np.array([value]))):
            raise AssertionError(done)
    (first, _) = cascade.rows(1)
    assert first.values.tolist() == [120.0]
    (anew,) = first.anew
    assert anew.increases.tolist() == [10.0 + 5.0 + 115.0]


def test_time_that_goes_back_ends_the_block() -> None:
    cascade = Cascade(SHORT, np.array([False]))
    ahead = [Row(START + 5000 + second, np.array([1.0])) for second in range(25)]
    behind = [Row(START + second, np.array([2.0])) for second in range(25)]
    complete = [done for row in ahead + behind for done in cascade.follow(row)]
    assert [(done.place, [row.at_s - START for row in done.rows]) for done in complete] == [
        (1, [5000, 5010, 5020]),
        (2, [4980]),
    ]
    assert [done.until for done in complete] == [25, 25]


def test_the_width_may_grow_within_a_step() -> None:
    cascade = Cascade(SHORT, np.array([True, False]))
    for second in range(10):
        width = 1 if second < 4 else 2
        assert not cascade.follow(Row(START + second, np.array([float(second), 8.0])[:width]))
    assert not cascade.follow(Row(START + 10, np.array([10.0, 8.0])))
    (row,) = cascade.rows(1)
    assert row.values.tolist() == [9.0, 8.0]
    assert cascade.steady_rows == 10


def test_gaps_and_jumps_end_the_steadiness() -> None:
    cascade = Cascade(SHORT, np.array([False]))
    for at_s in (0, 1, 2, 30, 31):
        cascade.follow(Row(START + at_s, np.array([1.0])))
    assert cascade.steady_rows == 4
    cascade.follow(Row(START + 1000, np.array([1.0])))
    assert cascade.steady_rows == 0
