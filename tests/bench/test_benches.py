"""What the benches make of what they are given: the real coroutines on a ground without processes."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.bench.fakes import FakeGround, FakeLoad, ground, wave, window
from tools.bench import catalogue, peers, town
from tools.bench.bench import Outcome, judge
from tools.bench.benches import badday, battle, broadcast, crowd, memory, mobile, overload, scale, square, storm, zone
from tools.bench.benches import peers as beside
from tools.bench.said import Wave, Window
from tools.bench.town import width_m
from tools.ctl.exits import CommandError


def played(bench: Any, on: FakeGround) -> Outcome:
    return asyncio.run(bench.run(on))


def up_to(capacity: int) -> Any:
    """A generator that finds everything well up to so many players, and late frames above."""

    def play(players: int) -> Window:
        return window(inside=players, moves_s=10.0 * players, p99_ms=150.0 if players <= capacity else 420.0)

    return play


@pytest.fixture(autouse=True)
def reference(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Two references that cost 10 and 30 us; who was asked for."""
    asked: list[tuple[str, int]] = []

    async def run_peer(name: str, players: int, _ground: Any, _seconds: float) -> Any:
        asked.append((name, players))
        frame_us = {"epoll": 10.0, "pair": 15.0, "colyseus": 30.0}[name]
        frames_s = 10.0 * players
        return peers.PeerResult(name, players, window(frames_s=frames_s), frame_us * frames_s / 1e6, 10.0, [])

    monkeypatch.setattr(peers, "run_peer", run_peer)
    monkeypatch.setattr(peers, "missing", lambda _name: "")
    return asked


@pytest.mark.parametrize("name", catalogue.BENCHES)
def test_every_bench_of_the_list_is_there_and_says_the_same_of_itself(name: str) -> None:
    bench = catalogue.load(name)
    assert (bench.name, bench.line) == (name, catalogue.BENCHES[name])
    names = [figure.name for figure in bench.figures]
    assert len(set(names)) == len(names)
    assert any(figure.required is not None or figure.aim is not None for figure in bench.figures)


def test_the_square_is_measured_beside_the_references_and_then_filled(
    tmp_path: Path, reference: list[tuple[str, int]]
) -> None:
    on = ground(tmp_path, played=up_to(7000), cpu=0.15)
    outcome = played(square.BENCH, on)
    assert outcome.players == 7000
    assert outcome.cpu_us_per_frame == pytest.approx(15.0)
    assert outcome.ratio_to_limit == pytest.approx(1.5)
    assert outcome.reached["colyseus_behind"] == pytest.approx(2.0)
    assert reference == [("epoll", 4000)] * 3 + [("colyseus", 3000)] * 2  # once to see whether it carries them
    assert {cores for _, _, cores in on.asked} == {(0,)}
    assert f"size_m={int(width_m(4000)) + 1}." in on.asked[0][1]["scene.maps"]
    verdict, why, _ = judge(square.BENCH, outcome, quick=False)
    assert (verdict, why) == ("OK", [])


def test_a_square_that_is_too_dear_fails_with_each_figure(tmp_path: Path) -> None:
    outcome = played(square.BENCH, ground(tmp_path, played=up_to(5000), cpu=0.25))
    verdict, why, _ = judge(square.BENCH, outcome, quick=False)
    assert verdict == "FAILED"
    assert [line.partition(":")[0] for line in why] == [
        "players that are OK", "CPU per frame, 4,000 players", "the same, to C on bare epoll",
        "Colyseus' CPU per frame to ours",
    ]  # fmt: skip


def test_a_quick_square_is_one_round_and_no_search(tmp_path: Path, reference: list[tuple[str, int]]) -> None:
    on = ground(tmp_path, quick=True, players=40)
    outcome = played(square.BENCH, on)
    assert outcome.players == 40
    assert reference == [("epoll", 40), ("colyseus", 40), ("colyseus", 40)]
    assert len(on.asked) == 3  # beside the limit once, and before and after the other


def test_without_the_references_the_rest_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "missing", lambda name: f"there is no {name} here")
    outcome = played(square.BENCH, ground(tmp_path, quick=True))
    assert outcome.ratio_to_limit is None
    assert outcome.reached.keys() == {"arrived", "bytes"}
    assert "no ratio to the limit: there is no epoll here" in outcome.notes


def test_a_square_that_lost_a_server_is_invalid(tmp_path: Path) -> None:
    on = ground(tmp_path, quick=True, invalid=["gate.1 ended during the run"])
    assert judge(square.BENCH, played(square.BENCH, on), quick=True)[0] == "INVALID"


def test_other_load_excuses_a_square_that_failed_and_not_one_that_held(tmp_path: Path) -> None:
    words = ["other processes used 55 % of a core meanwhile (at most 30 %)"]
    held = ground(tmp_path, played=up_to(7000), cpu=0.15, disturbed=words)
    assert judge(square.BENCH, played(square.BENCH, held), quick=False)[0] == "OK"
    failed = ground(tmp_path, played=up_to(5000), cpu=0.15, disturbed=words)
    verdict, why, _ = judge(square.BENCH, played(square.BENCH, failed), quick=False)
    assert verdict == "INVALID"
    assert why == ["players that are OK: 5,000, at least 5,500", *words]


def test_the_zone_is_filled_twice_on_both_cores_and_the_generator_is_no_stranger(tmp_path: Path) -> None:
    on = ground(tmp_path, played=up_to(9000))
    outcome = played(zone.BENCH, on)
    assert outcome.players == outcome.reached["players_slow"] == 9000
    assert {settings["scene.tick_hz"] for _, settings, _ in on.asked} == {"10.0", "5.0"}
    assert {cores for _, _, cores in on.asked} == {(0, 1)}


def test_late_is_more_than_two_ticks(tmp_path: Path) -> None:
    on = ground(tmp_path, quick=True, played=lambda _players: window(p99_ms=260.0))
    outcome = played(zone.BENCH, on)
    assert (outcome.players, outcome.reached["players_slow"]) == (0, 800.0)


def test_a_zone_in_which_nothing_holds_has_no_players(tmp_path: Path) -> None:
    outcome = played(zone.BENCH, ground(tmp_path, played=up_to(0)))
    assert outcome.players == 0
    assert judge(zone.BENCH, outcome, quick=False)[0] == "FAILED"


def test_mobile_is_played_on_its_own_topology(tmp_path: Path) -> None:
    on = ground(tmp_path, quick=True)
    assert played(mobile.BENCH, on).players == 800
    assert [topology for topology, _, _ in on.asked] == ["mobile"]


@pytest.mark.parametrize(("rate", "verdict"), [(1200.0, "OK"), (500.0, "FAILED")])
def test_a_storm_is_judged_by_its_rate_and_by_what_others_feel(tmp_path: Path, rate: float, verdict: str) -> None:
    outcome = played(storm.BENCH, ground(tmp_path, logins_s=rate))
    assert outcome.reached == {"logins_s": rate, "inside": 100.0, "disconnected": 0.0, "felt": 1.0}
    assert judge(storm.BENCH, outcome, quick=False)[0] == verdict


def test_a_broadcast_is_judged_by_the_last_who_has_it(tmp_path: Path) -> None:
    outcome = played(broadcast.BENCH, ground(tmp_path, quick=True, players=100))
    assert outcome.reached == {"last_ms": 120.0, "heard": 99.0, "felt": 1.0}
    verdict, why, _ = judge(broadcast.BENCH, outcome, quick=True)
    assert (verdict, len(why)) == ("FAILED", 1)


def test_memory_is_for_each_client_and_over_its_cycles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warm, later = [57.0, 58.0], [58.0, 59.0, 60.0, 60.5, 60.9]  # a cycle a second
    sizes = iter([50.0, 56.0, *warm, *later])
    monkeypatch.setattr(memory.machine, "rss_of", lambda _pid: next(sizes))

    def no_openssl(_folder: Path) -> tuple[Path, Path]:
        raise FileNotFoundError("openssl")

    monkeypatch.setattr(memory, "make_certificate", no_openssl)
    outcome = played(memory.BENCH, ground(tmp_path, quick=True))
    assert outcome.reached["kb_per_client"] == pytest.approx(20.0)
    assert outcome.reached["warm_up"] == 58.0 / 56.0
    assert outcome.reached["growth"] == 60.9 / 58.0
    assert ["after cycle 2 (end of the warm-up)", "58.0"] in outcome.tables[0].rows
    assert outcome.tables[0].rows[-1] == ["after cycle 7", "60.9"]
    assert "tls_kb_per_client" not in outcome.reached
    assert any("TLS was not measured" in note for note in outcome.notes)


def test_scale_compares_the_same_density_and_one_node_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def tick_ms(_ground: Any, players: int, npcs: int, _seconds: float) -> float:
        return (players + npcs) / 1000

    monkeypatch.setattr(scale, "tick_ms", tick_ms)
    on = ground(tmp_path, cpu=0.4)
    outcome = played(scale.BENCH, on)
    assert outcome.reached == {
        "growth": pytest.approx(0.1), "spread": pytest.approx(10.0), "gate": 0.0, "scene": 0.0,
        "tick_ms": 10.0, "tick_npcs_ms": 20.0,
    }  # fmt: skip
    assert [row[0] for row in outcome.tables[0].rows] == ["500", "1,000", "2,000", "3,500", "5,000"]
    half = town.settings(2500)["scene.maps"]
    assert sum(settings["scene.maps"] == half for _, settings, _ in on.asked) == 5  # two lines share the players


def test_peers_are_ratios_to_ours(tmp_path: Path) -> None:
    outcome = played(beside.BENCH, ground(tmp_path, cpu=0.2))
    assert outcome.ratio_to_limit == pytest.approx(2.0)
    assert outcome.tables[0].rows[-1] == ["Colyseus", "30", "1.50"]


def test_a_topology_with_one_more_node_is_the_same_but_for_that(tmp_path: Path) -> None:
    from mesh.topology import load

    more = load(scale.with_node(tmp_path, "gate.2"))
    usual = load(scale.clusters.topology_file("bench"))
    assert {node.short for node in more.nodes.values()} - {node.short for node in usual.nodes.values()} == {"gate.2"}
    assert more.settings == usual.settings


def test_an_unknown_bench_is_answered_with_what_comes_close() -> None:
    with pytest.raises(CommandError, match="no bench 'sqare'; did you mean square"):
        catalogue.load("sqare")


def test_what_the_ratios_of_the_square_are_made_of_is_in_its_tables(tmp_path: Path) -> None:
    outcome = played(square.BENCH, ground(tmp_path, played=up_to(7000), cpu=0.15))
    table = next(one for one in outcome.tables if one.title.startswith("The references"))
    assert [row[1:] for row in table.rows] == [
        ["4,000", "10.0", "15.0", "1.50"],
        ["3,000", "30.0", "15.0", "0.50"],
    ]
    beside = [row[0] for one in outcome.tables if "Colyseus carries" in one.title for row in one.rows]
    assert beside == ["3,000", "3,000"]


def test_a_reference_whose_run_is_invalid_makes_no_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run_peer(name: str, players: int, _ground: Any, _seconds: float) -> Any:
        return peers.PeerResult(name, players, window(), 0.1, 10.0, ["moves were sent late, p99 80 ms"])

    monkeypatch.setattr(peers, "run_peer", run_peer)
    outcome = played(square.BENCH, ground(tmp_path, quick=True))
    assert (outcome.ratio_to_limit, outcome.reached.keys()) == (None, {"arrived", "bytes"})
    assert "epoll is left out: moves were sent late, p99 80 ms" in outcome.notes


def test_a_reference_that_carries_nobody_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = peers.run_peer

    async def run_peer(name: str, players: int, ground: Any, seconds: float) -> Any:
        if name == "colyseus":
            raise peers.NotAllInError(f"{name}: {players} of {players} clients did not get in")
        return await usual(name, players, ground, seconds)

    monkeypatch.setattr(peers, "run_peer", run_peer)
    outcome = played(square.BENCH, ground(tmp_path, quick=True))
    assert "colyseus_behind" not in outcome.reached
    assert "Colyseus was not measured: colyseus: not even 250 players get in and get their frames" in outcome.notes
    outcome = played(beside.BENCH, ground(tmp_path))
    assert outcome.players == 3_000
    assert outcome.reached.keys() == {"epoll", "pair", "zonemesh"}
    assert "Colyseus was not measured: colyseus: not even 250 players get in and get their frames" in outcome.notes


def test_peers_play_with_as_many_as_colyseus_carries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = peers.run_peer

    async def run_peer(name: str, players: int, ground: Any, seconds: float) -> Any:
        if name == "colyseus" and players > 2_000:
            raise peers.NotAllInError(f"{name}: 7 of {players} clients did not get in")
        return await usual(name, players, ground, seconds)

    monkeypatch.setattr(peers, "run_peer", run_peer)
    assert played(beside.BENCH, ground(tmp_path)).players == 1_500


def test_players_who_were_asked_to_move_less_are_not_carried(tmp_path: Path) -> None:
    """Whoever walks half as often is told of half as much, and all of that may arrive."""
    on = ground(tmp_path, quick=True, played=lambda players: window(inside=players, moves_s=5.0 * players))
    said: list[str] = []
    outcome = played(zone.BENCH, dataclasses.replace(on, say=said.append))
    assert outcome.players == 0
    assert "800 players: FAILED 50 % of the moves were made: the servers asked for fewer" in said


@pytest.mark.parametrize("bench", [battle, broadcast, crowd, badday, overload, memory])
def test_nothing_is_measured_with_fewer_players_than_it_says(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def clients(_load: Any, count: int, rate: float = 0.0, timeout_s: float = 1.0) -> Wave:
        return msgspec.structs.replace(wave(count, inside=count - 2), codes={"zone_full": 2})

    monkeypatch.setattr(FakeLoad, "clients", clients)
    with pytest.raises(CommandError, match=r"2 of [\d,]+ players did not get in: 2 x zone_full"):
        played(bench.BENCH, ground(tmp_path, quick=True))


def test_labels_say_the_numbers_of_the_run(tmp_path: Path) -> None:
    outcome = played(storm.BENCH, ground(tmp_path, quick=True))
    _, _, judged = judge(storm.BENCH, outcome, quick=True)
    assert judged[0].what == "logins through all nine steps, 500 at once"


def test_why_a_run_is_invalid_says_where(tmp_path: Path) -> None:
    on = ground(tmp_path, quick=True, played=lambda _n: window(invalid=["not enough ports"]))
    assert played(storm.BENCH, on).invalid == [
        "before the storm: not enough ports",
        "during the storm: not enough ports",
    ]
    assert played(square.BENCH, on).invalid == ["800 players: not enough ports"]
