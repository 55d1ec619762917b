"""How good the analysis is, on a synthetic cluster: twelve troubles one by one, and a week in which nothing is bad."""

import pytest

from tests.ops.analysis.synthetic import DAY, HOUR, MONDAY, Synthetic, deployment
from tests.ops.analysis.trial import CREEPS, TROUBLES, Outcome, evidence, quiet, table, trial

FOUND_S, CREEP_FOUND_S = 30.0, 300.0


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    return {kind: trial(kind, seed=11) for kind in TROUBLES}


def test_every_trouble_is_found_in_time(outcomes: dict[str, Outcome]) -> None:
    late = [
        kind
        for kind, outcome in outcomes.items()
        if outcome.found_s is None or outcome.found_s > (CREEP_FOUND_S if kind in CREEPS else FOUND_S)
    ]
    assert late == [], table(outcomes)


def test_every_trouble_is_named_rightly(outcomes: dict[str, Outcome]) -> None:
    wrong = [kind for kind, outcome in outcomes.items() if outcome.named != TROUBLES[kind]]
    assert wrong == [], table(outcomes)


def test_each_is_one_incident(outcomes: dict[str, Outcome]) -> None:
    assert {kind: len(outcome.open) for kind, outcome in outcomes.items()} == dict.fromkeys(outcomes, 1), [
        line for outcome in outcomes.values() for line in evidence(outcome.open)
    ]


def test_nothing_was_said_before(outcomes: dict[str, Outcome]) -> None:
    assert {kind: outcome.before for kind, outcome in outcomes.items()} == {kind: [] for kind in outcomes}


def test_an_alert_of_its_kind_fires(outcomes: dict[str, Outcome]) -> None:
    assert [kind for kind, outcome in outcomes.items() if TROUBLES[kind] not in outcome.fired] == []


@pytest.mark.parametrize("kind", ["wrong-passwords", "descriptors", "disk-full"])
def test_more_that_has_a_name(kind: str) -> None:
    outcome = trial(kind, seed=5, lasts_s=120.0)
    assert outcome.named == {"wrong-passwords": "login-failures"}.get(kind, kind)


@pytest.mark.parametrize("kind", ["slow-disk", "cpu-hog", "connection-churn"])
def test_an_incident_ends_when_its_trouble_does(kind: str) -> None:
    outcome = trial(kind, seed=3, after_s=150.0)
    assert outcome.ended_s is not None
    assert outcome.ended_s < 120.0


def test_at_night_with_few_players() -> None:
    kinds = ("slow-scene", "gold-from-nothing", "bot-flood")
    outcomes = {kind: trial(kind, seed=8, start_s=MONDAY + DAY + 3 * HOUR, peak=600.0) for kind in kinds}
    named = {kind: outcome.named for kind, outcome in outcomes.items()}
    assert named == {kind: kind for kind in kinds}, table(outcomes)


def test_a_week_without_trouble() -> None:
    """Daily and weekly rhythm, a backup each night, an event on Wednesday evening, a deployment on Thursday."""
    synthetic = Synthetic(
        seed=42,
        step_s=20.0,
        events=[(MONDAY + 2 * DAY + 20 * HOUR, MONDAY + 2 * DAY + 22 * HOUR)],
        restarts=deployment(MONDAY + 3 * DAY + 10 * HOUR),
    )
    incidents, alerts, analysis = quiet(synthetic, 7 * DAY)
    assert [(one.kind, one.title, (one.opened_s - MONDAY) / HOUR) for one in incidents] == []
    assert [(one.id, one.text) for one in alerts] == []
    assert len(analysis.signals.slots) > 150
