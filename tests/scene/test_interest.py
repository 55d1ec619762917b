"""Who sees whom, compared with the simplest possible program."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nodes.scene import interest as interest_module
from nodes.scene.budgets import Terms
from nodes.scene.interest import Changes, Interest
from nodes.scene.pairs import Pairs, key_of
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


def pairs(found: Pairs) -> set[tuple[int, int]]:
    listed = list(zip(found.observers.tolist(), found.entities.tolist(), strict=True))
    assert listed == sorted(set(listed)), "ascending, each once"
    return set(listed)


def plenty(capacity: int, tick: int, views: int = 1_000, records: int = 1_000) -> Terms:
    def everybody(value: int) -> np.ndarray:
        return np.full(capacity, value)

    return Terms(everybody(views), everybody(records), everybody(4), everybody(tick), None, everybody(1_000))


class Looking:
    """An interest with its clock; nothing concerns anybody."""

    def __init__(self, units: int, enter: float, leave: float, capacity: int, views: int = 1_000) -> None:
        self.interest = Interest(units, enter, leave, capacity)
        self.capacity, self.views, self.tick = capacity, views, 0
        self.concerns: dict[int, list[int]] = {}

    def look(self, places: list[tuple[int, int]], entities: set[int], observers: set[int], fresh: set[int]) -> Changes:
        self.tick += 1
        x, y = (np.array(column, "<u2") for column in zip(*places, strict=True))
        watching = np.zeros(self.capacity, "?")
        watching[sorted(observers)] = True
        return self.interest.look(
            x, y, np.array(sorted(entities), np.int32), watching, np.array(sorted(fresh), np.int32),
            plenty(self.capacity, self.tick, self.views), self._concerns, self.tick,
        )  # fmt: skip

    def all_look(self, x: list[int]) -> Changes:
        everyone = set(range(len(x)))
        return self.look([(one, 0) for one in x], everyone, everyone, set())

    def _concerns(self, observers: list[int]) -> np.ndarray:
        found = [(one, other) for one in observers for other in sorted(self.concerns.get(one, []))]
        listed = np.array(found, np.uint32).reshape(-1, 2)
        return key_of(listed[:, 0], listed[:, 1])


class Simple:
    """All against all."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, int]] = set()

    def gone(self, slots: set[int]) -> set[tuple[int, int]]:
        lost = {(o, e) for o, e in self.seen if e in slots and o not in slots}
        self.seen = {(o, e) for o, e in self.seen if not {o, e} & slots}
        return lost

    def look(self, places, entities, observers, fresh):
        before = {(o, e) for o, e in self.seen if o not in fresh and o in observers}
        now = set()
        for o in observers:
            for e in entities:
                if o != e:
                    square = (places[o][0] - places[e][0]) ** 2 + (places[o][1] - places[e][1]) ** 2
                    if square <= ENTER**2 or (square <= LEAVE**2 and (o, e) in before):
                        now.add((o, e))
        self.seen = now
        return now - before, before - now


@given(st.lists(step, min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_it_equals_all_against_all(steps) -> None:
    fast, simple = Looking(UNITS, ENTER, LEAVE, SLOTS), Simple()
    there: set[int] = set()
    for places, entities, observers, fresh in steps:
        observers &= entities
        fresh &= observers
        gone = there - entities
        assert pairs(fast.interest.forget(np.array(sorted(gone), np.int64))) == simple.gone(gone)
        there = entities
        changes = fast.look(places, entities, observers, fresh)
        assert tuple(map(pairs, changes)) == simple.look(places, entities, observers, fresh)
        for o in observers:
            assert seen_by(fast.interest, o) == sorted(e for a, e in simple.seen if a == o)
        assert set(np.flatnonzero(fast.interest.watched())) == {e for _, e in simple.seen}


@given(st.lists(place, min_size=SLOTS, max_size=SLOTS), st.integers(1, 60), st.sets(st.integers(0, SLOTS - 1)))
@settings(max_examples=80, deadline=None)
def test_with_little_time_a_tick_everybody_has_had_a_turn_after_a_cycle(places, candidates, fresh) -> None:
    everyone = set(range(SLOTS))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interest_module, "CANDIDATES_TICK", candidates)
        patch.setattr(interest_module, "CANDIDATES_MAX", candidates)
        fast, simple = Looking(UNITS, ENTER, LEAVE, SLOTS), Simple()
        fast.look(places, everyone, everyone, fresh)
        told = {one for one in fresh if seen_by(fast.interest, one)}
        simple.look(places, everyone, everyone, everyone)
        assert told == {one for one in fresh if any(o == one for o, _ in simple.seen)}, "newcomers look at once"
        for _ in range(2 * fast.interest.cycle):
            fast.look(places, everyone, everyone, set())
        assert pairs(fast.interest.pairs) == simple.seen


def test_those_who_are_asked_for_look_before_their_turn() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interest_module, "CANDIDATES_TICK", 40)
        fast = Looking(UNITS, ENTER, LEAVE, SLOTS)
        fast.all_look([0] * SLOTS)
        assert fast.interest.cycle == math.ceil(SLOTS * SLOTS / 40)
        assert not seen_by(fast.interest, SLOTS - 1)
        fast.interest.urgent[SLOTS - 1] = None
        fast.all_look([0] * SLOTS)
        assert seen_by(fast.interest, SLOTS - 1) == list(range(SLOTS - 1))


def test_what_is_near_is_looked_up_in_turns_and_at_once_where_nothing_is_known(monkeypatch) -> None:
    """Of whoever has come into a slot, and of everybody when they may be shown more or less: or a tick could take on
    many more than it may."""
    monkeypatch.setattr(interest_module, "CANDIDATES_TICK", 40)
    fast, asked = Looking(UNITS, ENTER, LEAVE, SLOTS), []
    runs = fast.interest._grid.runs
    monkeypatch.setattr(fast.interest._grid, "runs", lambda x, y: (asked.append(len(x)), runs(x, y))[1])
    fast.all_look([0] * SLOTS)
    assert asked == [SLOTS, 1]
    fast.all_look([0] * SLOTS)
    assert asked[2:] == [1]
    fast.interest.forget(np.array([5]))
    fast.all_look([0] * SLOTS)
    assert asked[3:] == [1, 1], "the one in slot 5, and the one whose turn it is"
    fast.views = 7
    fast.all_look([0] * SLOTS)
    assert asked[5:] == [SLOTS, 1]
    assert fast.interest.cycle == math.ceil(SLOTS * SLOTS / 40)


def test_what_is_seen_is_lost_further_away_than_it_is_found() -> None:
    looking = Looking(1000, 100.0, 110.0, 2)
    for x, seen in ((105, False), (100, True), (110, True), (111, False), (101, False)):
        looking.look([(0, 0), (x, 0)], {0, 1}, {0}, set())
        assert (1 in seen_by(looking.interest, 0)) is seen, x


def test_only_observers_look() -> None:
    looking = Looking(1000, 100.0, 110.0, 3)
    looking.look([(0, 0), (50, 0), (60, 0)], {0, 1, 2}, {0}, set())
    assert pairs(looking.interest.pairs) == {(0, 1), (0, 2)}
    assert pairs(looking.interest.watchers(np.array([False, True, False]))) == {(0, 1)}
    assert looking.interest.watched().tolist() == [False, True, True]
    looking.look([(0, 0), (50, 0), (60, 0)], {0, 1, 2}, set(), set())
    assert pairs(looking.interest.pairs) == set()


def test_a_map_smaller_than_the_view() -> None:
    assert pairs(Looking(50, 100.0, 110.0, 3).look([(0, 0), (50, 0), (25, 0)], {0, 1, 2}, {0}, set()).appeared) == {
        (0, 1), (0, 2),
    }  # fmt: skip


def test_corners_of_the_greatest_map() -> None:
    looking = Looking(0xFFFF, 2500.0, 2750.0, 3)
    places = [(0xFFFF, 0xFFFF), (0xFFFF, 0xFFFF - 2500), (0, 0)]
    assert pairs(looking.look(places, {0, 1, 2}, {0, 1, 2}, set()).appeared) == {(0, 1), (1, 0)}


@pytest.mark.parametrize("wanted", [10, 250])
def test_in_a_crowd_the_nearest_are_seen_and_those_that_concern_the_observer(wanted: int) -> None:
    count = 600
    chance = np.random.default_rng(4)
    places = [tuple(one) for one in chance.integers(4000, 5000, (count, 2)).tolist()]
    everyone = set(range(count))
    looking = Looking(10_000, 2500.0, 2750.0, count, wanted)
    looking.look(places, everyone, everyone, everyone)
    x, y = np.array(places, float).T
    far = {}
    for observer in range(count):
        square = (x - x[observer]) ** 2 + (y - y[observer]) ** 2
        far[observer] = int(np.argmax(square))
        square[observer] = np.inf
        assert sorted(square[seen_by(looking.interest, observer)]) == sorted(square)[:wanted]
    looking.concerns = {observer: [other] for observer, other in far.items()}
    for _ in range(2 * looking.interest.cycle):
        looking.look(places, everyone, everyone, set())
    for observer, other in far.items():
        seen = seen_by(looking.interest, observer)
        assert other in seen
        assert len(seen) == wanted


def test_a_large_crowd_is_measured_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [tuple(one) for one in np.random.default_rng(4).integers(0, 3000, (200, 2)).tolist()]
    everyone = set(range(200))
    whole, parts = Looking(3000, 500.0, 550.0, 200), Looking(3000, 500.0, 550.0, 200)
    whole.look(places, everyone, everyone, set())
    monkeypatch.setattr(interest_module, "CANDIDATES_MAX", 500)
    parts.look(places, everyone, everyone, set())
    assert pairs(parts.interest.pairs) == pairs(whole.interest.pairs)
