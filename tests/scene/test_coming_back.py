"""Who arrives from another line, and who comes back: with what it carries, and what becomes of its keepsake."""

import asyncio
from typing import Any

import msgspec
import pytest

from mesh.errors import RefusedError
from mesh.protocol import play
from mesh.protocol.cluster import Enter, HostedList, ListHosted, Release
from mesh.protocol.placement import CloseLine, Depart, Departed, OpenLine
from mesh.protocol.sessions import Carried, PartyAt, Spot, account_of, session_of
from mesh.testing import wait_until
from nodes.scene.keepsakes import Keepsake, Keepsakes
from tests.scene.building import status_of
from tests.scene.zone import NEXT, SCENE, Zone

ONE = session_of(1, 1)
NOTHING = Carried(0, 0, 0, 0)


def test_it_is_put_at_the_spot_and_else_where_it_was(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        for account, spot, place in (
            (1, Spot(20.0, 30.0), (1000, 1500)),
            (2, Spot(-5.0, 1e9), (0, 5000)),  # to the nearest edge
            (3, None, (2000, 500)),
        ):
            said = Enter(session_of(account, 1), zone.status(account, 40.0, 10.0, map="cave"), 7, NOTHING, spot)
            await zone.hosted(SCENE, said)
            session = zone.session(account)
            world = zone.scene.lines.of(session).world
            assert (int(world.x[session.slot]), int(world.y[session.slot])) == place
        said = Enter(session_of(4, 1), zone.status(4), 0, NOTHING, Spot(float("nan"), 1.0))
        await zone.hosted(SCENE, said)

    in_zone(story)


def test_it_may_go_to_another_map_than_its_status_says(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        for account, spot in ((1, Spot(20.0, 30.0)), (2, None)):
            said = Enter(session_of(account, 1), zone.status(account, 40.0, 10.0), 0, NOTHING, spot, map="cave")
            assert (await zone.hosted(SCENE, said)).map == "cave"
        world = zone.line(1).world
        places = [(int(world.x[one.slot]), int(world.y[one.slot])) for one in map(zone.session, (1, 2))]
        assert places[0] == (1000, 1500)
        assert places[1] != (2000, 500)  # a spawn point: it was never there
        unknown = Enter(session_of(3, 1), zone.status(3), 0, NOTHING, Spot(20.0, 30.0), map="torn-down")
        assert (await zone.hosted(SCENE, unknown)).map == "meadow"
        world, session = zone.line(3).world, zone.session(3)
        assert int(world.x[session.slot]) == 2500  # the spot was one of another map
        with pytest.raises(RefusedError, match="not_found"):
            await zone.hosted(SCENE, Enter(session_of(4, 1), zone.status(4), map="tower"))

    in_zone(story)


def test_to_enter_again_is_the_same_as_once(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1, line=1)
        zone.gate.play(SCENE, handle, 1, play.Attack(handle))
        await wait_until(lambda: client.sequences)
        said = Enter(ONE, zone.status(1, 10.0), 2, Carried(9, 9, 9, 9), Spot(1.0, 1.0))
        assert (await zone.hosted(SCENE, said)).line == 1
        assert (zone.session(1).handle, zone.session(1).processed, zone.session(1).sent) == (handle, 1, 1)

    in_zone(story)


def test_a_line_switch_on_one_scene_uses_up_the_keepsake(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        old, client = await zone.join(1, line=1)
        zone.gate.play(SCENE, old, 1, play.Attack(old))
        await wait_until(lambda: client.sequences == [1])
        hosted = await zone.arrive(await zone.depart(1, "line"), SCENE, line=2)
        assert (hosted.line, len(zone.scene.keepsakes), len(zone.scene.sessions)) == (2, 0, 1)
        new, again = await zone.attach(1, resumed=True)
        assert new != old
        await wait_until(lambda: again.sequences == [1])
        zone.gate.play(SCENE, old, 2, play.Say("from the past"))
        zone.gate.play(SCENE, new, 1, play.Say("twice"))
        zone.gate.play(SCENE, new, 2, play.Say("here"))
        await asyncio.sleep(0.3)
        assert [said.text for said in again.of(play.Said)] == ["here"]

    in_zone(story)


def test_what_arrived_nowhere_is_put_back(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1, line=2, x=61.0)
        for sequence in (1, 2):
            zone.gate.play(SCENE, handle, sequence, play.Attack(handle))
        await wait_until(lambda: client.sequences == [1, 2])
        operation = zone.session(1).operation
        await zone.depart(1)
        for _ in range(2):
            back = await zone.take_back(1)
            assert (back.map, back.line) == ("meadow", 2)
        assert (len(zone.scene.keepsakes), zone.session(1).operation) == (0, operation)
        _, again = await zone.attach(1, resumed=True)
        assert (again.last(play.Entered).processed, again.last(play.Entered).x) == (2, 3050)
        await wait_until(lambda: again.sequences == [1, 2])
        with pytest.raises(RefusedError, match="not_found"):
            await zone.take_back(2)

    in_zone(story)


def test_its_way_back_is_not_taken_by_others(in_zone: Any) -> None:
    """The line is full meanwhile: it may go back there, and to no other full line."""

    async def story(zone: Zone) -> None:
        for account in range(1, 6):
            await zone.enter(account, line=1)
        for account in range(11, 16):
            await zone.enter(account, line=2)
        departed = await zone.depart(1)
        await zone.enter(6, line=1)
        with pytest.raises(RefusedError, match="zone_full"):
            await zone.enter(7, line=1)
        with pytest.raises(RefusedError, match="zone_full"):
            await zone.arrive(departed, SCENE, line=2)
        assert len(zone.scene.keepsakes) == 1
        assert (await zone.arrive(departed, SCENE)).line == 1
        await zone.depart(1)
        assert (await zone.take_back(1)).line == 1
        assert len(zone.line(1).players) == 6

    in_zone(story)


def test_back_to_a_line_that_was_closed(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.center.ask(SCENE, OpenLine("cave", 8))
        for account, line in ((1, 7), (2, 8)):
            await zone.join(account, line=line, map="cave", x=30.0)
            await zone.depart(account)
        await zone.center.ask(SCENE, CloseLine("cave", 8))
        assert await zone.take_back(2) == await zone.take_back(2)
        assert zone.line(2).number == 7  # another line of the map, where there is one
        await zone.center.ask(SCENE, Release(session_of(2, 1)))
        await zone.center.ask(SCENE, CloseLine("cave", 7))
        back = await zone.take_back(1)
        assert (back.map, back.line) == ("cave", 7)
        assert int(zone.line(1).world.x[zone.session(1).slot]) == 1500

    in_zone(story)


def test_a_session_that_enters_without_what_it_carried_has_it_from_its_keepsake(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1, x=61.0)
        zone.gate.play(SCENE, handle, 1, play.Attack(handle))
        await wait_until(lambda: client.sequences == [1])
        await zone.depart(1)
        await zone.enter(1, x=10.0, gold=99)
        session = zone.session(1)
        assert (session.processed, session.sent, session.gold) == (1, 1, 0)
        assert int(zone.line(1).world.x[session.slot]) == 3050

    in_zone(story)


def test_what_a_session_brings_is_newer_than_its_keepsake(in_zone: Any) -> None:
    """The center died before it had the keepsake released, and the player went on."""

    async def story(zone: Zone) -> None:
        await zone.join(1)
        await zone.arrive(await zone.depart(1))
        there, client = await zone.attach(1, scene=NEXT, resumed=True)
        zone.gate.play(NEXT, there, 1, play.Attack(there))
        await wait_until(lambda: client.sequences == [1])
        departed = await zone.center.ask(NEXT, Depart(ONE, "portal"))
        assert isinstance(departed, Departed)
        await zone.arrive(departed, SCENE)
        assert (zone.session(1).processed, zone.session(1).sent) == (1, 1)

    in_zone(story)


def test_what_the_dc_knows_is_newer_than_a_keepsake(in_zone: Any) -> None:
    """It was on another scene meanwhile, and that died; the end of the keepsake was lost on the way."""

    async def story(zone: Zone) -> None:
        await zone.join(1)
        carried = (await zone.depart(1)).carried
        assert carried is not None
        status = zone.status(1, gold=500, level=7)
        await zone.hosted(SCENE, Enter(ONE, status, map="meadow", operation=carried.operation + 5))
        session = zone.session(1)
        assert session.operation == carried.operation + 5, "numbers are never used again"
        assert (session.gold, session.anew) == (500, True)
        assert zone.scene.residents.keepsakes.find(ONE) is None

    in_zone(story)


def test_a_newer_session_ends_the_keepsake_of_an_older_one(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1, x=61.0)
        departed = await zone.depart(1)
        await zone.enter(1, epoch=2, x=10.0, gold=5)
        assert len(zone.scene.keepsakes) == 0
        session = zone.session(1, epoch=2)
        assert (session.gold, session.processed) == (5, 0)  # what the DC says, which was saved before it departed
        for late in (zone.arrive(departed, SCENE), zone.take_back(1)):
            with pytest.raises(RefusedError, match=r"stale_epoch|not_found"):
                await late
        await zone.depart(1, epoch=2)
        with pytest.raises(RefusedError, match="stale_epoch"):
            await zone.arrive(departed, SCENE)
        assert len(zone.scene.keepsakes) == 1

    in_zone(story)


def test_a_newer_session_stays_on_the_line_of_the_older_one(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        for account in range(1, 6):
            await zone.enter(account, line=2)
        assert await zone.enter(3, epoch=2) == ("meadow", 2)  # full, and it makes room itself
        assert await zone.enter(3, epoch=3, line=1) == ("meadow", 1)

    in_zone(story)


def test_a_session_that_departs_is_not_entered_beside(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        await asyncio.sleep(1.5)
        zone.bank.delay_s = 0.5
        releasing = asyncio.create_task(zone.center.ask(SCENE, Release(ONE)))
        await asyncio.sleep(0.2)
        for said in (Enter(ONE, zone.status(1)), Enter(ONE, zone.status(1), carried=NOTHING)):
            with pytest.raises(RefusedError, match="unavailable"):
                await zone.hosted(SCENE, said)
        await releasing

    in_zone(story)


def test_what_a_client_missed_before_a_transfer_is_counted_when_it_says_so(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        departed = Departed(zone.status(1), Carried(5, 40, 30, 7, [(sequence, 10, b"x" * 8) for sequence in (39, 40)]))
        await zone.arrive(departed)
        for received, incomplete in ((0, 0), (35, 0), (20, 1)):
            await zone.gate.attach(NEXT, ONE, resumed=True, received=received)
            assert zone.next.residents.incomplete == incomplete

    in_zone(story)


def test_its_party_comes_along(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        party = PartyAt(77, 1, True, [1, 2])
        await zone.hosted(SCENE, Enter(ONE, zone.status(1), party=party))
        await zone.hosted(SCENE, Enter(session_of(2, 1), zone.status(2), party=PartyAt(0, 0, False, [])))
        assert (zone.session(1).party, zone.session(2).party) == (party, None)
        await zone.depart(1)
        listed = await zone.center.ask(SCENE, ListHosted())
        assert isinstance(listed, HostedList)
        assert {account_of(at.session): at.party for at in listed.hosted} == {1: party, 2: None}
        await zone.take_back(1)
        assert zone.session(1).party == party
        assert [one.account for one in zone.scene.parties.here(zone.session(1))] == [1]

    in_zone(story)


def kept(account: int, epoch: int = 1) -> Keepsake:
    return Keepsake(session_of(account, epoch), Departed(status_of(account, 1, 1), NOTHING), 1, None)


def test_keepsakes_are_one_per_account_and_bounded() -> None:
    keepsakes = Keepsakes(keepsakes_max=3)
    for account in (1, 2, 3):
        keepsakes.keep(kept(account))
    keepsakes.keep(kept(1, epoch=2))  # the account's newest, and the newest of all
    assert keepsakes.find(session_of(1, 1)) is None
    keepsakes.keep(kept(4))
    assert [one.account for one in keepsakes] == [3, 1, 4]
    assert keepsakes.overflown == 1
    keepsakes.drop(3)
    keepsakes.drop(3)
    assert (len(keepsakes), keepsakes.of_account(3)) == (2, None)
    assert msgspec.structs.asdict(keepsakes.find(session_of(1, 2)).departed)["carried"] is NOTHING  # type: ignore[union-attr]
