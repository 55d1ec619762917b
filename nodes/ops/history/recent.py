"""The newest seconds: where readings come in. Pure; runs in the loop.

Owns the rows that nobody has taken yet. In the steady state a reading costs one indexed assignment; series are looked
at one by one only when a node's layout is another object (see members.py).

Time is that of the readings. A second that a node has a reading of is not taken again. A clock that goes back by up to
GAP_S is waited out: until it has caught up, readings are refused and counted. One that goes back further is believed:
rows go on with the earlier time, and readers let what was written later stand before what was written first.
"""

import math
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from nodes.ops.history.counts import Counts
from nodes.ops.history.identities import Identities
from nodes.ops.history.limits import Limits
from nodes.ops.history.members import Member, Members
from nodes.ops.history.rows import GAP_S, Anew, Row, padded
from nodes.ops.history.tiers import TIME_MAX
from nodes.ops.reading import Reading

ROWS_MAX = 120  # seconds that wait to be taken, while a disk stands still; the oldest are dropped


class Taken(msgspec.Struct, eq=False):
    """Rows on their way to the archive."""

    rows: list[Row]
    lives: list[tuple[str, int]]  # node and incarnation


class Recent:
    """See the module."""

    def __init__(
        self, identities: Identities, limits: Limits, counts: Counts, lives: Mapping[str, int], from_s: int
    ) -> None:
        """As far as files tell: nodes' incarnations, and the first second that they do not have."""
        self._identities, self._counts = identities, counts
        self.members = Members(identities, limits, counts, lives)
        self._rows: list[Row] = []
        self._run = 0  # the place of the first row since the clock went back
        self.newest_s = from_s  # of the last row; before that no row can be begun

    @property
    def rows(self) -> list[Row]:
        """That nobody has taken yet."""
        return list(self._rows)

    def add(self, readings: Sequence[Reading]) -> None:
        """Those of one round, in any order."""
        for reading in readings:
            if not 0 <= reading.at_s < TIME_MAX or len(reading.values) != len(reading.layout.series):
                self._counts.readings_refused += 1
                self._counts.refuse(
                    reading.node, "a reading without a time, or whose values are not those of its layout"
                )
                continue
            member = self.members.of(reading)
            if member is None:
                self._counts.readings_refused += 1
            else:
                self._enter(reading, member, math.floor(reading.at_s))

    def take(self) -> Taken:
        """All rows; they are not written to any more."""
        rows, self._rows, self._run = self._rows, [], 0
        return Taken(rows, self.members.lives())

    def _enter(self, reading: Reading, member: Member, at_s: int) -> None:
        if at_s < self.newest_s - GAP_S:
            self._go_back(at_s)
        if at_s <= member.at_s:
            self._counts.readings_repeated += 1
            return
        row = self._row(at_s)
        if row is None:
            self._counts.readings_late += 1
            return
        values = reading.values if member.places is None else reading.values[member.places]
        row.values[member.numbers] = values
        if member.begun is not None:
            begun = np.isin(member.numbers, member.begun)
            row.anew.append(Anew(member.numbers[begun], values[begun].astype(np.float64)))
            member.begun = None
        member.at_s, member.row = at_s, self.members.rows
        self._counts.readings += 1

    def _row(self, at_s: int) -> Row | None:
        """That of this second; None when it was taken and later ones have come."""
        if not self._rows or self._rows[-1].at_s != at_s or len(self._rows) == self._run:
            found = next((row for row in self._rows[self._run :] if row.at_s == at_s), None)
        else:
            found = self._rows[-1]
        if found is None and at_s >= self.newest_s:
            found = self._new_row(at_s)
        if found is not None and len(found.values) < self._identities.width:
            found.values = padded(found.values, self._identities.width)
        return found

    def _new_row(self, at_s: int) -> Row:
        row = Row(at_s, np.full(self._identities.width, np.nan))
        self._rows.append(row)
        self.members.rows += 1
        self.newest_s = at_s
        if len(self._rows) > ROWS_MAX:
            self._rows.pop(0)
            self._run = max(0, self._run - 1)
            self._counts.rows_lost += 1
        return row

    def _go_back(self, at_s: int) -> None:
        self._counts.jumps += 1
        self._counts.say(f"the clock went back from {self.newest_s} to {at_s} (seconds since 1970)")
        self.newest_s = at_s
        self._run = len(self._rows)
        self.members.go_back()
