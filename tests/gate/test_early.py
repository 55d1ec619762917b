"""What is said to sessions that are not here yet, to those who come from another gate, and to nobody at all."""

import asyncio

import pytest

from mesh.protocol.catalogue import encode
from mesh.protocol.cluster import Announce, ToClients
from mesh.protocol.social import Shouted, Spoken, Whispered
from nodes.gate import early
from nodes.gate.early import BYTES_MAX, KEEP_S, OVERLAP_S, Early
from tests.gate.zone import play, session_of


def heard(player, kind):
    return [said.text for said in player._events if isinstance(said, kind)]


def test_rows_wait_for_their_session_in_order_and_not_for_ever():
    kept = Early()
    for n, at in enumerate((0.0, 1.0, 2.5)):
        kept.keep(7, b"%d" % n, bool(n % 2), at)
    assert kept.take(8, 2.5) == []
    assert [(row.row, row.bulk) for row in kept.take(7, 2.5)] == [(b"1", True), (b"2", False)]
    assert kept.take(7, 2.5) == []
    assert (kept.kept, kept.delivered, kept.dropped) == (3, 2, 1)


def test_what_nobody_takes_is_forgotten_and_makes_room():
    kept = Early()
    kept.keep(1, b"x" * (BYTES_MAX - 1), False, 0.0)
    kept.keep(2, b"xx", False, 0.0)
    assert kept.dropped == 1
    kept.expire(KEEP_S)
    kept.keep(2, b"xx", False, KEEP_S)
    assert kept.dropped == 2
    kept.expire(KEEP_S + 0.1)
    assert kept.dropped == 3
    kept.keep(2, b"xx", False, KEEP_S)
    assert [row.row for row in kept.take(2, KEEP_S)] == [b"xx"]


def test_rows_are_bounded_in_number(monkeypatch):
    monkeypatch.setattr(early, "ROWS_MAX", 3)
    kept = Early()
    for session in range(5):
        kept.keep(session, b"x", False, 0.0)
    assert (kept.kept, kept.dropped) == (3, 2)
    kept.take(0, 0.0)
    kept.keep(9, b"x", False, 0.0)
    assert kept.kept == 4


def test_announcements_since_a_moment_and_a_little_before():
    kept = Early()
    for at in (0.0, 1.0, 2.0):
        kept.announced(b"%d" % at, frozenset({5}) if at == 2.0 else frozenset(), at)
    assert list(kept.since(1.0 + OVERLAP_S, 4)) == [b"1", b"2"]
    assert list(kept.since(1.1 + OVERLAP_S, 5)) == []
    kept.expire(KEEP_S + OVERLAP_S + 0.1)
    assert list(kept.since(0.0, 4)) == [b"1", b"2"]


def test_a_message_that_comes_before_its_session_is_delivered_behind_logged_in(zone, tmp_path):
    async def story(s):
        s.login_node.delay_s = 1.0
        task = asyncio.create_task(s.player())
        await s.until(lambda: s.login_node.asked)
        session = session_of(1, 1)
        s.center.tell(s.gate.name, ToClients([session, 999], encode(Whispered("bob", "control"))))
        s.center.tell(s.gate.name, ToClients([session], encode(Whispered("bob", "bulk")), bulk=True))
        s.center.publish(Announce(encode(Shouted(1, 1, "bob", "you were not here"))))
        player = await task
        await asyncio.sleep(0.1)
        assert [type(said).__name__ for said in player._events][:2] == ["LoggedIn", "Whispered"]
        assert heard(player, Whispered) == ["control", "bulk"]
        assert heard(player, Shouted) == []
        await asyncio.sleep(3)
        counts = s.gate.early
        assert (counts.kept, counts.delivered, counts.dropped) == (3, 2, 1)

    play(zone, tmp_path, story)


def test_a_message_that_comes_much_too_early_is_dropped(zone, tmp_path):
    async def story(s):
        s.login_node.delay_s = 5.0
        task = asyncio.create_task(s.player())
        await s.until(lambda: s.login_node.asked)
        s.center.tell(s.gate.name, ToClients([session_of(1, 1)], encode(Whispered("bob", "long ago"))))
        player = await task
        await asyncio.sleep(0.1)
        assert heard(player, Whispered) == []
        assert s.gate.early.dropped == 1

    play(zone, tmp_path, story)


@pytest.mark.parametrize("method", ["resume", "login"])
def test_who_resumes_hears_what_everybody_was_told_meanwhile(zone, tmp_path, method):
    async def story(s):
        anna = await s.player()
        session = anna.session.session
        anna.drop()
        await asyncio.sleep(3)
        s.center.publish(Announce(encode(Shouted(1, 1, "bob", "long before"))))
        await asyncio.sleep(1)
        s.login_node.delay_s = 1.0
        coming = anna.resume("gate.1") if method == "resume" else s.player()
        task = asyncio.create_task(coming)
        before = len(s.login_node.asked)
        await s.until(lambda: len(s.login_node.asked) > before)
        s.center.publish(Announce(encode(Shouted(1, 2, "bob", "heard"))))
        s.center.publish(Announce(encode(Spoken("world", "eve", "blocked")), [session]))
        player = (await task) or anna
        await asyncio.sleep(0.1)
        assert heard(player, Shouted) == (["heard"] if method == "resume" else [])
        assert heard(player, Spoken) == []

    play(zone, tmp_path, story)


def test_who_blocks_the_speaker_is_left_out(zone, tmp_path):
    async def story(s):
        anna, bob = await s.player(), await s.player("bob")
        s.center.publish(Announce(encode(Shouted(1, 1, "eve", "hey")), [bob.session.session, 12345]))
        s.center.publish(Announce(encode(Shouted(1, 2, "cleo", "ho"))))
        await anna.wait(Shouted, where=lambda said: said.speaker == "eve")
        assert (await bob.wait(Shouted)).speaker == "cleo"

    play(zone, tmp_path, story)


def test_everybody_includes_those_who_are_on_the_way(zone, tmp_path):
    async def story(s):
        s.scene.holds = s.scene_2.holds = True
        task = asyncio.create_task(s.player())
        session = session_of(1, 1)
        await s.until(lambda: s.scene.waiting)
        s.center.publish(Announce(encode(Shouted(1, 1, "bob", "attaching"))))
        await asyncio.sleep(0.1)
        s.scene.let_in(session)
        anna = await task
        s.center.transfer(session)
        await s.until(lambda: s.scene_2.waiting)
        s.center.publish(Announce(encode(Shouted(1, 2, "bob", "transferring"))))
        await asyncio.sleep(0.1)
        s.scene_2.let_in(session)
        assert heard(anna, Shouted) == ["attaching", "transferring"]

    play(zone, tmp_path, story, "scene.2")
