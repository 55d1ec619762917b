"""Everything about one node of a snapshot, for `mesh info` and for the page of a node in `mesh top`. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mesh.protocol.monitoring import Line
from tools.ctl.output import short
from tools.ctl.snapshot.figures import Figures
from tools.ctl.snapshot.keys import KEYS, Key
from tools.ctl.snapshot.model import NodeView, Snapshot
from tools.ctl.snapshot.units import Unit

BUSIEST, SLOWEST = 4, 4  # messages that are named
WARNINGS = 5  # lines
BAD = ("WARNING", "ERROR", "CRITICAL")
HANDLED = "mesh_handled_seconds"
ASKED = ("Describe", "ReadMetrics", "ReadLines")
"""What we ask ourselves while we look: left out of the messages, as our own link is of the links."""


class MessageFigures(msgspec.Struct, frozen=True):
    """One kind of message that the node answers."""

    message: str
    rate: float  # in a second
    p50_s: float
    p99_s: float
    share: float  # of all time that the node's answers took


class KeyFigure(msgspec.Struct, frozen=True):
    """A figure of the role; several when it goes by a label."""

    text: str
    metric: str
    unit: Unit
    values: dict[str, float]  # by the value of the label, or with "" as the only key


class Process(msgspec.Struct, frozen=True):
    """What the operating system knows of its process; shared by the nodes in it. Zero: not known."""

    cpu: float  # of a core
    memory_bytes: float
    descriptors: float
    descriptors_max: float
    threads: float
    gc: float  # share of the time
    shared_with: list[str]  # other nodes in it


class NodeInfo(msgspec.Struct, frozen=True):
    """One node."""

    node: str
    name: str
    role: str
    zone: str
    host: str
    answers: bool
    state: str
    reason: str
    version: str
    pid: int
    uptime_s: float
    restarts: int
    players: int
    level: int
    level_name: str
    pinned: bool
    score: float
    signals: dict[str, float]
    process: Process
    lag_p50_s: float
    lag_p99_s: float
    said: float  # typed messages in a second
    heard: float
    batches_said: float
    batches_heard: float
    refused: float
    under_way: float
    busiest: list[MessageFigures]
    slowest: list[MessageFigures]
    keys: list[KeyFigure]
    links: dict[str, str]  # by short name: the state
    settings: dict[str, Any]  # those that the topology says, by dotted key; all others are as they are by default
    problem: str = ""
    warnings: list[Line] = []


def inspect(snapshot: Snapshot, view: NodeView, lines: Sequence[Line] = ()) -> NodeInfo:
    """What is known of it; `lines`: what its process has logged."""
    said, figures, status = view.said, view.figures, view.status
    pressure = status.facts.get("pressure", {})
    messages, links = _messages(figures), said.links if said is not None else []
    now = _Now(figures)
    return NodeInfo(
        node=view.short,
        name=view.spec.name,
        role=view.role,
        zone=view.zone,
        host=view.host,
        answers=said is not None,
        state=status.state,
        reason=status.reason,
        version=status.version,
        pid=status.pid,
        uptime_s=status.uptime_s,
        restarts=status.restarts,
        players=status.players,
        level=int(pressure.get("level", 0)),
        level_name=str(pressure.get("name", "")),
        pinned=bool(pressure.get("pinned", False)),
        score=float(pressure.get("score", 0.0)),
        signals=dict(pressure.get("signals", {})),
        process=_process(snapshot, view, now),
        lag_p50_s=now.quantile(0.5, "mesh_loop_lag_seconds"),
        lag_p99_s=now.quantile(0.99, "mesh_loop_lag_seconds"),
        said=now.rate("mesh_said_total"),
        heard=now.rate("mesh_heard_total"),
        batches_said=now.rate("mesh_batches_said_total"),
        batches_heard=now.rate("mesh_batches_heard_total"),
        refused=now.rate("mesh_refused_sends_total"),
        under_way=now.value("mesh_under_way"),
        busiest=sorted(messages, key=lambda one: -one.rate)[:BUSIEST],
        slowest=sorted(messages, key=lambda one: -one.p99_s)[:SLOWEST],
        keys=[found for key in KEYS.get(view.role, ()) if (found := _key(key, figures)) is not None],
        links={short(peer): state for peer, state in links if ".ctl." not in peer},
        settings=flat(snapshot.topology.settings.get(view.role, {})),
        problem=view.problem,
        warnings=warnings_of(snapshot, view, lines),
    )


def warnings_of(snapshot: Snapshot, view: NodeView, lines: Sequence[Line], most: int = WARNINGS) -> list[Line]:
    """The last ones, the oldest first, without those of other nodes of its process."""
    others = {spec.short for spec in snapshot.topology.nodes.values()} - {view.short}
    bad = [line for line in lines if line.level in BAD and line.node not in others]
    return bad[-most:]


class _Now:
    """Figures of which 0 is said when they are not known."""

    def __init__(self, figures: Figures | None) -> None:
        self._figures = figures

    def value(self, name: str) -> float:
        return (self._figures.value(name) or 0.0) if self._figures is not None else 0.0

    def rate(self, name: str) -> float:
        return (self._figures.rate(name) or 0.0) if self._figures is not None else 0.0

    def quantile(self, share: float, name: str) -> float:
        return (self._figures.quantile(share, name) or 0.0) if self._figures is not None else 0.0


def _process(snapshot: Snapshot, view: NodeView, now: _Now) -> Process:
    beside = [node.short for node in snapshot.topology.process_of(view.spec).nodes if node.short != view.short]
    return Process(
        now.rate("process_cpu_seconds_total"),
        now.value("process_resident_memory_bytes"),
        now.value("process_open_fds"),
        now.value("process_max_fds"),
        now.value("process_threads"),
        now.rate("process_gc_seconds_total"),
        beside,
    )


def _messages(figures: Figures | None) -> list[MessageFigures]:
    """Those that came since the first reading."""
    if figures is None or figures.before is None:
        return []
    counts, sums = (
        {message: grown for message, grown in figures.grown_by("message", name).items() if message not in ASKED}
        for name in (f"{HANDLED}_count", f"{HANDLED}_sum")
    )
    every_s = sum(sums.values())
    return [
        MessageFigures(
            message,
            count / figures.seconds,
            figures.quantile(0.5, HANDLED, message=message) or 0.0,
            figures.quantile(0.99, HANDLED, message=message) or 0.0,
            sums.get(message, 0.0) / every_s if every_s else 0.0,
        )
        for message, count in counts.items()
        if count
    ]


def _key(key: Key, figures: Figures | None) -> KeyFigure | None:
    """None when the node does not tell it, or has nothing to tell."""
    if figures is None:
        return None
    if key.how in ("by", "rate by"):
        found = figures.by(key.label, key.metric) if key.how == "by" else _rates(key, figures)
        some = {name: value for name, value in found.items() if value}
        return KeyFigure(key.text, key.metric, key.unit, some) if some else None
    value = _value(key, figures)
    return KeyFigure(key.text, key.metric, key.unit, {"": value}) if value is not None else None


def _value(key: Key, figures: Figures) -> float | None:
    if key.how == "now":
        return figures.value(key.metric)
    if key.how == "rate":
        return figures.rate(key.metric)
    return figures.quantile(0.5 if key.how == "p50" else 0.99, key.metric)


def _rates(key: Key, figures: Figures) -> dict[str, float]:
    grown = figures.grown_by(key.label, key.metric)
    return {name: count / figures.seconds for name, count in grown.items()}


def flat(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    """By dotted key, tables opened: {"maps": {"meadow": {"size_m": 200}}} is {"maps.meadow.size_m": 200}."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value
    return found
