"""Findings: for how long, near the limit, calm after changes, deviations and limits."""

import math
from collections.abc import Sequence

import numpy as np

from nodes.ops.analysis.baseline import WARM_S, Baselines
from nodes.ops.analysis.forms import Signal
from nodes.ops.analysis.signals import Slot
from nodes.ops.analysis.watch import CLEAR_S, Calms, Finding, Watch
from tests.ops.analysis.synthetic import MONDAY

COMMIT = Signal(name="commit", text="", unit="s", kind="slow-disk", floor=0.002, matters=0.02, limit=0.25, for_s=12.0)
LEFT = Signal(name="disk_left", text="", kind="disk-full", floor=1e9, low=True, judged=False, limit=1e9, for_s=10.0)
AWAY = Signal(name="away", text="", kind="node-away", judged=False, limit=3.0, for_s=0.0)


class Watched:
    """One slot, second by second."""

    def __init__(self, signal: Signal = COMMIT, subject: str = "dc.1") -> None:
        self.slots = [Slot(signal, subject, subject, "one")]
        self.baselines, self.watch, self.calms = Baselines(), Watch(), Calms()
        self.now_s, self.changed_s, self.began_s = MONDAY, dict[str, float](), dict[str, float]()

    def look(self, value: float) -> Sequence[Finding]:
        self.now_s += 1
        values, found = np.array([value]), np.append(self.watch.found, np.zeros(1 - len(self.watch.found), np.bool_))
        calm = self.calms.look(self.slots, self.changed_s, self.began_s, self.now_s)
        self.baselines.look(self.slots, values, self.now_s, 1.0, calm.held, found)
        return self.watch.look(self.slots, values, self.baselines, self.now_s, 1.0, calm)

    def go(self, seconds: float, value: float) -> list[bool]:
        return [bool(self.look(value)) for _ in range(int(seconds))]


def test_a_deviation_is_found_after_its_time() -> None:
    watched = Watched()
    assert not any(watched.go(WARM_S + 60, 0.003))
    seen = watched.go(20, 0.06)
    assert seen.index(True) == 11
    (finding,) = watched.look(0.06)
    assert (finding.how, finding.kind, finding.key) == ("deviation", "slow-disk", ("commit", "dc.1"))
    assert finding.since_s == MONDAY + WARM_S + 61
    assert 0.003 < finding.high < 0.06
    assert math.isnan(finding.low)
    assert finding.strength > 1


def test_a_deviation_that_does_not_matter_is_none() -> None:
    watched = Watched()
    watched.go(WARM_S + 60, 0.001)
    assert not any(watched.go(60, 0.015))


def test_a_limit_holds_from_the_first_second() -> None:
    seen = Watched().go(20, 0.3)
    assert seen.index(True) == 11


def test_a_spike_is_no_finding_and_many_are_one() -> None:
    watched = Watched()
    for _ in range(20):
        assert not any(watched.go(3, 0.3) + watched.go(9, 0.003))
    seen = [one for _ in range(40) for one in watched.go(5, 0.3) + watched.go(1, 0.003)]
    assert any(seen)
    assert all(seen[seen.index(True) :])


def test_it_is_over_when_it_was_not_near_for_a_while() -> None:
    watched = Watched()
    watched.go(30, 0.3)
    assert all(watched.go(60, 0.22))  # below the limit, and near it
    seen = watched.go(CLEAR_S + 5, 0.01)
    assert seen.index(False) == CLEAR_S - 1


def test_a_value_that_is_not_known_any_more_ends_it() -> None:
    watched = Watched()
    watched.go(30, 0.3)
    assert not watched.go(CLEAR_S + 1, float("nan"))[-1]


def test_low_values() -> None:
    watched = Watched(LEFT)
    assert not any(watched.go(60, 5e9))
    seen = watched.go(15, 0.5e9)
    assert seen.index(True) == 9
    (finding,) = watched.look(0.5e9)
    assert (finding.low, finding.how) == (1e9, "limit")
    assert math.isnan(finding.high)
    assert finding.strength == 2.0


def test_what_is_found_at_once() -> None:
    watched = Watched(AWAY)
    assert watched.go(1, 2.0) + watched.go(1, 3.0) == [False, True]


def test_deviations_are_none_while_nodes_are_restarted_and_limits_are() -> None:
    watched = Watched()
    watched.go(WARM_S + 60, 0.003)
    watched.changed_s["one"] = watched.now_s
    assert not any(watched.go(60, 0.06))
    assert any(watched.go(20, 0.3))
    other = Watched()
    other.go(WARM_S + 60, 0.003)
    other.began_s["dc.1"] = other.now_s
    assert not any(other.go(60, 0.06))
    other.changed_s[""] = other.now_s
    assert not any(other.go(110, 0.06))
    assert any(other.go(30, 0.06))
