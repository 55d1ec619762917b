"""A player walks from map to map while processes die: afterwards there is one of it, or none and it can log in again.

The nodes are the real ones; messages between them take one to four milliseconds of virtual time, so that a kill falls
between any two of them. Every seed is another course: who dies, and when.
"""

import asyncio
import random

import pytest

from mesh.client.player import Player
from mesh.errors import MeshError
from mesh.protocol.play import Entered, Loot, PlayDenied
from mesh.testing import Cluster, run, wait_until, with_cluster
from mesh.topology import Topology, load
from tests.conftest import ZONE
from tests.world import ROLES, World, walk_to

SETTINGS = """
[settings.center]
linkdead_s = 60.0
default_map = "meadow"

[settings.scene.hosts]
"scene.1" = ["meadow:1"]
"scene.2" = ["forest:1"]

[settings.scene.maps.meadow]
size_m = 60.0
npcs = 0
spawn_m = 20.0
portals = [{x = 50.0, y = 30.0, radius_m = 2.0, to = "forest", to_x = 30.0, to_y = 30.0}]

[settings.scene.maps.forest]
size_m = 60.0
npcs = 0
portals = [{x = 50.0, y = 30.0, radius_m = 2.0, to = "meadow", to_x = 30.0, to_y = 30.0}]
"""
PORTAL = (2500, 1500)  # of both maps, in units of 2 cm
LATENCY_S = (0.001, 0.004)
OTHER = {"meadow": "forest", "forest": "meadow"}
VICTIMS = ("scene.1", "scene.2", "center.1", "gate.1", "dc.1", "login.1")
CROSSING_S = 0.04  # from the tick that noticed it until the connection is attached on the other side


def two_maps(tmp_path) -> Topology:
    file = tmp_path / "zone.toml"
    file.write_text(ZONE + SETTINGS)
    return load(file, runtime=tmp_path / "run")


@pytest.fixture
def play(tmp_path):
    def go(story, seed: int = 1):
        async def told(cluster: Cluster) -> None:
            cluster.network.latency_s = LATENCY_S
            await story(World(cluster))
            assert cluster.internal_errors() == []

        run(with_cluster(two_maps(tmp_path), ROLES, tmp_path / "data", told, seed=seed))

    return go


async def cross(player: Player) -> Entered:
    """Walk into the portal and come out of it on the other map."""
    goal = OTHER[player.session.entered.map]
    await walk_to(player, *PORTAL, stop=lambda: player.session.entered.map == goal)
    await wait_until(lambda: player.session.entered.map == goal, timeout_s=5)
    return player.session.entered


def homes(world: World, account: int) -> list[str]:
    """The scenes that have this account in the world."""
    scenes = [world.node(short) for short in world.cluster.nodes if short.startswith("scene")]
    return [scene.name for scene in scenes if scene.sessions.of_account(account) is not None]


def test_crossing_keeps_the_connection_the_numbers_and_everything_that_is_said(play):
    async def story(world: World) -> None:
        anna = await world.login("anna")
        connection = anna._wire
        first = anna.session.entered
        denied: list[int] = []
        anna.on_event = lambda said: denied.append(said.sequence) if isinstance(said, PlayDenied) else None

        async def chatter() -> None:
            while True:
                anna.play(Loot(7))  # there is no such corpse: refused, by number
                await asyncio.sleep(0.04)

        talking = asyncio.create_task(chatter())
        for there in ("forest", "meadow", "forest", "meadow"):
            entered = await cross(anna)
            assert (entered.map, entered.resumed) == (there, True)
            account = anna.session.session >> 24
            assert homes(world, account) == [entered.scene]
        talking.cancel()
        await asyncio.sleep(1.0)
        assert anna._wire is connection
        assert anna.session.entered.scene == first.scene
        # Every message was answered once, in the order in which it was said.
        assert denied == list(range(1, anna.session.sent + 1))

    play(story)


@pytest.mark.parametrize("seed", range(60))
def test_whoever_dies_in_the_middle_there_is_one_of_the_player(play, seed):
    rolls = random.Random(seed)
    victim = VICTIMS[seed % len(VICTIMS)]

    async def story(world: World) -> None:
        anna = await world.login("anna")
        account = anna.session.session >> 24
        walk = asyncio.create_task(walk_to(anna, *PORTAL, stop=lambda: anna.session.entered.map == "forest"))
        await wait_until(lambda: world.node("scene.1").crossings.asked, every_s=0.001)
        await asyncio.sleep(rolls.uniform(0, CROSSING_S))
        await world.cluster.kill(victim)
        await asyncio.sleep(rolls.choice((0.05, 0.5)))
        await world.cluster.start(victim)
        walk.cancel()
        await asyncio.sleep(12.0)  # every lease, grace and repetition is over

        assert len(homes(world, account)) <= 1
        if not anna.connected:
            anna = await come_back(world, anna)
        assert homes(world, account) == [anna.session.entered.scene]
        denied = anna.play(Loot(7))
        await anna.wait(PlayDenied, where=lambda said: said.sequence == denied)
        assert anna.session.entered.you.gold == 100
        if anna.session.entered.map == "meadow":  # nothing keeps it from going again
            await walk_to(anna, 1500, 1500)
            await cross(anna)
            assert homes(world, account) == [anna.session.entered.scene]

    play(story, seed)


async def come_back(world: World, player: Player) -> Player:
    """By its token, or anew."""
    try:
        await player.resume()
    except MeshError:
        return await world.login("anna")
    return player
