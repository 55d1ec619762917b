"""A small zone of real nodes in which everything happens at once: players switch lines, drop, come back, log in twice,
and nodes die. Afterwards everybody is in the world once, where the center and the gates believe, and can play."""

import asyncio
import contextlib
import random

import pytest

from mesh.client.player import Player
from mesh.errors import MeshError
from mesh.protocol.placement import OrderLine
from mesh.protocol.play import Loot, PlayDenied
from mesh.testing import run, with_cluster
from mesh.topology import load
from tests.conftest import ZONE
from tests.world import ROLES, World

SETTINGS = """
[settings.center]
switch_s = 0.1
line_close_s = 2.0

[settings.scene]
combat_s = 0.0

[settings.scene.maps.meadow]
size_m = 60.0
npcs = 0
players_soft = 2
players_max = 4
"""
NAMES = ("anna", "berta", "cleo", "dora", "emma")
VICTIMS = ("scene.1", "scene.2", "center.1", "gate.1", "dc.1", "login.1")
TURMOIL_S = 6.0
SETTLED_S = 15.0


class Life:
    """One player who does this and that."""

    def __init__(self, world: World, name: str, rolls: random.Random) -> None:
        self.world, self.name, self.rolls = world, name, rolls
        self.player: Player | None = None

    async def live(self) -> None:
        while True:
            with contextlib.suppress(MeshError):
                await self.act()
            await asyncio.sleep(self.rolls.uniform(0.0, 0.3))

    async def act(self) -> None:
        if self.player is None or self.rolls.random() < 0.05:
            self.player = await self.world.login(self.name, timeout_s=3.0)
        elif not self.player.connected or self.rolls.random() < 0.1:
            self.player.drop()
            await self.come_back()
        else:
            self.player.play(Loot(7))
            await self.player.switch_line(self.rolls.randint(1, 4), timeout_s=2.0)

    async def come_back(self) -> None:
        assert self.player is not None
        try:
            await self.player.resume(timeout_s=3.0)
        except MeshError:
            self.player = None
            raise

    async def is_well(self) -> None:
        """It is in the world or can come back, and what it says is answered."""
        for _ in range(20):
            with contextlib.suppress(MeshError):
                if self.player is None or not self.player.connected:
                    self.player = await self.world.login(self.name, timeout_s=3.0)
                said = self.player.play(Loot(7))
                await self.player.wait(PlayDenied, where=lambda denied, said=said: denied.sequence == said)
                return
            await asyncio.sleep(0.5)
        pytest.fail(f"{self.name} does not get in")


def check(world: World, life: Life) -> None:
    assert life.player is not None
    session, entered = life.player.session.session, life.player.session.entered
    scenes = [world.node(short) for short in ("scene.1", "scene.2")]
    homes = [scene.name for scene in scenes if scene.sessions.of_account(session >> 24) is not None]
    assert homes == [entered.scene]
    presence = world.node("center.1").directory.of_session(session)
    assert presence is not None
    assert (presence.scene, presence.line, presence.stage) == (entered.scene, entered.line, "online")
    assert sum(len(scene.keepsakes) for scene in scenes) == 0


@pytest.fixture
def play(tmp_path):
    file = tmp_path / "zone.toml"
    file.write_text(ZONE + SETTINGS)
    topology = load(file, runtime=tmp_path / "run")

    def go(story, seed: int):
        async def told(cluster) -> None:
            cluster.network.latency_s = (0.001, 0.004)
            await story(World(cluster))
            assert cluster.internal_errors() == []

        run(with_cluster(topology, ROLES, tmp_path / "data", told, seed=seed))

    return go


@pytest.mark.parametrize("seed", range(8))
def test_everybody_is_in_the_world_once(play, seed):
    rolls = random.Random(seed)

    async def story(world: World) -> None:
        lives = [Life(world, name, random.Random(rolls.random())) for name in NAMES]
        living = [asyncio.create_task(life.live()) for life in lives]
        until = world.cluster.clock.now() + TURMOIL_S
        while world.cluster.clock.now() < until:
            await asyncio.sleep(rolls.uniform(0.2, 1.5))
            if rolls.random() < 0.3:
                with contextlib.suppress(MeshError):
                    order = OrderLine("close", "meadow", rolls.randint(1, 4))
                    await world.operator.ask("center.1", order, 5.0)
            victim = rolls.choice(VICTIMS)
            await world.cluster.kill(victim)
            await asyncio.sleep(rolls.choice((0.05, 0.5, 2.0)))
            await world.cluster.start(victim)
        for task in living:
            task.cancel()
        await asyncio.gather(*living, return_exceptions=True)
        await asyncio.sleep(SETTLED_S)
        for life in lives:
            await life.is_well()
        await asyncio.sleep(1.0)
        for life in lives:
            check(world, life)
        center = world.node("center.1")
        assert center.transfers.under_way == 0
        assert len(center.directory) == len(NAMES)

    play(story, seed)
