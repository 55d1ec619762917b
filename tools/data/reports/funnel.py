"""How far new players come: the first steps, and the levels."""

from typing import Any

from tools.data.desk import Desk
from tools.data.facts import joined_of, prepare
from tools.data.model import Chart, Line, Period, Report, Table, Tile, floats, ratio, show
from tools.data.views import last_ms

LEFT_DAYS = 7  # who was not there for so long has stopped

NEW = """
    CREATE TEMP TABLE new_player AS
    SELECT account, joined, first_login, last_seen,
           epoch_ms(last_seen) // 86400000 > epoch_ms(joined) // 86400000 AS came_back
    FROM (SELECT account, coalesce(created, first_login) AS joined, first_login, last_seen
          FROM (SELECT account, min(began) AS first_login, max(ended) AS last_seen FROM every_session GROUP BY account)
          FULL JOIN (SELECT account, min(ts) AS created FROM ledger
                     WHERE kind = 'create' AND account > 0 GROUP BY account) USING (account))
    WHERE joined >= make_timestamp({since} * 1000) AND joined < make_timestamp({until} * 1000)"""

DID = """
    CREATE TEMP TABLE did AS
    SELECT account, bool_or(kind = 'enter') AS entered, bool_or(kind = 'kill') AS killed,
           bool_or(kind = 'loot') AS looted,
           coalesce(max(level) FILTER (WHERE kind = 'level'), 1) AS level,
           bool_or(kind IN ('say', 'shout', 'whisper', 'speak')) AS said,
           bool_or(kind IN ('trade', 'mail')) AS traded,
           bool_or(kind IN ('friend_accept', 'party_join')) AS joined_others
    FROM deeds SEMI JOIN new_player USING (account)
    WHERE kind IN ('enter', 'kill', 'loot', 'level', 'say', 'shout', 'whisper', 'speak', 'trade', 'mail',
                   'friend_accept', 'party_join')
    GROUP BY account"""

STEPS = """
    SELECT count(*), count(*) FILTER (WHERE first_login IS NOT NULL), count(*) FILTER (WHERE entered),
           count(*) FILTER (WHERE killed), count(*) FILTER (WHERE looted), count(*) FILTER (WHERE level >= 2),
           count(*) FILTER (WHERE level >= 5), count(*) FILTER (WHERE said), count(*) FILTER (WHERE joined_others),
           count(*) FILTER (WHERE traded), count(*) FILTER (WHERE came_back)
    FROM new_player LEFT JOIN did USING (account)"""
NAMES = (
    "account was made", "logged in", "was in the world", "killed something", "looted something", "reached level 2",
    "reached level 5", "said something", "found a friend or a party", "traded or wrote", "came back on another day",
)  # fmt: skip

LEVELS = """
    WITH reached AS (
        SELECT account, level, min(ts) AS reached FROM deeds
        WHERE kind = 'level' AND level IS NOT NULL GROUP BY account, level
    )
    SELECT level, count(*), median(epoch_ms(reached) - epoch_ms(joined)) / 3600000
    FROM reached JOIN new_player USING (account) GROUP BY level ORDER BY level"""

STOPPED = """
    SELECT coalesce(level, 1) AS highest, count(*)
    FROM new_player LEFT JOIN did USING (account)
    WHERE last_seen IS NULL OR last_seen < make_timestamp($left * 1000)
    GROUP BY highest ORDER BY highest"""


def make(desk: Desk, period: Period) -> Report:
    """See the module."""
    prepare(desk)
    by_ledger = joined_of(desk).by_ledger
    desk.run(NEW.format(since=int(period.since_ms), until=int(period.until_ms)))
    desk.run(DID)
    (steps,) = desk.rows(STEPS)
    levels = desk.rows(LEVELS)
    stopped = dict(desk.rows(STOPPED, left=last_ms(desk.manifest) - LEFT_DAYS * 86_400_000))
    warnings = [] if by_ledger else [
        "the lake has no ledger, so everybody who was first seen in this time counts as new: "
        "`mesh data compact` takes it"
    ]  # fmt: skip
    return Report(
        "funnel",
        "How far new players come",
        period,
        [
            Tile("new players", f"{steps[0]:,}"),
            Tile("reached level 2", show(ratio(steps[5], steps[0]), "percent")),
            Tile("reached level 5", show(ratio(steps[6], steps[0]), "percent")),
            Tile("came back", show(ratio(steps[10], steps[0]), "percent")),
            Tile("highest level", f"{max((row[0] for row in levels), default=1):,}"),
        ],
        [
            Chart("First steps", list(NAMES), [Line("players", floats(steps))], bars=True),
            Chart(
                "Reached this level", [row[0] for row in levels], [Line("players", floats([row[1] for row in levels]))]
            ),
        ],
        [_steps(steps), _levels(levels, stopped, steps[0])],
        warnings,
    )


def _steps(steps: tuple[Any, ...]) -> Table:
    rows: list[list[Any]] = [[name, count, ratio(count, steps[0])] for name, count in zip(NAMES, steps, strict=True)]
    return Table("First steps", [("step", "text"), ("players", "count"), ("of all new", "percent")], rows)


def _levels(levels: list[tuple[Any, ...]], stopped: dict[int, int], new: int) -> Table:
    head = [
        ("level", "text"), ("reached by", "count"), ("of all new", "percent"), ("of those before", "percent"),
        ("after, median", "hours"), ("stopped here", "count"),
    ]  # fmt: skip
    rows: list[list[Any]] = [[1, new, ratio(new, new), None, 0.0 if new else None, stopped.get(1, 0)]]
    before = new
    for level, count, hours in levels:
        if level > 1:
            rows.append([level, count, ratio(count, new), ratio(count, before), hours, stopped.get(level, 0)])
            before = count
    note = f"stopped: not seen for {LEFT_DAYS} days before the end of the data; hours since the account was made"
    return Table("Levels", head, rows, note)
