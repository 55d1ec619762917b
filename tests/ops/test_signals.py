"""Signals from readings: windows, quantiles, shares, restarts, missing and senseless readings, several nodes."""

import math
from typing import Any

import numpy as np
import pytest

from nodes.ops.catalogue import BY_NAME, CATALOGUE
from nodes.ops.forms import WINDOWS_S, Figure, Late, Quantile, chart_of
from nodes.ops.kinds import BY_NAME as KINDS
from nodes.ops.reading import Layout, Reading
from nodes.ops.signals import FORGOTTEN_S, Made, Signals
from tests.ops.making import Maker, buckets, layout

START_S = 1_000_000.0


class Story:
    """Looks every second; values are given as functions of the seconds since the start."""

    def __init__(self) -> None:
        self.signals, self.maker, self.second = Signals(), Maker(), 0

    def go(self, seconds: int, **more: Any) -> "Story":
        """`more`: nodes (gate_1) and what they have, as functions of time."""
        for _ in range(seconds):
            at_s = START_S + self.second
            readings = [
                self.maker.reading(name.replace("_", "."), values(self.second), at_s) for name, values in more.items()
            ]
            self.signals.look(readings, at_s)
            self.second += 1
        return self

    def value(self, signal: str, subject: str) -> float:
        return self.signals.value(signal, subject)


def test_a_gauge_is_as_it_is() -> None:
    story = Story().go(1, dc_1=lambda _: {"dc_queue_depth": 7})
    assert story.value("dc_queue", "dc.1") == 7


def test_a_counter_is_a_rate_over_ten_seconds() -> None:
    story = Story().go(30, log_1=lambda s: {"log_refused_total": 3.0 * s})
    assert story.value("log_refused", "log.1") == pytest.approx(3.0)
    story.go(5, log_1=lambda s: {"log_refused_total": 90.0})
    assert story.value("log_refused", "log.1") == pytest.approx(1.8, abs=0.01)
    story.go(6, log_1=lambda s: {"log_refused_total": 90.0})
    assert story.value("log_refused", "log.1") == 0.0


def test_rates_are_known_after_some_seconds_and_not_before() -> None:
    story = Story().go(3, log_1=lambda s: {"log_refused_total": 3.0 * s})
    assert math.isnan(story.value("log_refused", "log.1"))
    story.go(2, log_1=lambda s: {"log_refused_total": 3.0 * s})
    assert story.value("log_refused", "log.1") == pytest.approx(3.0)


def test_a_quantile_lies_within_its_bucket() -> None:
    def some(s: int) -> dict[Any, float]:
        return buckets("dc_commit_seconds", le_0_001=50 * s, le_0_005=90 * s, le_0_01=100 * s, inf=100 * s)

    story = Story().go(12, dc_1=some)
    assert story.value("commit", "dc.1") == pytest.approx(0.005)
    assert 0.005 < story.value("commit_p99", "dc.1") <= 0.01


def test_what_is_above_the_highest_bound_is_at_that_bound() -> None:
    story = Story().go(12, dc_1=lambda s: buckets("dc_commit_seconds", le_0_001=0, le_5_0=s, inf=50 * s))
    assert story.value("commit", "dc.1") == 5.0


def test_with_few_observations_there_is_no_quantile() -> None:
    story = Story().go(12, dc_1=lambda s: buckets("dc_commit_seconds", le_0_001=s // 6, inf=s // 6))
    assert math.isnan(story.value("commit", "dc.1"))


def test_a_mean_is_the_sum_by_the_count() -> None:
    story = Story().go(12, scene_1=lambda s: {"scene_tick_seconds_sum": 0.2 * s, "scene_tick_seconds_count": 10.0 * s})
    assert story.value("tick", "scene.1") == pytest.approx(0.02)


def test_labels_choose_series_and_missing_ones_count_as_nothing() -> None:
    ok, failed = (("gate_logins_total", (("result", word),)) for word in ("ok", "unavailable"))
    story = Story().go(20, gate_1=lambda s: {ok: 2.0 * s})
    assert story.value("login_failures", "zone:one") == 0.0
    story.go(15, gate_1=lambda s: {ok: 2.0 * s, failed: 2.0 * (s - 19)})
    assert story.value("login_failures", "zone:one") == pytest.approx(28 / 90, abs=0.02)


def test_a_label_that_comes_up_changes_nothing_that_was_known() -> None:
    info, error = (("mesh_log_lines_total", (("level", word),)) for word in ("INFO", "ERROR"))
    story = Story().go(31, dc_1=lambda s: {info: s, "mesh_said_total": s})
    slots = len(story.signals.slots)
    story.go(1, dc_1=lambda s: {info: s, "mesh_said_total": s, error: 30.0})
    assert story.value("serious_lines", "dc.1") == pytest.approx(1.0, abs=0.05)
    assert len(story.signals.slots) == slots


def test_a_restart_is_no_negative_rate() -> None:
    maker, signals, values = Maker(), Signals(), []
    for second in range(60):
        life, count = (1, 100.0 * second) if second < 30 else (2, 100.0 * (second - 30))
        reading = maker.reading("log.1", {"log_refused_total": count}, START_S + second, incarnation=life)
        signals.look([reading], START_S + second)
        values.append(signals.value("log_refused", "log.1"))
    assert all(math.isnan(value) for value in values[30:40])
    assert values[45] == pytest.approx(100.0)
    assert not any(value < 0 for value in values)


def test_a_second_without_a_reading_has_no_value_and_the_next_one_counts_for_both() -> None:
    story = Story().go(20, log_1=lambda s: {"log_refused_total": 5.0 * s})
    story.go(2)
    assert math.isnan(story.value("log_refused", "log.1"))
    story.go(3, log_1=lambda s: {"log_refused_total": 5.0 * s})
    assert story.value("log_refused", "log.1") == pytest.approx(5.0)


def test_zones_add_up_their_nodes() -> None:
    def gate(share: float) -> Any:
        return lambda s: {
            "gate_connections_total": share * s, "gate_disconnections_total": 0.0, ("gate_clients", ()): 100.0,
        }  # fmt: skip

    story = Story().go(15, gate_1=gate(6.0), gate_2=gate(4.0))
    assert story.value("influx", "zone:one") == pytest.approx(10 / 200)
    assert story.value("players", "zone:one") == 200
    story.go(1, gate_1=gate(6.0))
    assert story.value("players", "zone:one") == 100


def test_what_comes_and_goes_is_as_much_as_the_rarer_of_both() -> None:
    def gate(s: int) -> dict[str, float]:
        return {"gate_connections_total": 6.0 * s, "gate_disconnections_total": 2.0 * s, "gate_clients": 100.0}

    story = Story().go(15, gate_1=gate)
    assert story.value("churn", "zone:one") == pytest.approx(0.02)
    assert story.value("influx", "zone:one") == pytest.approx(0.02)
    assert story.value("exodus", "zone:one") == pytest.approx(-0.04)


def test_zones_are_apart() -> None:
    maker, signals = Maker(), Signals()
    readings = [
        maker.reading("gate.1", {"gate_clients": 30.0}, START_S, zone="one"),
        maker.reading("gate.2", {"gate_clients": 50.0}, START_S, zone="two"),
    ]
    signals.look(readings, START_S)
    assert (signals.value("players", "zone:one"), signals.value("players", "zone:two")) == (30, 50)


def test_gold_is_of_one_player() -> None:
    story = Story().go(
        40,
        dc_1=lambda s: {"dc_gold_made_total": 50.0 * s},
        gate_1=lambda s: {"gate_clients": 100.0},
        gate_2=lambda s: {"gate_clients": 150.0},
    )
    assert story.value("gold", "cluster") == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("clients", "apart"), [((100, 110), False), ((500, 520), False), ((180, 20), True), ((60, 0), True)]
)
def test_imbalance_is_more_than_chance(clients: tuple[int, int], apart: bool) -> None:
    def gate(count: int) -> Any:
        return lambda s: {"gate_clients": float(count), "mesh_ready": 1.0}

    story = Story().go(1, gate_1=gate(clients[0]), gate_2=gate(clients[1]))
    assert (story.value("imbalance", "zone:one") > 0.7) == apart


def test_a_gate_that_is_drained_does_not_count() -> None:
    story = Story().go(
        1,
        gate_1=lambda s: {"gate_clients": 100.0, "mesh_ready": 1.0},
        gate_2=lambda s: {"gate_clients": 0.0, "mesh_ready": 0.0},
    )
    assert math.isnan(story.value("imbalance", "zone:one"))


def test_late_ones_are_those_above_the_next_bound() -> None:
    def some(s: int) -> dict[Any, float]:
        return buckets("login_seconds", le_0_5=5 * s, le_1_0=8 * s, inf=10 * s)

    story = Story().go(12, gate_1=some)
    assert story.value("logins_late", "zone:one") == pytest.approx(2.0)


def test_of_two_versions_the_bounds_that_both_have_count() -> None:
    def old(s: int) -> dict[Any, float]:
        return buckets("login_seconds", le_0_5=10 * s, le_1_0=10 * s, inf=10 * s)

    def new(s: int) -> dict[Any, float]:
        return buckets("login_seconds", le_0_25=10 * s, le_0_5=10 * s, inf=10 * s)

    story = Story().go(32, gate_1=old, gate_2=new)
    assert 0.4 < story.value("login", "zone:one") <= 0.5


def test_senseless_readings_are_left_out_and_counted() -> None:
    signals = Signals()
    wrong = Reading("log.1", "log", "one", 1, START_S, layout(["log_waiting_bytes"]), np.zeros(3))
    signals.look([wrong], START_S)
    assert signals.nonsense == 1
    made = layout(["log_waiting_bytes", "log_refused_total"])
    for second, values in enumerate(([np.nan, 1.0], [np.inf, -5.0], [3.0, 1e308])):
        at_s = START_S + 1 + second
        signals.look([Reading("log.1", "log", "one", 1, at_s, made, np.array(values))], at_s)
    assert signals.value("log_waiting", "log.1") == 3.0
    assert not np.isinf(signals.values).any()


def test_a_clock_that_is_set_back_begins_anew() -> None:
    maker, signals = Maker(), Signals()
    for at_s in [*range(20), *range(-3600, -3580)]:
        reading = maker.reading("log.1", {"log_refused_total": 5.0 * (at_s % 3600)}, START_S + at_s)
        signals.look([reading], START_S + at_s)
    assert signals.value("log_refused", "log.1") == pytest.approx(5.0)


def test_nodes_that_share_a_layout_share_a_plan_and_one_that_is_gone_is_forgotten() -> None:
    maker, signals = Maker(), Signals()
    signals.look([maker.reading(f"scene.{n}", {"scene_pressure": n / 10}, START_S) for n in range(1, 4)], START_S)
    assert [signals.value("tick_share", f"scene.{n}") for n in range(1, 4)] == [0.1, 0.2, 0.3]
    later_s = START_S + FORGOTTEN_S + 1
    signals.look([maker.reading("scene.2", {"scene_pressure": 0.5}, later_s)], later_s)
    assert signals.value("tick_share", "scene.2") == 0.5
    assert math.isnan(signals.value("tick_share", "scene.1"))


def test_what_is_worked_out_elsewhere_has_slots_too() -> None:
    signals = Signals()
    signals.look([], START_S, [Made("away", "dc.1", "one", 4.0)])
    signals.enter([Made("foreign_cpu", "host:a", "", 0.3)])
    assert (signals.value("away", "dc.1"), signals.value("foreign_cpu", "host:a")) == (4.0, 0.3)


def test_the_catalogue_adds_up() -> None:
    assert len(BY_NAME) == len(CATALOGUE)
    for signal in CATALOGUE:
        assert not signal.kind or signal.kind in KINDS, signal.name
        assert signal.floor > 0
        assert signal.times > 1
        if signal.limit is not None and signal.matters is not None:
            assert (signal.limit >= signal.matters) != signal.low, signal.name
        if isinstance(signal.form, Figure | Quantile | Late):
            assert signal.form.window_s in (0.0, *WINDOWS_S)
        if signal.form is not None:
            assert chart_of(signal)[0]


def test_what_shows_a_signal() -> None:
    assert chart_of(BY_NAME["commit"]) == ("dc_commit_seconds", "p90")
    assert chart_of(BY_NAME["tick"]) == ("scene_tick_seconds", "mean")
    assert chart_of(BY_NAME["log_refused"]) == ("log_refused_total", "rate")
    assert chart_of(BY_NAME["dc_queue"]) == ("dc_queue_depth", "value")


def test_a_layout_without_anything_is_no_trouble() -> None:
    signals = Signals()
    signals.look([Reading("gate.1", "gate", "one", 1, START_S, Layout(()), np.empty(0))], START_S)
    assert signals.slots == []
