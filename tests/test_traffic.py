"""A zone under pressure, from an operator's word or a loop that is late to what a player notices, and back."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mesh.errors import RefusedError
from mesh.metrics import page
from mesh.protocol.client import Waiting
from mesh.protocol.control import Describe, Description, Done, PinLevel
from mesh.protocol.play import Emoted, Quality
from mesh.testing import Cluster, run, wait_until, with_cluster
from mesh.topology.policy import DEFAULT
from tests.conftest import ZONE
from tests.world import ROLES, World, walk_to, world_topology

Story = Callable[[World], Awaitable[None]]
SLOW = len(DEFAULT) - 2  # dilation 0.6
TOP = len(DEFAULT) - 1


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Story], None]:
    """Run a story in a zone of seven nodes; a mistake of ours in any node fails it."""

    def go(story: Story) -> None:
        async def told(cluster: Cluster) -> None:
            await story(World(cluster))
            assert cluster.internal_errors() == []

        run(with_cluster(world_topology(tmp_path, ZONE), ROLES, tmp_path / "data", told))

    return go


async def pin(world: World, node: str, level: int | None) -> None:
    assert isinstance(await world.operator.ask(node, PinLevel(level)), Done)


def levels(world: World) -> dict[str, int]:
    return {short: node.pressure.number for short, node in world.cluster.nodes.items()}


def steps(world: World, text: str) -> list[dict[str, object]]:
    return [fields for _, said, fields in world.cluster.log.lines if said == text]


class Busy:
    """The whole machine is: all clocks go on while nobody gets to run."""

    def __init__(self, world: World, late_s: float) -> None:
        self._world, self._late_s = world, late_s

    async def __aenter__(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            self._world.cluster.clock.advance(self._late_s)


def test_an_operators_level_is_everywhere_and_goes_again(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        anna = await world.login("anna")
        short = anna.session.entered.scene.removeprefix("eu.one.")
        await pin(world, short, SLOW)
        said = await anna.wait(Quality)
        assert (said.level, said.name, said.dilation) == (SLOW, "slow", 0.6)
        assert anna.session.dilation == 0.6
        scene, center = world.node(short), world.node("center.1")
        await wait_until(lambda: center.roster.members[scene.name].load.level == SLOW, timeout_s=3)
        assert all(world.node(n).pressure.of(scene.name) == SLOW for n in ("gate.1", "dc.1", "log.1", "center.1"))
        told = await world.operator.ask(short, Describe())
        assert isinstance(told, Description)
        assert told.load.level == SLOW
        assert told.facts["pressure"] | {"signals": 0, "score": 0} == {
            "level": SLOW, "name": "slow", "reason": "operator", "pinned": True, "signals": 0, "score": 0,
        }  # fmt: skip
        assert "tick time" in told.facts["pressure"]["signals"]
        text = page([scene.metrics]).decode()
        for line in ("mesh_level{", "mesh_pressure{", "mesh_level_changes_total{", "scene_dilation{"):
            assert line in text
        assert [fields["level"] for fields in steps(world, "more is left out")] == [SLOW]
        await pin(world, short, None)
        back = await anna.wait(Quality, where=lambda one: one.level == 0)
        assert (back.name, back.dilation) == ("full", 1.0)
        assert anna.session.quality is None
        downs = steps(world, "less is left out")
        assert [(fields["before"], fields["level"]) for fields in downs] == [
            (level, level - 1) for level in range(SLOW, 0, -1)
        ]
        assert {fields["reason"] for fields in downs} == {"the pressure has fallen"}
        assert {level for level, said, _ in world.cluster.log.lines if said == "less is left out"} == {"info"}
        await wait_until(lambda: center.pressure.of(scene.name) == 0)

    play(story)


def test_a_level_that_there_is_not_is_refused(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        with pytest.raises(RefusedError, match="there is no level 9; the policy has 0 full, 1 busy"):
            await world.operator.ask("gate.1", PinLevel(9))

    play(story)


def test_a_node_that_restarts_hears_the_levels_and_is_at_none(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        await pin(world, "scene.1", 2)
        await pin(world, "gate.1", 3)
        for short in ("center.1", "gate.1"):
            await world.cluster.kill(short)
            await world.cluster.start(short)
            await wait_until(lambda short=short: world.node(short).pressure.of("eu.one.scene.1") == 2)
        scene = world.node("scene.1")
        assert scene.pressure.of("eu.one.gate.1") == 0
        assert scene.degradation.gates == {}

    play(story)


def test_loops_that_are_late_bring_all_levels_and_time_that_is_not_takes_them_back(
    play: Callable[[Story], None],
) -> None:
    async def story(world: World) -> None:
        anna = await world.login("anna")
        async with Busy(world, 0.1):
            await wait_until(lambda: set(levels(world).values()) == {TOP}, timeout_s=20)
        assert all(fields["reason"] == "loop lag" for fields in steps(world, "more is left out"))
        assert all(fields["loop_lag"] > 1 for fields in steps(world, "more is left out"))
        quiet = world.cluster.clock.now()
        await wait_until(lambda: set(levels(world).values()) == {0}, timeout_s=20)
        assert world.cluster.clock.now() - quiet <= 10.0
        assert anna.playing, "and nobody was thrown out"
        for node in world.cluster.nodes.values():
            assert node.pressure.core.changes == {"up": TOP, "down": TOP}

    play(story)


def test_a_machine_that_slept_for_a_minute_was_not_busy(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        await world.login("anna")
        await asyncio.sleep(5)
        world.cluster.clock.advance(60.0)
        await asyncio.sleep(20)
        assert set(levels(world).values()) == {0}
        assert steps(world, "more is left out") == []
        assert all(node.pressure.core.pauses == 1 for node in world.cluster.nodes.values())

    play(story)


def test_a_new_player_waits_and_comes_in_when_the_pressure_is_gone(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        anna = await world.login("anna")
        for short in ("scene.1", "scene.2"):
            await pin(world, short, 3)
        await wait_until(lambda: len(world.node("center.1").keeper.shut()) == 2)
        waits: list[Waiting] = []
        coming = asyncio.get_running_loop().create_task(
            world.login("bert", timeout_s=120.0, on_event=lambda said: waits.append(said))
        )
        await asyncio.sleep(10)
        assert [type(said) for said in waits] == [Waiting]
        anna.drop()
        await asyncio.sleep(1)
        await anna.resume()
        assert anna.session.quality is not None
        assert not coming.done()
        told = await world.operator.ask("center.1", Describe())
        assert told.facts["queued"] == 1
        await pin(world, "scene.2", 0)
        bert = await coming
        assert bert.session.entered.scene == "eu.one.scene.2"

    play(story)


def test_a_client_says_its_place_as_often_as_it_may_and_the_last_one_in_any_case(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        anna = await world.login("anna")
        short = anna.session.entered.scene.removeprefix("eu.one.")
        gate, scene = world.node("gate.1"), world.node(short)
        sent: list[bytes] = []
        wire = anna._wire
        assert wire is not None
        send = wire.send
        wire.send = lambda frame: (sent.append(frame), send(frame))[1]  # type: ignore[method-assign, func-returns-value]
        x, y = anna.session.x, anna.session.y
        await pin(world, short, 3)
        many = 3.0 * (await anna.wait(Quality)).moves_hz
        for step in range(1, 31):
            anna.move(x + step, y)
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        assert many < 15
        assert many - 3 <= len(sent) <= many + 2, "and not ten times a second"
        session = next(iter(scene.sessions))
        assert int(scene.lines.of(session).world.x[session.slot]) == x + 30
        assert gate.clients

    play(story)


def test_with_an_empty_policy_no_node_is_held_at_a_level(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        world = World(cluster)
        await pin(world, "scene.1", 0)
        told = (await world.operator.ask("scene.1", Describe())).facts["pressure"]
        assert (told["level"], told["name"], told["pinned"], told["reason"]) == (0, "full", False, "")
        with pytest.raises(RefusedError, match="there is no level 1; the policy has 0 full"):
            await pin(world, "scene.1", 1)

    topology = world_topology(tmp_path, "policy = []\n" + ZONE)
    run(with_cluster(topology, ROLES, tmp_path / "data", story))


def test_an_order_is_no_reason_once_the_level_falls_by_itself(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        await pin(world, "scene.1", 3)
        node = world.node("scene.1")
        assert node.pressure.why == "operator"
        await pin(world, "scene.1", None)
        await wait_until(lambda: node.pressure.number == 2)
        assert node.pressure.why == ""

    play(story)


def test_emotes_are_left_out_and_fights_are_not(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        anna, bert = await world.together("anna", "bert")
        short = anna.session.entered.scene.removeprefix("eu.one.")
        anna.emote("wave")
        assert (await bert.wait(Emoted)).kind == "wave"
        await pin(world, short, TOP)
        await bert.wait(Quality)
        anna.emote("dance")
        await walk_to(bert, anna.session.x, anna.session.y, steps_max=20)
        before = bert.session.received
        for _ in range(3):
            anna.attack(bert.session.entered.you.entity)
            await asyncio.sleep(4.0)  # a second of the game at its slowest
        assert bert.session.received == before + 3, "every blow"
        assert world.node(short).lines.total("emotes dropped") == 1

    play(story)
