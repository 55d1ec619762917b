"""Who kills whom: creatures and players, by day, and how hard blows are."""

from typing import Any

from tools.data.desk import Desk
from tools.data.facts import by_day
from tools.data.model import Chart, Line, Period, Report, Table, Tile, floats, ratio, show

SHOWN = 15
WHEN = "ts >= make_timestamp($since * 1000) AND ts < make_timestamp($until * 1000)"

KILLS = f"""
    SELECT epoch_ms(ts) // 86400000 AS day, count(*) FILTER (WHERE kind = 'kill' AND what IS DISTINCT FROM 'player'),
           count(*) FILTER (WHERE kind = 'kill' AND what = 'player'), count(*) FILTER (WHERE kind = 'death'),
           count(*) FILTER (WHERE kind = 'death' AND killer > 0)
    FROM deeds WHERE kind IN ('kill', 'death') AND {WHEN} GROUP BY day"""
CREATURES = f"""
    SELECT coalesce(what, '') AS what, count(*), count(DISTINCT account) FROM deeds
    WHERE kind = 'kill' AND {WHEN} GROUP BY ALL ORDER BY count(*) DESC, what LIMIT $limit"""
HITS = f"""
    SELECT damage, count(*), count(*) FILTER (WHERE other > 0) FROM deeds
    WHERE kind = 'hit' AND damage IS NOT NULL AND {WHEN} GROUP BY damage ORDER BY damage"""
FIGHTERS = f"""
    WITH done AS (
        SELECT account, count(*) FILTER (WHERE kind = 'kill' AND what = 'player') AS kills,
               count(*) FILTER (WHERE kind = 'death' AND killer > 0) AS deaths
        FROM deeds WHERE kind IN ('kill', 'death') AND account > 0 AND {WHEN} GROUP BY account
    )
    SELECT account, kills, deaths, kills / greatest(deaths, 1) FROM done WHERE kills > 0
    ORDER BY kills DESC, account LIMIT $limit"""
HOURS = f"""
    SELECT epoch_ms(ts) // 3600000 % 24 AS hour, count(*) FROM deeds WHERE kind = 'kill' AND {WHEN}
    GROUP BY hour ORDER BY hour"""


def make(desk: Desk, period: Period) -> Report:
    """See the module."""
    when = {"since": period.since_ms, "until": period.until_ms}
    creatures, players, deaths, slain = by_day(desk.rows(KILLS, **when), period, 4)
    hits = desk.rows(HITS, **when)
    hours = dict(desk.rows(HOURS, **when))
    names = desk.rows(CREATURES, limit=SHOWN, **when)
    fighters = desk.rows(FIGHTERS, limit=SHOWN, **when)
    blows, at_players = sum(row[1] for row in hits), sum(row[2] for row in hits)
    lines = [("creatures", creatures), ("players", players)]
    return Report(
        "combat",
        "Kills and deaths",
        period,
        [
            Tile("creatures killed", f"{sum(creatures):,.0f}"),
            Tile("players killed by players", f"{sum(players):,.0f}"),
            Tile("deaths", f"{sum(deaths):,.0f}"),
            Tile("of them by players", show(ratio(sum(slain), sum(deaths)), "percent")),
            Tile("blows", f"{blows:,}"),
            Tile("damage of a blow, median", show(quantile(hits, 0.5), "count")),
        ],
        [
            Chart("Kills by day", period.days, [Line(name, floats(some)) for name, some in lines], over_time=True),
            Chart(
                "Deaths by day", period.days,
                [Line("deaths", floats(deaths)), Line("by players", floats(slain))], over_time=True,
            ),
            Chart("Damage of a blow", [row[0] for row in hits], [Line("blows", floats([row[1] for row in hits]))]),
            Chart(
                "Kills by hour (UTC)", [f"{at:02}" for at in range(24)],
                [Line("kills", floats([hours.get(at, 0) for at in range(24)]))], bars=True,
            ),
        ],
        [_killed(names), _fighters(fighters), _blows(hits, blows, at_players)],
    )  # fmt: skip


def quantile(hits: list[tuple[Any, ...]], part: float) -> float | None:
    """Of rows (value, count, ...) by value: the least value that so large a part does not exceed."""
    total, seen = sum(row[1] for row in hits), 0
    for value, count, *_ in hits:
        seen += count
        if seen >= part * total:
            return float(value)
    return None


def _killed(names: list[tuple[Any, ...]]) -> Table:
    head = [("what", "text"), ("kills", "count"), ("by players", "count")]
    return Table("What is killed most", head, [list(row) for row in names])


def _fighters(fighters: list[tuple[Any, ...]]) -> Table:
    head = [("account", "text"), ("kills", "count"), ("deaths", "count"), ("kills a death", "number")]
    return Table("Who kills most players", head, [list(row) for row in fighters], "deaths: by players")


def _blows(hits: list[tuple[Any, ...]], blows: int, at_players: int) -> Table:
    rows: list[list[Any]] = [
        ["blows", blows],
        ["at players", at_players],
        *([f"{part:.0%} of the damages are at most", quantile(hits, part)] for part in (0.5, 0.95, 0.99)),
        ["most damage", max((row[0] for row in hits), default=None)],
    ]
    return Table("Blows", [("what", "text"), ("", "count")], rows)
