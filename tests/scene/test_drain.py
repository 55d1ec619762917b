"""A scene that is to become empty: it asks the center to take everybody elsewhere, and lets nobody new in."""

import asyncio
from typing import Any

import pytest

from mesh.errors import RefusedError
from mesh.protocol.cluster import HostedList, ListHosted, Release
from mesh.protocol.placement import Evacuated, OpenLine
from mesh.protocol.sessions import session_of
from mesh.testing import wait_until
from nodes.scene.node import EVACUATE_S
from tests.scene.zone import SCENE, Zone


def test_everybody_goes_and_only_who_finds_no_place_comes_back(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        for account in (1, 2):
            await zone.join(account)

        async def emptied() -> Evacuated:
            await zone.arrive(await zone.depart(1, "drain"))
            await zone.center.ask(SCENE, Release(session_of(1, 1), discard=True))
            departed = await zone.depart(2, "drain")
            assert (await zone.arrive(departed, SCENE)).map == "meadow"  # nobody else took it
            return Evacuated(1, 1, "no room for p2")

        zone.center.emptied = emptied
        drained = await zone.scene.hand_over()
        assert (drained.moved, drained.left, drained.text) == (1, 1, "no room for p2")
        assert zone.session(2) is not None
        with pytest.raises(RefusedError, match="shutdown"):
            await zone.enter(3)
        with pytest.raises(RefusedError, match="shutdown"):
            await zone.enter(2, epoch=2)
        with pytest.raises(RefusedError, match="shutdown"):
            await zone.center.ask(SCENE, OpenLine("meadow", 8))
        listed = await zone.center.ask(SCENE, ListHosted())
        assert isinstance(listed, HostedList)
        assert (listed.maps, len(listed.lines)) == ([], 3)

        async def emptied_now() -> Evacuated:
            await zone.arrive(await zone.depart(2, "drain"))
            return Evacuated(1, 0)

        zone.center.emptied = emptied_now
        assert (await zone.scene.hand_over()).left == 0  # asked again, it goes on

    in_zone(story)


def test_what_departed_can_be_taken_back_by_a_scene_that_is_emptied_but_not_by_one_that_stops(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)
        await zone.scene.hand_over()
        await zone.depart(1, "drain")
        await zone.take_back(1)
        await zone.depart(1, "drain")
        await zone.scene.drain()
        with pytest.raises(RefusedError, match="shutdown"):
            await zone.take_back(1)

    in_zone(story)


def test_without_a_center_it_says_so_and_waits_no_longer_than_it_must(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1)

        async def never() -> Evacuated:
            await zone.depart(1, "drain")
            await asyncio.sleep(10 * EVACUATE_S)
            return Evacuated(0, 0)

        await zone.join(2)
        zone.center.emptied = never
        began = zone.cluster.clock.now()
        drained = await zone.scene.hand_over()
        assert (drained.moved, drained.left) == (1, 1)
        assert drained.text
        assert zone.cluster.clock.now() - began <= EVACUATE_S + 1
        await zone.cluster.kill("center.1")
        await wait_until(lambda: not zone.scene.peers("center"))
        drained = await zone.scene.hand_over()
        assert (drained.moved, drained.left) == (0, 1)

    in_zone(story)


def test_an_empty_scene_is_empty_whatever_the_center_says(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        async def busy() -> Evacuated:
            raise RefusedError("unavailable", "one scene at a time")

        zone.center.emptied = busy
        drained = await zone.scene.hand_over()
        assert (drained.moved, drained.left, drained.text) == (0, 0, "")

    in_zone(story)
