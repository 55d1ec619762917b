"""The history as a whole: what comes in can be asked for, in every tier, and is what loops make of the same points."""

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from mesh.errors import RefusedError
from mesh.protocol.monitoring import Series
from nodes.ops.history import lookup
from nodes.ops.history.history import History
from nodes.ops.history.limits import Limits
from nodes.ops.history.members import AWAY_ROWS
from nodes.ops.history.tiers import Tier
from nodes.ops.history.wanted import LINES_MAX, POINTS_MAX
from nodes.ops.reading import Reading
from tests.ops.history.plain import Point, coarser, stepped
from tests.ops.history.readings import HOWS, SHORT, START, Telling, ask, counter, gauge, only, points, tell
from tests.ops.history.test_downsampling import made_up

HITS, PLAYERS = counter("hits_total"), gauge("players")
SECONDS = 1000


@pytest.fixture(params=["memory", "folder"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "history" if request.param == "folder" else None


def answering_from(place: int) -> tuple[Tier, ...]:
    """Tiers of which this one answers whatever is asked."""
    keep_s = [1 if at < place else 10**6 for at in range(len(SHORT))]
    return tuple(msgspec.structs.replace(tier, keep_s=keep) for tier, keep in zip(SHORT, keep_s, strict=True))


def world(seed: int) -> dict[tuple[str, Series], list[Point]]:
    """Two nodes with a counter and a gauge each, as a bad day makes them. What a node tells is missing as a whole."""
    rng = random.Random(seed)
    found = {}
    for node in ("scene.1", "scene.2"):
        hits = made_up(rng, SECONDS, counts=True)
        players = made_up(rng, SECONDS, counts=False)
        found[node, HITS] = hits
        found[node, PLAYERS] = [
            Point(point.at_s, math.nan if math.isnan(hits[at].value) else point.value)
            for at, point in enumerate(players)
        ]
    return found


def rounds(told: dict[tuple[str, Series], list[Point]]) -> Iterator[list[Reading]]:
    nodes = {node: Telling(node) for node, _ in told}
    for second in range(SECONDS):
        readings = []
        for node, telling in nodes.items():
            here = told[node, HITS][second]
            if not math.isnan(here.value):
                telling.incarnation = here.incarnation
                readings.append(telling(here.at_s, {HITS: here.value, PLAYERS: told[node, PLAYERS][second].value}))
        yield readings


def plain_coarser(told: list[Point], kind: str, how: str, tier_s: int, step_s: int) -> dict[int, float]:
    """What a coarser tier can say, one step after the other."""
    found: dict[int, list[tuple[float, ...]]] = {}
    before = None
    for one in coarser(told, kind, tier_s):
        if one["at_s"] >= (START + SECONDS - 1) // tier_s * tier_s:
            break  # still under way
        step = int(one["at_s"]) // step_s * step_s
        if how in ("rate", "increase"):
            if before is not None:
                found.setdefault(step, []).append((one["increase"], one["at_s"] - before))
            before = one["at_s"]
        else:
            found.setdefault(step, []).append((one["top"] if how == "max" and kind == "gauge" else one["value"],))
    make: Any = {
        "last": lambda many: many[-1][0],
        "mean": lambda many: sum(value for (value,) in many) / len(many),
        "max": lambda many: max(value for (value,) in many),
        "increase": lambda many: sum(value for value, _ in many),
        "rate": lambda many: sum(value for value, _ in many) / sum(apart for _, apart in many),
    }[how]
    return {step: make(many) for step, many in found.items()}


@pytest.mark.parametrize("seed", range(3))
def test_seconds_are_what_loops_make_of_the_same_points(seed: int, folder: Path | None) -> None:
    told = world(seed)
    history = History(folder, tiers=answering_from(0))
    tell(history, rounds(told), every=7)
    for step_s in (1, 13):
        for (node, series), expected in told.items():
            for how in HOWS if series.kind == "counter" else HOWS[:3]:
                answer = ask(history, series.name, START, START + SECONDS, step_s, how=how, where={"node": node})
                assert answer.tier_s == 1
                assert points(only(answer)) == pytest.approx(stepped(expected, how, step_s))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("place", [1, 2])
def test_coarser_tiers_are_what_loops_make_of_the_same_points(seed: int, place: int, folder: Path | None) -> None:
    told = world(seed)
    history = History(folder, tiers=answering_from(place))
    tell(history, rounds(told), every=7)
    tier_s = SHORT[place].step_s
    for step_s in (tier_s, 5 * tier_s):
        for (node, series), expected in told.items():
            for how in HOWS if series.kind == "counter" else HOWS[:3]:
                answer = ask(history, series.name, START, START + SECONDS, step_s, how=how, where={"node": node})
                assert answer.tier_s == tier_s
                found = points(only(answer))
                plain = plain_coarser(expected, series.kind, how, tier_s, step_s)
                first = int(coarser(expected, series.kind, tier_s)[0]["at_s"]) // step_s * step_s
                if how in ("rate", "increase"):  # with a reset in it, the first step has grown, too
                    found.pop(first, None)
                    plain.pop(first, None)
                assert found == pytest.approx(plain)


def test_a_point_is_seen_at_once_and_all_the_way_into_a_file(tmp_path: Path) -> None:
    history, one = History(tmp_path), Telling()
    history.add([one(START, {PLAYERS: 1})])
    history.add([one(START + 1, {PLAYERS: 2})])
    expected = {START: 1.0, START + 1: 2.0}
    assert points(only(ask(history, "players", START, START + 5))) == expected
    taken = history.take()
    history.add([one(START + 2, {PLAYERS: 3})])
    assert points(only(ask(history, "players", START, START + 5))) == expected | {START + 2: 3.0}
    history.store(taken)
    assert points(only(ask(history, "players", START, START + 5))) == expected | {START + 2: 3.0}
    assert history.archive.disk_bytes > 0
    history.close(history.take())


def test_a_question_opens_the_chunks_of_its_metric_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history, nodes = History(tmp_path), [Telling(f"scene.{number}") for number in range(3)]
    metrics = [counter(f"m{number}_total") for number in range(20)]
    tell(history, ([node(START + second, dict.fromkeys(metrics, second)) for node in nodes] for second in range(100)))
    opened = []
    real = lookup.unpack

    def unpack(chunk: bytes, series: int, points: int, some: Any) -> Any:
        opened.append((series, len(some)))
        return real(chunk, series, points, some)

    monkeypatch.setattr(lookup, "unpack", unpack)
    answer = ask(history, "m7_total", START + 50, START + 60, how="last", where={"node": "scene.1"})
    assert points(only(answer)) == {START + second: float(second) for second in range(50, 60)}
    assert opened == [(3, 1)] * 8, "10 s and the 30 s before, in blocks of 5 s"


def bucketed(name: str, seen: list[float], bounds: tuple[float, ...] = (0.1, 0.5, 1.0)) -> dict[Series, float]:
    """A histogram as /metrics shows it."""
    counts = {counter(f"{name}_bucket", le=str(bound)): sum(value <= bound for value in seen) for bound in bounds}
    return {**counts, counter(f"{name}_bucket", le="+Inf"): len(seen), counter(f"{name}_count"): len(seen)}


def direct(share: float, counts: list[float], bounds: tuple[float, ...] = (0.1, 0.5, 1.0)) -> float:
    """The definition, for one step."""
    rank = share * counts[-1]
    bucket = next(at for at, count in enumerate(counts) if count >= rank)
    if bucket == len(bounds):
        return bounds[-1]
    lower, below = (bounds[bucket - 1], counts[bucket - 1]) if bucket else (0.0, 0.0)
    return lower + (bounds[bucket] - lower) * (rank - below) / (counts[bucket] - below)


@pytest.mark.parametrize("by", [None, ("role",), ()])
def test_quantiles_of_histograms_against_the_definition(by: tuple[str, ...] | None, folder: Path | None) -> None:
    rng = random.Random(3)
    history, nodes = History(folder), [Telling("dc.1", "dc"), Telling("dc.2", "dc")]
    seen: list[list[float]] = [[], []]
    told = []
    for _ in range(60):
        for node, values in enumerate(seen):
            values += [rng.expovariate(3 + 2 * node) for _ in range(rng.randint(1, 6))]
        told.append([bucketed("commit_seconds", values) for values in seen])
    tell(
        history,
        ([node(START + at, values) for node, values in zip(nodes, here, strict=True)] for at, here in enumerate(told)),
    )
    answer = ask(history, "commit_seconds", START + 10, START + 60, 10, how="quantile", quantile=0.9, by=by)
    expected = []
    for members in [[0], [1]] if by is None else [[0, 1]]:
        line = {}
        for at in range(10, 60, 10):
            counts = [
                sum(
                    list(told[at + 9][node].values())[bucket] - list(told[at - 1][node].values())[bucket]
                    for node in members
                )
                for bucket in range(4)
            ]
            line[START + at] = direct(0.9, counts)
        expected.append(line)
    assert len(answer.lines) == len(expected)
    for line, values in zip(answer.lines, expected, strict=True):
        assert points(line) == pytest.approx(values)
    keys = {None: {"node", "role", "zone"}, ("role",): {"role"}, (): set()}[by]
    assert set(answer.lines[0].labels) == keys


def test_a_step_without_observations_has_no_quantile() -> None:
    history, one = History(None), Telling("dc.1", "dc")
    tell(history, ([one(START + second, bucketed("t_seconds", [0.3] * min(second, 10)))] for second in range(30)))
    found = points(only(ask(history, "t_seconds_bucket", START, START + 30, 1, how="quantile", quantile=0.5)))
    assert found == {START + second: pytest.approx(0.3) for second in range(1, 11)}


def test_lines_are_added_up_by_labels() -> None:
    history = History(None)
    nodes = [Telling("scene.1"), Telling("scene.2"), Telling("gate.1", "gate")]
    tell(
        history,
        ([node(START + at, {HITS: at * (n + 1), PLAYERS: n}) for n, node in enumerate(nodes)] for at in range(20)),
    )
    answer = ask(history, "hits_total", START + 10, START + 20, 10, how="rate", by=("role",))
    assert [(line.labels, line.values.tolist()) for line in answer.lines] == [
        ({"role": "gate"}, [3.0]),
        ({"role": "scene"}, [3.0]),
    ]
    top = only(ask(history, "players", START, START + 20, how="max", by=()))
    assert set(points(top).values()) == {2.0}


@pytest.mark.parametrize("flush", [1, 5, 50])
def test_increases_add_up_across_resets_blocks_and_tiers(flush: int, folder: Path | None) -> None:
    history, one = History(folder, tiers=SHORT), Telling()
    told, count, total = [], 0, 0
    for second in range(400):
        if second in (33, 95, 96, 250):
            count, one.incarnation = 0, one.incarnation + 1
        grown = 1000 if second == 96 else second % 7  # the new incarnation overtakes the old one at once
        count += grown
        total += grown if second else 0
        told.append([one(START + second, {HITS: count})])
    tell(history, told, every=flush)
    line = only(ask(history, "hits_total", START + 345, START + 400, how="increase"))
    assert sum(points(line).values()) == sum(second % 7 for second in range(345, 400))
    minutes = only(ask(history, "hits_total", START - 30_000, START + 400, how="increase"))
    tens = only(ask(history, "hits_total", START - 150, START + 400, how="increase"))
    assert sum(points(minutes).values()) == total_until(360) - total_until(1), "the first minute has a reset"
    assert sum(points(tens).values()) == total_until(390) - total_until(10)
    assert total == total_until(400) - total_until(1)


def total_until(second: int) -> int:
    return sum(1000 if at == 96 else at % 7 for at in range(second))


def test_a_clock_that_leaps_ahead_leaves_a_gap(folder: Path | None) -> None:
    history, one = History(folder), Telling()
    times = [*range(100), *range(1700, 1800)]
    tell(history, ([one(START + at, {HITS: at})] for at in times))
    line = only(ask(history, "hits_total", START + 1600, START + 1800, how="last"))
    assert points(line) == {START + at: float(at) for at in range(1700, 1800)}
    grown = points(only(ask(history, "hits_total", START + 90, START + 1800, 2, how="increase")))
    assert grown[START + 1700] == 1700 - 99 + 1


def test_a_clock_that_goes_an_hour_back_is_followed_and_makes_no_spike(folder: Path | None) -> None:
    history, one = History(folder, tiers=answering_from(0)), Telling()
    told = [(START + 3600 + at, 10_000 + at) for at in range(100)] + [
        (START + 50 + at, 10_100 + at) for at in range(3700)
    ]
    tell(history, ([one(at_s, {HITS: count, PLAYERS: count})] for at_s, count in told))
    expected = {at_s: float(count) for at_s, count in told}  # of a second that came twice, the later point
    for start_s in (START + 50, START + 3600):
        found = points(only(ask(history, "players", start_s, start_s + 1500, 1, how="last")))
        assert found == {at_s: count for at_s, count in expected.items() if start_s <= at_s < start_s + 1500}
    for how in ("increase", "rate"):
        for start_s in (START, START + 3000):
            grown = points(only(ask(history, "hits_total", start_s, start_s + 1900, how=how)))
            assert set(grown.values()) == {1.0}
    assert history.counts.jumps == 1


def test_nonsense_is_missing_and_nothing_breaks(folder: Path | None) -> None:
    history, one = History(folder, tiers=SHORT), Telling()
    nonsense = [math.inf, -math.inf, math.nan, 1e308, -1e308, 2.0**60, -3.0, 0.1]
    tell(history, ([one(START + at, {HITS: nonsense[at % 8], PLAYERS: nonsense[at % 8]})] for at in range(200)))
    found = points(only(ask(history, "players", START + 150, START + 200, how="last")))
    assert {at_s % 8 for at_s in found} == {(START + at) % 8 for at in (5, 6, 7)}
    for how in HOWS:
        for start_s in (START + 150, START - 200, START - 30_000):
            only(ask(history, "hits_total", start_s, START + 200, how=how))


def test_the_answer_has_at_most_so_many_lines_and_points_and_says_so() -> None:
    history, nodes = History(None), [Telling(f"scene.{number}") for number in range(3)]
    series = [gauge("players", map=f"{number:03}") for number in range(100)]
    tell(history, ([node(START + at, dict.fromkeys(series, at)) for node in nodes] for at in range(3)))
    answer = ask(history, "players", START - 3000, START + 3, 1)
    assert (len(answer.lines), answer.left_out) == (LINES_MAX, 100)
    assert answer.step_s == 2
    assert all(len(line.values) == len(line.at_s) <= POINTS_MAX for line in answer.lines)
    assert ["100 more lines" in note for note in answer.notes] == [False, True]
    assert ask(history, "players", START, START + 3, 1, where={"map": "007"}).left_out == 0


def test_lines_that_are_long_gone_do_not_take_the_place_of_those_that_are_there(tmp_path: Path) -> None:
    history = History(tmp_path, tiers=(msgspec.structs.replace(SHORT[0], keep_s=10**6), *SHORT[1:]))
    one = Telling()
    old = {gauge("players", map=f"old{number:03}"): 1.0 for number in range(LINES_MAX + 50)}
    tell(history, ([one(START + at, old)] for at in range(30)))
    tell(history, ([one(START + at, {gauge("players", map="zoo"): 1.0})] for at in range(30, 90)))
    answer = ask(history, "players", START + 80, START + 90)
    assert [line.labels["map"] for line in answer.lines] == ["zoo"]
    assert answer.left_out == 0


def test_what_nobody_has_is_an_answer_without_lines() -> None:
    history = History(None)
    assert ask(history, "hits_total", START, START + 10).lines == []
    tell(history, [[Telling()(START, {HITS: 1})]])
    assert ask(history, "misses_total", START, START + 10).lines == []
    assert ask(history, "hits_total", START + 100, START + 200).lines == []
    assert ask(history, "hits_total", START, START + 10, where={"node": "gate.1"}).lines == []
    with pytest.raises(RefusedError):
        ask(history, "hits_total", START, START)


def test_a_node_that_takes_a_metric_for_something_else_does_not_change_what_it_is() -> None:
    history = History(None)
    nodes = [Telling(f"scene.{number}") for number in range(3)]
    wrong = gauge("hits_total")
    tell(
        history,
        ([nodes[0](START + at, {wrong: 9}), *(n(START + at, {HITS: at}) for n in nodes[1:])] for at in range(20)),
    )
    answer = ask(history, "hits_total", START, START + 20, how="rate")
    assert [line.labels["node"] for line in answer.lines] == ["scene.1", "scene.2"]


def test_metrics_are_listed_with_their_kinds_and_labels() -> None:
    history = History(None)
    history.add([Telling("scene.1")(START, {HITS: 1, gauge("players", map="zoo"): 1, gauge("players", map="inn"): 2})])
    history.add([Telling("gate.1", "gate")(START, {HITS: 1})])
    hits, players = history.names()
    assert (hits.name, hits.kind, hits.series) == ("hits_total", "counter", 2)
    assert hits.labels == {"node": ["gate.1", "scene.1"], "role": ["gate", "scene"], "zone": ["one"]}
    assert (players.name, players.kind, players.series) == ("players", "gauge", 2)
    assert players.labels["map"] == ["inn", "zoo"]
    assert [listed.name for listed in history.names("play")] == ["players"]


def test_a_number_that_is_given_to_another_series_brings_nothing_of_the_old_one() -> None:
    minute = msgspec.structs.replace(SHORT[2], keep_s=600)
    history = History(None, Limits(nodes=2, identities=3), tiers=(*SHORT[:2], minute))
    stays = Telling("stays.1")
    tell(history, [[Telling("gone.1")(START, {HITS: 500}), stays(START, {PLAYERS: 1})]])
    tell(history, ([stays(START + at, {PLAYERS: at})] for at in range(1, AWAY_ROWS + 100)), every=50)
    begin = START + AWAY_ROWS + 100
    come = Telling("come.1")
    more = counter("more_total")
    tell(history, ([stays(begin + at, {PLAYERS: at}), come(begin + at, {HITS: 7 + at, more: 9})] for at in range(100)))
    assert history.recent.members.refused == 0
    assert ask(history, "hits_total", begin, begin + 100, where={"node": "gone.1"}).lines == []
    tens = only(ask(history, "hits_total", begin - 300, begin + 100, how="increase"))
    assert set(points(tens).values()) == {10.0}
    tens = only(ask(history, "more_total", begin - 300, begin + 100, how="increase"))
    assert set(points(tens).values()) == {0.0}


def test_values_in_an_answer_are_numbers_or_missing() -> None:
    history, one = History(None), Telling()
    tell(history, ([one(START + at, {PLAYERS: at})] for at in (0, 1, 5)))
    line = only(ask(history, "players", START, START + 6))
    assert line.at_s.tolist() == [START + at for at in range(6)]
    assert np.array_equal(line.values, [0, 1, np.nan, np.nan, np.nan, 5], equal_nan=True)
