"""Who sees whom, compared with the simplest possible program."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.scene import interest as interest_module
from nodes.scene.interest import Interest
from tests.scene.building import seen_by

SLOTS = 24
UNITS = 400
ENTER, LEAVE = 60.0, 66.0

place = st.tuples(st.integers(0, UNITS), st.integers(0, UNITS))
step = st.tuples(
    st.lists(place, min_size=SLOTS, max_size=SLOTS),
    st.sets(st.integers(0, SLOTS - 1)),  # entities
    st.sets(st.integers(0, SLOTS - 1)),  # of these, observers
    st.sets(st.integers(0, SLOTS - 1)),  # of these, fresh
)


def pairs(found) -> set[tuple[int, int]]:
    listed = list(zip(found.observers.tolist(), found.entities.tolist(), strict=True))
    assert listed == sorted(set(listed)), "ascending, each once"
    return set(listed)


class Simple:
    """All against all."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, int]] = set()

    def update(self, places, entities, observers, fresh):
        before = {(o, e) for o, e in self.seen if o not in fresh}
        now = set()
        for o in observers:
            for e in entities:
                if o != e:
                    square = (places[o][0] - places[e][0]) ** 2 + (places[o][1] - places[e][1]) ** 2
                    if square <= ENTER**2 or (square <= LEAVE**2 and (o, e) in before):
                        now.add((o, e))
        self.seen = now
        return now - before, now & before, before - now


@given(st.lists(step, min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_it_equals_all_against_all(steps) -> None:
    fast, simple = Interest(UNITS, ENTER, LEAVE, SLOTS), Simple()
    for places, entities, observers, fresh in steps:
        observers &= entities
        fresh &= observers
        x = np.array([p[0] for p in places], "<u2")
        y = np.array([p[1] for p in places], "<u2")
        slots = [np.array(sorted(one), np.int32) for one in (entities, observers, fresh)]
        changes = fast.update(x, y, *slots)
        assert tuple(map(pairs, changes)) == simple.update(places, entities, observers, fresh)
        for o in observers:
            assert seen_by(fast, o) == sorted(e for a, e in simple.seen if a == o)


def one_step(interest: Interest, x: list[int]):
    everyone = np.arange(len(x), dtype=np.int32)
    return interest.update(np.array(x, "<u2"), np.zeros(len(x), "<u2"), everyone, everyone[:1], everyone[:0])


def test_what_is_seen_is_lost_further_away_than_it_is_found() -> None:
    interest = Interest(1000, 100.0, 110.0, 99)
    for x, seen in ((105, False), (100, True), (110, True), (111, False), (101, False)):
        changes = one_step(interest, [0, x])
        assert (1 in seen_by(interest, 0)) is seen, x
    assert len(changes.vanished.observers) == 0


def test_only_observers_look() -> None:
    interest = Interest(1000, 100.0, 110.0, 99)
    one_step(interest, [0, 50, 60])
    assert interest.keys.tolist() == [1, 2]
    wanted = np.array([False, True, False])
    found = interest.watchers(wanted)
    assert (found.observers.tolist(), found.entities.tolist()) == ([0], [1])
    assert interest.watched(3).tolist() == [False, True, True]


def test_a_map_smaller_than_the_view() -> None:
    interest = Interest(50, 100.0, 110.0, 99)
    changes = one_step(interest, [0, 50, 25])
    assert pairs(changes.appeared) == {(0, 1), (0, 2)}


def test_corners_of_the_greatest_map() -> None:
    interest = Interest(0xFFFF, 2500.0, 2750.0, 99)
    x, y = np.array([0xFFFF, 0xFFFF, 0], "<u2"), np.array([0xFFFF, 0xFFFF - 2500, 0], "<u2")
    everyone = np.arange(3, dtype=np.int32)
    changes = interest.update(x, y, everyone, everyone, everyone[:0])
    assert pairs(changes.appeared) == {(0, 1), (1, 0)}


def test_in_a_crowd_the_nearest_are_seen() -> None:
    interest = Interest(10_000, 2500.0, 2750.0, 10)
    chance = np.random.default_rng(4)
    x, y = chance.integers(4000, 5000, (2, 300)).astype("<u2")
    everyone = np.arange(300, dtype=np.int32)
    interest.update(x, y, everyone, everyone, everyone[:0])
    for observer in range(300):
        square = (x.astype(float) - x[observer]) ** 2 + (y.astype(float) - y[observer]) ** 2
        square[observer] = np.inf
        assert sorted(square[seen_by(interest, observer)]) == sorted(square)[:10]


def test_a_large_crowd_is_measured_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = np.random.default_rng(4).integers(0, 3000, (2, 200)).astype("<u2")
    everyone = np.arange(200, dtype=np.int32)
    whole, parts = Interest(3000, 500.0, 550.0, 99), Interest(3000, 500.0, 550.0, 99)
    whole.update(x, y, everyone, everyone, everyone[:0])
    monkeypatch.setattr(interest_module, "CANDIDATES_MAX", 500)
    parts.update(x, y, everyone, everyone, everyone[:0])
    assert parts.keys.tolist() == whole.keys.tolist()
