"""A player over a scripted wire: waiting, callbacks, reconnection."""

import asyncio

import pytest

from mesh.client.contact import EVENTS_MAX
from mesh.client.player import Player
from mesh.errors import DeadlineExceeded, LocalProtocolError, PeerLost, RefusedError
from mesh.protocol.catalogue import decoder, encode
from mesh.protocol.client import Denied, Goodbye, LoggedIn, Login, Ping, Pong
from mesh.protocol.lanes import PieceClass, PieceLane, piece
from mesh.protocol.play import Hit, Say
from mesh.protocol.social import Shouted
from mesh.testing import ManualClock, run
from tests.client.test_session import LOGGED_IN, entered, event, gate, updates, view

LOGIN = decoder([Login])


class Server:
    """Answers logins; keeps every connection and what came on it."""

    def __init__(self, *answers, down=()):
        self.wires = []
        self.answers = list(answers)
        self.down = set(down)

    async def dial(self, url, on_frame, on_closed):
        if url in self.down:
            raise PeerLost(f"no connection to {url}")
        self.wires.append(ScriptedWire(self, url, on_frame, on_closed))
        return self.wires[-1]

    def player(self, **how):
        return Player(dial=self.dial, clock=ManualClock(asyncio.get_running_loop()), **how)


class ScriptedWire:
    def __init__(self, server, url, on_frame, on_closed):
        self.server, self.url, self.on_frame, self.on_closed = server, url, on_frame, on_closed
        self.sent = []
        self.ended = False

    def send(self, frame):
        self.sent.append(frame)
        if len(self.sent) == 1:
            for answer in self.server.answers.pop(0):
                asyncio.get_running_loop().call_soon(self.on_frame, answer)

    def abort(self):
        if not self.ended:
            self.ended = True
            self.on_closed("cut")

    close = abort


IN = (gate(LOGGED_IN), view(entered()))
AGAIN = (gate(LoggedIn(77, "anna", "token-2", 30.0, ["b"])), view(entered(resumed=True)))


async def inside(server, **how):
    player = server.player(**how)
    await player.join("a", "anna", "secret")
    return player


def test_login_and_refusal():
    async def story():
        server = Server(IN, [gate(Denied("banned", "for a day"))], ())
        player = await inside(server)
        assert player.playing
        assert not server.wires[0].ended
        with pytest.raises(LocalProtocolError):
            await player.join("a", "anna", "secret")
        with pytest.raises(RefusedError) as refused:
            await inside(server)
        assert (refused.value.code, refused.value.text) == ("banned", "for a day")
        with pytest.raises(PeerLost, match="said nothing"):
            await inside(server)
        assert [wire.ended for wire in server.wires[1:]] == [True, True]

    run(story())


def test_a_login_that_its_caller_gives_up_leaves_no_connection():
    async def story():
        server = Server((), IN)
        player = server.player()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await player.join("a", "anna", "secret")
        assert not player.connected
        assert server.wires[0].ended
        await player.join("a", "anna", "secret")
        assert player.playing

    run(story())


def test_wait_takes_the_first_that_fits_and_leaves_the_others():
    async def story():
        server = Server(IN)
        player = await inside(server)
        wire = server.wires[0]
        waiting = asyncio.create_task(player.wait(Hit, where=lambda hit: hit.target == 5))
        await asyncio.sleep(0)
        wire.on_frame(event(1, Hit(1, 4, 1, 1)) + gate(Shouted(1, 1, "b", "x")) + event(2, Hit(1, 5, 1, 1)))
        assert (await waiting).target == 5
        assert (await player.wait(Hit)).target == 4
        with pytest.raises(DeadlineExceeded):
            await player.wait(Hit, timeout_s=1.0)
        wire.abort()
        assert (await player.wait(Shouted)).text == "x", "what came before the end can still be taken"
        with pytest.raises(PeerLost):
            await player.wait(Shouted)

    run(story())


def test_iteration_ends_with_the_connection():
    async def story():
        server = Server(IN)
        player = await inside(server)
        wire = server.wires[0]
        asyncio.get_running_loop().call_later(1.0, wire.on_frame, gate(Goodbye("shutdown")))
        asyncio.get_running_loop().call_later(2.0, wire.abort)
        return [type(said).__name__ async for said in player]

    assert run(story()) == ["LoggedIn", "Entered", "Goodbye"]


def test_callbacks_see_everything_and_little_is_kept():
    async def story():
        seen, ended = [], []
        server = Server(IN)
        player = await inside(server, on_event=seen.append, on_closed=lambda: ended.append(1))
        for sequence in range(1, 101):
            server.wires[0].on_frame(event(sequence, Hit(1, 4, 1, 1)))
        assert len(seen) == 102
        assert len(player._events) == 32
        assert player.events_lost == 0
        server.wires[0].on_frame(updates(1, (1, 2, 3, 4, 5, 6)))
        assert player.session.updates == 1
        server.wires[0].abort()
        assert ended == [1]

    run(story())


def test_events_that_nobody_takes_are_bounded_and_counted():
    async def story():
        server = Server(IN)
        player = await inside(server)
        for sequence in range(1, EVENTS_MAX + 11):
            server.wires[0].on_frame(event(sequence, Hit(1, 4, 1, 1)))
        assert len(player._events) == EVENTS_MAX
        assert player.events_lost == 12

    run(story())


def test_resume_goes_to_the_next_gate_when_the_last_one_is_gone():
    async def story():
        server = Server(IN, AGAIN)
        player = await inside(server)
        server.wires[0].on_frame(event(1, Hit(1, 4, 1, 1)))
        player.play(Say("hello"))
        server.down = {"a", "ws://a"}
        server.wires[0].abort()
        assert not player.connected
        for said in (lambda: player.attack(1), lambda: player.shout("x")):
            with pytest.raises(PeerLost):
                said()
        player.move(1, 2)  # the world goes on: nothing happens
        await player.resume()
        assert server.wires[1].url == "ws://b"
        login = LOGIN(server.wires[1].sent[0][1:])
        assert (login.method, login.secret, login.received) == ("resume", "token-1", 1)
        assert encode(Say("hello")) in server.wires[1].sent[1]
        server.wires[0].on_frame(event(2, Hit(1, 4, 9, 9)))
        assert player.session.received == 1, "an old connection is not heard any more"

    run(story())


def test_resume_at_a_gate_that_cannot_let_anybody_in_at_the_moment_is_tried_again():
    """A login node that is lost takes all that it had under way with it, and the sessions are still there."""

    async def story():
        not_now = [gate(Denied("unavailable", "try again in a moment"))]
        server = Server(IN, not_now, [gate(Goodbye("unavailable", "the scene cannot be reached"))], AGAIN)
        player = await inside(server)
        server.wires[0].abort()
        await player.resume("b")
        assert player.playing
        assert [LOGIN(wire.sent[0][1:]).secret for wire in server.wires[1:]] == ["token-1"] * 3

    run(story())


def test_not_for_ever_and_the_token_is_kept():
    async def story():
        server = Server(IN, *[[gate(Denied("unavailable"))]] * 4, AGAIN)
        player = await inside(server)
        server.wires[0].abort()
        with pytest.raises(RefusedError) as refused:
            await player.resume("b", timeout_s=1.2)
        assert refused.value.code == "unavailable"
        assert len(server.wires) == 5, "once, and again every half second"
        assert not player.connected
        await player.resume("b")
        assert player.playing

    run(story())


def test_resume_that_cannot_be():
    async def story():
        server = Server(IN, [gate(Denied("resume_gone"))])
        player = await inside(server)
        with pytest.raises(LocalProtocolError):
            await player.resume()
        server.wires[0].abort()
        with pytest.raises(RefusedError) as refused:
            await player.resume("c")
        assert refused.value.code == "resume_gone"
        with pytest.raises(RefusedError):
            await player.resume("c")
        assert len(server.wires) == 2, "a session that is gone is not asked for again"

    run(story())


def test_keep_alive_pings_or_acknowledges_and_measures():
    async def story():
        server = Server(IN)
        player = await inside(server)
        wire = server.wires[0]
        for _ in range(10):
            await asyncio.sleep(1.1)
            wire.on_frame(updates(1))
        pings = [decoder([Ping])(frame[1:]) for frame in wire.sent[1:]]
        assert len(pings) == 2
        wire.on_frame(gate(Pong(pings[-1].stamp)))
        assert player.round_trip_s == pytest.approx(0.5, abs=0.01)
        wire.on_frame(event(1, Hit(1, 4, 1, 1)))
        for _ in range(10):
            await asyncio.sleep(1.1)
            wire.on_frame(updates(1))
        assert wire.sent[-1][1:] == b"\0\0\0\0\1\0\0\0"
        wire.abort()
        count = len(wire.sent)
        await asyncio.sleep(60)
        assert len(wire.sent) == count

    run(story())


def test_a_gate_that_hangs_is_asked_for_a_sign_and_then_given_up():
    async def story():
        server = Server(IN, AGAIN)
        player = server.player()
        await player.join("ws://a", "anna", "secret")
        ended = []
        player.on_closed = lambda: ended.append(player.closed_reason)
        wire = server.wires[0]
        for _ in range(3):
            await asyncio.sleep(4.0)  # it answers late
            assert decoder([Ping])(wire.sent[-1][1:])
            wire.on_frame(gate(Pong(1)))
        assert player.connected
        await asyncio.sleep(6.1)
        assert not player.connected
        assert wire.ended
        assert ended == ["ws://a has said nothing for 4.5 s"]
        wire.on_frame(gate(Goodbye("shutdown")))  # it goes on: nobody hears that
        assert player.session.ended is None
        await player.resume()
        assert player.url == "ws://b", "the one that hung is the last one to be tried"

    run(story())


def test_the_gate_that_hung_is_tried_when_there_is_no_other():
    async def story():
        server = Server(IN, AGAIN, down=["ws://b"])
        player = server.player()
        await player.join("ws://a", "anna", "secret")
        await asyncio.sleep(6.1)
        await player.resume()
        assert player.url == "ws://a"

    run(story())


def test_a_server_that_talks_nonsense_is_left():
    async def story():
        server = Server(IN)
        player = await inside(server)
        server.wires[0].on_frame(piece(PieceLane.CONTROL, PieceClass.EVENT, b"\x93\xcd\x01\x95\x01", 1))
        assert not player.connected
        assert player.closed_reason

    run(story())
