"""A session whose scene was lost goes on here from what the DC knows; and a scene that was given up ends itself."""

import asyncio
from typing import Any

from mesh.errors import ReplacedError
from mesh.protocol import play
from mesh.protocol.catalogue import encode
from mesh.protocol.cluster import Enter, Replaced
from mesh.protocol.sessions import session_of
from mesh.testing import wait_until
from tests.scene.zone import NEXT, SCENE, Zone

ONE = session_of(1, 1)


async def rehome(zone: Zone, operation: int = 500, received: int = 40) -> tuple[Any, int, Any]:
    """It enters, its gate attaches it as after any transfer. The session, its handle, its client."""
    await zone.hosted(SCENE, Enter(ONE, zone.status(1, 40.0, 10.0), map="meadow", operation=operation))
    handle, client = await zone.attach(1, received=received, resumed=True)
    return zone.session(1), handle, client


def test_its_client_is_told_until_it_says_something(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        session, handle, client = await rehome(zone)
        [entered] = client.of(play.Entered)
        assert (entered.anew, entered.resumed, entered.processed) == (True, False, 0)
        assert (entered.x, entered.y) == (2000, 500)
        handle, again = await zone.attach(1, received=40, resumed=True)
        assert again.of(play.Entered)[-1].anew, "the first one may have been lost with the connection"
        zone.gate.play(SCENE, handle, 7, play.Say("here"))
        await wait_until(lambda: session.processed == 7)
        _, again = await zone.attach(1, received=0, resumed=True)
        assert not again.of(play.Entered)[-1].anew
        assert again.of(play.Entered)[-1].resumed

    in_zone(story)


def test_what_it_says_before_it_has_heard_so_is_no_proof(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        session, handle, _ = await rehome(zone)
        zone.gate.play(SCENE, handle, 7, play.Say("here"), received=40)
        await wait_until(lambda: session.processed == 7)
        _, again = await zone.attach(1, received=40, resumed=True)
        assert again.of(play.Entered)[-1].anew, "what it has received is more than was said here"

    in_zone(story)


def test_what_it_had_received_elsewhere_acknowledges_nothing_here(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.hosted(SCENE, Enter(ONE, zone.status(1), map="meadow", operation=0))
        session = zone.session(1)
        session.event(encode(play.Hit(1, 2, 3, 4)), zone.scene.clock.now())
        await zone.attach(1, received=40, resumed=True)
        assert [sequence for sequence, _, _ in session.ring] == [1]
        assert session.received == 0

    in_zone(story)


def test_its_operations_go_on_above_those_that_the_dc_knows(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        session, _, _ = await rehome(zone, operation=2**60)
        assert session.next_operation() == 2**60 + 1
        await zone.hosted(SCENE, Enter(session_of(2, 1), zone.status(2), map="meadow", operation=0))
        assert zone.session(2).operation == int(zone.scene.clock.wall() * 1000), "it has none: as after a login"
        await zone.enter(3)
        assert not zone.session(3).anew

    in_zone(story)


def test_a_transfer_before_its_client_spoke_takes_that_along(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await rehome(zone)
        departed = await zone.depart(1)
        assert departed.carried.anew
        await zone.arrive(departed)
        assert zone.session(1, scene=zone.next).anew
        _, client = await zone.attach(1, scene=NEXT, received=40, resumed=True)
        assert client.of(play.Entered)[-1].anew

    in_zone(story)


def test_the_dead_come_back_alive(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.hosted(SCENE, Enter(ONE, zone.status(1, hp=0), map="meadow", operation=0))
        world = zone.scene.lines.of(zone.session(1)).world
        assert not world.dead(zone.session(1).slot)

    in_zone(story)


# --- the one that was given up ---


def test_a_scene_that_is_told_so_ends_and_saves_nothing(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        zone.center.tell(SCENE, Replaced())
        await wait_until(zone.scene.failed.is_set)
        assert isinstance(zone.scene.failure, ReplacedError)
        await zone.scene.drain()  # at once

    in_zone(story)


def test_a_scene_that_the_dc_does_not_hear_ends(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        zone.bank.fenced = True
        session = zone.session(1)
        zone.scene.lines.of(session).world.unsaved[session.slot] = True
        await wait_until(zone.scene.failed.is_set, timeout_s=3)

    in_zone(story)


def test_an_operation_that_is_refused_for_one_player_is_no_end_but_a_question(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        zone.scene.ledger._doubt()
        await asyncio.sleep(1)
        assert not zone.scene.failed.is_set()
        zone.bank.fenced = True
        zone.scene.ledger._doubt()
        await wait_until(zone.scene.failed.is_set)

    in_zone(story)
