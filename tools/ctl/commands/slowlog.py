"""`mesh slowlog`: the messages of all nodes whose answers took long."""

import asyncio

import msgspec
import rich_click as click

from mesh.clock import SystemClock
from mesh.protocol.monitoring import ReadSlow, Slow, SlowRead
from mesh.topology import Topology
from tools.ctl import clusters, state
from tools.ctl.asking import gather
from tools.ctl.exits import Exit
from tools.ctl.meant import node_meant
from tools.ctl.options import Environment, cluster_option, complete_node, json_option
from tools.ctl.output import console, emit_json, say, short, table
from tools.ctl.when import parse_when, show_ms

ANSWER_S = 3.0
KEPT = 1000  # by each node


class SlowRow(msgspec.Struct, frozen=True):
    """One of them, as --json prints it."""

    wall_ms: int
    node: str
    message: str
    source: str
    took_ms: float
    trace: str  # "" when it was not traced


@click.command()
@click.argument("node", required=False, shell_complete=complete_node)
@click.option("--slowest", is_flag=True, help="The slowest ones instead of the latest.")
@click.option("--since", metavar="WHEN", help="10m, 2h, 3d (ago), 14:30, 2025-01-31 or 2025-01-31T14:30.")
@click.option("-n", "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, help="How many.")
@cluster_option
@json_option
@click.pass_obj
def slowlog(
    environment: Environment,
    node: str | None,
    slowest: bool,
    since: str | None,
    limit: int,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Show the messages whose answers took longer than 100 ms, the latest first; of all nodes, or of NODE.

    Each node keeps its last 1,000. Where there is a trace, `mesh trace id TRACE` shows all that was asked on the way.

    Exit codes: 0 also when there is none, 2 not a time, 3 no such node or cluster, 4 no node answers, 5 no answer.
    """
    since_ms = parse_when(since, SystemClock().wall()) if since is not None else 0
    topology = clusters.find(cluster, environment).load()
    names = [node_meant(topology, node).name] if node is not None else _running(topology)
    rows = asyncio.run(find_slow(topology, names, since_ms, slowest, limit))
    if as_json:
        emit_json({"slow": rows})
    elif rows:
        _draw(rows)
    else:
        say("mesh: nothing took longer than 100 ms")
    return Exit.OK


def _running(topology: Topology) -> list[str]:
    return [spec.name for spec in topology.nodes.values() if not state.has_ended(topology, spec.short)]


async def find_slow(topology: Topology, names: list[str], since_ms: int, slowest: bool, limit: int) -> list[SlowRow]:
    """Of these nodes. One that did not answer is said; when none did, its error is raised."""
    answers = await gather(topology, names, ReadSlow(0, KEPT), SlowRead, ANSWER_S)
    rows: list[SlowRow] = []
    for name, answer in answers.items():
        if isinstance(answer, SlowRead):
            rows += [_row(name, one) for one in answer.slow if one.wall_ms >= since_ms]
            continue
        say(f"mesh: {short(name)} did not answer: {answer}")
        if not any(isinstance(other, SlowRead) for other in answers.values()):
            raise answer
    rows.sort(key=lambda row: row.took_ms if slowest else row.wall_ms, reverse=True)
    return rows[:limit]


def _row(name: str, one: Slow) -> SlowRow:
    trace = f"{one.trace:x}" if one.trace else ""
    return SlowRow(one.wall_ms, short(name), one.message, short(one.source), round(one.took_ms, 1), trace)


def _draw(rows: list[SlowRow]) -> None:
    drawn = table("time", "node", "message", "from", "ms", "trace", right=("ms",), folds="message")
    is_one_day = len({show_ms(row.wall_ms)[:10] for row in rows}) == 1
    for row in rows:
        at = show_ms(row.wall_ms)[11 if is_one_day else 5 :]
        drawn.add_row(at, row.node, row.message, row.source, f"{row.took_ms:.0f}", row.trace)
    console().print(drawn, markup=False)
