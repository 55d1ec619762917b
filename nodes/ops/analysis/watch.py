"""From the signals of each second to findings: what has been wrong for long enough to be said. Pure; arrays by slot.

A signal is over when it is beyond what is normal and matters, or beyond its limit. It is found when it has been over
for `for_s`; a second that is not over takes two away. It is found no more when for CLEAR_S it was not even near. So a
value that plays about its limit is one finding, and one spike is none.

While nodes of a zone are started or drained on purpose everything there deviates. So for `calm_s` after that nothing
is taken for a deviation, and of a few signals not even the limit is looked at. All other limits hold always.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from nodes.ops.analysis.baseline import Baselines, Flags
from nodes.ops.analysis.creep import Creeps, Crept, limit_of
from nodes.ops.analysis.forms import Family, Signal
from nodes.ops.analysis.plans import Floats, Indices
from nodes.ops.analysis.signals import Slot

CLEAR_S = 20.0
NEAR_LIMIT = 0.8  # of a limit, or of what matters
FOREVER_S = 1e12


class Finding(msgspec.Struct, frozen=True):
    """A signal that is not as it should be."""

    signal: str
    subject: str  # whose: "scene.1", "zone:one", "cluster", "host:a"
    zone: str  # "" where it is of no single zone
    how: str  # limit, deviation or creep
    kind: str  # of the incident that it points to; "" for none
    family: Family
    since_s: float  # of what is wrong, not of its being found
    value: float
    low: float  # what would be normal; NaN: no bound on this side
    high: float
    strength: float  # 1.0 is just wrong

    @property
    def key(self) -> tuple[str, str]:
        return self.signal, self.subject


class Watch:
    """See the module. `found` are the slots with a finding."""

    def __init__(self) -> None:
        self.found: Flags = np.empty(0, np.bool_)
        self._over_s = self._clear_s = self._since_s = np.empty(0)
        self._deviates: Flags = np.empty(0, np.bool_)  # the last time that it was over
        self._limits = _Limits([])
        self._creeps = Creeps()

    def look(
        self, slots: Sequence[Slot], values: Floats, baselines: Baselines, now_s: float, dt_s: float, calm: "Calm"
    ) -> list[Finding]:
        """Everything that is wrong now. `baselines` have looked at the same values."""
        self._grow(slots)
        limits, quiet_s = self._limits, calm.quiet_s
        with np.errstate(invalid="ignore"):
            over_limit = limits.beyond(values, 1.0) & (quiet_s >= limits.limit_calm_s)
            deviates = baselines.beyond & limits.judged & limits.matter(values, 1.0) & ~calm.held
            near_deviation = baselines.near & limits.judged & limits.matter(values, NEAR_LIMIT)
            near = limits.beyond(values, NEAR_LIMIT) | near_deviation
        over = over_limit | deviates
        self._since_s = np.where(over & (self._over_s == 0) & ~self.found, now_s, self._since_s)
        self._over_s = np.where(over, self._over_s + dt_s, np.maximum(0.0, self._over_s - 2 * dt_s))
        self._deviates = np.where(over, deviates, self._deviates)
        self._clear_s = np.where(over | near, 0.0, self._clear_s + dt_s)
        begins = over & ~self.found & (self._over_s >= limits.for_s)
        ends = self.found & (self._clear_s >= CLEAR_S)
        self.found = (self.found | begins) & ~ends
        self._over_s = np.where(ends, 0.0, self._over_s)
        findings = [self._finding(slots[at], at, values, baselines) for at in np.flatnonzero(self.found).tolist()]
        creeps = self._creeps.look(slots, values, now_s, quiet_s)
        return [*findings, *(_creeping(slots[one.slot], one) for one in creeps)]

    def _finding(self, slot: Slot, at: int, values: Floats, baselines: Baselines) -> Finding:
        signal, deviates, value = slot.signal, bool(self._deviates[at]), float(values[at])
        low, _, high = baselines.band(at)
        if not deviates and signal.limit is not None:
            low = high = signal.limit
        strength = float(baselines.strength[at]) if deviates else _over_limit(signal, value)
        return Finding(
            signal.name, slot.subject, slot.zone, "deviation" if deviates else "limit", signal.kind, signal.family,
            float(self._since_s[at]), value, low if signal.low else float("nan"),
            float("nan") if signal.low else high, strength,
        )  # fmt: skip

    def _grow(self, slots: Sequence[Slot]) -> None:
        count = len(slots) - len(self.found)
        if count:
            nothing, no = np.zeros(count), np.zeros(count, np.bool_)
            self.found, self._deviates = np.append(self.found, no), np.append(self._deviates, no)
            self._over_s, self._clear_s = np.append(self._over_s, nothing), np.append(self._clear_s, nothing)
            self._since_s = np.append(self._since_s, nothing)
            self._limits = _Limits([slot.signal for slot in slots])


class _Limits:
    """What the catalogue says of each slot, as arrays."""

    def __init__(self, signals: Sequence[Signal]) -> None:
        self._low: Flags = np.array([one.low for one in signals], np.bool_)
        self._limit = np.array([np.nan if one.limit is None else one.limit for one in signals], np.float64)
        self._matters = np.array([np.nan if one.matters is None else one.matters for one in signals], np.float64)
        self.judged: Flags = np.array([one.judged for one in signals], np.bool_)
        self.for_s = np.array([one.for_s for one in signals], np.float64)
        self.limit_calm_s = np.array([one.limit_calm_s for one in signals], np.float64)

    def beyond(self, values: Floats, share: float) -> Flags:
        """The limit, or a share of the way to it from the good side."""
        return self._past(values, self._limit, share)

    def matter(self, values: Floats, share: float) -> Flags:
        """Are they where a deviation is of interest? Everywhere, where no bound is set."""
        return self._past(values, self._matters, share) | np.isnan(self._matters)

    def _past(self, values: Floats, bound: Floats, share: float) -> Flags:
        at = np.where(self._low, bound / share, bound * share)
        past: Flags = np.where(self._low, values <= at, values >= at)
        return past


class Calm(msgspec.Struct, frozen=True):
    """What was changed on purpose, by slot."""

    quiet_s: Floats  # how long ago something was
    held: Flags  # deviations are none, and nothing is learned


class Calms:
    """Works that out: zones and nodes of slots are looked up once."""

    def __init__(self) -> None:
        self._zones, self._nodes = {"": 0}, {"": 0}
        self._zone_of: Indices = np.empty(0, np.intp)
        self._node_of: Indices = np.empty(0, np.intp)
        self._calm_s = np.empty(0)

    def look(
        self, slots: Sequence[Slot], changed_s: Mapping[str, float], began_s: Mapping[str, float], now_s: float
    ) -> Calm:
        """`changed_s`: when nodes of a zone ("": of what serves all zones) were last started or drained on purpose;
        `began_s`: when the life of a node began."""
        if len(slots) != len(self._zone_of):
            fresh = slots[len(self._zone_of) :]
            zones = [self._zones.setdefault(slot.zone, len(self._zones)) for slot in fresh]
            nodes = [self._nodes.setdefault(slot.node, len(self._nodes)) for slot in fresh]
            self._zone_of = np.append(self._zone_of, np.array(zones, np.intp))
            self._node_of = np.append(self._node_of, np.array(nodes, np.intp))
            self._calm_s = np.array([slot.signal.calm_s for slot in slots], np.float64)
        of_all, latest = changed_s.get("", -FOREVER_S), max(changed_s.values(), default=-FOREVER_S)
        changed = [max(changed_s.get(zone, of_all), of_all) if zone else latest for zone in self._zones]
        began = [began_s.get(node, -FOREVER_S) for node in self._nodes]
        quiet_s: Floats = now_s - np.maximum(np.array(changed)[self._zone_of], np.array(began)[self._node_of])
        return Calm(quiet_s, quiet_s < self._calm_s)


def _over_limit(signal: Signal, value: float) -> float:
    if signal.limit is None or not np.isfinite(value):
        return 1.0
    over, under = (signal.limit, value) if signal.low else (value, signal.limit)
    return over / under if under > 0 else 10.0


def _creeping(slot: Slot, crept: Crept) -> Finding:
    edge = limit_of(crept)
    falls = crept.creep.falls
    return Finding(
        slot.signal.name, slot.subject, slot.zone, "creep", crept.creep.kind, slot.signal.family, crept.since_s,
        crept.value, edge if falls else float("nan"), float("nan") if falls else edge, 1.0,
    )  # fmt: skip
