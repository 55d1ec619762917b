"""A whole zone with two gates, of which one is drained while everybody plays and talks. The nodes are the real ones,
and messages between them take one to four milliseconds of virtual time."""

import asyncio

import pytest

from mesh.protocol.cluster import Publicise
from mesh.protocol.control import Drain, Drained
from mesh.protocol.play import Loot, PlayDenied, Said
from mesh.protocol.social import Shouted, SocialDenied, Whispered
from mesh.testing import Cluster, run, with_cluster
from tests.conftest import ZONE
from tests.world import ROLES, World, world_topology

PLAYERS = 24
RATE_S = 0.06  # between two things that a player says: below what a gate allows
SETTINGS = """
[settings.gate]
moves_per_s = 30.0

[settings.scene]
chat_per_s = 100.0
chat_burst = 100
"""


@pytest.fixture
def play(tmp_path):
    def go(story, seed=1):
        async def told(cluster: Cluster) -> None:
            cluster.network.latency_s = (0.001, 0.004)
            await story(World(cluster))
            assert cluster.internal_errors() == []

        text = ZONE + '[[process]]\nnodes = ["gate.2"]\n' + SETTINGS
        run(with_cluster(world_topology(tmp_path, text), ROLES, tmp_path / "data", told, seed=seed))

    return go


class Talker:
    """A player that says something numbered again and again, and remembers everything it hears."""

    def __init__(self):
        self.heard, self.ends, self.times = [], 0, []

    async def enter(self, world, name):
        self.player = await world.login(
            name, on_event=self.heard.append, on_updates=self.tick, on_closed=self.closed, timeout_s=20.0
        )
        self.clock = world.cluster.clock
        return self

    def tick(self, _tick, _records):
        self.times.append(self.clock.now())

    def closed(self):
        self.ends += 1

    def of(self, kind):
        return [said for said in self.heard if type(said) is kind]

    async def talk(self, until):
        player, step = self.player, 0
        while not until.is_set():
            step += 1
            player.play(Loot(7))  # there is no such corpse: refused, by its number
            player.move(player.session.x + (step % 2), player.session.y)
            await asyncio.sleep(RATE_S)


@pytest.mark.parametrize("seed", range(3))
def test_nobody_loses_a_word_when_a_gate_is_drained(play, seed):
    async def story(world: World) -> None:
        talkers = [await Talker().enter(world, f"talker-{n}") for n in range(PLAYERS)]
        over, said = asyncio.Event(), 0
        talking = [asyncio.create_task(talker.talk(over)) for talker in talkers]
        await asyncio.sleep(1.0)

        async def announce() -> None:
            nonlocal said
            while not over.is_set():
                said += 1
                await world.operator.ask("center.1", Publicise("operator", str(said)))
                await asyncio.sleep(0.01)

        announcing = asyncio.create_task(announce())
        await asyncio.sleep(0.5)
        began = world.cluster.clock.now()
        assert await world.operator.ask("gate.1", Drain(), timeout_s=40.0) == Drained(PLAYERS, 0)
        took = world.cluster.clock.now() - began
        assert PLAYERS / 30 <= took < PLAYERS / 30 + 2
        await asyncio.sleep(1.0)
        over.set()
        await asyncio.gather(announcing, *talking)
        await asyncio.sleep(1.0)

        assert (len(world.node("gate.1").clients), len(world.node("gate.2").clients)) == (0, PLAYERS)
        for talker in talkers:
            player = talker.player
            assert (player.playing, player.url, talker.ends) == (True, world.url("gate.2"), 0)
            shouts = [int(s.text) for s in talker.of(Shouted)]
            assert shouts == list(range(1, said + 1))
            denied = [s.sequence for s in talker.of(PlayDenied)]
            assert denied == list(range(1, player.session.sent + 1))
            assert player.session.gaps == 0

    play(story, seed)


def test_what_is_said_around_and_to_friends_is_heard_by_those_who_move(play):
    async def story(world: World) -> None:
        anna, bob = Talker(), Talker()
        anna.player, bob.player = await world.together("anna", "bob")
        for talker in (anna, bob):
            talker.player.on_event = talker.heard.append
        anna.player.add_friend("bob")
        await asyncio.sleep(0.5)
        bob.player.accept_friend("anna")
        await asyncio.sleep(0.5)
        task = asyncio.create_task(world.operator.ask("gate.1", Drain(), timeout_s=40.0))
        said = 0
        while not task.done() or said < 20:
            said += 1
            anna.player.say(f"say {said}")
            anna.player.whisper("bob", f"whisper {said}")
            await asyncio.sleep(0.07)
        await asyncio.sleep(1.0)
        assert {anna.player.url, bob.player.url} == {world.url("gate.2")}
        assert [s.text for s in bob.of(Said)] == [f"say {n}" for n in range(1, said + 1)]
        heard = [int(s.text.split()[1]) for s in bob.of(Whispered)]
        assert heard == sorted(set(heard))
        assert len(heard) + len(anna.of(SocialDenied)) == said, "each was heard, or refused for its rate"
        assert len(heard) >= 10

    play(story)
