"""What goes wrong while a scene is handed over: somebody goes on with it, and no player is left with a scene that plays
for nobody."""

import asyncio
import random
from dataclasses import replace

import pytest

from mesh.failpoints import Armed, Failpoints
from mesh.topology import load
from nodes.scene.estate import EstateError
from nodes.scene.node import SceneNode
from tests.conftest import ZONE
from tests.heirs import Restart, restart
from tests.test_rehoming import is_as_promised, walkers
from tests.test_scene_restart import play  # noqa: F401 - a fixture
from tests.world import World


def at(node: SceneNode, point: str, act) -> None:
    """When it is there, this happens, and the node goes on."""
    points = Failpoints({f"scene.handing-{point}": Armed("kill")}, lambda _name, _armed: act())
    node.seat = replace(node.seat, failpoints=points)


async def plays(node: SceneNode) -> bool:
    tick = node.ticker.tick
    await asyncio.sleep(1)
    return node.ticker.tick > tick and not node.handing.frozen


@pytest.mark.parametrize("late_s", [0.0, 0.01, 0.02])
def test_a_scene_whose_heir_dies_before_it_stands_still_plays_on(play, late_s):  # noqa: F811
    async def story(world: World) -> None:
        players = await walkers(world, 6)
        old, made = world.node("scene.1"), Restart(world.cluster, "scene.1")

        def kill() -> None:
            assert not old.handing.frozen
            made.kill_heir()

        at(old, "held", lambda: asyncio.get_running_loop().call_later(late_s, kill))
        assert not await made.done()
        await asyncio.sleep(3)
        assert await plays(old)
        await restart(world.cluster, "scene.1")
        await is_as_promised(world, players)

    play(story)


def test_what_is_heard_late_and_fails_keeps_nothing_else_back(play):  # noqa: F811
    async def story(world: World) -> None:
        node: SceneNode = world.node("scene.1")
        await walkers(world, 2)
        heard: list[int] = []

        def mistake() -> None:
            raise KeyError("of a peer that is gone")

        node.handing.stand_still()
        node.handing.later(mistake)
        node.handing.later(lambda: heard.append(1))
        node.handing.move_on()
        assert heard == [1]
        assert await plays(node)
        assert [line[1] for line in world.cluster.internal_errors()] == ["a handler failed"]
        world.cluster.log.lines.clear()

    play(story)


@pytest.mark.parametrize("point", ["held", "given"])
def test_an_old_process_that_answered_once_is_not_said_to_be_unheard(play, point):  # noqa: F811
    """Else its supervisor ends it, although it goes on."""

    async def story(world: World) -> None:
        players = await walkers(world, 4)
        old = world.node("scene.1")

        at(old, point, lambda: world.cluster.network.pause(old.name))
        heir = SceneNode(world.cluster.seat("scene.1"))
        with pytest.raises(EstateError, match="answers no more"):
            await heir.inherit()
        await heir.abandon()
        world.cluster.network.pause(old.name, False)
        await asyncio.sleep(20)
        await is_as_promised(world, players)

    play(story)


def test_a_gate_that_is_gone_while_the_scene_stands_still_has_no_players_after_it(play, tmp_path):  # noqa: F811
    """Not even when another process of it is linked before the heir plays."""
    file = tmp_path / "gates.toml"
    two_gates = ZONE.replace("scene.2", "gate.2")
    file.write_text(two_gates + "[settings.login]\nargon_memory_kib = 64\nargon_passes = 1\n")

    async def story(world: World) -> None:
        stays, goes = await world.login("anna", "gate.1"), await world.login("berta", "gate.2")
        account = goes.session.session >> 24

        async def anew() -> None:
            await world.cluster.kill("gate.2")
            await world.cluster.start("gate.2")

        made = Restart(world.cluster, "scene.1", 0.3)
        begun: list[asyncio.Task[None]] = []
        at(made.old, "given", lambda: begun.append(asyncio.ensure_future(anew())))
        assert await made.done()
        await made.heir.ready.wait()
        await asyncio.sleep(0.7)
        session = made.heir.sessions.of_account(account)
        assert session is not None
        assert session.gate == "", "nobody looks through its eyes"
        assert made.heir.sessions.of_account(stays.session.session >> 24).gate

    play(story, topology=load(file, runtime=tmp_path / "run"))


def test_a_slow_scene_is_handed_over_too(play, tmp_path):  # noqa: F811
    file = tmp_path / "slow.toml"
    file.write_text(ZONE + "[settings.login]\nargon_memory_kib = 64\nargon_passes = 1\n[settings.scene]\ntick_hz = 1\n")

    async def story(world: World) -> None:
        player = await world.login("anna")
        short = world.cluster.topology.nodes[player.session.entered.scene].short
        for _ in range(2):
            await restart(world.cluster, short)

    play(story, topology=load(file, runtime=tmp_path / "run"))


@pytest.mark.parametrize("seed", [13, 18, 29])
def test_whatever_becomes_of_the_links_of_a_gate_meanwhile(play, seed):  # noqa: F811
    """They break, or the gate stands still for as long as others wait for it: its players go on."""
    rolls = random.Random(seed)

    async def story(world: World) -> None:
        players = await walkers(world, 6)
        network, gate = world.cluster.network, world.node("gate.1").name
        made = Restart(world.cluster, "scene.1", rolls.choice((0.0, 0.0, 0.5, 1.5)))
        await asyncio.sleep(rolls.uniform(0.0, 0.2))
        if rolls.choice(("pause", "sever")) == "pause":
            network.pause(gate)
            wait_s = rolls.choice((0.1, 1.0, 2.0, 2.7, 3.5, 5.0))
            asyncio.get_running_loop().call_later(wait_s, network.pause, gate, False)
        else:
            for endpoint in [one for one in network.endpoints if one.name == gate]:
                endpoint.sever(made.old.name)
        await made.done()
        await asyncio.sleep(20)
        await is_as_promised(world, players)

    play(story, seed)
