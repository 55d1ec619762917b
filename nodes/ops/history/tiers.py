"""How long points are kept how finely, and which of these tiers answers a question. Pure.

    second   1 s    for an hour    a block is what one flush brings, at most as many points as below
    ten      10 s   for a day
    minute   1 min  for 30 days

Counters keep their last value in a coarser step, gauges their mean and their maximum. Each tier is made from the
seconds themselves, not from the tier before it, so a mean is the mean of the seconds that there were.

A file is closed at a number of points, not at an age: a clock that jumps makes no files.
"""

from collections.abc import Sequence

import msgspec

TIME_MAX = 2**32 - 1
"""Seconds since 1970, as files have them (until 2106)."""

_HOUR_S = 3600
_DAY_S = 86_400


class Tier(msgspec.Struct, frozen=True):
    """One fineness."""

    name: str  # of its files
    step_s: int
    keep_s: int  # files whose last point is older than this are deleted
    block_points: int  # compressed together: more of them take less room, and more of it is in memory until then
    segment_points: int  # a file is closed when it has these: retention deletes whole files


TIERS = (
    Tier("second", 1, _HOUR_S, 120, 600),
    Tier("ten", 10, _DAY_S, 60, 1_440),
    Tier("minute", 60, 30 * _DAY_S, 20, 4_320),
)


def covering(tiers: Sequence[Tier], start_s: float, newest_s: int) -> int:
    """The place of the finest tier that reaches back to `start_s`; the coarsest when none does. Files are deleted
    whole and the newest points are a little younger than the clock, so a step more or less is not looked at."""
    for place, tier in enumerate(tiers):
        if start_s >= newest_s - tier.keep_s - tier.step_s:
            return place
    return len(tiers) - 1
