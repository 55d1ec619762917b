"""What a run has shown, as it is printed and written to JSON.

Frozen structs and nothing else. The keys are a promise to scripts: fields are appended, never renamed. Every scenario
has the same keys; what says nothing for it is null.
"""

from typing import Literal

import msgspec

from mesh.checking.records import Problem
from tools.bench.result import Judged

Verdict = Literal["OK", "FAILED", "INVALID"]


class Times(msgspec.Struct, frozen=True):
    """Of something that happened several times; null when it never did."""

    p50: float | None = None
    p99: float | None = None
    max: float | None = None


class ChaosResult(msgspec.Struct, frozen=True, kw_only=True):
    """One run of one scenario."""

    name: str
    verdict: Verdict
    ok: bool  # the same for programs
    why: list[str]  # what does not hold
    kills: int  # faults that were carried out, of whatever kind: `what`
    what: str
    acked: int  # operations
    applied: int
    refused: int
    unknown: int  # whoever asked was never answered: carried out once or not at all
    lost: int
    doubled: int
    gold_before: int | None
    gold_after: int | None
    recovery_ms: Times
    bound_ms: float | None  # of recovery_ms.p99
    proves: str
    bound_of_rate: float  # 3/N: the largest rate of failures that is still likely, 1 when it says nothing
    seed: int
    depth: Literal["quick", "long"]
    command: str
    date: str  # UTC
    seconds: float
    version: str
    commit: str
    machine: dict[str, str]
    figures: list[Judged] = []
    problems: list[Problem] = []  # the first of them
    problems_by_checker: dict[str, int] = {}
    notes: list[str] = []
