"""Alerts: pending, firing, resolved; once for each trouble; silenced, acknowledged; over a restart."""

from typing import Any

import msgspec
import numpy as np
import pytest

from mesh.errors import RefusedError
from nodes.ops.analysis.alerts import KEPT_S, RESOLVE_S, Alert, Alerts, AlertsState
from nodes.ops.analysis.catalogue import BY_NAME
from nodes.ops.analysis.conditions import World
from nodes.ops.analysis.incidents import Incidents
from nodes.ops.analysis.objectives import OBJECTIVES, WINDOWS, Budget
from nodes.ops.analysis.objectives import Burn as Burning
from nodes.ops.analysis.rules import Absence, AnyRule, Baseline, Burn, Threshold
from nodes.ops.analysis.signals import Slot
from tests.ops.analysis.test_incidents import RELATIONS, finding

UNFLUSHED = Threshold(signal="unflushed", above=1.5, for_s=10.0, severity="critical", runbook="slow-disk")
SLOTS = [Slot(BY_NAME["unflushed"], "dc.1", "dc.1", "one"), Slot(BY_NAME["unflushed"], "dc.2", "dc.2", "one")]


class Told:
    """Alerts of one rule, look by look."""

    def __init__(self, rule: AnyRule = UNFLUSHED, state: AlertsState | None = None) -> None:
        self.alerts, self.incidents, self.now_s = Alerts({"rule": rule}, state), Incidents(), 1000.0

    def look(self, *values: float, after_s: float = 1.0, **more: Any) -> list[tuple[str, str]]:
        """Id and new state of those that have changed."""
        self.now_s += after_s
        now = np.array([*values, *[np.nan] * (2 - len(values))])
        said: dict[str, Any] = {
            "findings": [], "away": {}, "zones": {"dc.1": "one"}, "absent_s": np.zeros(2), "budgets": [],
        }  # fmt: skip
        places = {"unflushed": np.array([0, 1])}
        world = World(now_s=self.now_s, slots=SLOTS, places=places, values=now, **(said | more))
        self.incidents.look(world.findings, RELATIONS, self.now_s)
        changed = self.alerts.look(world, self.incidents.open, self.now_s)
        return [(one.subject, one.state) for one in changed]

    @property
    def only(self) -> Alert:
        (one,) = self.alerts.all
        return one


def test_from_pending_to_resolved() -> None:
    told = Told()
    assert told.look(1.0) == []
    assert told.look(2.0) == [("dc.1", "pending")]
    assert told.look(2.0, after_s=9.0) == []
    assert told.look(2.2) == [("dc.1", "firing")]
    assert (told.only.since_s, told.only.fired_s, told.only.value, told.only.limit) == (1002.0, 1012.0, 2.2, 1.5)
    assert told.only.text == "age of the oldest state that is not on disk: 2.2 s at dc.1, the limit is 1.5 s"
    assert (told.only.kind, told.only.runbook, told.only.severity) == ("threshold", "slow-disk", "critical")
    assert told.look(1.0) == []
    assert told.look(1.0, after_s=RESOLVE_S) == [("dc.1", "resolved")]
    assert told.alerts.firing == []
    told.look(1.0, after_s=KEPT_S + 1)
    assert told.alerts.all == []


def test_what_does_not_last_is_never_told() -> None:
    told = Told()
    told.look(2.0)
    assert told.look(1.0) == []
    assert told.alerts.all == []


def test_a_gap_does_not_end_it_and_it_is_the_same_alert() -> None:
    told = Told()
    told.look(2.0)
    told.look(2.0, after_s=10.0)
    told.look(1.0)
    assert told.look(2.0) == []
    assert told.only.since_s == 1001.0


def test_it_may_come_back() -> None:
    told = Told()
    for _ in range(2):
        told.look(2.0)
        assert told.look(2.0, after_s=10.0) == [("dc.1", "firing")]
        told.look(1.0, after_s=RESOLVE_S)
    assert told.only.state == "resolved"


def test_each_subject_is_an_alert() -> None:
    told = Told()
    assert told.look(2.0, 3.0) == [("dc.1", "pending"), ("dc.2", "pending")]
    assert Told(msgspec.structs.replace(UNFLUSHED, subjects=("*.2",))).look(2.0, 3.0) == [("dc.2", "pending")]


def test_below() -> None:
    told = Told(Threshold(signal="unflushed", below=0.5, for_s=0.0, text="{where} has {value}, not {limit}"))
    assert told.look(0.2) == [("dc.1", "firing")]
    assert told.only.text == "dc.1 has 200 ms, not 500 ms"


def test_what_the_watch_has_found() -> None:
    told, commit = Told(Baseline(finds="slow-disk", severity="critical")), finding("commit", "dc.1")
    found = [commit, finding("log_write", "log.1", strength=1.1), finding("gold", "cluster")]
    assert told.look(findings=found) == [("dc.1", "firing"), ("log.1", "firing")]
    assert told.alerts.all[0].text.startswith("the disk of dc.1 is slow; commits of the DC, p90: 1 s, normal is up to")
    assert {one.incident for one in told.alerts.all} == {"i-1"}
    chosen = Told(Baseline(finds="slow-disk", signals=("log_write",)))
    assert chosen.look(findings=found) == [("log.1", "firing")]


def test_absence_of_a_node_and_of_a_signal() -> None:
    told = Told(Absence(for_s=3.0))
    assert told.look(away={"dc.1": 1.0}) == [("dc.1", "pending")]
    assert told.look(away={"dc.1": 4.0}, after_s=3.0) == [("dc.1", "firing")]
    assert told.only.text == "dc.1 does not answer"
    signal = Told(Absence(signal="unflushed"))
    assert signal.look(absent_s=np.array([40.0, np.inf])) == [("dc.1", "firing")]
    assert "not known at dc.1 for 40 s" in signal.only.text


def test_a_budget_that_burns() -> None:
    burns = (Burning(WINDOWS[0], 20.0, 30.0, 100.0), Burning(WINDOWS[1], 2.0, 3.0, 100.0))
    budget = Budget(OBJECTIVES[0], "zone:one", "one", burns, 0.4)
    told = Told(Burn(objective=OBJECTIVES[0].name))
    assert told.look(budgets=[budget]) == [("zone:one", "firing")]
    assert told.only.severity == "critical"
    assert "in the last 1 h the budget was used 20 times as fast as it may be at zone one" in told.only.text
    assert Told(Burn(objective="move-p99")).look(budgets=[budget]) == []


def test_acknowledged() -> None:
    told = Told()
    told.look(2.0)
    told.alerts.acknowledge("rule/dc.1", "ada", "looking", told.now_s)
    told.look(2.0, after_s=10.0)
    assert (told.only.acknowledged_by, told.only.note) == ("ada", "looking")
    with pytest.raises(RefusedError, match="there is no alert rule/dc"):
        told.alerts.acknowledge("rule/dc.9", "ada", "", told.now_s)


def test_silenced() -> None:
    told = Told()
    made = told.alerts.silence({"subject": "dc.*", "severity": "critical"}, 2000.0, "ada", "new disk", told.now_s)
    told.look(2.0)
    told.look(2.0, after_s=10.0)
    assert (told.only.silence, told.only.silenced_until_s, told.only.state) == (made.id, 2000.0, "firing")
    told.alerts.end_silence(made.id, told.now_s)
    assert told.only.silence == ""
    told.alerts.silence({"rule": "rule"}, told.now_s + 30, "ada", "tests", told.now_s)
    assert told.only.silence
    told.look(2.0, after_s=31.0)
    assert told.only.silence == ""
    assert not told.alerts.silences.all


@pytest.mark.parametrize(
    ("matchers", "until_s", "by", "why", "said"),
    [
        ({}, 2000.0, "ada", "x", "names at least one label"),
        ({"colour": "red"}, 2000.0, "ada", "x", "'colour' is no label; labels are rule"),
        ({"rule": "x"}, 900.0, "ada", "x", "ends in the future"),
        ({"rule": "x"}, 1e9, "ada", "x", "within 30 days"),
        ({"rule": "x"}, 2000.0, " ", "x", "who made it, and why"),
        ({"rule": "x"}, 2000.0, "ada", "", "who made it, and why"),
    ],
)
def test_silences_that_make_no_sense(matchers: dict[str, str], until_s: float, by: str, why: str, said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        Told().alerts.silence(matchers, until_s, by, why, 1000.0)


def test_a_silence_that_is_not_there_cannot_be_ended() -> None:
    with pytest.raises(RefusedError, match="there is no silence s-1"):
        Told().alerts.end_silence("s-1", 1000.0)


def test_it_survives_a_restart() -> None:
    told = Told()
    told.look(2.0)
    told.look(2.0, after_s=10.0)
    told.alerts.silence({"rule": "rule"}, 5000.0, "ada", "tests", told.now_s)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(told.alerts.state()), type=AlertsState)
    again = Told(state=state)
    again.now_s = told.now_s
    assert again.look(2.0) == []
    assert (again.only.state, again.only.silence) == ("firing", "s-1")
    assert Alerts({}, state).all == []
