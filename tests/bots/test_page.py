"""The page of a run: everything is in it, nothing comes from elsewhere, and what is put in cannot break out."""

import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from tests.bots.test_limit import GATE, step
from tests.bots.test_result import increment, result_of
from tools.bots.history import Point, Sums, point
from tools.bots.htmlreport import limit_page, run_page
from tools.bots.increments import Total
from tools.bots.objective import Checked
from tools.bots.pagecharts import POINTS_MAX, limit_charts, run_charts, thin
from tools.bots.ramp import LimitFound
from tools.bots.result import Aside, Finding, Happened
from tools.bots.servers import Ticks

EVIL = "</script><script>alert(1)</script>"


class Reader(HTMLParser):
    """Tags and attributes, as a browser would see them."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def second(at: int, **fields: Any) -> Point:
    interval = Total()
    interval.add(increment(0, elapsed_s=1.0, **fields))
    ticks = [Ticks("scene.1", 10, 2.5, 5.0, 0)]
    phase = "window" if at > 2 else "start"
    return point(interval, Sums(), 1000.0 + at, float(at), phase, [GATE], ticks, 0.25)


def history(count: int = 5, **fields: Any) -> list[Point]:
    return [second(at + 1, **fields) for at in range(count)]


def found(**fields: Any) -> LimitFound:
    values: dict[str, Any] = {
        "verdict": "OK", "players": 100, "broke": 160, "sentence": "100 players here, bottleneck: gate.1 CPU 97 %",
        "ended": "between", "bottlenecks": ["gate.1 CPU 97 %", "the machine"], "reasons": [],
        "objective": ["move.p99<200ms"], "scenario": "walk",
        "steps": [step(100, Checked("move.p99<200ms", 90.0, True)), step(160, Checked("move.p99<200ms", 321.0, False))],
        "errors": {}, "settings": {"start": 100, "run": "run-123"}, "machine": {"cores": "2"},
    }  # fmt: skip
    return LimitFound(**(values | fields))


def page_of_a_run(**aside: Any) -> str:
    result = result_of(increment(0, errors={EVIL: 2}), increment(1), aside=Aside(machine={"cores": "2"}, **aside))
    return run_page(result, history())


@pytest.mark.parametrize("page", [page_of_a_run(), limit_page(found(), history())], ids=["run", "limit"])
def test_a_page_is_whole_and_asks_nobody(page: str) -> None:
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    assert "{{" not in page
    assert not [attributes for _, attributes in reader.tags if {"src", "href"} & set(attributes)]
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", page) == []
    assert "@import" not in page
    assert "url(" not in page
    policy = [a["content"] for tag, a in reader.tags if tag == "meta" and "http-equiv" in a]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"]


def test_what_is_put_into_a_page_stays_text() -> None:
    page = page_of_a_run(
        findings=[Finding(EVIL, EVIL, EVIL, False)], happened=[Happened(1.0, EVIL)], stopped=(EVIL,)
    )  # fmt: skip
    assert EVIL not in page
    assert page.count("<script") == 2
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert data is not None
    decoded = msgspec.json.decode(data[1])
    assert decoded["happened"] == [{"at": 1.0, "text": EVIL}]


def test_a_page_shows_verdict_findings_tables_settings_and_machine() -> None:
    page = page_of_a_run(findings=[Finding("lost, doubled", "1, 0", "0, 0", False)])
    for words in ("FAILED", "lost, doubled", "gate.1", "Latencies", "Settings", "Machine", "spawn rate", "move p99"):
        assert words in page
    none = run_page(result_of(increment(0), increment(1)), [])
    assert "<td>none</td>" in none, "a run without errors says so, and one without a history can be shown"


def test_the_page_of_a_search_names_the_bottleneck_and_every_step() -> None:
    page = limit_page(found(), history())
    assert "100 players here, bottleneck: gate.1 CPU 97 %" in page
    assert page.count("321 ms") == 1
    assert "the machine" in page
    assert "run-123" not in page
    one = found()
    assert f"scenario {one.scenario}, objective " in page, "the headline says what was played, and what had to hold"
    assert page.count("<td>objective</td>") == 1, "so do the settings"


def test_charts_have_a_value_for_every_second() -> None:
    charts = run_charts(
        result_of(increment(0, counts={"crossings": 3})), history(errors={"login: banned": 1}, counts={"crossings": 3})
    )
    titles = [chart.title for chart in charts]
    for wanted in ("Players", "Errors by code", "Server CPU", "Server memory", "Scene ticks, mean", "Moves sent"):
        assert wanted in titles
    assert all(len(line.values) == 5 for chart in charts for line in chart.series)
    moves = next(chart for chart in charts if chart.title.startswith("Moves: "))
    assert [line.name for line in moves.series] == ["p50", "p95", "p99"]
    assert moves.limit is not None
    assert moves.limit.value == 200.0


def test_with_a_shape_the_chart_of_players_shows_what_was_wanted() -> None:
    wanted = [msgspec.structs.replace(p, wanted=12.0) for p in history()]
    players = run_charts(result_of(increment(0)), wanted)[0]
    assert [line.name for line in players.series] == ["in the world", "logging in", "as the shape wants it"]
    assert players.series[2].values == [12.0] * 5


def test_what_never_happened_has_no_chart() -> None:
    titles = [chart.title for chart in run_charts(result_of(increment(0)), history(series={}))]
    assert not [title for title in titles if title.startswith(("Moves: ", "Logins: ", "Everything else", "Errors"))]


def test_charts_of_a_search_are_by_players() -> None:
    by_players = [chart for chart in limit_charts(found(), history()) if chart.x]
    assert [chart.title for chart in by_players] == ["move.p99 by players", "CPU by players"]
    assert by_players[0].x == [100.0, 160.0]
    assert by_players[0].series[0].values == [90.0, 321.0]


def test_a_long_run_is_thinned_and_keeps_its_worst() -> None:
    slow = history(1, errors={"x": 1})[0]
    worst = msgspec.structs.replace(
        slow, series={name: msgspec.structs.replace(s, p99=999.0) for name, s in slow.series.items()}
    )
    long = [slow] * (2 * POINTS_MAX) + [worst]
    thinned = thin(long)
    assert len(thinned) <= POINTS_MAX
    assert max(p.series["move"].p99 for p in thinned) == 999.0
    assert sum(p.errors["x"] for p in thinned) == len(long)
    assert sum(p.moves for p in thinned) == sum(p.moves for p in long)
    assert thin(long[:9]) == long[:9]
