"""Who comes back: of those who came on a day, how many were there again so many days later."""

from typing import Any

import numpy as np

from tools.data.desk import Desk
from tools.data.facts import active_days, joined_of, prepare, sessions_of
from tools.data.model import DAY_MS, Chart, Line, Period, Report, Table, Tile, day, ratio, show
from tools.data.views import first_ms, last_ms

SHOWN = (1, 3, 7, 14, 30)
CURVE_DAYS = 60

Cohorts = dict[int, tuple[int, dict[int, int]]]
"""Day on which they came (since 1970) -> how many came, and how many of them were there so many days later."""


def make(desk: Desk, period: Period) -> Report:
    """See the module."""
    prepare(desk)
    begin_ms, end_ms = first_ms(desk.manifest), last_ms(desk.manifest)
    joined = joined_of(desk)
    accounts, days = active_days(sessions_of(desk))
    first, last = period.since_ms // DAY_MS, period.until_ms // DAY_MS - 1
    found = cohorts(joined.of(accounts), days, joined.joined, max(first, begin_ms // DAY_MS), last)
    whole = last_whole_day(end_ms)
    means = {at: mean(found, at, whole) for at in range(1, CURVE_DAYS + 1)}
    curve = [at for at, value in means.items() if value is not None]
    warnings = [] if joined.by_ledger else [
        f"the lake has no ledger, so everybody who was there before {day(begin_ms)} counts as new when first seen: "
        "`mesh data compact` takes it"
    ]  # fmt: skip
    return Report(
        "retention",
        "Who comes back",
        period,
        [Tile(f"day {at}", show(means.get(at), "percent")) for at in SHOWN],
        [
            Chart(
                "There again so many days later", curve,
                [Line("of those who came", [_percent(means[at]) for at in curve])],
                "%", "all days on which players came, that are long enough ago; days are UTC",
            ),
            Chart(
                "Came on this day, and were there again", [at * DAY_MS for at in sorted(found)],
                [Line(f"day {k}", [_percent(_of(found, at, k, whole)) for at in sorted(found)]) for k in (1, 7, 30)],
                "%", over_time=True,
            ),
        ],
        [_table(found, whole)],
        warnings,
    )  # fmt: skip


def cohorts(came_ms: Any, active: Any, every_ms: Any, first: int, last: int) -> Cohorts:
    """Of players who came on the days from `first` to `last`: `came_ms` and `active` are an entry for each account and
    day on which it was there, `every_ms` one for each account."""
    came = came_ms // DAY_MS
    sizes = np.bincount(_inside(every_ms // DAY_MS, first, last) - first, minlength=max(0, last - first + 1))
    found: Cohorts = {first + at: (size, {}) for at, size in enumerate(sizes.tolist()) if size}
    wanted = (came >= first) & (came <= last) & (active > came)
    keys, counts = np.unique(came[wanted] * 100_000 + (active - came)[wanted], return_counts=True)
    for key, count in zip(keys.tolist(), counts.tolist(), strict=True):
        began, later = divmod(key, 100_000)
        found[began][1][later] = count
    return found


def last_whole_day(end_ms: int) -> int:
    """The last day that is over in the data."""
    return (end_ms + 1) // DAY_MS - 1


def mean(found: Cohorts, later: int, whole: int) -> float | None:
    """Of all who came long enough ago."""
    due = [(size, active.get(later, 0)) for began, (size, active) in found.items() if began + later <= whole]
    return ratio(sum(active for _, active in due), sum(size for size, _ in due))


def _of(found: Cohorts, began: int, later: int, whole: int) -> float | None:
    size, active = found[began]
    return active.get(later, 0) / size if began + later <= whole else None


def _inside(days: Any, first: int, last: int) -> Any:
    return days[(days >= first) & (days <= last)]


def _percent(value: float | None) -> float | None:
    return None if value is None else value * 100


def _table(found: Cohorts, whole: int) -> Table:
    head = [("came on", "day"), ("players", "count"), *((f"day {at}", "percent") for at in SHOWN)]
    rows: list[list[Any]] = []
    for began in sorted(found):
        rows.append([began * DAY_MS, found[began][0], *(_of(found, began, at, whole) for at in SHOWN)])
    return Table("By the day on which they came", head, rows, "day 1: on the next day; nothing where that is not over")
