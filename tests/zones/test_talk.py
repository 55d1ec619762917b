"""What reaches over the border: friends, whispers, channels. And what does not."""

import asyncio
from pathlib import Path

import pytest

from mesh.client.player import Player
from mesh.errors import DeadlineExceeded
from mesh.protocol.social import (
    Block,
    Friend,
    FriendAsked,
    FriendOffline,
    FriendOnline,
    Friends,
    ListZones,
    Shouted,
    SocialDenied,
    Speak,
    Spoken,
    Whispered,
    Zone,
    Zones,
)
from mesh.testing import wait_until
from nodes.center.neighbours import FORGET_S
from tests.zones.two import TwoZones, tell

HEARD_S = 2.0  # virtual


async def befriend(one: Player, other: Player) -> None:
    """Over the border or not."""
    one.add_friend(other.session.character)
    asked = await other.wait(FriendAsked)
    other.accept_friend(asked.name)
    for player in (one, other):
        await player.wait(Friends, where=lambda said: any(f.state == "friend" for f in said.friends))


async def shows(player: Player, friend: Friend) -> None:
    """Its list of friends has this row, now or in a moment."""
    for _ in range(20):
        player.list_friends()
        if friend in (await player.wait(Friends)).friends:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{friend} is not on the list")


async def hears_nothing(player: Player, *kinds: type) -> None:
    await asyncio.sleep(HEARD_S)
    for kind in kinds:
        with pytest.raises(DeadlineExceeded):
            await player.wait(kind, 0.01)


def test_who_asks_over_the_border_is_heard_and_may_be_accepted(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        anna.add_friend("bob")
        assert (await bob.wait(FriendAsked)).name == "anna"
        bob.accept_friend("anna")
        await shows(anna, Friend("bob", "friend", True, "two"))
        await shows(bob, Friend("anna", "friend", True, "one"))
        anna.remove_friend("bob")
        await bob.wait(Friends, where=lambda said: said.friends == [])

    tell(tmp_path, story)


def test_friends_in_another_zone_see_each_other_come_and_go(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        await befriend(anna, bob)
        await bob.logout()
        assert await anna.wait(FriendOffline) == FriendOffline("bob")
        await shows(anna, Friend("bob", "friend", False))
        bob = await world.enter("bob", "two")
        assert await anna.wait(FriendOnline) == FriendOnline("bob", "two")
        await bob.logout()
        await anna.wait(FriendOffline)
        bob = await world.enter("bob", "one")
        assert await anna.wait(FriendOnline) == FriendOnline("bob", "")
        await shows(anna, Friend("bob", "friend", True, ""))

    tell(tmp_path, story)


def test_a_friend_who_asked_only_is_not_shown(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        anna.add_friend("bob")
        await bob.wait(FriendAsked)
        await shows(anna, Friend("bob", "asking", False))
        await shows(bob, Friend("anna", "asked", False))
        await bob.logout()
        await hears_nothing(anna, FriendOffline)

    tell(tmp_path, story)


def test_whispers_reach_friends_in_another_zone(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        await befriend(anna, bob)
        anna.whisper("bob", "over there?")
        assert await bob.wait(Whispered) == Whispered("anna", "over there?")
        bob.whisper("anna", "here")
        assert await anna.wait(Whispered) == Whispered("bob", "here")
        await bob.logout()
        await anna.wait(FriendOffline)
        anna.whisper("bob", "still?")
        assert (await anna.wait(SocialDenied)).code == "not_found"
        await world.cluster.kill("center.2")
        await asyncio.sleep(0.1)

    tell(tmp_path, story)


def test_a_whisper_into_a_zone_that_cannot_be_reached_is_refused(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        await befriend(anna, bob)
        await world.cluster.kill("center.2")
        await wait_until(lambda: not world.is_linked())
        anna.whisper("bob", "are you there?")
        assert (await anna.wait(SocialDenied)).code == "not_found"
        await world.cluster.start("center.2")
        await wait_until(world.is_linked)
        await asyncio.sleep(5)
        anna.whisper("bob", "and now?")
        assert await bob.wait(Whispered) == Whispered("anna", "and now?")

    tell(tmp_path, story)


def test_the_friend_channel_reaches_friends_everywhere(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob, cleo = [await world.enter(*who) for who in (("anna", "one"), ("bob", "two"), ("cleo", "one"))]
        dora = await world.enter("dora", "two")
        await befriend(anna, bob)
        await befriend(anna, cleo)
        anna.social(Speak("friend", "hello friends"))
        for player in (anna, bob, cleo):
            assert await player.wait(Spoken) == Spoken("friend", "anna", "hello friends")
        await hears_nothing(dora, Spoken)

    tell(tmp_path, story)


def test_the_world_channel_reaches_all_zones_and_a_shout_only_its_own(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        anna.social(Speak("world", "hello world"))
        for player in (anna, bob):
            assert await player.wait(Spoken) == Spoken("world", "anna", "hello world")
        bob.shout("hello zone")
        assert (await bob.wait(Shouted)).text == "hello zone"
        anna.social(Speak("map", "hello map"))
        await anna.wait(Spoken)
        await hears_nothing(anna, Shouted)
        await hears_nothing(bob, Spoken)

    tell(tmp_path, story)


def test_who_blocks_the_speaker_hears_nothing_from_another_zone_either(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob, cleo = [await world.enter(*who) for who in (("anna", "one"), ("bob", "two"), ("cleo", "two"))]
        bob.social(Block("anna"))
        await asyncio.sleep(0.5)
        anna.social(Speak("world", "can you hear me?"))
        await cleo.wait(Spoken)
        await hears_nothing(bob, Spoken)
        anna.add_friend("bob")
        await hears_nothing(bob, FriendAsked)

    tell(tmp_path, story)


def test_a_block_ends_a_friendship_over_the_border(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        await befriend(anna, bob)
        bob.social(Block("anna"))
        await anna.wait(Friends, where=lambda said: said.friends == [])
        anna.whisper("bob", "why?")
        assert (await anna.wait(SocialDenied)).code == "not_allowed"

    tell(tmp_path, story)


def test_which_zones_there_are_and_how_full(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        await world.enter("bob", "two")
        await world.enter("cleo", "two")
        await asyncio.sleep(1.5)
        anna.social(ListZones())
        said = await anna.wait(Zones)
        assert said.yours == "one"
        assert said.zones == [Zone("one", 1, 50, True), Zone("two", 2, 50, True)]
        await world.cluster.kill("center.2")
        await wait_until(lambda: not world.is_linked())
        anna.social(ListZones())
        assert (await anna.wait(Zones)).zones[1].open is False

    tell(tmp_path, story, more="\n[settings.center]\ncapacity = 50\n")


def test_a_full_zone_is_not_open(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        await world.enter("bob", "two")
        await asyncio.sleep(1.5)
        anna.social(ListZones())
        assert (await anna.wait(Zones)).zones == [Zone("one", 1, 1, False), Zone("two", 1, 1, False)]

    tell(tmp_path, story, more="\n[settings.center]\ncapacity = 1\n")


def test_friends_stay_on_the_list_while_the_other_center_starts_anew(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        await befriend(anna, bob)
        await world.cluster.kill("center.2")
        await asyncio.sleep(1)
        await shows(anna, Friend("bob", "friend", True, "two"))
        await world.cluster.start("center.2")
        await wait_until(world.is_linked)
        await asyncio.sleep(5)
        await hears_nothing(anna, FriendOffline, FriendOnline)
        await shows(anna, Friend("bob", "friend", True, "two"))
        assert bob.playing

    tell(tmp_path, story)


def test_who_left_while_nobody_could_say_so_is_noticed_afterwards(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        await befriend(anna, bob)
        await world.cluster.kill("center.1")
        await asyncio.sleep(1)
        await bob.logout()
        await world.cluster.start("center.1")
        await wait_until(world.is_linked)
        await asyncio.sleep(5)
        await shows(anna, Friend("bob", "friend", False))
        cleo = await world.enter("cleo", "two")
        await befriend(anna, cleo)

    tell(tmp_path, story)


def test_a_zone_that_stays_away_has_nobody(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        await befriend(anna, bob)
        await world.cluster.kill("center.2")
        assert await anna.wait(FriendOffline, FORGET_S + 10) == FriendOffline("bob")
        await shows(anna, Friend("bob", "friend", False))
        await world.cluster.start("center.2")
        assert await anna.wait(FriendOnline) == FriendOnline("bob", "two")
        assert bob.playing

    tell(tmp_path, story)
