"""Every check of `mesh doctor`, with a cluster in which it finds something and one in which it just does not."""

import shlex
from pathlib import Path

import msgspec
import pytest

from tests.ctl.ills import ILLS, Change
from tests.ctl.making import Made, observed, topology_of
from tools.ctl import cli
from tools.ctl.doctor.catalogue import CHECKS, NAMES
from tools.ctl.doctor.causes import RULES
from tools.ctl.doctor.examination import Report, examine
from tools.ctl.doctor.finding import Finding
from tools.ctl.snapshot.model import BotsProcess

SYSTEM = ("df", "timedatectl")
"""Commands of the system, for what no command of ours mends."""


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(topology_of(tmp_path))


EACH = pytest.mark.parametrize(
    ("name", "where", "ill", "well"), ILLS, ids=[f"{at}-{one[0]}" for at, one in enumerate(ILLS)]
)


def node_of(where: str) -> str:
    """Which node an ill is about; that of a machine is about the node that tells of it."""
    return "center.1" if where.startswith("host") else where


def found_by(name: str, made: Made) -> list[Finding]:
    return examine(made.snapshot(), [name]).findings


def test_a_cluster_in_which_all_is_well_has_no_finding(made: Made) -> None:
    report = examine(made.snapshot())
    assert report.findings == []
    assert report.good == list(NAMES)
    assert report.is_healthy
    assert (report.nodes, report.answered, report.made) == (10, 10, len(CHECKS))


def test_every_check_is_tried(made: Made) -> None:
    assert {name for name, _, _, _ in ILLS} == set(NAMES)
    assert len(NAMES) == len(set(NAMES)) >= 20
    assert all(check.text.endswith(".") for check in CHECKS)


@EACH
def test_a_check_finds_what_is_wrong_and_nothing_else(
    tmp_path: Path, name: str, where: str, ill: Change, well: Change
) -> None:
    topology = topology_of(tmp_path)
    sick, healthy = Made(topology), Made(topology)
    ill(sick, node_of(where))
    found = found_by(name, sick)
    assert [one.where for one in found] == [where]
    assert found[0].check == name
    assert found[0].text.endswith(".")
    assert found[0].metric
    assert found[0].limit
    well(healthy, node_of(where))
    assert found_by(name, healthy) == []


@EACH
def test_the_command_that_mends_it_exists(tmp_path: Path, name: str, where: str, ill: Change, well: Change) -> None:
    made = Made(topology_of(tmp_path))
    ill(made, node_of(where))
    for one in found_by(name, made):
        words = shlex.split(one.mend, comments=True)
        if words[0] in SYSTEM:
            continue
        assert words[0] == "mesh"
        command = cli.cli().load(words[1])
        with command.make_context(words[1], words[2:], resilient_parsing=False) as context:
            assert context is not None


def test_what_happened_before_is_a_note_and_no_reason_to_worry(made: Made) -> None:
    made.now("gate.1", {"mesh_events_dropped_total": 7})
    report = examine(made.snapshot(), ["events-dropped"])
    assert [one.severity for one in report.findings] == ["note"]
    assert report.is_healthy


def test_the_first_reading_of_a_life_says_nothing_about_growth(made: Made) -> None:
    made.grown("scene.1", {"mesh_refused_sends_total": 1000, "mesh_errors_total": 5})
    made["scene.1"].is_new = True
    assert examine(made.snapshot()).findings == []


def test_nodes_that_share_a_process_are_told_once(made: Made) -> None:
    made.grown("scene.1", {"process_cpu_seconds_total": 1.99})
    snapshot = made.snapshot()
    views = [msgspec.structs.replace(view, leads=view.short != "scene.1") for view in snapshot.nodes]
    beside = msgspec.structs.replace(snapshot, nodes=views)
    assert [one.where for one in examine(snapshot, ["cpu"]).findings] == ["scene.1"]
    assert examine(beside, ["cpu"]).findings == []


def test_a_cluster_of_which_nobody_answers_is_looked_at_all_the_same(made: Made) -> None:
    for short in made.nodes:
        made.lost(short)
    report = examine(made.snapshot())
    assert (report.answered, len(report.findings)) == (0, 10)
    assert {one.check for one in report.findings} == {"nodes"}


def test_every_rule_is_about_checks_in_the_right_order() -> None:
    for effect, rules in RULES.items():
        for cause, _ in rules:
            assert NAMES.index(cause) < NAMES.index(effect), f"{cause} cannot explain {effect}"


def by_cause(report: Report) -> list[tuple[str, str]]:
    return [(one.key, one.because) for one in report.findings]


def test_a_node_that_is_away_explains_what_follows_from_it(made: Made) -> None:
    made.lost("dc.1")
    made.grown("scene.1", {"mesh_refused_sends_total": 50, "scene_saves_failed_total": 4})
    made.grown("gate.1", {"gate_logins_total{result=unavailable}": 9})
    report = examine(made.snapshot())
    assert report.findings[0].key == "nodes:dc.1"
    causes = dict(by_cause(report))
    for effect in ("standby:dc.2", "refused-sends:scene.1", "saves:scene.1", "logins:gate.1"):
        assert causes[effect] == "nodes:dc.1", effect


def test_a_saturated_machine_explains_what_is_late_on_it_and_not_elsewhere(made: Made) -> None:
    late = observed("mesh_loop_lag_seconds", [0.4] * 16)
    made.cpu(user=7.5, idle=0.0, iowait=0.0)
    made.move("scene.2", "10.0.0.2")
    for short in ("scene.1", "gate.1", "scene.2"):
        made.grown(short, late)
    made.grown("scene.1", {"scene_ticks_total": 8, "scene_ticks_skipped_total": 12})
    report = examine(made.snapshot())
    causes = dict(by_cause(report))
    assert causes["loop-lag:scene.1"] == causes["loop-lag:gate.1"] == "host-cpu:host 127.0.0.1"
    assert causes["ticks:scene.1"] == "host-cpu:host 127.0.0.1"
    assert causes["loop-lag:scene.2"] == ""
    assert report.findings[0].key == "host-cpu:host 127.0.0.1"
    assert [one.where for one in report.findings].index("scene.2") == len(report.findings) - 1


def test_the_graver_of_two_causes_comes_first(made: Made) -> None:
    made["gate.2"].apart_s = 2.0
    made.lost("scene.1")
    report = examine(made.snapshot())
    assert [one.check for one in report.findings if not one.because] == ["nodes", "clocks"]


def test_what_explains_explains_further_down_the_line(made: Made) -> None:
    made.bots.append(BotsProcess(9, 1.0))
    made.cpu(user=7.6, idle=0.0, iowait=0.0)
    made.grown("scene.1", observed("mesh_loop_lag_seconds", [0.2] * 16))
    report = examine(made.snapshot())
    assert by_cause(report) == [
        ("bots:mesh bots", ""),
        ("host-cpu:host 127.0.0.1", "bots:mesh bots"),
        ("loop-lag:scene.1", "host-cpu:host 127.0.0.1"),
    ]
