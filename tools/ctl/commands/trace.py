"""`mesh trace`: one login through all nodes, drawn over time."""

import asyncio
from typing import Any

import rich_click as click

from mesh.protocol.control import ListTraces, Trace, Traces
from mesh.topology import Topology
from mesh.trace import duration_us
from tools.ctl import clusters, state
from tools.ctl.asking import gather_good
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import Environment, cluster_option, json_option
from tools.ctl.output import console, emit_json, say

ANSWER_S = 3.0
AFTERWORD = "Steps 8 (public broadcast) and 9 (log, saving) come while playing; `mesh events` shows what was logged."


@click.command()
@click.argument("player", required=False)
@click.option("--slowest", is_flag=True, help="The slowest logins instead of the latest.")
@click.option("--kind", type=click.Choice(["login", "resume"]), default=None, help="Only traces of this kind.")
@click.option("-n", "--limit", type=click.IntRange(1, 100), default=1, show_default=True, help="How many.")
@cluster_option
@json_option
@click.pass_obj
def trace(
    environment: Environment,
    player: str | None,
    slowest: bool,
    kind: str | None,
    limit: int,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Draw a login through all nodes: the time in each node and the time waiting, step by step.

    The latest login, or that of PLAYER. The gates keep the last 500 and the slowest.

    Exit codes: 0, 3 no such trace or cluster, 4 no gate answers.
    """
    topology = clusters.find(cluster, environment).load()
    found = asyncio.run(find_traces(topology, kind or "", player or "", "slowest" if slowest else "latest", limit))
    if not found:
        whom = f" of {player}" if player else ""
        raise CommandError(f"no {kind or 'login'}{whom} has been traced since the gates started", Exit.NOT_FOUND)
    if as_json:
        emit_json({"traces": [as_dict(one) for one in found]})
        return Exit.OK
    from tools.waterfall import bar_cells, render

    out = console()
    for one in found:
        out.print(render(one, bar_cells(out.width)))
    say(AFTERWORD)
    return Exit.OK


async def find_traces(topology: Topology, kind: str, subject: str, order: str, limit: int) -> list[Trace]:
    """From all gates, in the order asked for."""
    gates = [node.name for node in topology.of_role("gate") if not state.has_ended(topology, node.short)]
    question = ListTraces(kind, subject, "slowest" if order == "slowest" else "latest", limit)
    good = await gather_good(topology, gates, question, Traces, ANSWER_S)
    every = [one for answer in good for one in answer.traces]
    every.sort(key=duration_us if order == "slowest" else lambda one: one.started_wall_ms, reverse=True)
    return every[:limit]


def as_dict(one: Trace) -> dict[str, Any]:
    """With the hops' field names; times in microseconds on the clock of each machine."""
    return {
        "id": f"{one.id:x}",
        "subject": one.subject,
        "kind": one.kind,
        "started_wall_ms": one.started_wall_ms,
        "duration_us": duration_us(one),
        "hops": [{name: getattr(hop, name) for name in hop.__struct_fields__} for hop in one.hops],
    }
