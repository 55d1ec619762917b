"""A login node dies between the center's answer and its own: nobody is left in the world without knowing of it, and no
token is used up. The nodes are the real ones, with milliseconds of virtual time between them."""

import asyncio

import pytest

from mesh.errors import MeshError
from mesh.testing import Cluster, run, with_cluster
from tests.test_gate_death import LATENCY_S, TWO_GATES
from tests.world import ROLES, World, world_topology


def dies_at_the_center_s_answer(world: World) -> None:
    """The next login is the last thing that this login node has anything to do with."""

    def die(*_args, **_how):
        left = world.cluster.crash("login.1")
        asyncio.get_running_loop().create_task(left.abandon())
        raise RuntimeError("dead")

    world.node("login.1")._authenticated = die


def stages(world: World) -> list[str]:
    return [presence.stage for presence in world.node("center.1").directory.all()]


@pytest.fixture
def play(tmp_path):
    def go(story) -> None:
        async def told(cluster: Cluster) -> None:
            cluster.network.latency_s = LATENCY_S
            await story(World(cluster))

        run(with_cluster(world_topology(tmp_path, TWO_GATES), ROLES, tmp_path / "data", told, seed=1))

    return go


@pytest.mark.parametrize("away_s", [0.5, 20.0])
def test_a_resume_can_be_said_again(play, away_s):
    async def story(world):
        anna = await world.login("anna", "gate.1")
        dies_at_the_center_s_answer(world)
        anna.drop()
        with pytest.raises(MeshError):
            await anna.resume(timeout_s=3.0)
        await asyncio.sleep(away_s)
        await world.cluster.start("login.1")
        await anna.resume()
        assert anna.playing
        assert stages(world) == ["online"]

    play(story)


def test_a_login_leaves_nobody_in_the_world(play):
    async def story(world):
        anna = await world.login("anna", "gate.1")
        await anna.logout()
        dies_at_the_center_s_answer(world)
        with pytest.raises(MeshError):
            await world.login("anna", "gate.1")
        await world.cluster.start("login.1")
        await asyncio.sleep(1.0)
        assert stages(world) == ["linkdead"]
        await asyncio.sleep(120.0)
        assert stages(world) == []
        assert [len(world.node(name).sessions) for name in ("scene.1", "scene.2")] == [0, 0]

    play(story)
