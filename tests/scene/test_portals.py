"""Who walks into a portal, and what becomes of it."""

import asyncio
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mesh.errors import RefusedError
from mesh.protocol import play
from mesh.protocol.placement import Cross
from mesh.protocol.sessions import session_of
from mesh.testing import wait_until
from nodes.scene.portals import OUTSIDE, Portals
from nodes.scene.settings import PortalSettings
from tests.scene.building import SMALL, Stage
from tests.scene.zone import SCENE, Zone

DOOR = PortalSettings(50.0, 50.0, 2.0, "cave", 7.0, 8.0)
GATE = PortalSettings(53.0, 50.0, 2.0, "tower", 1.0, 1.0)
WITH_DOOR = msgspec.structs.replace(SMALL, portals=[DOOR], spawn_m=1.0, respawn_s=1.0)


def entered(portals: Portals, slot: int, x: int, y: int) -> list[PortalSettings]:
    return [portal for _, portal in portals.entered(np.array([slot]), np.array([x], "<u2"), np.array([y], "<u2"))]


def test_a_portal_opens_on_the_step_from_outside_to_inside() -> None:
    portals = Portals([DOOR], 0.02, 4)
    assert entered(portals, 1, 2390, 2500) == []
    assert entered(portals, 1, 2400, 2500) == [DOOR]  # the border belongs to it
    assert entered(portals, 1, 2500, 2500) == []
    assert entered(portals, 1, 2601, 2500) == []
    assert entered(portals, 1, 2500, 2501) == [DOOR]
    assert entered(portals, 2, 2500, 2500) == [DOOR]  # another player


def test_who_was_put_into_a_circle_must_leave_it_first() -> None:
    portals = Portals([DOOR], 0.02, 4)
    portals.settle(3, 2500, 2500)
    assert entered(portals, 3, 2510, 2500) == []
    assert entered(portals, 3, 2700, 2500) == []
    assert entered(portals, 3, 2510, 2500) == [DOOR]
    portals.settle(3, 100, 100)
    assert entered(portals, 3, 2510, 2500) == [DOOR]


def test_of_overlapping_circles_the_first_counts_and_the_other_opens_behind_it() -> None:
    portals = Portals([DOOR, GATE], 0.02, 4)
    assert entered(portals, 0, 2580, 2500) == [DOOR]
    assert entered(portals, 0, 2620, 2500) == [GATE]
    assert entered(portals, 0, 2580, 2500) == [DOOR]


def test_a_map_without_portals_costs_nothing() -> None:
    portals = Portals([], 0.02, 4)
    portals.settle(0, 5, 5)
    assert entered(portals, 0, 5, 5) == []
    assert portals.inside.tolist() == [OUTSIDE] * 4


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(2300, 2800), st.integers(2300, 2700)), max_size=60))
def test_many_at_once_are_as_each_alone(steps: list[tuple[int, int, int]]) -> None:
    together, alone = Portals([DOOR, GATE], 0.02, 4), Portals([DOOR, GATE], 0.02, 4)
    for begin in range(0, len(steps), 4):
        latest = {slot: (x, y) for slot, x, y in steps[begin : begin + 4]}  # a tick: the newest move of each
        slots = np.array(list(latest), np.int64)
        places = np.array(list(latest.values()), "<u2").reshape(-1, 2)
        found = together.entered(slots, places[:, 0], places[:, 1])
        expected = [(slot, one) for slot, (x, y) in latest.items() for one in entered(alone, slot, x, y)]
        assert found == expected


def test_players_cross_once_and_not_where_they_arrive() -> None:
    stage = Stage(WITH_DOOR)
    me, other = stage.join(1, 47.5, 50), stage.join(2, 50, 50)
    stage.tick()
    for x in (47.9, 48.3, 48.8, 49.3):
        stage.move(me, x, 50)
        stage.move(other, x + 2, 50)
        stage.tick()
    assert stage.crossed == [(me, DOOR)]
    stage.move(me, 60, 50)  # impossible: it stays inside
    stage.tick()
    stage.move(me, 49.6, 50)
    stage.tick()
    assert stage.crossed == [(me, DOOR)]
    shown = stage.client(me).last(play.Entered).portals
    assert shown == [play.Portal(2500, 2500, 2.0, "cave")]


def test_who_comes_back_to_life_in_a_circle_does_not_cross() -> None:
    stage = Stage(msgspec.structs.replace(WITH_DOOR, portals=[msgspec.structs.replace(DOOR, x=100.0, y=100.0)]))
    me, killer = stage.join(1, 50, 50, hp=1), stage.join(2, 51, 50)
    stage.tick()
    stage.line.fights.attack(killer, me.handle, stage.now)
    stage.tick()
    stage.tick(1.0)
    x, y = (int(v[me.slot]) * 0.02 for v in (stage.line.world.x, stage.line.world.y))
    assert abs(x - 100) <= 1
    stage.move(me, x + 0.2, y)
    stage.tick()
    assert stage.crossed == []


def test_a_move_of_somebody_who_has_left_opens_nothing() -> None:
    stage = Stage(WITH_DOOR)
    me = stage.join(1, 47.9, 50)
    stage.tick()
    stage.move(me, 48.3, 50)
    stage.line.leave(me)
    stage.tick()
    assert stage.crossed == []


async def step(zone: Zone, handle: int, *xs: int) -> None:
    for x in xs:
        zone.gate.move(SCENE, handle, x, 5000)
        await asyncio.sleep(0.2)


def test_the_center_is_asked_and_a_refusal_is_told(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1, x=96.8, y=100.0)
        await step(zone, handle, 4855, 4860)
        assert zone.center.crosses == [Cross(session_of(1, 1), "cave", 20.0, 30.0)]
        assert client.of(play.TransferDenied) == [play.TransferDenied("cave", "zone_full", "no room there")]
        assert client.sequences == [1]  # it is kept until it is acknowledged
        await step(zone, handle, 4845, 4855)
        assert len(zone.center.crosses) == 2
        assert (zone.scene.crossings.asked, zone.scene.crossings.denied) == (2, 2)

    in_zone(story)


def test_one_crossing_at_a_time(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        arrived = asyncio.Event()

        async def way(_said: Cross) -> None:
            await arrived.wait()
            raise RefusedError("unavailable", "no scene took it")

        zone.center.way = way
        handle, client = await zone.join(1, x=96.8, y=100.0)
        await step(zone, handle, 4855, 4845, 4855)
        assert len(zone.center.crosses) == 1
        arrived.set()
        await wait_until(lambda: client.of(play.TransferDenied))
        await step(zone, handle, 4845, 4855)
        assert len(zone.center.crosses) == 2

    in_zone(story)


def test_nobody_is_told_that_a_way_was_closed_that_it_went(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        async def way(_said: Cross) -> None:
            await zone.arrive(await zone.depart(1))
            await asyncio.sleep(3600)

        zone.center.way = way
        handle, client = await zone.join(1, x=96.8, y=100.0)
        await step(zone, handle, 4855)
        await zone.cluster.kill("center.1")
        await wait_until(lambda: not zone.scene.crossings._under_way)
        assert zone.session(1, scene=zone.next) is not None
        assert (client.of(play.TransferDenied), zone.scene.crossings.denied) == ([], 0)

    in_zone(story)


def test_without_a_center_the_way_is_closed(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        handle, client = await zone.join(1, x=96.8, y=100.0)
        await zone.cluster.kill("center.1")
        await step(zone, handle, 4855)
        await wait_until(lambda: client.of(play.TransferDenied))
        assert client.last(play.TransferDenied).code == "unavailable"

    in_zone(story)
