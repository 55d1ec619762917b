"""Which numbers have been seen: against a set of them."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from mesh.lake.stretches import joined, missing

SPANS = st.lists(
    st.tuples(st.integers(0, 40), st.integers(1, 12)).map(lambda one: (one[0], one[0] + one[1])), max_size=12
)


@given(SPANS, st.integers(0, 40), st.integers(1, 12))
def test_it_is_what_a_set_would_say(spans: list[tuple[int, int]], first: int, length: int) -> None:
    seen: list[tuple[int, int]] = []
    numbers: set[int] = set()
    for begin, end in spans:
        seen = joined(seen, begin, end)
        numbers |= set(range(begin, end))
    assert {n for begin, end in seen for n in range(begin, end)} == numbers
    assert all(a[1] < b[0] for a, b in itertools.pairwise(seen)), "they neither overlap nor touch"
    gaps = missing(seen, first, first + length)
    assert [n for begin, end in gaps for n in range(begin, end)] == [
        n for n in range(first, first + length) if n not in numbers
    ]


def test_what_follows_is_one_stretch() -> None:
    assert joined(joined([], 0, 5), 5, 9) == [(0, 9)]
    assert joined([(0, 5), (7, 9)], 5, 7) == [(0, 9)]
    assert missing([(0, 5), (7, 9)], 3, 10) == [(5, 7), (9, 10)]
