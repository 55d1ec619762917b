"""What a topology is: zones, processes, nodes, and the links between their roles.

One file is one cluster. It has one or more zones, each with a center, scenes, logins and gates of its own. They share
the accounts, so there is one DC, in the home zone (`cluster.zone`), which may have a standby; a zone without log or ops
nodes uses those of the home zone. Nodes of different zones have no links, except to what they share, and from center to
center.
"""

from pathlib import Path
from typing import Any

import msgspec

from mesh.topology.policy import DEFAULT, Level

ROLES = ("center", "dc", "log", "ops", "login", "scene", "gate")
"""In the order in which they depend on each other."""

DEFAULT_LINKS = (
    "gate -> login",
    "gate -> scene",
    "gate -> log",
    "login -> dc",
    "login -> log",
    "scene -> dc",
    "scene -> log",
    "dc -> log",
    "dc -> dc",
    "gate -> ops",
    "login -> ops",
    "scene -> ops",
    "dc -> ops",
    "log -> ops",
)
"""Who opens a link to whom, besides everyone to the center. Both sides speak on it."""

NEEDS = {"gate": ("login", "scene"), "login": ("dc",), "scene": ("dc",), "center": ("dc",)}
"""A role without which another one cannot serve."""

SINGLE = ("center", "dc")
"""Roles of which one node at a time serves a zone; a DC may have a standby beside it."""

SHARED = ("dc", "log", "ops")
"""Roles that a zone may use of its home zone."""

PLAYERS = ("center", "login", "scene", "gate")
"""Roles that a zone with players must have itself."""

PROCESSES_MAX = 50  # the ports of one cluster are laid out in blocks of this size
METRICS_OFFSET = 50
ROUTER_OFFSET = 100
PUB_OFFSET = 200
ZONES_MAX = 8  # each has a port for its publications, from PUB_OFFSET on


class NodeSpec(msgspec.Struct, frozen=True):
    """One node of a topology."""

    name: str  # <region>.<zone>.<role>.<n>
    short: str  # <role>.<n>: unique in the whole file
    role: str
    number: int
    zone: str
    host: str
    address: str  # of its ROUTER
    process: int  # the index of its process
    metrics_port: int
    publisher: str = ""  # of a center: where its PUB is


class Process(msgspec.Struct, frozen=True):
    """One operating system process and the nodes that share its loop."""

    index: int  # fixes its ports; those of the file count from 0
    name: str  # short names joined by +
    host: str
    metrics_port: int
    nodes: list[NodeSpec]


class Topology(msgspec.Struct, frozen=True):
    """A cluster as it is meant to be."""

    file: Path
    cluster: str
    region: str
    zone: str  # the home zone
    base_port: int
    runtime: Path
    sockets: Path
    processes: list[Process]
    nodes: dict[str, NodeSpec]  # by full name
    links: frozenset[tuple[str, str]]
    settings: dict[str, dict[str, Any]]
    curve: bool
    policy: tuple[Level, ...] = DEFAULT  # by level; 0 is full quality
    events_kept: int | None = None  # by each node, while no log node takes them; None: as many as usual

    # --- who there is ---

    def node(self, name: str) -> NodeSpec:
        """By full or short name; KeyError when there is none."""
        found = self.nodes.get(name) or next((n for n in self.nodes.values() if n.short == name), None)
        if found is None:
            raise KeyError(name)
        return found

    def of_role(self, role: str, zone: str = "") -> list[NodeSpec]:
        """In the order of the file; of one zone, or of all."""
        return [n for n in self.nodes.values() if n.role == role and zone in ("", n.zone)]

    def process_of(self, node: NodeSpec) -> Process:
        """The process that runs a node."""
        return next(p for p in self.processes if p.index == node.process)

    # --- zones ---

    @property
    def zones(self) -> list[str]:
        """The home zone first, the others in the order of the file."""
        return list(dict.fromkeys((self.zone, *(n.zone for n in self.nodes.values()))))

    def center_of(self, zone: str) -> NodeSpec:
        """The center of a zone; KeyError when it has none, which `load` allows for no zone."""
        for center in self.of_role("center", zone):
            return center
        raise KeyError(zone)

    def zone_serving(self, role: str, zone: str) -> str:
        """Whose nodes of this role a zone uses: its own, or the home zone's, if it may and has none."""
        return self.zone if role in SHARED and not self.of_role(role, zone) else zone

    def centers_of(self, node: NodeSpec) -> list[NodeSpec]:
        """Where a node is registered: at its own zone's center, which comes first, and at those of the zones that it
        serves besides."""
        served = [z for z in self.zones if z != node.zone and self.zone_serving(node.role, z) == node.zone]
        return [self.center_of(zone) for zone in (node.zone, *served)]

    @property
    def standbys(self) -> dict[str, str]:
        """Of a DC that has one: full name of the DC -> that of its standby. Which of the two writes is for them and
        the center to say; the first is who begins."""
        named = {spec.short: spec.name for spec in self.of_role("dc")}
        table = self.settings.get("dc", {}).get("standby", {})
        return {named[one]: named[other] for one, other in table.items() if {one, other} <= named.keys()}

    # --- links ---

    def dials(self, role: str, other: str) -> bool:
        """Does a node of `role` open the link to one of `other`?"""
        return (role, other) in self.links or (other == "center" and role != "center")

    def may_talk(self, role: str, other: str) -> bool:
        """Is there a link between these roles, whoever opens it? Operators reach everyone."""
        return "ctl" in (role, other) or self.dials(role, other) or self.dials(other, role)

    def may_link(self, own: NodeSpec, peer: str, role: str) -> bool:
        """May a node have a link to this peer (a full name) of this role?"""
        if role == "ctl" or zone_in(peer) == own.zone:
            return self.may_talk(own.role, role)
        if own.role == role == "center":
            return peer in self.nodes
        return (own.role in SHARED or role in SHARED) and self.may_talk(own.role, role)

    # --- files ---

    def data(self, node: NodeSpec) -> Path:
        return self.runtime / "data" / node.short

    def log_file(self, process: Process) -> Path:
        return self.runtime / "logs" / f"{process.name}.log"

    @property
    def keys(self) -> Path:
        return self.runtime / "keys"


def zone_in(name: str) -> str:
    """The zone in a full node name."""
    return name.split(".")[1] if name.count(".") >= 3 else ""
