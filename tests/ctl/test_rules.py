"""Rules ask for what there is, say what is wrong in words that are filled in, and are files that one can read."""

import re
from itertools import pairwise
from pathlib import Path
from typing import get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import TopologyError
from mesh.topology import Topology, load
from nodes.center.settings import CenterSettings
from nodes.dc.settings import DcSettings
from nodes.gate.settings import GateSettings
from tests.ctl.promql import KNOWN, mistakes, result_labels, series
from tools.ctl import clusters
from tools.ctl.observability import notifying, rules
from tools.ctl.observability.alerts import limits
from tools.ctl.observability.forms import Alert, Recording, Severity
from tools.ctl.observability.objectives import FAST, OBJECTIVES, SECONDS, SLOW
from tools.ctl.observability.yamltext import render

RUNBOOKS = {
    "node-away", "cpu-hog", "slow-disk", "memory-leak", "message-loss", "login-failures", "slow-scene",
    "unbalanced-gates", "log-drops", "bot-flood", "gold-from-nothing", "connection-churn", "tick-creep", "clock-apart",
    "descriptors", "disk-full", "version-mix", "objectives",
}  # fmt: skip
"""Pages of docs/runbooks."""

PAGE = Path(__file__).parents[2] / "docs" / "monitoring-prometheus.md"
LOCAL = clusters.load("local", environment={})
GROUPS = (*rules.GROUPS, limits.group(LOCAL))
RULES = [rule for group in GROUPS for rule in group.rules]
RECORDINGS = [rule for rule in RULES if isinstance(rule, Recording)]
ALERTS = rules.every_alert(LOCAL)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_asks_for_what_there_is(rule: Recording | Alert) -> None:
    assert mistakes(rule.expr) == []


def test_recorded_series_are_named_as_the_field_does_and_known_before_they_are_asked_for() -> None:
    names = [rule.name for rule in RECORDINGS]
    assert len(set(names)) == len(names)
    usual = re.compile(r"(node|role|host|zone|cluster):[a-z0-9_]+:[a-z0-9_]+")
    assert [name for name in names if not usual.fullmatch(name)] == []
    seen: set[str] = set()
    for rule in RULES:
        assert {name for name in series(rule.expr) if ":" in name} <= seen, rule.name
        seen |= {rule.name} if isinstance(rule, Recording) else set()


def test_every_group_has_a_name_of_its_own() -> None:
    names = [group.name for group in GROUPS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_says_what_is_wrong_and_where_to_read_on(alert: Alert) -> None:
    assert re.fullmatch(r"([A-Z][a-z]+)+", alert.name)
    assert alert.runbook in RUNBOOKS
    assert alert.severity in get_args(Severity)
    assert alert.lasts == "" or re.fullmatch(r"[1-9][0-9]*[smh]", alert.lasts)
    assert not alert.summary.endswith(".")
    assert alert.description.endswith(".")
    said = alert.summary + alert.description
    assert set(re.findall(r"\$labels\.(\w+)", said)) <= result_labels(alert.expr, KNOWN)
    assert re.sub(r"\{\{ \$(labels\.\w+|value( \| humanize\w*)?) \}\}", "", said).count("{") == 0, "all is filled in"
    assert alert.name == "ClusterUnknown" or re.search(r"\{\{ \$labels\.|\{\{ \$value", alert.summary), "of whom?"


def test_every_runbook_is_for_some_alert() -> None:
    assert {alert.runbook for alert in ALERTS} == RUNBOOKS


def test_objectives_have_two_alerts_each_and_windows_that_are_recorded() -> None:
    names = {rule.name for rule in RECORDINGS}
    for one in OBJECTIVES:
        assert {one.series(f"bad_ratio_{window}") for window in SECONDS} <= names
        assert {one.series(f"bad_{pair.long}") for pair in (*FAST, *SLOW)} <= names
        found = [alert for alert in ALERTS if alert.labels.get("objective") == one.name]
        assert [alert.severity for alert in found] == ["critical", "warning"]


def test_limits_are_those_of_the_settings() -> None:
    settings = {"dc": DcSettings(), "gate": GateSettings(), "center": CenterSettings()}
    assert {place: getattr(settings[place[0]], place[1]) for place in limits.DEFAULTS} == limits.DEFAULTS


def test_limits_of_a_topology_are_its_own(zone: Topology) -> None:
    def exprs(settings: dict[str, str]) -> dict[str, str]:
        topology = load(zone.file, runtime=zone.runtime, overrides=settings)
        return {alert.name: alert.expr for alert in limits.group(topology).rules if isinstance(alert, Alert)}

    usual, own = exprs({}), exprs({"dc.map_bytes_max": "1000", "gate.connections_max": "7", "center.capacity": "5"})
    assert usual["StoreNearlyFull"] == f'dc_used_bytes{{cluster="run"}} > 0.8 * {64 << 30}'
    assert own["StoreNearlyFull"] == 'dc_used_bytes{cluster="run"} > 0.8 * 1000'
    assert own["GateNearlyFull"].endswith("> 0.9 * 7")
    assert own["ZoneNearlyFull"].endswith("> 0.95 * 5")
    with pytest.raises(TopologyError, match=r"settings\.gate\.connections_max: 'many' must be a whole number"):
        exprs({"gate.connections_max": "many"})


def test_the_files_are_what_the_data_says_and_the_same_every_time() -> None:
    files = rules.files(LOCAL)
    assert files == rules.files(LOCAL)
    assert set(files) == {"zonemesh.rules.yml", "zonemesh-local.rules.yml"}
    read = [group for text in files.values() for group in yaml.safe_load(text)["groups"]]
    assert [group["name"] for group in read] == [group.name for group in GROUPS]
    for found, rule in zip((rule for group in read for rule in group["rules"]), RULES, strict=True):
        if isinstance(rule, Recording):
            assert found["record"] == rule.name
            continue
        assert (found["alert"], found.get("for", "")) == (rule.name, rule.lasts)
        assert found["labels"] == {"severity": rule.severity, **rule.labels}
        assert found["annotations"]["runbook"] == f"docs/runbooks/{rule.runbook}.md"
        assert found["annotations"]["summary"] == rule.summary


def test_the_files_are_written_for_people() -> None:
    for text in rules.files(LOCAL).values():
        assert text.startswith("# ")
        assert '\\"' not in text, "queries are readable"
        assert all(line == line.rstrip() for line in text.splitlines())
        assert "\n\n\n" not in text


# --- who is told ---


def test_alertmanager_is_told_what_hides_what() -> None:
    read = yaml.safe_load(notifying.files(LOCAL)["alertmanager.yml"])
    hidden = read["inhibit_rules"]
    assert len(hidden) == len(notifying.CAUSES) + 1
    assert hidden[0]["target_matchers"] == ['alertname!="ClusterAway"']
    assert hidden[1]["source_matchers"] == ['alertname="NodeAway"']
    assert "|BreakerOpen|" in hidden[1]["target_matchers"][0]
    receivers = {receiver["name"] for receiver in read["receivers"]}
    routes = [read["route"], *read["route"]["routes"]]
    assert {route["receiver"] for route in routes} == receivers == {"team", "on-call", "nobody"}


def test_no_secret_is_in_it() -> None:
    text = notifying.files(LOCAL)["alertmanager.yml"]
    lines = [line.strip("# ") for line in text.splitlines()]
    secrets = [line for line in lines if re.match(r"\w*(password|credentials|token|secret|api_key)\w*:", line)]
    assert [line for line in secrets if "_file: /" not in line] == []
    assert len(secrets) == 2


@pytest.mark.parametrize("cause", notifying.CAUSES, ids=lambda cause: cause.alert)
def test_what_is_told_is_at_least_as_severe_as_what_is_not(cause: notifying.Cause) -> None:
    order = get_args(Severity)
    severities = {alert.name: order.index(alert.severity) for alert in ALERTS}
    assert [name for name in cause.hides if severities[name] < severities[cause.alert]] == []
    assert cause.alert not in cause.hides
    labels = {alert.name: result_labels(alert.expr, KNOWN) | set(alert.labels) for alert in ALERTS}
    for name in (cause.alert, *cause.hides):
        assert set(cause.same) <= labels[name], f"{name} could not be told apart"


def test_nothing_hides_each_other() -> None:
    hides = {(cause.alert, name) for cause in notifying.CAUSES for name in cause.hides}
    assert [pair for pair in hides if pair[::-1] in hides] == []


# --- YAML ---

_TEXTS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], include_characters="\n\t"), max_size=20)
_FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: "e" not in repr(number))
_NUMBERS = st.integers() | st.booleans() | _FLOATS
_TABLES = st.recursive(
    st.dictionaries(_TEXTS, _TEXTS | _NUMBERS, max_size=3),
    lambda inner: st.dictionaries(_TEXTS, inner | st.lists(_TEXTS | inner, max_size=3), max_size=3),
    max_leaves=8,
)


@given(_TABLES.filter(bool))
def test_what_is_written_reads_as_what_it_was(value: dict) -> None:
    assert yaml.safe_load(render(value)) == value


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("node-away", "a: node-away"),
        ("30s", "a: 30s"),
        ("on", 'a: "on"'),
        ("12", 'a: "12"'),
        ("a: b", 'a: "a: b"'),
        ("a:", 'a: "a:"'),
        ("a #b", 'a: "a #b"'),
        ("node:x:y", "a: node:x:y"),
        ('up{job="x"} == 0', 'a: up{job="x"} == 0'),
        ("{{ $labels.node }} is away", 'a: "{{ $labels.node }} is away"'),
        ("one\n  two", "a: |-\n  one\n    two"),
        ("one\n", 'a: "one\\n"'),
        (['x="y"'], 'a:\n  - x="y"'),
        ([], "a: []"),
        ({}, "a: {}"),
    ],
)
def test_how_it_looks(value: object, written: str) -> None:
    assert render({"a": value}) == written + "\n"


def test_windows_are_worth_what_their_names_say() -> None:
    units = {"m": 60, "h": 3600, "d": 86_400}
    assert {name: int(name[:-1]) * units[name[-1]] for name in SECONDS} == SECONDS
    assert [long > short for long, short in pairwise([pair.rate for pair in (*FAST, *SLOW)])] == [True, True]


def test_the_page_lists_every_alert() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| [^|]+ \| ([a-z-]+) \|$", text, re.MULTILINE)
    assert len(set(rows)) == len(rows)
    assert set(rows) == {(alert.name, alert.severity, alert.runbook) for alert in ALERTS}
