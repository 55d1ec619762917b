"""`mesh status`: what every node says about itself, and for those that say nothing, what their supervisor knows."""

import asyncio
import contextlib
from typing import Any

import msgspec
import psutil
import rich_click as click

from mesh.errors import MeshError
from mesh.protocol.control import Describe, Description
from mesh.topology import NodeSpec, Topology
from tools.ctl import clusters, state
from tools.ctl.asking import gather
from tools.ctl.exits import Exit
from tools.ctl.options import Environment, cluster_option, complete_cluster, json_option
from tools.ctl.output import console, emit_json, span, table
from tools.ctl.supervision import Phase

ANSWER_S = 1.0
SILENT = "Silent"  # runs, but did not answer within ANSWER_S
DOWN = "Down"

COLOURS = {"Ready": "green", "Starting": "yellow", "Draining": "yellow", "Shutdown": "dim", SILENT: "red", DOWN: "red"}


class NodeStatus(msgspec.Struct, frozen=True):
    """One line of the answer; the field names are what scripts rely on."""

    name: str
    role: str
    state: str
    pid: int
    metrics_url: str
    players: int
    uptime_s: float
    restarts: int
    rss_mb: float
    process: str
    node: str  # the short name
    links: int
    reason: str = ""
    facts: dict[str, Any] = {}


@click.command()
@click.argument("name", required=False, metavar="[CLUSTER]", shell_complete=complete_cluster)
@cluster_option
@click.option("-v", "--verbose", is_flag=True, help="Also what each node tells about itself.")
@json_option
@click.pass_obj
def status(environment: Environment, name: str | None, cluster: str | None, verbose: bool, as_json: bool) -> int:
    """Show the nodes of a cluster and how they are.

    CLUSTER is its name, topology file or runtime folder; not needed when only one runs. States: Ready (serves),
    Starting, Draining, Silent (runs, but did not answer within a second), Waiting (ended, is started
    again), Down (ended, is not), Shutdown.

    Exit codes: 0 all nodes are Ready, 2 several clusters are running, 3 none is, 4 a node is not Ready.
    """
    note = clusters.find(name or cluster, environment)
    topology = note.load()
    nodes = asyncio.run(ask_all(topology))
    if as_json:
        emit_json(_as_json(topology, note, nodes))
    else:
        _draw(note, nodes, verbose)
    return Exit.OK if all(node.state == "Ready" for node in nodes) else Exit.UNHEALTHY


async def ask_all(topology: Topology) -> list[NodeStatus]:
    """In the order of the topology."""
    names = list(topology.nodes)
    answers = await gather(topology, names, Describe(), Description, ANSWER_S)
    known = state.processes_of(topology)
    return [merge(spec, answers[spec.name], known.get(spec.short), topology) for spec in topology.nodes.values()]


def merge(
    spec: NodeSpec, answer: Description | MeshError, known: state.ProcessState | None, topology: Topology
) -> NodeStatus:
    """What the node says goes before what the supervisor wrote, except for what only that one can know."""
    process = topology.processes[spec.process].name
    url = f"http://{spec.host}:{spec.metrics_port}/metrics"
    restarts, reason = (known.restarts, known.reason) if known else (0, "")
    if isinstance(answer, Description):
        return NodeStatus(
            spec.name, spec.role, answer.state, answer.pid, answer.metrics_url or url, answer.load.players,
            round(answer.uptime_s, 1), restarts, _rss_mb(answer.pid), process, spec.short, len(answer.links), "",
            answer.facts,
        )  # fmt: skip
    runs = known is not None and known.runs
    pid = known.pid if known is not None and runs else 0
    return NodeStatus(
        spec.name, spec.role, _state_of(known, runs), pid, url, 0, 0.0, restarts, _rss_mb(pid), process, spec.short, 0,
        reason,
    )  # fmt: skip


def _state_of(known: state.ProcessState | None, runs: bool) -> str:
    """Of a node that did not answer."""
    if known is None or not runs:
        return known.phase if known is not None and known.phase in (Phase.SHUTDOWN, Phase.WAITING) else DOWN
    return SILENT if known.phase == Phase.READY else known.phase


def _rss_mb(pid: int) -> float:
    with contextlib.suppress(psutil.Error):
        if pid:
            return float(round(psutil.Process(pid).memory_info().rss / 1e6, 1))
    return 0.0


def _players(nodes: list[NodeStatus]) -> int:
    """Those in the world; the gates' numbers would count them twice."""
    return sum(node.players for node in nodes if node.role == "scene")


def _as_json(topology: Topology, note: clusters.Running, nodes: list[NodeStatus]) -> dict[str, Any]:
    return {
        "cluster": note.label,
        "topology": note.topology,
        "runtime": note.runtime,
        "region": topology.region,
        "zone": topology.zone,
        "base_port": topology.base_port,
        "supervisor": {"pid": note.holder.pid, "kind": note.kind},
        "players": _players(nodes),
        "nodes": nodes,
    }


def _draw(note: clusters.Running, nodes: list[NodeStatus], verbose: bool) -> None:
    out = console()
    ready = sum(node.state == "Ready" for node in nodes)
    out.print(f"[bold]{note.label}[/]  {ready} of {len(nodes)} nodes Ready, {_players(nodes)} players in the world")
    numbers = ("pid", "players", "up", "restarts", "MB")
    drawn = table("node", "state", *numbers, "/metrics at", right=numbers, folds="/metrics at")
    shown: set[int] = set()
    for node in nodes:
        first = node.pid not in shown  # nodes of one process share its memory
        shown.add(node.pid)
        drawn.add_row(
            node.node,
            f"[{COLOURS.get(node.state, 'yellow')}]{node.state}[/]",
            str(node.pid or ""),
            str(node.players) if node.role in ("scene", "gate") else "",
            span(node.uptime_s) if node.uptime_s else "",
            str(node.restarts or ""),
            f"{node.rss_mb:.0f}" if node.rss_mb and first else "",
            node.metrics_url.removeprefix("http://").removesuffix("/metrics"),
        )
    out.print(drawn)
    for node in nodes:
        if node.reason and node.state != "Ready":
            out.print(f"{node.node}: {node.reason}", markup=False)
        if verbose and node.facts:
            out.print(f"{node.node}: {facts_line(node.facts)}", markup=False, soft_wrap=True)


def facts_line(facts: dict[str, Any]) -> str:
    """For people: what a node tells about itself, without the center's list of members, which the table shows."""
    shown = {key: value for key, value in facts.items() if key != "members"}
    return "  ".join(f"{key}={msgspec.json.encode(value, enc_hook=str).decode()}" for key, value in shown.items())
