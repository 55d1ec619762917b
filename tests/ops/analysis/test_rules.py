"""Rules as a topology changes them, and the pages that they lead to."""

from pathlib import Path
from typing import Any

import pytest

from mesh.errors import TopologyError
from nodes.ops.analysis.kinds import KINDS
from nodes.ops.analysis.rules import DEFAULTS, Absence, Baseline, Burn, Threshold, read_rules

RUNBOOKS = Path(__file__).parents[3] / "docs" / "runbooks"
WHERE = "my.toml: settings.ops.alerts"


def problems(**table: Any) -> list[str]:
    with pytest.raises(TopologyError) as caught:
        read_rules({name.replace("_", "-"): entry for name, entry in table.items()}, WHERE)
    return caught.value.problems


def test_without_a_table_the_defaults_hold() -> None:
    assert read_rules({}, WHERE) == dict(DEFAULTS)
    kinds = {type(one) for one in DEFAULTS.values()}
    assert kinds == {Threshold, Baseline, Absence, Burn}


def test_a_default_is_changed_in_part() -> None:
    rules = read_rules({"write-window": {"above": 2.5, "severity": "warning"}}, WHERE)
    changed = rules["write-window"]
    assert isinstance(changed, Threshold)
    assert (changed.above, changed.severity, changed.signal, changed.for_s) == (2.5, "warning", "unflushed", 10.0)


def test_a_rule_is_added_and_another_one_taken_away() -> None:
    crowded = {"kind": "threshold", "signal": "players", "above": 4000, "text": "{value} players in {where}"}
    rules = read_rules({"crowded": crowded, "version-mix": {"enabled": False}}, WHERE)
    assert isinstance(rules["crowded"], Threshold)
    assert rules["crowded"].above == 4000
    assert "version-mix" not in rules
    assert len(rules) == len(DEFAULTS)


def test_a_default_of_another_kind_is_replaced() -> None:
    rules = read_rules({"node-away": {"kind": "threshold", "signal": "away", "above": 10.0}}, WHERE)
    assert rules["node-away"] == Threshold(signal="away", above=10.0)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kind": "threshold", "signal": "players", "abov": 1, "above": 2}, ".x.abov: unknown key; known are above"),
        ({"kind": "treshold"}, ".x.kind: 'treshold' is no kind of rule; known are threshold, baseline"),
        ({}, ".x.kind: None is no kind of rule"),
        ({"kind": "threshold", "signal": "player", "above": 1}, ".x.signal: 'player' is not known; known are"),
        ({"kind": "threshold", "signal": "players"}, ".x: needs above or below"),
        ({"kind": "threshold", "signal": "players", "above": "much"}, ".x.above: Expected `float | null`"),
        ({"kind": "threshold", "above": 1.0}, "missing required field `signal`"),
        ({"kind": "baseline", "finds": "hog"}, ".x.finds: 'hog' is not known; known are bot-flood"),
        ({"kind": "burn", "objective": "fun"}, ".x.objective: 'fun' is not known; known are availability"),
        ({"kind": "absence", "for_s": -1}, ".x.for_s: Expected `float` >= 0"),
        ({"kind": "absence", "text": "{node} is gone"}, ".x.text: may have {where}"),
        ({"kind": "absence", "severity": "bad"}, ".x.severity: Invalid enum value 'bad'"),
        ({"kind": "absence", "runbook": "../etc"}, ".x.runbook: Expected `str` matching regex"),
        (True, ".x: must be a table; write [settings.ops.alerts.x]"),
    ],
)
def test_mistakes_are_named(entry: Any, said: str) -> None:
    (problem,) = problems(x=entry)
    assert said in problem
    assert problem.startswith(WHERE)


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems(a={"kind": "threshold"}, b=3, write_window={"abov": 1})) == 3


def test_every_kind_and_rule_has_its_page() -> None:
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    named = {one.runbook for one in KINDS} | {one.runbook for one in DEFAULTS.values()}
    assert named == pages
    index = (RUNBOOKS / "README.md").read_text()
    for page in sorted(named):
        text = (RUNBOOKS / f"{page}.md").read_text()
        assert f"]({page}.md)" in index
        assert text.startswith("# ")
        assert all(f"\n## {part}\n" in text for part in ("What it means", "Look", "Mend")), page


def test_pages_name_the_check_of_their_kind() -> None:
    for kind in KINDS:
        assert f"mesh doctor {kind.check}" in (RUNBOOKS / f"{kind.runbook}.md").read_text(), kind.name
