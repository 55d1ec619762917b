"""The whole of it: over a restart, on bad days of its own, and what it says of a node that dies."""

import math

import msgspec
import numpy as np
import pytest

from nodes.ops.analysis.analysis import Analysis, AnalysisState
from nodes.ops.analysis.hosts import foreign_cpu
from nodes.ops.analysis.signals import Made, Signals
from nodes.ops.analysis.words import quantity, where
from tests.ops.analysis.making import Maker, standing
from tests.ops.analysis.synthetic import MONDAY, Restart, Synthetic, Trouble
from tests.ops.analysis.trial import EVENING_S, WARM_S, evidence, quiet, trial


def restarted(analysis: Analysis) -> Analysis:
    packed = msgspec.msgpack.encode(analysis.state())
    return Analysis(state=msgspec.msgpack.decode(packed, type=AnalysisState))


def test_what_is_normal_is_known_after_a_restart() -> None:
    from_s = EVENING_S + WARM_S
    synthetic = Synthetic(4, start_s=EVENING_S, troubles=[Trouble("slow-disk", from_s, from_s + 60)])
    analysis, opened = Analysis(), []
    for second in synthetic.run(WARM_S + 40):
        if second.at_s == from_s - 20:
            analysis = restarted(analysis)
        opened += analysis.look(second.at_s, second.readings, second.standings).changes
    assert [(one.what, one.incident.kind) for one in opened[:1]] == [("opened", "slow-disk")]
    assert opened[0].incident.opened_s - from_s <= 30
    again = restarted(analysis)
    assert [one.id for one in again.incidents.open] == [one.id for one in analysis.incidents.open]
    assert {one.id for one in again.alerts.firing} == {one.id for one in analysis.alerts.firing}
    before, after = analysis.band("commit", "dc.1"), again.band("commit", "dc.1")
    assert math.isnan(after.level)  # until its first value
    assert before.level < before.high


def test_a_scene_that_dies_is_one_incident_which_ends() -> None:
    """Killed, and started again by the supervisor six seconds later."""
    died_s = EVENING_S + WARM_S
    synthetic = Synthetic(
        6,
        start_s=EVENING_S,
        troubles=[Trouble("node-away", died_s, died_s + 6)],
        restarts=[Restart("scene.1", died_s, died_s, died_s + 6, asked=False)],
    )
    analysis, changes = Analysis(), []
    for second in synthetic.run(WARM_S + 120):
        changes += [
            (second.at_s - died_s, one.what, one.incident)
            for one in analysis.look(second.at_s, second.readings, second.standings).changes
        ]
    opened = [(at_s, one) for at_s, what, one in changes if what == "opened"]
    seen = [one for _, one in opened]
    assert [(one.kind, one.place) for one in seen] == [("node-away", "scene.1")], evidence(seen)
    assert opened[0][0] <= 5
    assert [what for _, what, _ in changes][-1] == "closed"
    assert analysis.incidents.open == []
    assert "mesh logs scene.1" in opened[0][1].advice


def test_a_deployment_is_no_trouble() -> None:
    order = ("log.1", "dc.1", "center.1", "login.1", "scene.1", "scene.2", "gate.1", "gate.2")
    at_s = EVENING_S + WARM_S
    restarts = [Restart(node, at_s + 20 * n, at_s + 20 * n + 5, at_s + 20 * n + 8) for n, node in enumerate(order)]
    incidents, alerts, _ = quiet(Synthetic(9, start_s=EVENING_S, restarts=restarts), WARM_S + 900)
    assert evidence(incidents) == []
    assert [one.id for one in alerts] == []


def test_readings_that_do_not_come_now_and_then_are_no_trouble() -> None:
    incidents, alerts, _ = quiet(Synthetic(10, start_s=EVENING_S, unheard=0.02), 1200)
    assert evidence(incidents) == []
    assert [one.id for one in alerts] == []


def test_clocks_and_versions() -> None:
    at_s = EVENING_S + 60
    apart, mixed = [("scene.2", at_s, 3600.0)], [("gate.2", at_s, "0.4.0")]
    synthetic = Synthetic(12, start_s=EVENING_S, clocks=apart, versions=mixed)
    incidents, alerts, analysis = quiet(synthetic, 2000)
    assert [one.kind for one in incidents] == ["clock-apart", "version-mix"]
    assert {"clock-apart", "version-mix"} <= {one.rule for one in alerts}
    assert len(analysis.incidents.open) == 2


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_its_own_clock_may_jump(jump_s: float) -> None:
    analysis, opened = Analysis(), []
    for second in Synthetic(13, start_s=EVENING_S).run(900):
        moved_s = jump_s if second.at_s > EVENING_S + 600 else 0.0
        readings = [msgspec.structs.replace(one, at_s=one.at_s + moved_s) for one in second.readings]
        opened += analysis.look(second.at_s + moved_s, readings, second.standings).changes
    assert opened == []


def test_an_ops_node_that_stood_still_has_seen_no_outage() -> None:
    analysis, opened = Analysis(), []
    for second in Synthetic(14, start_s=EVENING_S).run(900):
        if not 600 < second.at_s - EVENING_S < 640:
            opened += analysis.look(second.at_s, second.readings, second.standings).changes
    assert opened == []


def test_a_node_that_reports_nonsense_does_no_harm() -> None:
    analysis, maker = Analysis(), Maker()
    for second, value in enumerate([1.0, math.nan, math.inf, -1e300, 1e300, 0.0] * 20):
        values = {"gate_clients": value, "mesh_said_total": value, "gate_connections_total": -value, "mesh_ready": 1.0}
        reading = maker.reading("gate.1", values, MONDAY + second)
        analysis.look(MONDAY + second, [reading], [standing("gate.1")])
    assert not np.isinf(analysis.signals.values).any()


def test_troubles_at_half_strength_are_seen_or_let_be() -> None:
    """A slow disk that is half as slow still is one; nothing is called something else."""
    outcome = trial("slow-disk", seed=21, strength=0.5)
    assert outcome.named == "slow-disk"


def test_what_others_take_of_the_cores() -> None:
    signals = Signals()
    made = [Made("cpu", node, "one", cores) for node, cores in (("dc.1", 0.5), ("gate.1", 0.3), ("login.1", 0.3))]
    signals.look([], 0.0, [*made, Made("host_cpu", "host:a", "", 0.6), Made("host_cpus", "host:a", "", 4.0)])
    both = "gate.1+login.1"
    standings = [standing("dc.1"), standing("gate.1", process=both), standing("login.1", process=both)]
    assert foreign_cpu(signals, standings) == [Made("foreign_cpu", "host:a", "", pytest.approx(0.4))]
    assert foreign_cpu(Signals(), standings) == []


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.2123, "s", "212 ms"), (2.5, "s", "2.5 s"), (7200.0, "s", "120 min"), (0.35, "ratio", "35 %"),
        (1.44e9, "bytes", "1.4 GB"), (512, "bytes", "512 bytes"), (2e6, "bytes_per_s", "2 MB a second"),
        (12.34, "per_s", "12.3 a second"), (0.004, "per_s", "0.004 a second"), (4000, "", "4000"),
        (math.nan, "s", "unknown"),
    ],
)  # fmt: skip
def test_numbers_as_people_read_them(value: float, unit: str, said: str) -> None:
    assert quantity(value, unit) == said


def test_places_as_people_read_them() -> None:
    assert [where(one) for one in ("zone:one", "host:a", "cluster", "scene.1")] == [
        "zone one", "machine a", "the cluster", "scene.1",
    ]  # fmt: skip
