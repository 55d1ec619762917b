"""A result as people, spreadsheets and programs read it (pure apart from writing the files it is asked for).

The CSV files have the names and the columns of Locust's, so that what reads those reads these: PREFIX_stats.csv,
PREFIX_stats_history.csv, PREFIX_failures.csv, PREFIX_exceptions.csv. Types are what is measured: LOGIN, MOVE, ...
"""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tools.bots.history import Point
from tools.bots.increments import Totals
from tools.bots.ramp import LimitFound, show_value
from tools.bots.result import Quantiles, Result
from tools.bots.statistics import PERCENTILES, Series

PERCENTILE_COLUMNS = [f"{p:g}%" for p in PERCENTILES]
STATS_COLUMNS = [
    "Type",
    "Name",
    "Request Count",
    "Failure Count",
    "Median Response Time",
    "Average Response Time",
    "Min Response Time",
    "Max Response Time",
    "Average Content Size",
    "Requests/s",
    "Failures/s",
    *PERCENTILE_COLUMNS,
]
HISTORY_COLUMNS = [
    "Timestamp",
    "User Count",
    "Type",
    "Name",
    "Requests/s",
    "Failures/s",
    *PERCENTILE_COLUMNS,
    "Total Request Count",
    "Total Failure Count",
    "Total Median Response Time",
    "Total Average Response Time",
    "Total Min Response Time",
    "Total Max Response Time",
    "Total Average Content Size",
]
HAPPENED_MAX = 20
STYLE = {"OK": "bold green", "FAILED": "bold red", "INVALID": "bold yellow"}


def write_csv(prefix: str, totals: Totals, history: Iterable[Point]) -> list[Path]:
    """The four files; their paths."""
    files: dict[str, list[list[Any]]] = {
        "stats": [STATS_COLUMNS, *stats_rows(totals)],
        "stats_history": [HISTORY_COLUMNS, *history_rows(history)],
        "failures": [["Method", "Name", "Error", "Occurrences"], *failure_rows(totals)],
        "exceptions": [["Count", "Message", "Traceback", "Nodes"]],
    }
    paths = []
    for name, rows in files.items():
        path = Path(f"{prefix}_{name}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        paths.append(path)
    return paths


def stats_rows(totals: Totals) -> list[list[Any]]:
    """One row per kind, then all together."""
    whole = totals.whole
    seconds = max(whole.window_s, 1e-9)
    every = Series()
    rows = []
    for name, series in sorted(whole.series.items()):
        every.add(series)
        rows.append([name.upper(), name, *_stats(series, seconds)])
    return [*rows, ["", "Aggregated", *_stats(every, seconds)]]


def history_rows(history: Iterable[Point]) -> list[list[Any]]:
    """One row per second: that second's rates and percentiles, then the totals so far."""
    rows: list[list[Any]] = []
    for second in history:
        now, so_far = second.every, second.so_far
        rates = [round(now.count / second.seconds, 2), round(now.failures / second.seconds, 2)]
        totals = [so_far.count, so_far.failures, so_far.median, so_far.mean, so_far.least, so_far.most, 0]
        rows.append([int(second.wall), second.players, "", "Aggregated", *rates, *now.percentiles, *totals])
    return rows


def failure_rows(totals: Totals) -> list[list[Any]]:
    """One row per error code."""
    rows: list[list[Any]] = []
    for code, count in sorted(totals.whole.errors.items()):
        name, _, error = code.partition(": ")
        rows.append([name.upper(), name, error or name, count])
    return rows


def _stats(series: Series, seconds: float) -> list[Any]:
    rates = [round(series.count / seconds, 2), round(series.failures / seconds, 2)]
    return [*_totals(series), 0, *rates, *_percentiles(series)]


def _totals(series: Series) -> list[Any]:
    raw = series.raw
    times = [raw.percentile_ms(50.0), raw.mean_ms, raw.min_ms, raw.max_ms]
    return [series.count, series.failures, *(round(ms, 2) for ms in times)]


def _percentiles(series: Series) -> list[Any]:
    return [round(ms, 2) for ms in series.raw.percentiles_ms().values()]


# --- for people ---


def render(result: Result) -> RenderableType:
    """The whole report for a terminal."""
    parts: list[RenderableType] = [_headline(result), *(Text(f"  {r}", style="red") for r in result.reasons)]
    parts += [*(Text(f"  note: {note}", style="yellow") for note in result.notes), Text()]
    if result.findings:
        parts += [_findings(result), Text()]
    parts += [_figures(result), Text(), _latencies(result)]
    if not result.errors and any(row.failures for row in result.rows):
        parts.append(Text("failed: what the game refused, such as a blow at somebody who is dead already", style="dim"))
    parts.append(_processes(result))
    for title, counts in (("counted", result.counts), ("error", result.errors)):
        if counts:
            parts.append(_counts(title, counts))
    parts += [Text(f"{one.at_s:6.1f} s  {one.text}", style="dim") for one in result.happened[:HAPPENED_MAX]]
    if len(result.happened) > HAPPENED_MAX:
        parts.append(Text(f"          and {len(result.happened) - HAPPENED_MAX} more", style="dim"))
    return Group(*parts)


def _headline(result: Result) -> Text:
    shape = f", shape {result.shape}" if result.shape else ""
    speed = f" at {result.speed:g} times its speed" if result.speed != 1 else ""
    text = f"  {result.players} players, scenario {result.scenario}{shape}{speed}, {result.window_s:.0f} s"
    return Text.assemble((result.verdict, STYLE[result.verdict]), text)


def _findings(result: Result) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("what")
    table.add_column("found", justify="right")
    table.add_column("must be", justify="right")
    for line in result.findings:
        mark = Text("✔", style="green") if line.ok else Text("✘", style="bold red")
        table.add_row(mark if line.limit else "", line.name, line.value, line.limit, style="" if line.ok else "red")
    return table


def _figures(result: Result) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    of = result.started if result.shape else result.users
    table.add_row("logged in", f"{result.logged_in} of {of}", f"{result.logins_per_s:g} /s")
    if result.left_out:
        table.add_row("left out", f"{result.left_out}", "arrivals that found every bot in the world: -u")
    table.add_row("moves", f"{result.moves_per_s:,.0f} /s", f"{result.moves_missed} left out")
    table.add_row(
        "updates",
        f"{result.updates_per_s:,.0f} /s",
        f"not judged: {result.ratio_unjudged}"
        if result.ratio_unjudged
        else f"{result.ratio * 100:.1f} % of {result.expected_updates_per_s:,.0f} /s expected",
    )
    table.add_row("in view", f"{result.neighbours_mean:.1f}", f"at most {result.neighbours_most}")
    table.add_row("bots late by", f"{result.lag_ms.p50:.1f} ms", f"p99 {result.lag_ms.p99:.1f} ms")
    return table


def _latencies(result: Result) -> Table:
    # Narrow on purpose: ten columns fit into 80 cells.
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("ms", no_wrap=True)
    for name in ("count", "failed", "p50", "p90", "p95", "p99", "p99.9", "max"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("corrected\np99", justify="right", no_wrap=True)
    for row in result.rows:
        table.add_row(row.name, f"{row.count:,}", str(row.failures), *_cells(row.raw), *_cells(row.corrected)[3:4])
    return table


def _cells(of: Quantiles) -> list[str]:
    if not of.count:
        return ["-"] * 6
    return [f"{value:.1f}" for value in (of.p50, of.p90, of.p95, of.p99, of.p999, of.max)]


def _processes(result: Result) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("process")
    table.add_column("CPU", justify="right")
    table.add_column("memory", justify="right")
    for server in result.servers:
        table.add_row(server.name, f"{server.cpu * 100:.0f} %", f"{server.rss_mb:.0f} MB")
    for worker in result.workers:
        table.add_row(f"bots {worker.worker}", f"{worker.cpu * 100:.0f} %", f"{worker.rss_mb:.0f} MB")
    return table


def _counts(title: str, counts: dict[str, int]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column(title)
    table.add_column("count", justify="right")
    for code, count in sorted(counts.items(), key=lambda item: -item[1]):
        table.add_row(code, f"{count:,}")
    return table


def render_limit(found: LimitFound) -> RenderableType:
    """A search for the limit, for a terminal."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("players", "", *found.objective, "busiest", "machine", "bots late by"):
        table.add_column(name, justify="right" if name != "busiest" else "left", overflow="fold")
    for step in found.steps:
        word = "INVALID" if step.invalid else "ok" if step.ok else "broken"
        values = [Text(show_value(one), style="" if one.ok else "red") for one in step.checked[: len(found.objective)]]
        busiest = max(step.servers, key=lambda use: use.cpu, default=None)
        cells = [f"{busiest.name} {busiest.cpu * 100:.0f} %" if busiest else "", f"{step.busy * 100:.0f} %"]
        style = STYLE["OK" if step.ok else "INVALID" if step.invalid else "FAILED"]
        table.add_row(f"{step.players:,}", Text(word, style=style), *values, *cells, f"{step.lag_p99_ms:.0f} ms")
    head = Text.assemble((found.verdict, STYLE[found.verdict]), f"  {found.sentence}")
    more = [Text(f"  also: {text}") for text in found.bottlenecks[1:]] if found.broke else []
    why = [Text(f"  {reason}", style="yellow") for reason in found.reasons]
    return Group(head, *why, *more, Text(f"  ended: {found.ended}", style="dim"), Text(), table)
