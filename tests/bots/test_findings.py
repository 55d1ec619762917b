"""What the scenarios about moving players must show, and that they are not content with less."""

import pytest

from mesh.protocol.control import Drained
from mesh.protocol.journal import Event
from tests.bots.test_result import series
from tools.bots.findings import Evidence, findings
from tools.bots.increments import Total
from tools.bots.result import Finding
from tools.bots.roll import Roll, Words, count_words
from tools.bots.statistics import Series

GOOD = {
    "asked": 100,
    "answered": 98,
    "void": 2,
    "said": 50,
    "heard": 50,
    "crossings": 30,
    "switches": 30,
    "travels": 30,
}
TIMES = {"crossing": 150.0, "gap": 120.0, "switch": 80.0, "travel": 400.0, "pause": 300.0, "return": 900.0}
ROLL = Roll(10, 10, [], [], 0, [])
WORDS = Words(50, 0, 0)


def total(counts: dict[str, int] | None = None, times: dict[str, float] | None = None) -> Total:
    made = Total()
    made.counts = GOOD | (counts or {})
    made.series = {name: series(ms) for name, ms in (TIMES | (times or {})).items()}
    return made


def broken(evidence: Evidence, of: Total) -> list[str]:
    return [line.name for line in findings(evidence, of) if not line.ok]


@pytest.mark.parametrize("scenario", ["portals", "lines", "drain", "travel"])
def test_a_good_run_holds(scenario: str) -> None:
    lines = findings(Evidence(scenario, 10.0, ROLL, WORDS), total())
    assert [line for line in lines if not line.ok] == []
    assert len(lines) >= 6


def test_other_scenarios_find_nothing_out() -> None:
    assert findings(Evidence("walk", 10.0), total()) == []


@pytest.mark.parametrize(
    ("counts", "name"),
    [
        ({"crossings": 0}, "crossings"),
        ({"unanswered": 1}, "questions answered once, in order"),
        ({"answered twice": 1}, "questions answered once, in order"),
        ({"out of order": 1}, "questions answered once, in order"),
        ({"answered": 0}, "questions answered once, in order"),
        ({"heard twice": 1}, "words heard twice or out of order"),
        ({"heard out of order": 1}, "words heard twice or out of order"),
        ({"said": 51}, "words carried out"),
        ({"belongings changed": 1}, "belongings that got less"),
    ],
)
def test_every_message_counts(counts: dict[str, int], name: str) -> None:
    assert name in broken(Evidence("portals", 10.0, ROLL, WORDS), total(counts))


@pytest.mark.parametrize(
    ("evidence", "name"),
    [
        (Evidence("portals", 10.0, Roll(10, 9, ["bot-000003"], [], 0, []), WORDS), "lost, doubled"),
        (Evidence("portals", 10.0, Roll(10, 9, [], ["bot-000003"], 0, []), WORDS), "lost, doubled"),
        (Evidence("portals", 10.0, Roll(10, 9, [], [], 0, ["scene.2"]), WORDS), "scenes that did not answer"),
        (Evidence("portals", 10.0, ROLL, Words(50, 1, 0)), "words carried out twice or out of order"),
        (Evidence("portals", 10.0, ROLL, Words(50, 0, 1)), "words carried out twice or out of order"),
        (Evidence("drain", 10.0, ROLL, WORDS, 0, Drained(9, 1, "why"), 3.0), "moved, left"),
        (Evidence("drain", 10.0, ROLL, WORDS, 0, Drained(10, 0), 10.1), "drained in"),
    ],
)
def test_nobody_may_be_lost_and_nothing_left(evidence: Evidence, name: str) -> None:
    assert name in broken(evidence, total())


def test_times_are_held_against_what_is_promised() -> None:
    assert broken(Evidence("portals", 10.0), total(times={"gap": 301})) == ["without updates, p99"]
    assert broken(Evidence("drain", 10.0), total(times={"pause": 501})) == ["longest pause of a player, p99"]
    made = total()
    made.series["gap"] = Series()
    assert broken(Evidence("portals", 10.0), made) == ["without updates, p99"], "nothing was measured"


def test_with_kills_some_words_may_be_missing_from_the_log_but_nobody_from_the_world() -> None:
    back = {"sent away: unavailable": 100, "resumed": 0}
    evidence = Evidence("portals", 10.0, ROLL, Words(40, 0, 0), kills=3)
    assert broken(evidence, total(back)) == []
    assert broken(evidence, total(back | {"sent away: unavailable": 101})) == ["sent away, and back"]
    values = {line.name: line.value for line in findings(evidence, total(back))}
    assert (values["kills"], values["words carried out"]) == ("3", "40 of 50")


def test_a_drain_is_judged_in_every_scenario() -> None:
    names = [line.name for line in findings(Evidence("walk", 10.0, ROLL, None, 0, Drained(10, 0), 2.0), total())]
    assert names[1:3] == ["moved, left", "drained in"]
    assert Finding("moved, left", "10, 0", "none left") in findings(
        Evidence("drain", 10.0, ROLL, WORDS, 0, Drained(10, 0), 2.0), total()
    )


def said(at_ms: int, player: int, text: str) -> Event:
    return Event(at_ms, "say", player, "scene.1", {"text": text})


def test_the_log_knows_what_was_carried_out_twice_or_out_of_order() -> None:
    events = [said(3, 1, "tag 2"), said(1, 1, "tag 1"), said(2, 2, "tag 1"), said(9, 2, "tag 1"), said(10, 2, "tag 3")]
    events += [said(11, 2, "tag 2"), said(1, 3, "other 7"), said(1, 3, "hello"), said(1, 3, "tag x")]
    assert count_words(events, "tag") == Words(carried_out=5, twice=1, out_of_order=1)


@pytest.mark.parametrize(("wanted", "why", "ok"), [(3.2, False, True), (5.0, True, True), (20.0, True, False)])
def test_switches_that_are_missing_are_told_with_the_reason(wanted: float, why: bool, ok: bool) -> None:
    lines = findings(Evidence("lines", 10.0, ROLL, WORDS, users=9, rate=wanted), total())
    line = next(line for line in lines if line.name == "switches per second")
    assert (line.ok, "switch_s" in line.value) == (ok, why)
    assert ("9 players make at most 3.0 /s" in line.value) == why
