"""Numbers that have been seen, as a sorted list of stretches [first, end) that neither overlap nor touch. Pure.

A sender numbers its events without gaps, so a life of a sender is one stretch, or a few while some of its events are
with another log node. That makes "has this event been taken?" exact at a few bytes for millions of events.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

Stretches = Sequence[tuple[int, int]]


def missing(seen: Stretches, first: int, end: int) -> list[tuple[int, int]]:
    """What of [first, end) has not been seen, in order."""
    found = []
    at = bisect_right(seen, first, key=lambda one: one[1])  # the first stretch that ends behind `first`
    while at < len(seen) and seen[at][0] < end:
        if first < seen[at][0]:
            found.append((first, seen[at][0]))
        first = max(first, seen[at][1])
        at += 1
    if first < end:
        found.append((first, end))
    return found


def joined(seen: Stretches, first: int, end: int) -> list[tuple[int, int]]:
    """With [first, end), too."""
    low = bisect_left(seen, first, key=lambda one: one[1])  # what ends at `first` is joined, too
    high = bisect_right(seen, end, key=lambda one: one[0])
    if low < high:
        first, end = min(first, seen[low][0]), max(end, seen[high - 1][1])
    return [*seen[:low], (first, end), *seen[high:]]
