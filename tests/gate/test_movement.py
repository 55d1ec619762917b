"""Movement for many clients: sent in pieces of time, overtaken by what is more important, never piled up."""

import struct
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mesh.core.bucket import Bucket
from mesh.protocol.lanes import PieceClass, PieceLane, piece
from mesh.topology.policy import FULL, Level
from nodes.gate.delivery import Delivery
from nodes.gate.movement import CHUNK, SLICE_S
from nodes.gate.sessions import Client, Scene
from nodes.gate.settings import GateSettings

SEND_S = 0.0001
"""That one frame takes."""
ROWS = 10 * CHUNK


class Desk:
    """A gate's delivery with a clock of its own, and clients that write down what they are sent."""

    def __init__(self, clients: int = ROWS) -> None:
        self.now = 0.0
        self.sent: list[tuple[int, bytes]] = []
        self.wanted: list[str] = []  # wake, hurry, more
        self.told: list[bool] = []  # to the scene: to wait, or to go on
        self.takes = True  # its link does
        wanted = self.wanted.append
        self.delivery = Delivery(
            GateSettings(), lambda: self.now, lambda: wanted("wake"), lambda: wanted("hurry"), lambda: wanted("more"),
            self.pace, lambda _: None, self.send_all,
        )  # fmt: skip
        self.scene = Scene("scene.1")
        for handle in range(1, clients + 1):
            connection: Any = SimpleNamespace(number=handle, tag=handle, address="", backlog=0)
            self.scene.clients[handle] = Client(connection, Bucket(1.0, 1, 0.0))

    def pace(self, _scene: Scene, wait: bool) -> bool:
        if self.takes:
            self.told.append(wait)
        return self.takes

    def send_all(self, connections: Any, frames: Any) -> None:
        self.now += SEND_S * len(frames)
        self.sent += [(c.number, bytes(frame)) for c, frame in zip(connections, frames, strict=True)]

    def updates(self, tick: int, count: int = ROWS) -> None:
        self.delivery.updates(self.scene, batch({handle: moved(tick) for handle in range(1, count + 1)}))

    def finish(self) -> int:
        """Turns of the loop until all movement is sent."""
        turns = 0
        while self.scene.movement:
            assert "more" in self.wanted
            self.wanted.clear()
            self.delivery.go_on()
            turns += 1
        return turns


def moved(tick: int) -> bytes:
    return piece(PieceLane.MOVEMENT, PieceClass.UPDATES, struct.pack("<I", tick))


def shown(cls: PieceClass, body: bytes = b"x") -> bytes:
    return piece(PieceLane.CONTROL, cls, body)


def batch(rows: dict[int, bytes]) -> list[bytes]:
    handles, lengths = (np.array(list(numbers), "<u4").tobytes() for numbers in (rows, map(len, rows.values())))
    return [handles, lengths, b"".join(rows.values())]


def test_one_turn_sends_for_a_while_and_everybody_is_told_once() -> None:
    desk = Desk()
    desk.updates(1)
    at_once = len(desk.sent)
    assert SLICE_S / SEND_S <= at_once <= SLICE_S / SEND_S + CHUNK
    assert desk.finish() >= 2
    assert sorted(number for number, _ in desk.sent) == list(range(1, ROWS + 1))
    assert {frame for _, frame in desk.sent} == {moved(1)}
    assert desk.told == []


def test_a_small_batch_goes_out_at_once() -> None:
    desk = Desk()
    desk.updates(1, CHUNK // 2)
    assert len(desk.sent) == CHUNK // 2
    assert desk.wanted == []


def test_control_overtakes_movement_but_not_that_of_its_own_client() -> None:
    desk = Desk()
    desk.updates(1)
    waiting = next(iter(desk.scene.movement))
    event = shown(PieceClass.EVENT)
    desk.sent.clear()
    desk.delivery.frames(desk.scene, batch({waiting: event}))
    assert "hurry" in desk.wanted
    desk.delivery.hurry()
    assert desk.sent == [(waiting, moved(1) + event)]
    desk.finish()
    assert [number for number, _ in desk.sent].count(waiting) == 1


def test_a_scene_that_says_more_than_can_be_sent_waits_until_it_is() -> None:
    desk = Desk()
    desk.updates(1)
    desk.updates(2)
    desk.updates(3)
    assert desk.told == [True]
    desk.finish()
    assert desk.told == [True, False]
    assert desk.delivery.movement.paced == 1
    for handle in (1, ROWS):
        mine = b"".join(frame for number, frame in desk.sent if number == handle)
        assert mine == moved(1) + moved(2) + moved(3), "in order, and nothing is lost"
    desk.updates(4)
    desk.finish()
    assert desk.told == [True, False]


def test_the_halves_of_one_tick_are_no_reason_to_wait() -> None:
    desk = Desk()
    rows = {handle: moved(1) for handle in range(1, ROWS + 1)}
    some = {handle: row for handle, row in rows.items() if handle % 2}
    desk.delivery.updates(desk.scene, batch(some))
    assert desk.scene.movement
    desk.delivery.updates(desk.scene, batch({handle: rows[handle] for handle in rows.keys() - some.keys()}))
    assert desk.told == []
    while min(desk.scene.movement, default=0) and any(handle % 2 == 0 for handle in desk.scene.movement):
        desk.delivery.go_on()
    assert desk.scene.movement, "of the first half, since what came last is sent first"
    desk.updates(2)
    assert desk.told == [True], "the first half was not even sent once"
    desk.finish()
    for handle in rows:
        assert b"".join(frame for number, frame in desk.sent if number == handle) == moved(1) + moved(2)


def test_a_half_may_still_be_under_way_when_the_other_one_comes_again() -> None:
    desk = Desk()
    first, second = ([handle for handle in range(1, ROWS + 1) if handle % 2 == odd] for odd in (1, 0))
    desk.delivery.updates(desk.scene, batch({handle: moved(1) for handle in first}))
    desk.finish()
    for tick in (1, 2, 3):
        desk.delivery.updates(desk.scene, batch({handle: moved(tick) for handle in second}))
        assert desk.scene.movement
        desk.delivery.updates(desk.scene, batch({handle: moved(tick + 1) for handle in first}))
        desk.finish()
    assert desk.told == []


def test_a_full_link_does_not_leave_a_scene_waiting_for_ever() -> None:
    desk = Desk()
    desk.takes = False
    desk.updates(1)
    desk.updates(2)
    assert not desk.scene.behind
    desk.takes = True
    desk.updates(3)
    desk.takes = False
    desk.finish()
    assert desk.told == [True]
    desk.takes = True
    desk.delivery.look_after([desk.scene], desk.now)
    assert desk.told == [True, False]


def test_the_movement_of_a_scene_that_is_lost_is_thrown_away() -> None:
    desk = Desk()
    desk.updates(1)
    desk.updates(2)
    sent = len(desk.sent)
    desk.delivery.movement.lose(desk.scene)
    desk.delivery.go_on()
    assert len(desk.sent) == sent
    desk.updates(3)
    desk.finish()
    assert [frame for _, frame in desk.sent[sent:]] == [moved(3)] * ROWS


@pytest.mark.parametrize(("level", "alone"), [(FULL, True), (Level("rare", every=4), False)])
def test_what_is_only_to_be_seen_waits_for_movement_where_that_is_rare(level: Level, alone: bool) -> None:
    desk = Desk(1)
    desk.delivery.level = level
    seen = shown(PieceClass.VIEW)
    desk.delivery.frames(desk.scene, batch({1: seen}))
    assert bool(desk.scene.clients[1].dirty) is alone
    desk.updates(1, 1)
    assert desk.sent == [(1, seen + moved(1))]


def test_a_flush_to_everybody_is_cut_too_and_a_fight_overtakes_it() -> None:
    """As when a level of the policy changes: each client is told, and nobody's Hit waits for all of that."""
    desk = Desk()
    desk.delivery.frames(desk.scene, batch({handle: shown(PieceClass.VIEW) for handle in range(1, ROWS + 1)}))
    desk.delivery.flush()
    first = len(desk.sent)
    assert 0 < first < ROWS
    assert desk.wanted.count("more") == 1
    fighter = ROWS
    assert fighter not in {number for number, _ in desk.sent}
    desk.delivery.frames(desk.scene, batch({fighter: shown(PieceClass.EVENT, b"hit")}))
    desk.delivery.hurry()
    assert desk.sent[first:] == [(fighter, shown(PieceClass.VIEW) + shown(PieceClass.EVENT, b"hit"))]
    while desk.wanted.count("more"):
        desk.wanted.clear()
        desk.delivery.go_on()
    assert sorted(number for number, _ in desk.sent) == list(range(1, ROWS + 1))
