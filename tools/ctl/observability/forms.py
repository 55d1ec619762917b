"""What a Prometheus is told, as data: series that it records, alerts, and the groups in which it works them out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["critical", "warning", "info"]
"""Somebody is to be woken; is to look at it today; may want to know."""


@dataclass(frozen=True)
class Recording:
    """A series under a name of its own: level:metric:what was done to it, as the field has it."""

    name: str
    expr: str


@dataclass(frozen=True, kw_only=True)
class Alert:
    """`expr` may have several lines, indented as one likes. `summary` and `description` are templates of Prometheus:
    {{ $labels.node }}, {{ $value }}."""

    name: str
    expr: str
    lasts: str = ""  # it has to hold for so long; "": no time at all
    severity: Severity = "warning"
    summary: str
    description: str
    runbook: str  # docs/runbooks/NAME.md
    labels: Mapping[str, str] = field(default_factory=dict)  # besides the severity


@dataclass(frozen=True)
class Group:
    """Rules that are worked out one after the other, at the same moment."""

    name: str
    rules: tuple[Recording | Alert, ...]
    interval: str = ""  # "": as Prometheus does by default
