"""What a report consists of, before anybody draws it: tiles, charts, tables. Data and the words for values; pure."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


class Period(msgspec.Struct, frozen=True):
    """What a report is about: [since, until), whole days in UTC."""

    since_ms: int
    until_ms: int

    @property
    def days(self) -> list[int]:
        """When each begins."""
        return list(range(self.since_ms, self.until_ms, DAY_MS))

    def day_of(self, ms: int) -> int:
        """Which of the days."""
        return (ms - self.since_ms) // DAY_MS


class Tile(msgspec.Struct, frozen=True):
    """One figure."""

    name: str
    value: str
    is_bad: bool = False


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line or row of bars of a chart; None where there is nothing."""

    name: str
    values: list[float | None]
    dashed: bool = False
    colour: int | None = None


class Chart(msgspec.Struct, frozen=True, omit_defaults=True):
    """`x` are times in ms (`over_time`), numbers, or names when it has `bars`."""

    title: str
    x: list[Any]
    lines: list[Line]
    unit: str = ""
    note: str = ""
    over_time: bool = False
    bars: bool = False
    stacked: bool = False


class Table(msgspec.Struct, frozen=True):
    """Columns as (name, form), rows of values. Forms: text, count, number, percent, day, moment, hours."""

    title: str
    columns: list[tuple[str, str]]
    rows: list[list[Any]]
    note: str = ""
    bad: list[int] = []  # rows in which something is wrong


class Report(msgspec.Struct, frozen=True):
    """See the module."""

    name: str
    title: str
    period: Period
    tiles: list[Tile] = []
    charts: list[Chart] = []
    tables: list[Table] = []
    warnings: list[str] = []  # what the figures lack


def show(value: Any, form: str) -> str:
    """A value for people."""
    if value is None:
        return "–"
    match form:
        case "count":
            return f"{value:,.0f}"
        case "number":
            return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
        case "percent":
            return f"{value * 100:.1f} %"
        case "hours":
            return f"{value:,.1f} h"
        case "day":
            return day(value)
        case "moment":
            return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M:%S}"
    return str(value)


def day(ms: int) -> str:
    """2025-01-31"""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d}"


def ratio(part: float, whole: float) -> float | None:
    """None for a share of nothing."""
    return part / whole if whole else None


def floats(values: Sequence[Any]) -> list[float | None]:
    """For a line."""
    return [None if value is None else float(value) for value in values]
