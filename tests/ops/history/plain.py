"""The same as the history, written as plainly as possible: one series, a list of points, loops."""

import math
from typing import NamedTuple


class Point(NamedTuple):
    """A second of one series."""

    at_s: int
    value: float  # nan: missing
    incarnation: int = 1


class Growth(NamedTuple):
    """From the last known point to this one."""

    at_s: int
    increase: float
    apart_s: int


def growths(points: list[Point]) -> list[Growth]:
    """Prometheus' rule, and a new incarnation counts from zero."""
    found, before = [], None
    for point in points:
        if math.isnan(point.value):
            continue
        if before is not None:
            reset = point.value < before.value or point.incarnation != before.incarnation
            increase = point.value if reset else point.value - before.value
            found.append(Growth(point.at_s, increase, point.at_s - before.at_s))
        before = point
    return found


def stepped(points: list[Point], how: str, step_s: int) -> dict[int, float]:
    """The value of every step that has one, by where the step begins."""
    steps: dict[int, list[float]] = {}
    if how in ("rate", "increase"):
        grown: dict[int, list[Growth]] = {}
        for growth in growths(points):
            grown.setdefault(growth.at_s // step_s * step_s, []).append(growth)
        return {
            at: sum(g.increase for g in many) / (sum(g.apart_s for g in many) if how == "rate" else 1)
            for at, many in grown.items()
        }
    for point in points:
        if not math.isnan(point.value):
            steps.setdefault(point.at_s // step_s * step_s, []).append(point.value)
    make = {"last": lambda values: values[-1], "mean": lambda values: sum(values) / len(values), "max": max}[how]
    return {at: make(values) for at, values in steps.items()}


def coarser(points: list[Point], kind: str, step_s: int) -> list[dict[str, float]]:
    """What a coarser tier keeps, one for each step with a known point: at_s, value, top, increase."""
    last, mean, top = (stepped(points, how, step_s) for how in ("last", "mean", "max"))
    increase = stepped(points, "increase", step_s)
    return [
        {
            "at_s": at,
            "value": last[at] if kind == "counter" else mean[at],
            "top": top[at],
            "increase": increase.get(at, math.nan),
        }
        for at in sorted(last)
    ]
