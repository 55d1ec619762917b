"""Horizontal bars as an SVG for the README (pure): readable on light and dark pages, without fonts or scripts."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 760, 220, 70
BAR, GAP, TOP, BOTTOM = 26, 12, 48, 14

STYLE = (
    "text{font:14px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.bar{fill:#8c959f}.ours{fill:#1a7f37}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.bar{fill:#6e7681}.ours{fill:#3fb950}}"
)


def bars(title: str, values: Sequence[tuple[str, float]], ours: str) -> str:
    """One bar for each (name, value), the longest over the whole width; that of `ours` stands out."""
    most = max((value for _, value in values), default=1.0)
    height = TOP + len(values) * (BAR + GAP) + BOTTOM
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text class="title" x="8" y="24">{escape(title)}</text>',
    ]
    for place, (name, value) in enumerate(values):
        lines += bar(TOP + place * (BAR + GAP), name, value, value / most, "ours" if name == ours else "bar")
    return "\n".join([*lines, "</svg>\n"])


def bar(y: int, name: str, value: float, share: float, kind: str) -> list[str]:
    length = max(1.0, share * (WIDTH - LEFT - RIGHT))
    middle = y + BAR * 0.68
    return [
        f'<text x="{LEFT - 10}" y="{middle:.0f}" text-anchor="end">{escape(name)}</text>',
        f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="3"/>',
        f'<text x="{LEFT + length + 8:.1f}" y="{middle:.0f}">{value:.1f}</text>',
    ]
