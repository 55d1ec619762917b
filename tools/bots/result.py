"""The one final snapshot of a run, from which the screen, the CSV and the JSON are written (pure)."""

from pathlib import PurePath
from typing import Literal

import msgspec

from tools.bots.increments import Total, Totals
from tools.bots.neighbours import Expectation
from tools.bots.options import Limits, Options
from tools.bots.statistics import Latencies, Series

Verdict = Literal["OK", "FAILED", "INVALID"]

MOVE = "move"
LOGIN = "login"
QUEUED, UNQUEUED = "had to wait in the queue", "came in from the queue"
MISTAKE = "scenario: "
"""What errors of a user's own scenario begin with: they say nothing about the servers."""
OWN_MISTAKE = "bot: "
"""The same for errors of the bots' own program."""
MOVING = ("portals", "lines", "drain", "travel")
"""Scenarios whose players change places, and that number what they say."""
PAIRS_MIN = 10  # in view on average: with fewer the share of the updates is chance
ALONE = ("walk", "mixed")
"""Scenarios in which nothing was measured when nobody ever saw anybody."""
SHOWN = (50.0, 90.0, 95.0, 99.0, 99.9, 100.0)


class Quantiles(msgspec.Struct, frozen=True, omit_defaults=False):
    """Milliseconds."""

    count: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float


class Row(msgspec.Struct, frozen=True):
    """One kind of thing that was done."""

    name: str
    count: int
    failures: int
    raw: Quantiles
    corrected: Quantiles


class WorkerUse(msgspec.Struct, frozen=True):
    """One bot process."""

    worker: int
    cpu: float  # of one core
    rss_mb: float


class ServerUse(msgspec.Struct, frozen=True):
    """One node process; a name joins the nodes that share it."""

    name: str
    pid: int
    cpu: float  # of one core
    rss_mb: float


class Finding(msgspec.Struct, frozen=True):
    """One line of what a scenario found out, and whether that is what it must be."""

    name: str
    value: str
    limit: str  # what it must be; "" when it is only told
    ok: bool = True


class Happened(msgspec.Struct, frozen=True):
    """Something that was done to the cluster while bots played."""

    at_s: float  # since the run began
    text: str


class Aside(msgspec.Struct, frozen=True):
    """What is known of a run besides its measurements."""

    machine: dict[str, str] = {}
    findings: list[Finding] = []
    happened: list[Happened] = []
    left_out: int = 0  # arrivals of the shape that found every bot in the world
    busy: float = 0.0  # the machine while it was measured, all cores together
    stopped: tuple[str, ...] = ()  # why the generator itself could not go on


NOTHING = Aside()


class Result(msgspec.Struct, frozen=True):
    """Everything about a run."""

    verdict: Verdict
    reasons: list[str]
    scenario: str
    shape: str
    speed: float
    users: int
    spawn_rate: float
    processes: int
    moves_per_s_each: float
    window_s: float
    players: int  # at most at the same time
    logged_in: int
    logins_per_s: float
    login_ms: Quantiles
    login_corrected_ms: Quantiles
    move_ms: Quantiles
    move_corrected_ms: Quantiles
    moves_per_s: float
    updates_per_s: float
    expected_updates_per_s: float
    ratio: float
    neighbours_mean: float
    neighbours_most: int
    other_updates_per_s: float
    lag_ms: Quantiles
    moves_missed: int
    workers: list[WorkerUse]
    servers: list[ServerUse]
    rows: list[Row]
    errors: dict[str, int]
    counts: dict[str, int]
    findings: list[Finding]
    happened: list[Happened]
    started: int  # logins that were begun
    left_out: int
    busy: float
    settings: dict[str, str]
    machine: dict[str, str]
    limits: Limits
    ratio_unjudged: str = ""  # why the share of the updates says nothing
    notes: list[str] = []  # what a reader must know, and what is nobody's fault


def quantiles(of: Latencies) -> Quantiles:
    values = [round(v, 2) for v in of.percentiles_ms(SHOWN).values()]
    return Quantiles(of.count, round(of.mean_ms, 2), *values)


def build(
    options: Options,
    totals: Totals,
    expectation: Expectation,
    servers: list[ServerUse],
    aside: Aside = NOTHING,
) -> Result:
    """Put the snapshot together and judge it."""
    whole, steady = totals.whole, totals.steady
    window_s = steady.window_s
    expected = expectation.updates(steady.moves)
    login, move = whole.series.get(LOGIN, Series()), steady.series.get(MOVE, Series())
    storm_s = whole.last_entered - whole.first_due
    unjudged = Result(
        verdict="OK",
        reasons=[],
        scenario=PurePath(options.scenario).name,
        shape=options.shape.name if options.shape else "",
        speed=options.speed,
        users=options.users,
        spawn_rate=options.spawn_rate,
        processes=options.processes,
        moves_per_s_each=options.moves_per_s,
        window_s=round(window_s, 2),
        players=whole.players_most,
        logged_in=whole.entered,
        logins_per_s=round(whole.entered / storm_s, 1) if storm_s > 0 else 0.0,
        login_ms=quantiles(login.raw),
        login_corrected_ms=quantiles(login.corrected),
        move_ms=quantiles(move.raw),
        move_corrected_ms=quantiles(move.corrected),
        moves_per_s=_per_second(steady.moves, window_s),
        updates_per_s=_per_second(steady.updates, window_s),
        expected_updates_per_s=_per_second(expected, window_s),
        ratio=round(steady.updates / expected, 4) if expected else 0.0,
        neighbours_mean=round(expectation.mean_in_view, 2),
        neighbours_most=expectation.most,
        other_updates_per_s=_per_second(steady.updates_other, window_s),
        lag_ms=quantiles(steady.lag),
        moves_missed=steady.moves_missed,
        workers=_workers(steady),
        servers=servers,
        rows=[_row(name, series) for name, series in sorted(_series(totals).items())],
        errors=dict(sorted(whole.errors.items())),
        counts=dict(sorted(whole.counts.items())),
        findings=aside.findings,
        happened=aside.happened,
        started=whole.started,
        left_out=aside.left_out,
        busy=aside.busy,
        settings=options.settings,
        machine=aside.machine,
        limits=options.limits,
    )
    unjudged = msgspec.structs.replace(
        unjudged, ratio_unjudged=_why_unjudged(options, unjudged), notes=_notes(unjudged)
    )
    verdict, reasons = judge(unjudged, options.limits, aside.stopped)
    return msgspec.structs.replace(unjudged, verdict=verdict, reasons=reasons)


def _why_unjudged(options: Options, result: Result) -> str:
    """Where bots are is sampled twice a second: while they come and go, what should arrive is not known exactly."""
    if options.shape is not None:
        return "players come and go by a shape"
    if options.scenario in MOVING or options.scenario.endswith(".py"):
        return f"players may change places in {result.scenario}"
    if options.returning or result.happened:
        return "nodes were killed or drained"
    if result.neighbours_mean * result.players < 2 * PAIRS_MIN:
        return "too few were in view of each other"
    return ""


def _notes(result: Result) -> list[str]:
    if result.move_ms.count:
        return []
    return ["no move was measured: no bot heard of another one's (nobody was in view, or nobody moved)"]


def judge(result: Result, limits: Limits, stopped: tuple[str, ...] = ()) -> tuple[Verdict, list[str]]:
    """INVALID beats FAILED: bots that could not keep up say nothing about the server, good or bad."""
    invalid = [*stopped, *_generator_troubles(result, limits)]
    failed = [*_server_troubles(result, limits)]
    if invalid:
        return "INVALID", invalid + failed
    return ("FAILED", failed) if failed else ("OK", [])


def _generator_troubles(result: Result, limits: Limits) -> list[str]:
    found = []
    mistakes = {code: count for code, count in result.errors.items() if code.startswith(MISTAKE)}
    if mistakes:
        first, total = next(iter(mistakes)), sum(mistakes.values())
        found.append(f"the scenario itself went wrong {total} times, such as {first.removeprefix(MISTAKE)}")
    own = {code: count for code, count in result.errors.items() if code.startswith(OWN_MISTAKE)}
    if own:
        found.append(f"the bots themselves went wrong {sum(own.values())} times, such as {next(iter(own))}")
    if result.scenario in ALONE and result.moves_per_s and not result.neighbours_most and not result.move_ms.count:
        found.append("nothing was measured: no bot was ever in view of another one; -u")
    if result.lag_ms.p99 > limits.lag_p99_ms:
        text = f"the bots were late: p99 {result.lag_ms.p99:.0f} ms, limit {limits.lag_p99_ms:.0f} ms"
        found.append(text + (f"; the machine was {result.busy * 100:.0f} % busy" if result.busy else ""))
    for worker in result.workers:
        if worker.cpu > limits.cpu_max:
            share, most = worker.cpu * 100, limits.cpu_max * 100
            found.append(f"bot process {worker.worker} used {share:.0f} % of a core, limit {most:.0f} %: --processes")
    due = result.moves_per_s * result.window_s + result.moves_missed
    if result.moves_missed > limits.missed_max * due:
        found.append(f"the bots left out {result.moves_missed} of {due:.0f} moves that were due")
    return found


def _server_troubles(result: Result, limits: Limits) -> list[str]:
    found = []
    if result.shape:
        failed = sum(row.failures for row in result.rows if row.name == LOGIN)
        if failed:
            found.append(f"{failed} of {result.started} logins failed{_queue_words(result)}")
    elif result.logged_in < result.users:
        found.append(f"{result.users - result.logged_in} of {result.users} bots did not get in{_queue_words(result)}")
    if result.login_ms.p99 > limits.login_p99_ms:
        found.append(f"login p99 {result.login_ms.p99:.0f} ms, limit {limits.login_p99_ms:.0f} ms")
    if result.move_ms.p99 > limits.move_p99_ms:
        found.append(f"move p99 {result.move_ms.p99:.0f} ms, limit {limits.move_p99_ms:.0f} ms")
    if result.expected_updates_per_s and not result.ratio_unjudged and result.ratio < limits.ratio_min:
        share, least = result.ratio * 100, limits.ratio_min * 100
        found.append(f"{share:.1f} % of the expected updates arrived, limit {least:.0f} %")
    errors = sum(count for code, count in result.errors.items() if not code.startswith((MISTAKE, OWN_MISTAKE)))
    if errors > limits.errors_max:
        found.append(f"{number_of_errors(errors)}, limit {limits.errors_max}")
    found += [f"{f.name}: {f.value}, must be {f.limit}" for f in result.findings if not f.ok]
    return found


def _queue_words(result: Result) -> str:
    """Those that were told to wait and never got in."""
    left = result.counts.get(QUEUED, 0) - result.counts.get(UNQUEUED, 0)
    return f": {left} wait{'' if left > 1 else 's'} in the queue" if left > 0 else ""


def number_of_errors(count: int) -> str:
    return f"{count} error{'' if count == 1 else 's'}"


def _series(totals: Totals) -> dict[str, Series]:
    """Moves of the steady state, everything else of the whole run."""
    series = dict(totals.whole.series)
    if MOVE in totals.steady.series:
        series[MOVE] = totals.steady.series[MOVE]
    return series


def _row(name: str, series: Series) -> Row:
    return Row(name, series.count, series.failures, quantiles(series.raw), quantiles(series.corrected))


def _workers(total: Total) -> list[WorkerUse]:
    shares = total.cpu_shares()
    return [
        WorkerUse(worker, round(share, 3), round(total.rss_bytes[worker] / 1e6, 1))
        for worker, share in sorted(shares.items())
    ]


def _per_second(count: float, seconds: float) -> float:
    return round(count / seconds, 1) if seconds > 0 else 0.0
