"""Figures out of rows, snapshots out of readings of a whole zone on virtual time, and what is known of one node."""

import asyncio
from array import array
from collections.abc import Awaitable, Callable
from math import inf, nan
from pathlib import Path

import pytest

from mesh.protocol.control import Describe, Description
from mesh.protocol.monitoring import Line, MetricsRead, Series
from mesh.testing import run, with_cluster
from nodes.ops.node import OpsNode
from tests.ctl.making import Made, observed, series, topology_of
from tests.world import ROLES, World, world_topology
from tools.ctl.doctor.examination import examine
from tools.ctl.snapshot.figures import Figures, Layout, NonsenseError, Row, quantile_of, row_of
from tools.ctl.snapshot.info_page import page, paragraph
from tools.ctl.snapshot.inspection import flat, inspect
from tools.ctl.snapshot.model import Snapshot
from tools.ctl.snapshot.taking import Reader, snapshot_of, take
from tools.ctl.snapshot.units import number, plural, shown, sized, spell

ZONE = """
[cluster]
name = "test"
region = "eu"
zone = "one"
[[process]]
nodes = ["center.1"]
[[process]]
nodes = ["dc.1"]
[[process]]
nodes = ["log.1"]
[[process]]
nodes = ["login.1"]
[[process]]
nodes = ["scene.1"]
[[process]]
nodes = ["gate.1"]
[[process]]
nodes = ["ops.1"]
"""


def row(values: dict[str, float]) -> Row:
    return Row(Layout([series(name) for name in values]), array("d", values.values()))


def told(names: list[str], values: list[float], layout: int = 1) -> MetricsRead:
    return MetricsRead(layout, [series(name) for name in names], array("d", values).tobytes(), 7)


# --- rows and figures ---


def test_a_row_is_read_with_its_layout_or_with_the_one_that_is_known() -> None:
    first = row_of(told(["a", "b{x=1}"], [1.0, 2.0]), None)
    assert [first.get(series(name)) for name in ("a", "b{x=1}")] == [1.0, 2.0]
    assert first.pid == 7
    again = row_of(told([], [3.0, 4.0]), first.layout)
    assert again.layout is first.layout
    assert list(again.values) == [3.0, 4.0]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (told(["a"], [1.0, 2.0]), "2 numbers for 1 series"),
        (told([], [1.0]), "1 numbers for 0 series"),
        (told(["a", "a"], [1.0, 2.0]), "twice"),
        (told(["a"], [inf]), "without end"),
        (MetricsRead(1, [series("a")], b"1234567", 1), "7 bytes"),
    ],
)
def test_a_row_that_does_not_add_up_is_nonsense(said: MetricsRead, why: str) -> None:
    with pytest.raises(NonsenseError, match=why):
        row_of(said, None)


def test_values_are_summed_over_labels_and_what_is_not_a_number_is_left_out() -> None:
    figures = Figures(row({"a{x=1,y=1}": 1, "a{x=1,y=2}": 2, "a{x=2,y=1}": 4, "b": nan}))
    assert figures.value("a") == 7
    assert figures.value("a", x="1") == 3
    assert figures.by("y", "a", x="1") == {"1": 1, "2": 2}
    assert figures.value("b") is None
    assert figures.value("c") is None
    assert figures.by("x", "c") == {}


def test_growth_is_told_of_two_rows_and_begins_with_nothing_for_what_is_new() -> None:
    figures = Figures(row({"a{x=1}": 5, "a{x=2}": 3, "g": 2}), row({"g": 6, "a{x=1}": 1}), 2.0)
    assert figures.grown("a") == 7
    assert figures.grown_by("x", "a") == {"1": 4, "2": 3}
    assert figures.rate("a", x="1") == 2
    assert figures.grown("c") is None
    assert figures.grown("g") == 0, "a counter does not shrink"
    assert figures.change("g") == -4
    alone = Figures(row({"a{x=1}": 5}))
    assert (alone.grown("a"), alone.rate("a"), alone.change("a"), alone.grown_by("x", "a")) == (None, None, None, {})


def test_quantiles_are_read_off_the_buckets() -> None:
    grown = observed("h", [0.001] * 50 + [0.2] * 50, "m=a") | observed("h", [9.0] * 10, "m=b")
    before = row(dict.fromkeys(grown, 0.0))
    figures = Figures(row(grown), before, 1.0)
    assert figures.quantile(0.25, "h", m="a") == pytest.approx(0.00075)
    assert figures.quantile(0.99, "h", m="a") == pytest.approx(0.1 + 0.15 * 0.98)
    assert figures.quantile(0.5, "h", m="b") == 5.0, "above the last bound nobody knows more"
    assert figures.quantile(0.5, "h", m="c") is None
    assert figures.times("h", m="b") == 10
    assert figures.mean("h", m="b") == 9.0
    assert quantile_of(0.5, {}) is None
    assert quantile_of(0.5, {1.0: 0.0, inf: 0.0}) is None


def test_numbers_in_words() -> None:
    assert [spell(s) for s in (0.0, 0.0004, 0.312, 2.54)] == ["0 ms", "0.4 ms", "312 ms", "2.5 s"]
    assert [sized(b) for b in (12, 3400, 99e6, 1.25e9)] == ["12 B", "3.4 kB", "99 MB", "1.2 GB"]
    assert [number(n) for n in (0, 0.25, 12.54, 1203.4, 7.0)] == ["0", "0.25", "12.5", "1203", "7"]
    assert plural(1, "batch", "batches") + plural(2, "batch", "batches") == "1 batch2 batches"
    assert [shown(0.5, unit) for unit in ("", "s", "bytes", "bytes/s", "share", "/s")] == [
        "0.50", "500 ms", "0 B", "0 B/s", "50 %", "0.50/s",
    ]  # fmt: skip


# --- taking: real nodes on virtual time ---


def play(folder: Path, story: Callable[[World], Awaitable[None]]) -> None:
    async def whole() -> None:
        async def tell(cluster) -> None:  # type: ignore[no-untyped-def]
            await story(World(cluster))

        await with_cluster(world_topology(folder, ZONE), {**ROLES, "ops": OpsNode}, folder / "data", tell)

    run(whole())


async def snapshot(world: World, seconds: float = 2.0) -> Snapshot:
    return await take(world.cluster.topology, "test", world.operator, world.cluster.clock, seconds)


def test_a_zone_that_is_well_is_found_well(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.login("ann")
        await asyncio.sleep(10.0)
        seen = await snapshot(world)
        assert {view.short for view in seen.answering} == set(world.cluster.nodes)
        assert all(view.status.state == "Ready" and view.figures is not None for view in seen.nodes)
        assert seen.seconds == pytest.approx(2.0, abs=0.2)
        assert [view.short for view, _ in seen.processes()] == ["center.1"], "they share this process"
        gate = seen.view("gate.1")
        assert gate is not None
        assert gate.figures is not None
        assert gate.figures.value("gate_connections_total") == 1
        assert abs(gate.apart_s) <= gate.unsure_s + 0.002
        assert [one.key for one in examine(seen).findings] == []

    play(tmp_path, story)


def test_a_node_that_is_gone_is_part_of_the_snapshot(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await asyncio.sleep(10.0)
        await world.cluster.kill("log.1")
        seen = await snapshot(world)
        lost = seen.view("log.1")
        assert lost is not None
        assert (lost.said, lost.figures, lost.status.state) == (None, None, "Down")
        report = examine(seen)
        assert report.findings[0].key == "nodes:log.1"
        assert (report.nodes, report.answered) == (7, 6)

    play(tmp_path, story)


def test_a_second_reading_travels_without_its_layout_and_a_new_life_begins_anew(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        cluster = world.cluster
        reader = Reader(cluster.topology, world.operator, cluster.clock)
        await reader.read()  # figures of what we ask come up
        first = await reader.read()
        second = await reader.read()
        name = cluster.topology.node("login.1").name
        assert second[name].row.layout is first[name].row.layout
        await cluster.kill("login.1")
        await cluster.start("login.1")
        await asyncio.sleep(1.0)
        third = await reader.read()
        assert third[name].row.layout is not first[name].row.layout
        seen = snapshot_of(cluster.topology, "test", second, third, {})
        login, center = seen.view("login.1"), seen.view("center.1")
        assert login.figures.grown("mesh_heard_total") is None
        assert center.figures.grown("mesh_heard_total") > 0

    play(tmp_path, story)


def test_who_tells_nonsense_is_named_and_hurts_nobody(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await asyncio.sleep(10.0)
        sheet = world.node("scene.1").monitoring._sheet
        sheet.read = lambda layout: MetricsRead(1, [Series("a", "gauge", ())], b"", 1)
        report = examine(await snapshot(world))
        [found] = [one for one in report.findings if one.check == "figures" and one.where == "scene.1"]
        assert "0 numbers for 1 series" in found.text

    play(tmp_path, story)


def test_a_clock_that_is_an_hour_late_is_found(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await asyncio.sleep(10.0)
        center = world.node("center.1")  # the first of the process that they all share here
        true_wall = center.clock.wall

        def describe(said: Describe, caller: object) -> Description:
            answer: Description = original(said, caller)
            answer.facts["wall_ms"] = round(true_wall() * 1000) - 3_600_000
            return answer

        original = center.dispatch.handlers.messages[Describe]
        center.dispatch.handlers.messages[Describe] = describe
        [found] = examine(await snapshot(world), ["clocks"]).findings
        assert (found.where, found.severity) == ("center.1", "critical")
        assert "1h 0m behind" in found.text or "59m 59s behind" in found.text

    play(tmp_path, story)


# --- one node ---


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(topology_of(tmp_path))


def handled(message: str, times: int, took_s: float) -> dict[str, float]:
    bounds = (0.001, 0.005, 0.02, 0.1, 0.5, 2.5)
    return observed("mesh_handled_seconds", [took_s] * times, f"message={message}", bounds)


def test_what_is_told_of_a_node(made: Made) -> None:
    made.grown("scene.1", handled("Enter", 4, 0.3) | handled("Attach", 40, 0.0008) | handled("Never", 0, 0.0))
    made.grown("scene.1", {"scene_tick_parts_seconds_total{part=sight}": 0.4, "mesh_refused_sends_total": 2.0})
    made.pressed("scene.1", level=2, name="crowded", score=1.25, signals={"tick time": 1.25}, pinned=True)
    lines = [
        Line(1000, "INFO", "scene.1", "fine"),
        Line(2000, "WARNING", "scene.1", "more is left out", {"level": "2"}),
        Line(3000, "ERROR", "gate.1", "of somebody else"),
    ]
    snapshot = made.snapshot()
    view = snapshot.view("scene.1")
    assert view is not None
    found = inspect(snapshot, view, lines)
    assert [one.message for one in found.busiest] == ["Attach", "Enter"]
    assert [one.message for one in found.slowest] == ["Enter", "Attach"]
    assert found.busiest[0].rate == 20
    assert found.slowest[0].share == pytest.approx(1.2 / 1.232)
    assert (found.heard, found.said, found.refused) == (50, 40, 1)
    assert {key.text: key.values for key in found.keys}["where ticks go"] == {"sight": 0.2}
    assert [line.text for line in found.warnings] == ["more is left out"]
    assert (found.level, found.pinned, found.links["gate.1"]) == (2, True, "up")
    text = "\n".join(line.plain for line in page(found, 80))
    for word in (
        "scene.1  Ready",
        "level 2 crowded, held by an operator",
        "50/s in",
        "Enter",
        "more is left out level=2",
    ):
        assert word in text, word


@pytest.mark.parametrize("width", [40, 80, 160])
def test_a_node_fits_its_terminal(made: Made, width: int) -> None:
    made.grown("gate.1", handled("AVeryLongMessageName" * 3, 4, 0.3))
    for short in made.nodes:
        snapshot = made.snapshot()
        view = snapshot.view(short)
        assert view is not None
        lines = page(inspect(snapshot, view, [Line(1, "ERROR", short, "x" * 300)]), width)
        assert max(line.cell_len for line in lines) <= width
        assert len(lines) <= 24 or width < 80


def test_of_a_node_that_is_down_there_is_what_its_supervisor_knows(made: Made) -> None:
    made.lost("dc.1", "Down", "ended with exit code 2\n    disk is full")
    snapshot = made.snapshot()
    view = snapshot.view("dc.1")
    assert view is not None
    found = inspect(snapshot, view)
    assert not found.answers
    text = "\n".join(line.plain for line in page(found, 100))
    assert "dc.1  Down" in text
    assert "ended with exit code 2" in text


def test_settings_are_told_by_dotted_keys() -> None:
    tables = {"tick_hz": 20, "maps": {"meadow": {"size_m": 200.0, "portals": []}}, "hosts": {}}
    assert flat(tables) == {"tick_hz": 20, "maps.meadow.size_m": 200.0, "maps.meadow.portals": [], "hosts": {}}


def test_parts_stand_beside_each_other_as_long_as_they_fit() -> None:
    rows = [text.plain for text in paragraph("links", ["aaaa", "bbbb", "cccc"], 24)]
    assert rows == ["links     aaaa   bbbb", "          cccc"]
    assert paragraph("links", [], 24) == []
