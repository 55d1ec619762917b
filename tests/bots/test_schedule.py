"""The timetable does not depend on how often anybody looks at it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.bots.durations import parse_duration
from tools.bots.schedule import Arrivals, Wheel


def test_logins_are_due_at_fixed_times() -> None:
    arrivals = Arrivals(start=10.0, count=5, rate=2.0, first=0, stride=1)
    assert list(arrivals.due(10.4)) == [(0, 10.0)]
    assert list(arrivals.due(10.4)) == []
    assert list(arrivals.due(99.0)) == [(1, 10.5), (2, 11.0), (3, 11.5), (4, 12.0)]
    assert arrivals.done


def test_workers_share_the_logins() -> None:
    shares = [Arrivals(0.0, 7, 1.0, first, 3) for first in range(3)]
    due = [number for share in shares for number, _ in share.due(100.0)]
    assert sorted(due) == list(range(7))


def test_more_logins_begin_where_the_others_ended() -> None:
    shares = [Arrivals(10.0, 12, 2.0, first, 3, begin=7) for first in range(3)]
    due = sorted(pair for share in shares for pair in share.due(100.0))
    assert due == [(7, 10.0), (8, 10.5), (9, 11.0), (10, 11.5), (11, 12.0)]


@given(st.lists(st.floats(0.0, 0.3), min_size=1, max_size=30), st.sampled_from([1.0, 3.0, 10.0, 20.0]))
def test_every_slot_comes_once_per_period(pauses: list[float], per_second: float) -> None:
    wheel = Wheel(0.0, per_second)
    now, seen = 0.0, []
    for pause in pauses:
        now += pause
        seen += [(turn, slot) for turn, slot, due in wheel.due(now)]
    assert seen == [divmod(at, wheel.slots) for at in range(len(seen))]
    assert wheel.next_due > now
    assert wheel.next_due - now <= wheel.period / wheel.slots + 1e-9


def test_what_is_late_by_more_than_a_period_is_missed() -> None:
    wheel = Wheel(0.0, 10.0)
    assert not wheel.missed(due=1.0, now=1.09)
    assert wheel.missed(due=1.0, now=1.11)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("20m", 1200), ("1h30m", 5400), ("1h1m1s", 3661), ("0s", 0)]
)
def test_durations_as_locust_writes_them(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "3d", "m", "-5s", "1s1m"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)
