"""Checker `flat`: what a process holds does not grow for ever.

Growth is looked at within the lives of a process, since a new one begins anew, and not in the first time of each, in
which everything is filled for the first time. The slope of a life is the median of the slopes between its samples
(Theil 1950, Sen 1968), so that single peaks say nothing; lives count by how long they were watched.
"""

from collections.abc import Sequence
from itertools import combinations
from statistics import mean, median

import msgspec

from mesh.checking.records import Problem

WHILE_S = 600.0  # for which growth is told: about as long as something lives that is killed now and then
LOOKED_AT_MAX = 120  # samples of one life, evenly spread: their pairs are what costs


class Sample(msgspec.Struct, frozen=True, gc=False):
    """How much there was at that age of its life (s)."""

    age_s: float
    size: float


Life = Sequence[Sample]


class Growth(msgspec.Struct, frozen=True, gc=False):
    """Of one kind of process, or of several together."""

    size: float
    more: float  # in ten minutes

    @property
    def pct(self) -> float:
        return 100 * self.more / self.size


def growth(lives: Sequence[Life], warm_s: float, least_s: float) -> Growth | None:
    """None when no life was watched for `least_s` after its first `warm_s`."""
    watched = [warm for life in lives if _span(warm := [one for one in life if one.age_s >= warm_s]) >= least_s]
    total_s, size = sum(map(_span, watched)), mean([median(_sizes(life)) for life in watched]) if watched else 0.0
    if not total_s or not size:
        return None
    return Growth(size, WHILE_S * sum(slope(life) * _span(life) for life in watched) / total_s)


def together(several: Sequence[Growth]) -> Growth | None:
    """None of nobody."""
    return Growth(sum(one.size for one in several), sum(one.more for one in several)) if several else None


def slope(life: Life) -> float:
    """A second."""
    some = life[:: -(-len(life) // LOOKED_AT_MAX)]
    return median(
        [(later.size - sooner.size) / (later.age_s - sooner.age_s) for sooner, later in combinations(some, 2)]
    )


def flat(what: str, grown_pct: float | None, limit_pct: float) -> list[Problem]:
    """`grown_pct`: in ten minutes; None when it is not known."""
    if grown_pct is None or grown_pct <= limit_pct:
        return []
    return [Problem("flat", f"{what} grows by {grown_pct:.2f} % in ten minutes, at most {limit_pct:g} %")]


def returns(what: str, sizes: Sequence[float], warm: int, limit_pct: float) -> list[Problem]:
    """For what must be the same at like moments (everybody is there, nothing is under way): the later half of them
    is not above the earlier one, apart from the first `warm` moments."""
    change = change_pct(sizes, warm)
    if change is None or change <= limit_pct:
        return []
    later, sooner = _halves(sizes[warm:])
    return [Problem("flat", f"{what}: {median(later):,.0f} in the end, {median(sooner):,.0f} before")]


def change_pct(sizes: Sequence[float], warm: int) -> float | None:
    """By how much the median of the later half is above that of the earlier one, in per cent. None: too few moments."""
    later, sooner = _halves(sizes[warm:])
    return 100 * (median(later) / median(sooner) - 1) if sooner and later and median(sooner) else None


def _halves(sizes: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    middle = len(sizes) // 2
    return sizes[middle:], sizes[:middle]


def _span(life: Life) -> float:
    return life[-1].age_s - life[0].age_s if len(life) > 1 else 0.0


def _sizes(life: Life) -> list[float]:
    return [one.size for one in life]
