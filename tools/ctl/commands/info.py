"""`mesh info`: everything about one node on one screen."""

import asyncio
from typing import Any

import msgspec
import rich_click as click

from mesh.clock import SystemClock
from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.monitoring import Line, LinesRead, ReadLines
from mesh.topology import NodeSpec, Topology
from tools.ctl import clusters
from tools.ctl.asking import expect
from tools.ctl.exits import Exit
from tools.ctl.meant import node_meant
from tools.ctl.options import Environment, cluster_option, complete_node, json_option
from tools.ctl.output import console, emit_json
from tools.ctl.snapshot.inspection import NodeInfo, inspect
from tools.ctl.snapshot.taking import take

ANSWER_S = 3.0
SECONDS = 1.0
LINES_KEPT = 5000  # more than a process keeps
WIDTH_MAX = 120  # also where there is no terminal


@click.command()
@click.argument("node", shell_complete=complete_node)
@click.option(
    "-t",
    "--time",
    "seconds",
    type=click.FloatRange(0.2, 300.0),
    default=SECONDS,
    show_default=True,
    metavar="S",
    help="Over how many seconds rates and times are measured.",
)
@cluster_option
@json_option
@click.pass_obj
def info(environment: Environment, node: str, seconds: float, cluster: str | None, as_json: bool) -> int:
    """Show everything about one node: pressure, process, messages, the figures of its role, links, settings, warnings.

    Rates and times are of the last second (--time); the messages are the busiest and the slowest of that second.
    Settings are those that the topology says.

    Exit codes: 0, 3 no such node or cluster, 4 it does not answer; then there is what its supervisor knows.
    """
    note = clusters.find(cluster, environment)
    topology = note.load()
    found = asyncio.run(look(topology, note.label, node_meant(topology, node), seconds))
    if as_json:
        emit_json(as_dict(found))
    else:
        from tools.ctl.snapshot.info_page import page

        out = console()
        for line in page(found, min(out.width, WIDTH_MAX)):
            out.print(line)
    return Exit.OK if found.answers else Exit.UNHEALTHY


async def look(topology: Topology, label: str, spec: NodeSpec, seconds: float) -> NodeInfo:
    """Of a node, whether it answers or not."""
    async with Operator(topology) as operator:
        snapshot = await take(topology, label, operator, SystemClock(), seconds, [spec.name])
        lines = await read_lines(operator, spec.name) if snapshot.answering else []
    return inspect(snapshot, snapshot.nodes[0], lines)


async def read_lines(operator: Operator, name: str) -> list[Line]:
    """What its process has logged lately; nothing when it does not say."""
    try:
        return expect(await operator.ask(name, ReadLines(0, LINES_KEPT), ANSWER_S), LinesRead).lines
    except MeshError:
        return []


def as_dict(found: NodeInfo) -> dict[str, Any]:
    """For --json; traces as they are written elsewhere."""
    shown: dict[str, Any] = msgspec.structs.asdict(found)
    shown["warnings"] = [
        {
            "wall_ms": line.wall_ms,
            "level": line.level,
            "text": line.text,
            "fields": line.fields,
            "trace": f"{line.trace:x}" if line.trace else "",
        }
        for line in found.warnings
    ]
    return shown
