"""What the console shows: the shape of every answer, and what is said to questions that make no sense."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nodes.ops.console import seeing
from nodes.ops.console.answers import (
    Alert,
    Events,
    Incident,
    IncidentRow,
    LogLines,
    MetricName,
    Moment,
    Overview,
    Series,
    Silence,
    Trace,
    TraceRow,
    Vocabulary,
)
from nodes.ops.console.app import WAYS
from nodes.ops.console.people import Heat, LineNow, Player, PlayerRow
from tests.ops.browser import Place, in_place
from tests.ops.fake_people import PLAYERS

LINE = {"zone": "one", "map": "city", "line": 2}
QUESTIONS: list[tuple[str, dict[str, Any], Any]] = [
    ("/api/overview", {}, Overview),
    ("/api/vocabulary", {}, Vocabulary),
    ("/api/metrics", {}, list[MetricName]),
    ("/api/labels", {"name": "scene_players"}, dict[str, list[str]]),
    ("/api/series", {"name": "dc_commit_seconds", "how": "p99", "where": "node:dc.1", "band": "1"}, Series),
    ("/api/series", {"name": "scene_tick_seconds", "how": "p99", "by": ["node"]}, Series),
    ("/api/moments", {}, list[Moment]),
    ("/api/alerts", {}, list[Alert]),
    ("/api/silences", {}, list[Silence]),
    ("/api/incidents", {}, list[IncidentRow]),
    ("/api/incidents/42", {}, Incident),
    ("/api/lines", {}, list[LineNow]),
    ("/api/heat", LINE, Heat),
    ("/api/players-in", {**LINE, "west": 0, "south": 0, "east": 240, "north": 240}, list[PlayerRow]),
    ("/api/players", {"text": "bren"}, list[PlayerRow]),
    ("/api/traces", {"order": "slowest"}, list[TraceRow]),
    ("/api/logs", {"level": "WARNING", "limit": 20}, LogLines),
    ("/api/events", {"kind": ["trade", "loot"]}, Events),
]


@pytest.mark.parametrize(
    ("path", "params", "kind"), QUESTIONS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_answers_have_their_shape(tmp_path: Path, path: str, params: dict[str, Any], kind: Any) -> None:
    async def work(place: Place) -> None:
        answer = await (await place.viewer()).get(path, **params)
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.as_(kind), "there is something to show"

    if path == "/api/silences":

        async def nothing(place: Place) -> None:
            assert (await (await place.viewer()).get(path)).said == []

        in_place(tmp_path, nothing)
    else:
        in_place(tmp_path, work)


def test_a_cluster_of_thirty_nodes_and_ten_thousand_players(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        viewer = await place.viewer()
        overview = (await viewer.get("/api/overview")).as_(Overview)
        assert len(overview.nodes) == 30
        lines = (await viewer.get("/api/lines")).as_(list[LineNow])
        assert sum(line.players for line in lines) == PLAYERS
        heat = (await viewer.get("/api/heat", **LINE)).as_(Heat)
        assert len(heat.counts) == heat.side**2
        assert sum(heat.counts) == next(
            one.players for one in lines if (one.zone, one.map, one.line) == ("one", "city", 2)
        )

    in_place(tmp_path, work)


def test_a_player_and_a_trace_by_what_lists_say_of_them(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        viewer = await place.viewer()
        row = (await viewer.get("/api/players", text="kel", limit=1)).as_(list[PlayerRow])[0]
        player = (await viewer.get(f"/api/players/{row.name}")).as_(Player)
        assert player.about.account == row.account
        trace = (await viewer.get("/api/traces", order="failed")).as_(list[TraceRow])[0]
        whole = (await viewer.get(f"/api/traces/{trace.id}")).as_(Trace)
        assert whole.about == trace
        assert {line.trace for line in whole.lines} == {trace.id}

    in_place(tmp_path, work)


def test_addresses_of_players_are_for_operators(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        row = (await (await place.viewer()).get("/api/players", text="kel", limit=1)).as_(list[PlayerRow])[0]
        seen = [
            (await browser.get(f"/api/players/{row.name}")).as_(Player).network
            for browser in (await place.admin(), await _signed_in_viewer(place))
        ]
        assert all(network is not None for network in seen)
        assert [network.address != "" for network in seen if network] == [True, False]

    in_place(tmp_path, work)


async def _signed_in_viewer(place: Place) -> Any:
    password = await place.desk.operators.reset("vera")
    browser = place.browser("10.0.0.11")
    await browser.sign_in("vera", password)
    return browser


@pytest.mark.parametrize("way", [way for way in WAYS if way.needs], ids=lambda way: f"{way.method} {way.path}")
def test_nobody_is_told_anything_before_signing_in(tmp_path: Path, way: Any) -> None:
    async def work(place: Place) -> None:
        browser = place.browser()
        path = way.path.replace("{", "").replace("}", "")
        answer = await (browser.get(path) if way.method == "GET" else browser.post(path))
        assert (answer.status, answer.said["code"]) == (401, "signed_out")

    in_place(tmp_path, work)


BAD: list[tuple[str, dict[str, Any], int, str]] = [
    ("/api/series", {}, 400, "name is missing"),
    ("/api/series", {"name": "no_such_metric"}, 404, "there is no metric no_such_metric"),
    ("/api/series", {"name": "mesh_level", "how": "p42"}, 400, "how is one of value, rate, mean"),
    ("/api/series", {"name": "mesh_level", "start": "soon"}, 400, "start is a number, not 'soon'"),
    ("/api/series", {"name": "mesh_level", "start": "nan"}, 400, "start is from 0"),
    ("/api/series", {"name": "mesh_level", "start": 10, "end": 5}, 400, "start is to be before end"),
    ("/api/series", {"name": "mesh_level", "step": 0.5}, 400, "step is at least 1 second"),
    ("/api/series", {"name": "mesh_level", "start": 0, "end": 1e9, "step": 1}, 400, "at most 2000"),
    ("/api/series", {"name": "mesh_level", "where": "scene.1"}, 400, "where is label:value"),
    ("/api/series", {"name": "x" * 300}, 400, "name has at most 256 characters"),
    ("/api/series", {"name": "mesh_level", "by": ["x"] * 65}, 400, "by is there 65 times"),
    ("/api/labels", {"name": "nothing"}, 404, "there is no metric nothing"),
    ("/api/incidents/4711", {}, 404, "there is no incident 4711"),
    ("/api/incidents", {"limit": 0}, 400, "limit is from 1 to 1000, not 0"),
    ("/api/incidents", {"limit": 1.5}, 400, "limit is a whole number"),
    ("/api/heat", {"zone": "one", "map": "moon"}, 404, "there is no line moon:1 in zone one"),
    ("/api/heat", {"zone": "one"}, 400, "map is missing"),
    ("/api/players-in", {**LINE, "west": 1e9}, 400, "west is from -1e+06 to 1e+06"),
    ("/api/players/nobody-at-all", {}, 404, "there is no player nobody-at-all"),
    ("/api/traces", {"order": "worst"}, 400, "order is one of latest, slowest, failed, not 'worst'"),
    ("/api/traces/ffff", {}, 404, "there is no trace ffff"),
    ("/api/logs", {"limit": 100_000}, 400, "limit is from 1 to 1000"),
    ("/api/nothing", {}, 404, "there is no /api/nothing"),
    ("/page/../settings.py", {}, 404, "there is no"),
    ("/nonsense", {}, 404, "there is no /nonsense"),
]


@pytest.mark.parametrize(("path", "params", "status", "text"), BAD)
def test_questions_that_make_no_sense_are_told_so(
    tmp_path: Path, path: str, params: dict[str, Any], status: int, text: str
) -> None:
    async def work(place: Place) -> None:
        answer = await (await place.viewer()).get(path, **params)
        assert answer.status == status
        assert set(answer.said) == {"code", "text"}
        assert text in answer.said["text"]

    in_place(tmp_path, work)


def test_equal_questions_within_a_second_share_an_answer(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        first, other = await place.admin(), await place.viewer()
        one = await first.get("/api/lines")
        two = await other.get("/api/lines")
        assert one.body == two.body
        assert place.desk.shared.made == 1
        place.clock.advance(1.1)
        await first.get("/api/lines")
        assert place.desk.shared.made == 2
        for at in range(600):
            await first.get("/api/incidents", since=at)
        assert len(place.desk.shared._answers) <= 256

    in_place(tmp_path, work)


def test_an_error_is_not_kept_for_the_next_one(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        admin = await place.admin()
        assert (await admin.get("/api/incidents/77")).status == 404
        known = place.sources.written.incidents["42"]
        place.sources.written.incidents["77"] = msgspec.structs.replace(known)
        assert (await admin.get("/api/incidents/77")).status == 200

    in_place(tmp_path, work)


def test_a_mistake_of_ours_is_logged_and_not_shown(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        async def broken() -> Any:
            raise ValueError("the inside of things")

        place.sources.vocabulary = broken  # type: ignore[method-assign]
        answer = await (await place.viewer()).get("/api/vocabulary")
        assert answer.status == 500
        assert answer.said == {"code": "internal", "text": "a mistake of the console; it was logged"}
        assert [line[1:] for line in place.log.lines] == [
            ("the console could not answer", {"way": "GET /api/vocabulary"})
        ]

    in_place(tmp_path, work)


def test_steps_are_round_and_lines_stay_short() -> None:
    for span_s in (60, 900, 3600, 21_600, 86_400, 7 * 86_400, 30 * 86_400):
        step_s = seeing.usual_step_s(span_s)
        assert step_s in seeing.STEPS_S
        assert span_s / step_s <= seeing.POINTS_USUAL


def test_numbers_that_are_none_travel_as_null(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        end = place.clock.wall() + 600
        params = {"name": "mesh_level", "start": end - 1200, "end": end, "step": 60}
        values = json.loads((await (await place.viewer()).get("/api/series", **params)).body)["lines"][0]["values"]
        assert values[0] is not None
        assert values[-1] is None, "of the future nothing is known"

    in_place(tmp_path, work)
