"""`mesh lines`: which copies of the maps there are and how full they are, where on one of them its players are; opening
and closing them by hand."""

import asyncio
from typing import Literal

import msgspec
import rich_click as click

from mesh.protocol.control import Describe, Description, Done, Member
from mesh.protocol.placement import CELLS_MAX, LineRead, OrderLine, ReadLine
from mesh.topology import Topology, zone_in
from tools.ctl import clusters
from tools.ctl.asking import ask_one, gather_good
from tools.ctl.exits import CommandError, Exit
from tools.ctl.heat import grid, picture
from tools.ctl.meant import centers_meant, node_meant, one_zone
from tools.ctl.options import Environment, cluster_option, complete_node, json_option, zone_option
from tools.ctl.output import console, emit, emit_json, say, short, table

ANSWER_S = 3.0
MOVE_S = 60.0  # a line is closed when its players are elsewhere
NUMBER_MAX = 0xFFFF
CELLS = 32  # with their frame they fit into 80 columns
COLOURS = {"free": "green", "busy": "yellow", "full": "red"}


class LineRow(msgspec.Struct, frozen=True):
    """One line, as the center describes it and as --json prints it."""

    map: str
    line: int
    scene: str
    players: int
    soft: int
    max: int
    state: str
    zone: str = ""


@click.group(invoke_without_command=True)
@click.option("--map", "map_", default="", metavar="MAP", help="Only the lines of this map.")
@click.option("--line", "number", type=click.IntRange(1, NUMBER_MAX), metavar="N", help="Only those with this number.")
@click.option("--heat", is_flag=True, help="Draw one line from above: where its players are. With --json: how many.")
@click.option(
    "--cells", type=click.IntRange(1, CELLS_MAX), default=CELLS, show_default=True, help="Squares on each side of that."
)
@zone_option
@cluster_option
@json_option
@click.pass_context
def lines(
    ctx: click.Context,
    map_: str,
    number: int | None,
    heat: bool,
    cells: int,
    zone: str,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Show the lines of all maps, open or close one.

    A line is a copy of a map, on one scene; players on the same line can meet. Up to `soft` players it is preferred
    (free), from there on others are (busy), at `max` it is full; nobody is sent to lines of a scene that is draining
    or lost. The center opens further lines and closes empty ones by itself.

    Exit codes: 0, 2 --heat without saying of which line, 3 no such map, line, cluster or zone, 4 no center answers, or
    not the scene.
    """
    if ctx.invoked_subcommand is not None:
        return Exit.OK
    if heat and not map_:
        raise click.UsageError("--heat draws one line: say which with --map MAP --line N")
    topology = clusters.find(cluster, ctx.obj).load()
    rows = asyncio.run(find_lines(topology, zone))
    if map_:
        check_map(topology, map_, rows)
    rows = [row for row in rows if map_ in ("", row.map) and number in (None, row.line)]
    if heat:
        _draw_heat(topology, line_meant(rows, map_, number), cells, as_json)
    elif as_json:
        emit_json({"lines": rows})
    else:
        _draw(rows, len(topology.zones) > 1)
    return Exit.OK


@lines.command("open")
@click.argument("map_", metavar="MAP")
@click.option("--scene", default="", metavar="NODE", shell_complete=complete_node, help="Default: the least loaded.")
@zone_option
@cluster_option
@click.pass_obj
def open_(environment: Environment, map_: str, scene: str, zone: str, cluster: str | None) -> int:
    """Open a further line of MAP, with the lowest free number.

    Exit codes: 0, 1 the center refuses, 2 not a scene, or --zone is needed, 3 no such map, scene, zone or cluster, 4
    the center does not answer.
    """
    topology = clusters.find(cluster, environment).load()
    name = ""
    if scene:
        meant = node_meant(topology, scene)
        if meant.role != "scene":
            raise CommandError(f"{meant.short} is not a scene", Exit.USAGE)
        name, zone = meant.name, zone or meant.zone
    zone = one_zone(topology, zone)
    there = asyncio.run(find_lines(topology, zone))
    check_map(topology, _checked(map_), there)
    before = {(row.map, row.line, row.scene) for row in there}
    _order(topology, zone, "open", map_, 0, name)
    for row in asyncio.run(find_lines(topology, zone)):
        if row.map == map_ and (row.map, row.line, row.scene) not in before:
            say(f"mesh: {row.map}:{row.line} is open on {short(row.scene)}")
            return Exit.OK
    say(f"mesh: a further line of {map_} is open")
    return Exit.OK


@lines.command()
@click.argument("line", metavar="MAP:N")
@zone_option
@cluster_option
@click.pass_obj
def close(environment: Environment, line: str, zone: str, cluster: str | None) -> int:
    """Close a line; its players are moved to the others of its map.

    Exit codes: 0, 1 the center refuses, 2 not MAP:N, 3 no such line, zone or cluster, 4 the center does not answer.
    """
    map_, number = parse_line(line)
    topology = clusters.find(cluster, environment).load()
    _order(topology, one_zone(topology, zone), "close", map_, number, "")
    say(f"mesh: {map_}:{number} is closed")
    return Exit.OK


def line_meant(rows: list[LineRow], map_: str, number: int | None) -> LineRow:
    """The only one of these. CommandError when there is none, or what tells them apart."""
    if not rows:
        which = f"{map_}:{number}" if number else f"of {map_}"
        raise CommandError(f"there is no line {which}; `mesh lines` shows those that there are", Exit.NOT_FOUND)
    zones, numbers = sorted({row.zone for row in rows}), sorted({row.line for row in rows})
    if len(zones) > 1:
        raise CommandError(f"say in which zone: --zone {' or --zone '.join(zones)}", Exit.USAGE)
    if len(numbers) > 1:
        raise CommandError(f"say which line: --line {' or --line '.join(map(str, numbers))}", Exit.USAGE)
    return rows[0]


def _draw_heat(topology: Topology, row: LineRow, cells: int, as_json: bool) -> None:
    question = ReadLine(row.map, row.line, cells)
    said = asyncio.run(ask_one(topology, node_meant(topology, row.scene), question, LineRead, ANSWER_S))
    if as_json:
        counts = {"players": grid(said.player_counts, cells), "npcs": grid(said.npc_counts, cells)}
        where = {"zone": row.zone, "map": row.map, "line": row.line, "scene": row.scene, "size_m": said.size_m}
        figures = {"players": said.players, "npcs": said.npcs, "pressure": said.pressure}
        emit_json({**where, **figures, "cells": cells, "from_south_west": counts})
        return
    for text in picture(said):
        emit(text)
    busy = f"its ticks take {said.pressure:.0%} of their time"
    say(f"mesh: {row.map}:{row.line} on {short(row.scene)}: {said.players} players, {said.npcs} npcs; {busy}")


def check_map(topology: Topology, map_: str, there: list[LineRow]) -> None:
    """CommandError when neither the topology nor a line that is open has this map."""
    maps = sorted({*topology.settings.get("scene", {}).get("maps", {}), *(row.map for row in there)})
    if maps and map_ not in maps:  # none: all lines of the only map are closed, and the center knows better
        raise CommandError(f"there is no map {map_}; there {_are(maps)}", Exit.NOT_FOUND)


def _are(names: list[str]) -> str:
    return f"{'is' if len(names) == 1 else 'are'} {', '.join(names)}"


def parse_line(text: str) -> tuple[str, int]:
    """ "meadow:2" """
    map_, colon, number = text.rpartition(":")
    digits = number.isascii() and number.isdigit() and len(number) <= len(str(NUMBER_MAX))
    if not colon or not digits or not 1 <= int(number) <= NUMBER_MAX:
        raise CommandError(f"{text!r} is not a line; write MAP:N, such as meadow:2", Exit.USAGE)
    return _checked(map_), int(number)


def _checked(map_: str) -> str:
    if not 0 < len(map_) <= 64:
        raise CommandError(f"{map_!r} is not the name of a map", Exit.USAGE)
    return map_


def _order(topology: Topology, zone: str, do: Literal["open", "close"], map_: str, number: int, scene: str) -> None:
    question = OrderLine(do, map_, number, scene)
    asyncio.run(ask_one(topology, topology.center_of(zone), question, Done, MOVE_S))


async def find_lines(topology: Topology, zone: str) -> list[LineRow]:
    """Of the zones that are meant, in the order of zone, map and number."""
    centers = [node.name for node in centers_meant(topology, zone)]
    found: list[LineRow] = []
    for said in await gather_good(topology, centers, Describe(), Description, ANSWER_S, ", its lines are missing"):
        rows = msgspec.convert(said.facts.get("lines", []), list[LineRow])
        members = msgspec.convert(said.facts.get("members", []), list[Member])
        states = {member.name: str(member.state) for member in members}
        for row in rows:
            scene = states.get(row.scene, "Lost")
            shown = row.state if scene == "Ready" else scene.lower()
            found.append(msgspec.structs.replace(row, zone=zone_in(said.name), state=shown))
    order = topology.zones
    return sorted(found, key=lambda row: (order.index(row.zone), row.map, row.line, row.scene))


def _draw(rows: list[LineRow], several: bool) -> None:
    numbers = ("players", "soft", "max")
    drawn = table(*(["zone"] if several else []), "line", "scene", *numbers, "state", right=numbers)
    for row in rows:
        drawn.add_row(
            *([row.zone] if several else []), f"{row.map}:{row.line}", short(row.scene), str(row.players),
            str(row.soft), str(row.max), f"[{COLOURS.get(row.state, 'yellow')}]{row.state}[/]",
        )  # fmt: skip
    if rows:
        console().print(drawn)
    else:
        say("mesh: there are no lines")
