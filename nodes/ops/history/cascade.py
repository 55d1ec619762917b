"""The coarser tiers, made from the seconds as these are stored. Pure: rows in, rows for blocks out.

Every second has a number, counted from the first that the history ever stored, whatever the clock did. A coarser block
says up to which of them it is complete; so after a start it is known which seconds a tier does not have yet, and
following them again from the files gives what it had in memory.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from nodes.ops.history.downsampling import Coarser, Growth
from nodes.ops.history.identities import Array
from nodes.ops.history.rows import GAP_S, Row
from nodes.ops.history.tiers import Tier

WARM_UP = 60
"""Seconds that are followed again although all tiers have them: what came after them grew from these."""


class Complete(NamedTuple):
    """Rows for a block of a coarser tier."""

    place: int  # of the tier
    rows: list[Row]
    until: int


class Cascade:
    """See the module."""

    def __init__(self, tiers: Sequence[Tier], counters: Array) -> None:
        self._growth = Growth()
        self._coarser = [Coarser(tier, counters) for tier in tiers[1:]]
        self.seconds = 0  # the number of the next one
        self.newest_s = -1  # the last one's time
        self.steady_rows = 0  # since the clock leapt, or since the start

    def rows(self, place: int) -> list[Row]:
        """Of a coarser tier: complete and in no block yet."""
        return self._coarser[place - 1].rows

    def has(self, place: int, until: int) -> None:
        """A coarser tier's blocks have the seconds below this number."""
        self._coarser[place - 1].until = until

    def needed_from(self) -> int:
        """The number of the first second that is to be followed after a start."""
        return min((coarser.until for coarser in self._coarser), default=0) - WARM_UP

    def forget(self, numbers: Iterable[int]) -> None:
        """These numbers have other series now."""
        for number in numbers:
            self._growth.forget(number)

    def follow(self, row: Row) -> list[Complete]:
        """The next second."""
        gap = row.at_s - self.newest_s
        self.steady_rows = self.steady_rows + 1 if 0 <= gap <= GAP_S else 0
        self.newest_s = row.at_s
        grown, anew = self._growth.of(row)
        found = []
        for place, coarser in enumerate(self._coarser, 1):
            rows = coarser.add(self.seconds, row, grown, anew)
            if rows:
                found.append(Complete(place, rows, coarser.until))
        self.seconds += 1
        return found

    def rest(self) -> list[Complete]:
        """All steps that are complete and in no block yet."""
        found = [Complete(place, coarser.take(), coarser.until) for place, coarser in enumerate(self._coarser, 1)]
        return [complete for complete in found if complete.rows]
