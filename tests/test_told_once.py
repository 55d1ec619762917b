"""What the new scene tells a player whose scene was lost is told once, though the player says nothing to it."""

import asyncio

import pytest

from mesh.protocol.control import Drain
from mesh.protocol.play import Entered, Hit
from mesh.testing import Cluster, run, wait_until, with_cluster
from tests.test_gate_death import LATENCY_S, TWO_GATES
from tests.world import ROLES, World, world_topology


@pytest.mark.parametrize("how", ["resume", "drain"])
def test_after_the_loss_of_a_scene_and_another_gate(tmp_path, how):
    async def told(cluster: Cluster) -> None:
        cluster.network.latency_s = LATENCY_S
        world = World(cluster)
        heard = []
        anna = await world.login("anna", "gate.1", on_event=heard.append)
        await asyncio.sleep(3.0)
        lost = anna.session.entered.scene.split(".", 2)[2]
        await cluster.kill(lost)
        await wait_until(lambda: any(isinstance(one, Entered) and one.anew for one in heard), timeout_s=20)
        scene = world.node("scene.2" if lost == "scene.1" else "scene.1")
        scene.out.event(scene.sessions.find(anna.session.session), Hit(1, 2, 3, 4), scene.clock.now())
        await asyncio.sleep(1.0)
        anna.move(anna.session.x + 1, anna.session.y)
        await asyncio.sleep(1.0)
        if how == "resume":
            anna.drop()
            await anna.resume(world.url("gate.2"))
        else:
            drained = asyncio.ensure_future(world.node("gate.1").on_drain(Drain(), None))
            await wait_until(lambda: anna.url == world.url("gate.2"))
            drained.cancel()
        await asyncio.sleep(2.0)
        assert anna.playing
        assert sum(isinstance(one, Hit) for one in heard) == 1

    run(with_cluster(world_topology(tmp_path, TWO_GATES), ROLES, tmp_path / "data", told, seed=1))
