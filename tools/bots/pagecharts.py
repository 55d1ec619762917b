"""Which charts a report has, and what is in each (pure). How they are drawn is the page's business.

A long run has more seconds than a chart has room for: neighbouring ones are joined. Of joined latencies the worst is
shown, since a mean would hide what the chart is there for; counts are added up.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from tools.bots.history import Point, Second
from tools.bots.ramp import LimitFound
from tools.bots.result import LOGIN, MOVE, Result

POINTS_MAX = 1200
LINES_MAX = 12
CONNECT = ("connect", "logout")

Values = list[float | None]


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line; None where there is nothing."""

    name: str
    values: Values
    dashed: bool = False
    colour: int | None = None


class Limit(msgspec.Struct, frozen=True):
    """A horizontal line that must not be crossed."""

    value: float
    text: str


class Chart(msgspec.Struct, frozen=True, omit_defaults=True):
    """`x` is for charts that are not over time."""

    title: str
    unit: str
    series: list[Line]
    limit: Limit | None = None
    note: str = ""
    x: list[float] | None = None


def thin(history: Sequence[Point]) -> list[Point]:
    """At most POINTS_MAX, by joining neighbours."""
    size = -(-len(history) // POINTS_MAX)
    if size <= 1:
        return list(history)
    return [_join(history[at : at + size]) for at in range(0, len(history), size)]


def run_charts(result: Result, points: Sequence[Point]) -> list[Chart]:
    """Of a measuring run."""
    return _without_empty(
        [
            _players(points),
            _latency("Moves: from the mover to its neighbours", points, MOVE, result.limits.move_p99_ms),
            _latency("Logins: from the click to the world", points, LOGIN, result.limits.login_p99_ms),
            _others(points, result),
            *_rates(points),
            _errors(points),
            *_scenario_counts(points, result),
            *_servers(points),
            *_generator(points),
        ]
    )


def limit_charts(found: LimitFound, points: Sequence[Point]) -> list[Chart]:
    """Of a search: what the players did to the servers, then everything over time."""
    steps = sorted(found.steps, key=lambda step: step.players)
    players = [float(step.players) for step in steps]
    names = sorted({use.name for step in steps for use in step.servers})
    charts = []
    for at, clause in enumerate(found.objective):
        if "." in clause:
            line = Line(clause.partition("<")[0], [step.checked[at].value for step in steps])
            charts.append(Chart(f"{line.name} by players", "ms", [line], x=players))
    cpu = [
        Line(name, [next((u.cpu * 100 for u in step.servers if u.name == name), None) for step in steps])
        for name in names
    ]
    cpu.append(Line("bots", [sum(step.bots_cpu) * 100 for step in steps], dashed=True, colour=7))
    charts.append(Chart("CPU by players", "% of a core", cpu, x=players))
    return _without_empty(
        [
            *(charts if len(players) > 1 else []),
            _players(points),
            _latency("Moves: from the mover to its neighbours", points, MOVE),
            _latency("Logins: from the click to the world", points, LOGIN),
            _errors(points),
            *_servers(points),
            *_generator(points),
        ]
    )


def _players(points: Sequence[Point]) -> Chart:
    lines = [
        Line("in the world", [float(p.players) for p in points]),
        Line("logging in", [float(p.starting) for p in points]),
    ]
    if any(p.wanted is not None for p in points):
        lines.append(Line("as the shape wants it", [p.wanted for p in points], dashed=True, colour=7))
    return Chart("Players", "", lines)


def _latency(title: str, points: Sequence[Point], name: str, limit_ms: float = 0.0) -> Chart:
    def line(label: str, value: Callable[[Second], float]) -> Line:
        found = [p.series.get(name) for p in points]
        return Line(label, [value(s) if s is not None and s.count > s.failures else None for s in found])

    lines = [line("p50", lambda s: s.p50), line("p95", lambda s: s.p95), line("p99", lambda s: s.p99)]
    limit = Limit(limit_ms, f"limit for p99: {limit_ms:g} ms") if limit_ms else None
    return Chart(title, "ms", lines, limit)


def _others(points: Sequence[Point], result: Result) -> Chart:
    names = [row.name for row in result.rows if row.name not in (MOVE, LOGIN, *CONNECT) and row.raw.count]
    lines = []
    for name in names[:LINES_MAX]:
        found = [p.series.get(name) for p in points]
        lines.append(Line(name, [s.p99 if s is not None and s.count > s.failures else None for s in found]))
    return Chart("Everything else that is timed, p99", "ms", lines)


def _rates(points: Sequence[Point]) -> list[Chart]:
    moves = Line("moves", [p.moves / p.seconds for p in points])
    missed = Line("left out by the bots", [p.moves_missed / p.seconds for p in points], colour=1)
    updates = Line("of bots", [p.updates / p.seconds for p in points])
    other = Line("of others (NPCs)", [p.updates_other / p.seconds for p in points], colour=7)
    logins = Line("logins", [p.entered / p.seconds for p in points])
    return [
        Chart("Moves sent", "per second", [moves] + ([missed] if any(missed.values) else [])),
        Chart("Updates heard", "per second", [updates] + ([other] if any(other.values) else [])),
        Chart("Logins", "per second", [logins]),
    ]


def _errors(points: Sequence[Point]) -> Chart:
    total: Counter[str] = Counter()
    for p in points:
        total.update(p.errors)
    lines = [
        Line(code, [p.errors.get(code, 0) / p.seconds for p in points]) for code, _ in total.most_common(LINES_MAX)
    ]  # fmt: skip
    return Chart("Errors by code", "per second", lines)


def _scenario_counts(points: Sequence[Point], result: Result) -> list[Chart]:
    names = sorted(result.counts, key=lambda name: -result.counts[name])[:LINES_MAX]
    lines = [Line(name, [p.counts.get(name, 0) / p.seconds for p in points]) for name in names]
    return [Chart("What the scenario counts", "per second", lines)]


def _servers(points: Sequence[Point]) -> list[Chart]:
    names = sorted({use.name for p in points for use in p.servers})
    by_name = [{use.name: use for use in p.servers} for p in points]
    cpu = [Line(n, [u[n].cpu * 100 if n in u else None for u in by_name]) for n in names]
    rss = [Line(n, [u[n].rss_mb if n in u else None for u in by_name]) for n in names]
    busy = Line("busy", [p.busy * 100 for p in points[1:]], colour=7)
    busy.values.insert(0, None)  # the first second has nothing before it to compare with
    scenes = sorted({tick.node for p in points for tick in p.ticks})
    ticks = [{tick.node: tick for tick in p.ticks} for p in points]
    tick_lines = [Line(n, [t[n].mean_ms if n in t else None for t in ticks]) for n in scenes]
    return [
        Chart("Server CPU", "% of a core", cpu),
        Chart("Server memory", "MB", rss),
        Chart("The machine, bots included", "% of all cores", [busy]),
        Chart("Scene ticks, mean", "ms", tick_lines),
    ]


def _generator(points: Sequence[Point]) -> list[Chart]:
    numbers = sorted({number for p in points for number in p.workers})
    cpu = [Line(f"bots {n}", [p.workers[n] * 100 if n in p.workers else None for p in points]) for n in numbers]
    lag = Line("late by, p99", [p.lag_p99_ms for p in points])
    return [
        Chart("The bots: how late they are, p99", "ms", [lag], note="above 50 ms in the measured part: INVALID"),
        Chart("The bots: CPU", "% of a core", cpu, note="above 95 % in the measured part: INVALID"),
    ]


def _without_empty(charts: list[Chart]) -> list[Chart]:
    return [
        chart for chart in charts if any(value is not None for line in chart.series for value in line.values)
    ]  # fmt: skip


def _join(group: Sequence[Point]) -> Point:
    """Several seconds as one."""
    last = group[-1]
    names = {name for p in group for name in p.series}
    counts: dict[str, Counter[str]] = {"errors": Counter(), "counts": Counter()}
    for p in group:
        counts["errors"].update(p.errors)
        counts["counts"].update(p.counts)
    return msgspec.structs.replace(
        last,
        players=max(p.players for p in group),
        starting=max(p.starting for p in group),
        seconds=sum(p.seconds for p in group),
        entered=sum(p.entered for p in group),
        moves=sum(p.moves for p in group),
        moves_missed=sum(p.moves_missed for p in group),
        updates=sum(p.updates for p in group),
        updates_other=sum(p.updates_other for p in group),
        series={name: _worst([p.series[name] for p in group if name in p.series]) for name in names},
        errors=dict(counts["errors"]),
        counts=dict(counts["counts"]),
        lag_p99_ms=max(p.lag_p99_ms for p in group),
    )


def _worst(seconds: list[Second]) -> Second:
    return Second(
        sum(s.count for s in seconds),
        sum(s.failures for s in seconds),
        *(max(getattr(s, name) for s in seconds) for name in ("p50", "p95", "p99")),
    )
