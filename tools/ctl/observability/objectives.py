"""What is promised to players, and how fast the failures that are allowed are being used up.

An objective says which share of something may be bad: its budget. The burn rate is how many times as fast as allowed
the budget is used; at 1 all of it is gone after 30 days. Alerts are those of "The Site Reliability Workbook" (B. Beyer
et al., O'Reilly 2018), chapter 5, "Alerting on SLOs", table 5-8: the rate has to be exceeded in a long window, which
says that it matters, and in a short one, which says that it goes on.

    2 % of the budget within an hour       1 h and 5 min     14.4     critical
    5 % within six hours                   6 h and 30 min     6       critical
    10 % within three days                 3 d and 6 h        1       warning

With few events a single bad one burns at a great rate, so a long window needs BAD_MIN of them before it says anything.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tools.ctl.observability.forms import Alert, Group, Recording, Severity
from tools.ctl.observability.promql import FAILED, ZONE, rate

SECONDS = {"5m": 300, "30m": 1800, "1h": 3600, "6h": 21_600, "3d": 259_200}
BAD_MIN = 10
INTERVAL = "30s"
LATE = "zone:dc_unflushed_late:max"
"""1 while something that is acknowledged has waited for the disk for more than a second."""


class Windows(NamedTuple):
    """A pair of windows, and the burn rate at which both say that something is wrong."""

    long: str
    short: str
    rate: float


FAST = (Windows("1h", "5m", 14.4), Windows("6h", "30m", 6))
SLOW = (Windows("3d", "6h", 1),)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """`bad` and `all`: so many a second of each zone, in PromQL, for a window. Without `all`, `bad` is a share of the
    time."""

    name: str
    text: str
    budget: float
    bad: Callable[[str], str]
    all: Callable[[str], str] | None = None

    def series(self, what: str) -> str:
        return f"zone:objective_{self.name.replace('-', '_')}:{what}"

    def share(self, window: str) -> str:
        return f"({self.bad(window)}) / ({self.all(window)})" if self.all else self.bad(window)


def _slower(histogram: str, bound: str, *where: str) -> Callable[[str], str]:
    def bad(window: str) -> str:
        every = rate(f"{histogram}_count", window, ZONE, *where)
        quick = rate(f"{histogram}_bucket", window, ZONE, *where, f'le="{bound}"')
        return f"{every} - {quick}"

    return bad


OBJECTIVES = (
    Objective(
        name="login-speed",
        text="99 % of the logins take at most a second",
        budget=0.01,
        bad=_slower("gate_login_seconds", "1.0", 'result="ok"'),
        all=lambda window: rate("gate_login_seconds_count", window, ZONE, 'result="ok"'),
    ),
    Objective(
        name="move-speed",
        text="99 % of the movement is told to the neighbours within 250 ms",
        budget=0.01,
        bad=_slower("scene_move_seconds", "0.25"),
        all=lambda window: rate("scene_move_seconds_count", window, ZONE),
    ),
    Objective(
        name="availability",
        text="99.9 % of the logins do not fail for a fault of ours",
        budget=0.001,
        bad=lambda window: (
            f"{rate('gate_logins_total', window, ZONE, FAILED)} or 0 * {rate('gate_logins_total', window, ZONE)}"
        ),
        all=lambda window: rate("gate_logins_total", window, ZONE),
    ),
    Objective(
        name="write-window",
        text="99.9 % of the time all that is acknowledged is on the disk within a second",
        budget=0.001,
        bad=lambda window: f"avg_over_time({LATE}[{window}])",
    ),
)


def _recordings(one: Objective) -> list[Recording]:
    shares = [Recording(one.series(f"bad_ratio_{window}"), one.share(window)) for window in SECONDS]
    counts = [
        Recording(one.series(f"bad_{pair.long}"), f"({one.bad(pair.long)}) * {SECONDS[pair.long]}")
        for pair in (*FAST, *SLOW)
    ]
    return [*shares, *counts]


def _burning(one: Objective, pairs: tuple[Windows, ...]) -> str:
    parts = []
    for pair in pairs:
        limit = f"{pair.rate:g} * {one.budget:g}"
        parts += [
            "(",
            f"  {one.series(f'bad_ratio_{pair.long}')} > {limit}",
            f"  and {one.series(f'bad_ratio_{pair.short}')} > {limit}",
            f"  and {one.series(f'bad_{pair.long}')} >= {BAD_MIN}",
            ")",
            "or",
        ]
    return "\n".join(parts[:-1])


def _alert(one: Objective, name: str, severity: Severity, pairs: tuple[Windows, ...], says: str) -> Alert:
    return Alert(
        name=name,
        expr=_burning(one, pairs),
        lasts="2m",
        severity=severity,
        summary=f"Zone {{{{ $labels.zone }}}} does not keep its objective {one.name}",
        description=f"{one.text}: {{{{ $value | humanizePercentage }}}} were not so. {says}",
        runbook="objectives",
        labels={"objective": one.name},
    )


RECORDED = Group(
    "zonemesh-objectives",
    (
        Recording(LATE, f"max by ({ZONE}) (dc_oldest_unflushed_seconds > bool 1)"),
        *(recording for one in OBJECTIVES for recording in _recordings(one)),
    ),
    INTERVAL,
)

ALERTS = Group(
    "zonemesh-budgets",
    tuple(
        alert
        for one in OBJECTIVES
        for alert in (
            _alert(one, "BudgetBurnsFast", "critical", FAST, "The budget of 30 days is gone in five, or sooner."),
            _alert(one, "BudgetBurns", "warning", SLOW, "The budget of 30 days does not last that long."),
        )
    ),
    INTERVAL,
)
