"""What the console is told by its sources: plain values, as they travel to the page. No behaviour in here.

Units are the last word of a name: `_s` seconds (a moment is in seconds since 1970-01-01 UTC), `_us` microseconds,
`_bytes`, `_m` metres, `_per_s`, `_ratio` (1.0 is all of it). Numbers that JavaScript cannot carry exactly (sessions,
incarnations, traces, items) are texts. A moment of 0 means: not, or not yet.
"""

from typing import Any, Literal

import msgspec

Severity = Literal["", "notice", "warning", "critical"]
Unit = Literal["", "s", "bytes", "ratio", "per_s", "bytes_per_s"]
How = Literal["value", "rate", "mean", "p50", "p95", "p99"]
IncidentState = Literal["open", "acknowledged", "ended"]
MomentKind = Literal["alert", "recovery", "deployment", "restart", "action", "state", "note"]


class Done(msgspec.Struct, frozen=True):
    """Something was done; the text is a sentence for people."""

    text: str


# --- the mesh now ---


class NodeNow(msgspec.Struct, frozen=True):
    """A node as it is this second."""

    name: str  # short: "scene.1"
    role: str
    zone: str
    host: str
    process: str
    state: str  # Starting, Ready, Draining, Shutdown, or Away: it does not answer
    version: str
    incarnation: str
    uptime_s: float
    away_s: float  # since when it does not answer; 0: it does
    players: int
    capacity: int  # 0: no limit of its own
    cpu_ratio: float  # of one core
    rss_bytes: int
    lag_s: float  # of the loop, 99th percentile of the last seconds
    messages_per_s: float
    pressure: float  # 1.0: at its limit
    level: int  # of the policy
    pinned: bool
    reason: str  # what led to the level
    alerts: int
    note: str = ""  # of a DC: "writes", "standby, in sync"


class LinkNow(msgspec.Struct, frozen=True):
    source: str
    target: str
    messages_per_s: float  # both directions
    bytes_per_s: float
    up: bool = True


class ChartOf(msgspec.Struct, frozen=True):
    """A chart that explains something; the page can open it in the explorer."""

    title: str
    name: str
    how: How
    by: list[str] = []
    where: dict[str, str] = {}


class Figure(msgspec.Struct, frozen=True):
    """One of the few numbers that say how the cluster is."""

    key: str
    title: str
    value: float
    unit: Unit
    severity: Severity
    chart: ChartOf


class ZoneNow(msgspec.Struct, frozen=True):
    name: str
    players: int
    capacity: int
    queue: int  # logins that wait


class Overview(msgspec.Struct, frozen=True):
    at_s: float
    cluster: str
    version: str
    levels: list[str]  # names of the policy's levels, 0 first
    zones: list[ZoneNow]
    figures: list[Figure]
    nodes: list[NodeNow]
    links: list[LinkNow]


class Vocabulary(msgspec.Struct, frozen=True):
    """Which words there are to choose from."""

    zones: list[str]
    roles: list[str]
    scalable: list[str]  # roles that `scale` can change
    levels: list[str]
    log_levels: list[str]
    event_kinds: list[str]
    trace_kinds: list[str]


# --- metrics ---


class MetricName(msgspec.Struct, frozen=True):
    name: str
    kind: Literal["counter", "gauge", "histogram"]
    unit: Unit  # of a single value; a rate adds "per second"
    text: str
    labels: list[str]


class Wanted(msgspec.Struct, frozen=True):
    """Which lines of a metric. `where`: label values, exact, or with * at the end; `by`: the labels that lines keep,
    all others are summed (or, of a histogram, put together)."""

    name: str
    where: dict[str, str]
    by: list[str]
    start_s: float
    end_s: float
    step_s: float
    how: How
    band: bool  # the baseline's, too


class Line(msgspec.Struct, frozen=True):
    labels: dict[str, str]
    values: list[float | None]  # None: nothing is known


class Band(msgspec.Struct, frozen=True):
    """Between what a line usually is at this time of day and week."""

    low: list[float | None]
    high: list[float | None]


class Series(msgspec.Struct, frozen=True):
    """Value i is of the step that begins at start_s + i * step_s."""

    name: str
    unit: Unit
    start_s: float
    step_s: float
    lines: list[Line]
    band: Band | None = None  # only of a single line
    left_out: int = 0  # lines beyond what one chart takes


class Moment(msgspec.Struct, frozen=True):
    """Something that happened, for a time line and as a mark in charts."""

    at_s: float
    kind: MomentKind
    text: str
    node: str = ""
    severity: Severity = ""


# --- incidents ---


class Alert(msgspec.Struct, frozen=True):
    id: str
    rule: str
    severity: Severity
    node: str
    zone: str
    text: str
    value: float
    limit: float
    unit: Unit
    since_s: float
    incident: str = ""
    silenced_until_s: float = 0.0


class IncidentRow(msgspec.Struct, frozen=True):
    id: str
    title: str
    severity: Severity
    state: IncidentState
    begun_s: float
    ended_s: float
    nodes: list[str]
    alerts: int
    acknowledged_by: str = ""


class Incident(msgspec.Struct, frozen=True):
    about: IncidentRow
    cause: str  # what probably is behind it, in a sentence
    advice: str  # what to do
    moments: list[Moment]  # oldest first
    evidence: list[ChartOf]
    alerts: list[Alert]


class Silence(msgspec.Struct, frozen=True):
    id: str
    rule: str  # "" for every rule
    node: str  # "" for every node
    until_s: float
    by: str
    reason: str
    made_s: float


class Pulse(msgspec.Struct, frozen=True):
    """What every console is told each second."""

    page: str  # which page this is: an open console of another one says that it is to be loaded again
    overview: Overview
    alerts: list[Alert]
    incidents: list[IncidentRow]  # those that have not ended


# --- traces, log lines, events ---


class TraceRow(msgspec.Struct, frozen=True):
    id: str  # hexadecimal
    kind: str
    subject: str
    began_s: float
    duration_us: int
    hops: int
    failed: str  # the code, "" for one that went well


class Span(msgspec.Struct, frozen=True):
    """A hop as it is drawn: microseconds since the beginning of the trace."""

    depth: int
    step: int
    request: str
    source: str
    target: str
    starts_us: int
    arrives_us: int
    leaves_us: int
    ends_us: int
    waits: list[tuple[int, int]]  # while the target waited for others
    failed: str = ""


class LogLine(msgspec.Struct, frozen=True):
    at_s: float
    level: str
    node: str
    text: str
    fields: dict[str, Any]
    trace: str = ""


class EventRow(msgspec.Struct, frozen=True):
    at_s: float
    kind: str
    player: str
    account: int
    node: str
    fields: dict[str, Any]
    trace: str = ""


class Trace(msgspec.Struct, frozen=True):
    about: TraceRow
    spans: list[Span]  # a hop, then all that is below it
    lines: list[LogLine]
    events: list[EventRow]


class LogQuery(msgspec.Struct, frozen=True):
    """Empty means: any. `text` is looked for in text and fields, in any case."""

    text: str
    node: str
    level: str  # this one and worse
    trace: str
    since_s: float
    until_s: float
    limit: int


class EventQuery(msgspec.Struct, frozen=True):
    player: str
    kinds: list[str]
    node: str
    trace: str
    since_s: float
    until_s: float
    limit: int


class LogLines(msgspec.Struct, frozen=True):
    """Newest first."""

    lines: list[LogLine]
    more: bool
    unasked: list[str] = []  # nodes whose lines are missing


class Events(msgspec.Struct, frozen=True):
    """Newest first."""

    events: list[EventRow]
    more: bool
    unasked: list[str] = []
