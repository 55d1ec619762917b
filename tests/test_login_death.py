"""Logins whose answer nobody hears: a login node dies or hangs behind the center's, a gate or a connection ends before.

Nobody is left in the world, or in the queue, without a connection; no token is used up; whoever tries again comes in.
The nodes are the real ones, with milliseconds of virtual time between them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mesh.errors import MeshError, RefusedError
from mesh.protocol.control import Drain
from mesh.testing import Cluster, run, wait_until, with_cluster
from tests.conftest import ZONE
from tests.test_gate_death import LATENCY_S, TWO_GATES, hang
from tests.world import ROLES, World, world_topology

Story = Callable[[World], Awaitable[None]]


@pytest.fixture
def play(tmp_path):
    def go(story: Story, zone: str = TWO_GATES, **center: int) -> None:
        async def told(cluster: Cluster) -> None:
            cluster.network.latency_s = LATENCY_S
            await story(World(cluster))

        topology = world_topology(tmp_path, zone)
        topology.settings["center"].update(center)
        run(with_cluster(topology, ROLES, tmp_path / "data", told, seed=1))

    return go


def stages(world: World) -> list[str]:
    return [presence.stage for presence in world.node("center.1").directory.all()]


def crash(world: World, short: str) -> None:
    left = world.cluster.crash(short)
    asyncio.get_running_loop().create_task(left.abandon())


def at_the_center_s_answer(world: World, happens: Callable[[], object]) -> None:
    """When the next login has come so far."""
    login = world.node("login.1")
    usual = login._authenticated

    def authenticated(*args: Any, **how: Any) -> Any:
        login._authenticated = usual
        happens()
        return usual(*args, **how)

    login._authenticated = authenticated


def dies_at_the_center_s_answer(world: World) -> None:
    """The next login is the last thing that this login node has anything to do with."""

    def die() -> None:
        crash(world, "login.1")
        raise RuntimeError("dead")

    at_the_center_s_answer(world, die)


def is_slow(world: World, how: str, seconds: float) -> None:
    """The login node waits behind the center's next answer."""
    login = world.node("login.1")
    usual = getattr(login, how)

    async def slow(*args: Any) -> Any:
        setattr(login, how, usual)
        answer = await usual(*args)
        await asyncio.sleep(seconds)
        return answer

    setattr(login, how, slow)


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


@pytest.mark.parametrize("at_s", [0.0, 2.0, 4.0, 6.0, 8.0])
def test_a_login_node_that_hangs_uses_up_no_token_whenever_the_center_compares_its_gates(play, at_s):
    async def story(world):
        anna = await world.login("anna", "gate.1")
        await asyncio.sleep(at_s)
        is_slow(world, "_resume", 1000.0)
        anna.drop()

        def again() -> bytes:
            assert anna.session.disconnected()
            return anna.session.resume()

        with pytest.raises(MeshError, match="unavailable"):
            await anna._get_in(world.url("gate.1"), again, 15.0)  # it waits for the gate's answer
        await asyncio.sleep(5.0)
        await anna.resume()
        assert anna.playing

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


@pytest.mark.parametrize("away_s", [0.5, 20.0])
def test_a_client_whose_connection_breaks_before_the_answer_can_come_back(play, away_s):
    async def story(world):
        anna = await world.login("anna", "gate.1")
        anna.drop()
        await asyncio.sleep(1.0)
        at_the_center_s_answer(world, anna.drop)
        with pytest.raises(MeshError):
            await anna.resume(world.url("gate.1"), timeout_s=3.0)
        await asyncio.sleep(away_s)
        assert stages(world) == ["linkdead"]
        await anna.resume()
        assert anna.playing

    play(story)


def test_a_client_that_gives_up_a_slow_resume_can_resume_elsewhere(play):
    async def story(world):
        anna = await world.login("anna", "gate.1")
        anna.drop()
        await asyncio.sleep(1.0)
        is_slow(world, "_resume", 6.0)
        await anna.resume(timeout_s=3.0)  # the second gate is tried when the first does not answer
        assert anna.playing
        await asyncio.sleep(10.0)
        assert anna.playing
        assert stages(world) == ["online"]

    play(story)


@pytest.mark.parametrize("how", ["login dies", "gate dies", "login hangs"])
def test_a_client_between_two_gates_whose_second_login_is_not_answered_can_come_back(play, how):
    async def story(world):
        anna = await world.login("anna", "gate.1")
        if how == "login dies":
            dies_at_the_center_s_answer(world)
        elif how == "login hangs":
            is_slow(world, "_resume", 60.0)
        else:
            at_the_center_s_answer(world, lambda: crash(world, "gate.2"))
        drained = asyncio.ensure_future(world.node("gate.1").on_drain(Drain(), None))
        await asyncio.sleep(2.0)
        if how != "login hangs":
            await world.cluster.start("login.1" if how == "login dies" else "gate.2")
        await asyncio.sleep(12.0 if how == "login hangs" else 5.0)
        if not anna.connected:
            await anna.resume()
        assert anna.playing
        assert stages(world) == ["online"]
        drained.cancel()

    play(story)


def test_nobody_is_in_the_world_by_a_gate_that_died_while_it_came_in(play):
    async def story(world):
        login = world.node("login.1")
        usual = login._open_session

        async def late(*args: Any) -> Any:
            crash(world, "gate.1")
            await asyncio.sleep(1.0)
            return await usual(*args)

        login._open_session = late
        with pytest.raises(MeshError):
            await world.login("anna", "gate.1")
        await asyncio.sleep(3.0)
        assert stages(world) == ["linkdead"]
        await asyncio.sleep(120.0)
        assert stages(world) == []

    play(story)


def test_a_place_of_the_center_before_is_not_given_back_to_the_next_one(play):
    """Its login node was slow; the next center has given the same number to somebody else at the same gate."""

    async def story(world):
        owner = await world.login("owner")
        is_slow(world, "_open_session", 9.0)
        anna = asyncio.ensure_future(world.login("anna", timeout_s=30.0))
        await asyncio.sleep(0.5)
        assert len(world.node("center.1").queue) == 1
        await world.cluster.kill("center.1")
        await world.cluster.start("center.1")
        await asyncio.sleep(5.0)
        bob = asyncio.ensure_future(world.login("bob", timeout_s=60.0))
        await asyncio.sleep(6.5)
        assert isinstance(anna.exception(), MeshError)
        assert len(world.node("center.1").queue) == 1
        await owner.logout()
        assert (await bob).playing

    play(story, ZONE, capacity=1)


def test_a_place_that_was_lost_with_the_link_is_not_waited_on_for_ever(play):
    """The link between the center and the gate breaks and is back, while the login node has the answer."""

    async def story(world):
        bob = await world.login("bob", "gate.2")
        is_slow(world, "_open_session", 2.0)
        waiting = asyncio.ensure_future(world.login("anna", "gate.1", timeout_s=300.0))
        center, gate = world.node("center.1"), world.node("gate.1")
        await wait_until(lambda: len(center.queue) == 1)
        world.cluster.network.sever(center.name, gate.name)
        await wait_until(lambda: len(center.queue) == 0)
        await wait_until(lambda: gate.name in center.switchboard.links.up)
        await asyncio.sleep(4.0)
        assert isinstance(waiting.exception(), RefusedError)
        assert center.queue.held == 1
        await bob.logout()
        assert (await world.login("anna", "gate.1")).playing

    play(story, capacity=1)


def test_whose_turn_it_is_when_the_center_dies_keeps_the_first_place(play):
    async def story(world):
        bob = await world.login("bob", "gate.2")
        waiting = []
        for name in ("anna", "cleo"):
            waiting.append(asyncio.ensure_future(world.login(name, "gate.1", timeout_s=300.0)))
            await asyncio.sleep(1.0)
        center = world.node("center.1")
        assert len(center.queue) == 2
        usual = center.arrivals._enter

        async def slow(self: Any, *args: Any) -> Any:
            await asyncio.sleep(4.0)
            return await usual(*args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(center.arrivals), "_enter", slow)
            await bob.logout()
            await wait_until(lambda: len(center.queue) == 1)
            await asyncio.sleep(2.5)
            await world.cluster.kill("center.1")
        await world.cluster.start("center.1")
        for one in waiting:
            with pytest.raises(MeshError):
                await one
        queue = world.node("center.1").queue
        order = sorted(queue._held, key=lambda account: queue._held[account].order)
        accounts = [(await world.node("login.1")._find(name)).account for name in ("anna", "cleo")]
        assert order == accounts

    play(story, capacity=1)


def test_a_client_whose_second_gate_hangs_in_a_drain_can_come_back(play):
    async def story(world):
        hung, is_hung = world.url("gate.2"), []

        async def dial(url, on_frame, on_closed):
            if url != hung:
                return await world.dial(url, on_frame, on_closed)
            if is_hung:
                await asyncio.sleep(1000)  # the kernel takes the connection, and nobody answers
            return await world.dial(
                url,
                lambda frame: None if is_hung else on_frame(frame),  # a stopped process says nothing, and ends nothing
                lambda reason: None if is_hung else on_closed(reason),
            )

        anna = await world.login("anna", "gate.1")
        anna._dial = dial
        await asyncio.sleep(1.0)
        at_the_center_s_answer(world, lambda: is_hung.append(hang(world, "gate.2")))
        drained = asyncio.ensure_future(world.node("gate.1").on_drain(Drain(), None))
        for _ in range(30):
            await asyncio.sleep(1.0)
            if is_hung and not anna.connected:
                await anna.resume()
        assert is_hung
        assert anna.playing
        assert stages(world) == ["online"]
        drained.cancel()

    play(story, TWO_GATES + '[[process]]\nnodes = ["gate.3"]\n')
