"""`mesh pressure`: how hard the nodes work and what they leave out; an operator's word on it."""

import asyncio
from typing import Any

import msgspec
import rich_click as click

from mesh.protocol.control import Describe, Description, Done, PinLevel
from mesh.topology import Topology
from mesh.topology.policy import AUTO, LEVELS_MAX, Level
from tools.ctl import clusters
from tools.ctl.asking import ask_one, gather_good
from tools.ctl.exits import CommandError, Exit
from tools.ctl.meant import node_meant
from tools.ctl.options import Environment, cluster_option, complete_node, json_option
from tools.ctl.output import console, emit_json, say, short, table

ANSWER_S = 3.0
SIGNALS = ("loop lag", "tick time", "queue delay", "send backlog")


class PressureRow(msgspec.Struct, frozen=True):
    """One node, as it describes itself and as --json prints it. `signals`: 1.0 is the limit."""

    node: str
    level: int
    name: str
    score: float
    reason: str
    pinned: bool
    signals: dict[str, float]


@click.command()
@click.argument("node", required=False, shell_complete=complete_node)
@click.option(
    "--level",
    metavar="N|auto",
    help="Have NODE work at this level of the policy until further notice; auto: as its pressure says.",
)
@cluster_option
@json_option
@click.pass_obj
def pressure(environment: Environment, node: str | None, level: str | None, cluster: str | None, as_json: bool) -> int:
    """Show how hard the nodes work and what they leave out, or set the level of one.

    Signals are 1.0 where a node is at its limit; the score is the greatest of them. Above 1.0 more is left out, well
    below it less. A level that was set by hand is marked with a * and stays until it is set to auto or the node ends.

    Exit codes: 0, 1 the node refuses, 2 not a level, 3 no such node or cluster, 4 no node answers.
    """
    topology = clusters.find(cluster, environment).load()
    meant = node_meant(topology, node) if node is not None else None
    if level is not None:
        if meant is None:
            raise CommandError("say which node: mesh pressure NODE --level N", Exit.USAGE)
        number = parse_level(level, topology.policy)
        asyncio.run(ask_one(topology, meant, PinLevel(number), Done, ANSWER_S))
        if not as_json:
            say(f"mesh: {meant.short} works {level_said(number, topology.policy)}")
            return Exit.OK
    names = [meant.name] if meant is not None else list(topology.nodes)
    rows = asyncio.run(find_pressure(topology, names))
    if as_json:
        emit_json({"policy": topology.policy, "nodes": rows})
    else:
        _draw(rows)
        if len(topology.policy) == 1:
            console().print("the policy is empty: nothing is left out, whatever the pressure")
    return Exit.OK


def level_said(number: int | None, policy: tuple[Level, ...]) -> str:
    """ "at 2 (crowded)" """
    if len(policy) == 1:
        return f"at 0 ({policy[0].name}) as always: the policy is empty"
    return "as its pressure says" if number is None else f"at {number} ({policy[number].name})"


def parse_level(text: str, policy: tuple[Level, ...]) -> int | None:
    """A number or a name of the policy, in any case; None for auto."""
    names = [level.name for level in policy]
    if text.casefold() == AUTO:
        return None
    folded = [name.casefold() for name in names]
    if text.casefold() in folded:
        return folded.index(text.casefold())
    if text.isascii() and text.isdigit() and int(text) < min(len(policy), LEVELS_MAX + 1):
        return int(text)
    known = ", ".join(f"{number} ({name})" for number, name in enumerate(names))
    raise CommandError(f"{text!r} is not a level; the policy has {known}, and there is auto", Exit.USAGE)


async def find_pressure(topology: Topology, names: list[str]) -> list[PressureRow]:
    """In the order of the topology."""
    said = await gather_good(topology, names, Describe(), Description, ANSWER_S)
    return [row_of(one.name, one.facts) for one in said]


def row_of(name: str, facts: dict[str, Any]) -> PressureRow:
    """A node of a version before this has nothing to say about it."""
    known = {"level": 0, "name": "", "score": 0.0, "reason": "", "pinned": False, "signals": {}}
    return msgspec.convert({"node": short(name)} | known | facts.get("pressure", {}), PressureRow)


def shown_level(level: int, name: str, pinned: bool) -> str:
    """For a table: "2 crowded", "2 crowded*" when somebody has set it."""
    return f"{level} {name}{'*' if pinned else ''}"


def _draw(rows: list[PressureRow]) -> None:
    drawn = table("node", "level", "score", *SIGNALS, "reason", right=("score", *SIGNALS))
    for row in rows:
        colour = "green" if not row.level else "yellow"
        cells = [f"{row.signals[name]:.2f}" if name in row.signals else "" for name in SIGNALS]
        level = f"[{colour}]{shown_level(row.level, row.name, row.pinned)}[/]"
        drawn.add_row(row.node, level, f"{row.score:.2f}", *cells, row.reason)
    console().print(drawn)
