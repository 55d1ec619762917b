"""`mesh events`: questions to the behaviour log, to all log nodes at once."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import rich_click as click

from mesh.clock import SystemClock
from mesh.core.log_group import once
from mesh.protocol.journal import Event, Events, QueryEvents
from mesh.topology import NodeSpec, Topology
from tools.ctl import clusters, state
from tools.ctl.asking import gather_good
from tools.ctl.commands.event_losses import ask_losses, show_losses
from tools.ctl.exits import CommandError, Exit
from tools.ctl.kinds import unknown_kinds
from tools.ctl.offline import run_offline
from tools.ctl.options import Environment, any_cluster_option, json_option
from tools.ctl.output import console, emit_json, say, short, table
from tools.ctl.players import account_of
from tools.ctl.when import parse_when, show_ms

ANSWER_S = 30.0
LIMIT_MAX = 100_000


@click.command()
@click.option("-p", "--player", metavar="NAME|ID", help="Only what this player did.")
@click.option(
    "-k",
    "--kind",
    "kinds",
    multiple=True,
    help="Only events of this kind: login, logout, trade, loot ... Can be repeated.",
)
@click.option("--since", metavar="WHEN", help="10m, 2h, 3d (ago), 14:30, 2025-01-31 or 2025-01-31T14:30.")
@click.option("--until", metavar="WHEN", help="The same.")
@click.option(
    "-n", "--limit", type=click.IntRange(1, LIMIT_MAX), default=100, show_default=True, help="The newest so many."
)
@click.option("--losses", is_flag=True, help="How many events of each sender there are, and how many are missing.")
@any_cluster_option
@json_option
@click.pass_obj
def events(
    environment: Environment,
    player: str | None,
    kinds: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int,
    losses: bool,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Search the behaviour log: what players did, oldest first; also of a cluster that has stopped.

    With --losses nothing is searched for. Events are numbered by their sender: "missing" are numbers that no log node
    has and that were not deleted for their age, "dropped" what the sender itself had no room for while no log node took
    any, "twice" what two log nodes have, which other answers show once.

    Exit codes: 0 also when nothing was found, 3 no such player or cluster, 4 no log node could be asked, 5 no answer.
    """
    wall = SystemClock().wall()
    since_ms = parse_when(since, wall) if since is not None else 0
    until_ms = parse_when(until, wall) if until is not None else 0
    topology, running = clusters.find_or_load(cluster, environment)
    if losses:
        nodes = _running(topology) if running else []
        folders = _folders(topology) - {topology.data(node) for node in nodes}
        show_losses(*asyncio.run(ask_losses(topology, [node.name for node in nodes], folders)), as_json)
        return Exit.OK
    account = asyncio.run(account_of(topology, player, running is not None)) if player is not None else 0
    question = QueryEvents(account, list(kinds), max(since_ms, 0), max(until_ms, 0), limit)
    found, more = asyncio.run(_ask(topology, question)) if running else _read(topology, question)
    if as_json:
        emit_json({"events": [as_dict(event) for event in found], "more": more})
    else:
        _draw(found)
        if not found and (hint := unknown_kinds(kinds)):
            say(f"mesh: {hint}")
        say(f"mesh: {len(found)} event{'' if len(found) == 1 else 's'}{', there are more: --limit' if more else ''}")
    return Exit.OK


async def _ask(topology: Topology, question: QueryEvents) -> tuple[list[Event], bool]:
    """Every log node has the events of some senders. One that is away makes the answer incomplete, which is said; one
    that was stopped while the cluster runs has left its files."""
    nodes = _running(topology)
    names = [node.name for node in nodes]
    good = await gather_good(topology, names, question, Events, ANSWER_S, ", its events are missing")
    left, more = _read_folders(_folders(topology) - {topology.data(node) for node in nodes}, question)
    found = [*(answer.events for answer in good), *left]
    return newest(found, question.limit, more or any(answer.more for answer in good))


def _running(topology: Topology) -> list[NodeSpec]:
    """The log nodes that were not stopped."""
    nodes = [node for node in topology.of_role("log") if not state.has_ended(topology, node.short)]
    if not nodes:
        raise CommandError(f"{topology.file.name} has no log node", Exit.NOT_FOUND)
    return nodes


def _read(topology: Topology, question: QueryEvents) -> tuple[list[Event], bool]:
    """From the files of stopped log nodes."""
    named = {topology.data(node) for node in topology.of_role("log")}
    parts, more = _read_folders(named | _folders(topology), question)
    return newest(parts, question.limit, more)


def _folders(topology: Topology) -> set[Path]:
    """Of all log nodes that were ever here, those that `mesh scale` added included."""
    return {path for path in (topology.runtime / "data").glob("log.*") if path.is_dir()}


def _read_folders(folders: set[Path], question: QueryEvents) -> tuple[list[list[Event]], bool]:
    arguments = ["--player", str(question.player), "--limit", str(question.limit)]
    arguments += ["--since", str(question.since_ms), "--until", str(question.until_ms)]
    for kind in question.kinds:
        arguments += ["--kind", kind]
    parts, more = [], False
    for folder in sorted(folders):
        value, _ = run_offline("log", "query", folder, arguments)
        if "error" in value:
            raise CommandError(str(value["error"]))
        rows = value["events"]
        parts.append([Event(*(row[name] for name in Event.__struct_fields__)) for row in rows])
        more = more or bool(value["more"])
    return parts, more


def newest(parts: Sequence[Sequence[Event]], limit: int, more: bool) -> tuple[list[Event], bool]:
    """The newest `limit` of all, oldest first and each once, and whether something was left out."""
    every = once(parts)
    return every[-limit:], more or len(every) > limit


def as_dict(event: Event) -> dict[str, object]:
    return {
        "at_ms": event.at_ms,
        "kind": event.kind,
        "player": event.player,
        "node": event.node,
        "fields": event.fields,
        "incarnation": event.incarnation,
        "number": event.number,
    }


def _draw(found: list[Event]) -> None:
    drawn = table("time", "kind", "player", "node", "fields", right=("player",), folds="fields")
    for event in found:
        fields = " ".join(f"{key}={_short(value)}" for key, value in event.fields.items())
        drawn.add_row(show_ms(event.at_ms), event.kind, str(event.player or ""), short(event.node), fields)
    if found:
        console().print(drawn, markup=False)


def _short(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
