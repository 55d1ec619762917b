"""Alerts: rules that hold, from the moment that they begin to until they have been over for a while. Pure.

    pending     a rule holds, and has not for as long as it has to
    firing      it has; whoever is to be told is told (notices.py)
    resolved    it has not held for RESOLVE_S; shown for KEPT_S

An alert is one rule and one subject, so the same trouble is never two alerts; alerts whose trouble is in an incident
say so, and whoever tells people tells them once of all of these. Acknowledging an alert ends when it is resolved.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from mesh.errors import Code, RefusedError
from nodes.ops.analysis.conditions import Condition, World, conditions
from nodes.ops.analysis.forms import Unit
from nodes.ops.analysis.incidents import Incident
from nodes.ops.analysis.kinds import RANK, Severity
from nodes.ops.analysis.rules import AnyRule, Baseline, Burn, Threshold
from nodes.ops.analysis.silences import Silence, Silences, SilencesState
from nodes.ops.analysis.words import quantity, where

ALERTS_MAX = 1000  # pending and firing; further ones are counted
RESOLVED_MAX = 500
RESOLVE_S = 15.0
KEPT_S = 3600.0

State = Literal["pending", "firing", "resolved"]
SEVERITIES: tuple[Severity, ...] = ("critical", "warning", "notice")


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """Moments are seconds since 1970; 0.0: not yet."""

    id: str
    rule: str
    kind: str  # of the rule
    subject: str
    zone: str
    severity: Severity
    state: State
    text: str
    value: float
    limit: float
    unit: Unit
    runbook: str
    check: str
    since_s: float
    fired_s: float = 0.0
    resolved_s: float = 0.0
    held_s: float = 0.0  # when it held last
    incident: str = ""
    acknowledged_s: float = 0.0
    acknowledged_by: str = ""
    note: str = ""
    silence: str = ""
    silenced_until_s: float = 0.0

    @property
    def labels(self) -> dict[str, str]:
        """What a silence may name."""
        return {
            "rule": self.rule,
            "subject": self.subject,
            "zone": self.zone,
            "severity": self.severity,
            "kind": self.kind,
        }


class AlertsState(msgspec.Struct, frozen=True):
    """What survives a restart."""

    alerts: list[Alert] = []
    silences: SilencesState = SilencesState()


class Alerts:
    """See the module."""

    def __init__(self, rules: Mapping[str, AnyRule], state: AlertsState | None = None) -> None:
        self._rules = dict(rules)
        self._alerts: dict[str, Alert] = {}
        self.silences = Silences(state.silences if state is not None else None)
        self.refused = 0
        for one in state.alerts if state is not None else ():
            if one.rule in self._rules:
                self._alerts[one.id] = one

    @property
    def all(self) -> list[Alert]:
        """The worst first; resolved ones last."""
        return sorted(self._alerts.values(), key=_order)

    @property
    def firing(self) -> list[Alert]:
        """The worst first, silenced ones included."""
        return [one for one in self.all if one.state == "firing"]

    def look(self, world: World, incidents: Sequence[Incident], now_s: float) -> list[Alert]:
        """Those whose state has changed."""
        holding = {
            f"{name}/{condition.subject}": (name, rule, condition)
            for name, rule in self._rules.items()
            for condition in conditions(rule, world)
        }
        before = dict(self._alerts)
        for key, (name, rule, condition) in holding.items():
            known = before.get(key)
            if known is None and len(self._alerts) >= ALERTS_MAX:
                self.refused += 1
            else:
                self._alerts[key] = _held(key, name, rule, condition, known, now_s)
        for key in before.keys() - holding.keys():
            self._let_go(before[key], now_s)
        self._join(incidents)
        self._hush(now_s)
        return [one for key, one in self._alerts.items() if one.state != (before[key].state if key in before else "")]

    def acknowledge(self, alert: str, by: str, note: str, now_s: float) -> Alert:
        """Somebody looks after it. RefusedError when it does not hold."""
        one = self._alerts.get(alert)
        if one is None or one.state == "resolved":
            raise RefusedError(Code.NOT_FOUND, f"there is no alert {alert} that holds")
        self._alerts[alert] = msgspec.structs.replace(one, acknowledged_s=now_s, acknowledged_by=by, note=note)
        return self._alerts[alert]

    def silence(self, matchers: Mapping[str, str], until_s: float, by: str, why: str, now_s: float) -> Silence:
        """See Silences.add."""
        made = self.silences.add(matchers, until_s, by, why, now_s)
        self._hush(now_s)
        return made

    def end_silence(self, silence: str, now_s: float) -> Silence:
        """RefusedError when there is none."""
        ended = self.silences.end(silence)
        self._hush(now_s)
        return ended

    def state(self) -> AlertsState:
        return AlertsState(list(self._alerts.values()), self.silences.state())

    # --- one look ---

    def _let_go(self, one: Alert, now_s: float) -> None:
        """It does not hold now."""
        if one.state == "pending" or (one.state == "resolved" and now_s - one.resolved_s > KEPT_S):
            del self._alerts[one.id]
        elif one.state == "firing" and now_s - one.held_s >= RESOLVE_S:
            self._alerts[one.id] = msgspec.structs.replace(one, state="resolved", resolved_s=now_s)
            resolved = [name for name, other in self._alerts.items() if other.state == "resolved"]
            for name in resolved[:-RESOLVED_MAX]:
                del self._alerts[name]

    def _join(self, incidents: Sequence[Incident]) -> None:
        """Enter the incident that an alert belongs to. It stays when the incident has ended."""
        if not incidents:
            return
        for key, one in self._alerts.items():
            if one.state != "resolved":
                found = _incident_of(one, self._rules[one.rule], incidents)
                if found and found != one.incident:
                    self._alerts[key] = msgspec.structs.replace(one, incident=found)

    def _hush(self, now_s: float) -> None:
        """Enter the silence that holds for an alert."""
        self.silences.prune(now_s)
        for key, one in self._alerts.items():
            if one.state == "resolved":
                continue
            holds = self.silences.of(one.labels)
            name, until_s = (holds.id, holds.until_s) if holds is not None else ("", 0.0)
            if (name, until_s) != (one.silence, one.silenced_until_s):
                self._alerts[key] = msgspec.structs.replace(one, silence=name, silenced_until_s=until_s)


def _held(key: str, name: str, rule: AnyRule, condition: Condition, known: Alert | None, now_s: float) -> Alert:
    """The alert of a rule that holds now."""
    fresh = known is None or known.state == "resolved"
    since_s = now_s if fresh or known is None else known.since_s
    fires = now_s - since_s >= rule.for_s
    severity = condition.severity or rule.severity
    held = Alert(
        id=key, rule=name, kind=str(rule.__struct_config__.tag), subject=condition.subject, zone=condition.zone,
        severity=severity, state="firing" if fires else "pending", text=_text(rule, condition), value=condition.value,
        limit=condition.limit, unit=condition.unit, runbook=rule.runbook, check=rule.check, since_s=since_s,
        fired_s=now_s if fires else 0.0, held_s=now_s,
    )  # fmt: skip
    if fresh or known is None:
        return held
    return msgspec.structs.replace(
        held,
        state="firing" if fires or known.state == "firing" else "pending",
        fired_s=known.fired_s or held.fired_s,
        incident=known.incident,
        acknowledged_s=known.acknowledged_s,
        acknowledged_by=known.acknowledged_by,
        note=known.note,
        silence=known.silence,
        silenced_until_s=known.silenced_until_s,
    )


def _text(rule: AnyRule, condition: Condition) -> str:
    value, limit = quantity(condition.value, condition.unit), quantity(condition.limit, condition.unit)
    if rule.text:
        return rule.text.format(where=where(condition.subject), value=value, limit=limit)
    return condition.text.format(where=where(condition.subject), value=value, limit=limit)


def _incident_of(alert: Alert, rule: AnyRule, incidents: Iterable[Incident]) -> str:
    """The one that speaks of the same signal and subject; "" for none."""
    for one in incidents:
        match rule:
            case Baseline(finds=finds):
                fits = any(shown.subject == alert.subject and shown.kind == finds for shown in one.evidence)
            case Threshold(signal=signal):
                fits = (signal, alert.subject) in one.keys
            case Burn():
                fits = False
            case _:
                fits = any(shown.subject == alert.subject for shown in one.evidence)
        if fits:
            return one.id
    return ""


def _order(alert: Alert) -> tuple[bool, int, int, float]:
    rank = RANK.get(alert.rule, len(RANK))
    return alert.state == "resolved", SEVERITIES.index(alert.severity), rank, alert.since_s
