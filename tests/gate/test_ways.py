"""The columns of the way up: rates of many together and of one alone are the same, tags are used again."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mesh.core.bucket import Bucket
from nodes.gate.ways import CLOSED, FIRST_ROWS, Ways


@given(st.lists(st.tuples(st.floats(0.0, 2.0), st.integers(0, 3), st.booleans()), max_size=60))
def test_a_row_is_a_bucket(steps):
    """Whatever is asked when, together or alone."""
    ways, now = Ways(4.0, 3), 100.0
    tags = [ways.enter(now) for _ in range(4)]
    buckets = [Bucket(4.0, 3, now) for _ in range(4)]
    for passed, which, alone in steps:
        now += round(passed, 2)
        asked = [which] if alone else [which, (which + 1) % 4]
        expected = [buckets[one].tokens(now) for one in asked]
        if alone:
            found = [ways.spend_one(tags[which], now)]
        else:
            found = ways.spend(np.array([tags[one] for one in asked]), now).tolist()
        for one, tokens, may in zip(asked, expected, found, strict=True):
            assert may == (tokens >= 1.0) or abs(tokens - 1.0) < 1e-3
            buckets[one].fill(tokens - may)


def test_tags_are_used_again_and_begin_anew():
    ways = Ways(1.0, 1)
    tags = [ways.enter(0.0) for _ in range(FIRST_ROWS + 5)]
    assert len(set(tags)) == FIRST_ROWS + 5
    ways.open(tags[3], 7, 99)
    assert ways.spend_one(tags[3], 0.0)
    ways.sweep(5.0)
    ways.sweep(5.0)
    ways.leave(tags[3])
    assert ways.enter(10.0) == tags[3]
    assert ways.line[tags[3]] == CLOSED
    assert ways.spend_one(tags[3], 10.0)
    assert ways.quiet_s[tags[3]] == 0.0
    assert ways.quiet_s[tags[4]] == 5.0


def test_thousands_of_comers_and_goers_take_no_room():
    ways = Ways(1.0, 1)
    for _ in range(10_000):
        ways.leave(ways.enter(0.0))
    assert len(ways.line) == FIRST_ROWS
