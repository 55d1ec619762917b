"""What a check is, and what it finds. Data only."""

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import msgspec

from tools.ctl.scaling import SCALABLE
from tools.ctl.snapshot.model import NodeView, Snapshot
from tools.ctl.snapshot.units import Unit

Severity = Literal["critical", "warning", "note"]
"""critical: players feel it, or data is in danger. warning: it is not as it should be. note: it is as it may be, and
explains something else; a cluster with notes is healthy."""
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "note")
"""The worst first."""


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it should be."""

    severity: Severity
    where: str  # a node, a machine or the cluster, for people
    text: str  # one sentence
    metric: str  # what proves it,
    value: float  # what it is,
    limit: str  # and what it should be, in words: "at most 30 ms"
    mend: str  # the command that mends it, or that shows how
    unit: Unit = ""  # of the value
    node: str = ""  # the short name, of a node or of a process's first one
    host: str = ""
    peers: tuple[str, ...] = ()  # other nodes that it is about
    check: str = ""  # which one found it
    because: str = ""  # the key of the finding that is its likely cause

    @property
    def key(self) -> str:
        return f"{self.check}:{self.where}"


class Check(NamedTuple):
    """One question to a snapshot. The first line of its function says what is so when it finds nothing."""

    name: str  # what --check takes, and what alerts refer to
    look: Callable[[Snapshot], Iterable[Finding]]

    @property
    def text(self) -> str:
        return (self.look.__doc__ or "").partition("\n")[0]


def at_node(
    view: NodeView,
    severity: Severity,
    text: str,
    metric: str,
    value: float,
    limit: str,
    mend: str,
    unit: Unit = "",
    peers: tuple[str, ...] = (),
) -> Finding:
    """A finding about one node."""
    return Finding(severity, view.short, text, metric, value, limit, mend, unit, view.short, view.host, peers)


def at_host(
    view: NodeView, severity: Severity, text: str, metric: str, value: float, limit: str, mend: str, unit: Unit = ""
) -> Finding:
    """A finding about the machine that this node tells of."""
    return Finding(severity, f"host {view.host}", text, metric, value, limit, mend, unit, "", view.host)


def worse(value: float, critical: float) -> Severity:
    """Of a value that is too great already."""
    return "critical" if value > critical else "warning"


def relief(snapshot: Snapshot, view: NodeView) -> str:
    """What takes work off a node: another one of its role, where there can be one."""
    if view.role not in SCALABLE:
        return f"mesh slowlog {view.short}"
    count = sum(other.role == view.role and other.zone == view.zone for other in snapshot.missed)
    zone = f" --zone {view.zone}" if len(snapshot.topology.zones) > 1 else ""
    return f"mesh scale {view.role}={count + 1}{zone}"


def more_of(snapshot: Snapshot, role: str) -> str:
    """What takes work off the nodes of a role."""
    there = next((view for view in snapshot.nodes if view.role == role), None)
    return relief(snapshot, there) if there is not None else "mesh status"
