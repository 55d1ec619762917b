"""A line from above, for operators: how many are where, and who is in a rectangle.

Owns nothing and costs nothing while nobody asks; asked, it is a few array operations over the slots of the line. What
it says is of the moment, also in the middle between two ticks.
"""

import numpy as np

from mesh.errors import Code, RefusedError
from mesh.node import Caller, on
from mesh.protocol.placement import LineRead, PlayerAt, PlayersRead, ReadLine, ReadPlayers
from nodes.scene.line import Line
from nodes.scene.lines import Lines
from nodes.scene.ticker import Ticker
from nodes.scene.world import Array, Kind, World


class Above:
    """See the module."""

    def __init__(self, lines: Lines, ticker: Ticker) -> None:
        self._lines, self._ticker = lines, ticker

    @on(ReadLine)
    def on_read_line(self, said: ReadLine, _caller: Caller) -> LineRead:
        line = self._find(said.map, said.line)
        players, npcs = (counts(line.world, kind, said.cells) for kind in (Kind.PLAYER, Kind.NPC))
        return LineRead(
            line.name, line.number, line.map.size_m, said.cells, int(players.sum()), int(npcs.sum()),
            players.tobytes(), npcs.tobytes(), self._ticker.pressure,
        )  # fmt: skip

    @on(ReadPlayers)
    def on_read_players(self, said: ReadPlayers, _caller: Caller) -> PlayersRead:
        line = self._find(said.map, said.line)
        west, south, east, north = said.west_m, said.south_m, said.east_m, said.north_m
        slots = within(line.world, line.map.unit_m, west, south, east, north)
        return PlayersRead([player_at(line, slot) for slot in slots[: said.limit].tolist()], len(slots) > said.limit)

    def _find(self, map_: str, number: int) -> Line:
        line = self._lines.find(map_, number)
        if line is None:
            raise RefusedError(Code.NOT_FOUND, f"this scene does not carry {map_}:{number}")
        return line


def counts(world: World, kind: Kind, cells: int) -> Array:
    """u16[cells, cells]: how many of a kind are in each square of a grid over the map. The first row is the south, the
    first column the west; who is on the far edge is in the last one."""
    slots = np.flatnonzero(world.kind == kind)
    column, row = (axis[slots].astype(np.int64) * cells // (world.units + 1) for axis in (world.x, world.y))
    found: Array = np.bincount(row * cells + column, minlength=cells * cells).astype("<u2")
    return found.reshape(cells, cells)


def within(world: World, unit_m: float, west: float, south: float, east: float, north: float) -> Array:
    """The slots of the players in a rectangle, in metres. Whoever is on its edge is in it: positions are whole units,
    so half of one is no distance."""
    slots, half = np.flatnonzero(world.kind == Kind.PLAYER), unit_m / 2
    x, y = world.x[slots] * unit_m, world.y[slots] * unit_m
    there: Array = slots[(x >= west - half) & (x <= east + half) & (y >= south - half) & (y <= north + half)]
    return there


def player_at(line: Line, slot: int) -> PlayerAt:
    """The player in a slot."""
    world, unit, session = line.world, line.map.unit_m, line.players[slot]
    return PlayerAt(
        session.name, int(world.level[slot]), round(int(world.x[slot]) * unit, 3), round(int(world.y[slot]) * unit, 3),
        int(world.hp[slot]), int(world.hp_max[slot]), session.gate,
    )  # fmt: skip
