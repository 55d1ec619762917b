"""Movement for many clients: sent in pieces of time, overtaken by what is more important, never piled up."""

import struct
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from mesh.core.bucket import Bucket
from mesh.front import Front
from mesh.protocol.lanes import PieceClass, PieceLane, piece
from mesh.topology.policy import FULL, Level
from nodes.gate.delivery import Delivery
from nodes.gate.lanes import Lanes
from nodes.gate.movement import CHUNK, SLICE_S
from nodes.gate.sessions import Client, Scene
from nodes.gate.settings import GateSettings
from nodes.gate.traffic import Lines
from nodes.gate.ways import Ways

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
        self.busy: set[int] = set()  # clients to whom the front does not write straight away
        wanted, ways, sender = self.wanted.append, Ways(1.0, 1), self
        settings, front, lines = GateSettings(), cast(Front, sender), Lines()
        asks = lambda: wanted("wake"), lambda: wanted("hurry"), lambda: wanted("more")
        self.lanes = Lanes(settings, lambda: self.now, *asks, lambda _: None, front, ways)
        self.delivery = Delivery(settings, lambda: self.now, self.pace, self.lanes, lines.all, front, ways)
        self.ways, self.line = ways, lines.line("scene.1", "square", 1)
        self.scene = Scene("scene.1")
        self.by_tag: dict[int, int] = {}
        for handle in range(1, clients + 1):
            connection: Any = SimpleNamespace(number=handle, tag=ways.enter(0.0), address="", backlog=0)
            client = self.scene.clients[handle] = Client(connection, Bucket(1.0, 1, 0.0))
            client.source, client.handle, client.line = self.scene, handle, self.line
            ways.open(client.tag, self.line.index, handle)
            self.scene.tags[handle], self.by_tag[client.tag] = client.tag, handle

    def pace(self, _scene: Scene, wait: bool) -> bool:
        if self.takes:
            self.told.append(wait)
        return self.takes

    def send_all(self, connections: Any, frames: Any) -> None:
        self.now += SEND_S * len(frames)
        self.sent += [(c.number, bytes(frame)) for c, frame in zip(connections, frames, strict=True)]

    def send_rows(self, tags: Any, lengths: Any, body: memoryview) -> Any:
        ends, sent = np.cumsum(lengths), []
        for tag, end, length in zip(tags.tolist(), ends.tolist(), lengths.tolist(), strict=True):
            number = self.by_tag.get(tag)
            if sends := number is not None and number not in self.busy:
                self.sent.append((number, bytes(body[end - length : end])))
            sent.append(sends)
        self.now += SEND_S * sum(sent)
        return np.array(sent, bool)

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
    waiting = 1
    assert waiting in desk.scene.movement
    event = shown(PieceClass.EVENT)
    desk.sent.clear()
    desk.delivery.frames(desk.scene, batch({waiting: event}))
    assert "hurry" in desk.wanted
    desk.lanes.hurry()
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
    while any(handle in desk.scene.movement for handle in rows if handle % 2 == 0):
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
    desk.delivery.movement.look_after([desk.scene])
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
    desk.lanes.level = level
    seen = shown(PieceClass.VIEW)
    desk.delivery.frames(desk.scene, batch({1: seen}))
    assert bool(desk.scene.clients[1].dirty) is alone
    desk.updates(1, 1)
    assert desk.sent == [(1, seen + moved(1))]


def test_a_flush_to_everybody_is_cut_too_and_a_fight_overtakes_it() -> None:
    """As when a level of the policy changes: each client is told, and nobody's Hit waits for all of that."""
    desk = Desk()
    told = shown(PieceClass.GATE)
    desk.delivery.frames(desk.scene, batch(dict.fromkeys(range(1, ROWS + 1), told)))
    desk.lanes.flush()
    first = len(desk.sent)
    assert 0 < first < ROWS
    assert desk.wanted.count("more") == 1
    fighter = ROWS
    assert fighter not in {number for number, _ in desk.sent}
    desk.delivery.frames(desk.scene, batch({fighter: shown(PieceClass.EVENT, b"hit")}))
    desk.lanes.hurry()
    assert desk.sent[first:] == [(fighter, told + shown(PieceClass.EVENT, b"hit"))]
    while desk.wanted.count("more"):
        desk.wanted.clear()
        desk.delivery.go_on()
    assert sorted(number for number, _ in desk.sent) == list(range(1, ROWS + 1))


def seen(handle: int) -> bytes:
    return shown(PieceClass.VIEW, b"who %d sees" % handle)


def test_a_change_of_view_goes_out_with_the_movement_behind_it() -> None:
    """One frame for each client, though the flush falls between the two batches, and though most must wait."""
    desk = Desk()
    views = {handle: seen(handle) for handle in range(1, ROWS + 1, 3)}
    desk.delivery.frames(desk.scene, batch(views))
    desk.lanes.flush()
    desk.updates(1)
    desk.lanes.flush()
    desk.finish()
    assert sorted(desk.sent) == [(handle, views.get(handle, b"") + moved(1)) for handle in range(1, ROWS + 1)]
    assert (desk.line.control, desk.line.control_bytes) == (len(views), sum(map(len, views.values())))
    assert desk.ways.clear[[client.tag for client in desk.scene.clients.values()]].all()


def test_a_change_of_view_that_nothing_follows_goes_out_with_the_flush_after_the_next() -> None:
    desk = Desk()
    desk.delivery.frames(desk.scene, batch({handle: seen(handle) for handle in range(1, 101)}))
    assert desk.wanted == ["wake"]
    desk.lanes.flush()
    assert (desk.sent, desk.wanted) == ([], ["wake", "wake"])
    del desk.scene.clients[7]
    desk.lanes.flush()
    assert desk.sent == [(handle, seen(handle)) for handle in range(1, 101) if handle != 7]
    assert desk.lanes.counts.unknown == 1
    assert not desk.scene.views
    desk.lanes.flush()
    assert len(desk.sent) == 99


def test_what_is_said_next_takes_a_change_of_view_along_in_front() -> None:
    desk = Desk()
    desk.delivery.frames(desk.scene, batch({handle: seen(handle) for handle in range(1, 101)}))
    event = shown(PieceClass.EVENT, b"hit")
    desk.delivery.frames(desk.scene, batch({5: event}))
    desk.lanes.hurry()
    assert desk.sent == [(5, seen(5) + event)]
    again = {handle: shown(PieceClass.VIEW, b"more") for handle in range(1, 101)}
    desk.delivery.frames(desk.scene, batch(again))
    desk.updates(1, 100)
    assert dict(desk.sent[1:])[5] == again[5] + moved(1)
    assert dict(desk.sent[1:])[6] == seen(6) + again[6] + moved(1)


def test_who_cannot_be_written_to_keeps_the_change_of_view_and_loses_the_movement() -> None:
    desk = Desk()
    slow = desk.scene.clients[9]
    slow.connection.backlog = GateSettings().movement_unread_bytes_max + 1  # type: ignore[misc]
    desk.busy = {9}
    desk.delivery.frames(desk.scene, batch({handle: seen(handle) for handle in range(1, 101)}))
    desk.updates(1, 100)
    assert sorted(desk.sent) == [(handle, seen(handle) + moved(1)) for handle in range(1, 101) if handle != 9]
    assert desk.lanes.behind == desk.lanes.counts.movement_dropped == 1
    desk.lanes.flush()
    desk.lanes.flush()
    assert [frame for number, frame in desk.sent if number == 9] == [seen(9)]
    slow.connection.backlog = 0  # type: ignore[misc]
    desk.busy.clear()
    desk.lanes.look_after(desk.now)
    assert desk.scene.drops == [9]
    desk.updates(2, 100)
    assert [frame for number, frame in desk.sent if number == 9] == [seen(9), moved(2)]


def test_movement_that_waits_goes_in_front_of_a_change_of_view_that_came_later() -> None:
    desk = Desk()
    desk.updates(1)
    assert desk.scene.movement
    views = {handle: seen(handle) for handle in range(1, ROWS + 1)}
    desk.delivery.frames(desk.scene, batch(views))
    desk.lanes.flush()
    while "more" in desk.wanted:
        desk.wanted.clear()
        desk.delivery.go_on()
    for handle in views:
        assert b"".join(frame for number, frame in desk.sent if number == handle) == moved(1) + seen(handle)


def test_two_rows_of_one_client_in_a_batch_are_both_sent_in_their_order() -> None:
    desk = Desk()
    numbers = [*range(1, 101), 50]
    rows = [moved(number) for number in range(len(numbers))]
    handles, lengths = np.array(numbers, "<u4"), np.array([len(row) for row in rows], "<u4")
    desk.delivery.updates(desk.scene, [handles.tobytes(), lengths.tobytes(), b"".join(rows)])
    assert len(desk.sent) == len(numbers)
    assert [frame for number, frame in desk.sent if number == 50] == [rows[49], rows[100]]


def test_of_one_client_only_what_is_sent_with_its_control_overtakes() -> None:
    """Its movement is on its way when something is said to it: both go in one frame, the movement behind."""
    desk = Desk()
    desk.updates(1)
    waiting = 1
    assert waiting in desk.scene.movement
    desk.sent.clear()
    pong = shown(PieceClass.GATE, b"pong")
    desk.lanes.control(desk.scene.clients[waiting], pong)
    desk.lanes.flush()
    assert desk.sent == [(waiting, pong + moved(1))]
    assert waiting not in desk.scene.movement
