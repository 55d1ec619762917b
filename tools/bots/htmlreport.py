"""A run as one HTML page (pure apart from reading its parts): charts over time, tables, verdict, settings, machine.

The page asks nobody for anything: style, script and figures are in it, and its security policy forbids the rest. The
parts are in the folder `page`; what is put into them is escaped. pagecharts.py says which charts there are.
"""

import html
from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import PurePath

import msgspec

from tools.bots.history import Point
from tools.bots.pagecharts import Chart, limit_charts, run_charts, thin
from tools.bots.ramp import LimitFound, show_value
from tools.bots.result import Happened, Result
from tools.ctl.output import span

FOLDER = "page"
PARTS = ("page.html", "page.css", "page.js")
ERRORS_SHOWN = 50
HAPPENED_SHOWN = 50
HIDDEN_SETTINGS = ("run",)

Cell = str | tuple[str, str]
"""A cell's text, or its class and its text."""


class _Data(msgspec.Struct, frozen=True):
    """What the script draws."""

    at: list[float]
    step: float
    window: tuple[float, float] | None
    happened: list[dict[str, float | str]]
    charts: list[Chart]


def run_page(result: Result, history: Sequence[Point]) -> str:
    """Of a measuring run."""
    shape = f", shape {result.shape}" if result.shape else ""
    headline = (
        f"{result.players:,} players, scenario {html.escape(result.scenario)}{shape}, {span(round(result.window_s))}"
    )
    share = f", {result.ratio * 100:.0f} % of those due" if result.expected_updates_per_s else ""
    if result.ratio_unjudged:
        share = ""
    tiles = [
        ("players", f"{result.players:,}"),
        ("move p99", f"{result.move_ms.p99:,.0f} ms" if result.move_ms.count else "-"),
        ("login p99", f"{result.login_ms.p99:,.0f} ms"),
        ("moves per second", f"{result.moves_per_s:,.0f}"),
        ("updates per second" + share, f"{result.updates_per_s:,.0f}"),
        ("errors", f"{sum(result.errors.values()):,}"),
    ]
    parts = {
        "headline": headline,
        "reasons": _reasons(result.verdict, [*result.reasons, *(f"note: {note}" for note in result.notes)]),
        "tiles": _tiles(tiles),
        "first": _findings(result),
        "tables": "".join([_latencies(result), _processes(result), _errors(result.errors), *_asides(result)]),
    }
    return _page(result.verdict, parts, history, run_charts(result, thin(history)), result.happened)


def limit_page(found: LimitFound, history: Sequence[Point]) -> str:
    """Of a search for the limit."""
    name = PurePath(found.scenario).name
    settings = {"scenario": name, "objective": ", ".join(found.objective), **found.settings}
    tiles = [
        ("players carried", f"{found.players:,}"),
        ("broke with", f"{found.broke:,}" if found.broke else "–"),
        ("steps", f"{len(found.steps)}"),
        ("errors", f"{sum(found.errors.values()):,}"),
    ]
    more = [("also busy", text) for text in found.bottlenecks[1:]] if found.broke else []
    rows: list[Sequence[Cell]] = [("bottleneck", "; ".join(found.bottlenecks[:1])), *more, ("ended", found.ended)]
    parts = {
        "headline": html.escape(f"{found.sentence}; scenario {name}, objective {', '.join(found.objective)}"),
        "reasons": _reasons(found.verdict, found.reasons),
        "tiles": _tiles(tiles),
        "first": _table("What was found", (), rows) + _steps(found),
        "tables": "".join(
            [
                _errors(found.errors),
                _table("Settings", (), [(key, str(value)) for key, value in _settings(settings)]),
                _table("Machine", (), list(found.machine.items())),
            ]
        ),
    }
    happened = [Happened(step.began_s, f"{step.players:,} players from here on") for step in found.steps]
    return _page(found.verdict, parts, history, limit_charts(found, thin(history)), happened)


def _page(
    verdict: str, parts: dict[str, str], history: Sequence[Point], charts: list[Chart], happened: list[Happened]
) -> str:
    """Everything put together. Figures travel as JSON, in which nothing can end the script element."""
    texts = [(files("tools.bots") / FOLDER / name).read_text(encoding="utf-8") for name in PARTS]
    page, style, script = texts
    measured = [second.at_s for second in history if second.phase == "window"]
    points = thin(history)
    marks: list[dict[str, float | str]] = [{"at": one.at_s, "text": one.text} for one in happened]
    data = _Data(
        at=[second.at_s for second in points],
        step=points[1].at_s - points[0].at_s if len(points) > 1 else 1.0,
        window=(measured[0] - 1.0, measured[-1]) if measured else None,
        happened=marks,
        charts=charts,
    )
    parts |= {
        "title": f"{verdict}: {parts['headline']}",
        "what": "zonemesh load test",
        "verdict": html.escape(verdict),
        "verdict_class": verdict.lower(),
        "footer": "Times of moves are from the mover's clock to the neighbour's receipt; the shaded part was measured.",
        "style": style,
        "script": script,
        "data": msgspec.json.encode(data).decode().replace("<", "\\u003c"),
    }
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text, 1)
    return page


def _reasons(verdict: str, reasons: list[str]) -> str:
    if not reasons:
        return ""
    rows = "".join(f"<li>{html.escape(reason)}</li>" for reason in reasons)
    return f'<ul class="reasons {verdict.lower()}">{rows}</ul>'


def _tiles(tiles: list[tuple[str, str]]) -> str:
    return "".join(
        f'<div class="tile"><b>{html.escape(value)}</b><span>{name}</span></div>' for name, value in tiles
    )  # fmt: skip


def _findings(result: Result) -> str:
    if not result.findings:
        return ""
    rows: list[Sequence[Cell]] = []
    for line in result.findings:
        mark = "" if not line.limit else "✔" if line.ok else "✘"
        colour = "ok-text" if line.ok else "bad-text"
        rows.append(((f"mark {colour}", mark), line.name, ("n" if line.ok else f"n {colour}", line.value), line.limit))
    return _table("What the scenario found", ("", "what", "n:found", "must be"), rows, kind="card found")


def _latencies(result: Result) -> str:
    head = ("ms", "n:count", "n:failed", "n:p50", "n:p90", "n:p95", "n:p99", "n:p99.9", "n:max", "n:corrected p99")
    rows: list[Sequence[Cell]] = []
    for row in result.rows:
        of = row.raw
        values = (of.p50, of.p90, of.p95, of.p99, of.p999, of.max, row.corrected.p99)
        counts = (f"{row.count:,}", f"{row.failures:,}")
        rows.append((row.name, *(("n", text) for text in (*counts, *(f"{value:,.1f}" for value in values)))))
    note = "failed: refused by the game, or without an answer; corrected: from the moment when it was due"
    return _table("Latencies of the whole run", head, rows, note, "card wide")


def _processes(result: Result) -> str:
    rows: list[Sequence[Cell]] = [
        (use.name, ("n", f"{use.cpu * 100:.0f} %"), ("n", f"{use.rss_mb:.0f} MB")) for use in result.servers
    ]
    rows += [
        (f"bots {use.worker}", ("n", f"{use.cpu * 100:.0f} %"), ("n", f"{use.rss_mb:.0f} MB")) for use in result.workers
    ]
    return _table("Processes while it was measured", ("process", "n:CPU of a core", "n:memory"), rows)


def _errors(errors: dict[str, int]) -> str:
    ordered = sorted(errors.items(), key=lambda item: -item[1])
    rows: list[Sequence[Cell]] = [(code, ("n", f"{count:,}")) for code, count in ordered[:ERRORS_SHOWN]]
    if not rows:
        rows = [("none", "")]
    return _table("Errors", ("error", "n:count"), rows)


def _asides(result: Result) -> list[str]:
    """What is worth a table only when there is any of it, then the settings and the machine."""
    counts: list[Sequence[Cell]] = [(name, ("n", f"{count:,}")) for name, count in result.counts.items()]
    happened: list[Sequence[Cell]] = [
        (("n", f"{one.at_s:.1f} s"), one.text) for one in result.happened[:HAPPENED_SHOWN]
    ]  # fmt: skip
    settings: list[tuple[str, object]] = [
        ("scenario", result.scenario),
        ("bots", f"{result.users:,}"),
        ("spawn rate", f"{result.spawn_rate:g} /s"),
        ("moves of each bot", f"{result.moves_per_s_each:g} /s"),
        ("bot processes", result.processes),
        ("logged in", f"{result.logged_in:,}, {result.logins_per_s:g} /s"),
    ]
    if result.shape:
        settings += [("shape", result.shape), ("speed", f"{result.speed:g}"), ("left out", result.left_out)]
    settings += _settings(result.settings)
    return [
        _table("Counted", ("what", "n:count"), counts) if counts else "",
        _table("What was done to the cluster", ("n:when", "what"), happened) if happened else "",
        _table("Settings", (), [(key, str(value)) for key, value in settings]),
        _table("Machine", (), list(result.machine.items())),
    ]


def _steps(found: LimitFound) -> str:
    head = ["n:players", "", *(f"n:{clause}" for clause in found.objective), "busiest", "n:machine", "n:bots late by"]
    rows: list[Sequence[Cell]] = []
    for step in found.steps:
        word, colour = (
            ("INVALID", "invalid-text") if step.invalid else ("ok", "ok-text") if step.ok else ("broken", "bad-text")
        )
        values = [("n" if one.ok else "n bad-text", show_value(one)) for one in step.checked[: len(found.objective)]]
        busiest = max(step.servers, key=lambda use: use.cpu, default=None)
        name = f"{busiest.name} {busiest.cpu * 100:.0f} %" if busiest else ""
        last = (name, ("n", f"{step.busy * 100:.0f} %"), ("n", f"{step.lag_p99_ms:.0f} ms"))
        rows.append((("n", f"{step.players:,}"), (colour, word), *values, *last))
    return _table("Steps", head, rows, kind="card wide")


def _settings(settings: dict[str, str]) -> list[tuple[str, object]]:
    return [(key, value) for key, value in settings.items() if key not in HIDDEN_SETTINGS]


def _table(title: str, head: Iterable[str], rows: Sequence[Sequence[Cell]], note: str = "", kind: str = "card") -> str:
    """A card with a table. A column or cell of class n has numbers."""
    cells = "".join(_head_cell(name) for name in head)
    lines = "".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    body = f"<thead><tr>{cells}</tr></thead><tbody>{lines}</tbody>" if cells else f"<tbody>{lines}</tbody>"
    more = f'<p class="note">{html.escape(note)}</p>' if note else ""
    title = html.escape(title)
    return f'<div class="{kind}"><h2>{title}</h2>{more}<div class="scroll"><table>{body}</table></div></div>'


def _head_cell(name: str) -> str:
    number = ' class="n"' if name.startswith("n:") else ""
    return f"<th{number}>{html.escape(name.removeprefix('n:'))}</th>"


def _cell(cell: Cell) -> str:
    kind, text = ("", cell) if isinstance(cell, str) else cell
    return f'<td class="{kind}">{html.escape(text)}</td>' if kind else f"<td>{html.escape(text)}</td>"
