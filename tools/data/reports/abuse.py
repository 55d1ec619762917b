"""Login failures, and players who do not play like people. Each suspect comes with reasons; none of them is a proof.

- **Regular**: people wait a different time before each kill, programs the same. The spread of the intervals between
  kills, relative to their mean, is around 1 for people.
- **Rich by the hour**: far above what others loot in an hour of play; by the median of all, and the median distance
  from it (MAD), which a few cheaters do not shift.
- **No pause**: in the world for longer than people can, without a quarter of an hour away.
- **Collects**: gets gold from many in trades and gives none: where the gold of many bots comes together.
"""

from typing import Any

from tools.data.desk import Desk
from tools.data.facts import by_day, prepare
from tools.data.model import Chart, Line, Period, Report, Table, Tile, floats

SHOWN = 30
KILLS_MIN = 100  # intervals, to say anything about them
INTERVAL_MAX_S = 120  # longer ones are pauses
SPREAD_MAX = 0.15
HOURS_MIN = 1.0
TIMES_MEDIAN = 5
TIMES_MAD = 12
PAUSE_MIN = 15
RUN_H_MAX = 14
GIVERS_MIN = 5
WHEN = "ts >= make_timestamp($since * 1000) AND ts < make_timestamp($until * 1000)"

REFUSED = f"""
    SELECT epoch_ms(ts) // 86400000 AS day, count(*) FROM deeds WHERE kind = 'login_refused' AND {WHEN} GROUP BY day"""
CODES = f"""
    SELECT coalesce(code, '') AS code, coalesce(method, '') AS method, count(*), count(DISTINCT address) FROM deeds
    WHERE kind = 'login_refused' AND {WHEN} GROUP BY ALL ORDER BY count(*) DESC, code, method LIMIT $limit"""
ADDRESSES = f"""
    SELECT coalesce(address, '') AS address, count(*), count(DISTINCT epoch_ms(ts) // 86400000), mode(code),
           min(epoch_ms(ts)), max(epoch_ms(ts))
    FROM deeds WHERE kind = 'login_refused' AND {WHEN} GROUP BY ALL ORDER BY count(*) DESC, address LIMIT $limit"""
REGULAR = f"""
    WITH gap AS (
        SELECT account, (epoch_ms(lead(ts) OVER (PARTITION BY account ORDER BY ts, number)) - epoch_ms(ts)) / 1000 AS s
        FROM deeds WHERE kind = 'kill' AND account > 0 AND {WHEN}
    )
    SELECT account, count(*), avg(s), stddev_pop(s) / avg(s) AS spread FROM gap WHERE s > 0 AND s <= {INTERVAL_MAX_S}
    GROUP BY account HAVING count(*) >= {KILLS_MIN} AND stddev_pop(s) / avg(s) <= {SPREAD_MAX}
    ORDER BY spread, account"""
RICH = f"""
    WITH played AS (
        SELECT account, sum(epoch_ms(least(ended, make_timestamp($until * 1000)))
                            - epoch_ms(greatest(began, make_timestamp($since * 1000)))) / 3600000.0 AS hours
        FROM every_session WHERE ended > make_timestamp($since * 1000) AND began < make_timestamp($until * 1000)
        GROUP BY account
    ), rate AS (
        SELECT account, sum(gold) / hours AS rate, hours
        FROM deeds JOIN played USING (account)
        WHERE kind = 'loot' AND gold > 0 AND hours >= {HOURS_MIN} AND {WHEN} GROUP BY account, hours
    ), usual AS (
        SELECT median(rate) AS middle FROM rate
    ), spread AS (
        SELECT middle, median(abs(rate - middle)) AS mad FROM rate, usual GROUP BY middle
    )
    SELECT account, rate, middle, hours FROM rate, spread
    WHERE rate > {TIMES_MEDIAN} * middle AND rate > middle + {TIMES_MAD} * mad ORDER BY rate DESC, account"""
RUNS = f"""
    WITH ordered AS (
        SELECT account, began, ended, max(ended) OVER (
            PARTITION BY account ORDER BY began, ended ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
        FROM every_session WHERE ended > make_timestamp($since * 1000) AND began < make_timestamp($until * 1000)
    ), marked AS (
        SELECT *, sum(CASE WHEN before IS NULL OR began > before + INTERVAL {PAUSE_MIN} MINUTE THEN 1 ELSE 0 END)
            OVER (PARTITION BY account ORDER BY began, ended ROWS UNBOUNDED PRECEDING) AS run
        FROM ordered
    ), runs AS (
        SELECT account, run, (epoch_ms(max(ended)) - epoch_ms(min(began))) / 3600000.0 AS hours
        FROM marked GROUP BY account, run
    )
    SELECT account, max(hours), count(*) FROM runs WHERE hours > {RUN_H_MAX} GROUP BY account
    ORDER BY max(hours) DESC, account"""
COLLECTS = f"""
    WITH given AS (
        SELECT other AS account, count(*) AS times, count(DISTINCT account) AS givers, sum(gold) AS got
        FROM deeds WHERE kind = 'trade' AND gold > 0 AND other > 0 AND {WHEN} GROUP BY other
    ), back AS (
        SELECT account, sum(gold) AS gave FROM deeds WHERE kind = 'trade' AND {WHEN} GROUP BY account
    )
    SELECT account, times, givers, got, coalesce(gave, 0) FROM given LEFT JOIN back USING (account)
    WHERE givers >= {GIVERS_MIN} AND times >= 2 * givers AND coalesce(gave, 0) * 20 <= got ORDER BY got DESC, account"""

Reasons = dict[int, list[str]]


def make(desk: Desk, period: Period) -> Report:
    """See the module."""
    prepare(desk)
    when = {"since": period.since_ms, "until": period.until_ms}
    (refused,) = by_day(desk.rows(REFUSED, **when), period)
    codes = desk.rows(CODES, limit=SHOWN, **when)
    addresses = desk.rows(ADDRESSES, limit=SHOWN, **when)
    found = suspects(desk, period)
    return Report(
        "abuse",
        "Login failures and suspects",
        period,
        [
            Tile("logins refused", f"{sum(refused):,.0f}"),
            Tile("most from one address", f"{max((row[1] for row in addresses), default=0):,}"),
            Tile("suspects", f"{len(found):,}", bool(found)),
            Tile("with several reasons", f"{sum(len(reasons) > 1 for reasons in found.values()):,}"),
        ],
        [Chart("Logins refused", period.days, [Line("refused", floats(refused))], "a day", over_time=True)],
        [_suspects(found), _codes(codes), _addresses(addresses)],
    )


def suspects(desk: Desk, period: Period) -> Reasons:
    """Account -> why, those with most reasons first."""
    when = {"since": period.since_ms, "until": period.until_ms}
    found: Reasons = {}
    for account, count, mean_s, spread in desk.rows(REGULAR, **when):
        text = f"kills every {mean_s:.1f} s, give or take {spread:.1%}, {count:,} times"
        found.setdefault(account, []).append(text)
    for account, rate, middle, hours in desk.rows(RICH, **when):
        text = f"loots {rate:,.0f} gold an hour in {hours:,.1f} h; the median is {middle:,.0f}"
        found.setdefault(account, []).append(text)
    for account, hours, runs in desk.rows(RUNS, **when):
        text = f"was in for {hours:.1f} h without {PAUSE_MIN} minutes away; {runs:,} times longer than {RUN_H_MAX} h"
        found.setdefault(account, []).append(text)
    for account, times, givers, got, gave in desk.rows(COLLECTS, **when):
        text = f"got {got:,.0f} gold in {times:,} trades with {givers:,} players, gave {gave:,.0f}"
        found.setdefault(account, []).append(text)
    return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))


def _suspects(found: Reasons) -> Table:
    rows: list[list[Any]] = [[account, len(reasons), "; ".join(reasons)] for account, reasons in found.items()]
    note = "reasons to look closer, not proofs: `mesh data player ACCOUNT` shows what such a player did"
    if len(rows) > SHOWN:
        note = f"the first {SHOWN} of {len(rows):,}; {note}"
    return Table("Suspects", [("account", "text"), ("reasons", "count"), ("why", "text")], rows[:SHOWN], note)


def _codes(codes: list[tuple[Any, ...]]) -> Table:
    head = [("code", "text"), ("method", "text"), ("logins", "count"), ("addresses", "count")]
    return Table("Refused, by reason", head, [list(row) for row in codes])


def _addresses(addresses: list[tuple[Any, ...]]) -> Table:
    head = [
        ("address", "text"), ("logins", "count"), ("days", "count"), ("mostly", "text"), ("first", "moment"),
        ("last", "moment"),
    ]  # fmt: skip
    return Table("Refused, by address", head, [list(row) for row in addresses])
