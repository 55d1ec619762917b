"""What the gate does about clients that break the rules, flood, fall silent or do not read."""

import asyncio
import random

import numpy as np
import pytest

from mesh.client.session import ClientSession
from mesh.protocol.catalogue import encode
from mesh.protocol.client import Denied, Goodbye, Login, Logout, Ping, Pong
from mesh.protocol.cluster import Detach, Dropped, FromClient
from mesh.protocol.lanes import (
    CLIENT_GATE,
    CLIENT_MOVE,
    CLIENT_PLAY,
    CLIENT_SOCIAL,
    MOVE_SIZE,
    MOVE_STRUCT,
    PLAY_HEAD,
    Lane,
    PieceClass,
    PieceLane,
    piece,
)
from mesh.protocol.play import Attack, Hit, Said, Say
from mesh.protocol.social import Shout
from tests.gate.zone import login_frame, play, updates

MOVE = MOVE_STRUCT.pack(CLIENT_MOVE, 0, 0, 0, 0, 1, 2)


def heard(client):
    """All messages that a raw client was sent."""
    session = ClientSession()
    return [said for frame in client.frames for said in session.receive(frame)]


def play_frame(said, sequence=1):
    return bytes([CLIENT_PLAY]) + PLAY_HEAD.pack(sequence, 0) + encode(said)


def test_a_number_in_64_bits(zone, tmp_path):
    """What clients in Go send."""

    async def story(s):
        client = s.raw()
        client.send(bytes([CLIENT_GATE]) + b"\x92\xd3" + (304).to_bytes(8, "big") + b"\x07")
        await s.until(lambda: Pong(7) in heard(client))

    play(zone, tmp_path, story)


@pytest.mark.parametrize(
    ("frame", "code", "number"),
    [
        (b"", "bad_message", 0),
        (b"\x00", "bad_message", 0),
        (b"\x09abc", "bad_message", 0),
        (MOVE, "out_of_order", 0),
        (MOVE[:-1], "bad_message", 0),
        (MOVE + b"\x00", "bad_message", 0),
        (bytes([CLIENT_PLAY]), "bad_message", 0),
        (bytes([CLIENT_PLAY]) + b"1234567", "bad_message", 0),
        (play_frame(Attack(1)), "out_of_order", 404),
        (bytes([CLIENT_SOCIAL]) + encode(Shout("x")), "out_of_order", 340),
        (bytes([CLIENT_SOCIAL]) + encode(Attack(1)), "unknown_message", 404),
        (bytes([CLIENT_SOCIAL]), "unknown_message", 0),
        (bytes([CLIENT_GATE]), "unknown_message", 0),
        (bytes([CLIENT_GATE]) + b"\x92\xcd\x01\x2d\x01", "unknown_message", 301),
        (bytes([CLIENT_GATE]) + encode(["x"]), "unknown_message", 0),
        (bytes([CLIENT_GATE]) + encode([300, "telepathy"]), "bad_message", 300),
        (bytes([CLIENT_GATE]) + encode([300, "password", "a" * 33]), "bad_message", 300),
        (bytes([CLIENT_GATE]) + encode([304, -1]), "bad_message", 304),
        (bytes([CLIENT_GATE]) + encode(Ping(1))[:-1], "bad_message", 304),
    ],
)
def test_before_the_login(zone, tmp_path, frame, code, number):
    async def story(s):
        client = s.raw()
        client.send(frame)
        await s.until(lambda: client.frames)
        [denied] = heard(client)
        assert (denied.code, denied.number) == (code, number)
        assert s.gate.intake.refused == {code: 1}
        assert client.closed is None
        client.send(bytes([CLIENT_GATE]) + encode(Ping(7)))
        await s.until(lambda: Pong(7) in heard(client))

    play(zone, tmp_path, story)


def test_a_second_login_and_a_logout_too_early_are_out_of_order(zone, tmp_path):
    async def story(s):
        client = s.raw()
        client.send(login_frame("slow"))
        client.send(login_frame("anna"))
        client.send(bytes([CLIENT_GATE]) + encode(Logout()))
        await s.until(lambda: client.frames)
        assert [(said.code, said.number) for said in heard(client)] == [("out_of_order", 300), ("out_of_order", 306)]

    play(zone, tmp_path, story)


def test_who_goes_on_with_garbage_is_shown_out(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        for _ in range(12):
            anna.send_raw(b"\xff garbage")
        said = await anna.wait(Goodbye)
        assert said.code == "bad_message"
        await s.until(lambda: not anna.connected)
        assert s.gate.intake.refused["bad_message"] == 10
        assert s.center.told.of(Dropped)
        assert s.scene.told.of(Detach)

    play(zone, tmp_path, story)


def test_a_little_garbage_now_and_then_is_forgiven(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        for _ in range(20):
            anna.send_raw(b"\xff garbage")
            await asyncio.sleep(1.5)
        assert anna.playing

    play(zone, tmp_path, story)


def test_messages_above_the_rate_are_refused_and_finally_end_the_connection(zone, tmp_path):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        for number in range(100):
            anna.attack(number)
        assert (await anna.wait(Denied)).code == "too_many"
        bodies = b"".join(blobs[2] for blobs in s.scene.of(Lane.PLAYS))
        # 60 at once and what 20 ms bring; the keep-alive ping of the client took one
        assert bodies.count(encode(Attack(1))[:-1]) in (59, 60)
        await asyncio.sleep(3.0)
        assert anna.playing
        for _ in range(70):
            for number in range(10):
                anna.attack(number)
            await asyncio.sleep(0.1)
            if not anna.connected:
                break
        assert anna.session.ended.code == "too_many"
        assert bob.playing

    play(zone, tmp_path, story)


@pytest.mark.parametrize("frame", [MOVE, bytes([CLIENT_GATE]) + encode(Ping(1))])
def test_a_flood_ends_the_connection_before_its_time_is_up(zone, tmp_path, frame):
    async def story(s):
        anna = await s.player()
        for _ in range(200):
            anna.send_raw(frame)
        await s.until(lambda: not anna.connected)
        assert anna.session.ended.code == "too_many"
        assert s.gate.intake.refused["too_many"] == 100

    play(zone, tmp_path, story, excess_max=100)


def test_bad_social_messages_are_refused_here_and_who_goes_on_is_shown_out(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        for _ in range(9):
            anna.send_raw(bytes([CLIENT_SOCIAL]) + encode([340, 7]))
            assert (await anna.wait(Denied)).code == "bad_message"
        anna.shout("the last one was still a few")
        await s.until(lambda: s.center.told.of(FromClient))
        anna.send_raw(bytes([CLIENT_SOCIAL]) + encode([340, "x" * 129]))
        await s.until(lambda: not anna.connected)
        assert anna.session.ended.code == "bad_message"
        assert len(s.center.told.of(FromClient)) == 1

    play(zone, tmp_path, story)


def test_play_messages_that_wait_are_bounded_in_bytes(zone, tmp_path, monkeypatch):
    monkeypatch.setattr("nodes.gate.forward.PLAYS_BYTES_MAX", 100_000)

    async def story(s):
        anna = await s.player()
        frame = play_frame(Attack(1)) + b"x" * 60_000
        for _ in range(3):
            anna.send_raw(frame)
        denied = await anna.wait(Denied)
        assert (denied.code, denied.number) == ("unavailable", 404)
        await s.until(lambda: s.scene.of(Lane.PLAYS))
        assert [len(blobs[2]) for blobs in s.scene.of(Lane.PLAYS)] == [len(frame) - 1]
        anna.send_raw(frame)
        await s.until(lambda: len(s.scene.of(Lane.PLAYS)) == 2)

    play(zone, tmp_path, story)


def test_moves_have_a_bucket_of_their_own(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        for number in range(200):
            anna.move(number, 0)
        anna.attack(1)
        await s.until(lambda: s.scene.of(Lane.PLAYS) and s.scene.of(Lane.MOVES))
        arrived = sum(len(blobs[1]) // MOVE_SIZE for blobs in s.scene.of(Lane.MOVES))
        assert 60 <= arrived <= 61
        assert s.gate.intake.refused["too_many"] == 200 - arrived
        await asyncio.sleep(1.0)
        for number in range(100):  # at 10 a second nothing is refused
            anna.move(number, 0)
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.1)
        assert sum(len(blobs[1]) // MOVE_SIZE for blobs in s.scene.of(Lane.MOVES)) == arrived + 100

    play(zone, tmp_path, story)


def test_frames_before_the_login_are_small(zone, tmp_path):
    async def story(s):
        client = s.raw()
        client.send(bytes([CLIENT_GATE]) + b"x" * (16 * 1024))
        await s.until(lambda: client.closed is not None)
        assert [said.code for said in heard(client)] == ["too_large"]
        anna = await s.player()
        anna.send_raw(bytes([CLIENT_SOCIAL]) + encode(Shout("x"))[:-1] + b"x" * (16 * 1024))
        assert (await anna.wait(Denied)).code == "too_large"

    play(zone, tmp_path, story)


def test_silence_ends_a_connection_and_a_player_is_not_silent(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        mute, chatty = s.raw(), s.raw()
        for _ in range(11):
            await asyncio.sleep(1.0)
            chatty.send(bytes([CLIENT_GATE]) + encode(Ping(1)))
        await s.until(lambda: mute.closed is not None and chatty.closed is not None)
        assert heard(mute) == [Goodbye("idle")]
        assert heard(chatty)[-1] == Goodbye("idle"), "to ping is not to log in"
        await asyncio.sleep(60.0)
        assert anna.playing
        anna._timer.cancel()
        assert (await anna.wait(Goodbye, timeout_s=60.0)).code == "idle"

    play(zone, tmp_path, story)


def test_caps(zone, tmp_path):
    async def story(s):
        clients = [s.raw("10.0.0.1") for _ in range(2)]
        with pytest.raises(ConnectionRefusedError):
            s.raw("10.0.0.1")
        clients += [s.raw("10.0.0.2"), s.raw("127.0.0.1"), s.raw("127.0.0.1")]
        with pytest.raises(ConnectionRefusedError):
            s.raw("10.0.0.3")
        assert s.gate.refused_connections == 2
        clients[0].close()
        await s.until(lambda: len(s.gate.clients) == 4)
        s.raw("10.0.0.1")

    play(zone, tmp_path, story, connections_max=5, connections_per_address_max=2)


def test_a_client_behind_loses_movement_gets_a_full_view_and_keeps_control(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        handle, wire = s.handle_of(anna), anna._wire.client
        wire.stop_reading()
        for tick in range(20):
            s.scene.send(Lane.UPDATES, {handle: updates(tick, 300)})
        s.scene.say(handle, Hit(1, 2, 3, 4), sequence=1)
        chat = piece(PieceLane.BULK, PieceClass.CHAT, encode(Said(1, "bob", "x")))
        await asyncio.sleep(0.1)
        s.scene.send(Lane.CHATS, {handle: chat})
        await asyncio.sleep(1.0)
        counts = s.gate.lanes.counts
        assert 0 < counts.movement_dropped <= 12
        assert counts.chat_dropped == 1
        assert s.scene.of(Lane.DROPS) == []
        wire.stop_reading(False)
        await s.until(lambda: s.scene.of(Lane.DROPS))
        [[handles]] = s.scene.of(Lane.DROPS)
        assert np.frombuffer(handles, "<u4").tolist() == [handle]
        assert await anna.wait(Hit)
        before = anna.session.updates
        s.scene.send(Lane.UPDATES, {handle: updates(99, 1)})
        await s.until(lambda: anna.session.updates == before + 1)

    play(zone, tmp_path, story)


def test_a_client_that_never_reads_is_cut_after_a_while(zone, tmp_path):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        anna._wire.client.stop_reading()
        anna._timer.cancel()  # it would take the gate for dead before
        for tick in range(100):
            s.scene.send(Lane.UPDATES, {s.handle_of(anna): updates(tick, 300), s.handle_of(bob): updates(tick, 300)})
            await asyncio.sleep(0.1)
            if not anna.connected:
                break
        assert not anna.connected
        assert 5.0 < tick / 10 < 8.0
        assert s.gate.lanes.counts.cut == 1
        assert s.center.told.of(Dropped)
        assert bob.playing
        assert bob.session.updates == 300 * (tick + 1)

    play(zone, tmp_path, story)


def test_control_that_is_not_read_is_bounded(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        handle = s.handle_of(anna)
        anna._wire.client.stop_reading()
        most = 0
        for sequence in range(1, 400):
            row = piece(PieceLane.CONTROL, PieceClass.EVENT, b"x" * 2000, sequence)
            s.scene.send(Lane.FRAMES, {handle: row})
            await asyncio.sleep(0.005)
            client = s.gate.clients.by_number.get(1)
            if client is None:
                break
            most = max(most, client.connection.backlog + client.control_bytes)
        assert client is None
        assert 240 * 1024 < most <= 256 * 1024
        assert s.gate.lanes.counts.cut == 1

    play(zone, tmp_path, story)


def test_broken_batches_of_a_scene_are_counted(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        for lane in (Lane.UPDATES, Lane.FRAMES, Lane.CHATS):
            s.scene.batch(s.gate.name, lane, b"1234")
            s.scene.batch(s.gate.name, lane, b"123", b"123", b"")
            s.scene.batch(s.gate.name, lane, b"1234", b"\x05\x00\x00\x00", b"1234")
        s.scene.gate_of[5000] = s.gate.name
        s.scene.send(Lane.UPDATES, {5000: updates(1)})
        await s.until(lambda: s.gate.lanes.counts.unknown)
        assert s.gate.lanes.counts.malformed == 9
        assert anna.playing

    play(zone, tmp_path, story)


def test_mutated_frames_never_hurt_anybody(zone, tmp_path):
    """Frames of a right client with a byte changed, cut or added: refused or forwarded, never an error of ours."""

    async def story(s):
        seeded = random.Random(5)
        right = [
            login_frame("stranger"),
            MOVE,
            play_frame(Say("hello")),
            bytes([CLIENT_SOCIAL]) + encode(Shout("x")),
            bytes([CLIENT_GATE]) + encode(Login("resume", "", "1 x")),
            bytes([CLIENT_GATE]) + encode(Ping(1)),
        ]
        bob = await s.player("bob")
        for _ in range(150):
            client = s.raw()
            if seeded.random() < 0.5:
                client.send(login_frame("anna"))
                await asyncio.sleep(0.2)
            for _ in range(10):
                frame = bytearray(seeded.choice(right))
                for _ in range(seeded.randrange(4)):
                    frame[seeded.randrange(len(frame))] = seeded.randrange(256)
                client.send(bytes(frame[: seeded.randrange(1, len(frame) + 1)]))
            await asyncio.sleep(0.2)
            client.close()
        assert bob.playing
        await s.until(lambda: len(s.gate.clients) == 1)
        assert sum(s.gate.intake.refused.values()) > 500

    play(zone, tmp_path, story)
