"""A real gate between clients in memory and scripted nodes: in, play, out."""

import asyncio

import numpy as np
import pytest

from mesh.client.player import Player
from mesh.client.session import Phase
from mesh.errors import PeerLost, RefusedError
from mesh.protocol.catalogue import encode
from mesh.protocol.client import Denied, Goodbye, Waiting
from mesh.protocol.client import Login as ClientLogin
from mesh.protocol.cluster import (
    Attach,
    Detach,
    Dropped,
    FromClient,
    Kick,
    Leave,
    LeaveQueue,
    ListSessions,
    QueueMoved,
    SessionAt,
    Sessions,
    ToClients,
)
from mesh.protocol.lanes import CLIENT_GATE, CLIENT_MOVE, MOVE, PLAY_HEAD, Lane, PieceClass, PieceLane, piece
from mesh.protocol.play import Attack, Entered, Hit, Said
from mesh.protocol.sessions import session_of
from mesh.protocol.social import Shout, Shouted
from nodes.gate.sessions import State
from tests.gate.zone import SCENE, admit, announce, login_frame, play, updates


def test_login_play_and_logout(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        assert anna.session.character == "anna"
        assert anna.session.gates == ["ws://127.0.0.1:7700"]
        assert await anna.wait(Entered)
        assert s.state_of(anna) == State.PLAYING
        [attach] = s.scene.told.of(Attach)
        assert (attach.session, attach.received, attach.resumed) == (session_of(1, 1), 0, False)
        steps = s.gate.dispatch.steps
        assert steps[1] == 1
        await anna.logout()
        assert anna.session.ended == Goodbye("logged_out")
        assert s.center.told.of(Leave) == [Leave(session_of(1, 1))]
        assert s.center.told.of(Dropped) == []
        assert len(s.gate.clients) == 0

    play(zone, tmp_path, story)


def test_a_login_is_traced(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        [trace] = s.gate.traces.find("login", "anna", "latest", 5)
        assert trace.id == anna.session.trace
        assert [hop.target.split(".")[-2] for hop in trace.hops] == ["gate", "login", "scene"]

    play(zone, tmp_path, story)


def test_who_is_refused_is_told_why_and_shown_out(zone, tmp_path):
    async def story(s):
        with pytest.raises(RefusedError) as refused:
            await s.player("stranger")
        assert refused.value.code == "bad_credentials"
        await s.until(lambda: len(s.gate.clients) == 0)
        assert s.gate.entrance.results == {"bad_credentials": 1}

    play(zone, tmp_path, story)


def test_without_a_login_node_the_answer_is_unavailable(zone, tmp_path):
    async def story(s):
        await s.cluster.kill("login.1")
        with pytest.raises(RefusedError) as refused:
            await s.player()
        assert refused.value.code == "unavailable"

    play(zone, tmp_path, story)


def test_a_scene_that_does_not_attach_ends_the_login(zone, tmp_path):
    async def story(s):
        s.scene.refuses = True
        with pytest.raises(RefusedError) as refused:
            await s.player()
        assert refused.value.code == "unavailable"
        await s.until(lambda: s.center.told.of(Dropped))
        assert s.center.told.of(Detach) == []

    play(zone, tmp_path, story)


def test_moves_and_plays_reach_the_scene_in_one_batch_each_and_plays_first(zone, tmp_path):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        anna.move(100, 200, heading=64, stamp=7)
        bob.move(300, 400)
        anna.attack(9)
        await s.until(lambda: s.scene.of(Lane.PLAYS))
        assert s.scene.of(Lane.MOVES) == []
        await s.until(lambda: s.scene.of(Lane.MOVES))
        [(handles, records)] = s.scene.of(Lane.MOVES)
        assert np.frombuffer(handles, "<u4").tolist() == [s.handle_of(anna), s.handle_of(bob)]
        moves = np.frombuffer(records, MOVE)
        assert moves["kind"].tolist() == [CLIENT_MOVE] * 2
        assert moves[["x", "y"]].tolist() == [(100, 200), (300, 400)]
        [(handles, lengths, bodies)] = s.scene.of(Lane.PLAYS)
        assert np.frombuffer(handles, "<u4").tolist() == [s.handle_of(anna)]
        assert bodies == PLAY_HEAD.pack(1, 0) + encode(Attack(9))
        assert np.frombuffer(lengths, "<u4").tolist() == [len(bodies)]

    play(zone, tmp_path, story)


def test_updates_travel_unchanged_and_take_waiting_control_with_them(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        await asyncio.sleep(0.1)
        frames = []
        anna._wire.client.on_frame = frames.append
        handle = s.handle_of(anna)
        s.scene.send(Lane.UPDATES, {handle: updates(1, 3)})
        await s.until(lambda: frames)
        assert frames == [updates(1, 3)]
        frames.clear()
        hit = piece(PieceLane.CONTROL, PieceClass.EVENT, encode(Hit(1, 2, 3, 4)), 1)
        s.scene.send(Lane.FRAMES, {handle: hit})
        s.scene.send(Lane.UPDATES, {handle: updates(2)})
        await s.until(lambda: frames)
        assert frames == [hit + updates(2)]
        frames.clear()
        s.scene.send(Lane.FRAMES, {handle: hit})
        await s.until(lambda: frames)
        assert frames == [hit]

    play(zone, tmp_path, story)


def test_chat_and_announcements_and_messages_of_the_center(zone, tmp_path):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        chat = piece(PieceLane.BULK, PieceClass.CHAT, encode(Said(1, "bob", "hello")))
        s.scene.send(Lane.CHATS, {s.handle_of(anna): chat})
        assert (await anna.wait(Said)).text == "hello"
        s.center.publish(announce(Shouted(1, 1, "bob", "hey")))
        for player in (anna, bob):
            assert (await player.wait(Shouted)).text == "hey"
        s.center.tell(s.gate.name, ToClients([bob.session.session, 12345], encode(Shouted(1, 2, "x", "psst"))))
        s.center.tell(s.gate.name, ToClients([bob.session.session], encode(Shouted(1, 3, "x", "bulk")), bulk=True))
        assert [(await bob.wait(Shouted)).text for _ in range(2)] == ["psst", "bulk"]
        bob.shout("to all")
        await s.until(lambda: s.center.told.of(FromClient))
        assert s.center.told.of(FromClient) == [FromClient(bob.session.session, encode(Shout("to all")))]

    play(zone, tmp_path, story)


def test_a_broken_connection_is_told_once_and_resumed(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        s.scene.say(s.handle_of(anna), Hit(1, 2, 3, 4), sequence=1)
        await anna.wait(Hit)
        anna.drop()
        await s.until(lambda: s.center.told.of(Dropped) and s.scene.told.of(Detach))
        with pytest.raises(PeerLost):
            anna.attack(3)
        await anna.resume()
        first, second = s.scene.told.of(Attach)
        assert (second.session, second.received, second.resumed) == (first.session, 1, True)
        assert second.connection != first.connection
        assert s.center.told.of(Dropped) == [Dropped(first.session, first.connection)]
        assert s.scene.told.of(Detach) == [Detach(first.session, first.connection)]
        assert s.gate.entrance.results == {"ok": 1, "resumed": 1}

    play(zone, tmp_path, story)


def test_what_was_said_before_it_settled_reaches_the_scene_though_the_connection_breaks(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        anna.move(anna.session.x + 1, anna.session.y)
        await anna.settle()
        anna.drop()
        await s.until(lambda: s.scene.told.of(Detach))
        assert len(s.scene.of(Lane.MOVES)) == 1
        await anna.settle()  # nobody is there: there is nothing to wait for

    play(zone, tmp_path, story)


def test_the_end_of_an_old_connection_does_not_hurt_the_new_one(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        again = Player(dial=s.dial, clock=s.cluster.clock)  # the gate does not know yet that the old one is gone
        again.url, again.session.token = "gate.1", anna.session.token
        await again.resume()
        await s.until(lambda: not anna.connected)
        assert anna.session.ended.code == "taken_over"
        s.scene.say(s.handle_of(again), Hit(1, 2, 3, 4), sequence=1)
        await again.wait(Hit)
        assert s.state_of(again) == State.PLAYING
        assert s.center.told.of(Dropped) == s.scene.told.of(Detach) == []

    play(zone, tmp_path, story)


def test_a_kick_tells_the_client_but_not_the_center(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        [attach] = s.scene.told.of(Attach)
        s.center.tell(s.gate.name, Kick(attach.connection, attach.session + 1, "taken_over"))
        s.center.tell(s.gate.name, Kick(attach.connection + 7, attach.session, "taken_over"))
        s.center.tell(s.gate.name, Kick(attach.connection, attach.session, "taken_over", "from elsewhere"))
        said = await anna.wait(Goodbye)
        assert said == Goodbye("taken_over", "from elsewhere")
        await s.until(lambda: not anna.connected)
        await s.until(lambda: s.scene.told.of(Detach))
        assert s.center.told.of(Dropped) == []

    play(zone, tmp_path, story)


def test_a_scene_may_have_a_connection_ended_and_the_center_hears_of_it(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        [attach] = s.scene.told.of(Attach)
        s.scene.tell(s.gate.name, Kick(attach.connection, attach.session, "bad_message", "enough"))
        assert await anna.wait(Goodbye) == Goodbye("bad_message", "enough")
        await s.until(lambda: s.scene.told.of(Detach))
        await s.until(lambda: s.center.told.of(Dropped))
        assert s.center.told.of(Dropped) == [Dropped(attach.session, attach.connection)]

    play(zone, tmp_path, story)


def test_a_client_that_goes_away_during_its_login_is_given_back(zone, tmp_path):
    async def story(s):
        client = s.raw()
        client.send(login_frame("slow"))
        await s.until(lambda: s.login_node.asked)
        client.close()
        await s.until(lambda: len(s.gate.clients) == 0)
        await s.until(lambda: s.center.told.of(Dropped))
        assert s.center.told.of(Dropped) == [Dropped(0, 1)], "before it is known what the login came to"
        await s.until(lambda: len(s.center.told.of(Dropped)) == 2)
        assert s.center.told.of(Dropped) == [Dropped(0, 1)] * 2
        assert s.scene.told.of(Attach) == []

    play(zone, tmp_path, story)


def test_the_queue(zone, tmp_path):
    async def story(s):
        task = asyncio.create_task(s.player("queued"))
        await s.until(lambda: s.login_node.asked)
        await asyncio.sleep(0.1)
        s.center.tell(s.gate.name, QueueMoved(1, 2, 4.0))
        await asyncio.sleep(0.1)
        s.center.tell(s.gate.name, admit(1, place=98))
        s.center.tell(s.gate.name, admit(1))
        player = await task
        assert [await player.wait(Waiting) for _ in range(2)] == [Waiting(5, 10.0), Waiting(2, 4.0)]
        assert player.session.token == f"{session_of(7, 1)} admitted"
        assert len(s.center.told.of(Dropped)) == 1, "the place that was not this connection's is given back"

    play(zone, tmp_path, story)


def test_an_admission_that_overtakes_the_place_in_the_queue_counts(zone, tmp_path):
    """Admit comes straight from the center, Queued by way of the login node."""

    async def story(s):
        s.login_node.queue_delay_s = 0.5
        task = asyncio.create_task(s.player("queued"))
        await s.until(lambda: s.login_node.asked)
        s.center.tell(s.gate.name, admit(1))
        player = await task
        assert player.session.token == f"{session_of(7, 1)} admitted"
        assert s.center.told.of(Dropped) == []

    play(zone, tmp_path, story)


def test_a_place_in_the_queue_of_a_center_that_is_gone_is_none(zone, tmp_path):
    """Its answer comes by way of the login node, when the next center is there already."""

    async def story(s):
        s.login_node.queue_delay_s = 3.0
        client = s.raw()
        client.send(login_frame("queued"))
        await s.until(lambda: s.login_node.asked)
        await s.cluster.kill("center.1")
        await asyncio.sleep(0.5)
        await s.cluster.start("center.1")
        await s.until(lambda: client.closed is not None)
        assert s.gate.entrance.results["unavailable"] == 1
        assert s.gate.clients.counts()[State.QUEUED] == 0

    play(zone, tmp_path, story)


def test_who_leaves_the_queue_is_reported(zone, tmp_path):
    async def story(s):
        client = s.raw()
        client.send(login_frame("queued"))
        await s.until(lambda: s.gate.clients.counts()[State.QUEUED] == 1)
        client.close()
        await s.until(lambda: s.center.told.of(LeaveQueue))
        assert s.center.told.of(LeaveQueue) == [LeaveQueue(99)]

    play(zone, tmp_path, story)


def test_the_players_of_a_lost_scene_wait_for_another_and_not_for_ever(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        await s.cluster.kill("scene.1")
        await s.until(lambda: anna.session.phase == Phase.TRANSFERRING)
        await asyncio.sleep(60)
        assert anna.connected
        assert await anna.wait(Goodbye) == Goodbye("unavailable", "the scene cannot be reached")
        await s.until(lambda: len(s.gate.clients) == 0)
        assert s.center.told.of(Dropped) == [Dropped(session_of(1, 1), 1)]

    play(zone, tmp_path, story)


def test_play_goes_on_without_the_center(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        await s.cluster.kill("center.1")
        await asyncio.sleep(1.0)
        anna.attack(1)
        await s.until(lambda: s.scene.of(Lane.PLAYS))
        anna.shout("is anybody there?")
        assert await anna.wait(Denied) == Denied("unavailable", "the center cannot be reached", 340)
        await anna.logout()
        assert anna.session.ended.code == "unavailable"
        assert s.scene.told.of(Detach)

    play(zone, tmp_path, story)


def test_a_center_that_starts_anew_learns_who_is_here(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        answer = await s.center.ask(s.gate.name, ListSessions())
        assert answer == Sessions([SessionAt(anna.session.session, 1, "anna", SCENE, "meadow", 1)])

    play(zone, tmp_path, story)


def test_a_gate_that_stops_says_goodbye_and_lets_the_sessions_be_resumed(zone, tmp_path):
    async def story(s):
        anna = await s.player()
        await s.gate.stop()
        assert anna.session.ended == Goodbye("shutdown", "this gate is stopping")
        assert not anna.connected
        assert anna.session.disconnected()
        assert s.center.told.of(Dropped) == [Dropped(session_of(1, 1), 1)]
        with pytest.raises(ConnectionRefusedError):
            s.raw()

    play(zone, tmp_path, story)


def test_pages(zone, tmp_path):
    async def story(s):
        assert s.gate.page("/gates") == b'{"gates": ["ws://127.0.0.1:7700"]}'
        assert s.gate.page("/-/healthy") == b'{"state": "Ready"}'
        assert s.gate.page("/etc/passwd") is None

    play(zone, tmp_path, story)


@pytest.mark.parametrize("how", ["silent", "lost", "unavailable", "bad_credentials"])
def test_the_center_hears_of_a_login_of_which_nobody_knows_what_became(zone, tmp_path, how):
    async def story(s):
        client = s.raw()
        if how == "silent":
            s.login_node.delay_s = 30.0
        elif how == "lost":
            s.login_node.delay_s = 30.0
            asyncio.get_running_loop().call_later(1.0, lambda: s.cluster.crash("login.1"))
        else:
            s.login_node.refusal = RefusedError(how)
        client.send(bytes([CLIENT_GATE]) + encode(ClientLogin("resume", "", f"{session_of(1, 1)} anna")))
        await s.until(lambda: client.closed is not None)
        said = [] if how == "bad_credentials" else [Dropped(0, client.connection.number)]
        await asyncio.sleep(1.0)
        assert s.center.told.of(Dropped) == said

    play(zone, tmp_path, story)
