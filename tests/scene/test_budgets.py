"""What each observer may be told, from its budget and the levels."""

from collections.abc import Collection

import numpy as np
import pytest

from mesh.topology.policy import FULL, Level
from nodes.scene.budgets import TOGETHER_BITS, Budgets, Terms
from nodes.scene.world import Array

TOGETHER = 1 << TOGETHER_BITS


def terms(
    budget: Array,
    gate: Array,
    tick: int,
    scene: Level,
    gates: dict[int, Level],
    held: Collection[int] = (),
    missed: dict[int, int] | None = None,
) -> Terms:
    """Of a line with 500 in view and ten ticks a second."""
    return Budgets(500, 10.0).terms(budget, gate, tick, scene, gates, held, missed)


def test_bytes_become_records_of_a_telling_with_its_head() -> None:
    budget, gate = np.array([12_000, 600, 500, 0]), np.array([0, 0, 1, -1])
    told = terms(budget, gate, 7, FULL, {})
    assert told.records.tolist() == [99, 4, 3, 1]
    assert told.views.tolist() == [500] * 4
    assert told.last.tolist() == [4] * 4
    assert told.told is None


def test_the_stricter_level_counts_entry_by_entry() -> None:
    budget, gate = np.full(4, 12_000), np.array([0, 1, 0, -1])
    scene, slow = Level("a", view=0.5, budget=0.5), Level("b", view=0.8, budget=0.25, every=2)
    told = terms(budget, gate, 7, scene, {1: slow})
    assert told.views.tolist() == [250] * 4
    assert told.records.tolist() == [49, 49, 49, 49], "a quarter of the bytes, in half of the ticks"
    assert told.last.tolist() == [4, 3, 4, 4]
    assert told.told is not None
    assert [bool(terms(budget, gate, tick, scene, {1: slow}).told[1]) for tick in range(4)] == [
        True, False, True, False,
    ]  # fmt: skip
    tellings = [int(terms(budget, gate, tick, scene, {1: slow}).telling[1]) for tick in range(5)]
    assert tellings == [0, 1, 1, 2, 2], "the number of the telling that is or comes next"


def test_longer_ticks_carry_more_and_there_are_fewer_until_somebody_starves() -> None:
    told = terms(np.array([12_000]), np.array([0]), 7, Level("slow", dilation=0.4), {})
    assert told.records.tolist() == [249]
    assert told.last.tolist() == [2]


def test_who_is_at_a_gate_that_is_behind_is_not_told_now_and_nothing_else_changes() -> None:
    budget, gate = np.full(3, 12_000), np.array([0, 1, -1])
    free, held = terms(budget, gate, 7, FULL, {}), terms(budget, gate, 7, FULL, {}, {1})
    assert held.told is not None
    assert held.told.tolist() == [True, False, True]
    assert held.telling.tolist() == free.telling.tolist()
    assert held.records.tolist() == free.records.tolist()


def test_how_often_the_most_often_told_are_told() -> None:
    budget, gate = np.full(3, 12_000), np.array([0, 1, -1])
    assert terms(budget, gate, 7, FULL, {0: Level("a", every=4), 1: Level("b", every=6)}).every == 4
    assert terms(budget, gate, 7, FULL, {0: Level("a", every=4)}).every == 1
    assert terms(budget, gate, 7, Level("c", every=5), {0: Level("a", every=4)}).every == 5


def test_whatever_changes_counts_from_the_next_tick_on() -> None:
    """What is the same is not worked out again; the columns are changed where they are."""
    budgets, levels = Budgets(500, 10.0), {1: Level("b", every=2)}
    budget, gate = np.array([12_000, 12_000, 600]), np.array([0, 1, -1])

    def same(tick: int, scene: Level) -> Terms:
        told, anew = budgets.terms(budget, gate, tick, scene, levels), terms(budget, gate, tick, scene, levels)
        for one, other in zip(told, anew, strict=True):
            assert np.array_equal(one, other)
        return told

    seen = [same(1, FULL), same(2, FULL)]
    budget[2] = 1_200
    seen.append(same(3, FULL))
    gate[0] = 1
    seen.append(same(4, FULL))
    levels[1] = Level("c", budget=0.5)
    seen.append(same(5, FULL))
    del levels[1]
    seen.append(same(6, FULL))
    seen.append(same(7, Level("d", view=0.5)))
    assert [one.records.tolist() for one in seen] == [
        [99, 199, 4], [99, 199, 4], [99, 199, 9], [199, 199, 9], [49, 49, 9], [99, 99, 9], [99, 99, 9],
    ]  # fmt: skip
    assert [int(one.views[0]) for one in seen] == [500] * 6 + [250]


@pytest.mark.parametrize(("every", "beat"), [(2, 1), (3, 1), (4, 2), (5, 1), (6, 2)])
def test_who_is_told_rarely_is_told_in_even_ticks_and_as_often(every: int, beat: int) -> None:
    slots = 60 * TOGETHER
    budget, gate = np.full(slots, 12_000), np.zeros(slots, int)
    ticks = [terms(budget, gate, tick, Level("a", every=every), {}) for tick in range(1, 25)]
    assert {one.beat for one in ticks} == {beat}
    told = np.array([one.told for one in ticks])
    for slot in range(0, slots, 17):
        at = np.flatnonzero(told[:, slot]) + 1
        assert set(np.diff(at).tolist()) == {every}
        assert not (at % beat).any()
        tellings = [int(one.telling[slot]) for one, now in zip(ticks, told[:, slot], strict=True) if now]
        assert tellings == list(range(tellings[0], tellings[0] + len(at)))
    assert told.sum(axis=1).max() == slots * beat // every, "spread over the ticks"


def test_where_ticks_are_dilated_none_of_them_is_left_out() -> None:
    slots = 60 * TOGETHER
    budget, gate, level = np.full(slots, 12_000), np.zeros(slots, int), Level("a", every=6, dilation=0.3)
    ticks = [terms(budget, gate, tick, level, {}) for tick in range(1, 13)]
    assert {one.beat for one in ticks} == {1}
    assert [int(np.count_nonzero(one.told)) for one in ticks] == [slots // 6] * 12


def test_gates_with_a_level_of_an_odd_number_of_ticks_are_told_in_any() -> None:
    levels = {0: Level("a", every=4), 1: Level("b", every=5)}
    assert terms(np.full(2, 12_000), np.array([0, 1]), 7, FULL, levels).beat == 1


def test_whose_turn_fell_into_a_hold_has_it_first_after_that() -> None:
    budget, gate, level = np.full(2 * TOGETHER, 12_000), np.zeros(2 * TOGETHER, int), Level("a", every=4)
    free = [terms(budget, gate, tick, level, {}) for tick in (10, 12)]
    held = terms(budget, gate, 10, level, {}, {0}, {})
    after = terms(budget, gate, 12, level, {}, (), {0: 1})
    assert free[0].told is not None
    assert free[1].told is not None
    assert held.told is not None
    assert after.told is not None
    assert not held.told.any()
    assert after.told.tolist() == free[0].told.tolist() != free[1].told.tolist()
    assert after.telling.tolist() == free[0].telling.tolist()
