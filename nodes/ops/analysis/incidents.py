"""Incidents: what operators hear of. Each is a group of findings with one cause, from its opening to its end. Pure.

    opened   a group that belongs to no open incident
    changed  another cause is behind it than was thought, or more or other signals show it
    closed   nothing of it is left, or it turned out to be a part of another one
    reopened the same cause at the same place within REOPEN_S of the end

Owns the open ones and the last CLOSED_MAX. A group belongs to the incident with which it shares the most signals, so an
incident keeps its number while its name gets better.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from nodes.ops.analysis.catalogue import BY_NAME as SIGNALS
from nodes.ops.analysis.causes import Cause, Group, Kept, Key, Relations, grouped
from nodes.ops.analysis.forms import Unit, chart_of
from nodes.ops.analysis.kinds import BY_NAME, Severity
from nodes.ops.analysis.watch import Finding
from nodes.ops.analysis.words import where

CLOSED_MAX = 500
REOPEN_S = 120.0
KEPT_S = 900.0  # a cause of which nothing is seen any more explains what is left of it for so long
EVIDENCE_MAX = 24
MOMENTS_MAX = 40

What = Literal["opened", "changed", "closed", "reopened"]


class Evidence(msgspec.Struct, frozen=True):
    """A signal that shows it."""

    signal: str
    subject: str
    text: str
    how: str  # limit, deviation or creep
    kind: str  # of trouble that it points to
    unit: Unit
    since_s: float
    value: float
    low: float  # what would be normal; NaN: no bound on this side
    high: float
    strength: float
    metric: str  # that shows it best, and how: value, rate, mean, p90, p99
    shown: str

    @property
    def key(self) -> Key:
        return self.signal, self.subject


class Moment(msgspec.Struct, frozen=True):
    """Something that happened to an incident."""

    at_s: float
    text: str


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Moments are seconds since 1970; 0.0: not yet."""

    id: str
    kind: str
    place: str
    title: str
    severity: Severity
    nodes: tuple[str, ...]  # the cause's, then those that show it
    begun_s: float  # of what is wrong
    opened_s: float
    closed_s: float = 0.0
    pointing_s: float = 0.0  # when its cause itself was seen last
    evidence: tuple[Evidence, ...]  # what points to the cause comes first
    runbook: str
    check: str
    advice: str
    acknowledged_s: float = 0.0
    acknowledged_by: str = ""
    note: str = ""
    part_of: str = ""  # the incident that it turned out to be a part of
    moments: tuple[Moment, ...] = ()

    @property
    def keys(self) -> frozenset[Key]:
        """The signals and subjects that show it."""
        return frozenset(one.key for one in self.evidence)


class Change(NamedTuple):
    """What became of an incident."""

    what: What
    incident: Incident


class IncidentsState(msgspec.Struct, frozen=True):
    """What survives a restart."""

    number: int
    open: list[Incident]
    closed: list[Incident]


class Incidents:
    """See the module."""

    def __init__(self, state: IncidentsState | None = None) -> None:
        self._number = state.number if state is not None else 0
        self._open = {one.id: one for one in state.open} if state is not None else {}
        self._closed = list(state.closed) if state is not None else []

    @property
    def open(self) -> list[Incident]:
        """Oldest first."""
        return list(self._open.values())

    @property
    def closed(self) -> list[Incident]:
        """Newest last."""
        return list(self._closed)

    def state(self) -> IncidentsState:
        return IncidentsState(self._number, self.open, self.closed)

    def look(self, findings: Sequence[Finding], relations: Relations, now_s: float) -> list[Change]:
        """What has changed, given all that is wrong now."""
        if not findings and not self._open:
            return []
        kept = [
            Kept(Cause(one.kind, one.place, one.begun_s), one.keys)
            for one in self._open.values()
            if now_s - one.pointing_s <= KEPT_S
        ]
        groups = grouped(findings, relations, kept)
        matched = self._match(groups)
        changes = []
        for at, group in enumerate(groups):
            known = self._open.get(matched.get(at, ""))
            changes += (
                [self._begin(group, relations, now_s)] if known is None else self._go_on(known, group, relations, now_s)
            )
        left = [one for one in self._open.values() if one.id not in {change.incident.id for change in changes}]
        going_on = set(matched.values())
        return changes + [self._end(one, groups, matched, now_s) for one in left if one.id not in going_on]

    def acknowledge(self, incident: str, by: str, note: str, now_s: float) -> Incident:
        """Somebody looks after it. KeyError when it is not open."""
        one = self._open[incident]
        changed = _told(one, now_s, f"{by} looks after it" + (f": {note}" if note else ""))
        changed = msgspec.structs.replace(changed, acknowledged_s=now_s, acknowledged_by=by, note=note)
        self._open[incident] = changed
        return changed

    # --- one look ---

    def _match(self, groups: Sequence[Group]) -> dict[int, str]:
        """By group: the incident that it is."""
        pairs = sorted(
            (
                (_likeness(group, one), -one.opened_s, at, one.id)
                for at, group in enumerate(groups)
                for one in self._open.values()
                if _likeness(group, one)
            ),
            reverse=True,
        )
        matched: dict[int, str] = {}
        for _, _, at, name in pairs:
            if at not in matched and name not in matched.values():
                matched[at] = name
        return matched

    def _begin(self, group: Group, relations: Relations, now_s: float) -> Change:
        again = next(
            (one for one in reversed(self._closed) if not one.part_of and _is_again(one, group.cause, now_s)), None
        )
        if again is not None:
            self._closed.remove(again)
            fresh = _shown(msgspec.structs.replace(again, closed_s=0.0), group, relations, now_s)
            self._open[again.id] = _told(fresh, now_s, "it is back")
            return Change("reopened", self._open[again.id])
        self._number += 1
        empty = Incident(
            id=f"i-{self._number}", kind="", place="", title="", severity="notice", nodes=(), begun_s=0.0,
            opened_s=now_s, evidence=(), runbook="", check="", advice="",
        )  # fmt: skip
        begun = _shown(empty, group, relations, now_s)
        self._open[begun.id] = _told(begun, now_s, f"found: {begun.title}")
        return Change("opened", self._open[begun.id])

    def _go_on(self, one: Incident, group: Group, relations: Relations, now_s: float) -> list[Change]:
        now = _shown(one, group, relations, now_s)
        renamed = (now.kind, now.place) != (one.kind, one.place)
        if renamed:
            now = _told(now, now_s, f"the cause is rather: {now.title}")
        self._open[one.id] = now
        return [Change("changed", now)] if renamed or _telling(now) != _telling(one) else []

    def _end(self, one: Incident, groups: Sequence[Group], matched: dict[int, str], now_s: float) -> Change:
        del self._open[one.id]
        into = next(
            (matched[at] for at, group in enumerate(groups) if at in matched and _shares(group, one)),
            "",
        )
        text = f"it is a part of {into}" if into else "nothing of it is left"
        ended = _told(msgspec.structs.replace(one, closed_s=now_s, part_of=into), now_s, text)
        self._closed = [*self._closed, ended][-CLOSED_MAX:]
        return Change("closed", ended)


def _telling(one: Incident) -> frozenset[Key]:
    """The signals that point to something; what comes and goes beside them is no news."""
    return frozenset(shown.key for shown in one.evidence if shown.kind)


def _likeness(group: Group, one: Incident) -> int:
    """How much speaks for it that this group is that incident; 0: nothing."""
    same = (group.cause.kind, group.cause.place) == (one.kind, one.place)
    return 1000 * same + len(_shares(group, one))


def _shares(group: Group, one: Incident) -> frozenset[Key]:
    return one.keys & {finding.key for finding in group.findings if finding.kind}


def _is_again(one: Incident, cause: Cause, now_s: float) -> bool:
    return (one.kind, one.place) == (cause.kind, cause.place) and now_s - one.closed_s <= REOPEN_S


def _shown(one: Incident, group: Group, relations: Relations, now_s: float) -> Incident:
    """The incident as this group shows it."""
    kind, cause = BY_NAME[group.cause.kind], group.cause
    at_cause = sorted(relations.nodes_at(cause.place))
    showing = [finding.subject for finding in group.findings if relations.nodes_at(finding.subject)]
    near = at_cause if kind.scope in ("node", "process") or cause.place.startswith("host:") else []
    nodes = tuple(dict.fromkeys((*near, *(one for one in showing if ":" not in one))))
    node = nodes[0] if nodes else "NODE"
    return msgspec.structs.replace(
        one,
        kind=kind.name,
        place=cause.place,
        title=kind.title.format(where=where(cause.place)),
        severity=kind.severity,
        nodes=nodes,
        begun_s=min(one.begun_s or cause.begun_s, cause.begun_s),
        pointing_s=now_s if group.pointing else one.pointing_s,
        evidence=tuple(_evidence(finding) for finding in group.findings[:EVIDENCE_MAX]),
        runbook=kind.runbook,
        check=kind.check,
        advice=kind.advice.format(node=node),
    )


def _evidence(finding: Finding) -> Evidence:
    signal = SIGNALS[finding.signal]
    metric, shown = chart_of(signal)
    return Evidence(
        finding.signal, finding.subject, signal.text, finding.how, finding.kind, signal.unit,
        finding.since_s, finding.value, finding.low, finding.high, finding.strength, metric, shown,
    )  # fmt: skip


def _told(one: Incident, now_s: float, text: str) -> Incident:
    return msgspec.structs.replace(one, moments=(*one.moments, Moment(now_s, text))[-MOMENTS_MAX:])
