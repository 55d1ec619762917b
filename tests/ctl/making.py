"""Makes snapshots for tests: a cluster in which all is well, and what a test changes in it.

    made = Made(topology)
    made.now("dc.1", {"dc_queue_depth": 5000})
    made.grown("gate.1", {"gate_logins_total{result=unavailable}": 12})
    found = examine(made.snapshot())

A series is written as its name, with its labels in braces: "mesh_breaker_open{message=Enter,peer=eu.one.scene.1}".
"""

from array import array
from pathlib import Path
from typing import Any

import msgspec

from mesh.metrics import SECONDS_BUCKETS
from mesh.protocol.control import Description, Load, Member
from mesh.protocol.monitoring import Series
from mesh.topology import NodeSpec, Topology, load
from tools.ctl.commands.status import NodeStatus
from tools.ctl.snapshot.figures import Figures, Layout, Row
from tools.ctl.snapshot.model import BotsProcess, NodeView, Snapshot

SECONDS = 2.0
LABEL = "made"
ZONE = """
[cluster]
name = "made"
region = "eu"
zone = "one"
[[process]]
nodes = ["center.1"]
[[process]]
nodes = ["dc.1"]
[[process]]
nodes = ["dc.2"]
[[process]]
nodes = ["log.1"]
[[process]]
nodes = ["login.1"]
[[process]]
nodes = ["scene.1"]
[[process]]
nodes = ["scene.2"]
[[process]]
nodes = ["gate.1"]
[[process]]
nodes = ["gate.2"]
[[process]]
nodes = ["ops.1"]
[settings.dc.standby]
"dc.1" = "dc.2"
"""

PROCESS = {
    "process_cpu_seconds_total": 100.0, "process_resident_memory_bytes": 100e6, "process_open_fds": 30.0,
    "process_max_fds": 1024.0, "process_threads": 3.0, "process_gc_seconds_total": 1.0,
    "mesh_log_lines_total{level=INFO}": 10.0,
}  # fmt: skip
HOST = {
    "host_cpus": 4.0, "host_memory_bytes": 8e9, "host_memory_available_bytes": 4e9, "host_disk_bytes": 100e9,
    "host_disk_free_bytes": 50e9, "host_disk_busy_seconds_total": 5.0,
}  # fmt: skip
ROLES = {
    "center": {"center_members": 10.0, "center_queue": 0.0, "center_homeless": 0.0},
    "dc": {
        "dc_queue_depth": 0.0, "dc_oldest_unflushed_seconds": 0.3, "dc_states_waiting": 5.0, "dc_disk_full": 0.0,
        "dc_used_bytes": 1e6, "dc_map_bytes": 256e6, "dc_reader_slots": 3.0, "dc_reader_slots_max": 126.0,
    },
    "log": {"log_waiting_bytes": 0.0, "log_refused_total": 0.0, "log_disk_full_total": 0.0},
    "login": {"login_hashes_pending": 0.0, "login_hashes_refused_total": 0.0},
    "scene": {"scene_dilation": 1.0, "scene_pressure": 0.1, "scene_players{line=1,map=meadow}": 10.0},
    "gate": {"gate_clients{state=playing}": 10.0, "gate_logins_waiting": 0.0, "gate_logins_total{result=ok}": 10.0},
    "ops": {"ops_nodes_read": 10.0},
}  # fmt: skip
GROWN = {
    "center": {}, "dc": {}, "log": {}, "login": {}, "ops": {},
    "scene": {"scene_ticks_total": 20.0, "scene_ticks_skipped_total": 0.0},
    "gate": {"gate_frames_sent_total": 1000.0, "gate_logins_total{result=ok}": 2.0},
}  # fmt: skip


def topology_of(folder: Path) -> Topology:
    """A zone with two of most things."""
    file = folder / "made.toml"
    file.write_text(ZONE)
    return load(file, runtime=folder / "made")


def series(text: str) -> Series:
    """ "dc_refused_total{code=full}" """
    name, _, rest = text.partition("{")
    pairs = [pair.partition("=") for pair in rest.rstrip("}").split(",") if pair]
    return Series(name, "gauge", tuple((label, value) for label, _, value in pairs))


def observed(name: str, values: list[float], labels: str = "", bounds: tuple[float, ...] = SECONDS_BUCKETS) -> dict:
    """How the series of a histogram grow when these values are observed."""
    inner = f"{labels}," if labels else ""
    found: dict[str, float] = {}
    for end in (*bounds, float("inf")):
        shown = "+Inf" if end == float("inf") else repr(float(end))
        found[f"{name}_bucket{{{inner}le={shown}}}"] = float(sum(value <= end for value in values))
    outer = f"{{{labels}}}" if labels else ""
    return found | {f"{name}_sum{outer}": sum(values), f"{name}_count{outer}": float(len(values))}


class MadeNode:
    """One node, and what can be changed about it."""

    def __init__(self, spec: NodeSpec, pid: int, tells_host: bool, topology: Topology) -> None:
        self.spec, self.pid = spec, pid
        self.now = {"mesh_ready": 1.0, "mesh_level": 0.0, **PROCESS, **ROLES[spec.role]}
        self.grown: dict[str, float] = {"mesh_heard_total": 100.0, "mesh_said_total": 80.0, **GROWN[spec.role]}
        self.grown |= observed("mesh_loop_lag_seconds", [0.001] * 16)
        self.grown["process_cpu_seconds_total"] = 0.2
        if tells_host:
            self.now |= HOST
            self.grown |= {f"host_cpu_seconds_total{{mode={mode}}}": grown for mode, grown in CPU.items()}
        self.links = [other.name for other in topology.nodes.values() if other.name != spec.name]
        self.facts: dict[str, Any] = {
            "version": "1.0",
            "pressure": {"level": 0, "name": "full", "score": 0.1, "signals": {}, "reason": "", "pinned": False},
        }
        self.state, self.reason, self.restarts, self.uptime_s = "Ready", "", 0, 3600.0
        self.players = 10
        self.problem, self.apart_s, self.unsure_s = "", 0.001, 0.002
        self.is_new = False  # in its life: nothing is known of before

    def figures(self) -> Figures:
        now = {**dict.fromkeys(self.grown, 0.0), **self.now}
        for name, grown in self.grown.items():
            now[name] = max(now[name], grown)
        layout = Layout([series(name) for name in now])
        before = [value - self.grown.get(name, 0.0) for name, value in now.items()]
        row = Row(layout, array("d", now.values()), self.pid)
        return Figures(row, None if self.is_new else Row(layout, array("d", before), self.pid), SECONDS)

    def view(self) -> NodeView:
        spec, answers = self.spec, self.state in ("Ready", "Starting", "Draining")
        status = NodeStatus(
            spec.name, spec.role, self.state, self.pid, "", self.players, self.uptime_s, self.restarts, 100.0,
            spec.short, spec.short, len(self.links), spec.zone, spec.host, self.reason, self.facts if answers else {},
            self.facts["version"] if answers else "",
        )  # fmt: skip
        if not answers:
            return NodeView(spec, status, leads=False)
        links = [(name, "up") for name in self.links]
        said = Description(
            spec.name, spec.role, self.state, self.pid, 1, self.uptime_s, "", Load(self.players), links, self.facts
        )
        figures = None if self.problem else self.figures()
        leads = figures is not None
        return NodeView(spec, status, said, figures, self.problem, self.apart_s, self.unsure_s, leads)


CPU = {"user": 1.0, "system": 0.5, "idle": 6.3, "iowait": 0.1, "stolen": 0.1}  # seconds of 2 s of 4 processors


class Made:
    """The whole cluster. All nodes are on one machine, of which the center tells."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.bots: list[BotsProcess] = []
        self.nodes = {
            spec.short: MadeNode(spec, 100 + at, at == 0, topology) for at, spec in enumerate(topology.nodes.values())
        }
        self["dc.1"].facts |= {"pair": "writer", "other": "dc.2", "standby": "paired", "lag_batches": 0}
        self["dc.2"].facts |= {"pair": "standby", "other": "dc.1"}
        members = [Member(spec.name, 1, spec.role, spec.address, "Ready") for spec in topology.nodes.values()]
        self["center.1"].facts |= {"members": msgspec.to_builtins(members), "lines": [], "shut": []}

    def __getitem__(self, short: str) -> MadeNode:
        return self.nodes[short]

    def now(self, short: str, values: dict[str, float]) -> None:
        """The node tells these figures."""
        self[short].now |= values

    def grown(self, short: str, values: dict[str, float]) -> None:
        """These figures of it have grown."""
        self[short].grown |= values

    def cpu(self, **seconds: float) -> None:
        """What the processors of the machine did, by mode."""
        self.grown("center.1", {f"host_cpu_seconds_total{{mode={mode}}}": s for mode, s in (CPU | seconds).items()})

    def pressed(self, short: str, **facts: Any) -> None:
        """What the node says of its pressure."""
        self[short].facts["pressure"] |= facts

    def lost(self, short: str, state: str = "Down", reason: str = "was ended by SIGKILL") -> None:
        """It does not answer any more, and nobody has a link to it."""
        self[short].state, self[short].reason = state, reason
        for node in self.nodes.values():
            node.links = [name for name in node.links if name != self[short].spec.name]

    def move(self, short: str, host: str) -> None:
        """It is on another machine, of which it tells."""
        node = self[short]
        node.spec = msgspec.structs.replace(node.spec, host=host)
        node.now |= HOST
        node.grown |= {f"host_cpu_seconds_total{{mode={mode}}}": grown for mode, grown in CPU.items()}

    def line(self, number: int, scene: str, players: int) -> None:
        """The center has this line of the meadow."""
        name = self[scene].spec.name
        line = {"map": "meadow", "line": number, "scene": name, "players": players, "soft": 80, "max": 100}
        state = "full" if players >= 100 else "busy" if players >= 80 else "free"
        self["center.1"].facts["lines"].append({**line, "state": state, "fixed": True})

    def snapshot(self) -> Snapshot:
        views = [node.view() for node in self.nodes.values()]
        return Snapshot(self.topology, LABEL, SECONDS, views, self.bots, "127.0.0.1")
