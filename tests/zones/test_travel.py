"""Travelling: one owner at any time, nothing lost on the way, whatever dies meanwhile."""

import asyncio
from contextlib import suppress
from pathlib import Path

import pytest

from mesh.client.player import Player
from mesh.errors import LocalProtocolError, MeshError, PeerLost, RefusedError
from mesh.protocol.catalogue import Message
from mesh.protocol.play import Loot, PlayDenied
from mesh.protocol.sessions import account_of
from mesh.protocol.social import FriendOffline, FriendOnline, SocialDenied, Travel
from mesh.testing import wait_until
from tests.world import walk_to
from tests.zones.test_talk import befriend
from tests.zones.two import CENTERS, GATES, OTHER, SCENES, TwoZones, tell

JOURNEYS = 50


async def refused(player: Player, zone: str) -> str:
    with pytest.raises(RefusedError) as found:
        await player.travel(zone)
    return found.value.code


def test_a_player_travels_fifty_times_and_keeps_all_it_has(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        gold = anna.session.entered.you.gold
        assert gold > 0
        zone, sessions = "one", {anna.session.session}
        for journey in range(JOURNEYS):
            step = 50 if journey % 2 else -50
            await walk_to(anna, anna.session.x + step, anna.session.y + step, steps_max=5)
            await asyncio.sleep(0.2)
            there = anna.session.x, anna.session.y
            zone = OTHER[zone]
            entered = await anna.travel(zone)
            assert world.owners("anna") == [(zone, anna.session.session)]
            assert world.zones_of("anna") == [zone]
            assert entered.scene == world.node(SCENES[zone]).name
            assert entered.you.gold == gold
            assert (entered.x, entered.y) == there
            sessions.add(anna.session.session)
        assert len(sessions) == JOURNEYS + 1
        money = await world.gold()
        assert money["wallets"] == money["minted"] - money["burned"] == gold
        assert world.center("one").border.claims.ended == 0  # who travels has left before

    tell(tmp_path, story, more="\n[settings.center]\ntravel_s = 0.0\n")


def test_a_player_may_ask_for_another_zone_once_in_a_while(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "one")
        world.cluster.network.pause(world.node(CENTERS["two"]).name)
        assert await refused(anna, "two") == "unavailable"
        world.cluster.network.pause(world.node(CENTERS["two"]).name, False)
        await wait_until(world.is_linked)
        assert await refused(anna, "two") == "too_many"
        await bob.travel("two")
        await asyncio.sleep(5)
        await anna.travel("two")

    tell(tmp_path, story)


def test_why_a_player_may_not_travel(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        assert await refused(anna, "one") == "not_allowed"
        assert await refused(anna, "nowhere") == "not_found"
        assert await refused(anna, "") == "not_found"
        await world.cluster.kill("center.2")
        await wait_until(lambda: not world.is_linked())
        assert await refused(anna, "two") == "unavailable"
        assert anna.playing
        anna.shout("still here")

    tell(tmp_path, story)


def test_a_full_zone_takes_no_travellers(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, _bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        assert await refused(anna, "two") == "zone_full"
        assert world.owners("anna") == [("one", anna.session.session)]
        assert anna.playing

    tell(tmp_path, story, more="\n[settings.center]\ncapacity = 1\n")


def test_a_traveller_has_a_place_although_others_wait(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        bob = await world.enter("bob", "two")
        waiting: list[asyncio.Task[Player]] = []
        world.center("two").arrivals.expect(anna.session.entered.you.entity + 10**6)  # somebody else is expected
        assert await refused(anna, "two") == "zone_full"
        await asyncio.sleep(40)
        travel = asyncio.create_task(anna.travel("two"))
        waiting.append(asyncio.create_task(world.enter("cleo", "two", timeout_s=60)))
        await travel
        assert world.owners("anna") == [("two", anna.session.session)]
        await asyncio.sleep(2)
        assert not waiting[0].done()
        await bob.logout()
        await waiting[0]

    tell(tmp_path, story, more="\n[settings.center]\ncapacity = 2\n")


def test_a_zone_without_a_gate_takes_no_travellers(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        await world.cluster.kill("gate.2")
        await asyncio.sleep(5)
        assert await refused(anna, "two") == "unavailable"
        assert anna.playing

    tell(tmp_path, story)


def test_who_asks_twice_travels_once(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        for _ in range(3):
            anna.social(Travel("two"))
        for _ in range(2):
            assert (await anna.wait(SocialDenied)).code == "out_of_order"
        await wait_until(lambda: world.owners("anna") == [("two", anna.session.session)] and anna.playing)
        assert world.center("one").border.zones.zone_of(account_of(anna.session.session)) == "two"
        await asyncio.sleep(2)
        assert world.owners("anna") == [("two", anna.session.session)]

    tell(tmp_path, story)


def test_friends_hear_of_a_journey(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        await befriend(anna, bob)
        cleo = await world.enter("cleo", "one")
        await befriend(anna, cleo)
        await anna.travel("two")
        assert await cleo.wait(FriendOnline, where=lambda said: bool(said.zone)) == FriendOnline("anna", "two")
        assert await bob.wait(FriendOnline, where=lambda said: not said.zone) == FriendOnline("anna", "")
        await anna.logout()
        for player in (bob, cleo):
            assert await player.wait(FriendOffline) == FriendOffline("anna")
            await asyncio.sleep(1)

    tell(tmp_path, story)


def test_a_traveller_whose_connection_breaks_is_saved_and_logs_in_where_it_likes(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        gold = anna.session.entered.you.gold
        anna.social(Travel("two"))
        await asyncio.sleep(0.004)
        anna.drop()
        await asyncio.sleep(3)
        assert len(world.owners("anna")) <= 1
        anna = await world.enter("anna", "one")
        assert world.owners("anna") == [("one", anna.session.session)]
        assert anna.session.entered.you.gold == gold

    tell(tmp_path, story, latency_s=(0.001, 0.003))


def test_without_the_dc_nobody_leaves(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        await world.cluster.kill("dc.1")
        anna.social(Travel("two"))
        assert (await anna.wait(SocialDenied, 20)).code == "unavailable"
        assert world.owners("anna") == [("one", anna.session.session)]
        assert anna.playing
        await world.cluster.start("dc.1")
        await asyncio.sleep(5)
        await anna.travel("two")
        assert world.owners("anna") == [("two", anna.session.session)]

    tell(tmp_path, story)


VICTIMS = ("center.1", "center.2", "gate.1", "gate.2", "login.1", "login.2", "scene.1", "scene.2", "dc.1")
STEPS_S = (0.002, 0.006, 0.012, 0.020, 0.035)


@pytest.mark.parametrize("victim", VICTIMS)
def test_whoever_dies_on_the_way_there_is_one_owner(tmp_path: Path, victim: str) -> None:
    """At five moments of the journey. Afterwards the player can be found in one zone, or log in, with all it had."""

    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        gold, zone = anna.session.entered.you.gold, "one"
        for after_s in STEPS_S:
            journey = asyncio.create_task(_try(anna, OTHER[zone]))
            await asyncio.sleep(after_s)
            await world.cluster.kill(victim)
            await asyncio.sleep(0.5)
            assert len(world.owners("anna")) <= 1
            await world.cluster.start(victim)
            await journey
            await wait_until(world.is_linked)
            await asyncio.sleep(8)
            assert len(world.owners("anna")) <= 1
            assert len(world.zones_of("anna")) <= 1
            if not anna.playing:
                anna = await world.enter("anna", OTHER[zone])
            assert anna.session.entered.you.gold == gold
            zone = world.zones_of("anna")[0]
            assert world.owners("anna") == [(zone, anna.session.session)]

    tell(tmp_path, story, latency_s=(0.001, 0.003))


async def _try(player: Player, zone: str) -> None:
    try:
        await player.travel(zone, timeout_s=12)
    except (MeshError, PeerLost):
        player.drop()


def test_a_center_that_does_not_answer_keeps_nobody_from_staying(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        world.cluster.network.pause(world.node(CENTERS["two"]).name)
        assert await refused(anna, "two") == "unavailable"
        assert anna.playing
        world.cluster.network.pause(world.node(CENTERS["two"]).name, False)
        await wait_until(world.is_linked)
        await asyncio.sleep(5)
        await anna.travel("two")
        assert anna.url == world.url(GATES["two"])

    tell(tmp_path, story)


def test_what_was_said_on_the_way_out_is_answered_or_told_as_unknown(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        denied: set[int] = set()
        said: set[int] = set()

        def hear(one: Message) -> None:
            if isinstance(one, PlayDenied):
                denied.add(one.sequence)

        anna = await world.enter("anna", "one", on_event=hear)
        before = anna.session.session
        anna.social(Travel("two"))
        while anna.session.session == before:
            with suppress(LocalProtocolError):
                said.add(anna.play(Loot(7)))
            await asyncio.sleep(0.002)
        await wait_until(lambda: anna.playing)
        await asyncio.sleep(1.0)
        assert said
        assert said <= denied

    tell(tmp_path, story, latency_s=(0.001, 0.003))
