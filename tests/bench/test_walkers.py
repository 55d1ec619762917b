"""The crowd without clients: its steps, and what it makes of a scene's frames."""

import itertools
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mesh.protocol.catalogue import encode
from mesh.protocol.lanes import MOVE, PieceClass, PieceLane, piece
from mesh.protocol.play import Character, Entered, Vanished
from mesh.testing import Cluster as Zone
from mesh.testing.virtual import run
from mesh.topology import load
from tools.bench.standin import beside
from tools.bench.walkers import STEP_M, Crowd, Steps
from tools.ctl.clusters import topology_file


def entered(x: int, y: int) -> Entered:
    you = Character(1, "anna", 1, 0, 100, 100, {}, 0, [])
    return Entered("local.one.scene.1", "square", 1, 100.0, 0.02, 10.0, 50.0, 6.0, x, y, you, [], 0)


def walked(steps: Steps, rounds: int, parts: int = 2) -> dict[int, list[tuple[int, int]]]:
    ways: dict[int, list[tuple[int, int]]] = {}
    for turn in range(rounds):
        handles, records = steps.of(turn % parts, parts, 70_000 + turn)
        moves = np.frombuffer(records, MOVE)
        assert set(moves["kind"]) == {3}
        assert set(moves["stamp"]) == {70_000 + turn - 65_536}
        for handle, move in zip(np.frombuffer(handles, "<u4").tolist(), moves, strict=True):
            ways.setdefault(handle, []).append((int(move["x"]), int(move["y"])))
    return ways


def test_everybody_walks_at_an_even_pace_and_turns_at_the_edge() -> None:
    ways = walked(Steps({7: entered(10, 10), 8: entered(4990, 2500), 9: entered(2500, 2500)}), 400)
    assert sorted(ways) == [7, 8, 9]
    for way in ways.values():
        assert len(way) == 200
        assert all(0 <= x <= 5000 and 0 <= y <= 5000 for x, y in way)
        paces = [np.hypot(b[0] - a[0], b[1] - a[1]) * 0.02 for a, b in itertools.pairwise(way)]
        assert min(paces) > 0.9 * STEP_M
        assert max(paces) < 0.6  # metres in a tenth of a second, at 6 m/s


def test_the_first_step_is_from_where_the_scene_has_put_them() -> None:
    ((x, y),) = walked(Steps({7: entered(3000, 1000)}), 1)[7]
    assert abs(x - 3000) <= STEP_M / 0.02 + 1
    assert abs(y - 1000) <= STEP_M / 0.02 + 1


def test_a_crowd_reads_where_it_stands_out_of_the_frames_and_nothing_else(tmp_path: Path) -> None:
    topology = beside(load(topology_file("bench"), runtime=tmp_path), "gate.9")
    place, other = encode(entered(40, 50)), encode(Vanished([3]))
    pieces = piece(PieceLane.CONTROL, PieceClass.VIEW, other) + piece(PieceLane.CONTROL, PieceClass.VIEW, place)

    async def story() -> Any:
        crowd = Crowd(Zone(topology, {}, tmp_path).seat("gate.9"))
        handles, lengths = struct.pack("<II", 5, 6), struct.pack("<II", len(pieces), 8 + len(other))
        more = piece(PieceLane.CONTROL, PieceClass.VIEW, other)
        crowd.on_frames([handles, lengths, pieces + more], None)  # type: ignore[arg-type]
        crowd.on_updates([handles, lengths, b"12345"], None)  # type: ignore[arg-type]
        return crowd

    crowd = run(story())
    assert {handle: (said.x, said.y) for handle, said in crowd._entered.items()} == {5: (40, 50)}
    assert crowd.update_bytes == 5


def test_a_node_beside_the_topology_has_ports_of_its_own_and_no_settings() -> None:
    usual = load(topology_file("bench"))
    more = beside(usual, "gate.9")
    assert more.settings == {}
    ports = [process.metrics_port for process in more.processes]
    assert len(set(ports)) == len(ports) == len(usual.processes) + 1
    assert more.node("gate.9").zone == usual.zone


@pytest.mark.parametrize("role", ["gate", "scene", "log"])
def test_it_may_be_of_any_role_that_there_can_be_more_of(role: str) -> None:
    assert beside(load(topology_file("bench")), f"{role}.9").node(f"{role}.9").role == role
