"""When somebody is to be told: the rules of alerts, as data, and how a topology changes them.

    threshold   a signal is above or below a number
    baseline    the watch has found something that points to a kind of trouble (kinds.py)
    absence     a node does not answer, or a signal that was there is there no more
    burn        the budget of an objective is used up too fast (objectives.py)

A topology changes a rule by naming it, with the keys that are to be different; a new name is a new rule:

    [settings.ops.alerts.write-window]
    above = 2.0
    [settings.ops.alerts.crowded]
    kind = "threshold"
    signal = "players"
    above = 4000
    text = "more than 4,000 players in {where}"
    runbook = "other-deviation"
    [settings.ops.alerts.version-mix]
    enabled = false
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from mesh.errors import TopologyError
from nodes.ops.analysis import kinds
from nodes.ops.analysis.catalogue import BY_NAME as SIGNALS
from nodes.ops.analysis.kinds import Severity
from nodes.ops.analysis.objectives import OBJECTIVES

Seconds = Annotated[float, msgspec.Meta(ge=0, le=86_400)]
Page = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,63}\Z")]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all rules have. `text` has {where}, {value} and {limit}; "" is a text that fits the kind."""

    enabled: bool = True
    subjects: tuple[str, ...] = ("*",)  # whose: names, * stands for anything
    severity: Severity = "warning"
    for_s: Seconds = 0.0  # it has to hold for so long
    text: str = ""
    runbook: Page = kinds.OTHER  # docs/runbooks/NAME.md
    check: str = "nodes"  # of `mesh doctor`


class Threshold(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="threshold"):
    """One of `above` and `below`, or both."""

    signal: str
    above: float | None = None
    below: float | None = None


class Baseline(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="baseline"):
    """`finds`: a kind of trouble; `signals`: only what these say of it."""

    finds: str
    signals: tuple[str, ...] = ()


class Absence(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="absence"):
    """Without a signal it is the node itself that is absent."""

    signal: str = ""


class Burn(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="burn"):
    """The severity is that of the windows."""

    objective: str


AnyRule = Threshold | Baseline | Absence | Burn
_STRUCTS: dict[str, type[AnyRule]] = {
    "threshold": Threshold,
    "baseline": Baseline,
    "absence": Absence,
    "burn": Burn,
}


def _of_kinds() -> dict[str, AnyRule]:
    """One for each kind of trouble but for those that have one of another sort."""
    return {
        one.name: Baseline(finds=one.name, severity=one.severity, runbook=one.runbook, check=one.check)
        for one in kinds.KINDS
        if one.name != "node-away"
    }


_MORE: dict[str, AnyRule] = {
    "node-away": Absence(severity="critical", for_s=3.0, runbook="node-away"),
    "write-window": Threshold(
        signal="unflushed", above=1.5, for_s=10.0, severity="critical", runbook="slow-disk", check="slow-disk",
        text="what is acknowledged is on the disk of {where} after {value} only",
    ),
    "disk-low": Threshold(
        signal="disk_left", below=4e9, for_s=60.0, runbook="disk-full", check="disk-room",
        text="{value} are left on a disk of {where}",
    ),
    "memory-low": Threshold(
        signal="memory_left", below=5e8, for_s=30.0, runbook="memory-leak", check="memory",
        text="{value} of memory are left on {where}",
    ),
    "loop-late": Threshold(
        signal="loop_lag", above=0.1, for_s=30.0, runbook="cpu-hog", check="loop-lag",
        text="one turn in ten of the loop of {where} is {value} late",
    ),
    "queue-long": Threshold(
        signal="queue", above=500.0, for_s=120.0, severity="notice", runbook="login-failures", check="logins",
        text="{value} players wait to get into {where}",
    ),
    "standby-away": Threshold(
        signal="standby", below=0.5, for_s=120.0, runbook="node-away",
        text="the DC has no standby that could take over",
    ),
    **{f"burn-{one.name}": Burn(objective=one.name, runbook="objectives", check="logins") for one in OBJECTIVES},
}  # fmt: skip

DEFAULTS: Mapping[str, AnyRule] = {**_of_kinds(), **_MORE}
"""By name."""


def read_rules(table: Mapping[str, Any], where: str) -> dict[str, AnyRule]:
    """All rules that are enabled: the default ones, changed and added to by a table of a topology. TopologyError with
    everything that is wrong; `where` is what its keys are named after: "my.toml: settings.ops.alerts"."""
    rules, problems = dict(DEFAULTS), list[str]()
    for name, entry in table.items():
        place = f"{where}.{name}"
        if not isinstance(entry, dict):
            problems.append(f"{place}: must be a table; write [settings.ops.alerts.{name}]")
            continue
        wrong, rule = _read(name, entry, place)
        problems += wrong
        if rule is not None:
            rules[name] = rule
    if problems:
        raise TopologyError(problems)
    return {name: rule for name, rule in rules.items() if rule.enabled}


def _read(name: str, entry: dict[str, Any], place: str) -> tuple[list[str], AnyRule | None]:
    default = DEFAULTS.get(name)
    base: dict[str, Any] = msgspec.to_builtins(default) if default is not None else {}
    kind = entry.get("kind", base.get("kind"))
    if kind != base.get("kind"):
        base = {}
    struct = _STRUCTS.get(kind) if isinstance(kind, str) else None
    if struct is None:
        return [f"{place}.kind: {kind!r} is no kind of rule; known are {', '.join(_STRUCTS)}"], None
    known = {field.name for field in msgspec.structs.fields(struct)} | {"kind"}
    names = ", ".join(sorted(known))
    problems = [f"{place}.{key}: unknown key; known are {names}" for key in entry if key not in known]
    try:
        rule = msgspec.convert(base | {key: value for key, value in entry.items() if key in known}, struct)
    except msgspec.ValidationError as error:
        text, _, path = str(error).partition(" - at `$")
        return [*problems, f"{place}{path.removesuffix('`')}: {text}"], None
    return problems + [f"{place}{text}" for text in _mistakes(rule)], rule


def _mistakes(rule: AnyRule) -> list[str]:
    """What the types do not say."""
    match rule:
        case Threshold():
            wrong = _unknown("signal", [rule.signal], SIGNALS)
            if rule.above is None and rule.below is None:
                wrong.append(": needs above or below")
        case Baseline():
            wrong = _unknown("finds", [rule.finds], kinds.BY_NAME) + _unknown("signals", rule.signals, SIGNALS)
        case Absence():
            wrong = _unknown("signal", [rule.signal] if rule.signal else [], SIGNALS)
        case Burn():
            wrong = _unknown("objective", [rule.objective], {one.name: one for one in OBJECTIVES})
    try:
        rule.text.format(where="", value="", limit="")
    except (KeyError, IndexError, ValueError):
        wrong.append(".text: may have {where}, {value} and {limit}; write {{ and }} for braces")
    return wrong


def _unknown(key: str, values: Any, known: Mapping[str, object]) -> list[str]:
    names = ", ".join(sorted(known))
    return [f".{key}: {value!r} is not known; known are {names}" for value in values if value not in known]
