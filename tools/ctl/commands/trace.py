"""`mesh trace`: one login, or another request, through all nodes, drawn over time."""

import asyncio
from typing import Any, Literal

import rich_click as click

from mesh.protocol.control import ListTraces, Trace, Traces
from mesh.topology import Topology
from mesh.trace import OK, duration_us
from tools.ctl import clusters, state
from tools.ctl.asking import gather_good
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import Environment, cluster_option, json_option
from tools.ctl.output import console, emit_json, say

ANSWER_S = 3.0
AFTERWORD = "Steps 8 (public broadcast) and 9 (log, saving) come while playing; `mesh events` shows what was logged."
KINDS = ("login", "resume", "act")
ENTRANCE = ("login", "resume", "admit")
"""What is meant by a login when nobody says which kind: also with a token, and out of the queue."""
TRACES_MAX = 1000  # more than a node keeps
METAVAR = "[PLAYER | player NAME | slowest [KIND] | failed [KIND] | id ID]"

Order = Literal["latest", "slowest", "failed"]


@click.command()
@click.argument("words", nargs=-1, metavar=METAVAR)
@click.option("--slowest", is_flag=True, help="The slowest logins instead of the latest.")
@click.option("--kind", type=click.Choice(KINDS), default=None, help="Only traces of this kind.")
@click.option("-n", "--limit", type=click.IntRange(1, 100), default=1, show_default=True, help="How many.")
@cluster_option
@json_option
@click.pass_obj
def trace(
    environment: Environment,
    words: tuple[str, ...],
    slowest: bool,
    kind: str | None,
    limit: int,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Draw a login through all nodes: the time in each node and the time waiting, step by step.

    The latest login, or that of PLAYER. `player NAME` is the same, also for a player who is called "slowest". `slowest`
    and `failed` show those of all kinds, or of one: login, resume, act. Each node keeps the last 500 traces that began
    at it, the slowest 50 of each kind and the last 100 that failed.

    `id ID` shows one trace together with what was logged in it: lines of the ops log and events of the behaviour log.
    `mesh slowlog` has such ids, and so do lines of the log (trace=...).

    Exit codes: 0, 2 not a kind or an id, 3 no such trace or cluster, 4 no gate answers.
    """
    if words[:1] == ("id",):
        from tools.ctl.commands.trace_whole import parse_id, show_whole

        number = parse_id(" ".join(words[1:]))
        return show_whole(clusters.find(cluster, environment).load(), number, as_json)
    subject, order, kinds = meant(words, slowest, kind)
    topology = clusters.find(cluster, environment).load()
    found = asyncio.run(find_traces(topology, kinds, subject, order, limit))
    if not found:
        raise CommandError(_none(subject, order, kinds), Exit.NOT_FOUND)
    if as_json:
        emit_json({"traces": [as_dict(one) for one in found]})
        return Exit.OK
    from tools.waterfall import bar_cells, render

    out = console()
    for one in found:
        out.print(render(one, bar_cells(out.width)))
        if one.result != OK:
            out.print(f"it ended with {one.result}", style="red", markup=False)
    if any(one.kind in ENTRANCE for one in found):
        say(AFTERWORD)
    return Exit.OK


def meant(words: tuple[str, ...], slowest: bool, kind: str | None) -> tuple[str, Order, tuple[str, ...]]:
    """Whose traces, in which order, of which kinds (none: of all)."""
    what, which = [*words, "", ""][:2]
    if len(words) > 2 or (which and what not in ("player", "slowest", "failed")):
        raise CommandError(f"one player, or one of these: mesh trace {METAVAR}", Exit.USAGE)
    if what == "player" and not which:
        raise CommandError("say whose: mesh trace player NAME", Exit.USAGE)
    if what in ("slowest", "failed"):
        if which and which not in KINDS:
            text = f"{which!r} is not a kind of trace; there are {', '.join(KINDS)}"
            raise CommandError(f"{text}. For a player of that name: mesh trace player {what}", Exit.USAGE)
        chosen = which or kind
        return "", "slowest" if what == "slowest" else "failed", (chosen,) if chosen else ()
    subject = which if what == "player" else what
    return subject, "slowest" if slowest else "latest", (kind,) if kind else ENTRANCE


def _none(subject: str, order: Order, kinds: tuple[str, ...]) -> str:
    whom = f" of {subject}" if subject else ""
    kind = kinds[0] if kinds else "request"
    if order == "failed":
        return f"no {kind}{whom} has failed since the nodes started"
    return f"no {kind}{whom} has been traced since the gates started"


async def find_traces(
    topology: Topology, kinds: tuple[str, ...], subject: str, order: Order, limit: int
) -> list[Trace]:
    """Of all nodes where such traces begin, in the order asked for."""
    kind = kinds[0] if len(kinds) == 1 else ""
    question = ListTraces(kind, subject, order, limit if kind or not kinds else TRACES_MAX)
    roles = ("gate",) if kinds and set(kinds) <= set(ENTRANCE) else ("gate", "scene")
    good = await gather_good(topology, beginners(topology, roles), question, Traces, ANSWER_S)
    every = [one for answer in good for one in answer.traces if not kinds or one.kind in kinds]
    every.sort(key=duration_us if order == "slowest" else lambda one: one.started_wall_ms, reverse=True)
    return every[:limit]


def beginners(topology: Topology, roles: tuple[str, ...] = ("gate", "scene")) -> list[str]:
    """Full names of the nodes that clients speak with: requests begin there, and so do traces."""
    return [node.name for role in roles for node in topology.of_role(role) if not state.has_ended(topology, node.short)]


def as_dict(one: Trace) -> dict[str, Any]:
    """With the hops' field names; times in microseconds on the clock of each machine."""
    return {
        "id": f"{one.id:x}",
        "subject": one.subject,
        "kind": one.kind,
        "result": one.result,
        "started_wall_ms": one.started_wall_ms,
        "duration_us": duration_us(one),
        "hops": [{name: getattr(hop, name) for name in hop.__struct_fields__} for hop in one.hops],
    }
