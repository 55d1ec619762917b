"""A zone in which some nodes are of the previous version, and one that is upgraded while everybody talks.

Nodes of the previous version are the real ones behind the frozen catalogue (`tests/oldwire.py`).
"""

import asyncio
import random

import pytest

from mesh.errors import RefusedError
from mesh.protocol.control import Drain
from mesh.protocol.play import Looted, PlayDenied, Said
from mesh.protocol.records import FenceScene
from mesh.protocol.social import Shouted
from mesh.testing import Cluster, run, wait_until
from tests.oldwire import MixedNetwork
from tests.test_gate_death import GATES, TWO_GATES, fall_silent, talkers
from tests.world import ROLES, World, world_topology
from tools.ctl.upgrading import ORDER

ALL = ("log.1", "dc.1", "center.1", "login.1", "scene.1", "scene.2", "gate.1", "gate.2")


@pytest.fixture
def play(tmp_path):
    def go(story, old=ALL, seed: int = 1, text: str = TWO_GATES) -> None:
        async def told() -> None:
            topology = world_topology(tmp_path, text)
            cluster = Cluster(topology, ROLES, tmp_path / "data", seed)
            cluster.network = MixedNetwork(seed, {topology.node(short).name for short in old})
            await cluster.start()
            cluster.network.latency_s = (0.001, 0.004)
            try:
                await story(World(cluster))
            finally:
                await cluster.stop()
            assert cluster.internal_errors() == []
            assert cluster.network.words.kept > 20
            assert cluster.network.words.unsaid == [], "no old node says what only new ones know"

        run(told())

    return go


def words_of(world: World):
    return world.cluster.network.words


PLAYED = tuple(role for role in ORDER if role != "ops")
"""The roles of which the world has a node: the previous version knew no ops node, and nothing depends on one."""


@pytest.mark.parametrize("old", [*((role,) for role in PLAYED), ("gate", "scene"), ("center", "dc", "log"), PLAYED])
def test_everything_that_players_do_works_with_old_nodes_of_any_role(play, old):
    async def story(world: World) -> None:
        anna, bert = await world.together("anna", "bert")
        anna.say("hello")
        assert (await bert.wait(Said)).text == "hello"
        anna.shout("to all")
        assert (await bert.wait(Shouted)).text == "to all"
        await world.hunt(anna)
        anna.loot(await world.corpse_in_view(anna))
        looted = await anna.wait(Looted)
        assert looted.wallet > 100
        anna.drop()
        await anna.resume(world.url("gate.2"))
        await wait_until(lambda: anna.playing)
        assert anna.session.entered.resumed
        await anna.logout()
        again = await world.login("anna", "gate.2")
        assert again.session.entered.you.gold == looted.wallet
        gold = await world.gold()
        assert gold["wallets"] == gold["minted"] - gold["burned"]

    play(story, [short for short in ALL if short.split(".")[0] in old])


def test_what_an_old_node_does_not_know_is_refused_and_nothing_ends(play):
    async def story(world: World) -> None:
        center, dc = world.node("center.1"), world.node("dc.1")
        for _ in range(20):
            with pytest.raises(RefusedError) as caught:
                await center.ask("dc", FenceScene(world.node("scene.1").name, 7))
            assert caught.value.code == "unknown_message"
        assert world.cluster.nodes["dc.1"] is dc
        assert dc.name in center.switchboard.links.up
        assert dc.dispatch.malformed >= 20
        assert words_of(world).unheard
        await world.login("anna")

    play(story, ["dc.1"])


def test_what_a_new_client_says_to_an_old_scene_is_denied_by_its_number(play):
    async def story(world: World) -> None:
        anna = await world.login("anna")
        said = anna.write_mail("anna", "is there mail?")
        denied = await anna.wait(PlayDenied)
        assert (denied.sequence, denied.code) == (said, "unknown_message")
        anna.say("still here")
        assert (await anna.wait(Said)).text == "still here"

    play(story, ["scene.1", "scene.2"])


@pytest.mark.parametrize("seed", range(6))
def test_a_zone_is_upgraded_node_by_node_and_nothing_that_was_said_is_lost_or_doubled(play, seed):
    """Each in the order of `mesh upgrade`: gates are emptied first, the others end and start anew. Scenes are among
    what is not restarted here: what their end costs is told in test_rehoming."""
    rolls = random.Random(seed)

    async def story(world: World) -> None:
        everybody = await talkers(world, rolls, 4)
        for role in PLAYED:
            for short in [short for short in ALL if short.startswith(role) and role != "scene"]:
                await asyncio.sleep(rolls.uniform(0.0, 0.5))
                await upgrade(world, short)
        await fall_silent(everybody)
        for one in everybody:
            one.check()
        assert await old_ones(world) == ["scene.1", "scene.2"]

    play(story, seed=seed)


async def upgrade(world: World, short: str) -> None:
    """One node, as `mesh upgrade` does it: it is the new version then."""
    node = world.node(short)
    if short in GATES:
        await world.operator.ask(short, Drain(), 30.0)
    await node.stop()
    world.cluster.network.old.discard(node.name)
    await world.cluster.start(short)
    if short == "center.1":
        await wait_until(lambda: world.node(short).describe()["whole"], timeout_s=20)


async def old_ones(world: World) -> list[str]:
    """By what the network knows; each node says its version anyhow."""
    assert all("version" in said.facts for said in await world.describe())
    return sorted(".".join(name.split(".")[2:]) for name in world.cluster.network.old)


@pytest.mark.parametrize("seed", range(4))
def test_whoever_logs_in_while_the_dc_is_restarted_waits_and_is_not_refused(play, seed):
    rolls = random.Random(seed)

    async def story(world: World) -> None:
        async def come_in(number: int) -> None:
            await asyncio.sleep(number * 0.05 + rolls.uniform(0.0, 0.05))
            player = await world.login(f"newcomer-{number}", rolls.choice(GATES))
            assert player.playing

        coming = [asyncio.create_task(come_in(number)) for number in range(80)]
        await asyncio.sleep(0.2)
        await upgrade(world, "dc.1")
        await asyncio.gather(*coming)

    play(story, ["dc.1"], seed)
