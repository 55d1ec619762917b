"""Who has to be told what, and when: alerts of one trouble together, once, and again when nobody looks after it. Pure.

A notice is of an incident, or of a rule whose alerts belong to none. It waits WAIT_S for what comes along, is told
again when something new has joined it (UPDATE_S after the last time) or after REPEAT_S, and once more when nothing of
it is left. What is silenced is left out; what was acknowledged is not repeated.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from nodes.ops.analysis.alerts import SEVERITIES, Alert
from nodes.ops.analysis.incidents import Incident
from nodes.ops.analysis.kinds import Severity

WAIT_S = 10.0
UPDATE_S = 60.0
REPEAT_S = 4 * 3600.0
KEYS_MAX = 1000


class Notice(msgspec.Struct, frozen=True):
    """What one message says."""

    key: str  # an incident, or a rule
    state: Literal["firing", "resolved"]
    severity: Severity
    title: str
    alerts: tuple[Alert, ...]  # the worst first
    incident: Incident | None
    at_s: float


class Told(msgspec.Struct, frozen=True):
    """What was told of a key."""

    first_s: float
    told_s: float = 0.0
    severity: Severity = "notice"
    alerts: tuple[Alert, ...] = ()


class NoticesState(msgspec.Struct, frozen=True):
    """What survives a restart, so that nobody is told twice."""

    told: dict[str, Told] = {}


class Notices:
    """See the module."""

    def __init__(self, state: NoticesState | None = None) -> None:
        self._told = dict(state.told) if state is not None else {}

    def look(self, alerts: Sequence[Alert], incidents: Mapping[str, Incident], now_s: float) -> list[Notice]:
        """What is to be told now. `alerts` are all, the worst first; `incidents` by id, ended ones included."""
        groups: dict[str, list[Alert]] = {}
        for one in alerts:
            if one.state == "firing" and not one.silence:
                groups.setdefault(one.incident or one.rule, []).append(one)
        made = []
        for key, some in groups.items():
            told = self._told.setdefault(key, Told(now_s))
            if _is_due(told, some, now_s):
                self._told[key] = Told(told.first_s, now_s, some[0].severity, tuple(some))
                made.append(_notice(key, "firing", some, incidents.get(key), now_s))
        for key in [key for key in self._told if key not in groups]:
            told = self._told.pop(key)
            if told.told_s:
                made.append(_notice(key, "resolved", told.alerts, incidents.get(key), now_s))
        for key in list(self._told)[:-KEYS_MAX]:
            del self._told[key]
        return made

    def state(self) -> NoticesState:
        return NoticesState(dict(self._told))


def _is_due(told: Told, alerts: Sequence[Alert], now_s: float) -> bool:
    if not told.told_s:
        return now_s - told.first_s >= WAIT_S
    known = {one.id for one in told.alerts}
    worse = SEVERITIES.index(alerts[0].severity) < SEVERITIES.index(told.severity)
    if worse or any(one.id not in known for one in alerts):
        return now_s - told.told_s >= UPDATE_S
    return now_s - told.told_s >= REPEAT_S and not all(one.acknowledged_s for one in alerts)


def _notice(
    key: str,
    state: Literal["firing", "resolved"],
    alerts: Sequence[Alert],
    incident: Incident | None,
    now_s: float,
) -> Notice:
    title = incident.title if incident is not None else alerts[0].text
    severity = min((one.severity for one in alerts), key=SEVERITIES.index)
    return Notice(key, state, severity, title, tuple(alerts), incident, now_s)
