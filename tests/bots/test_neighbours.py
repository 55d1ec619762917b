"""The expected number of updates is counted right: compared with counting every pair."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tools.bots.neighbours import PLACE, Expectation, count_neighbours, world_number

coordinates = st.floats(0, 300, width=32)


def crowd(rows: list[tuple[int, float, float]], aoi_m: float = 50.0) -> NDArray[np.void]:
    return np.array([(world, aoi_m, x, y) for world, x, y in rows], PLACE)


def count_pairs(places: NDArray[np.void]) -> list[int]:
    """The slow way."""
    found = []
    for at, one in enumerate(places):
        near = 0
        for other_at, other in enumerate(places):
            dx, dy = float(other["x"]) - float(one["x"]), float(other["y"]) - float(one["y"])
            same = one["world"] and one["world"] == other["world"] and at != other_at
            near += bool(same and dx * dx + dy * dy <= float(one["aoi"]) ** 2)
        found.append(near)
    return found


@given(
    st.lists(st.tuples(st.integers(0, 2), coordinates, coordinates), max_size=60), st.sampled_from([1.0, 50.0, 999.0])
)
def test_the_grid_finds_what_counting_pairs_finds(rows: list[tuple[int, float, float]], aoi_m: float) -> None:
    places = crowd(rows, aoi_m)
    assert count_neighbours(places).tolist() == count_pairs(places)


def test_who_is_in_no_world_sees_nobody() -> None:
    assert count_neighbours(crowd([(0, 1, 1), (0, 1, 1)])).tolist() == [0, 0]


def test_expected_updates_are_moves_times_neighbours() -> None:
    expectation = Expectation()
    expectation.sample(crowd([(0, 0, 0)]))  # nobody is in yet: says nothing
    expectation.sample(crowd([(7, 0, 0), (7, 30, 0), (7, 0, 30), (7, 299, 299)]))  # 2, 2, 2, 0
    expectation.sample(crowd([(7, 0, 0), (7, 30, 0), (0, 0, 0), (7, 200, 200)]))  # 1, 1, 0
    assert expectation.samples == 2
    assert expectation.most == 2
    assert abs(expectation.mean_in_view - (6 / 4 + 2 / 3) / 2) < 1e-9
    assert expectation.updates(600) == 600 * expectation.mean_in_view


def test_worlds_have_numbers_of_their_own() -> None:
    numbers = {world_number(scene, "meadow", line) for scene in ("scene.1", "scene.2") for line in (1, 2)}
    assert len(numbers) == 4
    assert 0 not in numbers
