"""Who and what comes in between while a character is handed over: the DC, the center, a newer session, a gate's end."""

import asyncio
from typing import Any

import pytest

from mesh.errors import DeadlineExceeded, RefusedError
from mesh.protocol import play
from mesh.protocol.catalogue import Message
from mesh.protocol.cluster import Enter, HostedList, ListHosted, Release
from mesh.protocol.placement import Depart, TakeBack
from mesh.protocol.sessions import Carried, session_of
from mesh.testing import wait_until
from nodes.scene.node import SceneNode
from tests.scene.building import status_of
from tests.scene.zone import NEXT, SCENE, Zone

ONE = session_of(1, 1)


def test_without_the_dc_nobody_goes_and_nothing_has_happened(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1)
        await asyncio.sleep(1.5)
        zone.bank.away = 1
        with pytest.raises(RefusedError, match="unavailable"):
            await zone.depart(1)
        zone.gate.play(SCENE, handle, 1, play.Say("still here"))
        await wait_until(lambda: client.of(play.Said))
        assert len(client.of(play.Entered)) == 1
        zone.bank.away = 3
        await zone.depart(1, "drain")
        assert zone.session(1) is None

    in_zone(story)


def test_a_dc_that_hangs_is_not_waited_for_longer_than_the_center_waits(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        await asyncio.sleep(1.5)
        zone.bank.delay_s = 100.0
        with pytest.raises((DeadlineExceeded, RefusedError)):
            await zone.depart(1, timeout_s=1.0)
        session = zone.session(1)
        await wait_until(lambda: not session.saving)
        assert zone.scene.lines.of(session).world.unsaved[session.slot]  # it is not known whether it was taken
        with pytest.raises((DeadlineExceeded, RefusedError)):
            await zone.depart(1, "drain", timeout_s=4.0)
        zone.bank.delay_s = 0.01
        await asyncio.sleep(120.0)
        assert zone.session(1) is session  # what nobody waits for any more does not happen
        await zone.depart(1)

    in_zone(story)


def test_saves_under_way_cannot_overtake(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        zone.bank.delay_s = 0.4
        await wait_until(lambda: zone.session(1).saving)
        began = zone.cluster.clock.now()
        await zone.depart(1)
        assert zone.saved().count(ONE) >= 2
        assert zone.cluster.clock.now() - began >= 0.4
        saved = zone.saved().count(ONE)
        await asyncio.sleep(2.0)
        assert zone.saved().count(ONE) == saved

    in_zone(story)


def test_release_and_depart_exclude_each_other(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        await asyncio.sleep(1.5)
        zone.bank.delay_s = 0.5
        releasing = asyncio.create_task(zone.center.ask(SCENE, Release(ONE)))
        await asyncio.sleep(0.2)
        with pytest.raises(RefusedError, match="unavailable"):
            await zone.depart(1, "drain")
        await releasing
        with pytest.raises(RefusedError, match="not_found"):
            await zone.depart(1)
        await zone.join(2)
        zone.bank.delay_s = 0.5
        departing = asyncio.create_task(zone.depart(2))
        await asyncio.sleep(0.2)
        await zone.center.ask(SCENE, Release(session_of(2, 1)))
        with pytest.raises(RefusedError):
            await departing
        assert (zone.session(2), len(zone.scene.keepsakes)) == (None, 0)

    in_zone(story)


def test_what_is_discarded_or_taken_over_while_it_departs_does_not_depart(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        for account in (1, 2):
            await zone.join(account)
        await asyncio.sleep(1.5)
        zone.bank.delay_s = 0.5
        departing = [asyncio.create_task(zone.depart(account)) for account in (1, 2)]
        await asyncio.sleep(0.2)
        await zone.center.ask(SCENE, Release(ONE, discard=True))
        await zone.enter(2, epoch=2)
        for one in departing:
            with pytest.raises(RefusedError, match="not_found"):
                await one
        assert len(zone.scene.keepsakes) == 0
        assert zone.session(2, epoch=2) is not None

    in_zone(story)


@pytest.mark.parametrize("again", [TakeBack(ONE), Enter(ONE, status_of(1, 50, 50), carried=Carried(0, 0, 0, 0))])
def test_a_late_departure_does_not_take_away_what_was_put_back(in_zone: Any, again: Message) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        await asyncio.sleep(1.5)
        zone.bank.delay_s = 0.5
        late = asyncio.create_task(zone.depart(1, "drain"))
        await asyncio.sleep(0.2)
        await zone.hosted(SCENE, again)  # the center has given up waiting
        with pytest.raises(RefusedError, match="unavailable"):
            await late
        handle = zone.session(1).handle
        late = asyncio.create_task(zone.depart(1, "drain"))
        zone.bank.delay_s = 0.1
        await zone.depart(1)
        await zone.hosted(SCENE, again)
        with pytest.raises(RefusedError, match="unavailable"):
            await late
        assert zone.session(1).handle != handle

    in_zone(story)


@pytest.mark.parametrize("discard", [True, False])
def test_a_keepsake_goes_when_it_is_released(in_zone: Any, discard: bool) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        await zone.depart(1, "travel")
        saved = zone.saved()
        for _ in range(2):
            await zone.center.ask(SCENE, Release(ONE, discard))
        assert len(zone.scene.keepsakes) == 0
        assert zone.saved() == saved  # it was saved before it departed
        with pytest.raises(RefusedError, match="not_found"):
            await zone.center.ask(SCENE, Depart(ONE, "travel"))

    in_zone(story)


def test_the_center_learns_of_those_who_have_departed(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1, line=2, gold=4)
        await zone.join(2)
        departed = await zone.depart(1)
        listed = await zone.center.ask(SCENE, ListHosted())
        assert isinstance(listed, HostedList)
        found = {at.session: at for at in listed.hosted}
        one = found[ONE]
        assert (one.departed, one.map, one.line, one.status) == (True, "meadow", 2, departed.status)
        assert not found[session_of(2, 1)].departed
        assert found[session_of(2, 1)].attached
        assert zone.scene.load().players == 1

    in_zone(story)


def test_a_gate_that_dies_in_the_middle_changes_nothing(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        zone.bank.delay_s = 0.5
        departing = asyncio.create_task(zone.depart(1))
        await asyncio.sleep(0.2)
        await zone.cluster.kill("gate.1")
        await zone.arrive(await departing)
        handle = await zone.other.attach(NEXT, ONE, resumed=True)
        await wait_until(lambda: zone.other.clients[handle].of(play.Entered))

    in_zone(story)


def test_a_scene_that_stops_saves_nobody_twice_and_keeps_nothing(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        await zone.join(2)
        await zone.depart(1)
        zone.bank.saved.clear()
        scene: SceneNode = zone.scene
        await scene.stop()
        assert zone.saved() == [session_of(2, 1)]

    in_zone(story)
