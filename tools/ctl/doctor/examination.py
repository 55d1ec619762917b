"""All checks over one snapshot: what was found, causes first, and what was found good. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tools.ctl.doctor.catalogue import CHECKS, NAMES
from tools.ctl.doctor.causes import ranked
from tools.ctl.doctor.finding import Finding
from tools.ctl.snapshot.model import Snapshot


class Report(msgspec.Struct, frozen=True):
    """What `mesh doctor` says."""

    cluster: str
    seconds: float  # over which growth was watched
    nodes: int  # that are to be there
    answered: int
    findings: list[Finding]  # causes first, each followed by what it explains
    good: list[str]  # names of the checks that found nothing
    made: int  # checks

    @property
    def is_healthy(self) -> bool:
        return all(one.severity == "note" for one in self.findings)


def examine(snapshot: Snapshot, names: Sequence[str] = NAMES) -> Report:
    """With the checks of these names."""
    found: list[Finding] = []
    good: list[str] = []
    for check in CHECKS:
        if check.name not in names:
            continue
        seen = [msgspec.structs.replace(one, check=check.name) for one in check.look(snapshot)]
        found += seen
        if not seen:
            good.append(check.name)
    made = len(good) + len({one.check for one in found})
    answered = sum(view.said is not None for view in snapshot.missed)
    findings = ranked(found, snapshot, NAMES)
    return Report(snapshot.label, snapshot.seconds, len(snapshot.missed), answered, findings, good, made)


def as_dict(report: Report) -> dict[str, Any]:
    """For --json; `because` and `explains` are keys of findings."""
    explains: dict[str, list[str]] = {}
    for one in report.findings:
        if one.because:
            explains.setdefault(one.because, []).append(one.key)
    return {
        "cluster": report.cluster,
        "healthy": report.is_healthy,
        "seconds": round(report.seconds, 3),
        "nodes": {"expected": report.nodes, "answered": report.answered},
        "checks": {"made": report.made, "good": len(report.good)},
        "findings": [
            {"key": one.key, **msgspec.to_builtins(one), "explains": explains.get(one.key, [])}
            for one in report.findings
        ],
        "good": report.good,
    }
