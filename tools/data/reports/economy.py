"""Gold: where it comes from and goes to, whether the books agree with what everybody holds, and who is rich.

The ledger has every move of gold. Purse 0 mints and purse -1 burns, so what was made less what was destroyed must be
what players and mails hold. A difference is gold from nothing, or gold that vanished. The ledger is compared with the
behaviour log, too: what the log says was looted must be what the ledger says was made by looting.
"""

from typing import Any, NamedTuple

import numpy as np

from tools.data.desk import Desk
from tools.data.facts import by_day
from tools.data.model import DAY_MS, Chart, Line, Period, Report, Table, Tile, day, floats, ratio, show
from tools.data.presence import gini, share_of_top
from tools.data.views import first_ms, last_ms

SHOWN = 15
LORENZ_POINTS = 100
WHEN = "ts >= make_timestamp($since * 1000) AND ts < make_timestamp($until * 1000)"

KINDS = f"""
    SELECT kind, sum(amount) FILTER (WHERE source = 0) AS made, sum(amount) FILTER (WHERE target = -1) AS destroyed,
           sum(amount) FILTER (WHERE source <> 0 AND target <> -1) AS moved, count(*)
    FROM ledger WHERE {WHEN} GROUP BY kind ORDER BY kind"""
DAYS = f"""
    SELECT epoch_ms(ts) // 86400000 AS day, sum(amount) FILTER (WHERE source = 0),
           sum(amount) FILTER (WHERE target = -1),
           sum(amount) FILTER (WHERE source = 0 AND kind = 'loot')
    FROM ledger WHERE {WHEN} GROUP BY day"""
TOTALS = """
    SELECT coalesce(sum(amount) FILTER (WHERE source = 0), 0), coalesce(sum(amount) FILTER (WHERE target = -1), 0),
           coalesce(sum(amount) FILTER (WHERE source = 0 AND ts < make_timestamp($since * 1000)), 0),
           coalesce(sum(amount) FILTER (WHERE target = -1 AND ts < make_timestamp($since * 1000)), 0)
    FROM ledger"""
HELD = "SELECT place, coalesce(sum(gold), 0), count(*), max(epoch_ms(ts)) FROM purses GROUP BY place"
RICHEST = """
    SELECT account, gold FROM purses WHERE place = 'purse' ORDER BY gold DESC, account LIMIT $limit"""
LOOTED = f"""
    SELECT epoch_ms(ts) // 86400000 AS day, sum(gold) FROM deeds WHERE kind = 'loot' AND {WHEN} GROUP BY day"""


class Books(NamedTuple):
    """What the ledger and the purses say, of all time."""

    made: int
    destroyed: int
    in_purses: int
    in_mails: int
    minted: int  # by the two purses that mint and burn
    burned: int
    taken_ms: int  # when the purses were read

    @property
    def held(self) -> int:
        return self.in_purses + self.in_mails

    @property
    def difference(self) -> int:
        """What is held and was never made; below zero: what was made and is nowhere."""
        return self.held - (self.made - self.destroyed)

    @property
    def unbooked(self) -> int:
        """What the purses that mint and burn say was brought into the world, and the ledger does not."""
        return (self.minted - self.burned) - (self.made - self.destroyed)


def make(desk: Desk, period: Period) -> Report:
    """See the module."""
    looted = desk.rows(LOOTED, since=period.since_ms, until=period.until_ms)
    (log,) = by_day(looted, period)
    if not desk.manifest.of_table("ledger"):
        return _without_ledger(log, period)
    made_all, destroyed_all, made_before, destroyed_before = desk.rows(TOTALS, since=period.since_ms)[0]
    books = _books(desk, int(made_all), int(destroyed_all))
    when = {"since": period.since_ms, "until": period.until_ms}
    kinds = desk.rows(KINDS, **when)
    made, destroyed, by_loot = by_day(desk.rows(DAYS, **when), period, 3)
    purses = np.asarray(desk.columns("SELECT gold FROM purses WHERE place = 'purse'")["gold"], np.int64)
    supply = np.cumsum(np.array(made) - np.array(destroyed)) + float(made_before - destroyed_before)
    compared = _compared(log, by_loot, books, desk, period)
    return Report(
        "economy",
        "Gold",
        period,
        _tiles(books, purses, sum(made), sum(destroyed)),
        [*_charts(made, destroyed, supply.tolist(), period), _by_kind(kinds), _lorenz(purses)],
        [_reconciled(books), _kinds(kinds), compared, _wealth(purses), _richest(desk)],
        _warnings(books, compared),
    )


def _books(desk: Desk, made: int, destroyed: int) -> Books:
    held = {place: (int(gold), int(ms)) for place, gold, _, ms in desk.rows(HELD)}

    def of(place: str) -> int:
        return held.get(place, (0, 0))[0]

    taken_ms = max((ms for _, ms in held.values()), default=0)
    return Books(made, destroyed, of("purse"), of("mail"), -of("minted"), of("burned"), taken_ms)


def _tiles(books: Books, purses: Any, made: float, destroyed: float) -> list[Tile]:
    return [
        Tile("made", f"{made:,.0f}"),
        Tile("destroyed", f"{destroyed:,.0f}"),
        Tile("held by all", f"{books.held:,}"),
        Tile("difference in the books", f"{books.difference:+,}" if books.difference else "0", bool(books.difference)),
        Tile("Gini", f"{gini(purses):.3f}"),
        Tile("the richest 1 % hold", show(share_of_top(purses, 0.01), "percent")),
    ]


def _charts(made: list[float], destroyed: list[float], supply: list[float], period: Period) -> list[Chart]:
    return [
        Chart(
            "Gold made and destroyed", period.days,
            [Line("made", floats(made)), Line("destroyed", floats(destroyed))], "a day", over_time=True,
        ),
        Chart(
            "Gold in the world", period.days, [Line("by the ledger", floats(supply))],
            note="made less destroyed, since the beginning", over_time=True,
        ),
    ]  # fmt: skip


def _by_kind(kinds: list[tuple[Any, ...]]) -> Chart:
    names = [row[0] for row in kinds if row[1] or row[2]]
    made = Line("made", floats([row[1] or 0 for row in kinds if row[1] or row[2]]))
    destroyed = Line("destroyed", floats([row[2] or 0 for row in kinds if row[1] or row[2]]))
    return Chart("Sources and sinks", names, [made, destroyed], bars=True)


def _lorenz(purses: Any) -> Chart:
    some = np.sort(purses.astype(np.float64))
    total = some.sum()
    shares = np.cumsum(some) / total * 100 if total > 0 else np.zeros(len(some))
    places: list[int] = []
    if len(some):
        places = np.unique(np.linspace(0, len(some) - 1, min(LORENZ_POINTS, len(some))).astype(int)).tolist()
    x = [0.0, *((int(at) + 1) / len(some) * 100 for at in places)]
    y = [0.0, *(float(shares[at]) for at in places)]
    lines = [
        Line("hold this much of all gold", floats(y)),
        Line("if all had the same", floats(x), dashed=True, colour=7),
    ]
    return Chart("The poorest so many per cent", x, lines, "%")


def _reconciled(books: Books) -> Table:
    rows: list[list[Any]] = [
        ["made, by the ledger", books.made],
        ["destroyed, by the ledger", books.destroyed],
        ["so there should be", books.made - books.destroyed],
        ["in purses", books.in_purses],
        ["in mails that wait", books.in_mails],
        ["so there is", books.held],
        ["difference", books.difference],
        ["minted less burned, by these two purses", books.minted - books.burned],
        ["of that not in the ledger", books.unbooked],
    ]
    bad = [at for at, value in ((6, books.difference), (8, books.unbooked)) if value]
    note = f"of all time, when it was taken from the DC: {show(books.taken_ms, 'moment')} UTC"
    return Table("The books", [("", "text"), ("gold", "count")], rows, note, bad)


def _kinds(kinds: list[tuple[Any, ...]]) -> Table:
    head = [("kind", "text"), ("made", "count"), ("destroyed", "count"), ("moved", "count"), ("entries", "count")]
    rows = [[kind, made or 0, destroyed or 0, moved or 0, count] for kind, made, destroyed, moved, count in kinds]
    rows.append(["all", *(sum(row[at] for row in rows) for at in range(1, 5))])
    return Table("Sources and sinks", head, rows, "moved: between players, also by mail")


def _compared(log: list[float], ledger: list[float], books: Books, desk: Desk, period: Period) -> Table:
    """Whole days only: of the first and the last one has more than the other."""
    begin = max(first_ms(desk.manifest), period.since_ms)
    end = min(last_ms(desk.manifest), books.taken_ms)
    head = [("day", "day"), ("looted, by the log", "count"), ("by the ledger", "count"), ("log less ledger", "count")]
    rows: list[list[Any]] = []
    for at, ms in enumerate(period.days):
        if begin <= ms and ms + DAY_MS <= end + 1:
            rows.append([ms, log[at], ledger[at], log[at] - ledger[at]])
    bad = [at for at, row in enumerate(rows) if row[3]]
    note = "the log lacks events that were dropped, lost or erased: `mesh events --losses`"
    return Table("Looted: the log and the ledger", head, rows, note, bad)


def _wealth(purses: Any) -> Table:
    rows: list[list[Any]] = [["players with a purse", len(purses)]]
    for part, name in ((0.1, "poorest tenth"), (0.5, "median"), (0.9, "richest tenth"), (0.99, "richest hundredth")):
        rows.append([f"{name}: gold", float(np.quantile(purses, part)) if len(purses) else None])
    for part in (0.01, 0.1):
        rows.append([f"per cent held by the richest {part:.0%}", round(share_of_top(purses, part) * 100, 1)])
    return Table("Concentration of wealth", [("", "text"), ("", "number")], rows)


def _richest(desk: Desk) -> Table:
    rows = [list(row) for row in desk.rows(RICHEST, limit=SHOWN)]
    return Table("Who is rich", [("account", "text"), ("gold", "count")], rows)


def _warnings(books: Books, compared: Table) -> list[str]:
    found = []
    if books.difference > 0:
        found.append(f"{books.difference:,} gold is held that was never made: gold from nothing")
    elif books.difference < 0:
        found.append(f"{-books.difference:,} gold was made, not destroyed, and is held by nobody")
    if books.unbooked:
        found.append(f"the ledger does not show {books.unbooked:+,} gold that was minted less burned")
    days = [day(compared.rows[at][0]) for at in compared.bad]
    if days:
        apart = sum(compared.rows[at][3] for at in compared.bad)
        found.append(
            f"log and ledger differ about what was looted on {len(days)} days, by {apart:+,.0f}: {', '.join(days[:5])}"
        )
    return found


def _without_ledger(log: list[float], period: Period) -> Report:
    chart = Chart("Gold looted, by the log", period.days, [Line("gold", floats(log))], "a day", over_time=True)
    rows: list[list[Any]] = [[ms, value] for ms, value in zip(period.days, log, strict=True)]
    table = Table("Looted", [("day", "day"), ("gold", "count")], rows)
    mean = ratio(sum(log), len(log))
    tiles = [Tile("looted", f"{sum(log):,.0f}"), Tile("a day", show(mean, "count"))]
    text = "the lake has no ledger: `mesh data compact` takes it from the DC; without it nothing can be reconciled"
    return Report("economy", "Gold", period, tiles, [chart], [table], [text])
