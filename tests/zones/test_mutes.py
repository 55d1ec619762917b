"""Who may not speak may not in any zone, wherever it was said, and an operator finds a player in whichever it is."""

import asyncio
from pathlib import Path

import pytest

from mesh.client.player import Player
from mesh.errors import RefusedError
from mesh.protocol.control import Done
from mesh.protocol.placement import FindPlayers, PlayersFound, TellPlayer
from mesh.protocol.play import PlayDenied
from mesh.protocol.records import MuteAccount
from mesh.protocol.social import Shouted, SocialDenied, Spoken
from mesh.testing import wait_until
from tests.zones.two import CENTERS, TwoZones, tell


async def mute(world: TwoZones, name: str, until_s: int = -1, login: str = "login.1") -> None:
    await world.operator.ask(login, MuteAccount(name, until_s), 10.0)


async def is_silent(player: Player) -> None:
    said = player.say("x")
    assert (await player.wait(PlayDenied, where=lambda one: one.sequence == said)).code == "muted"
    player.speak("world", "x")
    assert (await player.wait(SocialDenied)).code == "muted"


def test_it_is_said_in_one_zone_and_holds_in_the_other(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        await mute(world, "bob", login="login.1")
        await mute(world, "anna", login="login.2")
        await asyncio.sleep(0.1)
        await is_silent(anna)
        await is_silent(bob)
        await mute(world, "bob", 0)
        await asyncio.sleep(0.1)
        bob.speak("world", "hello")
        assert await anna.wait(Spoken) == Spoken("world", "bob", "hello")

    tell(tmp_path, story)


def test_it_travels(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        await mute(world, "anna")
        await anna.travel("two")
        await is_silent(anna)
        await mute(world, "anna", 0)
        await asyncio.sleep(0.1)
        anna.speak("world", "hello")
        await anna.wait(Spoken)

    tell(tmp_path, story)


def test_at_any_moment_of_a_journey(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, zone = await world.enter("anna", "one"), "one"
        for step in range(20):
            zone = {"one": "two", "two": "one"}[zone]
            travelling = asyncio.create_task(anna.travel(zone))
            await asyncio.sleep(step * 0.003)
            await mute(world, "anna", 0 if step % 2 else -1)
            await travelling
            await asyncio.sleep(0.1)
            if step % 2:
                anna.speak("line", "hello")
                await anna.wait(Spoken)
            else:
                await is_silent(anna)

    tell(tmp_path, story, more="\n[settings.center]\ntravel_s = 0.0\n", latency_s=(0.001, 0.004))


def test_a_center_that_was_away_hears_of_it_when_it_is_back(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        bob = await world.enter("bob", "two")
        await world.cluster.kill("center.2")
        await wait_until(lambda: not world.is_linked())
        await mute(world, "bob")
        said = bob.say("x")  # its scene has not heard of it, and nobody can tell it
        await asyncio.sleep(0.2)
        assert not [one for one in bob._events if isinstance(one, PlayDenied) and one.sequence == said]
        await world.cluster.start("center.2")
        await wait_until(lambda: world.is_linked() and world.presence(bob, "two") is not None)
        await asyncio.sleep(3.0)
        await is_silent(bob)

    tell(tmp_path, story)


def test_players_are_found_and_spoken_to_in_their_zone(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        await world.enter("anna", "one")
        bob = await world.enter("bob", "two")
        found = {}
        for zone, center in CENTERS.items():
            answer = await world.operator.ask(center, FindPlayers(""))
            assert isinstance(answer, PlayersFound)
            found[zone] = [one.name for one in answer.players]
        assert found == {"one": ["anna"], "two": ["bob"]}
        word = TellPlayer("bob", "the crew", "hello")
        with pytest.raises(RefusedError, match="not_found"):
            await world.operator.ask("center.1", word)
        assert await world.operator.ask("center.2", word) == Done()
        assert (await bob.wait(Shouted)).alone

    tell(tmp_path, story)
