"""What must hold at every step of a search for the limit: "move.p99<200ms,login.p99<1s,ratio>=95%" (pure).

A clause is a measure, a comparison and a limit. Measures are `<series>.<statistic>` for everything that is timed (move,
login, attack, crossing ...; p50, p90, p95, p99, p99.9, max, mean), `errors` (in the step) and `ratio` (of the updates
that should have arrived). A series that had no sample in a step neither holds nor breaks: it is shown as missing.
"""

import operator
import re

import msgspec

from tools.bots.increments import Total
from tools.bots.result import LOGIN
from tools.bots.statistics import Latencies

DEFAULT = "move.p99<200ms,login.p99<1s,ratio>=95%,errors<=0"

_CLAUSE = re.compile(r"^([a-z_ ]+)(?:\.(p50|p90|p95|p99|p99\.9|max|mean))?(<=|>=|<|>)(\d+(?:\.\d+)?)(us|ms|s|%)?$")
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_TIMES = {"us": 0.001, "ms": 1.0, "s": 1000.0, None: 1.0}
_COUNTS = ("errors", "ratio")


class Clause(msgspec.Struct, frozen=True):
    """Times are milliseconds, a ratio is 0 to 1."""

    text: str
    measure: str
    statistic: str
    comparison: str
    limit: float

    def holds(self, value: float) -> bool:
        return bool(_COMPARE[self.comparison](value, self.limit))


class Checked(msgspec.Struct, frozen=True):
    """A clause in one step."""

    clause: str
    value: float | None  # as in Clause; None: there was no sample
    ok: bool


def parse(text: str) -> list[Clause]:
    """ValueError that says what is wrong."""
    return [_parse_clause(part.strip()) for part in text.split(",") if part.strip()] or _refuse(text)


def check(clauses: list[Clause], ramp: Total, held: Total, ratio: float) -> list[Checked]:
    """`ramp` is the step with the time in which its players came, which is when logins are measured; `held` is the time
    after that alone, for everything else. A ratio of 0 is none: nobody saw anybody."""
    checked = []
    for clause in clauses:
        value = _value(clause, ramp if clause.measure == LOGIN else held, ratio)
        checked.append(Checked(clause.text, value, value is None or clause.holds(value)))
    return checked


def _parse_clause(text: str) -> Clause:
    found = _CLAUSE.match(text)
    if not found:
        raise ValueError(f"{text!r} is not a clause: write move.p99<200ms, errors<=0 or ratio>=95%")
    measure, statistic, comparison, number, unit = found.groups()
    if (measure in _COUNTS) == (statistic is not None):
        raise ValueError(
            f"{text!r}: {', '.join(_COUNTS)} stand alone, everything else needs .p50 to .p99.9, .max or .mean"
        )
    if (unit == "%") != (measure == "ratio") or (measure == "errors" and unit):
        raise ValueError(f"{text!r}: ratio is given in %, errors without a unit, times in us, ms or s")
    limit = float(number) / 100 if unit == "%" else float(number) * (1.0 if measure == "errors" else _TIMES[unit])
    return Clause(text, measure, statistic or "", comparison, limit)


def _refuse(text: str) -> list[Clause]:
    raise ValueError(f"{text!r} has no clause")


def _value(clause: Clause, total: Total, ratio: float) -> float | None:
    if clause.measure == "errors":
        return float(sum(total.errors.values()))
    if clause.measure == "ratio":
        return ratio or None
    series = total.series.get(clause.measure)
    if series is None or not series.raw.count:
        return None
    return _statistic(series.raw, clause.statistic)


def _statistic(of: Latencies, name: str) -> float:
    if name in ("max", "mean"):
        return of.max_ms if name == "max" else of.mean_ms
    return of.percentile_ms(float(name.removeprefix("p")))
