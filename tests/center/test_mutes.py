"""Who may not speak says nothing through the center, whatever was under way when it was said, and in whichever order
words about it come."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mesh.node import Caller
from mesh.protocol.cluster import AccountMuted, HostedList, Leave, Queued
from mesh.protocol.placement import Cross, MuteChanged
from mesh.protocol.sessions import Mute, session_of
from mesh.protocol.social import (
    AcceptParty,
    InviteParty,
    ListFriends,
    Shout,
    Shouted,
    SocialDenied,
    Speak,
    Spoken,
    Whisper,
    Whispered,
)
from mesh.protocol.zones import MuteNow
from mesh.testing import wait_until
from nodes.center.mutes import KEPT_MAX
from tests.center.parlour import Abroad, Parlour
from tests.center.peers import Neighbourhood, tell
from tests.center.test_transfers import Maps

SPAM = Mute(1, -1, "spam")
SPEAK_AGAIN = Mute(2)
CENTER = "eu.one.center.1"
LOGIN = Caller("eu.one.login.1", "login", 1)


def order(parlour: Parlour, account: int, mute: Mute) -> None:
    parlour.society.mutes.on_account_muted(AccountMuted(account, mute), LOGIN)


def denied(parlour: Parlour, account: int) -> list[tuple[str, int]]:
    return [(said.code, said.number) for said in parlour.heard(account) if isinstance(said, SocialDenied)]


def words(parlour: Parlour, account: int) -> list[str]:
    return [said.text for said in parlour.heard(account) if isinstance(said, Spoken | Whispered | Shouted)]


EVERYTHING = (
    Shout("x"), Whisper("P2", "x"), *(Speak(channel, "x") for channel in ("line", "map", "party", "friend", "world")),
)  # fmt: skip


@pytest.fixture
def parlour() -> Parlour:
    """P1 and P2 are there, friends, and a party."""
    made = Parlour()
    made.befriend(1, 2)
    made.come(1)
    made.come(2, gate="g2")
    made.say(1, InviteParty("P2"))
    made.say(2, AcceptParty(made.last_invitation(2)))
    made.hush()
    return made


def test_everything_that_is_said_is_refused_and_costs_nothing(parlour: Parlour) -> None:
    order(parlour, 1, SPAM)
    assert parlour.scene() == [MuteChanged(parlour.of(1).session, SPAM)]
    for _ in range(5):  # more than any burst, if it cost anything
        parlour.say(1, *EVERYTHING)
        assert denied(parlour, 1) == [("muted", n) for n in (340, 342, 353, 353, 353, 353, 353)]
        parlour.wait(10)
    assert words(parlour, 2) == []
    assert parlour.node.announced == []
    order(parlour, 1, SPEAK_AGAIN)
    parlour.say(1, *EVERYTHING)
    assert denied(parlour, 1) == []
    assert words(parlour, 2) == ["x"] * 6
    assert len(parlour.node.announced) == 1


def test_the_text_says_until_when_and_why_and_it_ends_by_the_wall_clock(parlour: Parlour) -> None:
    until = int(parlour.node.clock.wall()) + 100
    order(parlour, 1, Mute(1, until, "spam"))
    parlour.say(1, Shout("x"))
    [said] = parlour.heard(1)
    assert isinstance(said, SocialDenied)
    assert said.text == "you may not speak until 2025-06-15 15:08:20 UTC: spam"
    parlour.wait(98)
    parlour.say(1, Shout("x"))
    assert denied(parlour, 1) == [("muted", 340)]
    parlour.wait(4)
    parlour.say(1, Shout("x"))
    assert denied(parlour, 1) == []
    assert len(parlour.node.announced) == 1


def test_what_is_no_speech_goes_on_and_others_speak(parlour: Parlour) -> None:
    order(parlour, 1, SPAM)
    parlour.say(1, ListFriends(), InviteParty("P3"))
    assert ("muted", 360) not in denied(parlour, 1)
    parlour.say(2, *EVERYTHING[2:])
    assert words(parlour, 1) == ["x"] * 5


def test_of_two_words_the_one_with_the_greater_number_holds(parlour: Parlour) -> None:
    order(parlour, 1, SPEAK_AGAIN)
    parlour.hush()
    order(parlour, 1, SPAM)  # said first, and late
    assert parlour.scene() == []
    parlour.say(1, Shout("x"))
    assert denied(parlour, 1) == []
    order(parlour, 1, Mute(3, -1))
    order(parlour, 1, SPEAK_AGAIN)
    parlour.say(1, Shout("x"))
    assert denied(parlour, 1) == [("muted", 340)]


def test_who_moves_is_told_of_to_its_scene_once_more(parlour: Parlour) -> None:
    order(parlour, 1, SPAM)
    parlour.hush()
    parlour.move(1, "s2", "forest", 1)
    parlour.move(2, "s2", "forest", 1)
    mine = [said for said in parlour.scene("s2") if isinstance(said, MuteChanged)]
    assert mine == [MuteChanged(parlour.of(1).session, SPAM)]


def test_a_scene_that_says_whom_it_has_makes_up_for_what_one_of_both_has_missed(parlour: Parlour) -> None:
    order(parlour, 1, SPAM)
    parlour.hush()
    knows = parlour.listed(2, None)
    knows = msgspec.structs.replace(knows, status=msgspec.structs.replace(knows.status, mute=Mute(4, -1)))
    parlour.society.hosted("s1", HostedList([parlour.listed(1, None), knows]))
    assert MuteChanged(parlour.of(1).session, SPAM) in parlour.scene()
    assert parlour.of(2).mute == Mute(4, -1)
    parlour.say(2, Shout("x"))
    assert denied(parlour, 2) == [("muted", 340)]


def test_another_zone_is_told_and_one_that_comes_back_hears_everything() -> None:
    parlour, abroad = Parlour(), Abroad({})
    parlour.society.join(abroad)
    order(parlour, 1, SPAM)
    assert abroad.mutes == [(1, SPAM)]
    parlour.society.muted(MuteNow(2, SPAM))
    assert abroad.mutes == [(1, SPAM)], "what another center has said is not said on"
    parlour.come(2)
    parlour.say(2, Shout("x"))
    assert denied(parlour, 2) == [("muted", 340)]
    parlour.hush()
    parlour.society.center_up("eu.two.center.2")
    assert parlour.node.told == [("eu.two.center.2", MuteNow(n, SPAM)) for n in (1, 2)]


def test_what_was_said_of_very_many_is_forgotten_and_whoever_is_here_stays_muted(parlour: Parlour) -> None:
    order(parlour, 1, SPAM)
    for account in range(100, 100 + KEPT_MAX):
        order(parlour, account, SPAM)
    assert len(parlour.society.mutes._said) == KEPT_MAX
    parlour.say(1, Shout("x"))
    assert denied(parlour, 1) == [("muted", 340)]


# --- between nodes ---


async def mute(zone: Neighbourhood, account: int, said: Mute = SPAM) -> None:
    await zone.login.ask(CENTER, AccountMuted(account, said))


async def shouts(zone: Neighbourhood, session: int, gate: int = 1) -> list[Any]:
    """What came of one: refused, or heard by everybody."""
    before = len(zone.gate(gate).announced)
    zone.gate(gate).clients.clear()
    zone.gate(gate).say(session, Shout("x"))
    await asyncio.sleep(0.1)
    refused = [said.code for said in zone.gate(gate).told(session) if isinstance(said, SocialDenied)]
    return [*refused, *["heard"] * (len(zone.gate(gate).announced) - before)]


def known(zone: Neighbourhood, session: int) -> Mute:
    """To the scene that has it."""
    [scene] = [scene for scene in (zone.scene(1), zone.scene(2)) if session in scene.characters]
    return scene.characters[session].mute


def test_a_word_reaches_whoever_is_on_its_way_in(tmp_path: Path) -> None:
    """At each moment between its status being read and its being in the world."""

    async def story(zone: Neighbourhood) -> None:
        await mute(zone, 1)  # its status has been read, and nothing of it is here yet
        anna = await zone.online(1)
        assert known(zone, anna.session) == SPAM
        zone.scene(1).slow_s = zone.scene(2).slow_s = 0.5
        login = asyncio.create_task(zone.online(2))
        await asyncio.sleep(0.2)  # its scene is about to build it
        await mute(zone, 2)
        bert = await login
        await asyncio.sleep(0.1)
        assert known(zone, bert.session) == SPAM
        for placed in (anna, bert):
            assert await shouts(zone, placed.session) == ["muted"]

    tell(tmp_path, story)


def test_a_word_reaches_whoever_waits_in_the_queue(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        assert isinstance(await zone.online(2), Queued)
        await mute(zone, 2)
        await zone.gate(1).ask("center", Leave(anna.session))
        await wait_until(lambda: zone.gate(1).admitted)
        bert = zone.gate(1).admitted[0].placed
        assert await shouts(zone, bert.session) == ["muted"]
        assert known(zone, bert.session) == SPAM

    tell(tmp_path, story, "capacity = 1")


def test_a_word_reaches_whoever_is_between_two_lines(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        zone.scene(1).slow_s = zone.scene(2).slow_s = 0.3
        for n, late_s in enumerate((0.1, 0.4, 0.2, 0.5)):  # while it departs, and while it enters
            scene = 1 + n % 2
            crossing = asyncio.create_task(
                zone.scene(scene).ask(CENTER, Cross(placed.session, ("forest", "meadow")[n % 2], 3.0, 4.0), 30.0)
            )
            await asyncio.sleep(late_s)
            said = Mute(n + 1, -1 if n % 2 == 0 else 0)
            await mute(zone, 1, said)
            await crossing
            await asyncio.sleep(0.1)
            assert known(zone, placed.session) == said
            assert zone.homes(1)[0][1] == ("forest", "meadow")[n % 2]
            assert (await shouts(zone, placed.session) == ["muted"]) == (n % 2 == 0)

    tell(tmp_path, story, scene=Maps)


def test_a_center_that_starts_anew_learns_it_from_the_scenes_and_brings_what_they_missed(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna, bert = await zone.online(1), await zone.online(2)
        await mute(zone, 1)
        await asyncio.sleep(0.1)
        await zone.cluster.kill("center.1")
        await zone.cluster.start("center.1")
        await wait_until(lambda: CENTER in zone.login.switchboard.links.up)
        await mute(zone, 2)  # before the scenes have spoken, perhaps
        await wait_until(lambda: zone.stage(1) == zone.stage(2) == "online")
        await asyncio.sleep(1)
        for placed in (anna, bert):
            assert known(zone, placed.session) == SPAM
            assert await shouts(zone, placed.session) == ["muted"]
        await mute(zone, 1, SPEAK_AGAIN)
        assert await shouts(zone, anna.session) == ["heard"]

    tell(tmp_path, story)


def test_a_newer_login_of_the_account_knows_it(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1)
        await mute(zone, 1)
        again = await zone.online(1, session=session_of(1, 5))
        assert await shouts(zone, again.session) == ["muted"]
        await zone.gate(1).ask("center", Leave(again.session))
        later = await zone.online(1, session=session_of(1, 6))
        assert await shouts(zone, later.session) == ["muted"]

    tell(tmp_path, story)
