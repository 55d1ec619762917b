"""Which findings belong together, what is their cause, and the life of an incident."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from nodes.ops.analysis.catalogue import BY_NAME as SIGNALS
from nodes.ops.analysis.causes import Group, Relations, grouped
from nodes.ops.analysis.incidents import KEPT_S, REOPEN_S, Change, Incidents, IncidentsState
from nodes.ops.analysis.kinds import KINDS
from nodes.ops.analysis.watch import Finding
from tests.ops.analysis.making import STANDINGS, standing

RELATIONS = Relations(STANDINGS)
NAN = float("nan")


def finding(signal: str, subject: str, since_s: float = 100.0, **more: Any) -> Finding:
    """As the watch says it, of a signal of the catalogue."""
    known = SIGNALS[signal]
    zone = "" if subject.startswith(("host", "cluster")) else "one"
    said = {"zone": zone, "how": "deviation", "kind": known.kind, "family": known.family, "strength": 2.0}
    return Finding(signal=signal, subject=subject, since_s=since_s, value=1.0, low=NAN, high=0.1, **(said | more))


def causes(groups: Sequence[Group]) -> list[tuple[str, str]]:
    return [(one.cause.kind, one.cause.place) for one in groups]


def test_a_slow_disk_explains_what_waits_for_the_dc() -> None:
    groups = grouped(
        [
            finding("login", "zone:one"),
            finding("saves_failed", "scene.1"),
            finding("dc_queue", "dc.1"),
            finding("commit", "dc.1", strength=9.0),
            finding("answers", "login.1"),
        ],
        RELATIONS,
    )
    assert causes(groups) == [("slow-disk", "host:a")]
    assert groups[0].findings[0].signal == "commit"
    assert groups[0].pointing == 1
    assert len(groups[0].findings) == 5


def test_a_hog_explains_late_loops_of_its_machine_and_slow_commits_there() -> None:
    late = [finding("loop_lag", one.node) for one in STANDINGS]
    groups = grouped([*late, finding("commit", "dc.1"), finding("foreign_cpu", "host:a")], RELATIONS)
    assert causes(groups) == [("cpu-hog", "host:a")]


def test_a_hog_on_another_machine_explains_only_what_depends_on_it() -> None:
    relations = Relations([standing("center.1"), standing("dc.1"), standing("scene.1", host="b"), standing("gate.1")])
    findings = [finding("foreign_cpu", "host:b"), finding("tick", "scene.1"), finding("commit", "dc.1")]
    assert causes(grouped(findings, relations)) == [("cpu-hog", "host:b"), ("slow-disk", "host:a")]


def test_a_node_that_is_away_explains_those_that_depend_on_it() -> None:
    findings = [
        finding("away", "dc.1"),
        finding("saves_failed", "scene.1"),
        finding("login_failures", "zone:one"),
        finding("refused_sends", "gate.1"),
    ]
    assert causes(grouped(findings, RELATIONS)) == [("node-away", "dc.1")]


def test_a_scene_does_not_explain_the_dc() -> None:
    findings = [finding("away", "scene.1"), finding("commit", "dc.1")]
    assert causes(grouped(findings, RELATIONS)) == [("node-away", "scene.1"), ("slow-disk", "host:a")]


def test_a_machine_that_is_gone_is_one_cause() -> None:
    standings = [*STANDINGS, standing("scene.3", host="b"), standing("gate.3", host="b")]
    findings = [finding("away", "scene.3"), finding("away", "gate.3")]
    assert causes(grouped(findings, Relations(standings))) == [("node-away", "host:b")]


def test_the_same_trouble_in_several_places_is_one() -> None:
    findings = [finding("tick", "scene.1", 100.0), finding("tick", "scene.2", 110.0)]
    assert causes(grouped(findings, RELATIONS)) == [("slow-scene", "zone:one")]
    apart = [finding("tick", "scene.1", 100.0), finding("tick", "scene.2", 400.0)]
    assert len(grouped(apart, RELATIONS)) == 2


def test_what_was_there_clearly_before_has_another_cause() -> None:
    findings = [finding("away", "dc.1", 500.0), finding("login_failures", "zone:one", 100.0)]
    assert causes(grouped(findings, RELATIONS)) == [("node-away", "dc.1"), ("login-failures", "zone:one")]


def test_gold_has_no_cause_but_its_own() -> None:
    findings = [finding("gold", "cluster"), finding("away", "dc.1")]
    assert causes(grouped(findings, RELATIONS)) == [("node-away", "dc.1"), ("gold-from-nothing", "cluster")]


def test_what_points_to_nothing_opens_nothing() -> None:
    assert grouped([finding("commit_p99", "dc.1"), finding("cpu", "gate.1")], RELATIONS) == []


def test_zones_are_apart_and_share_the_dc() -> None:
    relations = Relations([*STANDINGS, standing("gate.3", zone="two"), standing("scene.3", zone="two")])
    away = finding("away", "scene.1")
    other = finding("move", "zone:two", zone="two")
    assert causes(grouped([away, other], relations)) == [("node-away", "scene.1"), ("other-deviation", "cluster")]
    assert causes(grouped([finding("away", "dc.1"), other], relations)) == [("node-away", "dc.1")]


def test_nodes_of_one_process_share_its_memory() -> None:
    both = "center.1+gate.1"
    relations = Relations([standing("center.1", process=both), standing("gate.1", process=both)])
    leaks = [finding("memory", node, how="creep", kind="memory-leak") for node in ("center.1", "gate.1")]
    assert causes(grouped(leaks, relations)) == [("memory-leak", both)]


class Told:
    """Incidents, look by look."""

    def __init__(self) -> None:
        self.incidents, self.now_s = Incidents(), 1000.0

    def look(self, *findings: Finding, after_s: float = 1.0) -> list[tuple[str, str]]:
        self.now_s += after_s
        self.changes: list[Change] = self.incidents.look(findings, RELATIONS, self.now_s)
        return [(one.what, one.incident.id) for one in self.changes]


LAG, COMMIT, AWAY = finding("loop_lag", "dc.1"), finding("commit", "dc.1"), finding("away", "scene.1")


def test_the_life_of_an_incident() -> None:
    told = Told()
    assert told.look() == []
    assert told.look(COMMIT) == [("opened", "i-1")]
    (one,) = told.incidents.open
    assert (one.kind, one.place, one.title) == ("slow-disk", "host:a", "the disk of machine a is slow")
    assert (one.begun_s, one.opened_s, one.runbook) == (100.0, 1002.0, "slow-disk")
    assert one.evidence[0].metric == "dc_commit_seconds"
    assert told.look(COMMIT) == []
    assert told.look(COMMIT, finding("dc_queue", "dc.1")) == [("changed", "i-1")]
    assert told.look() == [("closed", "i-1")]
    assert told.incidents.open == []
    assert told.incidents.closed[-1].closed_s == told.now_s


def test_a_better_name_is_the_same_incident() -> None:
    told = Told()
    told.look(LAG)
    assert told.incidents.open[0].kind == "other-deviation"
    assert told.look(LAG, finding("foreign_cpu", "host:a")) == [("changed", "i-1")]
    assert told.incidents.open[0].kind == "cpu-hog"
    assert "rather" in told.incidents.open[0].moments[-1].text


def test_what_comes_back_soon_is_the_same() -> None:
    told = Told()
    told.look(COMMIT)
    told.look()
    assert told.look(COMMIT, after_s=REOPEN_S - 5) == [("reopened", "i-1")]
    told.look()
    assert told.look(COMMIT, after_s=REOPEN_S + 5) == [("opened", "i-2")]


def test_two_that_turn_out_to_be_one() -> None:
    told = Told()
    told.look(finding("loop_lag", "gate.1"))
    told.look(finding("loop_lag", "gate.1"), finding("commit", "dc.1", 200.0))
    assert len(told.incidents.open) == 2
    assert ("closed", "i-2") in told.look(
        finding("loop_lag", "gate.1"), finding("commit", "dc.1", 200.0), finding("foreign_cpu", "host:a")
    )
    assert told.incidents.closed[-1].part_of == "i-1"
    assert [one.kind for one in told.incidents.open] == ["cpu-hog"]


def test_a_cause_that_is_seen_no_more_stays_the_cause_for_a_while() -> None:
    told, flood, hog = Told(), finding("influx", "zone:one"), finding("foreign_cpu", "host:a", 110.0)
    told.look(flood, hog)
    assert told.look(hog) == [("changed", "i-1")]
    assert [one.kind for one in told.incidents.open] == ["bot-flood"]
    told.look(hog, after_s=KEPT_S)
    assert [(one.id, one.kind) for one in told.incidents.open] == [("i-1", "cpu-hog")]


def test_acknowledged() -> None:
    told = Told()
    told.look(COMMIT)
    one = told.incidents.acknowledge("i-1", "ada", "on it", 1010.0)
    assert (one.acknowledged_by, one.note) == ("ada", "on it")
    told.look(COMMIT)
    assert told.incidents.open[0].acknowledged_by == "ada"
    with pytest.raises(KeyError):
        told.incidents.acknowledge("i-9", "ada", "", 1010.0)


def test_it_survives_a_restart() -> None:
    told = Told()
    told.look(COMMIT)
    told.look(COMMIT, AWAY)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(told.incidents.state()), type=IncidentsState)
    again = Incidents(state)
    assert again.look([COMMIT, AWAY], RELATIONS, told.now_s + 1) == []
    assert [one.id for one in again.open] == ["i-1", "i-2"]


def test_every_kind_can_be_told() -> None:
    for kind in KINDS:
        assert kind.title.format(where="zone one")
        assert kind.advice.format(node="gate.1")


def test_late_loops_of_most_processes_are_the_machine_unless_its_cores_are_all_in_use_by_nodes() -> None:
    late = [finding("loop_lag", node) for node in ("gate.1", "scene.1", "dc.1", "login.1")]
    assert causes(grouped(late, RELATIONS)) == [("cpu-hog", "host:a")]
    assert causes(grouped(late[:3], RELATIONS)) == [("other-deviation", "cluster")]
    full = [*late, finding("host_cpu", "host:a"), finding("tick", "scene.1")]
    assert causes(grouped(full, RELATIONS)) == [("slow-scene", "scene.1")]
