"""One account, two zones: whichever way it comes in, and however often at once, one of them has it."""

import asyncio
from pathlib import Path

import pytest

from mesh.client.player import Player
from mesh.errors import MeshError, RefusedError
from mesh.protocol.client import Goodbye
from mesh.protocol.records import BanAccount
from mesh.protocol.sessions import account_of, session_of
from mesh.protocol.zones import Claim
from mesh.testing import wait_until
from tests.zones.two import CENTERS, OTHER, SCENES, TwoZones, tell

LATENCY_S = (0.001, 0.004)
SEEDS = range(1, 9)


def test_every_zone_lets_its_own_players_in(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna, bob = await world.enter("anna", "one"), await world.enter("bob", "two")
        assert anna.session.entered.scene == world.node("scene.1").name
        assert bob.session.entered.scene == world.node("scene.2").name
        assert anna.session.gates == [world.url("gate.1")]
        assert bob.session.gates == [world.url("gate.2")]
        assert bob.session.entered.line == 2
        assert world.owners("anna") == [("one", anna.session.session)]
        assert world.owners("bob") == [("two", bob.session.session)]
        assert not anna.session.view
        anna.drop()
        await anna.resume()
        bob.drop()
        await bob.resume()

    tell(tmp_path, story)


def test_a_login_in_one_zone_ends_the_one_in_the_other(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        zone, before = "one", await world.enter("anna", "one")
        for _ in range(5):
            zone = OTHER[zone]
            now = await world.enter("anna", zone)
            assert (await before.wait(Goodbye)).code == "taken_over"
            assert world.owners("anna") == [(zone, now.session.session)]
            assert world.zones_of("anna") == [zone]
            with pytest.raises(MeshError):
                await before.resume()
            before = now

    tell(tmp_path, story)


def test_a_ban_ends_what_the_account_has_in_another_zone(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        await world.operator.ask("login.2", BanAccount("anna", -1, "cheating"))
        assert (await anna.wait(Goodbye)).code == "banned"
        await wait_until(lambda: world.zones_of("anna") == [])
        with pytest.raises(RefusedError, match="cheating"):
            await world.enter("anna", "one")

    tell(tmp_path, story)


def test_a_linkdead_character_is_ended_too(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        anna.drop()
        await asyncio.sleep(1)
        assert world.zones_of("anna") == ["one"]
        again = await world.enter("anna", "two")
        assert world.owners("anna") == [("two", again.session.session)]
        with pytest.raises(RefusedError, match="resume_gone"):
            await anna.resume()

    tell(tmp_path, story)


@pytest.mark.parametrize("seed", SEEDS)
def test_of_logins_in_both_zones_at_once_exactly_one_is_left(tmp_path: Path, seed: int) -> None:
    async def story(world: TwoZones) -> None:
        for _ in range(5):
            zones = ["one", "two"] * 3
            tries = [asyncio.create_task(_try(world, zone)) for zone in zones]
            while not all(one.done() for one in tries):
                assert len(_worlds(world)) <= 1
                await asyncio.sleep(0.0005)
            await asyncio.sleep(0.2)
            ((zone, session),) = world.owners("anna")
            assert world.zones_of("anna") == [zone]
            in_world = [one.result() for one in tries if isinstance(one.result(), Player) and one.result().playing]
            assert [player.session.session for player in in_world] == [session]
            newest = max(one.result().session.session for one in tries if isinstance(one.result(), Player))
            assert session == newest
            codes = {one.result() for one in tries if not isinstance(one.result(), Player)}
            assert codes <= {"taken_over"}

    tell(tmp_path, story, seed=seed, latency_s=LATENCY_S)


def _worlds(world: TwoZones) -> list[tuple[str, int]]:
    return world.owners("anna")


async def _try(world: TwoZones, zone: str) -> Player | str:
    try:
        return await world.enter("anna", zone)
    except RefusedError as error:
        return error.code
    except MeshError as error:
        return type(error).__name__


def test_a_scene_that_does_not_let_go_keeps_the_other_zone_waiting(tmp_path: Path) -> None:
    """Until it does, or is lost: two zones never show one account while their centers can talk."""

    async def story(world: TwoZones) -> None:
        await world.enter("anna", "one")
        scene = world.node("scene.1").name
        world.cluster.network.pause(scene)
        assert await _try(world, "two") == "unavailable"
        assert world.zones_of("anna") == ["one"]
        await asyncio.sleep(10)  # its center gives the scene up
        anna = await world.enter("anna", "two")
        assert world.zones_of("anna") == ["two"]
        world.cluster.network.pause(scene, False)
        await wait_until(world.node("scene.1").failed.is_set)  # it is told to end, and what looks after it starts it
        await world.cluster.kill("scene.1")
        await world.cluster.start("scene.1")
        await asyncio.sleep(10)
        assert world.owners("anna") == [("two", anna.session.session)]
        assert anna.playing

    tell(tmp_path, story)


def test_a_center_that_is_away_keeps_nobody_out_and_its_older_session_ends_when_they_meet(tmp_path: Path) -> None:
    """Meanwhile the DC stores nothing of the older one."""

    async def story(world: TwoZones) -> None:
        old = await world.enter("anna", "one")
        await world.cluster.kill("center.1")
        await wait_until(lambda: not world.is_linked())
        anna = await world.enter("anna", "two")
        assert world.owners("anna") == [("one", old.session.session), ("two", anna.session.session)]
        fenced = world.node("dc.1").states_fenced
        for step in range(5):
            old.move(old.session.x + 20 * step, old.session.y)
            await asyncio.sleep(1)
        assert world.node("dc.1").states_fenced > fenced
        await world.cluster.start("center.1")
        await wait_until(lambda: world.owners("anna") == [("two", anna.session.session)], timeout_s=20)
        assert (await old.wait(Goodbye)).code == "taken_over"
        assert world.zones_of("anna") == ["two"]
        assert anna.playing

    tell(tmp_path, story)


def test_when_the_newer_session_has_left_again_the_older_one_still_ends(tmp_path: Path) -> None:
    """Nothing that it does is stored: who plays on would lose it."""

    async def story(world: TwoZones) -> None:
        old = await world.enter("anna", "one")
        await world.cluster.kill("center.1")
        await wait_until(lambda: not world.is_linked())
        anna = await world.enter("anna", "two")
        await anna.logout()
        await world.cluster.start("center.1")
        await wait_until(lambda: not world.owners("anna"), timeout_s=60)
        assert not old.playing

    tell(tmp_path, story)


def test_a_claim_of_an_older_session_is_refused(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        anna = await world.enter("anna", "one")
        session = anna.session.session
        one, two = world.center("one"), world.center("two")
        with pytest.raises(RefusedError, match="taken_over"):
            await two.ask(one.name, Claim(session - 1))
        assert anna.playing
        await two.ask(one.name, Claim(session + 1))
        assert (await anna.wait(Goodbye)).code == "taken_over"
        with pytest.raises(RefusedError, match="taken_over"):
            await two.ask(one.name, Claim(session))
        stranger = account_of(session) + 1
        await two.ask(one.name, Claim(session_of(stranger, 5)))
        assert one.directory.is_over(session_of(stranger, 4))  # a login that is still on its way here comes too late
        assert not one.directory.is_over(session_of(stranger, 5))

    tell(tmp_path, story)


def test_a_place_in_the_queue_is_given_up_for_a_newer_login_elsewhere(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        await world.enter("bob", "one")
        waiting = asyncio.create_task(_try(world, "one"))
        await wait_until(lambda: len(world.center("one").queue) == 1)
        anna = await world.enter("anna", "two")
        assert await waiting == "taken_over"
        assert len(world.center("one").queue) == 0
        assert world.owners("anna") == [("two", anna.session.session)]

    tell(tmp_path, story, more="\n[settings.center]\ncapacity = 1\n")


def test_who_waits_in_one_zone_does_not_play_in_the_other(tmp_path: Path) -> None:
    """Its session there is void since the login here."""

    async def story(world: TwoZones) -> None:
        await world.enter("bob", "one")
        anna = await world.enter("anna", "two")
        waiting = asyncio.create_task(_try(world, "one"))
        await wait_until(lambda: len(world.center("one").queue) == 1)
        assert (await anna.wait(Goodbye)).code == "taken_over"
        assert world.owners("anna") == []
        waiting.cancel()

    tell(tmp_path, story, more="\n[settings.center]\ncapacity = 1\n")


@pytest.mark.parametrize("seed", SEEDS)
def test_logins_and_kills_leave_one_owner(tmp_path: Path, seed: int) -> None:
    """Logins in both zones while a center or a scene dies and comes back."""

    async def story(world: TwoZones) -> None:
        roll = world.cluster.random
        for _ in range(4):
            victim = roll.choice([*CENTERS.values(), *SCENES.values(), "dc.1"])
            tries = [asyncio.create_task(_try(world, zone)) for zone in ("one", "two", "one", "two")]
            await asyncio.sleep(roll.uniform(0.0, 0.05))
            await world.cluster.kill(victim)
            await asyncio.sleep(roll.uniform(0.2, 3.0))
            await world.cluster.start(victim)
            await asyncio.gather(*tries)
            await wait_until(world.is_linked)
            await asyncio.sleep(10)
            assert len(world.owners("anna")) <= 1
            assert len(world.zones_of("anna")) <= 1
            zone = roll.choice(["one", "two"])
            anna = await world.enter("anna", zone)
            assert world.owners("anna") == [(zone, anna.session.session)]
            assert anna.session.entered.you.gold == 100

    tell(tmp_path, story, seed=seed, latency_s=LATENCY_S)


def test_a_ban_reaches_a_zone_that_was_away(tmp_path: Path) -> None:
    async def story(world: TwoZones) -> None:
        await world.enter("bob", "two")
        other = world.node(CENTERS["two"]).name
        world.cluster.network.pause(other)
        await wait_until(lambda: not world.is_linked())
        await world.operator.ask("login.1", BanAccount("bob", -1, "bots"))
        world.cluster.network.pause(other, False)
        await wait_until(lambda: world.is_linked() and world.owners("bob") == [] and world.zones_of("bob") == [])

    tell(tmp_path, story)
