"""Whether work is shared: between gates, between scenes, between the lines of a map."""

from collections.abc import Iterator

import msgspec

from tools.ctl.doctor.finding import Finding, at_node
from tools.ctl.output import short
from tools.ctl.snapshot.figures import Figures
from tools.ctl.snapshot.model import NodeView, Snapshot
from tools.ctl.snapshot.units import shown

SETTLED_S = 60.0  # who has just begun has nobody yet
CLIENTS_MIN = 100  # fewer are chance
APART = 0.5  # by how much of the most the least may be less
PRESSURE = 0.5  # of a scene; below that it does not matter who has more
LINE_MIN = 20  # players


class LineFacts(msgspec.Struct, frozen=True):
    """A line as its center describes it."""

    map: str
    line: int
    scene: str
    players: int
    soft: int
    max: int
    state: str


def gates(snapshot: Snapshot) -> Iterator[Finding]:
    """The gates of a zone have about as many clients each."""
    for zone in snapshot.topology.zones:
        there = _settled(snapshot, "gate", zone)
        counts = [(figures.value("gate_clients") or 0.0, view) for view, figures in there]
        if len(counts) < 2:
            continue
        most, least = max(counts, key=lambda one: one[0]), min(counts, key=lambda one: one[0])
        if most[0] >= CLIENTS_MIN and least[0] < (1 - APART) * most[0]:
            text = f"It has {most[0]:.0f} clients, and {least[1].short} has {least[0]:.0f}."
            limit, mend = f"at least {shown(1 - APART, 'share')} as many on each", f"mesh restart {most[1].short}"
            peers = (least[1].short,)
            yield at_node(most[1], "warning", text, "gate_clients", most[0], limit, mend, peers=peers)


def scenes(snapshot: Snapshot) -> Iterator[Finding]:
    """The scenes of a zone have about as much to do."""
    for zone in snapshot.topology.zones:
        there = _settled(snapshot, "scene", zone)
        loads = [(figures.value("scene_pressure") or 0.0, view, figures) for view, figures in there]
        if len(loads) < 2:
            continue
        most, least = max(loads, key=lambda one: one[0]), min(loads, key=lambda one: one[0])
        if most[0] > PRESSURE and least[0] < (1 - APART) * most[0]:
            busy, idle = shown(most[0], "share"), shown(least[0], "share")
            text = f"Ticks take {busy} of its time, and only {idle} of that of {least[1].short}."
            players = most[2].by("map", "scene_players")
            fullest = max(players, key=players.__getitem__, default="")
            mend = f"mesh lines open {fullest} --scene {least[1].short}" if fullest else "mesh lines"
            limit, peers = f"at least {shown(1 - APART, 'share')} of that on each", (least[1].short,)
            yield at_node(most[1], "warning", text, "scene_pressure", most[0], limit, mend, "share", peers)


def lines(snapshot: Snapshot) -> Iterator[Finding]:
    """Of two lines of a map not one is full while the other is empty."""
    for view, _ in snapshot.told("center"):
        by_map: dict[str, list[LineFacts]] = {}
        for line in _lines(view):
            by_map.setdefault(line.map, []).append(line)
        for name, there in by_map.items():
            most, least = max(there, key=lambda one: one.players), min(there, key=lambda one: one.players)
            is_full = most.players > max((most.soft + most.max) / 2, LINE_MIN)  # further lines open at the soft cap
            if is_full and least.state == "free" and least.players < (1 - APART) * most.players:
                text = (
                    f"{name}:{most.line} on {short(most.scene)} has {most.players} players (soft cap {most.soft}), and "
                    f"{name}:{least.line} has {least.players}."
                )
                peers = (short(most.scene), short(least.scene))
                yield at_node(
                    view, "warning", text, "players on a line", most.players, f"at most {most.soft}",
                    f"mesh lines close {name}:{most.line}", peers=peers,
                )  # fmt: skip


def _settled(snapshot: Snapshot, role: str, zone: str) -> list[tuple[NodeView, Figures]]:
    return [
        (view, figures)
        for view, figures in snapshot.told(role)
        if view.zone == zone and view.is_ready and view.uptime_s > SETTLED_S
    ]


def _lines(view: NodeView) -> list[LineFacts]:
    """None of a center that says something else."""
    try:
        return msgspec.convert(view.status.facts.get("lines", []), list[LineFacts])
    except msgspec.ValidationError:
        return []
