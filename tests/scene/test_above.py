"""A line from above: counts against positions, players in a rectangle, and what is refused."""

import random
from typing import Any

import msgspec
import numpy as np
import pytest

from mesh.errors import RefusedError, RemoteProtocolError
from mesh.protocol.catalogue import decoder, encode
from mesh.protocol.placement import CELLS_MAX, SEEN_MAX, LineRead, PlayerAt, PlayersRead, ReadLine, ReadPlayers
from nodes.scene.above import counts, within
from nodes.scene.world import Array, Kind, World
from tests.scene.zone import SCENE, Zone

UNITS, UNIT_M = 10_000, 0.02  # 200 m


def crowd(seed: int, number: int = 300) -> tuple[World, list[tuple[Kind, int, int]]]:
    """Entities all over a map, its corners included; some have left."""
    chance, world = random.Random(seed), World(0, UNITS, number + 8)
    there: list[tuple[Kind, int, int]] = []
    for n in range(number):
        kind = chance.choice([Kind.PLAYER, Kind.NPC, Kind.CORPSE])
        x, y = chance.randint(0, UNITS), chance.randint(0, UNITS)
        slot = world.add(kind, f"e{n}", x, y, hp=1, hp_max=1)
        if chance.random() < 0.2:
            world.remove(slot)
        else:
            there.append((kind, x, y))
    for x, y in ((0, 0), (UNITS, 0), (0, UNITS), (UNITS, UNITS)):
        world.add(Kind.PLAYER, "corner", x, y, hp=1, hp_max=1)
        there.append((Kind.PLAYER, x, y))
    return world, there


@pytest.mark.parametrize("cells", [1, 2, 7, 32, CELLS_MAX])
@pytest.mark.parametrize("kind", [Kind.PLAYER, Kind.NPC])
def test_everybody_is_counted_once_in_the_square_where_it_is(cells: int, kind: Kind) -> None:
    world, there = crowd(cells)
    found = counts(world, kind, cells)
    assert (found.shape, found.dtype) == ((cells, cells), np.dtype("<u2"))
    expected = np.zeros((cells, cells), np.int64)
    side = (UNITS + 1) / cells
    for one, x, y in there:
        if one == kind:
            expected[int(y / side), int(x / side)] += 1
    assert found.tolist() == expected.tolist()


def test_the_first_row_is_the_south_and_the_first_column_the_west() -> None:
    world = World(0, UNITS, 8)
    world.add(Kind.PLAYER, "north-west", 0, UNITS, hp=1, hp_max=1)
    assert counts(world, Kind.PLAYER, 2).tolist() == [[0, 0], [1, 0]]
    assert counts(World(0, UNITS, 8), Kind.PLAYER, 2).sum() == 0


@pytest.mark.parametrize("seed", range(5))
def test_who_is_in_a_rectangle_its_edges_included(seed: int) -> None:
    world, _ = crowd(seed)
    chance = random.Random(seed)
    west, east = sorted(chance.sample(range(UNITS), 2))
    south, north = sorted(chance.sample(range(UNITS), 2))
    world.add(Kind.PLAYER, "edge", west, north, hp=1, hp_max=1)
    found = within(world, UNIT_M, west * UNIT_M, south * UNIT_M, east * UNIT_M, north * UNIT_M)
    expected = [
        slot
        for slot in range(world.capacity)
        if world.kind[slot] == Kind.PLAYER and west <= world.x[slot] <= east and south <= world.y[slot] <= north
    ]
    assert found.tolist() == expected
    assert "edge" in [world.names[slot] for slot in found.tolist()]


def test_nowhere_is_nobody_and_everywhere_is_everybody() -> None:
    world, there = crowd(1)
    players = sum(kind == Kind.PLAYER for kind, _, _ in there)
    inf, nan = float("inf"), float("nan")
    assert len(within(world, UNIT_M, -inf, -inf, inf, inf)) == players
    assert len(within(world, UNIT_M, nan, nan, nan, nan)) == 0
    assert len(within(world, UNIT_M, 50.0, 50.0, 40.0, 40.0)) == 0


def grid(counted: bytes, cells: int) -> Array:
    return np.frombuffer(counted, "<u2").reshape(cells, cells)


def test_a_scene_shows_its_lines(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1, line=1, x=50.0, y=150.0, level=3)
        await zone.enter(2, line=1, x=190.0, y=10.0, hp=40)
        await zone.enter(3, line=2, x=190.0, y=10.0)
        said = await zone.center.ask(SCENE, ReadLine("meadow", 1, 2))
        assert isinstance(said, LineRead)
        assert (said.map, said.line, said.size_m, said.cells, said.players, said.npcs) == ("meadow", 1, 200.0, 2, 2, 0)
        assert grid(said.player_counts, 2).tolist() == [[0, 1], [1, 0]]
        assert grid(said.npc_counts, 2).sum() == 0
        assert said.pressure == zone.scene.ticker.pressure
        found = await zone.center.ask(SCENE, ReadPlayers("meadow", 1, 0.0, 100.0, 100.0, 200.0))
        assert found == PlayersRead([PlayerAt("p1", 3, 50.0, 150.0, 100, 120, "eu.one.gate.1")])
        found = await zone.center.ask(SCENE, ReadPlayers("meadow", 1, 100.0, 0.0, 200.0, 100.0))
        assert found == PlayersRead([PlayerAt("p2", 1, 190.0, 10.0, 40, 100, "")])
        found = await zone.center.ask(SCENE, ReadPlayers("meadow", 1, 0.0, 0.0, 200.0, 200.0, limit=1))
        assert isinstance(found, PlayersRead)
        assert ([one.name for one in found.players], found.more) == (["p1"], True)

    in_zone(story)


def test_a_line_of_another_scene_is_not_found(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        elsewhere = ReadPlayers("meadow", 9, 0.0, 0.0, 1.0, 1.0)
        for asked in (ReadLine("meadow", 3, 8), ReadLine("nowhere", 1, 8), elsewhere):
            with pytest.raises(RefusedError, match="not_found: this scene does not carry"):
                await zone.center.ask(SCENE, asked)

    in_zone(story)


def seen_in(world: World) -> dict[str, Any]:
    """All that it knows."""
    return {name: one.tolist() if isinstance(one, np.ndarray) else repr(one) for name, one in vars(world).items()}


def test_to_look_changes_nothing() -> None:
    """Also between somebody's leaving and the tick that tells of it."""
    world = World(0, UNITS, 8)
    for n in range(3):
        world.add(Kind.PLAYER, f"p{n}", 10 * n, 10 * n, hp=1, hp_max=1)
    world.remove(1)
    before = seen_in(world)
    assert counts(world, Kind.PLAYER, 4).sum() == 2
    assert within(world, UNIT_M, 0.0, 0.0, 200.0, 200.0).tolist() == [0, 2]
    assert seen_in(world) == before


@pytest.mark.parametrize(
    "asked",
    [
        ReadLine("meadow", 1, 0), ReadLine("meadow", 1, CELLS_MAX + 1), ReadLine("m" * 65, 1, 1),
        ReadPlayers("meadow", 1, 0.0, 0.0, 1.0, 1.0, 0), ReadPlayers("meadow", 1, 0.0, 0.0, 1.0, 1.0, SEEN_MAX + 1),
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_no_question(asked: msgspec.Struct) -> None:
    with pytest.raises(RemoteProtocolError):
        decoder([ReadLine, ReadPlayers])(encode(asked))


def test_the_largest_answer_is_bounded() -> None:
    body = bytes(2 * CELLS_MAX * CELLS_MAX)
    said = LineRead("meadow", 1, 200.0, CELLS_MAX, 0, 0, body, body, 0.0)
    assert len(encode(said)) < 70_000
    assert decoder([LineRead])(encode(said)) == said
