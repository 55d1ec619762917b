"""What a signal is, and how it is made of the series of nodes. Data only; `plans.py` and `signals.py` do the counting.

A signal is a number that somebody who runs a cluster would look at: how late a loop is, how long commits take, which
share of the logins fails. Each belongs to a node, to a zone, to the whole cluster or to a machine (its subject).

Two numbers of a signal say when it is bad. `limit` holds always. `matters` is where a deviation from what is normal
begins to be of interest: commits that take 3 ms instead of 1 are ten deviations away and trouble nobody.
"""

from typing import Literal, NamedTuple

import msgspec

Where = tuple[tuple[str, tuple[str, ...]], ...]
Scope = Literal["node", "zone", "cluster", "host"]
Unit = Literal["", "s", "bytes", "ratio", "per_s", "bytes_per_s"]
Family = Literal[
    "slow", "backlog", "loss", "logins", "traffic", "balance", "economy", "memory", "disk", "cpu", "errors", "presence",
    "descriptors", "clock", "version",
]  # fmt: skip
"""What a signal speaks of: a cause explains signals of some families (`kinds.py`)."""

WINDOWS_S = (10.0, 30.0)
"""Over which growth is looked at. A form names one of them."""

CLUSTER = "cluster"
"""The subject of signals of the whole cluster."""


class Sum(NamedTuple):
    """Some series of one node, put together. A label that is named has one of these values."""

    metric: str
    where: Where = ()
    how: Literal["sum", "max", "min"] = "sum"  # without any series a sum is 0, the others are unknown


class Figure(NamedTuple):
    """(plus - minus) / per. With a window: their growth in it, a second."""

    plus: tuple[Sum, ...]
    minus: tuple[Sum, ...] = ()
    per: tuple[Sum, ...] = ()
    window_s: float = 0.0
    per_grows: bool = False  # `per` is growth in the window, too; else it is taken as it is
    least: float = 0.0  # of `per`: a smaller level counts as this; with less growth there is no value
    free: float = 0.0  # of what has grown in the window: so much is nothing, as it may be chance


class Quantile(NamedTuple):
    """Of what a histogram has got within a window."""

    metric: str  # without _bucket
    q: float
    window_s: float
    where: Where = ()
    least: float = 5.0  # observations; with fewer there is no value


class Late(NamedTuple):
    """How many observations of a histogram a second were above `within_s`, or above the next bound over it."""

    metric: str
    within_s: float
    window_s: float
    where: Where = ()


class Lesser(NamedTuple):
    """The smaller of two growths a second, by a level: what comes and goes is as much as the rarer of both."""

    one: Sum
    other: Sum
    per: Sum
    window_s: float
    least: float = 0.0  # of `per`: a smaller level counts as this


class Spread(NamedTuple):
    """How unevenly something lies on the nodes of a zone: (most - least - what chance may do) / mean."""

    what: Sum
    counted: Sum  # nodes for which this is 0 are left out
    chance: float = 3.0  # standard deviations of a fair throw


Form = Figure | Quantile | Late | Lesser | Spread


class Signal(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. What is said of high values holds for low ones where `low` is set."""

    name: str
    text: str  # for people
    unit: Unit = ""
    of: Scope = "node"
    roles: tuple[str, ...] = ()  # whose series it is made of; (): everybody's
    form: Form | None = None  # None: it is worked out elsewhere and handed in
    family: Family = "slow"
    kind: str = ""  # of the incident that it points to; "": it explains others, and opens none itself
    floor: float = 1.0  # a step of this size is worth a look; below, values are the same for all that matters
    low: bool = False  # it is bad when it is low
    judged: bool = True  # deviations from normal are looked for
    matters: float | None = None  # only beyond this; None: anywhere
    limit: float | None = None  # from here on it is bad whatever is normal
    times: float = 2.7  # a deviation is at least so many times what is normal
    for_s: float = 12.0  # for so long without a break
    calm_s: float = 120.0  # no deviation for so long after nodes were started or drained
    limit_calm_s: float = 0.0  # nor is the limit looked at


def chart_of(signal: Signal) -> tuple[str, str]:
    """The metric that shows a signal best, and how: value, rate, mean, p90 or p99."""
    match signal.form:
        case Quantile(metric, q):
            return metric, f"p{100 * q:.0f}"
        case Late(metric):
            return metric, "p99"
        case Lesser(one):
            return one.metric, "rate"
        case Spread(what):
            return what.metric, "value"
        case Figure(plus, _, per, window_s, per_grows):
            metric = plus[0].metric
            if per and per_grows and metric.endswith("_sum"):
                return metric.removesuffix("_sum"), "mean"
            return metric, "rate" if window_s else "value"
        case _:
            return _MADE_FROM.get(signal.name, ""), "value"


_MADE_FROM = {"away": "ops_away_seconds", "clock_apart": "ops_clock_apart_seconds", "foreign_cpu": "host_cpu_ratio"}
