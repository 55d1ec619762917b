"""The distance budget: cheats gain at most 5 %, honest players are not corrected."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.protocol.lanes import MOVE
from nodes.scene import movement
from nodes.scene.world import DEAD, Kind, World

SPEED = 300.0  # units a second: 6 m/s
UNITS = 60_000


class Mover:
    """One player on a world of its own."""

    def __init__(self, x: int = 1000) -> None:
        self.world = World(0, UNITS, 4)
        self.slot = self.world.add(Kind.PLAYER, "one", x, 1000, hp=10, hp_max=10)
        movement.settle(self.world, self.slot, 0.0, SPEED)

    def go(self, now: float, x: float, y: float = 1000, state: int = 1) -> bool:
        """True when it was possible."""
        record = np.array([(3, state, 9, 0, 77, round(x), round(y))], MOVE)
        refused, stamps = movement.apply(self.world, np.array([self.slot]), record, now, SPEED)
        assert stamps.tolist() == [77] * len(refused)
        return not len(refused)

    @property
    def x(self) -> int:
        return int(self.world.x[self.slot])


@pytest.mark.parametrize("factor", [1.06, 1.5, 2.0, 10.0])
@pytest.mark.parametrize("obeys", [True, False])
def test_a_cheat_gains_at_most_five_percent(factor: float, obeys: bool) -> None:
    """A speed hack over 20 s, one that goes back when corrected and one that insists."""
    mover, wanted = Mover(), 1000.0
    for tick in range(1, 201):
        wanted += SPEED * factor * 0.1
        if not mover.go(tick * 0.1, wanted) and obeys:
            wanted = mover.x
    assert mover.x - 1000 <= SPEED * 20 * 1.05


def test_teleports_in_small_hops_gain_nothing_either() -> None:
    """Takes the whole slack whenever there is some."""
    mover = Mover()
    for tick in range(1, 401):
        for hop in (60, 30, 15, 8, 4, 2, 1):
            mover.go(tick * 0.1, mover.x + hop)
    assert mover.x - 1000 <= SPEED * 40 * 1.05


def test_standing_still_does_not_load_a_teleport() -> None:
    mover = Mover()
    assert not mover.go(3600.0, 1000 + SPEED * 2)
    assert mover.x == 1000


@given(st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_honest_players_are_never_corrected_for_jitter(seed: int) -> None:
    """Runs at full speed for a minute with curves; packets take 10 to 200 ms and keep their order."""
    chance = random.Random(seed)
    mover, x, y, course, arrived = Mover(30_000), 30_000.0, 30_000.0, 0.0, 0.0
    mover.world.y[mover.slot] = 30_000
    for tick in range(1, 601):
        course += chance.uniform(-0.5, 0.5)
        x += SPEED * 0.1 * np.cos(course)
        y += SPEED * 0.1 * np.sin(course)
        arrived = max(arrived, tick * 0.1 + chance.uniform(0.01, 0.2))
        assert mover.go(arrived, x, y), tick


def test_a_stalled_connection_delivers_many_moves_and_the_newest_counts() -> None:
    mover = Mover()
    moves = movement.Moves(4)
    assert mover.go(0.1, 1030)
    for step in range(9):
        record = np.array([(3, 1, 0, 0, step, 1060 + 30 * step, 1000)], MOVE)
        moves.add(np.array([mover.slot]), record)
    slots, records = moves.take()
    assert records["stamp"].tolist() == [8]
    refused, _ = movement.apply(mover.world, slots, records, 1.0, SPEED)
    assert not len(refused)
    assert mover.x == 1300
    assert not len(moves.take()[0])


def test_the_queue_of_moves_is_bounded_and_drops_the_oldest() -> None:
    moves = movement.Moves(2)
    for step in range(20):
        moves.add(np.array([0]), np.array([(3, 0, 0, 0, step, 0, 0)], MOVE))
    assert moves.dropped == 4
    slots, records = moves.take()
    assert (slots.tolist(), records["stamp"].tolist()) == ([0], [19])


def test_nobody_leaves_the_map_or_sets_a_state_of_the_server() -> None:
    mover = Mover(UNITS - 10)
    assert mover.go(0.1, UNITS + 20, state=0xFF)
    assert mover.x == UNITS
    assert mover.world.state[mover.slot] == 0x7F


def test_the_dead_do_not_move() -> None:
    mover = Mover()
    mover.world.state[mover.slot] = DEAD
    assert mover.go(0.1, 1010)
    assert mover.x == 1000
    assert mover.world.dead(mover.slot)


def test_only_what_differs_is_a_change() -> None:
    mover = Mover()
    world, slot = mover.world, mover.slot
    mover.go(0.1, 1010)
    assert world.changed[slot]
    assert world.walked[slot]
    world.changed[:] = world.walked[:] = world.unsaved[:] = False
    mover.go(0.2, 1010)
    assert not world.changed[slot]
    mover.go(0.3, 1010, state=0)
    assert world.changed[slot]
    assert world.unsaved[slot]
    assert not world.walked[slot]


def test_moves_of_each_gate_are_kept_in_the_order_in_which_they_came() -> None:
    incoming, said = movement.Incoming(), {"gate.1": [(1, 10), (2, 20), (1, 11)], "gate.2": [(9, 90)]}
    for gate, moves in said.items():
        for handle, x in moves:
            incoming.add(gate, np.array([handle], "<u4").tobytes(), np.array([(3, 1, 9, 0, 77, x, 0)], MOVE).tobytes())
    assert incoming.count == 4
    found = {gate: [*zip(handles.tolist(), rows["x"].tolist(), strict=True)] for gate, handles, rows in incoming.take()}
    assert found == said
    assert (incoming.count, incoming.take()) == (0, [])
