"""A report as a page and in the terminal."""

import json
import re

import pytest

from tools.data.model import Chart, Line, Period, Report, Table, Tile, show
from tools.data.page import page_of
from tools.data.terminal import draw

REPORT = Report(
    "daily",
    "A & B",
    Period(0, 86_400_000 * 2),
    [Tile("players", "12"), Tile("difference", "+5", True)],
    [
        Chart("Players", [0, 86_400_000], [Line("</script><b>", [1.0, None])], over_time=True),
        Chart("Nothing", [], [Line("none", [])]),
    ],
    [Table("By <day>", [("day", "day"), ("gold", "count")], [[0, 1234], [86_400_000, None]], "a note", [1])],
    ["something is <missing>"],
)


def test_the_page_is_whole_and_asks_nobody() -> None:
    page = page_of(REPORT, "/var/lake")
    assert "{{" not in page
    assert not re.search(r"""(src|href)\s*=|@import|url\(|https?://(?!www\.w3\.org/2000/svg)""", page)
    assert "default-src 'none'" in page
    assert 'class="bad-text"' in page or "class=bad-text" in page
    assert "<tr class=bad><td>1970-01-02</td><td class=n>–</td></tr>" in page
    assert "1,234" in page


def test_what_is_put_in_is_escaped() -> None:
    page = page_of(REPORT, "<lake>")
    assert "<missing>" not in page
    assert "By &lt;day&gt;" in page
    assert "<lake>" not in page
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
    assert data is not None
    (chart,) = json.loads(data[1])
    assert chart["lines"] == [{"name": "</script><b>", "values": [1.0, None]}]


def test_in_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    draw(REPORT)
    out, err = capsys.readouterr()
    assert "A & B, 1970-01-01 to 1970-01-02" in out
    assert re.search(r"1970-01-01 +1,234", out)
    assert "+5" in out
    assert err == "mesh: something is <missing>\n"


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [(None, "count", "–"), (1234.4, "count", "1,234"), (0.5, "percent", "50.0 %"), (1.5, "number", "1.50"),
     (1234.5, "number", "1,234"), (0, "day", "1970-01-01"), (1500, "moment", "1970-01-01 00:00:01"),
     ("x", "text", "x")],
)  # fmt: skip
def test_values_for_people(value: object, form: str, text: str) -> None:
    assert show(value, form) == text
