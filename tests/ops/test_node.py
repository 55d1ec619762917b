"""The ops node in a whole zone on virtual time: everybody is asked, and nobody misses it when it is gone."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np

from mesh.node import Caller, on
from mesh.protocol.control import Describe, Description
from mesh.protocol.monitoring import MetricsRead, ReadLines, ReadSlow, ReadTraces, Tap, TracesRead
from mesh.sheet import Sheet
from mesh.testing import run, wait_until, with_cluster
from nodes.ops.node import OpsNode
from nodes.ops.reading import Reading
from tests.world import ROLES, World, world_topology

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
EVERYBODY = {"center.1", "dc.1", "log.1", "login.1", "scene.1", "gate.1", "ops.1"}

Story = Callable[[World], Awaitable[None]]


def play(folder: Path, story: Story) -> None:
    """Run a story in a zone with an ops node; nothing may go wrong inside."""

    async def whole() -> None:
        async def told(cluster):  # type: ignore[no-untyped-def]
            await story(World(cluster))
            assert cluster.internal_errors() == []

        await with_cluster(world_topology(folder, ZONE), {**ROLES, "ops": OpsNode}, folder / "data", told)

    run(whole())


def value(reading: Reading, name: str, **labels: str) -> float:
    [at] = [
        at
        for at, one in enumerate(reading.layout.series)
        if one.name == name and labels.items() <= dict(one.labels).items()
    ]
    return float(reading.values[at])


def test_everybody_is_asked_every_second(tmp_path: Path):
    async def story(world: World) -> None:
        ops = world.node("ops.1")
        await wait_until(lambda: set(ops.latest) == EVERYBODY)
        before = dict(ops.latest)
        assert {reading.zone for reading in before.values()} == {"one"}
        assert {short.split(".")[0] == reading.role for short, reading in before.items()} == {True}
        await world.login("ann")
        await asyncio.sleep(3.0)
        after = ops.latest
        assert value(after["gate.1"], "gate_connections_total") == 1
        assert value(after["gate.1"], "gate_login_seconds_count", result="ok") == 1
        assert value(after["center.1"], "center_placed_total") == 1
        assert value(after["dc.1"], "mesh_ready") == 1
        rounds = {short: round(after[short].at_s - before[short].at_s) for short in EVERYBODY}
        assert set(rounds.values()) == {rounds["ops.1"]}
        assert value(after["ops.1"], "ops_rounds_total") - value(before["ops.1"], "ops_rounds_total") == rounds["ops.1"]
        lasting = after["dc.1"].layout
        await asyncio.sleep(2.0)
        assert ops.latest["dc.1"].layout is lasting

    play(tmp_path, story)


def test_a_node_that_is_gone_has_no_reading_and_one_that_is_back_begins_anew(tmp_path: Path):
    async def story(world: World) -> None:
        ops, cluster = world.node("ops.1"), world.cluster
        await wait_until(lambda: set(ops.latest) == EVERYBODY)
        before = ops.latest["login.1"].incarnation
        await cluster.kill("login.1")
        await wait_until(lambda: set(ops.latest) == EVERYBODY - {"login.1"})
        await cluster.start("login.1")
        await wait_until(lambda: set(ops.latest) == EVERYBODY)
        assert ops.latest["login.1"].incarnation != before

    play(tmp_path, story)


def test_the_game_goes_on_without_it(tmp_path: Path):
    async def story(world: World) -> None:
        player = await world.login("ann")
        await world.cluster.kill("ops.1")
        await asyncio.sleep(5.0)
        await world.login("bob")
        assert world.players() == 2
        assert player.session.view
        await world.cluster.start("ops.1")
        ops = world.node("ops.1")
        await wait_until(lambda: set(ops.latest) == EVERYBODY)

    play(tmp_path, story)


def test_who_reports_nonsense_is_left_out_named_and_hurts_nobody(tmp_path: Path):
    async def story(world: World) -> None:
        ops = world.node("ops.1")
        await wait_until(lambda: set(ops.latest) == EVERYBODY)
        sheet: Sheet = world.node("scene.1").monitoring._sheet
        good, values = sheet.read, b""

        def bad(layout: int) -> MetricsRead:
            said = good(layout)
            return MetricsRead(said.layout, said.series, values, said.pid)

        sheet.read = bad  # type: ignore[method-assign]
        whole = good(0).values
        for values in (whole[:-3], whole[:-8], np.full(len(whole) // 8, np.inf).tobytes()):  # noqa: B007 - it is said
            refused = ops.collector.refused.get("scene.1", 0)
            await wait_until(lambda refused=refused: ops.collector.refused.get("scene.1", 0) > refused)
            assert set(ops.latest) == EVERYBODY - {"scene.1"}
        sheet.read = good  # type: ignore[method-assign]
        await wait_until(lambda: set(ops.latest) == EVERYBODY)
        told = [line for line in world.cluster.log.lines if "nonsense" in line[1]]
        assert [fields["peer"] for _, _, fields in told] == ["eu.one.scene.1"]
        refused = ops.collector.refused["scene.1"]
        assert value(ops.latest["ops.1"], "ops_refused_total", of="scene.1") in (refused, refused - 1)

    play(tmp_path, story)


def test_traces_and_lines_are_handed_out_once(tmp_path: Path):
    async def story(world: World) -> None:
        ops = world.node("ops.1")
        await world.login("ann")
        await world.login("bob")
        first = await ops.ask("eu.one.gate.1", ReadTraces())
        assert isinstance(first, TracesRead)
        assert [(trace.subject, trace.result) for trace in first.traces] == [("ann", "ok"), ("bob", "ok")]
        assert first.missed == 0
        await world.login("cid")
        again = await ops.ask("eu.one.gate.1", ReadTraces(first.last))
        assert isinstance(again, TracesRead)
        assert [trace.subject for trace in again.traces] == ["cid"]
        lines = await ops.ask("eu.one.gate.1", ReadLines())
        assert lines.lines == []  # a simulation has no process that logs

    play(tmp_path, story)


def test_what_took_long_is_kept_for_the_slow_log(tmp_path: Path):
    async def story(world: World) -> None:
        gate, scene = world.node("gate.1"), world.node("scene.1")

        class Sluggish:
            @on(Describe)
            async def on_describe(self, said: Describe, caller: Caller) -> Description:
                await asyncio.sleep(0.3)
                return scene.on_describe(said, caller)

        del scene.dispatch.handlers.messages[Describe]
        scene.dispatch.add(Sluggish())
        await world.operator.ask("scene.1", Describe())
        found = await gate.ask("eu.one.scene.1", ReadSlow())
        assert [(one.message, one.source.split(".")[2]) for one in found.slow] == [("Describe", "ctl")]
        assert 299 < found.slow[0].took_ms < 400

    play(tmp_path, story)


def test_a_tap_shows_a_login_without_its_secret(tmp_path: Path):
    async def story(world: World) -> None:
        at = (await world.operator.ask("login.1", Tap(message="Authenticate"))).last
        await world.login("ann")
        found = await world.operator.ask("login.1", Tap(at, message="Authenticate"))
        [said] = found.heard
        assert said.source == "eu.one.gate.1"
        assert world.ticket("ann")[:20] not in said.fields
        assert '"secret":"***"' in said.fields

    play(tmp_path, story)


def test_a_tap_shows_what_one_player_says(tmp_path: Path):
    async def story(world: World) -> None:
        ann, bob = await world.login("ann"), await world.login("bob")
        of_ann = Tap(player="ann")
        at = (await world.operator.ask("scene.1", of_ann)).last
        ann.say("hello there")
        bob.say("not for you")
        heard: list[str] = []
        while not heard:
            heard = [one.fields for one in (await world.operator.ask("scene.1", Tap(at, player="ann"))).heard]
            await asyncio.sleep(0.1)
        assert heard == ['{"text":"hello there"}']
        at = (await world.operator.ask("gate.1", Tap(message="Login"))).last
        await world.login("cid")
        [said] = (await world.operator.ask("gate.1", Tap(at, message="Login"))).heard
        assert '"secret":"***"' in said.fields

    play(tmp_path, story)
