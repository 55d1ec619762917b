"""The references: that they do the work that they are compared by."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from mesh.clock import SystemClock
from tests.bench.fakes import window
from tools.bench import build, cores, peers
from tools.bench.ground import Ground
from tools.bench.references.interest import ENTITY, Square


def neighbours(lengths, frames):
    """Who is in the frame of each slot."""
    ends = np.cumsum(lengths)
    data = frames.tobytes()
    seen = []
    for end, length in zip(ends.tolist(), lengths.tolist(), strict=True):
        entries = np.frombuffer(data[end - length + 8 : end], ENTITY)
        head = np.frombuffer(data[end - length : end - length + 8], "<u2")
        assert (head[0], head[1]) == (2, len(entries))
        seen.append(set(entries["id"].tolist()))
    return seen


def test_the_python_scene_shows_exactly_those_within_the_radius():
    chance = np.random.default_rng(1)
    moves = np.zeros(200, ENTITY)
    moves["id"], moves["x"], moves["y"] = np.arange(200), chance.uniform(0, 300, 200), chance.uniform(0, 300, 200)
    square = Square(300.0, 50.0)
    square.move(np.arange(200), moves.tobytes())
    apart = np.hypot(moves["x"][:, None] - moves["x"], moves["y"][:, None] - moves["y"])
    truth = [set(np.flatnonzero(row <= 50.0).tolist()) - {at} for at, row in enumerate(apart)]
    assert neighbours(*square.frames()) == truth


@pytest.mark.cluster
def test_the_c_server_plays_the_same_game_as_the_generator(tmp_path, monkeypatch, unused_ports):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(peers, "WARM_S", 0.3)
    try:
        build.find_compiler({"PATH": "/usr/bin:/bin"})
        cores.check_enough(2)
    except Exception as error:  # noqa: BLE001 - a machine that cannot, whatever it lacks
        pytest.skip(str(error))
    ground = Ground(True, None, SystemClock(), Path(tmp_path), unused_ports[0], lambda _text: None)
    result = asyncio.run(peers.run_peer("epoll", 60, ground, 0.7))
    seen = result.window
    assert seen.inside == 60
    assert seen.updates_s > 0
    assert (seen.closed, seen.wrong) == (0, 0)


@pytest.mark.parametrize(("most", "players"), [(3_000, 3_000), (2_300, 2_250), (1_400, 1_000), (260, 250)])
def test_a_reference_gets_as_many_players_as_it_carries(tmp_path, monkeypatch, most, players):
    """It answers as Colyseus does with too many: some do not get in, or get too few frames."""
    said = []

    async def run_peer(name, players, _ground, _seconds):
        if players > 1.5 * most:
            raise peers.NotAllInError(f"{name}: 7 of {players} clients did not get in")
        return peers.PeerResult(name, players, window(frames_s=10.0 * min(players, most)), 0.5, 1.0, [])

    monkeypatch.setattr(peers, "run_peer", run_peer)
    ground = Ground(False, None, SystemClock(), tmp_path, 1, said.append)
    assert asyncio.run(peers.carried("colyseus", 3_000, ground)) == players
    assert bool(said) == (players < 3_000)


def test_a_reference_that_carries_nobody_is_said(tmp_path, monkeypatch):
    async def run_peer(name, players, _ground, _seconds):
        raise peers.NotAllInError(f"{name}: {players} of {players} clients did not get in")

    monkeypatch.setattr(peers, "run_peer", run_peer)
    ground = Ground(False, None, SystemClock(), tmp_path, 1, str)
    with pytest.raises(peers.CommandError, match="not even 250"):
        asyncio.run(peers.carried("colyseus", 1_000, ground))


def test_what_cannot_run_here_says_why(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    assert "node" in peers.missing("colyseus")
    assert "compiler" in peers.missing("epoll")
    assert peers.missing("pair") == ""
