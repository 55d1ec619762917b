"""Who is there: nodes, their links, their registry, their versions and clocks, the pair of DCs."""

from collections.abc import Iterator

import msgspec

from mesh.protocol.control import Member
from mesh.topology import NodeSpec, Topology
from tools.ctl.doctor.finding import Finding, Severity, at_node, worse
from tools.ctl.output import brief
from tools.ctl.snapshot.model import NodeView, Snapshot
from tools.ctl.snapshot.units import plural, spell

READY = "mesh_ready"
RESTARTED_S = 600.0  # so long a node that was started again is looked at
SETTLED_S = 5.0  # so long a node may take for its links
CLOCK_S, CLOCK_S_MAX = 0.5, 5.0  # apart: tickets, and the order of what is logged, are of no use far above it
STATES: dict[str, tuple[Severity, str, str]] = {
    "Silent": ("critical", "It runs (pid {pid}), but did not answer.", "mesh restart {node}"),
    "Unreached": ("critical", "It is on {host}, and did not answer.", "mesh up {file} --host {host}    # there"),
    "Down": ("critical", "It does not run, and is not started again{why}.", "mesh restart {node}"),
    "Waiting": ("critical", "It has ended, and is started again in a moment{why}.", "mesh logs {node} -n 200"),
    "Starting": ("warning", "It starts: it is not registered or linked yet.", "mesh logs {node} -n 50"),
    "Draining": ("warning", "It was drained, or is being stopped: nobody new comes to it.", "mesh restart {node}"),
    "Shutdown": ("warning", "It was stopped, as somebody asked.", "mesh restart {node}"),
}
"""By state, as `mesh status` has them: how bad, the sentence, the command."""


def nodes(snapshot: Snapshot) -> Iterator[Finding]:
    """Every node answers and is Ready."""
    for view in snapshot.missed:
        if view.is_ready:
            continue
        status = view.status
        severity, text, mend = STATES.get(status.state, STATES["Silent"])
        why = f": it {status.reason.splitlines()[0]}" if status.reason else ""
        filled = {"pid": status.pid, "host": view.host, "why": why, "node": view.short, "file": snapshot.topology.file}
        yield at_node(view, severity, text.format(**filled), READY, 0, "at least 1", mend.format(**filled))


def restarts(snapshot: Snapshot) -> Iterator[Finding]:
    """No node was started again lately because its process had ended."""
    for view in snapshot.nodes:
        count = view.status.restarts
        if view.is_ready and count and view.uptime_s < RESTARTED_S:
            text = f"It came back {brief(view.uptime_s)} ago; it has ended by itself {plural(count, 'time')} so far."
            limit = f"0 within {brief(RESTARTED_S)}"
            yield at_node(view, "warning", text, "restarts", count, limit, f"mesh logs {view.short} -n 200")


def links(snapshot: Snapshot) -> Iterator[Finding]:
    """Nodes that are to have a link have one."""
    settled = [view for view in snapshot.answering if view.is_ready and view.uptime_s > SETTLED_S]
    for view in settled:
        lacking = [
            other
            for other in settled
            if _is_due(snapshot.topology, view.spec, other.spec) and not (_has(view, other) or _has(other, view))
        ]
        if lacking:
            names = tuple(other.short for other in lacking)
            text = f"It has no link to {', '.join(names)}."
            yield at_node(
                view, "critical", text, "missing links", len(names), "0", f"mesh restart {view.short}", peers=names
            )


def _is_due(topology: Topology, one: NodeSpec, other: NodeSpec) -> bool:
    if one.name == other.name or not topology.dials(one.role, other.role):
        return False
    if one.role == other.role and one.name > other.name:  # the same pair again
        return False
    return other.zone == topology.zone_serving(other.role, one.zone)


def _has(view: NodeView, other: NodeView) -> bool:
    assert view.said is not None
    return any(peer == other.spec.name and state == "up" for peer, state in view.said.links)


def registry(snapshot: Snapshot) -> Iterator[Finding]:
    """The center of each zone knows every node of it, and nobody comes or goes."""
    for view, figures in snapshot.told("center"):
        if view.uptime_s < SETTLED_S:
            continue
        known = _members(view)
        missing = [
            other.short
            for other in snapshot.answering
            if other.is_ready and other.zone == view.zone and other.short != view.short
            and other.uptime_s > SETTLED_S and other.spec.name not in known
        ]  # fmt: skip
        if missing and known:
            text = f"Its registry does not have {', '.join(missing)}: nobody is sent there."
            mend = f"mesh restart {missing[0]}"
            yield at_node(view, "critical", text, "missing members", len(missing), "0", mend, peers=tuple(missing))
        change = figures.change("center_members") or 0.0
        if change:
            text = f"Its registry had {plural(abs(change), 'node')} {'more' if change < 0 else 'less'} a moment ago."
            count = figures.value("center_members") or 0.0
            yield at_node(view, "warning", text, "center_members", count, "steady", "mesh status")


def _members(view: NodeView) -> set[str]:
    """Full names; none for a center that does not tell."""
    try:
        found = msgspec.convert(view.said.facts.get("members", []) if view.said else [], list[Member])
    except msgspec.ValidationError:
        return set()
    return {member.name for member in found}


def gaps(snapshot: Snapshot) -> Iterator[Finding]:
    """No node misses what the center publishes."""
    for view, figures in snapshot.told():
        count = figures.grown("mesh_gaps_total") or 0.0
        if count:
            text = "It has missed publications of the center, and asked for a snapshot of the registry."
            yield at_node(view, "warning", text, "mesh_gaps_total", count, "no more than before", "mesh doctor")


def versions(snapshot: Snapshot) -> Iterator[Finding]:
    """All nodes are of one version."""
    by_version: dict[str, list[str]] = {}
    for view in snapshot.answering:
        by_version.setdefault(view.status.version or "unknown", []).append(view.short)
    if len(by_version) < 2:
        return
    parts = [f"{version} ({', '.join(shorts)})" for version, shorts in sorted(by_version.items())]
    text = f"{len(by_version)} versions run beside each other: {'; '.join(parts)}."
    fewest = min(by_version.values(), key=len)
    yield Finding("warning", "cluster", text, "versions", len(by_version), "1", "mesh upgrade", peers=tuple(fewest))


def clocks(snapshot: Snapshot) -> Iterator[Finding]:
    """The clocks of all nodes agree with that of this machine."""
    for view in snapshot.answering:
        apart = abs(view.apart_s) - view.unsure_s
        if apart > CLOCK_S and view.leads:
            side = "ahead of" if view.apart_s > 0 else "behind"
            text = f"Its clock is {brief(apart) if apart >= 60 else spell(apart)} {side} that of this machine."
            mend = f"timedatectl set-ntp true    # on {view.host}"
            severity = worse(apart, CLOCK_S_MAX)
            limit = f"at most {spell(CLOCK_S)}"
            yield at_node(view, severity, text, "clock apart", apart, limit, mend, "s")


def standby(snapshot: Snapshot) -> Iterator[Finding]:
    """Of two DCs one writes, and the other could take over."""
    pair = [view for view in snapshot.answering if view.role == "dc" and view.said and "pair" in view.said.facts]
    if not pair:
        return
    writers = [view for view in pair if view.status.facts.get("pair") == "writer"]
    if not writers:
        names = tuple(view.short for view in pair)
        text = f"None of {' and '.join(names)} writes: nothing can be changed."
        yield at_node(pair[0], "critical", text, "dc_writes", 0, "1", "mesh status", peers=names)
    for view in writers:
        facts = view.status.facts
        if facts.get("standby") == "paired":
            continue
        other = str(facts.get("other", ""))
        text = f"Its standby {other} is not in sync: it could not take over."
        if facts.get("standby_away") == "refuse":
            text = f"Its standby {other} is not in sync: it could not take over, and paid operations are refused."
        yield at_node(view, "warning", text, "dc_standby_in_sync", 0, "1", f"mesh restart {other}", peers=(other,))
