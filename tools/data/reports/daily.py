"""The day's figures: who was in the world, who came, what happened, where."""

from typing import Any

import numpy as np

from tools.data.desk import Desk
from tools.data.facts import Joined, Sessions, active_days, by_day, counts_by_day, joined_of, prepare, sessions_of
from tools.data.model import DAY_MS, HOUR_MS, Chart, Line, Period, Report, Table, Tile, day, floats
from tools.data.presence import mean_online, peak_online

CCU_POINTS_MAX = 1000
PLACES_SHOWN = 15
COUNTED = (
    ("kills", "kill"), ("deaths", "death"), ("level-ups", "level"), ("trades", "trade"), ("mails", "mail"),
    ("logins refused", "login_refused"),
)  # fmt: skip
SAID = ("say", "shout", "whisper", "speak")

GOLD = """
    SELECT epoch_ms(ts) // 86400000 AS day, sum(gold) FROM deeds
    WHERE kind = 'loot' AND ts >= make_timestamp($since * 1000) AND ts < make_timestamp($until * 1000) GROUP BY day"""

PLACES = """
    WITH visit AS (
        SELECT account, kind, zone, map, line, ts,
               lead(ts) OVER (PARTITION BY account, zone, map, line ORDER BY ts, kind) AS following
        FROM deeds
        WHERE kind IN ('enter', 'leave') AND ts >= make_timestamp($since * 1000) AND ts < make_timestamp($until * 1000)
    )
    SELECT zone, map, line, count(DISTINCT account), count(*),
           sum(epoch_ms(least(following, ts + INTERVAL 1 DAY)) - epoch_ms(ts)) / 3600000.0 AS hours
    FROM visit WHERE kind = 'enter' AND following IS NOT NULL
    GROUP BY zone, map, line ORDER BY hours DESC, zone, map, line LIMIT $limit"""


def make(desk: Desk, period: Period) -> Report:
    """See the module."""
    prepare(desk)
    every, joined = sessions_of(desk), joined_of(desk)
    sessions = every.clipped(period)
    counts = counts_by_day(desk, period)
    columns = _by_day(sessions, every.begun(period), joined, period)
    (gold,) = by_day(desk.rows(GOLD, since=period.since_ms, until=period.until_ms), period)
    counted = {name: counts.get(kind, [0] * len(period.days)) for name, kind in COUNTED}
    said = [sum(counts[kind][at] for kind in SAID if kind in counts) for at in range(len(period.days))]
    places = desk.rows(PLACES, since=period.since_ms, until=period.until_ms, limit=PLACES_SHOWN)
    warnings = [] if joined.by_ledger else [
        f"the lake has no ledger, so whoever was seen first on {day(period.since_ms)} counts as new on that day: "
        "`mesh data compact` takes it"
    ]  # fmt: skip
    return Report(
        "daily",
        "Day by day",
        period,
        _tiles(columns, period),
        [*_online(sessions, period), *_charts(columns, gold, period)],
        [_table(columns, counted, gold, said, period), _hot(places)],
        warnings,
    )


def _by_day(sessions: Sessions, begun: Sessions, joined: Joined, period: Period) -> dict[str, list[float]]:
    """`sessions` are what lies in the period, `begun` are whole."""
    edges = np.array([*period.days, period.until_ms], np.int64)
    _, active = active_days(sessions)
    first = period.since_ms // DAY_MS
    days = len(period.days)
    in_period = (joined.joined >= period.since_ms) & (joined.joined < period.until_ms)
    new = np.bincount((joined.joined[in_period] - period.since_ms) // DAY_MS, minlength=days)
    place = (begun.began - period.since_ms) // DAY_MS
    mean = mean_online(sessions.began, sessions.ended, edges)
    lengths = [(begun.ended - begun.began)[place == at] for at in range(days)]
    return {
        "players": np.bincount(active - first, minlength=days)[:days].tolist(),
        "new": new[:days].tolist(),
        "sessions": [len(some) for some in lengths],
        "peak": peak_online(sessions.began, sessions.ended, edges).tolist(),
        "mean": mean.tolist(),
        "hours": (mean * np.diff(edges) / HOUR_MS).tolist(),
        "median_min": [float(np.median(some)) / 60_000 if len(some) else 0.0 for some in lengths],
    }


def _tiles(columns: dict[str, list[float]], period: Period) -> list[Tile]:
    """Of the last day, and of all."""
    if not period.days:
        return []
    last = len(period.days) - 1
    return [
        Tile(f"players on {day(period.days[last])}", f"{columns['players'][last]:,.0f}"),
        Tile("new that day", f"{columns['new'][last]:,.0f}"),
        Tile("most at once that day", f"{columns['peak'][last]:,.0f}"),
        Tile("most at once", f"{max(columns['peak']):,.0f}"),
        Tile("hours played", f"{sum(columns['hours']):,.0f}"),
        Tile("median session that day", f"{columns['median_min'][last]:,.0f} min"),
    ]


def _online(sessions: Sessions, period: Period) -> list[Chart]:
    """Over time, in steps of whole ten minutes."""
    step = 600_000 * max(1, -(-(period.until_ms - period.since_ms) // (600_000 * CCU_POINTS_MAX)))
    edges = np.append(np.arange(period.since_ms, period.until_ms, step, dtype=np.int64), period.until_ms)
    peak = peak_online(sessions.began, sessions.ended, edges).tolist()
    mean = mean_online(sessions.began, sessions.ended, edges).tolist()
    lines = [Line("most", floats(peak)), Line("mean", floats(mean))]
    note = f"in steps of {step // 60_000} min; players in the world, also without a connection"
    return [Chart("Players at once", edges[:-1].tolist(), lines, note=note, over_time=True)]


def _charts(columns: dict[str, list[float]], gold: list[float], period: Period) -> list[Chart]:
    def chart(title: str, lines: list[tuple[str, list[float]]], unit: str = "") -> Chart:
        return Chart(title, period.days, [Line(name, floats(values)) for name, values in lines], unit, over_time=True)

    return [
        chart("Players a day", [("players", columns["players"]), ("new", columns["new"])]),
        chart("Sessions", [("sessions", columns["sessions"])], "a day"),
        chart("Session length, median", [("minutes", columns["median_min"])], "min"),
        chart("Gold looted", [("gold", gold)], "a day"),
    ]


def _table(
    columns: dict[str, list[float]], counted: dict[str, list[int]], gold: list[float], said: list[int], period: Period
) -> Table:
    head = [
        ("day", "day"), ("players", "count"), ("new", "count"), ("sessions", "count"), ("most at once", "count"),
        ("mean", "number"), ("hours", "count"), ("median min", "count"), ("said", "count"), ("gold looted", "count"),
        *((name, "count") for name in counted),
    ]  # fmt: skip
    rows: list[list[Any]] = []
    for at, begin in enumerate(period.days):
        own = [columns[name][at] for name in ("players", "new", "sessions", "peak", "mean", "hours", "median_min")]
        rows.append([begin, *own, said[at], gold[at], *(values[at] for values in counted.values())])
    return Table("By day", head, rows, "days are UTC")


def _hot(places: list[tuple[Any, ...]]) -> Table:
    head = [
        ("zone", "text"), ("map", "text"), ("line", "text"), ("players", "count"), ("visits", "count"),
        ("hours", "number"),
    ]  # fmt: skip
    return Table("Where people are", head, [list(row) for row in places], "by hours spent on the lines of all maps")
