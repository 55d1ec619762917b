"""What a sweep finds is what is near."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.scene import grid as grid_module
from nodes.scene.grid import Grid


@given(
    st.integers(10, 0xFFFF), st.floats(0.001, 1.5), st.integers(0, 2**32), st.integers(1, 80), st.integers(1, 90),
    st.integers(1, 300),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_all_within_reach_or_the_nearest_of_a_crowd(units, share, seed, count, enough, spread) -> None:
    reach = max(1.0, round(share * units))
    chance = np.random.default_rng(seed)
    middle = chance.integers(0, units + 1, 2)
    x, y = np.clip(middle[:, None] + chance.normal(0, spread * units / 300, (2, count)), 0, units).astype("<u2")
    grid = Grid(units, reach)
    entities = np.flatnonzero(chance.random(count) < 0.8)
    grid.sort(x, y, entities)
    ox, oy = x.astype("f4"), y.astype("f4")
    first, per = grid.runs(ox, oy)
    wanted = np.full(count, enough)
    near, bound = grid.sweep(ox, oy, first, per, wanted)
    found = set(zip(near.at.tolist(), near.slots.tolist(), strict=True))
    assert len(found) == len(near.at)
    for one in range(count):
        squares = (x[entities].astype("f4") - ox[one]) ** 2 + (y[entities].astype("f4") - oy[one]) ** 2
        within = {
            int(slot) for slot, square in zip(entities, squares, strict=True) if square <= min(bound[one], reach**2)
        }
        assert {slot for at, slot in found if at == one} == within
        assert bound[one] == np.float32(reach) ** 2 or len(within) > enough


def test_only_crowds_are_cut(monkeypatch) -> None:
    monkeypatch.setattr(grid_module, "CROWD_MIN", 20)
    x = np.arange(50, dtype="<u2")
    grid = Grid(1000, 100.0)
    grid.sort(x, np.zeros_like(x), np.arange(50))
    ox, oy = np.zeros(2, "f4"), np.zeros(2, "f4")
    first, per = grid.runs(ox, oy)
    near, bound = grid.sweep(ox, oy, first, per, np.array([10, 30]))
    assert bound.tolist() == [200.0, 10_000.0]
    assert near.slots[near.at == 0].tolist() == list(range(15))
    assert (near.at == 1).sum() == 50
