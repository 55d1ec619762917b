"""A run over time as an SVG (pure): a few curves, each in a strip of its own, above one axis of seconds.

Made from a table whose first column is the time, so that the picture can be drawn again from the committed JSON. Strips
and not one chart with several scales, because curves of different units that cross say nothing.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from tools.bench.result import Table

TITLE = "Over time"
"""Of the table that is drawn."""

WIDTH, LEFT, RIGHT, TOP, STRIP, GAP, BOTTOM = 760, 130, 60, 44, 70, 16, 34
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:14px}"
    ".curve{fill:none;stroke:#1a7f37;stroke-width:1.8}.edge{stroke:#8c959f;stroke-width:1}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.curve{stroke:#3fb950}.edge{stroke:#6e7681}}"
)


def timeline(table: Table) -> str:
    """Every column but the first one becomes a strip; cells are numbers as text."""
    columns = [[float(row[at].replace(",", "")) for row in table.rows] for at in range(len(table.head))]
    times, curves = columns[0], columns[1:]
    height = TOP + len(curves) * (STRIP + GAP) + BOTTOM
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(table.title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="8" y="22">{escape(table.title)}</text>',
    ]
    for place, (name, values) in enumerate(zip(table.head[1:], curves, strict=True)):
        lines += strip(TOP + place * (STRIP + GAP), name, times, values)
    lines += axis(height - BOTTOM + 4, table.head[0], times)
    return "\n".join([*lines, "</svg>\n"])


def strip(top: int, name: str, times: Sequence[float], values: Sequence[float]) -> list[str]:
    """One curve between 0 and its greatest value, which is written beside it."""
    most = max([*values, 0.0]) or 1.0
    points = " ".join(
        f"{across(at, times):.1f},{top + STRIP * (1 - v / most):.1f}" for at, v in zip(times, values, strict=True)
    )
    return [
        f'<text x="{LEFT - 10}" y="{top + STRIP / 2 + 4:.0f}" text-anchor="end">{escape(name)}</text>',
        f'<line class="edge" x1="{LEFT}" y1="{top + STRIP}" x2="{WIDTH - RIGHT}" y2="{top + STRIP}"/>',
        f'<polyline class="curve" points="{points}"/>',
        f'<text x="{WIDTH - RIGHT + 8}" y="{top + 10}">{most:,.4g}</text>',
    ]


def axis(y: int, name: str, times: Sequence[float]) -> list[str]:
    """The first and the last second."""
    return [
        f'<text x="{LEFT}" y="{y + 12}">{times[0]:g}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{y + 12}" text-anchor="end">{times[-1]:g} {escape(name)}</text>',
    ]


def across(at: float, times: Sequence[float]) -> float:
    span = (times[-1] - times[0]) or 1.0
    return LEFT + (WIDTH - RIGHT - LEFT) * (at - times[0]) / span
