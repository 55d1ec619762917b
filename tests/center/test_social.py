"""Friends, whispers and the public broadcast, and what is refused."""

import asyncio
from pathlib import Path

import pytest

from mesh.protocol.cluster import Publicise
from mesh.protocol.control import Register
from mesh.protocol.social import (
    AcceptFriend,
    AddFriend,
    Friend,
    FriendAsked,
    Friends,
    ListFriends,
    RemoveFriend,
    Shout,
    Shouted,
    SocialDenied,
    Whisper,
    Whispered,
)
from mesh.version import VERSION
from tests.center.peers import Neighbourhood, friend, tell


async def settle() -> None:
    await asyncio.sleep(0.2)


def test_a_shout_reaches_every_gate_in_order_and_is_step_8(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna, berta = await zone.online(1), await zone.online(2, gate=2)
        steps = zone.center.dispatch.steps[8]
        zone.gate(1).say(anna.session, Shout("hello"))
        await settle()
        zone.gate(2).say(berta.session, Shout("good morning"))
        await settle()
        expected = [Shouted(1, 1, "P1", "hello"), Shouted(1, 2, "P2", "good morning")]
        assert zone.gate(1).announced == zone.gate(2).announced == expected
        assert zone.center.dispatch.steps[8] == steps + 2
        assert zone.gate(1).clients == []

    tell(tmp_path, story)


def test_operators_speak_to_everybody(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        social = zone.center.dispatch.handlers.messages[Publicise]
        social(Publicise("the crew", "maintenance at noon"), None)
        await settle()
        assert zone.gate(2).announced == [Shouted(1, 1, "the crew", "maintenance at noon")]

    tell(tmp_path, story)


def test_shouting_has_a_rate_per_player(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna, berta = await zone.online(1), await zone.online(2)
        for n in range(5):
            zone.gate(1).say(anna.session, Shout(f"{n}"))
        zone.gate(1).say(berta.session, Shout("me too"))
        await settle()
        assert len(zone.gate(1).announced) == 4
        denials = zone.gate(1).told(anna.session)
        assert [(d.code, d.number) for d in denials if isinstance(d, SocialDenied)] == [("too_many", 340)] * 2
        again = await zone.online(1)
        zone.gate(1).say(again.session, Shout("new login, same mouth"))
        await settle()
        assert len(zone.gate(1).announced) == 4, "a new login does not refill the bucket"
        await asyncio.sleep(2)
        zone.gate(1).say(again.session, Shout("now"))
        await settle()
        assert len(zone.gate(1).announced) == 5

    tell(tmp_path, story, "shouts_burst = 3\nshouts_per_s = 0.5")


def test_shouting_has_a_rate_for_all_together(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = [await zone.online(account) for account in range(1, 11)]
        for one in placed:
            zone.gate(1).say(one.session, Shout("all at once"))
        await settle()
        assert len(zone.gate(1).announced) == 4

    tell(tmp_path, story, "zone_shouts_burst = 4\nzone_shouts_per_s = 1.0")


def test_friends_from_the_question_to_the_end(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna, berta = await zone.online(1), await zone.online(2, gate=2)

        def heard(account: int) -> list[object]:
            gate, session = (zone.gate(1), anna.session) if account == 1 else (zone.gate(2), berta.session)
            messages = gate.told(session)
            gate.clients.clear()
            return list(messages)

        zone.gate(1).say(anna.session, AddFriend("P2"))
        await settle()
        assert heard(1) == [Friends([Friend("P2", "asking", False)])]
        assert heard(2) == [FriendAsked("P1"), Friends([Friend("P1", "asked", False)])]
        zone.gate(2).say(berta.session, AcceptFriend("P1"))
        await settle()
        assert heard(1) == [Friends([Friend("P2", "friend", True)])]
        assert heard(2) == [Friends([Friend("P1", "friend", True)])]
        zone.drop(anna.session)
        await settle()
        zone.gate(2).say(berta.session, ListFriends())
        await settle()
        assert heard(2) == [Friends([Friend("P1", "friend", True)])], "gone for a moment is not gone"
        zone.gate(2).say(berta.session, RemoveFriend("P1"))
        await settle()
        assert heard(2) == [Friends([])]

    tell(tmp_path, story)


def test_a_whisper_is_for_a_friend_who_is_connected(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1, friends=[friend(2), friend(3), friend(4, "asked")])
        berta = await zone.online(2, gate=2)
        for name in ("p2", "P3", "P4", "P5"):
            zone.gate(1).say(anna.session, Whisper(name, "psst"))
        await settle()
        assert zone.gate(2).told(berta.session) == [Whispered("P1", "psst")]
        denials = [d.code for d in zone.gate(1).told(anna.session) if isinstance(d, SocialDenied)]
        assert denials == ["not_found", "not_allowed", "not_allowed"]

    tell(tmp_path, story)


def test_what_the_dc_refuses_or_cannot_do_is_told(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.gate(1).say(anna.session, AddFriend("Nobody"))
        zone.gate(1).say(anna.session, AddFriend("p1"))
        await settle()
        await zone.cluster.kill("dc.1")
        zone.gate(1).say(anna.session, AddFriend("P2"))
        await asyncio.sleep(6)
        denials = [(d.code, d.number) for d in zone.gate(1).told(anna.session) if isinstance(d, SocialDenied)]
        assert sorted(denials) == [("not_allowed", 344), ("not_found", 344), ("unavailable", 344)]

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("body", "code", "number"),
    [
        (b"", "unknown_message", 0),
        (b"\xc1garbage", "unknown_message", 0),
        (b"\x91\xcd\x01\x54", "bad_message", 340),  # a Shout without its text
        (b"\x92\xcd\x01\x54\xa0", "bad_message", 340),  # with an empty one
        (b"\x92\xcd\x01\x55\x01", "unknown_message", 341),  # what only the center says
        (b"\x92\x0a\x01", "unknown_message", 10),  # a node's Register
    ],
)
def test_what_is_no_social_message_is_refused_and_nothing_happens(
    tmp_path: Path, body: bytes, code: str, number: int
) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.gate(1).say(anna.session, body)
        await settle()
        [denied] = zone.gate(1).told(anna.session)
        assert isinstance(denied, SocialDenied)
        assert (denied.code, denied.number) == (code, number)

    tell(tmp_path, story)


def test_a_gate_speaks_for_its_own_sessions_only(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.gate(2).say(anna.session, Shout("I am somebody else"))
        zone.gate(1).say(anna.session + 1, Shout("so am I"))
        await settle()
        assert zone.gate(1).announced == []
        assert zone.center.society.social.strays == 2

    tell(tmp_path, story)


def test_a_node_registers_itself_only(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        other = zone.scene(1).own_member()
        from mesh.errors import RefusedError

        with pytest.raises(RefusedError, match="not_allowed"):
            await zone.gate(1).ask("center", Register(other))
        assert len(zone.center.roster.members) == 7

    tell(tmp_path, story)


def test_a_node_that_missed_something_gets_it_all(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        gate = zone.gate(2)
        subscribers = zone.cluster.network.publishers[zone.cluster.topology.node("center.1").publisher]
        subscribers.remove(gate.switchboard.endpoint)
        zone.gate(1).say(anna.session, Shout("you do not hear this"))
        await settle()
        subscribers.append(gate.switchboard.endpoint)
        await asyncio.sleep(1)
        assert gate.announced == [Shouted(1, 1, "P1", "you do not hear this")]

    tell(tmp_path, story)


def test_members_are_seen_by_everybody_with_their_facts(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        seen = zone.gate(1).member("eu.one.scene.1")
        assert seen is not None
        assert (seen.state, seen.facts) == ("Ready", {"maps": "meadow:1", "version": VERSION})
        center = zone.gate(1).member("eu.one.center.1")
        assert center is not None
        assert center.state == "Ready"
        await zone.cluster.kill("scene.2")
        await asyncio.sleep(4)
        assert zone.gate(1).member("eu.one.scene.2") is None
        await zone.scene(1).stop()
        await asyncio.sleep(0.2)
        assert zone.gate(1).member("eu.one.scene.1") is None, "who says goodbye is gone at once"

    tell(tmp_path, story)


def test_the_page_of_metrics_says_who_is_where(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        from mesh.metrics import page

        placed = await zone.online(1)
        await zone.online(2)
        zone.drop(placed.session)
        await settle()
        text = page([zone.center.metrics]).decode()
        assert 'center_players{node="center.1",role="center",stage="linkdead"} 1.0' in text
        assert 'center_players{node="center.1",role="center",stage="online"} 1.0' in text
        assert 'center_placed_total{node="center.1",role="center"} 2.0' in text
        assert zone.center.describe()["players"] == 2
        assert zone.center.load().players == 2

    tell(tmp_path, story)
