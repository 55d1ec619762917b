"""Moves of many clients that come together are treated as moves that come one by one."""

import asyncio

import numpy as np
import pytest

from mesh.protocol.catalogue import encode
from mesh.protocol.client import Ping
from mesh.protocol.lanes import CLIENT_GATE, CLIENT_MOVE, CLIENT_PLAY, MOVE, MOVE_SIZE, MOVE_STRUCT, PLAY_HEAD, Lane
from mesh.protocol.play import Say
from mesh.protocol.sessions import session_of
from tests.gate.zone import SCENE_2, play

NOT_A_MOVE = (bytes([CLIENT_GATE]) + encode(Ping(1 << 40)) + b"\0" * MOVE_SIZE)[:MOVE_SIZE]


def move(x):
    return MOVE_STRUCT.pack(CLIENT_MOVE, 0, 0, 0, 0, x, 0)


def together(s, players, frames):
    tags = np.array([s.gate.clients.by_session[p.session.session].tag for p in players])
    s.gate.records(tags, np.frombuffer(b"".join(frames), np.uint8).reshape(-1, MOVE_SIZE))


def moves_at(scene):
    """Handle -> the x of its moves, in order."""
    found = {}
    for handles, records in scene.of(Lane.MOVES):
        for handle, x in zip(np.frombuffer(handles, "<u4").tolist(), np.frombuffer(records, MOVE)["x"], strict=True):
            found.setdefault(handle, []).append(int(x))
    return found


def test_they_reach_the_scenes_of_their_senders(zone, tmp_path):
    async def story(s):
        players = [await s.player(name) for name in ("anna", "bob", "cleo")]
        s.center.transfer(players[1].session.session)
        moved = s.gate.clients.by_session[players[1].session.session]
        await s.until(lambda: moved.scene is not None and moved.scene.name == SCENE_2)
        for n in range(5):
            together(s, players, [move(10 + n), move(20 + n), move(30 + n)])
            await asyncio.sleep(0.1)
        handles = [s.scene.handles[players[n].session.session] for n in (0, 2)]
        assert moves_at(s.scene) == {handles[0]: [10, 11, 12, 13, 14], handles[1]: [30, 31, 32, 33, 34]}
        assert moves_at(s.scene_2) == {s.scene_2.handles[players[1].session.session]: [20, 21, 22, 23, 24]}
        counted = {(line.scene, line.name): (line.moves, line.moves_bytes) for line in s.gate.clients.lines.all}
        assert counted == {(s.scene.name, "meadow:1"): (10, 100), (SCENE_2, "forest:1"): (5, 50)}

    play(zone, tmp_path, story, "scene.2")


def test_what_is_no_move_or_too_early_is_sorted_out(zone, tmp_path):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        client = s.raw()
        early = s.gate.clients.by_number[client.connection.number]
        known = [s.gate.clients.by_session[p.session.session] for p in (anna, bob)]
        rows = np.frombuffer(move(1) + move(2) + NOT_A_MOVE, np.uint8).reshape(3, MOVE_SIZE)
        s.gate.records(np.array([one.tag for one in (early, *known)]), rows)
        await s.until(lambda: s.scene.of(Lane.MOVES))
        assert moves_at(s.scene) == {s.handle_of(anna): [2]}
        assert s.gate.intake.refused == {"out_of_order": 1, "bad_message": 1}
        gone = known[0]
        anna._wire.abort()
        await s.until(lambda: session_of(1, 1) not in s.gate.clients.by_session)
        assert s.gate.clients.by_number.get(gone.number) is None
        assert bob.playing

    play(zone, tmp_path, story)


@pytest.mark.parametrize("burst", [1, 7])
def test_the_rate_is_one_whether_together_or_alone(zone, tmp_path, burst):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        for n in range(20):
            together(s, [anna, bob], [move(n), move(n)]) if n % 2 else anna.move(n, 0)
        await asyncio.sleep(0.05)
        found = moves_at(s.scene)
        assert len(found[s.handle_of(anna)]) == burst
        assert len(found[s.handle_of(bob)]) == min(burst, 10)
        assert s.gate.intake.refused["too_many"] == 20 - burst + 10 - min(burst, 10)

    play(zone, tmp_path, story, move_rate=0.1, move_burst=burst)


def test_a_client_that_only_moves_is_not_idle(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        anna._timer.cancel()
        for n in range(40):
            together(s, [anna], [move(n)])
            await asyncio.sleep(1.0)
        assert anna.playing

    play(zone, tmp_path, story)


def test_moves_are_passed_on_with_every_second_look_and_what_else_is_said_with_each(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        counts = s.gate.forward.counts
        for number in range(1, 7):
            together(s, [anna], [move(number)])
            s.gate.looked()
            assert counts.moves == number // 2 * 2
        together(s, [anna], [move(7)])
        client = s.gate.clients.by_session[anna.session.session]
        s.gate.received(client.connection, bytes([CLIENT_PLAY]) + PLAY_HEAD.pack(1, 0) + encode(Say("hello")))
        assert (counts.plays, counts.moves) == (0, 6)
        s.gate.looked()
        assert (counts.plays, counts.moves) == (1, 7)
        together(s, [anna], [move(8)])
        s.gate.looked()
        s.gate.looked()  # that has found nothing
        assert counts.moves == 8
        batches = s.gate.switchboard.counts.batches_said
        s.gate.looked()
        await asyncio.sleep(1)
        assert s.gate.switchboard.counts.batches_said == batches
        assert moves_at(s.scene) == {s.handle_of(anna): list(range(1, 9))}

    play(zone, tmp_path, story)


def test_without_a_look_they_are_passed_on_within_the_time_of_a_flush(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        for number in (1, 2):
            together(s, [anna], [move(number)])
            await asyncio.sleep(0.9 * s.gate.settings.flush_ms / 1000)
            assert s.gate.forward.counts.moves == number - 1
            await asyncio.sleep(0.2 * s.gate.settings.flush_ms / 1000)
            assert s.gate.forward.counts.moves == number

    play(zone, tmp_path, story)
