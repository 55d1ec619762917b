"""Scenes die, hang and come back while players play: the clients stay, and there is one of each, from what is stored.

The nodes are the real ones; messages between them take one to four milliseconds of virtual time, so that a kill falls
between any two of them. Every seed is another course. What starts a process anew that ended itself is played here.
"""

import asyncio
import random

import pytest

from mesh.client.player import Player
from mesh.errors import MeshError, PeerLost, RefusedError
from mesh.protocol.client import Goodbye
from mesh.protocol.play import Entered, Loot, PlayDenied
from mesh.protocol.records import GoldMove, Operate
from mesh.testing import Cluster, run, wait_until, with_cluster
from mesh.topology import Topology, load
from tests.conftest import ZONE
from tests.world import ROLES, World, walk_to

SETTINGS = """
[settings.login]
argon_memory_kib = 64
argon_passes = 1

[settings.center]
linkdead_s = 30.0

[settings.scene.maps.meadow]
size_m = 100.0
npcs = 0
players_max = 12
"""
LATENCY_S = (0.001, 0.004)
PLAYERS = 8


def meadow(tmp_path) -> Topology:
    file = tmp_path / "zone.toml"
    file.write_text(ZONE + SETTINGS)
    return load(file, runtime=tmp_path / "run")


@pytest.fixture
def play(tmp_path):
    def go(story, seed: int = 1):
        async def told(cluster: Cluster) -> None:
            cluster.network.latency_s = LATENCY_S
            keeper = asyncio.ensure_future(keep_up(cluster))
            await story(World(cluster))
            keeper.cancel()
            assert cluster.internal_errors() == []

        run(with_cluster(meadow(tmp_path), ROLES, tmp_path / "data", told, seed=seed))

    return go


async def keep_up(cluster: Cluster) -> None:
    """As the supervisor: a process that found that it is not to serve any more is started anew."""
    while True:
        await asyncio.sleep(0.1)
        for short in [short for short, node in cluster.nodes.items() if node.failed.is_set()]:
            await cluster.kill(short)
            await cluster.start(short)


class Walker:
    """A player who walks, and sees to it that nobody ends its connection."""

    def __init__(self, player: Player) -> None:
        self.player = player
        self.goodbyes: list[Goodbye] = []
        self.entered: list[Entered] = []
        player.on_event = self.hear
        self.task = asyncio.ensure_future(self.walk())

    def hear(self, said) -> None:
        if isinstance(said, Goodbye):
            self.goodbyes.append(said)
        elif isinstance(said, Entered):
            self.entered.append(said)

    async def walk(self) -> None:
        while True:
            x, y = (random.Random(self.player.session.sent).randrange(500, 4500) for _ in "xy")
            await walk_to(self.player, x, y, stop=lambda: not self.player.playing, steps_max=40)
            await asyncio.sleep(0.1)

    @property
    def account(self) -> int:
        return self.player.session.session >> 24

    async def answers(self) -> None:
        """Its scene hears it, and it its scene."""
        self.player.on_event = None
        denied = self.player.play(Loot(7))  # there is no such corpse: refused, by number
        await self.player.wait(PlayDenied, where=lambda said: said.sequence == denied)


async def walkers(world: World, number: int = PLAYERS) -> list[Walker]:
    made = [Walker(await world.login(f"walker-{n}")) for n in range(number)]
    await asyncio.sleep(2.5)  # everybody was saved
    return made


def homes(world: World, account: int) -> list[str]:
    """The scenes that have this account in the world, except those that know that they are over."""
    scenes = [world.node(short) for short in world.cluster.nodes if short.startswith("scene")]
    return [s.name for s in scenes if not s.failed.is_set() and s.sessions.of_account(account) is not None]


def there(world: World, players: list[Walker], short: str) -> list[Walker]:
    name = world.node(short).name
    return [one for one in players if one.player.session.entered.scene == name]


def is_back(one: Walker, times: int = 1) -> bool:
    return len(one.entered) >= times and one.player.playing


async def is_as_promised(world: World, players: list[Walker]) -> None:
    for one in players:
        assert one.player.connected
        assert one.goodbyes == []
        assert homes(world, one.account) == [one.player.session.entered.scene]
        one.task.cancel()
        await one.answers()
        assert one.player.session.entered.you.gold == 100
    center = world.node("center.1")
    assert {p.stage for p in center.directory.all()} == {"online"}
    assert not any(p.moving for p in center.directory.all())
    assert center.rehoming._homeless == {}


def test_the_players_of_a_dead_scene_go_on_where_they_were_a_second_ago(play):
    async def story(world: World) -> None:
        players = await walkers(world)
        lost = there(world, players, "scene.1")
        assert lost
        where = {one.account: (one.player.session.x, one.player.session.y) for one in lost}
        await world.cluster.kill("scene.1")
        died = world.cluster.clock.now()
        await wait_until(lambda: all(is_back(one) for one in lost), timeout_s=5)
        assert world.cluster.clock.now() - died < 1.5
        for one in lost:
            [entered] = one.entered
            assert (entered.anew, entered.scene) == (True, world.node("scene.2").name)
            x, y = where[one.account]
            far_m = ((entered.x - x) ** 2 + (entered.y - y) ** 2) ** 0.5 * entered.unit_m
            assert far_m <= 1.2 * entered.speed_mps, "a second, and the way of the messages"
        assert not any(one.entered for one in players if one not in lost)
        await world.cluster.start("scene.1")
        await is_as_promised(world, players)

    play(story)


def test_a_scene_that_comes_back_at_once_has_them_again(play):
    async def story(world: World) -> None:
        players = await walkers(world)
        lost = there(world, players, "scene.1")
        await world.cluster.kill("scene.1")
        died = world.cluster.clock.now()
        await world.cluster.start("scene.1")
        await wait_until(lambda: all(is_back(one) for one in lost), timeout_s=5)
        assert world.cluster.clock.now() - died < 0.9
        await is_as_promised(world, players)

    play(story)


def test_a_scene_that_hung_ends_when_it_goes_on(play):
    async def story(world: World) -> None:
        players = await walkers(world)
        hung = world.node("scene.1")
        lost = there(world, players, "scene.1")
        world.cluster.network.pause(hung.name)
        paused = world.cluster.clock.now()
        await wait_until(lambda: all(is_back(one) for one in lost), timeout_s=5)
        assert world.cluster.clock.now() - paused < 4.0
        world.cluster.network.pause(hung.name, False)
        await wait_until(lambda: world.node("scene.1") is not hung, timeout_s=10)
        assert hung.failed.is_set()
        await asyncio.sleep(2)
        await is_as_promised(world, players)

    play(story)


def test_a_scene_that_only_the_dc_hears_writes_nothing_any_more(play):
    async def story(world: World) -> None:
        players = await walkers(world)
        alone, dc, network = world.node("scene.1"), world.node("dc.1"), world.cluster.network
        lost = there(world, players, "scene.1")
        others = [world.node(short).name for short in world.cluster.nodes if not short.startswith(("dc", "scene.1"))]
        for other in others:
            network.cut(alone.name, other)
            network.cut(other, alone.name)
        await wait_until(lambda: all(is_back(one) for one in lost), timeout_s=8)
        fenced = dc.states_fenced
        for line in alone.lines:
            for session in line.players.values():
                line.world.unsaved[session.slot] = True
        await wait_until(lambda: dc.states_fenced > fenced, timeout_s=3)
        pay = Operate(lost[0].player.session.session, 1 << 30, "pay", [], [GoldMove(0, lost[0].account, 1)])
        with pytest.raises(RefusedError, match="stale_epoch"):
            await alone.ask("dc", pay)
        for other in others:
            network.mend(alone.name, other)
            network.mend(other, alone.name)
        await wait_until(lambda: world.node("scene.1") is not alone, timeout_s=10)
        await asyncio.sleep(2)
        await is_as_promised(world, players)

    play(story)


def test_two_scenes_at_once_and_no_other(play):
    async def story(world: World) -> None:
        players = await walkers(world)
        await world.cluster.kill("scene.1")
        await world.cluster.kill("scene.2")
        await asyncio.sleep(8)
        assert all(one.player.connected for one in players)
        await world.cluster.start("scene.2")
        await wait_until(lambda: all(is_back(one) for one in players), timeout_s=5)
        await world.cluster.start("scene.1")
        await is_as_promised(world, players)

    play(story)


def test_nobody_waits_for_ever(play):
    async def story(world: World) -> None:
        anna = await world.login("anna")
        await world.cluster.kill("scene.1")
        await world.cluster.kill("scene.2")
        assert (await anna.wait(Goodbye, 40.0)).code == "unavailable"
        await world.cluster.start("scene.1")
        assert (await world.login("anna")).playing

    play(story)


def test_the_dc_is_away_meanwhile(play):
    async def story(world: World) -> None:
        players = await walkers(world)
        lost = there(world, players, "scene.1")
        await world.cluster.kill("dc.1")
        await world.cluster.kill("scene.1")
        await asyncio.sleep(5)
        assert all(one.player.connected and not one.player.playing for one in lost)
        await world.cluster.start("dc.1")
        await wait_until(lambda: all(is_back(one) for one in lost), timeout_s=5)
        await world.cluster.start("scene.1")
        await is_as_promised(world, players)

    play(story)


def test_a_resume_while_there_is_no_scene_ends_where_there_is_one(play):
    async def story(world: World) -> None:
        anna = await world.login("anna")
        scene = world.cluster.topology.nodes[anna.session.entered.scene].short
        await asyncio.sleep(1.5)
        await world.cluster.kill(scene)
        anna.drop()
        await anna.resume(timeout_s=10)
        assert anna.session.entered.anew
        denied = anna.play(Loot(7))
        await anna.wait(PlayDenied, where=lambda said: said.sequence == denied)

    play(story)


def test_operations_go_on_behind_those_of_the_lost_scene(play):
    async def story(world: World) -> None:
        anna, _ = await world.together("anna", "berta")
        scene = world.node(world.cluster.topology.nodes[anna.session.entered.scene].short)
        session = scene.sessions.find(anna.session.session)

        async def pay() -> None:
            holder = next(
                node
                for short, node in world.cluster.nodes.items()
                if short.startswith("scene") and node.sessions.find(anna.session.session) is not None
            )
            payer = holder.sessions.find(anna.session.session)
            done = asyncio.Event()

            async def work() -> None:
                await holder.ledger.carry_out([payer], "pay", [GoldMove(payer.account, -1, 1)])
                done.set()

            holder.ledger.begin([payer], work)
            await done.wait()

        session.operation = 2**50  # far above what a clock would say
        for _ in range(3):
            await pay()
        await world.cluster.kill(scene.seat.spec.short)
        await anna.wait(Entered, where=lambda said: said.anew)
        await pay()
        assert (await world.gold())["burned"] == 4

    play(story)


@pytest.mark.parametrize("seed", range(16))
def test_whenever_it_happens(play, seed):
    """A scene is killed or hangs at any moment, and something else a moment before or after it."""
    rolls = random.Random(seed)

    async def story(world: World) -> None:
        players = await walkers(world, 6)
        victims = [
            rolls.choice(("scene.1", "scene.2")),
            rolls.choice(("scene.1", "scene.2", "dc.1", "center.1", "login.1", "log.1")),
        ]
        for victim in dict.fromkeys(victims):
            if rolls.random() < 0.3 and victim.startswith("scene"):
                name = world.node(victim).name
                world.cluster.network.pause(name)
                asyncio.get_running_loop().call_later(rolls.uniform(0.5, 6.0), world.cluster.network.pause, name, False)
            else:
                await world.cluster.kill(victim)
                asyncio.get_running_loop().call_later(
                    rolls.choice((0.01, 0.5, 1.0, 1.05, 3.0)),
                    lambda v=victim: asyncio.ensure_future(world.cluster.start(v)),
                )
            await asyncio.sleep(rolls.choice((0.0, 0.3, 1.0, 1.01, 1.02, 1.05)))
        await asyncio.sleep(20)
        await is_as_promised(world, players)

    play(story, seed)


@pytest.mark.parametrize("seed", range(8))
def test_whoever_logs_in_and_out_meanwhile(play, seed):
    rolls = random.Random(seed)

    async def story(world: World) -> None:
        players = await walkers(world, 4)

        async def come_and_go(name: str) -> None:
            while True:
                try:
                    player = await world.login(name, timeout_s=8.0)
                    await asyncio.sleep(rolls.uniform(0, 0.5))
                    if rolls.random() < 0.5:
                        await player.logout()
                    else:
                        player.drop()
                except (MeshError, PeerLost):
                    await asyncio.sleep(0.1)

        visitors = [asyncio.ensure_future(come_and_go(f"visitor-{n}")) for n in range(3)]
        for _ in range(3):
            await asyncio.sleep(rolls.uniform(0, 1.5))
            victim = rolls.choice(("scene.1", "scene.2"))
            await world.cluster.kill(victim)
            await asyncio.sleep(rolls.choice((0.0, 0.6, 1.2)))
            await world.cluster.start(victim)
        for visitor in visitors:
            visitor.cancel()
        await asyncio.sleep(15)
        for one in players:
            assert homes(world, one.account) == [one.player.session.entered.scene]
            assert one.goodbyes == []
        for presence in world.node("center.1").directory.all():
            assert homes(world, presence.account) == [presence.scene]
        assert world.players() == len(world.node("center.1").directory)

    play(story, seed)
