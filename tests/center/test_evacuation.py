"""Emptying scenes and lines, and what operators order about lines."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from mesh.errors import RefusedError
from mesh.protocol.catalogue import Message
from mesh.protocol.cluster import Enter, Leave
from mesh.protocol.control import Drain, Drained
from mesh.protocol.placement import Depart, Evacuate, Evacuated, OpenLine, OrderLine
from mesh.testing import wait_until
from tests.center.peers import FakeLine, Neighbourhood, Scene, tell
from tests.center.test_transfers import problems

ONE, TWO = "eu.one.scene.1", "eu.one.scene.2"


class Lines(Scene):
    """Two lines of the meadow on one scene, another one on the other, and both may carry more."""

    MAPS = ("meadow",)

    def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
        return {("meadow", n): FakeLine(20, 30) for n in ((1, 2) if number == 1 else (3,))}

    async def hand_over(self) -> Drained:
        done = await self.ask("eu.one.center.1", Evacuate(), 60.0)
        assert isinstance(done, Evacuated)
        return Drained(done.moved, done.left, done.text)


async def code(work: Awaitable[Any]) -> str:
    with pytest.raises(RefusedError) as caught:
        await work
    return caught.value.code


async def drain(zone: Neighbourhood, number: int = 1) -> Drained:
    return await zone.scene(number).on_drain(Drain(), None)


def order(zone: Neighbourhood, do: str, number: int = 0, scene: str = "", map_: str = "meadow") -> Awaitable[Message]:
    return zone.center.evacuation.on_order_line(OrderLine(do, map_, number, scene), None)  # type: ignore[arg-type]


def numbers(zone: Neighbourhood, scene: str) -> list[int]:
    return [line.number for line in zone.center.lines.at_scene(scene)]


async def crowd(zone: Neighbourhood, players: int) -> dict[int, tuple[str, str, int]]:
    """So many players; where they are."""
    for account in range(1, players + 1):
        await zone.online(account)
    await asyncio.sleep(2)
    return {account: zone.homes(account)[0] for account in range(1, players + 1)}


# --- a scene ---


def test_everybody_goes_and_who_was_together_stays_so(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        before = await crowd(zone, 30)
        assert len({line for _, _, line in before.values()}) == 3
        done = await drain(zone)
        await asyncio.sleep(0.2)
        assert (done.left, done.text) == (0, "")
        assert done.moved == sum(scene == ONE for scene, _, _ in before.values())
        for account, (_, map_, line) in before.items():
            assert problems(zone, account, (TWO, map_, line)) == []
        assert {said.why for said in zone.scene(1).asked if isinstance(said, Depart)} == {"drain"}
        assert zone.center.evacuation.moved == done.moved

    tell(tmp_path, story, scene=Lines)


def test_nobody_comes_to_a_draining_scene(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await drain(zone)
        for account in range(1, 41):
            assert (await zone.online(account)).placement.scene == TWO
        assert not any(isinstance(said, Enter | OpenLine) for said in zone.scene(1).asked)

    tell(tmp_path, story, scene=Lines)


def test_who_has_no_connection_goes_too_and_stays_linkdead(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1)
        assert placed.placement.scene == ONE
        zone.drop(placed.session)
        await asyncio.sleep(0.1)
        assert (await drain(zone)).left == 0
        assert zone.stage(1) == "linkdead"
        assert zone.gate(1).transferred == []
        again = await zone.resume(placed, gate=2)
        assert again.placement.scene == TWO
        await asyncio.sleep(0.1)
        assert problems(zone, 1, (TWO, "meadow", 1)) == []

    tell(tmp_path, story, scene=Lines)


def test_a_login_just_before_is_waited_for(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        async def late(said: Message, when: str) -> None:
            if isinstance(said, Enter) and when == "after":
                await asyncio.sleep(0.5)

        zone.scene(1).step = late
        login = asyncio.ensure_future(zone.online(1))
        await wait_until(lambda: zone.scene(1).characters)
        done = await drain(zone)
        placed = await login
        await asyncio.sleep(0.2)
        assert (done.moved, done.left) == (1, 0)
        assert problems(zone, 1, (TWO, "meadow", 1)) == []
        assert zone.worlds(1) == [placed.session]

    tell(tmp_path, story, scene=Lines)


def test_only_so_many_are_on_the_way_at_once(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await crowd(zone, 40)
        zone.scene(1).slow_s = 0.1
        most = [0]

        async def step(_said: Message, _when: str) -> None:
            most[0] = max(most[0], zone.center.transfers.under_way)

        zone.scene(1).step = step
        assert (await drain(zone)).left == 0
        assert most[0] == 4

    tell(tmp_path, story, "evacuations_max = 4", scene=Lines)


def test_when_there_is_no_room_elsewhere_the_rest_stays_and_plays_on(tmp_path: Path) -> None:
    class Small(Lines):
        MAPS = ()

        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", number): FakeLine(20, 30) if number == 1 else FakeLine(2, 3)}

    async def story(zone: Neighbourhood) -> None:
        await crowd(zone, 10)
        there = zone.scene(1).on_line("meadow", 1)
        room = 3 - zone.scene(2).on_line("meadow", 2)
        done = await drain(zone)
        assert (done.moved, done.left) == (room, there - room)
        assert "no room" in done.text
        await asyncio.sleep(0.2)
        assert [problem for account in range(1, 11) for problem in problems(zone, account)] == []
        inside = [zone.gate(1).sessions and session for session in zone.scene(2).characters]
        await zone.gate(1).ask("center", Leave(inside[0]))
        again = await drain(zone)
        assert (again.moved, again.left) == (1, there - room - 1)

    tell(tmp_path, story, scene=Small)


def test_asked_twice_it_is_one_evacuation(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await crowd(zone, 10)
        zone.scene(1).slow_s = 0.05
        first, second = await asyncio.gather(drain(zone), drain(zone))
        assert first == second
        assert first.left == 0

    tell(tmp_path, story, scene=Lines)


def test_a_scene_that_takes_them_dies_meanwhile_and_nobody_is_doubled(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        before = await crowd(zone, 30)
        zone.scene(2).slow_s = 0.05
        draining = asyncio.ensure_future(drain(zone))
        await asyncio.sleep(0.12)
        await zone.cluster.kill("scene.2")
        await asyncio.sleep(1)
        await zone.cluster.start("scene.2")
        done = await draining
        await asyncio.sleep(10)
        assert done.left == 0
        for account in before:
            assert problems(zone, account) == []
            assert [scene for scene, _, _ in zone.homes(account)] in ([TWO], [])

    tell(tmp_path, story, scene=Lines)


def test_a_scene_that_dies_while_it_is_emptied_ends_it(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await crowd(zone, 30)
        zone.scene(1).slow_s = 0.05
        draining = asyncio.ensure_future(drain(zone))
        await asyncio.sleep(0.12)
        await zone.cluster.kill("scene.1")
        await asyncio.sleep(15)
        draining.cancel()
        for account in range(1, 31):
            assert problems(zone, account) == []
        assert zone.center.directory.at_scene(ONE) == []
        assert zone.center.evacuation._under_way == {}

    tell(tmp_path, story, scene=Lines)


# --- operators ---


def test_a_line_is_opened_by_hand(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await order(zone, "open", scene="scene.1")
        await order(zone, "open", number=9, scene=TWO)
        await order(zone, "open", number=7)
        assert numbers(zone, ONE) == [1, 2, 4]
        assert numbers(zone, TWO) == [3, 7, 9]
        assert await code(order(zone, "open", number=9)) == "exists"
        assert await code(order(zone, "open", scene="scene.8")) == "not_found"
        assert await code(order(zone, "open", map_="cave")) == "unavailable"
        assert await code(order(zone, "open", map_="cave", scene="scene.1")) == "not_allowed"

    tell(tmp_path, story, scene=Lines)


def test_a_line_is_closed_by_hand_and_its_players_go_elsewhere(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        before = await crowd(zone, 12)
        await order(zone, "close", number=1)
        await asyncio.sleep(0.2)
        assert numbers(zone, ONE) == [2]
        assert ("meadow", 1) not in zone.scene(1).lines
        for account, (scene, map_, line) in before.items():
            assert problems(zone, account) == []
            assert line == 1 or zone.homes(account) == [(scene, map_, line)]
        await order(zone, "close", number=2)
        assert await code(order(zone, "close", number=3)) == "not_allowed", "the last one"
        assert await code(order(zone, "close", number=1)) == "not_found"
        assert zone.scene(2).on_line("meadow", 3) == 12

    tell(tmp_path, story, scene=Lines)


def test_a_line_that_cannot_be_emptied_is_used_again(tmp_path: Path) -> None:
    class Refusing(Lines):
        MAPS = ()

        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", number): FakeLine(2, 2)}

    async def story(zone: Neighbourhood) -> None:
        await crowd(zone, 4)
        assert await code(order(zone, "close", number=1)) == "unavailable"
        line = zone.center.lines.find("meadow", 1)
        assert line is not None
        assert not line.closing
        assert zone.scene(1).on_line("meadow", 1) == 2

    tell(tmp_path, story, scene=Refusing)


def test_nobody_comes_to_a_line_that_is_being_emptied(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await crowd(zone, 9)
        zone.scene(1).slow_s = 0.1
        closing = asyncio.ensure_future(order(zone, "close", number=1))
        await asyncio.sleep(0.05)
        assert await code(order(zone, "close", number=1)) == "out_of_order"
        lines = {(await zone.online(account)).placement.line for account in range(20, 30)}
        assert lines == {2, 3}
        await closing

    tell(tmp_path, story, scene=Lines)
