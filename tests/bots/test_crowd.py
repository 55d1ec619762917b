"""Bots on the real nodes in one process and in virtual time: they come and go by a shape, and walk through portals."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mesh.errors import PeerLost
from mesh.operator import Operator
from mesh.protocol.control import PinLevel
from mesh.testing import run, wait_until, with_cluster
from mesh.topology import Topology, load
from tests.conftest import ZONE
from tests.world import ROLES, World
from tools.bots.crowd import Crowd
from tools.bots.findings import Evidence, findings
from tools.bots.increments import Totals
from tools.bots.neighbours import PLACE
from tools.bots.options import Options, Plan, account_name
from tools.bots.result import QUEUED, UNQUEUED
from tools.bots.roll import call_roll, read_words
from tools.bots.shape import parse
from tools.bots.statistics import Series

SETTINGS = """
[settings.login]
argon_memory_kib = 64
argon_passes = 1

[settings.center]
linkdead_s = 60.0
default_map = "east"

[settings.scene.hosts]
"scene.1" = ["east:1", "west:1"]
"scene.2" = ["west:2", "east:2"]

[settings.scene.maps.east]
size_m = 100.0
npcs = 0
portals = [{ x = 50.0, y = 50.0, radius_m = 3.0, to = "west", to_x = 56.0, to_y = 50.0 }]

[settings.scene.maps.west]
size_m = 100.0
npcs = 0
portals = [{ x = 50.0, y = 50.0, radius_m = 3.0, to = "east", to_x = 56.0, to_y = 50.0 }]
"""

BURST = """
text = "Eight come at once, stay for ten seconds and lose their connection every three."
length = "30s"
players = [["0s", 0.0], ["1s", 1.0], ["12s", 0.0]]
arrivals = "even"
session = { kind = "fixed", mean = "10s" }
drops = { every = "3s", away = "1s" }
"""


@pytest.fixture
def two_maps(tmp_path: Path) -> Topology:
    file = tmp_path / "zone.toml"
    file.write_text(ZONE + SETTINGS)
    return load(file, runtime=tmp_path / "run")


class Stage:
    """A crowd in a world."""

    def __init__(self, world: World, **options: Any) -> None:
        self.world, self.clock, self.totals = world, world.cluster.clock, Totals()
        made = Options(gates=[world.url()], key_file="", spawn_rate=20.0, **options)
        places = np.zeros(made.users, PLACE)
        usage = (0.0, 0)
        self.crowd = Crowd(
            Plan(made, 0, ""), world.key, places, self.clock, lambda: usage, self.totals.add, dial=world.dial
        )

    async def play(self, seconds: float) -> None:
        """So long, from now on."""
        playing = asyncio.create_task(self.crowd.play(self.clock.now() + 0.1))
        await asyncio.sleep(seconds)
        self.crowd.rest()
        await asyncio.sleep(3.0)
        playing.cancel()


def test_players_who_walk_through_portals_are_there_once_and_lose_no_word(two_maps: Topology, tmp_path: Path) -> None:
    async def story(cluster: Any) -> None:
        world = World(cluster)
        stage = Stage(world, users=8, scenario="portals", settings={"run": "tag"})
        await stage.play(30.0)
        names = {account_name(number, "ticket") for number in range(8)}
        operator = Operator(cluster.topology, cluster.network, cluster.clock)
        async with operator:
            roll = await call_roll(operator, cluster.topology, names)
            until_ms = round(1000 * cluster.clock.wall())
            words = await read_words(operator, cluster.topology, "tag", until_ms - 60_000, until_ms)
        stage.crowd.finish()
        counts = stage.totals.whole.counts
        assert counts["crossings"] >= 8
        assert counts["asked"] == counts["answered"] > 100
        assert (words.carried_out, words.twice, words.out_of_order) == (counts["said"], 0, 0)
        assert (roll.present, roll.lost, roll.doubled) == (8, [], [])
        lines = findings(Evidence("portals", 30.0, roll, words), stage.totals.whole)
        assert [line.name for line in lines if not line.ok and "without updates" not in line.name] == []
        await stage.crowd.leave(5.0)
        assert stage.totals.whole.errors == {}

    run(with_cluster(two_maps, ROLES, tmp_path / "data", story))


def test_a_shape_brings_players_breaks_their_connections_and_lets_them_go(two_maps: Topology, tmp_path: Path) -> None:
    async def story(cluster: Any) -> None:
        stage = Stage(World(cluster), users=8, scenario="walk", shape=parse(BURST, Path("burst.toml")))
        playing = asyncio.create_task(stage.crowd.play(cluster.clock.now()))
        await asyncio.sleep(5.0)
        assert sum(bot.used for bot in stage.crowd.bots) == 8
        await asyncio.sleep(25.0)
        playing.cancel()
        stage.crowd.send_report()
        whole = stage.totals.whole
        assert (whole.started, whole.entered, whole.players_now) == (8, 8, 0)
        assert whole.counts["connections broken"] >= 5
        assert whole.series["resume"].raw.count == whole.counts["connections broken"]
        assert whole.series["logout"].raw.count == 8
        assert whole.errors == {}

    run(with_cluster(two_maps, ROLES, tmp_path / "data", story))


async def lose_scene(cluster: Any) -> None:
    """It dies, and nobody on it can go on elsewhere."""
    center, scene = cluster.node("center.1"), cluster.node("scene.1").name
    await cluster.kill("scene.1")
    for presence in center.directory.at_scene(scene):
        center.departures.lose(presence)


def test_who_is_sent_away_comes_back_by_itself_when_losses_are_what_a_run_is_about(
    two_maps: Topology, tmp_path: Path
) -> None:
    async def story(cluster: Any) -> None:
        stage = Stage(World(cluster), users=6, scenario="portals", returning=True)
        playing = asyncio.create_task(stage.crowd.play(cluster.clock.now()))
        await asyncio.sleep(10.0)
        await lose_scene(cluster)
        await asyncio.sleep(1.0)
        await cluster.start("scene.1")
        await asyncio.sleep(30.0)
        assert all(bot.inside for bot in stage.crowd.bots)
        playing.cancel()
        stage.crowd.send_report()
        whole = stage.totals.whole
        sent_away = sum(count for name, count in whole.counts.items() if name.startswith("sent away"))
        assert sent_away == whole.series["return"].raw.count + whole.series.get("resume", Series()).raw.count > 0
        assert whole.errors == {}
        assert whole.counts.get("belongings changed", 0) == 0

    run(with_cluster(two_maps, ROLES, tmp_path / "data", story))


def test_a_search_for_the_limit_asks_for_more_and_for_fewer_players(two_maps: Topology, tmp_path: Path) -> None:
    async def story(cluster: Any) -> None:
        stage = Stage(World(cluster), users=10, scenario="walk", in_steps=True)
        crowd, clock = stage.crowd, cluster.clock
        playing = asyncio.create_task(crowd.play(clock.now()))
        for wanted in (4, 10, 3, 5):
            crowd.aim(wanted, clock.now())
            await asyncio.sleep(3.0)
            assert [bot.number for bot in crowd.bots if bot.inside] == list(range(wanted))
        playing.cancel()
        crowd.send_report()
        assert stage.totals.whole.errors == {}
        assert stage.totals.whole.entered == 12

    run(with_cluster(two_maps, ROLES, tmp_path / "data", story))


def test_whose_scene_dies_comes_back_in_an_ordinary_run_too(two_maps: Topology, tmp_path: Path) -> None:
    async def story(cluster: Any) -> None:
        stage = Stage(World(cluster), users=6, scenario="walk")
        playing = asyncio.create_task(stage.crowd.play(cluster.clock.now()))
        await asyncio.sleep(10.0)
        await lose_scene(cluster)
        await asyncio.sleep(1.0)
        await cluster.start("scene.1")
        await asyncio.sleep(30.0)
        assert all(bot.inside for bot in stage.crowd.bots)
        stage.crowd.bots[0].player._end("broken", gently=False)
        await asyncio.sleep(3.0)
        playing.cancel()
        stage.crowd.send_report()
        whole = stage.totals.whole
        assert any(name.startswith("sent away") for name in whole.counts)
        assert whole.counts["connection lost"] == 1
        assert whole.counts["resumed"] >= 1
        assert whole.errors == {}

    run(with_cluster(two_maps, ROLES, tmp_path / "data", story))


def test_who_goes_on_elsewhere_is_not_sent_away(two_maps: Topology, tmp_path: Path) -> None:
    async def story(cluster: Any) -> None:
        stage = Stage(World(cluster), users=6, scenario="walk")
        playing = asyncio.create_task(stage.crowd.play(cluster.clock.now()))
        await asyncio.sleep(10.0)
        await cluster.kill("scene.1")
        await asyncio.sleep(1.0)
        await cluster.start("scene.1")
        await asyncio.sleep(10.0)
        assert all(bot.inside for bot in stage.crowd.bots)
        playing.cancel()
        stage.crowd.send_report()
        whole = stage.totals.whole
        assert not any(name.startswith("sent away") for name in whole.counts)
        assert whole.counts.get("connection lost", 0) == 0
        assert whole.errors == {}

    run(with_cluster(two_maps, ROLES, tmp_path / "data", story))


def test_an_unexpected_exception_is_the_bots_own_mistake(two_maps: Topology, tmp_path: Path) -> None:
    async def story(cluster: Any) -> None:
        stage = Stage(World(cluster), users=2, scenario="walk")
        playing = asyncio.create_task(stage.crowd.play(cluster.clock.now()))
        await asyncio.sleep(5.0)

        async def broken(*_url: object) -> None:
            raise AssertionError("nobody expected this")

        bot = stage.crowd.bots[0]
        bot.player.resume = broken  # type: ignore[method-assign,assignment]
        bot.player._end("broken", gently=False)
        await asyncio.sleep(3.0)
        playing.cancel()
        stage.crowd.send_report()
        errors = stage.totals.whole.errors
        assert list(errors.values()) == [1]
        assert next(iter(errors)).startswith("bot: test_crowd.py:")

    run(with_cluster(two_maps, ROLES, tmp_path / "data", story))


def test_a_gate_that_is_not_there_sends_the_bots_to_the_next_one(two_maps: Topology, tmp_path: Path) -> None:
    async def story(cluster: Any) -> None:
        stage = Stage(World(cluster), users=4, scenario="walk")
        stage.crowd.options.gates.insert(0, "ws://127.0.0.1:9")
        playing = asyncio.create_task(stage.crowd.play(cluster.clock.now()))
        await asyncio.sleep(5.0)
        playing.cancel()
        stage.crowd.send_report()
        whole = stage.totals.whole
        assert (whole.entered, whole.errors) == (4, {})
        assert whole.counts["went to another gate: no connection"] == 2

    run(with_cluster(two_maps, ROLES, tmp_path / "data", story))


def test_bots_that_wait_in_the_queue_are_known(two_maps: Topology, tmp_path: Path) -> None:
    async def story(cluster: Any) -> None:
        world = World(cluster)
        for short in ("scene.1", "scene.2"):
            await world.operator.ask(short, PinLevel(3))
        await wait_until(lambda: len(world.node("center.1").keeper.shut()) == 2)
        stage = Stage(world, users=3, scenario="walk")
        playing = asyncio.create_task(stage.crowd.play(cluster.clock.now()))
        await asyncio.sleep(5.0)
        stage.crowd.send_report()
        whole = stage.totals.whole
        assert (whole.entered, whole.counts) == (0, {QUEUED: 3})
        for short in ("scene.1", "scene.2"):
            await world.operator.ask(short, PinLevel(0))
        await wait_until(lambda: all(bot.inside for bot in stage.crowd.bots))
        playing.cancel()
        stage.crowd.send_report()
        assert (whole.entered, whole.counts[QUEUED], whole.counts[UNQUEUED]) == (3, 3, 3)

    run(with_cluster(two_maps, ROLES, tmp_path / "data", story))


def test_who_finds_no_way_back_is_an_error(two_maps: Topology, tmp_path: Path) -> None:
    async def story(cluster: Any) -> None:
        stage = Stage(World(cluster), users=2, scenario="walk")
        playing = asyncio.create_task(stage.crowd.play(cluster.clock.now()))
        await asyncio.sleep(5.0)

        async def gone(*_url: object) -> None:
            raise PeerLost("no gate")

        for bot in stage.crowd.bots:
            bot.player.resume = gone  # type: ignore[method-assign,assignment]
        stage.crowd.bots[0].player._end("broken", gently=False)
        await asyncio.sleep(70.0)
        stage.crowd.bots[1].player._end("broken", gently=False)
        await asyncio.sleep(8.0)
        playing.cancel()
        await stage.crowd.leave(5.0)
        stage.crowd.send_report()
        assert stage.totals.whole.errors == {"return: no way back": 1, "return: not back at the end": 1}

    run(with_cluster(two_maps, ROLES, tmp_path / "data", story))
