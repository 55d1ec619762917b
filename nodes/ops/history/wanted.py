"""Questions to the history and their answers. Pure: what a question means, and which series belong to which line."""

import math
from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

import msgspec
import numpy as np

from mesh.errors import Code, RefusedError
from nodes.ops.history.identities import GAUGE, Array
from nodes.ops.history.quantiles import bound_of
from nodes.ops.history.tiers import TIME_MAX

POINTS_MAX = 2_000  # of a line: no screen has more; above it the step is widened
LINES_MAX = 200  # of an answer: nobody can tell more apart; the answer says how many were left out

How = Literal["last", "mean", "max", "rate", "increase", "quantile"]
_GROWING = ("rate", "increase", "quantile")  # of counters only
_LE = "le"


class Wanted(msgspec.Struct, frozen=True):
    """What somebody wants to see of one metric."""

    name: str  # as on /metrics; for quantiles with or without `_bucket`
    where: dict[str, str] = {}  # labels that a series must have, node, role and zone among them
    start_s: float = 0.0  # seconds since 1970
    end_s: float = 0.0
    step_s: float = 1.0
    how: How = "last"  # `rate` is per second; of gauges coarser tiers have means, which stand for the last, and maxima
    quantile: float = 0.99  # for `how` "quantile"
    by: tuple[str, ...] | None = None  # lines with the same of these labels are added up (of "max" the largest stands)


class Line(msgspec.Struct, frozen=True):
    """One line of a chart."""

    labels: dict[str, str]
    at_s: Array  # i64, where each step begins; the same array in all lines of an answer
    values: Array  # f8, what is known of the step that begins there; nan for nothing


class Answer(msgspec.Struct, frozen=True):
    """Lines without any value are not in it."""

    lines: list[Line]
    step_s: int  # wider than wanted when that were too many points, or when nothing finer is kept for so long
    tier_s: int  # the step of the points that this is made of
    left_out: int = 0  # lines above LINES_MAX
    notes: list[str] = []  # what the answer does not have, and what to do


class Selection(NamedTuple):
    """Which series make which lines. Series stand group by group, groups line by line."""

    numbers: Array  # of the series
    starts: Array  # of each group: its first series
    labels: list[dict[str, str]]  # of each line
    line_starts: Array  # of each line: its first group
    bounds: Array  # of each group: the upper bound of its bucket, for quantiles
    left_out: int


def check(wanted: Wanted) -> None:
    """RefusedError when a question makes no sense."""
    if not 0 <= wanted.start_s < wanted.end_s <= TIME_MAX:
        raise RefusedError(Code.BAD_MESSAGE, "start_s and end_s: seconds since 1970, the end behind the start")
    if not 0 < wanted.step_s <= TIME_MAX:
        raise RefusedError(Code.BAD_MESSAGE, f"step_s = {wanted.step_s}: must be above 0")
    if wanted.how not in get_args(How):
        raise RefusedError(Code.BAD_MESSAGE, f"how = {wanted.how}: must be one of {', '.join(get_args(How))}")
    if not 0.0 <= wanted.quantile <= 1.0:
        raise RefusedError(Code.BAD_MESSAGE, f"quantile = {wanted.quantile}: must be between 0 and 1")


def check_kind(wanted: Wanted, kind: str) -> None:
    """RefusedError when a metric of this kind cannot be looked at like that."""
    if kind == GAUGE and wanted.how in _GROWING:
        raise RefusedError(
            Code.BAD_MESSAGE, f"{wanted.name} is a gauge and has no {wanted.how}: ask for last, mean or max"
        )


def step_of(wanted: Wanted, tier_s: int) -> tuple[int, list[str]]:
    """The step of the answer, a whole number of the tier's steps, and what has to be said about it."""
    most = (wanted.end_s - wanted.start_s) / (POINTS_MAX - 1)
    step_s = max(1, math.ceil(max(wanted.step_s, most) / tier_s)) * tier_s
    if step_s > math.ceil(wanted.step_s / tier_s) * tier_s:
        why = f"a line has at most {POINTS_MAX} points: ask for a shorter time to see more"
    elif tier_s > max(1.0, wanted.step_s):
        why = "nothing finer is kept for so long"
    else:
        return step_s, []
    return step_s, [f"the step is {step_s} s instead of {wanted.step_s:g} s: {why}"]


def select(series: Iterable[tuple[int, dict[str, str]]], wanted: Wanted) -> Selection:
    """Numbers and all labels of series in, sorted into groups and lines. What does not match is not in it."""
    rows = []
    for number, labels in series:
        if any(labels.get(name) != value for name, value in wanted.where.items()):
            continue
        bound = bound_of(labels.get(_LE, "")) if wanted.how == "quantile" else 0.0
        if bound is not None:
            rows.append((_line_of(labels, wanted), bound, number))
    rows.sort()
    lines = sorted({line for line, _, _ in rows})
    if len(lines) > LINES_MAX:
        rows = [row for row in rows if row[0] <= lines[LINES_MAX - 1]]
    by_line = [line for line, _, _ in rows]
    groups = [at for at, row in enumerate(rows) if at == 0 or row[:2] != rows[at - 1][:2]]
    line_starts = [at for at, first in enumerate(groups) if at == 0 or by_line[first] != by_line[first - 1]]
    return Selection(
        np.array([number for _, _, number in rows], np.int64),
        np.array(groups, np.int64),
        [dict(by_line[groups[at]]) for at in line_starts],
        np.array(line_starts, np.int64),
        np.array([rows[at][1] for at in groups]),
        max(0, len(lines) - LINES_MAX),
    )


def _line_of(labels: dict[str, str], wanted: Wanted) -> tuple[tuple[str, str], ...]:
    """What a series' line is called."""
    if wanted.by is None:
        names = sorted(labels.keys() - {_LE} if wanted.how == "quantile" else labels)
    else:
        names = sorted(name for name in set(wanted.by) if wanted.how != "quantile" or name != _LE)
    return tuple((name, labels.get(name, "")) for name in names)
