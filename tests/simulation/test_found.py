"""What courses have found: each a story of its own, so that it is told even when the seeds tell others."""

import asyncio

import pytest

from mesh.protocol.play import Loot, PlayDenied
from mesh.testing import Cluster, run, wait_until, with_cluster
from tests.test_transfers import LATENCY_S, PORTAL, homes, two_maps
from tests.world import ROLES, World, walk_to


@pytest.fixture
def play(tmp_path):
    def go(story):
        async def told(cluster: Cluster) -> None:
            cluster.network.latency_s = LATENCY_S
            await story(World(cluster))
            assert cluster.internal_errors() == []

        run(with_cluster(two_maps(tmp_path), ROLES, tmp_path / "data", told))

    return go


def test_a_departure_that_nobody_waits_for_any_more_takes_nobody_away(play):
    """The link to the center breaks while a departure waits for the DC, and is back before that answers: the center
    has heard that the character is still there, so it must not go afterwards."""

    async def story(world: World) -> None:
        anna = await world.login("anna")
        account = anna.session.session >> 24
        scene, center = world.node("scene.1"), world.node("center.1")
        walk = asyncio.create_task(walk_to(anna, *PORTAL))
        await wait_until(lambda: abs(anna.session.x - PORTAL[0]) < 400)
        world.cluster.network.pause(world.node("dc.1").name)
        await wait_until(lambda: scene.crossings.asked, every_s=0.001)
        await asyncio.sleep(0.1)
        walk.cancel()
        world.cluster.network.sever(scene.name, center.name)
        await asyncio.sleep(0.3)
        assert center.name in scene.switchboard.links.up
        world.cluster.network.pause(world.node("dc.1").name, False)
        await asyncio.sleep(3)
        assert homes(world, account) == [anna.session.entered.scene]
        denied = anna.play(Loot(7))
        await anna.wait(PlayDenied, where=lambda said: said.sequence == denied)

    play(story)
