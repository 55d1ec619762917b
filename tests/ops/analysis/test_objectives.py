"""Burn rates: two windows each, enough bad events, time objectives, a restart."""

import msgspec
import numpy as np
import pytest

from nodes.ops.analysis.catalogue import BY_NAME
from nodes.ops.analysis.objectives import BAD_MIN, OBJECTIVES, Objectives, ObjectivesState
from nodes.ops.analysis.signals import Slot
from tests.ops.analysis.synthetic import HOUR, MONDAY

SLOTS = [Slot(BY_NAME[name], "zone:one", "", "one") for name in ("logins_tried", "logins_failed")]
UNFLUSHED = [Slot(BY_NAME["unflushed"], "dc.1", "dc.1", "one")]


def go(
    objectives: Objectives, seconds: float, *values: float, from_s: float = MONDAY, slots: list[Slot] = SLOTS
) -> float:
    """Looks every ten seconds; the moment at the end."""
    for second in np.arange(10, seconds + 1, 10):
        objectives.look(slots, np.array(values), from_s + second, 10.0)
    return from_s + seconds


def availability(objectives: Objectives) -> tuple[float, float, str]:
    """Burn rates of an hour and of five minutes, and what is to be told."""
    (budget,) = (one for one in objectives.budgets if one.objective.name == "availability")
    worst = budget.worst
    return budget.burns[0].long, budget.burns[0].short, worst.window.severity if worst is not None else ""


def test_all_is_well() -> None:
    objectives = Objectives()
    go(objectives, HOUR, 10.0, 0.0)
    assert availability(objectives) == (0.0, 0.0, "")
    assert objectives.budgets[0].left == 1.0


def test_a_rate_of_one_uses_up_the_budget_in_its_time() -> None:
    objectives = Objectives()
    go(objectives, HOUR, 10.0, 0.011)
    long, short, told = availability(objectives)
    assert (long, short) == (pytest.approx(1.1, rel=0.01), pytest.approx(1.1, rel=0.01))
    assert told == "warning"  # of three days, as far as they are known


def test_a_fast_burn_is_critical_while_it_goes_on_and_not_after() -> None:
    objectives = Objectives()
    at_s = go(objectives, 2 * HOUR, 10.0, 0.0)
    at_s = go(objectives, 600, 10.0, 2.0, from_s=at_s)
    long, short, told = availability(objectives)
    assert (long, short) == (pytest.approx(33, rel=0.1), pytest.approx(200, rel=0.1))
    assert told == "critical"
    go(objectives, 600, 10.0, 0.0, from_s=at_s)
    assert availability(objectives)[:2] == (pytest.approx(33, rel=0.1), 0.0)
    assert availability(objectives)[2] != "critical" or objectives.budgets[0].burns[1].too_fast


def test_a_few_bad_events_are_no_burn() -> None:
    objectives = Objectives()
    at_s = go(objectives, HOUR, 0.01, 0.0)
    go(objectives, 60, 0.1, (BAD_MIN - 1) / 60, from_s=at_s)
    assert availability(objectives)[2] == ""


def test_time_objectives_count_seconds() -> None:
    objectives = Objectives()
    at_s = go(objectives, HOUR, 0.7, slots=UNFLUSHED)
    go(objectives, 300, 3.0, from_s=at_s, slots=UNFLUSHED)
    (budget,) = objectives.budgets
    assert (budget.objective.name, budget.subject) == ("write-loss", "dc.1")
    assert budget.burns[0].bad == pytest.approx(300)
    assert budget.worst is not None


def test_what_is_not_known_counts_for_nothing() -> None:
    objectives = Objectives()
    go(objectives, HOUR, float("nan"), float("nan"))
    assert availability(objectives) == (0.0, 0.0, "")


def test_old_minutes_are_forgotten_and_a_clock_may_jump() -> None:
    objectives = Objectives()
    at_s = go(objectives, 600, 10.0, 5.0)
    at_s = go(objectives, HOUR, 10.0, 0.0, from_s=at_s + 5 * 86_400)
    assert availability(objectives)[0] == 0.0
    assert objectives.budgets[0].left < 1.0
    go(objectives, 60, 10.0, 0.0, from_s=at_s - 7200)
    assert availability(objectives)[0] == 0.0


def test_it_survives_a_restart() -> None:
    objectives = Objectives()
    at_s = go(objectives, HOUR, 10.0, 2.0)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(objectives.state()), type=ObjectivesState)
    again = Objectives(state=state)
    go(again, 10, 10.0, 0.0, from_s=at_s)
    assert availability(again)[2] == "critical"


def test_objectives_name_signals_that_there_are() -> None:
    for one in OBJECTIVES:
        assert one.bad in BY_NAME
        assert not one.all or one.all in BY_NAME
        assert 0 < one.target < 1
