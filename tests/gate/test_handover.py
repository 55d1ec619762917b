"""A gate becomes empty: its clients go to the others without losing a word."""

import asyncio

import msgspec
import pytest

from mesh.client.player import Player
from mesh.client.session import ClientSession
from mesh.errors import PeerLost, RefusedError
from mesh.protocol.catalogue import decoder, encode
from mesh.protocol.client import Denied, Goodbye, MoveGate, TransferHeard
from mesh.protocol.cluster import Announce, Attach, Dropped, FromClient, Kick, LeaveQueue, ToClients
from mesh.protocol.control import Drain, Drained, MemberChanged
from mesh.protocol.lanes import CLIENT_GATE, CLIENT_SOCIAL, PLAY_HEAD, Lane, PieceClass, PieceLane, piece
from mesh.protocol.play import Hit, Said
from mesh.protocol.social import Shout, Shouted, Whispered
from mesh.testing import wait_until
from mesh.topology import load
from nodes.gate.handover import UNDER_WAY_MAX, UNDER_WAY_S
from nodes.gate.node import MOVED_S
from nodes.gate.sessions import State
from tests.conftest import ZONE
from tests.gate.zone import GATE, GATE_2, SCENE_2, admit, login_frame, play, session_of, url_of

MORE = ("scene.2", "gate.2")


@pytest.fixture
def zone(tmp_path):
    file = tmp_path / "zone.toml"
    file.write_text(ZONE + '[[process]]\nnodes = ["gate.2"]\n')
    return load(file, runtime=tmp_path / "run")


def told(*kinds):
    """A list, and a callback that keeps the messages of these kinds in it."""
    found = []
    return found, lambda said: found.append(said) if isinstance(said, kinds) else None


async def drain(s):
    s.center.kicks = True
    return await s.gate.on_drain(Drain(), None)


def heard(client):
    session = ClientSession()
    return [said for frame in client.frames for said in session.receive(frame)]


def plays(scene):
    """The numbers of all play messages that came, in order."""
    found = []
    for _, lengths, bodies in scene.of(Lane.PLAYS):
        at = 0
        for size in memoryview(lengths).cast("I"):
            found.append(PLAY_HEAD.unpack_from(bodies, at)[0])
            at += size
    return found


def test_a_player_goes_to_the_other_gate_and_nobody_notices(zone, tmp_path):
    async def story(s):
        ends = []
        anna = await s.player(on_closed=lambda: ends.append(1))
        session = anna.session.session
        assert await drain(s) == Drained(1, 0)
        assert (anna.url, anna.session.session, anna.playing) == (url_of(GATE_2), session, True)
        assert anna.session.gates == [url_of(GATE_2)], "a gate that is drained is not on the list"
        first, second = s.scene.told.of(Attach)
        assert (first.resumed, second.resumed) == (False, True)
        assert len(s.gate.clients) == 0
        assert s.gate_2.clients.by_session[session].state == State.PLAYING
        anna.attack(1)
        await s.until(lambda: s.scene.of(Lane.PLAYS))
        await anna.logout()
        assert ends == [1]
        assert s.gate.handover.asked == {}

    play(zone, tmp_path, story, *MORE)


def test_nothing_is_lost_in_either_direction(zone, tmp_path):
    """Numbered messages of every kind, every few milliseconds, while twenty players move."""

    async def story(s):
        players, logs = [], []
        for n in range(20):
            log, keep = told(Shouted, Whispered, Hit, Said)
            logs.append(log)
            players.append(await s.player(f"user-{n}", on_event=keep))
        sent, is_over = 0, False

        def everything():
            s.center.publish(_announce(sent))
            for player in players:
                session = player.session.session
                gate, _ = s.center.places[session]
                s.center.tell(gate, ToClients([session], encode(Whispered("center", str(sent)))))
                handle = s.scene.handles[session]
                chat = piece(PieceLane.BULK, PieceClass.CHAT, encode(Said(1, "scene", str(sent))))
                s.scene.send(
                    Lane.FRAMES, {handle: piece(PieceLane.CONTROL, PieceClass.VIEW, encode(Hit(sent, 1, 1, 1)))}
                )
                s.scene.send(Lane.CHATS, {handle: chat})
                player.shout(str(sent))
                player.say(str(sent))

        async def talk():
            nonlocal sent
            while not is_over:
                sent += 1
                everything()
                await asyncio.sleep(0.007)

        talking = asyncio.create_task(talk())
        await asyncio.sleep(0.2)
        assert await drain(s) == Drained(20, 0)
        await asyncio.sleep(0.2)
        is_over = True
        await talking
        await asyncio.sleep(1.0)
        assert sent > 50
        want = list(range(1, sent + 1))
        for log in logs:
            assert [int(m.text) for m in log if isinstance(m, Whispered)] == want
            assert [m.sequence for m in log if isinstance(m, Shouted)] == want
            assert [m.attacker for m in log if isinstance(m, Hit)] == want
            assert [int(m.text) for m in log if isinstance(m, Said)] == want
        counts = dict.fromkeys(want, 0)
        for number in plays(s.scene):
            counts[number] += 1
        assert all(count >= 20 for count in counts.values()), "some come twice: the scene knows their numbers"
        shouts = s.center.told.of(FromClient)
        assert len(shouts) == 20 * sent
        assert s.center.strays == 0
        for player in players:
            mine = [m.body for m in shouts if m.session == player.session.session]
            assert mine == [encode(Shout(str(n))) for n in want]

    play(zone, tmp_path, story, *MORE, message_rate=1000.0, message_burst=2000, moves_per_s=40.0)


def _announce(sequence):
    return Announce(encode(Shouted(1, sequence, "everybody", "x")))


def test_they_go_a_few_at_a_time_and_evenly(zone, tmp_path):
    async def story(s):
        players = [await s.player(f"user-{n}") for n in range(40)]
        s.center.members["eu.one.gate.3"] = msgspec.structs.replace(
            s.center.members[GATE_2], name="eu.one.gate.3", facts={"ws": "ws://nowhere"}
        )
        s.center.publish(MemberChanged(s.center.members["eu.one.gate.3"]))
        await asyncio.sleep(0.1)
        began = s.cluster.clock.now()
        task = asyncio.create_task(drain(s))
        await s.until(lambda: sum(p.url == url_of(GATE_2) for p in players) == 20)
        assert 3.5 < s.cluster.clock.now() - began < 4.5
        assert all(p.playing for p in players), "who was sent where nobody is stays"
        result = await task
        assert result == Drained(40, 0), "and goes to the other one when it is asked again"
        assert {p.url for p in players} == {url_of(GATE_2)}

    play(zone, tmp_path, story, *MORE, moves_per_s=10.0)


def test_without_another_gate_nobody_moves(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        with pytest.raises(RefusedError, match="no other gate that is Ready"):
            await drain(s)
        assert anna.playing
        assert anna.url == "gate.1"
        assert (await s.player("bob")).playing

    play(zone, tmp_path, story)


def test_an_empty_gate_is_drained_at_once_and_lets_nobody_in(zone, tmp_path):
    async def story(s):
        assert await drain(s) == Drained(0, 0)
        assert s.gate.page("/gates") == b'{"gates": ["ws://127.0.0.1:7701"]}'
        with pytest.raises(PeerLost):
            await s.player()
        assert s.gate.refused_connections == 1
        bob = await Player.login("gate.2", "bob", "secret", dial=s.dial, clock=s.cluster.clock)
        assert bob.session.gates == [url_of(GATE_2)]

    play(zone, tmp_path, story, *MORE)


def test_a_login_under_way_is_finished_and_then_moves(zone, tmp_path):
    async def story(s):
        s.login_node.delay_s = 1.0
        task = asyncio.create_task(s.player())
        await s.until(lambda: s.login_node.asked)
        mute = s.raw()
        draining = asyncio.create_task(drain(s))
        anna = await task
        assert anna.session.gates == [url_of(GATE_2)]
        assert await draining == Drained(1, 0)
        assert (anna.playing, anna.url) == (True, url_of(GATE_2))
        assert heard(mute) == [Goodbye("shutdown", "this gate is being emptied: go to another one")]

    play(zone, tmp_path, story, *MORE)


def test_who_waits_in_the_queue_waits_on_at_the_other_gate(zone, tmp_path):
    async def story(s):
        task = asyncio.create_task(s.player("queued", timeout_s=60.0))
        await s.until(lambda: s.gate.clients.counts()[State.QUEUED])
        assert await drain(s) == Drained(0, 0)
        assert s.center.told.of(LeaveQueue) == [LeaveQueue(99)], "the center keeps the place for it"
        await s.until(lambda: s.gate_2.clients.counts()[State.QUEUED])
        first, second = s.login_node.asked
        assert (first.account, first.secret) == (second.account, second.secret)
        await asyncio.sleep(40.0)
        s.center.tell(GATE_2, admit(second.connection))
        player = await task
        assert (player.playing, player.url) == (True, url_of(GATE_2))

    play(zone, tmp_path, story, *MORE)


def test_who_does_not_go_is_asked_again_and_left_alone_in_the_end(zone, tmp_path):
    async def story(s):
        client = s.raw()
        client.send(login_frame("anna"))
        await s.until(lambda: s.gate.clients.counts()[State.PLAYING])
        task = asyncio.create_task(drain(s))
        await asyncio.sleep(3.0)
        again = asyncio.create_task(s.gate.on_drain(Drain(), None))
        assert await task == Drained(0, 1, "these clients did not go")
        assert await again == await task, "asked again in the middle it is the same work"
        moves = [said for said in heard(client) if isinstance(said, MoveGate)]
        assert moves == [MoveGate(url_of(GATE_2))] * 3
        assert client.closed is None

    play(zone, tmp_path, story, *MORE, drain_s=12.0)


def test_those_who_do_not_go_do_not_keep_the_others_from_it(zone, tmp_path):
    async def story(s):
        for n in range(UNDER_WAY_MAX + 20):
            s.raw().send(login_frame(f"user-{n}"))
        await s.until(lambda: s.gate.clients.counts()[State.PLAYING] == UNDER_WAY_MAX + 20)
        task = asyncio.create_task(drain(s))
        await asyncio.sleep(UNDER_WAY_S / 2)
        assert len(s.gate.handover.asked) == UNDER_WAY_MAX
        await asyncio.sleep(UNDER_WAY_S)
        assert len(s.gate.handover.asked) == UNDER_WAY_MAX + 20
        assert await task == Drained(0, UNDER_WAY_MAX + 20, "these clients did not go")

    play(zone, tmp_path, story, *MORE, drain_s=3.0, moves_per_s=10_000.0)


def test_a_client_that_has_moved_and_keeps_its_old_connection_is_told_goodbye(zone, tmp_path):
    async def story(s):
        client = s.raw()
        client.send(login_frame("anna"))
        await s.until(lambda: s.gate.clients.counts()[State.PLAYING])
        session = session_of(1, 1)
        task = asyncio.create_task(drain(s))
        await s.until(lambda: MoveGate(url_of(GATE_2)) in heard(client))
        s.center.tell(GATE, Kick(1, session, "taken_over"))
        await s.until(lambda: s.gate.clients.counts()[State.MOVED])
        # Both ways are open: its scene may still be speaking to this gate.
        s.scene.say(s.scene.handles[session], Hit(1, 2, 3, 4), sequence=1)
        client.send(bytes([2]) + PLAY_HEAD.pack(1, 0) + encode(Said(1, "x", "y")))
        await s.until(lambda: s.scene.of(Lane.PLAYS) and Hit(1, 2, 3, 4) in heard(client))
        # The center listens to the other gate already.
        client.send(bytes([CLIENT_SOCIAL]) + encode(Shout("x")))
        client.send(bytes([CLIENT_GATE]) + encode(TransferHeard(0)))
        await s.until(lambda: Denied("out_of_order", "not in the world", 340) in heard(client))
        assert s.gate.clients.by_session == {}
        began = s.cluster.clock.now()
        assert await task == Drained(1, 0)
        assert MOVED_S - 1 < s.cluster.clock.now() - began < MOVED_S + 2
        assert heard(client)[-1] == Goodbye("taken_over", "the session goes on at another gate")

    play(zone, tmp_path, story, *MORE)


def test_another_login_of_the_account_ends_a_client_that_was_not_asked_at_once(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        s.center.tell(GATE, Kick(1, anna.session.session, "taken_over"))
        assert (await anna.wait(Goodbye)).code == "taken_over"
        assert s.gate.handover.moved == 0

    play(zone, tmp_path, story, *MORE)


@pytest.mark.parametrize("moment", ["asked", "logging in", "attaching"])
def test_a_transfer_in_the_middle_of_a_move(zone, tmp_path, moment):
    """Before the center knows of the other gate it says Transferred to this one, afterwards to that one."""

    async def story(s):
        closed = []
        anna = await s.player(on_closed=lambda: closed.append(1))
        session = anna.session.session
        s.center.kicks = True
        hidden, s.dial_to = asyncio.Event(), []
        real = anna._dial

        async def slowly(url, on_frame, on_closed):
            s.dial_to.append(url)
            await hidden.wait()
            return await real(url, on_frame, on_closed)

        anna._dial = slowly
        task = asyncio.create_task(drain(s))
        await s.until(lambda: s.dial_to)
        if moment == "asked":
            s.center.transfer(session)
            await s.until(lambda: s.scene_2.told.of(Attach))
            s.login_node.placement = msgspec.structs.replace(s.login_node.placement, scene=SCENE_2, map="forest")
            hidden.set()
        elif moment == "logging in":
            s.login_node.delay_s = 0.5
            hidden.set()
            await s.until(lambda: s.center.places[session][0] == GATE_2)
            s.center.transfer(session)
        else:
            s.scene.holds = True
            hidden.set()
            await s.until(lambda: s.scene.waiting)
            s.center.transfer(session)
            await asyncio.sleep(0.1)
            s.scene.let_in(session)
        anna.say("on the way")
        assert (await task).left == 0
        await s.until(lambda: anna.playing and anna.session.entered.scene == SCENE_2)
        assert (anna.url, closed) == (url_of(GATE_2), [])
        anna.say("there")
        await s.until(lambda: plays(s.scene_2)[-1:] == [2])
        client = s.gate_2.clients.by_session[session]
        assert (client.state, client.placement.scene) == (State.PLAYING, SCENE_2)

    play(zone, tmp_path, story, *MORE)


def test_a_gate_that_does_not_let_them_in_keeps_them_where_they_are(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        s.login_node.refusal = RefusedError("unavailable", "not now")
        task = asyncio.create_task(drain(s))
        await s.until(lambda: len(s.login_node.asked) == 2)
        anna.shout("one")
        await asyncio.sleep(1.0)
        assert (anna.playing, anna.url) == (True, "gate.1")
        anna.shout("two")
        await s.until(lambda: len(s.center.told.of(FromClient)) == 2)
        assert [said for said in s.center.told.of(Dropped) if said.session] == []
        s.login_node.refusal = None
        assert await task == Drained(1, 0)
        assert (anna.playing, anna.url) == (True, url_of(GATE_2))
        decode = decoder([Shout])
        assert [decode(said.body).text for said in s.center.told.of(FromClient)] == ["one", "two"]

    play(zone, tmp_path, story, *MORE)


def test_when_the_other_gate_dies_in_the_middle_the_player_comes_back_elsewhere(zone, tmp_path):
    async def story(s):
        closed = []
        anna = await s.player(on_closed=lambda: closed.append(1))
        s.scene.holds = True
        task = asyncio.create_task(drain(s))
        await s.until(lambda: s.scene.waiting)
        s.scene.holds = False
        await s.cluster.kill("gate.2")
        await s.cluster.start("gate.2")
        await wait_until(lambda: anna._following is None, timeout_s=30)
        assert await task
        assert bool(closed) != anna.playing, "it is in again, or says that it is not"

    play(zone, tmp_path, story, *MORE)


def test_a_gate_that_stops_in_the_middle_of_a_drain(zone, tmp_path):
    async def story(s):
        players = [await s.player(f"user-{n}") for n in range(30)]
        task = asyncio.create_task(drain(s))
        await asyncio.sleep(0.5)
        await s.gate.stop()
        await task
        await s.until(lambda: all(p._following is None for p in players))
        moved = [p for p in players if p.playing]
        assert len(moved) >= 5
        for player in players:
            if not player.playing:
                assert player.session.ended is None or player.session.ended.code == "shutdown"
                await player.resume(url_of(GATE_2))

    play(zone, tmp_path, story, *MORE, moves_per_s=10.0)
