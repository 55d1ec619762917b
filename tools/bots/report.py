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

from tools.bots.increments import Total, Totals
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
STYLE = {"OK": "bold green", "FAILED": "bold red", "INVALID": "bold yellow"}


def write_csv(prefix: str, totals: Totals, history: Iterable[tuple[float, Total]]) -> list[Path]:
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


def history_rows(history: Iterable[tuple[float, Total]]) -> list[list[Any]]:
    """One row per second: that second's rates and percentiles, then the totals so far."""
    rows: list[list[Any]] = []
    so_far = Series()
    for wall, interval in history:
        now = Series()
        for series in interval.series.values():
            now.add(series)
        so_far.add(now)
        seconds = interval.window_s or 1.0
        rates = [round(now.count / seconds, 2), round(now.failures / seconds, 2)]
        rows.append(
            [int(wall), interval.players_now, "", "Aggregated", *rates, *_percentiles(now), *_totals(so_far), 0]
        )
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
    parts: list[RenderableType] = [_headline(result), *(Text(f"  {r}", style="red") for r in result.reasons), Text()]
    parts += [_figures(result), Text(), _latencies(result)]
    if not result.errors and any(row.failures for row in result.rows):
        parts.append(Text("failed: what the game refused, such as a blow at somebody who is dead already", style="dim"))
    parts.append(_processes(result))
    if result.errors:
        parts.append(_errors(result))
    return Group(*parts)


def _headline(result: Result) -> Text:
    text = f"  {result.players} players, scenario {result.scenario}, {result.window_s:.0f} s"
    return Text.assemble((result.verdict, STYLE[result.verdict]), text)


def _figures(result: Result) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_row("logged in", f"{result.logged_in} of {result.users}", f"{result.logins_per_s:g} /s")
    table.add_row("moves", f"{result.moves_per_s:,.0f} /s", f"{result.moves_missed} left out")
    table.add_row(
        "updates",
        f"{result.updates_per_s:,.0f} /s",
        f"{result.ratio * 100:.1f} % of {result.expected_updates_per_s:,.0f} /s expected",
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
        table.add_row(row.name, f"{row.count:,}", str(row.failures), *_cells(row.raw), f"{row.corrected.p99:.1f}")
    return table


def _cells(of: Quantiles) -> list[str]:
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


def _errors(result: Result) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("error")
    table.add_column("count", justify="right")
    for code, count in sorted(result.errors.items(), key=lambda item: -item[1]):
        table.add_row(code, str(count))
    return table
