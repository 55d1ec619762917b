"""From points to steps, against the same written with loops, whatever pieces the points come in."""

import math
import random

import numpy as np
import pytest

from nodes.ops.history import lines
from nodes.ops.history.blocks import NO_RESETS, Resets
from nodes.ops.history.lines import Grid, Piece, Reduction
from tests.ops.history.plain import Point, stepped
from tests.ops.history.readings import HOWS
from tests.ops.history.test_downsampling import made_up

STEPS = (1, 7, 60, 1000)


def cut(rng: random.Random, series: list[list[Point]]) -> list[Piece]:
    """Pieces of random length, with the incarnations as resets."""
    pieces, begin = [], 0
    before: list[int | None] = [None] * len(series)
    while begin < len(series[0]):
        end = min(len(series[0]), begin + rng.randint(1, 40))
        here = [points[begin:end] for points in series]
        found = []
        for row, points in enumerate(here):
            for at, point in enumerate(points):
                if not math.isnan(point.value):
                    if before[row] not in (None, point.incarnation):
                        found.append((at, row, point.value))
                    before[row] = point.incarnation
        resets = Resets(*(np.array(column) for column in zip(*found, strict=True))) if found else NO_RESETS
        times = np.array([point.at_s for point in here[0]])
        pieces.append(Piece(times, np.array([[point.value for point in points] for points in here]), resets))
        begin = end
    return pieces


def reduced(pieces: list[Piece], how: str, step_s: int, starts: list[int], series: int) -> tuple[int, np.ndarray]:
    first = int(pieces[0].times[0]) // step_s
    count = int(pieces[-1].times[-1]) // step_s + 1 - first
    grid = Grid(first, count, np.array(starts), how)  # type: ignore[arg-type]
    reduction = Reduction(how, step_s, 1, series, grid)  # type: ignore[arg-type]
    for piece in pieces:
        reduction.add(piece)
    reduction.end()
    return first * step_s, grid.values


def known(values: np.ndarray, begin_s: int, step_s: int) -> dict[int, float]:
    return {begin_s + at * step_s: value for at, value in enumerate(values.tolist()) if not math.isnan(value)}


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cells_max", [1, 300, 250_000])
def test_each_series_is_reduced_as_loops_do_it(
    how: str, seed: int, cells_max: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "CELLS_MAX", cells_max)
    rng = random.Random(seed)
    series = [made_up(rng, 400, counts=True) for _ in range(5)]
    for step_s in STEPS:
        begin_s, values = reduced(cut(rng, series), how, step_s, list(range(5)), 5)
        for points, row in zip(series, values, strict=True):
            assert known(row, begin_s, step_s) == pytest.approx(stepped(points, how, step_s))


@pytest.mark.parametrize("how", HOWS)
def test_groups_are_added_up_and_of_maxima_the_largest_stands(how: str) -> None:
    rng = random.Random(7)
    series = [made_up(rng, 300, counts=True) for _ in range(6)]
    starts = [0, 1, 4]
    begin_s, values = reduced(cut(rng, series), how, 20, starts, 6)
    for row, members in zip(values, ([0], [1, 2, 3], [4, 5]), strict=True):
        expected: dict[int, float] = {}
        for member in members:
            for at, value in stepped(series[member], how, 20).items():
                put_together = max if how == "max" else lambda a, b: a + b
                expected[at] = put_together(expected[at], value) if at in expected else value
        assert known(row, begin_s, 20) == pytest.approx(expected)


def test_what_is_put_later_stands_before_what_was_put_first() -> None:
    grid = Grid(100, 4, np.array([0]), "last")
    grid.put(np.array([99, 100, 101, 102]), np.array([[0.0, 1.0, 2.0, 3.0]]), 1)
    grid.put(np.array([101, 102, 103, 104]), np.array([[7.0, np.nan, 8.0, 9.0]]), 1)
    assert grid.values.tolist() == [[1.0, 7.0, 3.0, 8.0]]


def test_a_rate_after_a_gap_is_the_mean_over_the_gap() -> None:
    times = np.array([10, 11, 71, 72])
    values = np.array([[0.0, 5.0, 305.0, 310.0]])
    begin_s, found = reduced([Piece(times, values, NO_RESETS)], "rate", 1, [0], 1)
    assert known(found[0], begin_s, 1) == {11: 5.0, 71: 5.0, 72: 5.0}


def test_a_counter_that_begins_with_its_first_point_has_grown_by_it() -> None:
    piece = Piece(np.array([20, 21]), np.array([[4.0, 6.0]]), Resets(np.array([0]), np.array([0]), np.array([4.0])))
    begin_s, found = reduced([piece], "increase", 1, [0], 1)
    assert known(found[0], begin_s, 1) == {20: 4.0, 21: 2.0}
    begin_s, found = reduced([piece], "rate", 1, [0], 1)
    assert known(found[0], begin_s, 1) == {20: 4.0, 21: 2.0}
