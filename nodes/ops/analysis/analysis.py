"""The analysis of a cluster, put together: called once a second with what was read, returns what there is to say. Pure.

    readings, standings -> presence -> signals -> baselines -> watch -> incidents -> alerts -> notices
                                              \\-> objectives ------------------------^

Owns all that these parts remember. `state` is what a restart must not lose; it goes to disk every few minutes.

`now_s` is the wall clock, since hours of the week are its hours, and what is shown are its moments. One look never
counts for more than a minute, so that a clock which jumps, or an ops node that stood still, is no outage.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from nodes.ops.analysis.alerts import Alert, Alerts, AlertsState
from nodes.ops.analysis.baseline import STEP_S_MAX, Baselines, BaselineState
from nodes.ops.analysis.catalogue import CATALOGUE
from nodes.ops.analysis.causes import Relations
from nodes.ops.analysis.conditions import World
from nodes.ops.analysis.forms import Signal
from nodes.ops.analysis.hosts import foreign_cpu
from nodes.ops.analysis.incidents import Change, Incident, Incidents, IncidentsState
from nodes.ops.analysis.notices import Notice, Notices, NoticesState
from nodes.ops.analysis.objectives import Budget, Objectives, ObjectivesState
from nodes.ops.analysis.plans import Floats, Indices
from nodes.ops.analysis.presence import Presence, Standing
from nodes.ops.analysis.rules import DEFAULTS, AnyRule
from nodes.ops.analysis.signals import Signals, Slot
from nodes.ops.analysis.watch import Calms, Finding, Watch
from nodes.ops.reading import Reading

NEVER_S = np.inf


class AnalysisState(msgspec.Struct, frozen=True):
    """What survives a restart."""

    baselines: BaselineState
    objectives: ObjectivesState
    incidents: IncidentsState
    alerts: AlertsState
    notices: NoticesState


class Band(msgspec.Struct, frozen=True):
    """What is normal for a signal now; NaN: not known."""

    low: float
    level: float
    high: float


class Looked(NamedTuple):
    """What one look has found."""

    findings: Sequence[Finding]  # all that is wrong now
    changes: Sequence[Change]  # of incidents
    alerts: Sequence[Alert]  # whose state has changed
    notices: Sequence[Notice]  # what people are to be told now


class Analysis:
    """See the module."""

    def __init__(
        self,
        rules: Mapping[str, AnyRule] = DEFAULTS,
        state: AnalysisState | None = None,
        catalogue: Sequence[Signal] = CATALOGUE,
    ) -> None:
        self.signals = Signals(catalogue)
        self.presence = Presence()
        self.baselines = Baselines()
        self.watch = Watch()
        self.incidents = Incidents(state.incidents if state is not None else None)
        self.objectives = Objectives(state=state.objectives if state is not None else None)
        self.alerts = Alerts(rules, state.alerts if state is not None else None)
        self.notices = Notices(state.notices if state is not None else None)
        if state is not None:
            self.baselines.restore(state.baselines)
        self._calms = Calms()
        self._places: Mapping[str, Indices] = {}
        self._known_s: Floats = np.empty(0)  # when each value was known last
        self._looked_s: float | None = None
        self._standings: Sequence[Standing] = ()
        self._relations = Relations(())

    def look(self, now_s: float, readings: Sequence[Reading], standings: Sequence[Standing]) -> Looked:
        """Everything of one second. `standings` is the same object as long as nothing in it has changed."""
        dt_s = min(max(now_s - self._looked_s, 0.0), STEP_S_MAX) if self._looked_s is not None else 1.0
        self._looked_s = now_s
        values = self._values(now_s, readings, standings)
        slots, presence = self.signals.slots, self.presence
        calm = self._calms.look(slots, presence.changed_s, presence.began_s(), now_s)
        found = np.append(self.watch.found, np.zeros(len(slots) - len(self.watch.found), np.bool_))
        self.baselines.look(slots, values, now_s, dt_s, calm.held, found)
        findings = self.watch.look(slots, values, self.baselines, now_s, dt_s, calm)
        changes = self.incidents.look(findings, self._relations, now_s)
        budgets = self.objectives.look(slots, values, now_s, dt_s)
        alerts = self.alerts.look(self._world(now_s, findings, budgets), self.incidents.open, now_s)
        notices = self.notices.look(self.alerts.all, self._incidents_by_id(), now_s)
        return Looked(findings, changes, alerts, notices)

    def band(self, signal: str, subject: str) -> Band:
        """What is normal for it now."""
        at = self.signals.places.get((signal, subject))
        return Band(*(self.baselines.band(at) if at is not None else (np.nan, np.nan, np.nan)))

    def state(self) -> AnalysisState:
        return AnalysisState(
            self.baselines.state(self.signals.slots),
            self.objectives.state(),
            self.incidents.state(),
            self.alerts.state(),
            self.notices.state(),
        )

    def _values(self, now_s: float, readings: Sequence[Reading], standings: Sequence[Standing]) -> Floats:
        if standings is not self._standings:
            self._standings, self._relations = standings, Relations(standings)
        zones = dict.fromkeys(one.zone for one in standings)
        succeeded = frozenset(zone for zone in zones if self.signals.value("succeeded", f"zone:{zone}") > 0)
        made = self.presence.look(readings, standings, now_s, succeeded)
        self.signals.look(readings, now_s, made)
        self.signals.enter(foreign_cpu(self.signals, standings))
        values = self.signals.values
        fresh = len(self.signals.slots) - len(self._known_s)
        if fresh:
            self._known_s = np.append(self._known_s, np.full(fresh, -NEVER_S))
            self._places = _by_signal(self.signals.slots)
        self._known_s = np.where(np.isfinite(values), now_s, self._known_s)
        return values

    def _world(self, now_s: float, findings: Sequence[Finding], budgets: Sequence[Budget]) -> World:
        zones = {one.node: one.zone for one in self._standings}
        return World(
            now_s, self.signals.slots, self._places, self.signals.values, findings, self.presence.away(now_s), zones,
            now_s - self._known_s, budgets,
        )  # fmt: skip

    def _incidents_by_id(self) -> dict[str, Incident]:
        return {one.id: one for one in (*self.incidents.closed[-50:], *self.incidents.open)}


def _by_signal(slots: Sequence[Slot]) -> dict[str, Indices]:
    """The slots of each signal."""
    found: dict[str, list[int]] = defaultdict(list)
    for at, slot in enumerate(slots):
        found[slot.signal.name].append(at)
    return {name: np.array(some, np.intp) for name, some in found.items()}
