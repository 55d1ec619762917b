"""What comes in: which readings are taken, which series are kept, when counters begin anew."""

import math

import numpy as np
import pytest

from mesh.protocol.monitoring import Series
from nodes.ops.history.counts import Counts
from nodes.ops.history.identities import Identities
from nodes.ops.history.limits import Limits
from nodes.ops.history.members import AWAY_ROWS
from nodes.ops.history.recent import ROWS_MAX, Recent
from nodes.ops.history.rows import GAP_S, Row
from nodes.ops.reading import Layout, Reading
from tests.ops.history.readings import START, Telling, counter, gauge

HITS, PLAYERS = counter("hits_total"), gauge("players")


def new(limits: Limits | None = None, lives: dict[str, int] | None = None, from_s: int = -1) -> Recent:
    limits = limits or Limits()
    return Recent(Identities(limits), limits, Counts(), lives or {}, from_s)


def value(recent: Recent, row: Row, node: str, series: Series) -> float:
    numbers = [
        number
        for number in recent._identities.named(series.name)
        if recent._identities.at(number).node == node and recent._identities.at(number).labels == series.labels
    ]
    return math.nan if not numbers or numbers[0] >= len(row.values) else float(row.values[numbers[0]])


def anew(recent: Recent, row: Row) -> dict[tuple[str, str], float]:
    """Counters that began anew: node and name to increase."""
    found = {}
    for each in row.anew:
        for number, increase in zip(each.numbers.tolist(), each.increases.tolist(), strict=True):
            identity = recent._identities.at(number)
            found[identity.node, identity.name] = increase
    return found


def test_a_round_is_a_row() -> None:
    recent = new()
    one, two = Telling("scene.1"), Telling("scene.2")
    for second in range(3):
        recent.add([one(START + second + 0.2, {HITS: second}), two(START + second + 0.7, {PLAYERS: 10 + second})])
    taken = recent.take()
    assert [row.at_s for row in taken.rows] == [START, START + 1, START + 2]
    assert [value(recent, row, "scene.1", HITS) for row in taken.rows] == [0, 1, 2]
    assert [value(recent, row, "scene.2", PLAYERS) for row in taken.rows] == [10, 11, 12]
    assert sorted(taken.lives) == [("scene.1", 1), ("scene.2", 1)]
    assert recent.take().rows == []


def test_a_node_that_comes_later_widens_the_row() -> None:
    recent = new()
    recent.add([Telling("scene.1")(START, {HITS: 1})])
    recent.add([Telling("scene.2")(START, {HITS: 2})])
    (row,) = recent.take().rows
    assert [value(recent, row, node, HITS) for node in ("scene.1", "scene.2")] == [1, 2]


def test_a_second_is_taken_once() -> None:
    recent, one = new(), Telling()
    recent.add([one(START + 0.1, {HITS: 1}), one(START + 0.9, {HITS: 2})])
    (row,) = recent.take().rows
    recent.add([one(START + 0.95, {HITS: 3})])
    assert recent.take().rows == []
    assert value(recent, row, "scene.1", HITS) == 1
    assert recent._counts.readings_repeated == 2


def test_a_second_that_was_taken_goes_on_for_other_nodes_until_the_next_begins() -> None:
    recent, one, two, three = new(), Telling("scene.1"), Telling("scene.2"), Telling("scene.3")
    recent.add([one(START, {HITS: 1})])
    recent.take()
    recent.add([two(START, {HITS: 2})])
    recent.add([one(START + 1, {HITS: 3}), three(START, {HITS: 4})])
    assert [row.at_s for row in recent.take().rows] == [START, START + 1]
    recent.add([three(START, {HITS: 5})])
    assert recent.take().rows == []


def test_what_files_have_is_not_taken_again() -> None:
    recent, one = new(from_s=START + 1), Telling()
    recent.add([one(START, {HITS: 1})])
    assert recent.take().rows == []
    assert recent._counts.readings_late == 1
    recent.add([one(START + 1, {HITS: 1})])
    assert [row.at_s for row in recent.take().rows] == [START + 1]


def test_a_small_step_back_is_waited_out() -> None:
    recent, one = new(), Telling()
    for at_s in (START + 10, START + 10 - GAP_S, START + 9, START + 10, START + 11):
        recent.add([one(at_s, {HITS: at_s})])
    assert [row.at_s for row in recent.take().rows] == [START + 10, START + 11]
    assert recent._counts.readings_repeated == 3
    assert recent._counts.jumps == 0


def test_a_clock_that_goes_far_back_is_believed() -> None:
    recent, one, two = new(), Telling("scene.1"), Telling("scene.2")
    for at_s in (START + 3600, START + 3601, START, START + 1):
        recent.add([one(at_s, {HITS: at_s}), two(at_s, {HITS: at_s})])
    rows = recent.take().rows
    assert [row.at_s - START for row in rows] == [3600, 3601, 0, 1]
    assert all(value(recent, row, node, HITS) == row.at_s for row in rows for node in ("scene.1", "scene.2"))
    assert recent._counts.jumps == 1
    assert "went back" in recent._counts.news()[0]


def test_after_going_back_no_point_gets_into_rows_of_before() -> None:
    recent, one, two = new(), Telling("scene.1"), Telling("scene.2")
    for at_s in range(START, START + 70):
        recent.add([one(at_s, {HITS: 1})])
    recent.add([one(START + 5, {HITS: 2})])
    recent.add([two(START + 4, {HITS: 3}), two(START + 5, {HITS: 4})])
    rows = recent.take().rows
    assert [row.at_s - START for row in rows] == [*range(70), 5]
    assert [value(recent, row, "scene.1", HITS) for row in rows] == [1.0] * 70 + [2.0]
    assert value(recent, rows[-1], "scene.2", HITS) == 4
    assert recent._counts.readings_late == 1


@pytest.mark.parametrize("at_s", [math.nan, math.inf, -1.0, 2.0**33])
def test_a_reading_without_a_time_is_refused(at_s: float) -> None:
    recent = new()
    recent.add([Telling()(at_s, {HITS: 1})])
    assert recent.take().rows == []
    assert recent._counts.readings_refused == 1
    assert "scene.1" in recent._counts.named


def test_a_reading_with_too_few_values_is_refused() -> None:
    recent = new()
    recent.add([Reading("scene.1", "scene", "one", 1, START, Layout((HITS, PLAYERS)), np.array([1.0]))])
    assert (recent.take().rows, recent._counts.readings_refused) == ([], 1)


def test_seconds_that_nobody_takes_are_dropped_oldest_first() -> None:
    recent, one = new(), Telling()
    for second in range(ROWS_MAX + 7):
        recent.add([one(START + second, {HITS: second})])
    rows = recent.take().rows
    assert [row.at_s for row in rows] == list(range(START + 7, START + ROWS_MAX + 7))
    assert recent._counts.rows_lost == 7


def test_all_counters_of_a_new_incarnation_begin_anew() -> None:
    recent, one = new(), Telling()
    recent.add([one(START, {HITS: 100, PLAYERS: 5})])
    one.incarnation = 2
    recent.add([one(START + 1, {HITS: 150, PLAYERS: 9})])
    recent.add([one(START + 2, {HITS: 160, PLAYERS: 9})])
    rows = recent.take().rows
    assert [anew(recent, row) for row in rows] == [{}, {("scene.1", "hits_total"): 150}, {}]


def test_the_beginning_waits_for_the_first_reading_that_is_taken() -> None:
    recent, one = new(), Telling()
    recent.add([one(START, {HITS: 100})])
    one.incarnation = 2
    recent.add([one(START, {HITS: 3})])
    recent.add([one(START, {HITS: 3, counter("more_total"): 1})])
    recent.add([one(START + 1, {HITS: 4, counter("more_total"): 2})])
    assert [anew(recent, row) for row in recent.take().rows] == [
        {},
        {("scene.1", "hits_total"): 4, ("scene.1", "more_total"): 2},
    ]


def test_a_counter_that_appears_in_a_known_node_begins_from_zero() -> None:
    recent, one = new(), Telling()
    late = counter("results_total", result="banned")
    recent.add([one(START, {HITS: 100})])
    recent.add([one(START + 1, {HITS: 101, late: 1, PLAYERS: 4})])
    assert [anew(recent, row) for row in recent.take().rows] == [{}, {("scene.1", "results_total"): 1}]


def test_a_counter_that_was_away_goes_on() -> None:
    recent, one = new(), Telling()
    late = counter("results_total", result="banned")
    for second, values in enumerate(({HITS: 1, late: 7}, {HITS: 2}, {HITS: 3, late: 9})):
        recent.add([one(START + second, values)])
    assert [anew(recent, row) for row in recent.take().rows] == [{}, {}, {}]


@pytest.mark.parametrize(("incarnation", "begins"), [(7, False), (8, True)])
def test_after_a_start_the_files_tell_who_began_anew(incarnation: int, begins: bool) -> None:
    recent, one = new(lives={"scene.1": 7}), Telling(incarnation=incarnation)
    recent.add([one(START, {HITS: 20})])
    recent.add([one(START + 1, {HITS: 21})])
    first, second = recent.take().rows
    assert anew(recent, first) == ({("scene.1", "hits_total"): 20} if begins else {})
    assert anew(recent, second) == {}


def many(name: str, count: int) -> dict[Series, float]:
    return {counter(name, player=str(number)): 1.0 for number in range(count)}


def test_a_metric_with_too_many_labels_is_refused_and_named() -> None:
    recent, one = new(Limits(name_series=50)), Telling()
    recent.add([one(START, {HITS: 1, **many("moves_total", 70), PLAYERS: 2})])
    assert (recent.members.series, recent.members.refused) == (52, 20)
    assert "more than 50 series of one metric" in recent._counts.named["moves_total of scene.1"]
    assert len(recent._counts.news()) == 1


def test_what_was_there_before_stays_and_other_nodes_are_not_touched() -> None:
    recent = new(Limits(node_series=60, name_series=100))
    bad, good = Telling("scene.1"), Telling("scene.2")
    recent.add([bad(START, {HITS: 1, **many("a_total", 40)}), good(START, {HITS: 1, **many("a_total", 40)})])
    recent.add(
        [bad(START + 1, {**many("b_total", 90), HITS: 2, **many("a_total", 40)}), good(START + 1, many("b_total", 60))]
    )
    row = recent.take().rows[1]
    assert value(recent, row, "scene.1", HITS) == 2
    kept = [name for name in ("a_total", "b_total") for number in recent._identities.named(name)
            if recent._identities.at(number).node == "scene.1"]  # fmt: skip
    assert (kept.count("a_total"), kept.count("b_total")) == (40, 19)
    assert recent.members.refused == 71
    assert recent.members.series == 60 + 60


def test_the_limit_of_all_series_refuses_the_newest() -> None:
    recent = new(Limits(series=100))
    recent.add([Telling("scene.1")(START, many("a_total", 80)), Telling("scene.2")(START, many("a_total", 80))])
    assert (recent.members.series, recent.members.refused) == (100, 60)
    assert "more than 100 series of all nodes" in recent._counts.named["a_total of scene.2"]


def test_one_node_too_many_is_refused_and_named() -> None:
    recent = new(Limits(nodes=2))
    recent.add([Telling(f"scene.{number}")(START, {HITS: 1}) for number in range(3)])
    assert (len(recent.members), recent._counts.readings_refused) == (2, 1)
    assert recent._counts.named == {"scene.2": "more than 2 nodes"}


def test_long_names_other_kinds_and_too_many_metrics_are_refused() -> None:
    recent, one = new(Limits(names=2)), Telling()
    strange = Series("strange", "histogram", ())
    recent.add(
        [one(START, {strange: 1, counter("long_total", of="x" * 500): 1, HITS: 1, PLAYERS: 1, gauge("more"): 1})]
    )
    assert recent.members.series == 2
    assert set(recent._counts.named) == {"strange of scene.1", "long_total of scene.1", "more of scene.1"}


def test_what_was_refused_does_not_seem_to_begin_when_there_is_room() -> None:
    recent, one, two = new(Limits(series=11)), Telling("scene.1"), Telling("scene.2")
    recent.add([one(START, many("a_total", 10)), two(START, {HITS: 500, counter("other_total"): 900})])
    recent.add([one(START + 1, many("a_total", 5)), two(START + 1, {counter("other_total"): 901, HITS: 501})])
    rows = recent.take().rows
    assert value(recent, rows[1], "scene.2", counter("other_total")) == 901
    assert anew(recent, rows[1]) == {}


def test_nodes_and_series_that_are_gone_for_long_give_their_place() -> None:
    recent = new(Limits(nodes=2, identities=20))
    stays = Telling("stays.1")
    recent.add([Telling("gone.1")(START, many("a_total", 10)), stays(START, {HITS: 1})])
    for second in range(1, AWAY_ROWS + 3):
        recent.add([stays(START + second, {HITS: second})])
        recent.take()
    recent.add([Telling("new.1")(START + AWAY_ROWS + 3, many("b_total", 19))])
    assert (len(recent.members), recent.members.series, recent.members.refused) == (2, 20, 0)
    assert recent._identities.named("a_total") == []
    assert len(recent._identities.take_reused()) == 10


def test_series_that_files_have_keep_their_place() -> None:
    recent = new(Limits(nodes=2, identities=20))
    stays = Telling("stays.1")
    recent.add([Telling("gone.1")(START, many("a_total", 10)), stays(START, {HITS: 1})])
    recent._identities.uses[recent._identities.named("a_total")] = 1
    for second in range(1, AWAY_ROWS + 3):
        recent.add([stays(START + second, {HITS: second})])
        recent.take()
    recent.add([Telling("new.1")(START + AWAY_ROWS + 3, many("b_total", 19))])
    assert (recent.members.series, recent.members.refused) == (10, 10)
    assert len(recent._identities.named("a_total")) == 10


def test_a_node_with_ever_new_labels_leaves_room_for_others() -> None:
    recent, bad = new(Limits(identities=100, node_identities=40, names=30, node_names=10)), Telling("scene.1")
    for second in range(200):
        recent.add([bad(START + second, {counter("a_total", n=str(second)): 1.0, gauge(f"g{second}"): 1.0})])
    assert len(recent._identities) == 40
    assert len(recent._identities.named("a_total")) == 31
    assert len(recent._counts.named) <= 100
    recent.add([Telling("scene.2")(START + 200, {counter("good_total", n=str(n)): 1.0 for n in range(35)})])
    assert len(recent._identities.named("good_total")) == 35


def test_what_is_refused_is_named_a_hundred_times_and_counted_after_that() -> None:
    recent, one = new(Limits(node_series=5)), Telling()
    recent.add([one(START, {gauge(f"m{number}"): 1.0 for number in range(300)})])
    assert (len(recent._counts.named), recent.members.refused) == (100, 295)
