"""Which rules hold now, and for whom. Pure: a rule and what is known of this second in, conditions out."""

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np

from nodes.ops.analysis.catalogue import BY_NAME as SIGNALS
from nodes.ops.analysis.forms import Unit
from nodes.ops.analysis.kinds import BY_NAME as KINDS
from nodes.ops.analysis.kinds import Severity
from nodes.ops.analysis.objectives import Budget
from nodes.ops.analysis.plans import Floats, Indices
from nodes.ops.analysis.rules import Absence, AnyRule, Baseline, Burn, Threshold
from nodes.ops.analysis.signals import Slot
from nodes.ops.analysis.watch import Finding

ABSENT_S_MAX = 3600.0  # a signal that is gone for longer is not expected any more


class World(NamedTuple):
    """What is known of this second."""

    now_s: float
    slots: Sequence[Slot]
    places: Mapping[str, Indices]  # the slots of each signal
    values: Floats
    findings: Sequence[Finding]
    away: Mapping[str, float]  # nodes that do not answer: for how long
    zones: Mapping[str, str]  # of nodes
    absent_s: Floats  # by slot: how long its value has not been known; inf: it never was
    budgets: Sequence[Budget]


class Condition(NamedTuple):
    """A rule holds for a subject. `text` has {where}, {value} and {limit}; `severity` "" is that of the rule."""

    subject: str
    zone: str
    value: float
    limit: float
    unit: Unit
    text: str
    severity: Severity | None = None


def conditions(rule: AnyRule, world: World) -> list[Condition]:
    """All subjects of the rule for which it holds."""
    match rule:
        case Threshold():
            found = _threshold(rule, world)
        case Baseline():
            found = _baseline(rule, world)
        case Absence(signal=""):
            found = [
                Condition(node, world.zones.get(node, ""), away_s, rule.for_s, "s", "{where} does not answer")
                for node, away_s in world.away.items()
            ]
        case Absence():
            found = _absence(rule, world)
        case Burn():
            found = _burn(rule, world)
    if rule.subjects == ("*",):
        return found
    return [one for one in found if any(fnmatchcase(one.subject, pattern) for pattern in rule.subjects)]


def _threshold(rule: Threshold, world: World) -> list[Condition]:
    places = world.places.get(rule.signal)
    if places is None:
        return []
    signal, found = SIGNALS[rule.signal], []
    above, below = (math.inf if rule.above is None else rule.above), (-math.inf if rule.below is None else rule.below)
    values = world.values[places]
    wrong = (values > above) | (values < below)
    for at in np.flatnonzero(wrong).tolist() if wrong.any() else ():
        slot, value = world.slots[places[at]], float(values[at])
        text = f"{signal.text}: {{value}} at {{where}}, the limit is {{limit}}"
        limit = above if value > above else below
        found.append(Condition(slot.subject, slot.zone, value, limit, signal.unit, text))
    return found


def _baseline(rule: Baseline, world: World) -> list[Condition]:
    """One for each subject: what deviates most."""
    found: dict[str, Finding] = {}
    for one in world.findings:
        if one.kind != rule.finds or (rule.signals and one.signal not in rule.signals):
            continue
        known = found.get(one.subject)
        if known is None or one.strength > known.strength:
            found[one.subject] = one
    return [_deviating(one) for one in found.values()]


def _deviating(one: Finding) -> Condition:
    signal, title = SIGNALS[one.signal], KINDS[one.kind].title
    too_high = math.isnan(one.low)
    limit, normal = (one.high, "normal is up to") if too_high else (one.low, "normal is at least")
    text = f"{title}; {signal.text}: {{value}}, {normal} {{limit}}"
    return Condition(one.subject, one.zone, one.value, limit, signal.unit, text)


def _absence(rule: Absence, world: World) -> list[Condition]:
    """Of a signal that was known before."""
    text = f"{SIGNALS[rule.signal].text}: not known at {{where}} for {{value}}"
    found = []
    for at in world.places.get(rule.signal, np.empty(0, np.intp)).tolist():
        slot, absent_s = world.slots[at], float(world.absent_s[at])
        if 0 < absent_s <= ABSENT_S_MAX:
            found.append(Condition(slot.subject, slot.zone, absent_s, rule.for_s, "s", text))
    return found


def _burn(rule: Burn, world: World) -> list[Condition]:
    found = []
    for budget in world.budgets:
        if budget.objective.name != rule.objective:
            continue
        worst = budget.worst
        if worst is None:
            continue
        hours, rate = worst.window.long_min / 60, min(worst.long, worst.short)
        text = (
            f"{budget.objective.text}: in the last {hours:g} h the budget was used {{value}} times as fast as it may "
            f"be at {{where}} ({{limit}} is too fast); {100 * budget.left:.0f} % of 30 days' budget are left"
        )
        found.append(Condition(budget.subject, budget.zone, rate, worst.window.rate, "", text, worst.window.severity))
    return found
