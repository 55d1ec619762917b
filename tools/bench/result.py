"""What a bench has found out, as it is printed, written to JSON and rendered into the docs.

Frozen structs and nothing else. The keys of the JSON are a promise to scripts: fields are appended, never renamed. A
field of the common part that says nothing for a bench is null, so that all files have the same keys.
"""

from typing import Literal

import msgspec

Verdict = Literal["OK", "FAILED", "INVALID"]
Judgement = Literal["aim", "required", "missed", "unjudged", "unmeasured"]


class Judged(msgspec.Struct, frozen=True):
    """One figure beside what it has to be."""

    name: str
    what: str
    unit: str
    reached: float | None
    required: float | None
    aim: float | None
    better: Literal["more", "less"]
    judgement: Judgement


class Table(msgspec.Struct, frozen=True):
    """Rows that explain the figures; every cell is text, as it is shown."""

    title: str
    head: list[str]
    rows: list[list[str]]


class ProcessUse(msgspec.Struct, frozen=True):
    """What one server process used while it was measured."""

    name: str
    cpu: float  # of one core
    rss_mb: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one bench."""

    name: str
    verdict: Verdict
    ok: bool  # the same for programs: the run was valid and every figure that was judged is as required
    why: list[str]  # what was missed, or why the run is INVALID
    depth: Literal["quick", "full"]
    command: str
    date: str  # UTC
    seconds: float  # the whole run, starts of clusters included
    version: str
    commit: str  # "" when it is not known
    machine: dict[str, str]
    players: int | None = None
    cpu_us_per_frame: float | None = None  # one frame: one move in, one frame of updates out
    updates_per_s: float | None = None  # entity updates delivered to clients
    p50_ms: float | None = None  # from the mover's time stamp to the neighbour's receipt
    p99_ms: float | None = None
    ratio_to_limit: float | None = None  # CPU per frame, against the C epoll server in the same run
    figures: list[Judged] = []
    tables: list[Table] = []
    processes: list[ProcessUse] = []
    notes: list[str] = []
