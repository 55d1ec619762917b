"""The arithmetic of budgets: links that are too slow, and a bandwidth that does not suffice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.gate.bandwidth import (
    CLIENT_MIN,
    QUEUE_BYTES,
    SHARED_MIN,
    UNHINDERED,
    UNLIMITED,
    Demand,
    Link,
    differs,
    judged,
    shares,
)


def looks(link, queued, usual, count):
    for _ in range(count):
        link = judged(link, queued, usual)
    return link


def test_one_long_queue_is_forgiven():
    link = judged(UNHINDERED, 100_000, 8000.0)
    assert link.bears == UNLIMITED
    assert judged(link, 0, 8000.0) == UNHINDERED


def test_a_queue_that_stays_halves_what_a_client_gets_until_little_is_left():
    link = looks(UNHINDERED, 50_000, 8000.0, 2)
    assert link == Link(4000)
    assert looks(link, 50_000, 8000.0, 2) == Link(2000)
    assert looks(link, 50_000, 8000.0, 40).bears == CLIENT_MIN


def test_what_is_on_its_way_is_no_queue():
    assert looks(UNHINDERED, QUEUE_BYTES, 100.0, 10) == UNHINDERED
    assert looks(UNHINDERED, 20_000, 50_000.0, 10) == UNHINDERED, "less than half a second of what it gets"


def test_a_link_that_is_free_again_gets_more_step_by_step():
    link, steps = Link(CLIENT_MIN), 0
    while link != UNHINDERED:
        before, link = link, judged(link, 0, 4000.0)
        assert link.bears > before.bears
        steps += 1
    assert 10 < steps < 60
    assert judged(Link(2000), QUEUE_BYTES // 2, 4000.0) == Link(2000), "neither good nor bad: as it is"


def test_there_are_no_shares_while_there_is_enough():
    assert shares(1000.0, 200.0, [Demand(5, 300.0, 0.0, 0.0), Demand(5, 400.0, 0.0, 0.0)]) == [0.0, 0.0]


def test_where_they_fight_there_is_more():
    crowd, battle = shares(1000.0, 0.0, [Demand(100, 900.0, 0.0, 0.0), Demand(100, 900.0, 300.0, 0.0)])
    assert crowd + battle == pytest.approx(1000.0)
    assert battle == pytest.approx(4 * crowd)


def test_what_one_does_not_want_the_others_get():
    idle, wanting = shares(1000.0, 0.0, [Demand(100, 100.0, 0.0, 500.0), Demand(100, 500.0, 0.0, 500.0)])
    assert idle == pytest.approx(125.0)
    assert wanting == pytest.approx(875.0)


def test_limits_go_when_the_need_has_gone():
    limited = [Demand(10, 300.0, 0.0, 500.0), Demand(10, 200.0, 0.0, 500.0)]
    assert shares(1000.0, 0.0, limited) == [0.0, 0.0]


def test_movement_keeps_something_however_much_else_there_is():
    [share] = shares(1000.0, 5000.0, [Demand(10, 800.0, 0.0, 0.0)])
    assert share == pytest.approx(1000.0 * SHARED_MIN)


demands = st.builds(
    Demand,
    st.integers(1, 5000),
    st.floats(0, 1e7),
    st.floats(0, 1e4),
    st.one_of(st.just(0.0), st.floats(1, 1e7)),
)


@given(st.floats(1000, 1e7), st.floats(0, 1e7), st.lists(demands, min_size=1, max_size=8))
def test_shares_add_up(bandwidth, others, lines):
    found = shares(bandwidth, others, lines)
    if any(found):
        available = max(bandwidth * SHARED_MIN, bandwidth - others)
        assert sum(found) == pytest.approx(available, rel=1e-6, abs=len(lines))
        assert all(share > 0 for share in found)


def test_little_changes_are_not_told():
    assert not differs(UNLIMITED, UNLIMITED)
    assert differs(UNLIMITED, 5000)
    assert differs(5000, UNLIMITED)
    assert not differs(5000, 5400)
    assert differs(5000, 5600)
