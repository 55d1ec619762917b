"""`mesh status`: what every node says about itself, and for those that say nothing, what their supervisor knows."""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import msgspec
import psutil
import rich_click as click

from mesh.errors import MeshError
from mesh.protocol.control import Describe, Description
from mesh.topology import NodeSpec, Topology
from tools.ctl import clusters, state
from tools.ctl.asking import gather
from tools.ctl.commands.pressure import shown_level
from tools.ctl.exits import Exit
from tools.ctl.options import Environment, cluster_option, complete_cluster, json_option
from tools.ctl.output import brief, console, emit_json, table
from tools.ctl.processes import is_local
from tools.ctl.supervision import Phase
from tools.ctl.upgrading import version_of

if TYPE_CHECKING:
    from rich.table import Table

ANSWER_S = 1.0
SILENT = "Silent"  # runs, but did not answer within ANSWER_S
UNREACHED = "Unreached"  # on another machine, and did not answer
DOWN = "Down"
NUMBERS = ("pid", "players", "up", "restarts", "MB", "metrics")
LEFT_OUT = ("pid", "metrics", "MB", "up", "zone", "restarts", "level")  # on a narrow terminal, in this order
GAP = 3  # characters between two columns
EDGES = 2  # and to the left and right of all
LISTED_MAX = 8
UNSHOWN = ("members", "wall_ms")
"""What -v leaves out: the table has it, or it says nothing to people."""

COLOURS = {
    "Ready": "green", "Starting": "yellow", "Draining": "yellow", "Shutdown": "dim", SILENT: "red", UNREACHED: "red",
    DOWN: "red",
}  # fmt: skip


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
    zone: str
    host: str
    reason: str = ""
    facts: dict[str, Any] = {}
    version: str = ""  # of its code
    python: str = ""  # of the installation that it runs from, as its supervisor says


@click.command()
@click.argument("name", required=False, metavar="[CLUSTER]", shell_complete=complete_cluster)
@cluster_option
@click.option("-v", "--verbose", is_flag=True, help="Also what each node tells about itself.")
@json_option
@click.pass_obj
def status(environment: Environment, name: str | None, cluster: str | None, verbose: bool, as_json: bool) -> int:
    """Show the nodes of a cluster and how they are.

    CLUSTER is its name, topology file or runtime folder; not needed when only one runs. States: Ready (serves),
    Starting, Draining (was drained, or is being stopped), Silent (runs, but did not answer within a second), Unreached
    (on another machine, did not answer), Waiting (ended, is started again), Down (ended, is not), Shutdown (stopped as
    somebody asked).

    Exit codes: 0 all nodes are Ready, apart from those that `mesh scale` stopped, 2 several clusters are running, 3
    none is, 4 a node is not Ready, or neither DC of a pair writes.
    """
    note = clusters.find(name or cluster, environment)
    topology = note.load()
    nodes = asyncio.run(ask_all(topology))
    if as_json:
        emit_json(_as_json(topology, note, nodes))
    else:
        _draw(note, topology, nodes, verbose)
    is_well = all(node.state == "Ready" or is_away(node) for node in nodes) and not lacks_writer(nodes)
    return Exit.OK if is_well else Exit.UNHEALTHY


def is_away(node: NodeStatus) -> bool:
    """Was it stopped by `mesh scale`, so that nobody misses it?"""
    return node.state == Phase.SHUTDOWN and node.reason == state.SCALED_AWAY


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
    process = topology.process_of(spec).name
    url = f"http://{spec.host}:{spec.metrics_port}/metrics"
    restarts, reason, python = (known.restarts, known.reason, known.python) if known else (0, "", "")
    here = is_local(spec.host)
    if isinstance(answer, Description):
        return NodeStatus(
            spec.name, spec.role, answer.state, answer.pid, answer.metrics_url or url, answer.load.players,
            round(answer.uptime_s, 1), restarts, _rss_mb(answer.pid) if here else 0.0, process, spec.short,
            len(answer.links), spec.zone, spec.host, "", answer.facts, version_of(answer), python,
        )  # fmt: skip
    runs = known is not None and known.runs
    pid = known.pid if known is not None and runs else 0
    return NodeStatus(
        spec.name, spec.role, _state_of(known, runs, here), pid, url, 0, 0.0, restarts, _rss_mb(pid), process,
        spec.short, 0, spec.zone, spec.host, reason, python=python,
    )  # fmt: skip


def _state_of(known: state.ProcessState | None, runs: bool, here: bool) -> str:
    """Of a node that did not answer."""
    if known is None and not here:
        return UNREACHED
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
        "zones": topology.zones,
        "host": note.host,
        "base_port": topology.base_port,
        "supervisor": {"pid": note.holder.pid, "kind": note.kind},
        "players": _players(nodes),
        "queued": queued(nodes),
        "holding_logins": holding_logins(nodes),
        "nodes": nodes,
    }


def _draw(note: clusters.Running, topology: Topology, nodes: list[NodeStatus], verbose: bool) -> None:
    out = console()
    out.print(headline(note, nodes))
    for line in queue_lines(nodes) + slow_lines(nodes):
        out.print(line, style="yellow", markup=False)
    for line in pair_lines(nodes):
        out.print(line, markup=False)
    out.print(node_table(nodes, len(topology.zones) > 1, out.width))
    for node in nodes:
        if node.reason and node.state != "Ready":
            out.print(f"{node.node}: {node.reason}", markup=False)
    for node in nodes if verbose else []:
        for line in facts_lines(node.facts):
            out.print(f"{node.node}  {line}", markup=False, no_wrap=True, overflow="ellipsis")


def headline(note: clusters.Running, nodes: list[NodeStatus]) -> str:
    """How the cluster is, in one line."""
    missed = [node for node in nodes if not is_away(node)]
    ready = sum(node.state == "Ready" for node in missed)
    part = f" (here: {note.host})" if note.host else ""
    away = f", {len(nodes) - len(missed)} scaled away" if len(missed) < len(nodes) else ""
    words = f"{ready} of {len(missed)} nodes Ready{away}, {_players(nodes)} players in the world"
    return f"[bold]{note.label}[/]{part}  {words}"


def queued(nodes: list[NodeStatus]) -> int:
    """Who waits to be let in, in all zones."""
    return sum(node.facts.get("queued", 0) for node in nodes if node.role == "center")


def holding_logins(nodes: list[NodeStatus]) -> list[str]:
    """The scenes that let nobody new in, as their centers have it: their level of the policy says so."""
    shut = {name for node in nodes if node.role == "center" for name in node.facts.get("shut", [])}
    return [node.node for node in nodes if node.name in shut]


def queue_lines(nodes: list[NodeStatus]) -> list[str]:
    """Why somebody does not get in; nothing when everybody does."""
    waiting, held = queued(nodes), holding_logins(nodes)
    lines = [f"{waiting} wait{'' if waiting > 1 else 's'} in the queue to be let in"] if waiting else []
    return lines + ([f"let nobody new in: {', '.join(held)} (mesh pressure says why)"] if held else [])


def slow_lines(nodes: list[NodeStatus]) -> list[str]:
    """Where time goes slower than outside; nothing where it does not."""
    slow = [f"{node.node} ({100 * node.facts['dilation']:.0f} %)" for node in nodes if "dilation" in node.facts]
    return [f"game time goes slower: {', '.join(slow)}"] if slow else []


def pair_lines(nodes: list[NodeStatus]) -> list[str]:
    """Of two DCs: which one writes, and whether the other could take over; nothing where there is one."""
    pair = {node.node: node.facts for node in nodes if node.role == "dc" and "pair" in node.facts}
    if not pair:
        return []
    for name, facts in pair.items():
        if facts["pair"] == "writer":
            away = "refused" if facts.get("standby_away") == "refuse" else "made to wait"
            alone = f"is not in sync: it cannot take over, and operations of class R are {away}"
            state = "is in sync" if facts["standby"] == "paired" else alone
            lag = f", {facts['lag_batches']} commits behind" if facts["lag_batches"] else ""
            return [f"{name} writes (epoch {facts['epoch']}); its standby {facts['other']} {state}{lag}"]
    why = [node.facts["dc_blocked"] for node in nodes if "dc_blocked" in node.facts]
    mended = "; `mesh db restore` puts a backup into the place of both, see docs/reliability.md" if why else ""
    return [f"no DC writes at the moment: {'; '.join(why) or ', '.join(pair)}{mended}"]


def lacks_writer(nodes: list[NodeStatus]) -> bool:
    """Is there a pair of DCs of which none writes?"""
    states = [node.facts["pair"] for node in nodes if node.role == "dc" and "pair" in node.facts]
    return bool(states) and "writer" not in states


def node_table(nodes: list[NodeStatus], several: bool, width: int) -> "Table":
    """In so many columns of a terminal: what does not fit is left out, the least important first."""
    columns = _columns(nodes)
    if not several:
        del columns["zone"]
    if not any(columns["level"]):
        del columns["level"]
    if len({node.version for node in nodes if node.version}) < 2:
        del columns["version"]
    for name in LEFT_OUT:
        if _width(columns) > width:
            columns.pop(name, None)
    drawn = table(*columns, right=tuple(name for name in columns if name in NUMBERS))
    for at, node in enumerate(nodes):
        cells = {name: cells[at] for name, cells in columns.items()}
        cells["state"] = f"[{COLOURS.get(node.state, 'yellow')}]{node.state}[/]"
        drawn.add_row(*cells.values())
    return drawn


def _columns(nodes: list[NodeStatus]) -> dict[str, list[str]]:
    first: dict[tuple[str, int], NodeStatus] = {}  # nodes of one process share its memory
    for node in nodes:
        first.setdefault((node.host, node.pid), node)
    return {
        "node": [node.node for node in nodes],
        "zone": [node.zone for node in nodes],
        "state": [node.state for node in nodes],
        "pid": [str(node.pid or "") for node in nodes],
        "players": [str(node.players) if node.role in ("scene", "gate") else "" for node in nodes],
        "level": [level_of(node) for node in nodes],
        "version": [node.version for node in nodes],
        "up": [brief(node.uptime_s) if node.uptime_s else "" for node in nodes],
        "restarts": [str(node.restarts or "") for node in nodes],
        "MB": [f"{node.rss_mb:.0f}" if node.rss_mb and first[node.host, node.pid] is node else "" for node in nodes],
        "metrics": [node.metrics_url.removesuffix("/metrics").rpartition(":")[2] for node in nodes],
    }


def level_of(node: NodeStatus) -> str:
    """What a node leaves out under pressure and why, "" for one that leaves out nothing."""
    known = node.facts.get("pressure", {})
    if not known.get("level") and not known.get("pinned"):
        return ""
    level = shown_level(known["level"], known["name"], known["pinned"])
    return f"{level}: {known['reason']}" if known["reason"] else level


def _width(columns: dict[str, list[str]]) -> int:
    return sum(max(map(len, [name, *cells])) for name, cells in columns.items()) + GAP * (len(columns) - 1) + EDGES


def facts_lines(facts: dict[str, Any], above: str = "") -> list[str]:
    """For people: what a node tells about itself, a line for each fact, without UNSHOWN. Long lists are
    counted; --json has them."""
    found: list[str] = []
    for key, value in facts.items():
        name = f"{above}{key}"
        if name in UNSHOWN:
            continue
        if isinstance(value, dict):
            found += facts_lines(value, f"{name}.")
        elif isinstance(value, list) and (len(value) > LISTED_MAX or any(isinstance(v, dict | list) for v in value)):
            found.append(f"{name}: {len(value)} (--json lists them)")
        else:
            found.append(f"{name}: {_fact(value)}")
    return found


def _fact(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_fact(one) for one in value) or "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()
