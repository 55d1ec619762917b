"""How many were in the world: against counting minute by minute."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.data.presence import days_of, gini, mean_online, peak_online, share_of_top

SESSIONS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 30)).map(lambda s: (s[0], s[0] + s[1])), max_size=15)
EDGES = np.array([10, 20, 35, 60], np.int64)


@given(SESSIONS)
def test_against_counting(sessions: list[tuple[int, int]]) -> None:
    began, ended = (np.array([one[at] for one in sessions], np.int64) for at in (0, 1))
    online = [sum(b <= t < e for b, e in sessions) for t in range(100)]
    spans = list(zip(EDGES.tolist(), EDGES.tolist()[1:], strict=False))
    assert peak_online(began, ended, EDGES).tolist() == [max(online[a:b]) for a, b in spans]
    assert mean_online(began, ended, EDGES).tolist() == pytest.approx([sum(online[a:b]) / (b - a) for a, b in spans])


@given(SESSIONS)
def test_days(sessions: list[tuple[int, int]]) -> None:
    accounts = np.array([at % 3 + 7 for at in range(len(sessions))], np.int64)
    began, ended = (np.array([one[at] for one in sessions], np.int64) for at in (0, 1))
    who, days = days_of(accounts, began, ended, 10)
    expected = {
        (int(account), day)
        for account, (b, e) in zip(accounts, sessions, strict=True)
        for day in range(b // 10, max(e - 1, b) // 10 + 1)
    }
    assert len(who) == len(expected)
    assert set(zip(who.tolist(), days.tolist(), strict=True)) == expected


@pytest.mark.parametrize(
    ("values", "expected"), [([], 0.0), ([0, 0], 0.0), ([5, 5, 5], 0.0), ([0, 0, 0, 8], 0.75), ([1, 3], 0.25)]
)
def test_gini(values: list[int], expected: float) -> None:
    """Half the mean distance of two, in means."""
    assert gini(np.array(values)) == pytest.approx(expected)
    if sum(values):
        distance = sum(abs(a - b) for a in values for b in values) / len(values) ** 2
        assert gini(np.array(values)) == pytest.approx(distance / 2 / (sum(values) / len(values)))


def test_what_the_richest_hold() -> None:
    assert share_of_top(np.array([1] * 99 + [99]), 0.01) == pytest.approx(0.5)
    assert share_of_top(np.array([3]), 0.01) == 1.0
