"""From seconds to coarser steps. Pure: rows in, rows out; all series at once.

Increases are worked out here, second by second, and not from the coarser values: only so is a reset within a step
exact. The rule is Prometheus': a counter that falls began again from zero. One whose node has another incarnation did,
too, whatever its value; the row says so.
"""

import numpy as np

from nodes.ops.history.identities import Array
from nodes.ops.history.rows import Anew, Row, padded
from nodes.ops.history.tiers import Tier


class Growth:
    """By how much everything grew from one second to the next. Gauges, too, as it costs less than to leave them out."""

    def __init__(self) -> None:
        self._latest = np.empty(0)  # the last known value of each

    def of(self, row: Row) -> tuple[Array, Array]:
        """f8: the increases, nan where one of the two values is missing. bool: which began again. By number."""
        values = row.values
        latest = padded(self._latest, len(values))
        grown = values - latest
        anew = grown < 0
        for began in row.anew:
            anew[began.numbers] = True
        self._latest = np.where(np.isnan(values), latest, values)
        return np.where(anew, values, grown), anew

    def forget(self, number: int) -> None:
        """The number has another series now."""
        if number < len(self._latest):
            self._latest[number] = np.nan


class Downsampler:
    """The step that is under way."""

    def __init__(self, step_s: int, counters: Array) -> None:
        self._step_s = step_s
        self._counters = counters
        self._begin(None, 0)

    @property
    def begin_s(self) -> int | None:
        """Where the step begins; None before the first."""
        return self._begin_s

    def add(self, row: Row, grown: Array, anew: Array) -> Row | None:
        """One more second. What it returns is the step before, when this second does not belong to it."""
        begin_s = row.at_s - row.at_s % self._step_s
        done = None
        if begin_s != self._begin_s:
            done = self._finished()
            self._begin(begin_s, len(row.values))
        elif len(row.values) > len(self._last):
            self._widen(len(row.values))
        known = ~np.isnan(row.values)
        np.copyto(self._last, row.values, where=known)
        np.add(self._total, row.values, out=self._total, where=known)
        self._count += known
        np.fmax(self._top, row.values, out=self._top)
        np.add(self._grown, grown, out=self._grown, where=~np.isnan(grown))
        self._anew |= anew
        return done

    def _begin(self, begin_s: int | None, width: int) -> None:
        self._begin_s = begin_s
        self._last = np.full(width, np.nan)
        self._top = np.full(width, np.nan)
        self._total = np.zeros(width)
        self._grown = np.zeros(width)
        self._count = np.zeros(width, np.int64)
        self._anew = np.zeros(width, bool)

    def _widen(self, width: int) -> None:
        more = width - len(self._last)
        self._last, self._top = padded(self._last, width), padded(self._top, width)
        self._total, self._grown = np.pad(self._total, (0, more)), np.pad(self._grown, (0, more))
        self._count, self._anew = np.pad(self._count, (0, more)), np.pad(self._anew, (0, more))

    def _finished(self) -> Row | None:
        if self._begin_s is None:
            return None
        counters = self._counters[: len(self._last)]
        means = np.full(len(self._last), np.nan)
        np.divide(self._total, self._count, out=means, where=self._count > 0)
        numbers = np.flatnonzero(self._anew & counters)
        return Row(
            self._begin_s,
            np.where(counters, self._last, means),
            np.where(counters, np.nan, self._top),
            [Anew(numbers, self._grown[numbers])] if len(numbers) else [],
        )


class Coarser:
    """A coarser tier's rows until they are enough for a block."""

    def __init__(self, tier: Tier, counters: Array) -> None:
        self._tier = tier
        self._downsampler = Downsampler(tier.step_s, counters)
        self.rows: list[Row] = []
        self.until = 0  # rows and blocks have the seconds below this number

    def add(self, second: int, row: Row, grown: Array, anew: Array) -> list[Row]:
        """One more second, with its number. Returns rows for a block when there are enough of them or time went back;
        they have everything before this second. One that the tier has already is passed over."""
        if second < self.until:
            return []
        before_s = self._downsampler.begin_s
        done = self._downsampler.add(row, grown, anew)
        if done is None:
            return []
        self.rows.append(done)
        self.until = second
        back = before_s is not None and row.at_s < before_s
        return self.take() if back or len(self.rows) >= self._tier.block_points else []

    def take(self) -> list[Row]:
        """All complete steps, to be written."""
        rows, self.rows = self.rows, []
        return rows
