"""The rate and those who go on elsewhere: what they send again is heard, and a transfer is no way around the rate."""

import asyncio

import pytest

from mesh.client.outbox import RESEND_MAX
from mesh.protocol.catalogue import encode
from mesh.protocol.client import Goodbye, Ping, TransferBegun, TransferHeard
from mesh.protocol.lanes import CLIENT_GATE
from mesh.protocol.placement import Transferred
from mesh.protocol.sessions import Placement
from nodes.gate.limits import AGAIN_MAX, AGAIN_S
from nodes.gate.sessions import State
from tests.gate.test_transfers import Raw, plays_at
from tests.gate.zone import SCENE_2, play

HEARD = bytes([CLIENT_GATE]) + encode(TransferHeard(0))


def test_the_gate_lets_pass_what_a_client_keeps():
    assert AGAIN_MAX == RESEND_MAX


@pytest.mark.parametrize("way", ["transfer", "resume"])
def test_all_that_was_kept_is_heard(zone, tmp_path, way):
    async def story(s):
        anna = await s.player()
        session = anna.session.session
        if way == "transfer":
            s.scene_2.holds = True
            s.center.transfer(session)
            await s.until(lambda: s.scene_2.waiting and anna.session.phase == "Transferring")
        for _ in range(40):  # its bucket is not even full then
            anna.send_raw(bytes([CLIENT_GATE]) + encode(Ping(1)))
        if way == "transfer":
            for _ in range(RESEND_MAX):
                anna.say("x")
            s.scene_2.let_in(session)
        else:
            for _ in range(RESEND_MAX):
                anna.say("x")
            await asyncio.sleep(3)
            s.scene.batches.clear()
            anna.drop()
            await s.until(lambda: not len(s.gate.clients))
            await anna.resume()
        scene = s.scene_2 if way == "transfer" else s.scene
        heard = lambda: plays_at(scene, scene.handles.get(session))  # noqa: E731
        await s.until(lambda: heard()[-1:] == [RESEND_MAX])
        assert heard() == list(range(1, RESEND_MAX + 1))
        assert anna.playing

    play(zone, tmp_path, story, "scene.2")


def test_it_is_allowed_once_in_a_while_and_not_at_a_login(zone, tmp_path):
    async def story(s):
        client = await Raw(s, "anna").enter()
        mine = s.gate.clients.by_session[client.session]
        assert mine.again == 0
        for number, pause, passed in ((1, 2.0, AGAIN_MAX), (2, AGAIN_S, 0), (3, 0.0, AGAIN_MAX)):
            s.center.transfer(client.session, line=number)
            await s.until(lambda number=number: client.kinds().count(TransferBegun) == number)
            client.heard_transfer(number)
            await s.until(lambda: mine.state == State.PLAYING)
            before, left = s.gate.intake.refused["too_many"], mine.messages.holds(s.cluster.clock.now())
            for _ in range(400):
                client.play()
            await asyncio.sleep(0.1)
            brought = 5  # by the rate, on the way
            assert 0 <= 400 - passed - left - (s.gate.intake.refused["too_many"] - before) <= brought
            await asyncio.sleep(pause)

    play(zone, tmp_path, story, "scene.2")


def test_only_the_transfer_heard_that_is_waited_for_is_above_the_rate(zone, tmp_path):
    async def story(s):
        client = await Raw(s, "anna").enter()
        s.center.transfer(client.session)
        await s.until(lambda: TransferBegun in client.kinds())
        for _ in range(60):
            client.gate(encode(Ping(1)))
        before = s.gate.intake.refused["too_many"]
        for _ in range(50):
            client.end.send(HEARD)
            client.end.send(HEARD[:-1])
        client.heard_transfer(1)
        await s.until(lambda: s.gate.clients.by_session[client.session].heard)
        assert s.gate.intake.refused["too_many"] >= before + 90

    play(zone, tmp_path, story, "scene.2")


def test_a_flood_of_them_ends_the_connection(zone, tmp_path):
    async def story(s):
        client = await Raw(s, "anna").enter()
        s.center.transfer(client.session)
        await s.until(lambda: TransferBegun in client.kinds())
        for _ in range(200):
            client.end.send(HEARD)
        await s.until(lambda: client.end.closed is not None)
        assert client.heard()[-1].code == "too_many"

    play(zone, tmp_path, story, "scene.2", excess_max=100)


def test_another_transfer_gives_no_more_time_to_who_does_not_answer(zone, tmp_path):
    async def story(s):
        client = await Raw(s, "anna").enter()
        begun = s.cluster.clock.now()
        for number in range(1, 10):
            s.center.tell(s.gate.name, transferred(client, number))
            client.gate(encode(Ping(1)))
            await asyncio.sleep(2)
        assert client.end.closed is not None
        assert client.heard()[-1] == Goodbye("idle", "there was no TransferHeard")
        assert s.cluster.clock.now() - begun < 19

    play(zone, tmp_path, story, "scene.2")


def test_who_answers_has_the_whole_time_again(zone, tmp_path):
    async def story(s):
        client = await Raw(s, "anna").enter()
        for number in range(1, 4):
            s.center.tell(s.gate.name, transferred(client, number))
            await asyncio.sleep(6)
            client.heard_transfer(number)
        await s.until(lambda: s.gate.clients.by_session[client.session].state == State.PLAYING)

    play(zone, tmp_path, story, "scene.2")


def transferred(client, number):
    return Transferred(client.session, client.number, Placement(SCENE_2, "forest", number))
