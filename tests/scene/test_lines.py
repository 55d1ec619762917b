"""The lines of a scene: opened and closed while it runs, and what a place's next line inherits."""

import asyncio
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh import metrics
from mesh.errors import RefusedError
from mesh.protocol import play
from mesh.protocol.cluster import HostedList, LineAt, ListHosted, Release
from mesh.protocol.lanes import Handle, Lane
from mesh.protocol.placement import CloseLine, Depart, OpenLine
from mesh.protocol.sessions import session_of
from mesh.testing import wait_until
from nodes.scene.lines import Lines
from nodes.scene.settings import LINE_BITS
from tests.scene.building import Stage
from tests.scene.zone import SCENE, Zone


def test_the_lowest_free_place_is_taken_and_the_number_of_lines_is_bounded() -> None:
    lines = Stage().lines
    opened = [lines.open("meadow", number) for number in (5, 6, 7)]
    assert [line.index for line in opened] == [1, 2, 3]
    with pytest.raises(RefusedError, match="out_of_range"):
        lines.open("meadow", 8)
    lines.close(opened[0])
    assert (lines.at(1), lines.find("meadow", 5), lines.at(99), len(lines)) == (None, None, None, 3)
    assert lines.open("meadow", 8).index == 1
    assert [line.number for line in lines] == [1, 8, 6, 7]


def test_who_iterates_sees_the_lines_as_they_were() -> None:
    lines = Stage().lines
    lines.open("meadow", 2)
    seen = []
    for line in lines:
        seen.append(line.number)
        if line.number == 1:
            lines.close(line)
            lines.open("meadow", 3)
    assert seen == [1, 2]
    assert [line.number for line in lines] == [3, 2]


def test_what_named_somebody_on_a_closed_line_names_nobody_on_the_next_one() -> None:
    stage = Stage()
    seen: set[int] = set()
    for number in range(2, 30):
        line = stage.lines.open("meadow", number)
        sessions = [stage.join(account, 50, 50, line=line, attach=False) for account in range(1, 6)]
        assert {one.handle >> LINE_BITS & 31 for one in sessions} == {1}
        handles = {one.handle for one in sessions}
        assert not handles & seen
        assert all(line.world.slot_of(old) < 0 for old in seen)
        seen |= handles
        for one in sessions:
            line.leave(one)
        stage.lines.close(line)


def test_entities_of_different_scenes_rarely_have_the_same_number() -> None:
    def numbers(seed: int) -> list[int]:
        lines = Lines(Stage()._make, random.Random(seed), [], 1, lambda: None)
        line = lines.open("meadow", 1)
        return [line.world.number(line.world.add(1, "", 0, 0, hp=1, hp_max=1)) for _ in range(200)]

    one, other = numbers(1), numbers(2)
    assert len(set(one) & set(other)) <= 2
    assert [n & Handle.SLOT_MASK for n in one] == [n & Handle.SLOT_MASK for n in other] == list(range(200))
    assert numbers(1) == one


@given(st.lists(st.integers(0, 4), max_size=60))
def test_handles_are_unique_whatever_opens_and_closes(actions: list[int]) -> None:
    """Lines come and go; no two players who ever were have the same handle."""
    stage = Stage()
    handles: list[int] = []
    for number, action in enumerate(actions, 2):
        lines = list(stage.lines)
        if action == 0 and len(lines) < 4:
            stage.lines.open("meadow", number)
        elif action == 1 and lines:
            line = lines[number % len(lines)]
            for one in list(line.players.values()):
                line.leave(one)
            stage.lines.close(line)
        elif lines:
            handles.append(stage.join(number, 50, 50, line=lines[number % len(lines)], attach=False).handle)
    assert len(set(handles)) == len(handles)


def test_what_a_closed_line_counted_is_not_forgotten() -> None:
    stage = Stage()
    me = stage.join(1, 50, 50)
    stage.tick()
    stage.move(me, 90, 90)
    stage.tick()
    stage.line.leave(me)
    stage.lines.close(stage.line)
    assert (stage.lines.total("views"), stage.lines.total("corrected")) == (1, 1)
    again = stage.lines.open("meadow", 1)
    again.corrected = 4
    assert stage.lines.total("corrected") == 5


async def listed(zone: Zone) -> HostedList:
    answer = await zone.center.ask(SCENE, ListHosted())
    assert isinstance(answer, HostedList)
    return answer


def test_the_center_opens_and_closes_lines(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        for _ in range(2):  # asked again it is the same one
            await zone.center.ask(SCENE, OpenLine("meadow", 9))
        assert await zone.enter(1, line=9) == ("meadow", 9)
        now = await listed(zone)
        assert now.lines == [
            LineAt("meadow", 1, 0, 4, 5, True),
            LineAt("meadow", 2, 0, 4, 5, True),
            LineAt("cave", 7, 0, 8000, 10_000, True),
            LineAt("meadow", 9, 1, 4, 5, False),
        ]
        assert (now.maps, now.lines_max) == (["meadow", "cave", "tower"], 5)
        assert zone.scene.load().capacity == 10_015
        with pytest.raises(RefusedError, match="out_of_order"):
            await zone.center.ask(SCENE, CloseLine("meadow", 9))
        await zone.center.ask(SCENE, Release(session_of(1, 1)))
        for _ in range(2):
            await zone.center.ask(SCENE, CloseLine("meadow", 9))
        assert len((await listed(zone)).lines) == 3
        with pytest.raises(RefusedError, match="not_found"):
            await zone.enter(1, line=9)

    in_zone(story)


def test_lines_that_may_not_be_opened(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        for map_, number, code in (
            ("nowhere", 1, "not_found"),
            ("meadow", 0, "bad_message"),
        ):
            with pytest.raises(RefusedError, match=code):
                await zone.center.ask(SCENE, OpenLine(map_, number))
        for number in (11, 12):
            await zone.center.ask(SCENE, OpenLine("cave", number))
        with pytest.raises(RefusedError, match="out_of_range"):
            await zone.center.ask(SCENE, OpenLine("cave", 13))
        zone.scene.lines.closed = True
        await zone.center.ask(SCENE, OpenLine("cave", 12))
        await zone.center.ask(SCENE, CloseLine("cave", 11))
        with pytest.raises(RefusedError, match="shutdown"):
            await zone.center.ask(SCENE, OpenLine("cave", 11))

    in_zone(story)


def test_the_registry_follows(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.center.ask(SCENE, OpenLine("cave", 8))
        await wait_until(lambda: zone.center.members[SCENE].facts["maps"] == "meadow:1,meadow:2,cave:7,cave:8")
        await zone.center.ask(SCENE, CloseLine("meadow", 1))
        await wait_until(lambda: zone.center.members[SCENE].facts["maps"] == "meadow:2,cave:7,cave:8")

    in_zone(story)


def test_play_goes_on_while_lines_come_and_go(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        gone, _ = await zone.join(1, line=1)
        await zone.center.ask(SCENE, Release(session_of(1, 1)))
        await zone.center.ask(SCENE, CloseLine("meadow", 1))
        here, client = await zone.join(2, line=2)
        stale = zone.scene.counts.stale
        zone.gate.move(SCENE, gone, 2510, 2500)  # no line has this index now
        zone.gate.play(SCENE, gone, 1, play.Say("from the past"))
        zone.gate.batch(SCENE, Lane.DROPS, np.array([gone], "<u4"))
        zone.gate.move(SCENE, here, 2510, 2500)
        await asyncio.sleep(0.3)
        assert zone.scene.counts.stale == stale + 3
        await zone.center.ask(SCENE, OpenLine("meadow", 4))
        new, _ = await zone.join(3, line=4)
        assert new & Handle.SLOT_MASK == gone & Handle.SLOT_MASK
        zone.gate.move(SCENE, gone, 2510, 2500)  # that line has it again, and somebody else is there
        await asyncio.sleep(0.3)
        world = zone.line(3).world
        assert int(world.x[zone.session(3).slot]) == 2500
        assert zone.scene.counts.stale == stale + 4
        zone.gate.play(SCENE, here, 1, play.Say("still here"))
        await wait_until(lambda: client.of(play.Said))
        page = metrics.page([zone.scene.metrics]).decode()
        assert 'scene_views_total{node="scene.1",role="scene"} 3.0' in page
        assert 'scene_lines{node="scene.1",role="scene"} 3.0' in page

    in_zone(story)


def test_a_line_is_empty_for_its_closing_when_the_last_one_has_departed(in_zone: Any) -> None:
    async def story(zone: Zone) -> None:
        await zone.join(1, line=1)
        await zone.center.ask(SCENE, Depart(session_of(1, 1), "portal"))
        await zone.center.ask(SCENE, CloseLine("meadow", 1))
        described = zone.scene.describe()
        assert [(line["map"], line["line"]) for line in described["lines"]] == [("meadow", 2), ("cave", 7)]
        assert described["keepsakes"] == 1

    in_zone(story)
