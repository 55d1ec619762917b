"""`mesh drain NODE`."""

import asyncio

import rich_click as click

from mesh.clock import SystemClock
from mesh.topology import SINGLE
from tools.ctl import clusters
from tools.ctl.draining import TIMEOUT_S, contents, drain_and_show
from tools.ctl.exits import CommandError, Exit
from tools.ctl.meant import node_meant, only_one
from tools.ctl.options import Environment, cluster_option, complete_node, json_option
from tools.ctl.output import emit_json, say, span


@click.command()
@click.argument("node", shell_complete=complete_node)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(1, 3600),
    default=TIMEOUT_S,
    show_default=True,
    metavar="S",
    help="How long to wait, in seconds. The node goes on after that.",
)
@cluster_option
@json_option
@click.pass_obj
def drain(environment: Environment, node: str, timeout_s: float, cluster: str | None, as_json: bool) -> int:
    """Empty a node while players play: what it has goes to the other nodes of its role.

    A gate's clients move to other gates, a scene's lines to other scenes, a login finishes what it began, a log node
    seals its files. Nobody gives the node anything new from then on. It runs on, Draining, until it is stopped or
    `mesh restart NODE` makes it serve again; when it ends it is not started again. A zone has one center and one DC:
    they are restarted, not drained.

    Exit codes: 0 it is empty, 1 the node refuses, since no other one of its role is Ready, 2 it is a center or DC, 3 no
    such node or cluster, 4 something is left, or it does not answer, 5 not empty in time.
    """
    note = clusters.find(cluster, environment)
    topology = note.load()
    meant = node_meant(topology, node)
    if meant.role in SINGLE:
        why, instead = only_one(meant.role), f"which is restarted instead (`mesh restart {meant.short}`)"
        raise CommandError(f"{meant.short} cannot be drained: {why}, {instead}", Exit.USAGE)
    clock = SystemClock()
    begun = clock.now()
    done = asyncio.run(drain_and_show(topology, meant, timeout_s, clock))
    took_s = clock.now() - begun
    if as_json:
        emit_json({"node": meant.short, "moved": done.moved, "left": done.left, "seconds": round(took_s, 3)})
    else:
        moved = f": {contents(meant.role, done.moved)} moved in {span(took_s)}" if done.moved else ""
        how = "a restart" if note.kind == "outside" else f"`mesh restart {meant.short}`"
        say(f"mesh: {meant.short} is empty{moved}; {how} makes it serve again")
    return Exit.OK
