"""What is usual at each hour of the week, for each slot: the 168 hours, each with the range of what was seen. Pure.

One value a minute is kept; at the end of an hour its 5th and 95th percentile enter the hour of the week, new weeks with
a weight of at least NEW. Percentiles, since a backup of ten minutes each night is normal in its hour, and two strange
minutes are not. An hour of the week speaks for itself when it was seen in WEEKS_MIN weeks; until then the median of the
same hour of all days does. So one bad hour is no habit, and what comes each night is one from the second night on.

Values are what `baseline.py` makes of signals, strange ones included: it is their coming again that makes them usual.
Hours are those of UTC: where clocks are put forward, an hour is that of its neighbour until it has been learned anew.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from nodes.ops.analysis.plans import Floats

HOURS, DAY = 168, 24
THURSDAY_0H = 72  # 1970-01-01 00:00 UTC was a Thursday; hours count from Monday
MINUTES_MIN = 30  # of an hour; with fewer nothing is said of it
LOW, HIGH = 0.05, 0.95
NEW = 0.3
WEEKS_MIN = 2

Small = npt.NDArray[np.float32]


class SeasonsState(msgspec.Struct, frozen=True):
    """Rows of HOURS float32, NaN: not known; in the order of the keys of the baselines."""

    low: bytes
    high: bytes
    weeks: bytes  # uint8: how often an hour was seen


def hour_of_week(at_s: float) -> int:
    """0 is Monday 00:00 to 01:00 UTC."""
    return int(at_s // 3600 + THURSDAY_0H) % HOURS


class Seasons:
    """See the module."""

    def __init__(self) -> None:
        self._low: Small = np.empty((0, HOURS), np.float32)
        self._high: Small = np.empty((0, HOURS), np.float32)
        self._weeks: npt.NDArray[np.uint8] = np.empty((0, HOURS), np.uint8)
        self._minutes: Small = np.empty((0, 60), np.float32)
        self._hour: float | None = None  # since 1970
        self._minute = -1
        self._usual: tuple[Floats, Floats] = (np.empty(0), np.empty(0))
        self._remembered: dict[tuple[str, str], int] = {}
        self._old: tuple[Small, Small, npt.NDArray[np.uint8]] = (self._low, self._high, self._weeks)

    def look(self, z: Floats, now_s: float) -> None:
        """NaN: nothing to be learned."""
        hour = now_s // 3600
        if hour != self._hour:
            self._end_hour()
            self._hour, self._minute = hour, -1
            self._minutes[:] = np.nan
            self._usual = self._usual_at(hour_of_week(now_s))
        minute = int(now_s // 60) % 60
        if minute != self._minute:
            self._minute = minute
            self._minutes[:, minute] = z

    def usual(self) -> tuple[Floats, Floats]:
        """The range of this hour; NaN where nothing is known."""
        return self._usual

    def grow(self, keys: Sequence[tuple[str, str]]) -> None:
        """Further slots."""
        count = len(keys)
        unknown = np.full((count, HOURS), np.nan, np.float32)
        low, high, weeks = unknown, unknown.copy(), np.zeros((count, HOURS), np.uint8)
        for row, key in enumerate(keys):
            at = self._remembered.pop(key, None)
            if at is not None:
                low[row], high[row], weeks[row] = (part[at] for part in self._old)
        self._low, self._high = np.vstack((self._low, low)), np.vstack((self._high, high))
        self._weeks = np.vstack((self._weeks, weeks))
        self._minutes = np.vstack((self._minutes, np.full((count, 60), np.nan, np.float32)))
        hour = 0 if self._hour is None else int(self._hour + THURSDAY_0H) % HOURS
        self._usual = self._usual_at(hour)

    def state(self) -> SeasonsState:
        return SeasonsState(self._low.tobytes(), self._high.tobytes(), self._weeks.tobytes())

    def restore(self, keys: Sequence[tuple[str, str]], state: SeasonsState) -> None:
        """Before the first look. What does not add up is forgotten."""
        if not len(state.low) == len(state.high) == 4 * len(state.weeks) == 4 * HOURS * len(keys):
            return
        low, high = (np.frombuffer(one, np.float32).reshape(-1, HOURS) for one in (state.low, state.high))
        self._old = low, high, np.frombuffer(state.weeks, np.uint8).reshape(-1, HOURS)
        self._remembered = {key: at for at, key in enumerate(keys)}

    def _end_hour(self) -> None:
        """Enter what was seen in the hour that is over."""
        if self._hour is None or not len(self._minutes):
            return
        at = int(self._hour + THURSDAY_0H) % HOURS
        ordered = np.sort(self._minutes, axis=1)  # NaN last
        count = np.isfinite(ordered).sum(axis=1)
        enough = count >= MINUTES_MIN
        rows = np.arange(len(ordered))
        weeks = self._weeks[:, at]
        share = np.maximum(1.0 / (weeks + 1.0), NEW)
        for stored, q in ((self._low, LOW), (self._high, HIGH)):
            seen = ordered[rows, (np.maximum(count - 1, 0) * q).astype(np.intp)]
            before = np.where(weeks == 0, seen, stored[:, at])
            stored[:, at] = np.where(enough, before + share * (seen - before), stored[:, at])
        self._weeks[:, at] = np.minimum(weeks + enough.astype(np.uint8), 200)

    def _usual_at(self, hour: int) -> tuple[Floats, Floats]:
        own = self._weeks[:, hour] >= WEEKS_MIN
        return _or_all_days(self._low, hour, own), _or_all_days(self._high, hour, own)


def _or_all_days(stored: Small, hour: int, own: npt.NDArray[np.bool_]) -> Floats:
    """An hour of the week for itself, or the (lower) median of that hour on the days that are known."""
    days = np.sort(stored[:, hour % DAY :: DAY], axis=1)
    count = np.isfinite(days).sum(axis=1)
    middle = days[np.arange(len(days)), np.maximum(count - 1, 0) // 2]
    return np.where(own, stored[:, hour], middle).astype(np.float64)
