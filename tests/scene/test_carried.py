"""What a portal or a new login must not undo: being in a fight, and having said as much as one may."""

from typing import Any

import pytest

from mesh.core.bucket import Bucket
from mesh.errors import RefusedError
from mesh.protocol import play
from mesh.protocol.catalogue import encode
from mesh.protocol.cluster import Enter
from mesh.protocol.placement import Depart
from mesh.protocol.sessions import Carried, session_of
from nodes.scene.sessions import NEVER
from tests.scene.zone import NEXT, SCENE, Zone

ONE = session_of(1, 1)


def spend(zone: Zone, session: Any) -> None:
    """It fights, and says all that it may, good and bad."""
    now = zone.scene.clock.now()
    session.fought_at = now
    for sequence in range(1, 8):
        zone.scene.play.hear(session, sequence, encode(play.Say("x")))
        zone.scene.play.hear(session, sequence, b"\xff")
    assert not session.chat.holds(now)
    assert session.offences.holds(now) == 3


async def check(zone: Zone, session: Any, scene: str, number: int) -> None:
    node = zone.scene if scene == SCENE else zone.next
    now = node.clock.now()
    assert session.chat.holds(now) <= 1
    assert session.offences.holds(now) <= 4
    with pytest.raises(RefusedError, match="fight"):
        await zone.center.ask(scene, Depart(number, "line"))


def test_a_transfer_ends_no_fight_and_refills_no_bucket(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        spend(zone, zone.session(1))
        departed = await zone.depart(1)
        await zone.arrive(departed)
        await check(zone, zone.session(1, scene=zone.next), NEXT, ONE)

    in_zone(story)


def test_neither_does_coming_back(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        spend(zone, zone.session(1))
        await zone.depart(1)
        await zone.take_back(1)
        await check(zone, zone.session(1), SCENE, ONE)

    in_zone(story)


def test_neither_does_a_newer_session(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        spend(zone, zone.session(1))
        await zone.enter(1, epoch=2)
        await check(zone, zone.session(1, epoch=2), SCENE, session_of(1, 2))

    in_zone(story)


def test_who_did_nothing_arrives_with_nothing_against_it(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        departed = await zone.depart(1)
        assert (departed.carried.fought_s, departed.carried.chat, departed.carried.offences) == (None, 5.0, None)
        await zone.arrive(departed)
        session = zone.session(1, scene=zone.next)
        assert (session.fought_at, session.offences) == (NEVER, None)
        assert session.chat.holds(zone.next.clock.now()) == 5

    in_zone(story)


@pytest.mark.parametrize(("tokens", "holds"), [(-3.0, 0), (1.5, 1), (1e9, 5)])
def test_what_is_carried_is_within_the_bounds(in_zone: Any, tokens: float, holds: int) -> None:
    async def story(zone: Zone) -> None:
        carried = Carried(0, 0, 0, 0, fought_s=-7.0, chat=tokens)
        await zone.hosted(SCENE, Enter(ONE, zone.status(1), carried=carried))
        now, session = zone.scene.clock.now(), zone.session(1)
        assert session.fought_at <= now
        assert session.chat.holds(now) == holds

    in_zone(story)


def test_a_bucket_goes_on_with_what_another_had() -> None:
    one, other = Bucket(1.0, 5, 0.0), Bucket(1.0, 5, 100.0)
    one.take(0.0, 5)
    assert one.tokens(1.5) == 1.5
    other.fill(one.tokens(1.5))
    assert (other.take(100.0), other.take(100.0), other.take(100.5)) == (1, 0, 1)
