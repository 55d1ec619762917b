"""Who may not speak, on a scene: words are refused, everything else goes on, and it goes along with the character."""

import asyncio
from typing import Any

import pytest

from mesh.mutes import NOT_MUTED
from mesh.protocol import play
from mesh.protocol.cluster import HostedList, ListHosted
from mesh.protocol.placement import MuteChanged
from mesh.protocol.sessions import Mute, session_of
from mesh.testing import run, wait_until
from nodes.scene.muting import GESTURE_MAX, is_gesture
from tests.scene.test_trade import Market, agree
from tests.scene.zone import NEXT, SCENE, Zone

FOR_EVER = Mute(1, -1, "spam")


def in_market(story: Any, players: int = 2) -> None:
    async def go() -> None:
        market = Market(players)
        await story(market)
        await market.settle()

    run(go())


def codes(market: Market, who: int) -> list[str]:
    return [said.code for said in market.client(who).of(play.PlayDenied)]


def test_what_is_said_is_refused_and_costs_nothing() -> None:
    async def story(market: Market) -> None:
        me = market.players[0]
        me.mute = FOR_EVER
        for _ in range(20):  # more than the burst
            market.say(0, play.Say("hello"))
        assert codes(market, 0) == ["muted"] * 20
        assert market.client(0).last(play.PlayDenied).text == "you may not speak any more: spam"
        market.stage.tick()
        assert market.client(1).of(play.Said) == []
        me.mute = Mute(2)
        market.say(0, play.Say("hello"))
        market.stage.tick()
        assert [said.text for said in market.client(1).of(play.Said)] == ["hello"]

    in_market(story)


def test_it_ends_by_itself_by_the_wall_clock() -> None:
    async def story(market: Market) -> None:
        market.players[0].mute = Mute(1, int(market.wall) + 60)
        market.wall += 59
        market.say(0, play.Say("hello"))
        assert codes(market, 0) == ["muted"]
        market.wall += 1
        market.say(0, play.Say("hello"))
        assert codes(market, 0) == ["muted"]
        assert market.client(0).last(play.Said).text == "hello"

    in_market(story)


def test_gestures_are_no_words_and_words_are_no_gesture() -> None:
    async def story(market: Market) -> None:
        market.players[0].mute = FOR_EVER
        market.say(0, play.Emote("wave"))
        assert codes(market, 0) == []
        market.say(0, play.Emote("sells cheap gold"))
        assert codes(market, 0) == ["muted"]
        market.stage.tick()
        assert [said.kind for said in market.client(1).of(play.Emoted)] == ["wave"]

    in_market(story)


@pytest.mark.parametrize("kind", ["wave", "bow_low", "dance-2", "Verbeugung", ""])
def test_a_gesture_is_one_short_word(kind: str) -> None:
    assert is_gesture(kind)


@pytest.mark.parametrize("kind", ["hello you", "example.com", "a" * (GESTURE_MAX + 1), "wave!", "a\tb"])
def test_what_can_be_read_is_no_gesture(kind: str) -> None:
    assert not is_gesture(kind)


def test_fights_and_trades_go_on() -> None:
    async def story(market: Market) -> None:
        for player in market.players:
            player.mute = FOR_EVER
        market.say(0, play.Attack(market.players[1].handle))
        market.stage.tick()
        assert len(market.client(1).of(play.Hit)) == 1
        await agree(market)
        await market.settle()
        assert len(market.client(0).of(play.TradeDone)) == 1
        market.check()
        assert codes(market, 0) == codes(market, 1) == []

    in_market(story)


# --- between nodes ---


async def mute(zone: Zone, said: Mute, scene: str = SCENE) -> None:
    zone.center.tell(scene, MuteChanged(session_of(1, 1), said))
    await asyncio.sleep(0.05)


def test_the_center_says_so_and_the_greatest_number_holds(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1)
        await mute(zone, Mute(2, -1))
        await mute(zone, Mute(1))  # said first, and late
        assert zone.session(1).mute == Mute(2, -1)
        zone.gate.play(SCENE, handle, 1, play.Say("hello"))
        await wait_until(lambda: client.of(play.PlayDenied))
        assert client.last(play.PlayDenied) == play.PlayDenied(1, "muted", "you may not speak any more")
        zone.gate.move(SCENE, handle, 2510, 2500)
        await asyncio.sleep(0.3)
        session = zone.session(1)
        assert int(zone.line(1).world.x[session.slot]) == 2510, "it plays on"
        await mute(zone, Mute(3))
        zone.gate.play(SCENE, handle, 2, play.Say("hello"))
        await wait_until(lambda: client.of(play.Said))
        zone.center.tell(SCENE, MuteChanged(session_of(99, 1), Mute(1, -1)))
        await asyncio.sleep(0.1)

    in_zone(story)


def test_it_comes_with_the_status_and_goes_along_to_the_next_scene(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1, mute=FOR_EVER)
        await zone.enter(2)
        said = await zone.center.ask(SCENE, ListHosted())
        assert isinstance(said, HostedList)
        assert [at.status.mute for at in said.hosted] == [FOR_EVER, NOT_MUTED]
        await mute(zone, Mute(2, -1, "more spam"))
        departed = await zone.depart(1)
        assert departed.status.mute == Mute(2, -1, "more spam")
        await zone.arrive(departed)
        assert zone.session(1, scene=zone.next).mute == Mute(2, -1, "more spam")
        await mute(zone, Mute(3), NEXT)
        assert zone.session(1, scene=zone.next).mute == Mute(3)

    in_zone(story)


def test_what_is_put_back_is_as_it_left_and_hears_of_it_again(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        await zone.depart(1)
        await mute(zone, FOR_EVER)  # nobody is here
        await zone.take_back(1)
        assert zone.session(1).mute == NOT_MUTED
        await mute(zone, FOR_EVER)
        assert zone.session(1).mute == FOR_EVER

    in_zone(story)


def test_a_newer_session_knows_what_the_older_one_was_told(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1, mute=FOR_EVER)
        await mute(zone, Mute(2, -1))
        await zone.enter(1, epoch=2, mute=FOR_EVER)
        assert zone.session(1, epoch=2).mute == Mute(2, -1)
        await zone.enter(1, epoch=3, mute=Mute(3))
        assert zone.session(1, epoch=3).mute == Mute(3)

    in_zone(story)
