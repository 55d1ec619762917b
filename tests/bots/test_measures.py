"""What a worker reports: movement of bots apart from that of others, raw apart from corrected."""

import numpy as np
import pytest

from mesh.protocol.lanes import UPDATE
from tools.bots.measures import COUNTS_MAX, ERRORS_MAX, STATE_BOT, STATE_DEAD, STATE_DUE, STATE_RUNNING, Measures
from tools.bots.statistics import decode_series


def piece(*records: tuple[int, int]) -> bytes:
    """(state, stamp) of each record."""
    return np.array([(1, 0, 0, 0, state, stamp) for state, stamp in records], UPDATE).tobytes()


def test_updates_of_bots_are_told_from_others() -> None:
    measures = Measures(0, now=10.0, cpu_s=1.0)
    sent, due = STATE_BOT | STATE_RUNNING, STATE_BOT | STATE_DUE
    measures.hear_updates(5000, piece((sent, 4900), (sent, 4980), (due, 4950), (0, 0), (sent | STATE_DEAD, 1)))
    measures.hear_updates(65_546, piece((sent, 0)))
    said = measures.take(now=12.0, cpu_s=1.5, rss_bytes=77)
    assert (said.updates, said.updates_other) == (4, 2)
    assert (said.elapsed_s, said.cpu_s, said.rss_bytes) == (2.0, 0.5, 77)
    move = decode_series(said.series["move"])
    assert move.raw.count == 3
    assert move.raw.max_ms == pytest.approx(101, rel=0.01)
    assert move.raw.min_ms == pytest.approx(11, rel=0.01)
    assert (move.corrected.count, move.corrected.max_ms) == (1, pytest.approx(51, rel=0.01))


def test_an_increment_has_only_what_is_new() -> None:
    measures = Measures(0, now=0.0, cpu_s=0.0)
    measures.players = 3
    measures.first_due = 0.5
    measures.logged_in(0.2, 0.1, now=0.9)
    measures.error("login: banned")
    measures.fail("loot")
    first, second = measures.take(1.0, 0.5, 1), measures.take(2.0, 0.6, 1, last=True)
    assert (first.entered, first.errors, sorted(first.series)) == (1, {"login: banned": 1}, ["login", "loot"])
    assert (second.entered, second.errors, second.series, second.last) == (0, {}, {}, True)
    assert (second.players, second.first_due, second.last_entered) == (3, 0.5, 0.9)
    assert second.cpu_s == pytest.approx(0.1)


def test_kinds_of_errors_are_bounded() -> None:
    measures = Measures(0, 0.0, 0.0)
    for number in range(ERRORS_MAX + 50):
        measures.error(f"error {number}")
    assert len(measures.errors) == ERRORS_MAX + 1
    assert measures.errors["other"] == 50


def test_what_a_scenario_counts_and_where_it_goes_wrong_is_told_once() -> None:
    measures = Measures(0, 0.0, 0.0)
    measures.count("crossings")
    measures.count("crossings", 2)
    measures.count("nothing", 0)
    for _ in range(3):
        measures.mistake("scenario: own.py:3: KeyError: 'x'", "Traceback ...")
    first, second = measures.take(1.0, 0.0, 0), measures.take(2.0, 0.0, 0)
    assert (first.counts, first.notes) == ({"crossings": 3}, ["Traceback ..."])
    assert first.errors == {"scenario: own.py:3: KeyError: 'x'": 3}
    assert (second.counts, second.notes) == ({}, [])
    measures.mistake("scenario: own.py:3: KeyError: 'x'", "Traceback ...")
    assert measures.take(3.0, 0.0, 0).notes == [], "the details once in a run"


def test_kinds_of_counts_are_bounded() -> None:
    measures = Measures(0, 0.0, 0.0)
    for number in range(COUNTS_MAX + 5):
        measures.count(f"thing {number}")
    assert len(measures.counts) == COUNTS_MAX + 1
    assert measures.counts["other"] == 5
