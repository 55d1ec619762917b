"""How long people play, when, and how their sessions end."""

import itertools
from typing import Any

import numpy as np

from tools.data.desk import Desk
from tools.data.facts import Sessions, prepare, sessions_of
from tools.data.model import DAY_MS, HOUR_MS, Chart, Line, Period, Report, Table, Tile, floats, ratio, show

LENGTHS_MIN = (1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 240, 360, 720)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)

ENDS = """
    SELECT CASE WHEN is_open THEN 'goes on' ELSE coalesce(why, 'not known') END AS how, count(*),
           median(epoch_ms(ended) - epoch_ms(began)) / 60000
    FROM every_session
    WHERE began >= make_timestamp($since * 1000) AND began < make_timestamp($until * 1000)
    GROUP BY how ORDER BY count(*) DESC, how"""


def make(desk: Desk, period: Period) -> Report:
    """See the module."""
    prepare(desk)
    sessions = sessions_of(desk).begun(period)
    minutes = (sessions.ended - sessions.began) / 60_000
    players = len(np.unique(sessions.account))
    quantiles = np.quantile(minutes, QUANTILES).tolist() if len(minutes) else [None] * len(QUANTILES)
    ends = desk.rows(ENDS, since=period.since_ms, until=period.until_ms)
    return Report(
        "sessions",
        "How people play",
        period,
        [
            Tile("sessions", f"{len(minutes):,}"),
            Tile("players", f"{players:,}"),
            Tile("sessions of a player", show(ratio(len(minutes), players), "number")),
            Tile("median length", f"{quantiles[2]:,.0f} min" if len(minutes) else "–"),
            Tile("9 of 10 are shorter than", f"{quantiles[4]:,.0f} min" if len(minutes) else "–"),
            Tile("hours played", f"{minutes.sum() / 60:,.0f}"),
        ],
        [_lengths(minutes), *_rhythm(sessions), _medians(sessions, period)],
        [
            Table(
                "Length of sessions", [("of all sessions", "percent"), ("are shorter than, min", "number")],
                [list(row) for row in zip(QUANTILES, quantiles, strict=True)],
            ),
            Table(
                "How they end", [("reason", "text"), ("sessions", "count"), ("median min", "number")],
                [list(row) for row in ends], "the reason is that of the event `logout`",
            ),
        ],
    )  # fmt: skip


def _lengths(minutes: Any) -> Chart:
    edges = [0, *LENGTHS_MIN, float("inf")]
    counts, _ = np.histogram(minutes, np.array(edges))
    names = [f"< {edges[1]}", *(f"{a}–{b}" for a, b in itertools.pairwise(LENGTHS_MIN))]
    names.append(f"≥ {LENGTHS_MIN[-1]}")
    return Chart("Length of sessions, min", names, [Line("sessions", floats(counts.tolist()))], bars=True)


def _rhythm(sessions: Sessions) -> list[Chart]:
    """1970 began on a Thursday."""
    hours = np.bincount(sessions.began // HOUR_MS % 24, minlength=24).tolist()
    days = np.bincount((sessions.began // DAY_MS + 3) % 7, minlength=7).tolist()
    return [
        Chart(
            "Sessions begin, by hour (UTC)",
            [f"{at:02}" for at in range(24)],
            [Line("sessions", floats(hours))],
            bars=True,
        ),
        Chart("Sessions begin, by day", list(WEEKDAYS), [Line("sessions", floats(days))], bars=True),
    ]


def _medians(sessions: Sessions, period: Period) -> Chart:
    place = (sessions.began - period.since_ms) // DAY_MS
    lengths = (sessions.ended - sessions.began) / 60_000
    lines = []
    for name, part in (("median", 0.5), ("9 of 10 are shorter than", 0.9)):
        values: list[float | None] = []
        for at in range(len(period.days)):
            some = lengths[place == at]
            values.append(float(np.quantile(some, part)) if len(some) else None)
        lines.append(Line(name, values))
    return Chart("Length by day", period.days, lines, "min", over_time=True)
