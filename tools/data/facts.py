"""What several reports need of a lake: the sessions, who came when, counts by day. Blocking."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mesh.lake.columns import HOUR_MS, HOURLY
from tools.data.desk import Desk
from tools.data.model import DAY_MS, Period

Numbers = npt.NDArray[np.int64]


class Sessions(NamedTuple):
    """Columns, one entry for each session."""

    account: Numbers
    began: Numbers  # ms
    ended: Numbers
    is_open: npt.NDArray[np.bool_]

    def clipped(self, period: Period) -> "Sessions":
        """What lies in the period."""
        inside = (self.ended > period.since_ms) & (self.began < period.until_ms)
        began = np.maximum(self.began[inside], period.since_ms)
        ended = np.minimum(self.ended[inside], period.until_ms)
        return Sessions(self.account[inside], began, np.maximum(ended, began), self.is_open[inside])

    def begun(self, period: Period) -> "Sessions":
        """Those that began in the period, as long as they were."""
        inside = (self.began >= period.since_ms) & (self.began < period.until_ms)
        return Sessions(self.account[inside], self.began[inside], self.ended[inside], self.is_open[inside])


class Joined(NamedTuple):
    """When each account came, sorted by account."""

    account: Numbers
    joined: Numbers  # ms
    by_ledger: bool  # the moment in which the account was made; else when it was first seen in the lake

    def of(self, accounts: Numbers) -> Numbers:
        """For each of these; -1 for one that is not known."""
        if not len(self.account):
            return np.full(len(accounts), -1, np.int64)
        at = np.minimum(np.searchsorted(self.account, accounts), len(self.account) - 1)
        return np.where(self.account[at] == accounts, self.joined[at], -1)


def prepare(desk: Desk) -> None:
    """The sessions and players of the whole lake, once for all questions of a report."""
    desk.run("CREATE TEMP TABLE every_session AS SELECT * FROM sessions")


def sessions_of(desk: Desk) -> Sessions:
    """All of the lake."""
    found = desk.columns(
        "SELECT account, epoch_ms(began) AS began, epoch_ms(ended) AS ended, is_open FROM every_session "
        "WHERE began IS NOT NULL AND ended IS NOT NULL"
    )
    began, ended = _ints(found["began"]), _ints(found["ended"])
    return Sessions(_ints(found["account"]), began, np.maximum(began, ended), np.asarray(found["is_open"], bool))


def joined_of(desk: Desk) -> Joined:
    """By the ledger, when the lake has it, else by the first session."""
    by_ledger = bool(desk.manifest.of_table("ledger"))
    made = "SELECT account, ts FROM ledger WHERE kind = 'create' AND account > 0 UNION ALL " if by_ledger else ""
    found = desk.columns(
        f"SELECT account, epoch_ms(min(ts)) AS joined FROM ({made}SELECT account, began AS ts FROM every_session) "
        "GROUP BY account ORDER BY account"
    )
    return Joined(_ints(found["account"]), _ints(found["joined"]), by_ledger)


def counts_by_day(desk: Desk, period: Period) -> dict[str, list[int]]:
    """Kind -> how many events on each day. The manifest knows it: files are by hour."""
    counts: dict[str, list[int]] = {}
    for file in desk.manifest.files:
        begin = file.hour * HOUR_MS
        if file.table in HOURLY and period.since_ms <= begin < period.until_ms:
            for kind, count in file.kinds.items():
                counts.setdefault(kind, [0] * len(period.days))[period.day_of(begin)] += count
    return counts


def active_days(sessions: Sessions) -> tuple[Numbers, Numbers]:
    """Account and day (since 1970), once for each day on which an account was in the world."""
    from tools.data.presence import days_of

    return days_of(sessions.account, sessions.began, sessions.ended, DAY_MS)


def by_day(rows: list[tuple[Any, ...]], period: Period, places: int = 1) -> list[list[float]]:
    """Rows of (day since 1970, value, ...) as a list for each of the values, with 0 where there is none."""
    found = [[0.0] * len(period.days) for _ in range(places)]
    for number, *values in rows:
        at = period.day_of(int(number) * DAY_MS)
        if 0 <= at < len(period.days):
            for place, value in enumerate(values[:places]):
                found[place][at] += float(value or 0)
    return found


def _ints(column: Any) -> Numbers:
    return np.asarray(column, np.int64)
