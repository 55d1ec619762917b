"""A report as one HTML page (pure apart from reading its parts): figures, charts, tables; light and dark.

The page asks nobody for anything: style, script and figures are in it, and its security policy forbids the rest. It has
the looks of a load test's page, whose style sheet it takes; what is put into it is escaped.
"""

import html
from importlib.resources import files

import msgspec

from tools.data.model import Chart, Report, Table, day, show

FOLDER = "page"
STYLE = ("tools.bots", "page", "page.css")
NUMBERS = ("count", "number", "percent", "hours")


def page_of(report: Report, source: str) -> str:
    """`source` says where the data is."""
    days = report.period.days
    span = f"{day(days[0])} to {day(days[-1])}" if len(days) > 1 else day(days[0])
    own = files("tools.data") / FOLDER
    charts = [chart for chart in report.charts if any(v is not None for line in chart.lines for v in line.values)]
    parts = {
        "title": html.escape(f"{report.title}, {span}"),
        "headline": html.escape(report.title),
        "span": html.escape(span),
        "warnings": "".join(f"<li>{html.escape(text)}</li>" for text in report.warnings),
        "tiles": "".join(
            f'<div class="tile"><b{" class=bad-text" if tile.is_bad else ""}>{html.escape(tile.value)}</b>'
            f"<span>{html.escape(tile.name)}</span></div>"
            for tile in report.tiles
        ),
        "tables": "".join(_table(one) for one in report.tables if one.rows),
        "footer": html.escape(f"Days and times are UTC. From {source}."),
        "style": _style() + (own / "report.css").read_text(encoding="utf-8"),
        "script": (own / "report.js").read_text(encoding="utf-8"),
        "data": _data(charts),
    }
    page = (own / "report.html").read_text(encoding="utf-8")
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text, 1)
    return page


def _style() -> str:
    package, folder, name = STYLE
    return (files(package) / folder / name).read_text(encoding="utf-8")


def _data(charts: list[Chart]) -> str:
    """As JSON in which nothing can end the script element."""
    return msgspec.json.encode(charts).decode().replace("<", "\\u003c")


def _table(one: Table) -> str:
    is_number = [form in NUMBERS for _, form in one.columns]
    head = "".join(
        f"<th{' class=n' if number else ''}>{html.escape(name)}</th>"
        for (name, _), number in zip(one.columns, is_number, strict=True)
    )
    rows = []
    for at, row in enumerate(one.rows):
        cells = "".join(
            f"<td{' class=n' if number else ''}>{html.escape(show(value, form))}</td>"
            for value, (_, form), number in zip(row, one.columns, is_number, strict=True)
        )
        rows.append(f"<tr{' class=bad' if at in one.bad else ''}>{cells}</tr>")
    note = f'<p class="note">{html.escape(one.note)}</p>' if one.note else ""
    wide = " wide" if len(one.columns) > 5 else ""
    return (
        f'<div class="card{wide}"><h2>{html.escape(one.title)}</h2>{note}<div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div></div>"
    )
