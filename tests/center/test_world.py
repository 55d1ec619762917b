"""Lines with the real nodes: players switch them, are taken along when their scene is emptied, and notice little."""

import asyncio

import pytest

from mesh.errors import RefusedError
from mesh.protocol.control import Drain, Drained
from mesh.protocol.placement import FindPlayer, OrderLine, PlayerFound
from mesh.protocol.play import Loot, PlayDenied
from mesh.protocol.social import Lines, ListLines
from mesh.testing import run, wait_until, with_cluster
from mesh.topology import load
from tests.conftest import ZONE
from tests.world import ROLES, World

SETTINGS = """
[settings.center]
line_close_s = 20.0

[settings.scene.maps.meadow]
size_m = 60.0
npcs = 0
players_soft = 3
players_max = 4
"""


@pytest.fixture
def play(tmp_path):
    file = tmp_path / "zone.toml"
    file.write_text(ZONE + SETTINGS)
    topology = load(file, runtime=tmp_path / "run")

    def go(story):
        async def told(cluster) -> None:
            cluster.network.latency_s = (0.001, 0.003)
            await story(World(cluster))
            assert cluster.internal_errors() == []

        run(with_cluster(topology, ROLES, tmp_path / "data", told))

    return go


async def plays(player) -> None:
    """What it says is answered."""
    said = player.play(Loot(7))
    await player.wait(PlayDenied, where=lambda denied: denied.sequence == said)


def at(player) -> tuple[str, int]:
    return player.session.entered.scene.split(".", 2)[-1], player.session.entered.line


def test_a_scene_is_emptied_while_its_players_play(play):
    async def story(world: World) -> None:
        players = [await world.login(f"player-{n}") for n in range(6)]
        assert {at(player) for player in players} == {("scene.1", 1), ("scene.2", 2)}
        wires = [player._wire for player in players]
        gone = next(player for player in players if at(player) == ("scene.1", 1))
        gone.drop()
        await asyncio.sleep(1.5)
        drained = await world.operator.ask("scene.1", Drain(), 60.0)
        assert drained == Drained(3, 0, "")
        await gone.resume()
        await wait_until(lambda: all(at(player)[0] == "scene.2" for player in players))
        together = {at(player)[1] for player in players}
        assert together == {1, 2}, "the line has kept its number"
        for player, wire in zip(players, wires, strict=True):
            await plays(player)
            assert player is gone or player._wire is wire, "nobody had to connect again"
        assert world.node("scene.1").load().players == 0
        newcomer = await world.login("newcomer")
        assert at(newcomer)[0] == "scene.2"

    play(story)


def test_lines_open_are_switched_and_close(play):
    async def story(world: World) -> None:
        players = [await world.login(f"player-{n}") for n in range(6)]
        center = world.node("center.1")
        await wait_until(lambda: len(center.lines.all()) == 3, timeout_s=5)
        anna = players[0]
        entered = await anna.switch_line(3)
        assert (entered.line, entered.resumed) == (3, True)
        await plays(anna)
        anna.social(ListLines())
        said = await anna.wait(Lines)
        assert sum(line.players for line in said.lines) == 6
        with pytest.raises(RefusedError, match="too_many"):
            await anna.switch_line(2)
        await asyncio.sleep(3)
        with pytest.raises(RefusedError, match="not_found"):
            await anna.switch_line(9)
        await asyncio.sleep(3)
        await anna.switch_line(1)
        await plays(anna)
        for player in players[3:]:
            await player.logout()
        await wait_until(lambda: len(center.lines.all()) == 2, timeout_s=30)
        assert sum(len(world.node(scene).lines) for scene in ("scene.1", "scene.2")) == 2

    play(story)


def test_operators_close_a_line_and_find_its_players_elsewhere(play):
    async def story(world: World) -> None:
        players = [await world.login(f"player-{n}") for n in range(3)]
        await asyncio.sleep(1.5)
        await world.operator.ask("center.1", OrderLine("close", "meadow", 1), 30.0)
        for n, player in enumerate(players):
            await wait_until(lambda player=player: at(player) == ("scene.2", 2))
            await plays(player)
            found = await world.operator.ask("center.1", FindPlayer(f"player-{n}"))
            assert isinstance(found, PlayerFound)
            assert (found.stage, found.placement.line) == ("online", 2)

    play(story)


def test_what_is_said_on_the_way_is_answered_once_and_in_order(play):
    async def story(world: World) -> None:
        anna = await world.login("anna")
        answered: list[int] = []
        anna.on_event = lambda said: answered.append(said.sequence) if isinstance(said, PlayDenied) else None

        async def chatter() -> None:
            while True:
                anna.play(Loot(7))
                await asyncio.sleep(0.04)

        talking = asyncio.create_task(chatter())
        for line in (2, 1, 2, 1, 2):
            assert (await anna.switch_line(line)).line == line
            await asyncio.sleep(3)
        talking.cancel()
        await asyncio.sleep(1)
        assert answered == list(range(1, anna.session.sent + 1))

    play(story)
