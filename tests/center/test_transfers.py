"""From line to line: the way, its refusals, and what else happens to the player meanwhile."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from mesh.errors import RefusedError
from mesh.protocol.catalogue import Message
from mesh.protocol.cluster import Enter, Leave, Release
from mesh.protocol.placement import Cross, Depart, OpenLine, TakeBack, Transferred
from mesh.protocol.sessions import Carried, Placement, Spot
from mesh.protocol.social import Line, Lines, ListLines, SocialDenied, SwitchLine
from mesh.testing import wait_until
from tests.center.peers import FakeLine, Neighbourhood, Scene, friend, tell

ONE, TWO = "eu.one.scene.1", "eu.one.scene.2"


class Maps(Scene):
    """The meadow on one scene, the forest on the other."""

    def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
        return {("meadow" if number == 1 else "forest", 1): FakeLine()}


class ThreeLines(Scene):
    """Two lines of the meadow on one scene, the third on the other."""

    def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
        if number == 1:
            return {("meadow", 1): FakeLine(2, 3), ("meadow", 2): FakeLine(2, 3)}
        return {("meadow", 3): FakeLine(2, 3)}


async def code(work: Awaitable[Any]) -> str:
    with pytest.raises(RefusedError) as caught:
        await work
    return caught.value.code


def cross(zone: Neighbourhood, session: int, map_: str = "forest", scene: int = 1) -> Awaitable[Message]:
    """The player stands in a portal of this scene."""
    return zone.scene(scene).ask("eu.one.center.1", Cross(session, map_, 3.0, 4.0), 30.0)


def asked(zone: Neighbourhood, scene: int, *but: type[Message]) -> list[str]:
    return [type(said).__name__ for said in zone.scene(scene).asked if not isinstance(said, but)]


def is_whole(zone: Neighbourhood, account: int, *at: tuple[str, str, int]) -> bool:
    """The character is there and nowhere else, and everybody knows it."""
    return not problems(zone, account, *at)


def problems(zone: Neighbourhood, account: int, *at: tuple[str, str, int]) -> list[str]:
    """What is not as it should be."""
    presence, homes, found = zone.center.directory.of_account(account), zone.homes(account), []
    if at and homes != [*at]:
        found.append(f"it is at {homes}")
    if len(homes) > 1:
        found.append(f"it is in the world twice: {homes}")
    if zone.keepsakes():
        found.append("a keepsake is left")
    known = [(presence.scene, presence.map, presence.line)] if presence is not None else []
    if known != homes:
        found.append(f"the center knows {known}, and it is at {homes}")
    for gate in (zone.gate(1), zone.gate(2)):
        if presence is not None and presence.session in gate.sessions:
            told = gate.at[presence.session]
            if known != [(told.scene, told.map, told.line)]:
                found.append(f"its gate thinks it at {told}")
    for scene, map_, line in known:
        there = sum(p.placement == Placement(scene, map_, line) for p in zone.center.directory.all())
        if zone.center.directory.count_on(scene, map_, line) != there:
            found.append("the places taken on its line are not those of the players")
    return found


# --- the way ---


def test_a_portal_leads_to_another_map_with_everything_that_the_session_has(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        zone.scene(1).carried[placed.session] = Carried(7, 9, 3, 11, [(4, 100, b"piece")])
        await cross(zone, placed.session)
        await asyncio.sleep(0.1)
        assert is_whole(zone, 1, (TWO, "forest", 1))
        enter = zone.scene(2).asked[0]
        assert isinstance(enter, Enter)
        assert (enter.session, enter.map, enter.line, enter.spot) == (placed.session, "forest", 1, Spot(3.0, 4.0))
        assert (enter.status.map, enter.status.x, enter.status.y) == ("forest", 3.0, 4.0)
        assert enter.carried == Carried(7, 9, 3, 12, [(4, 100, b"piece")])
        assert zone.scene(1).asked[1:] == [Depart(placed.session, "portal"), Release(placed.session, discard=True)]
        connection = zone.gate(1).sessions[placed.session]
        assert zone.gate(1).transferred == [Transferred(placed.session, connection, Placement(TWO, "forest", 1))]
        assert placed.session in zone.scene(2).attached
        assert zone.stage(1) == "online"
        assert zone.center.transfers.done == {("portal",): 1}
        assert zone.center.transfers.under_way == 0

    tell(tmp_path, story, scene=Maps)


def test_there_and_back_many_times(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        for n in range(10):
            await cross(zone, placed.session, ("forest", "meadow")[n % 2], 1 + n % 2)
        await asyncio.sleep(0.1)
        assert is_whole(zone, 1, (ONE, "meadow", 1))
        assert zone.scene(1).carried[placed.session].operation == 10, "nothing was forgotten on the way"

    tell(tmp_path, story, scene=Maps)


def test_a_hundred_at_once(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).slow_s = zone.scene(2).slow_s = 0.05
        players = await asyncio.gather(*(zone.online(account, map_="meadow") for account in range(1, 101)))
        await asyncio.gather(*(cross(zone, placed.session) for placed in players))
        await asyncio.sleep(0.2)
        assert all(is_whole(zone, account, (TWO, "forest", 1)) for account in range(1, 101))

    tell(tmp_path, story, scene=Maps)


def test_more_than_may_be_under_way_are_refused(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        players = [await zone.online(account, map_="meadow") for account in (1, 2, 3)]
        zone.scene(1).slow_s = 0.5
        results = await asyncio.gather(*(cross(zone, p.session) for p in players), return_exceptions=True)
        refused = [result.code for result in results if isinstance(result, RefusedError)]
        assert refused == ["too_many"]
        await asyncio.sleep(1)
        assert sorted(zone.homes(n)[0][0] for n in (1, 2, 3)) == [ONE, TWO, TWO]

    tell(tmp_path, story, "transfers_max = 2", scene=Maps)


# --- no ---


def test_what_the_rules_forbid_changes_nothing(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        zone.scene(1).departing = "refuse"
        assert await code(cross(zone, placed.session)) == "out_of_order"
        assert is_whole(zone, 1, (ONE, "meadow", 1))
        assert zone.gate(1).transferred == []
        assert asked(zone, 2) == []
        zone.scene(1).departing = "go"
        await cross(zone, placed.session)
        assert zone.center.transfers.failed == {("portal",): 1}

    tell(tmp_path, story, scene=Maps)


def test_only_the_scene_that_has_it_may_send_it_away(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        assert await code(cross(zone, placed.session, scene=2)) == "not_found"
        assert await code(cross(zone, placed.session + 1)) == "not_found"
        assert await code(cross(zone, placed.session, "cave")) == "unavailable"
        assert asked(zone, 1, Enter) == [], "it was not asked to give it away for nothing"

    tell(tmp_path, story, scene=Maps)


def test_who_asks_twice_goes_once(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        zone.scene(1).slow_s = 0.2
        first, second = cross(zone, placed.session), cross(zone, placed.session)
        results = await asyncio.gather(first, second, return_exceptions=True)
        await asyncio.sleep(0.5)
        assert [getattr(result, "code", "") for result in results] == ["", "out_of_order"]
        assert is_whole(zone, 1, (TWO, "forest", 1))

    tell(tmp_path, story, scene=Maps)


def test_a_character_that_its_scene_does_not_have_goes_on_from_what_is_stored(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        zone.scene(1)._remove(placed.session)
        assert await code(cross(zone, placed.session)) == "not_found"
        await wait_until(lambda: zone.homes(1))
        await asyncio.sleep(0.1)
        assert is_whole(zone, 1, (ONE, "meadow", 1))
        assert placed.session in zone.scene(1).attached
        assert zone.gate(1).kicks == []
        assert zone.dc.fenced == [], "the scene is in order otherwise"

    tell(tmp_path, story, scene=Maps)


# --- a new scene that does not play along ---


@pytest.mark.parametrize("mood", ["refuse", "hang"])
def test_what_the_new_scene_does_not_take_comes_home(tmp_path: Path, mood: str) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        zone.scene(2).mood = mood
        assert await code(cross(zone, placed.session)) == "unavailable"
        await asyncio.sleep(0.1)
        assert is_whole(zone, 1, (ONE, "meadow", 1))
        assert asked(zone, 2) == ["Enter", "Release"], "to be sure"
        assert zone.gate(1).transferred[-1].placement == Placement(ONE, "meadow", 1), "its handle is new"
        assert placed.session in zone.scene(1).attached
        assert zone.scene(1).carried[placed.session].operation == 1, "with what it took along"
        assert zone.center.transfers.returned == 1
        zone.scene(2).mood = "take"
        await cross(zone, placed.session)
        assert is_whole(zone, 1, (TWO, "forest", 1))

    tell(tmp_path, story, scene=Maps)


def test_another_line_is_tried_before_that(tmp_path: Path) -> None:
    class Wide(Maps):
        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return super().carries(number) | ({("forest", 2): FakeLine()} if number == 1 else {})

    async def story(zone: Neighbourhood) -> None:
        for account in range(2, 5):
            await zone.online(account, map_="forest")
            await zone.online(account + 10, map_="meadow")  # scene 1 is the busier one
        placed = await zone.online(1, map_="meadow")
        zone.scene(2).mood = "refuse"
        zone.scene(2).asked.clear()
        await cross(zone, placed.session)
        assert is_whole(zone, 1, (ONE, "forest", 2))

    tell(tmp_path, story, scene=Wide)


def test_a_full_map_is_not_entered_unless_another_line_can_be_opened(tmp_path: Path) -> None:
    class Tiny(Maps):
        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", 1): FakeLine()} if number == 1 else {("forest", 1): FakeLine(1, 1)}

    async def story(zone: Neighbourhood) -> None:
        await zone.online(2, map_="forest")
        placed = await zone.online(1, map_="meadow")
        assert await code(cross(zone, placed.session)) == "unavailable"
        assert is_whole(zone, 1, (ONE, "meadow", 1))
        zone.scene(2).maps = ["forest"]
        await zone.center.wholeness.compare_scene(TWO)
        await cross(zone, placed.session)
        assert is_whole(zone, 1, (TWO, "forest", 2))

    tell(tmp_path, story, scene=Tiny)


def test_two_who_want_the_last_place_do_not_both_go(tmp_path: Path) -> None:
    class Tiny(Maps):
        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", 1): FakeLine()} if number == 1 else {("forest", 1): FakeLine(1, 1)}

    async def story(zone: Neighbourhood) -> None:
        anna, berta = await zone.online(1, map_="meadow"), await zone.online(2, map_="meadow")
        zone.scene(1).slow_s = 0.2
        results = await asyncio.gather(cross(zone, anna.session), cross(zone, berta.session), return_exceptions=True)
        await asyncio.sleep(0.5)
        assert [getattr(result, "code", "") for result in results] == ["", "unavailable"]
        assert asked(zone, 2) == ["Enter"], "it is known beforehand"
        assert is_whole(zone, 1, (TWO, "forest", 1))
        assert is_whole(zone, 2, (ONE, "meadow", 1))

    tell(tmp_path, story, scene=Tiny)


def test_an_old_scene_that_does_not_answer_is_asked_to_take_it_back(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        zone.scene(1).departing = "hang"
        assert await code(cross(zone, placed.session)) == "unavailable"
        assert is_whole(zone, 1, (ONE, "meadow", 1))
        assert asked(zone, 1, Enter) == ["Depart", "Depart", "TakeBack"]

    tell(tmp_path, story, "depart_s = 2.0", scene=Maps)


def test_a_character_that_nobody_takes_back_waits_for_one_who_does(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow", friends=[friend(2)])
        await zone.online(2, gate=2)
        zone.scene(1).mood = zone.scene(2).mood = "refuse"
        assert await code(cross(zone, placed.session)) == "unavailable"
        await asyncio.sleep(10)
        assert zone.stage(1) == "online"
        assert zone.homes(1) == []
        assert zone.keepsakes() == 0
        zone.scene(1).mood = "take"
        await wait_until(lambda: zone.homes(1))
        await asyncio.sleep(0.1)
        assert is_whole(zone, 1, (ONE, "meadow", 1))
        assert zone.gate(1).kicks == []

    tell(tmp_path, story, scene=Maps)


def test_a_character_that_nobody_takes_is_lost_in_the_end_and_may_log_in(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow", friends=[friend(2)])
        zone.scene(1).mood = zone.scene(2).mood = "refuse"
        assert await code(cross(zone, placed.session)) == "unavailable"
        await wait_until(lambda: zone.stage(1) is None, timeout_s=70)
        await asyncio.sleep(0.1)
        assert [kick.code for kick in zone.gate(1).kicks] == ["unavailable"]
        zone.scene(1).mood = "take"
        await zone.online(1, map_="meadow")
        assert is_whole(zone, 1, (ONE, "meadow", 1))

    tell(tmp_path, story, scene=Maps)


# --- what else happens meanwhile ---


async def while_under_way(zone: Neighbourhood, session: int) -> "asyncio.Task[Any]":
    """A transfer, half way: it has departed and is not there yet."""
    zone.scene(2).slow_s = 0.5
    crossing = asyncio.ensure_future(cross(zone, session))
    await wait_until(lambda: zone.scene(2).asked)
    return crossing


def test_a_resume_waits_and_gets_the_new_place(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        crossing = await while_under_way(zone, placed.session)
        zone.drop(placed.session)
        again = await zone.resume(placed, gate=2)
        assert again.placement == Placement(TWO, "forest", 1)
        await crossing
        await asyncio.sleep(0.1)
        assert zone.gate(1).transferred == []
        assert is_whole(zone, 1, (TWO, "forest", 1))
        assert zone.stage(1) == "online"

    tell(tmp_path, story, scene=Maps)


def test_who_drops_on_the_way_is_linkdead_from_then_on(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        crossing = await while_under_way(zone, placed.session)
        zone.drop(placed.session)
        await crossing
        await asyncio.sleep(0.1)
        assert is_whole(zone, 1, (TWO, "forest", 1))
        assert zone.stage(1) == "linkdead"
        await asyncio.sleep(57)
        assert zone.stage(1) == "linkdead"
        await wait_until(lambda: zone.stage(1) is None, timeout_s=5)
        assert zone.homes(1) == []

    tell(tmp_path, story, scene=Maps)


def test_whose_time_is_up_on_the_way_is_released_where_it_arrives(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        zone.scene(2).slow_s = 2.5
        crossing = asyncio.ensure_future(cross(zone, placed.session))
        await wait_until(lambda: zone.scene(2).asked)
        zone.drop(placed.session)
        await crossing
        await wait_until(lambda: zone.stage(1) is None, timeout_s=10)
        assert is_whole(zone, 1)
        assert [type(said) for said in zone.scene(2).asked] == [Enter, Release]

    tell(tmp_path, story, "linkdead_s = 1.0", scene=Maps)


def test_a_logout_on_the_way_happens_where_it_arrives(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        crossing = await while_under_way(zone, placed.session)
        await zone.gate(1).ask("center", Leave(placed.session))
        await crossing
        await asyncio.sleep(0.1)
        assert is_whole(zone, 1)
        assert zone.stage(1) is None

    tell(tmp_path, story, scene=Maps)


def test_a_login_on_the_way_takes_over_where_it_arrives(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        crossing = await while_under_way(zone, placed.session)
        again = await zone.online(1, gate=2, map_="meadow")
        await crossing
        await asyncio.sleep(0.1)
        assert again.placement == Placement(TWO, "forest", 1)
        assert zone.worlds(1) == [again.session]
        assert is_whole(zone, 1, (TWO, "forest", 1))
        assert [kick.code for kick in zone.gate(1).kicks] == ["taken_over"]

    tell(tmp_path, story, scene=Maps)


def test_a_portal_that_waits_for_a_takeover_leads_nowhere(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        zone.scene(1).slow_s = 0.3
        login = asyncio.ensure_future(zone.online(1, gate=2, map_="meadow"))
        await wait_until(lambda: len(zone.scene(1).asked) == 2)
        assert await code(cross(zone, placed.session)) == "not_found"
        again = await login
        assert again.placement == Placement(ONE, "meadow", 1)
        assert is_whole(zone, 1, (ONE, "meadow", 1))

    tell(tmp_path, story, scene=Maps)


def test_an_old_scene_that_dies_on_the_way_takes_nobody_with_it(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        zone.scene(2).slow_s = 2.5
        crossing = asyncio.ensure_future(cross(zone, placed.session))
        await wait_until(lambda: zone.scene(2).asked)
        await zone.cluster.kill("scene.1")
        await asyncio.sleep(5)  # it was given up in the meantime
        crossing.cancel()
        assert problems(zone, 1, (TWO, "forest", 1)) == []
        assert zone.gate(1).kicks == []

    tell(tmp_path, story, "scene_grace_s = 1.0", scene=Maps)


def test_who_wants_to_leave_a_scene_that_restarts_is_there_again(tmp_path: Path) -> None:
    class Closed(Maps):
        MAPS = ("forest",)

        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", 1): FakeLine()} if number == 1 else {}

    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")

        async def slow(said: Message, when: str) -> None:
            if when == "before" and isinstance(said, OpenLine):
                await asyncio.sleep(2)

        zone.scene(2).step = slow
        crossing = asyncio.ensure_future(cross(zone, placed.session))
        await wait_until(lambda: zone.scene(2).asked)
        await zone.cluster.kill("scene.1")
        await zone.cluster.start("scene.1")
        await asyncio.sleep(3)
        crossing.cancel()
        assert asked(zone, 1) == ["Depart", "Enter"], "it does not have it any more"
        assert problems(zone, 1, (ONE, "meadow", 1)) == [], "it is there from what is stored"
        assert zone.gate(1).kicks == []

    tell(tmp_path, story, scene=Closed)


def test_what_a_scene_says_on_the_way_is_looked_at_when_it_has_arrived(tmp_path: Path) -> None:
    """The new scene lists the character before it has answered: one too many, as it seems."""

    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")

        async def late(said: Message, when: str) -> None:
            if when == "after" and isinstance(said, Enter):
                await asyncio.sleep(0.5)

        zone.scene(2).step = late
        crossing = asyncio.ensure_future(cross(zone, placed.session))
        await wait_until(lambda: zone.scene(2).characters)
        await zone.center.wholeness.compare_scene(TWO)
        await crossing
        await asyncio.sleep(0.2)
        assert problems(zone, 1, (TWO, "forest", 1)) == []
        assert asked(zone, 2) == ["Enter"]

    tell(tmp_path, story, scene=Maps)


def test_whoever_watches_hears_of_the_new_place(tmp_path: Path) -> None:
    class Watcher:
        def __init__(self) -> None:
            self.heard: list[tuple[str, str]] = []

        def came(self, presence: Any) -> None:
            self.heard.append(("came", presence.map))

        def moved(self, presence: Any) -> None:
            self.heard.append(("moved", presence.map))

        def went(self, presence: Any, why: str) -> None:
            self.heard.append(("went", why))

    async def story(zone: Neighbourhood) -> None:
        watcher = Watcher()
        zone.center.watchers.append(watcher)
        placed = await zone.online(1, map_="meadow")
        await cross(zone, placed.session)
        zone.drop(placed.session)
        await asyncio.sleep(0.1)
        await zone.resume(placed)
        await zone.gate(1).ask("center", Leave(placed.session))
        forest = [("moved", "forest")] * 3  # the transfer, the drop, the resume
        assert watcher.heard == [("came", "meadow"), *forest, ("went", "logout")]

    tell(tmp_path, story, scene=Maps)


# --- to another zone ---


def test_a_traveller_is_saved_and_out(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="meadow")
        presence = zone.center.directory.of_account(1)
        assert presence is not None
        zone.scene(1).departing = "refuse"
        assert await code(zone.center.transfers.depart_for_travel(presence)) == "out_of_order"
        assert is_whole(zone, 1, (ONE, "meadow", 1))
        zone.scene(1).departing = "go"
        await zone.center.transfers.depart_for_travel(presence)
        assert is_whole(zone, 1)
        assert zone.stage(1) is None
        assert zone.scene(1).asked[-2:] == [Depart(placed.session, "travel"), Release(placed.session)]
        assert zone.gate(1).kicks == [], "its gate will tell it where to go"
        assert await code(zone.center.transfers.depart_for_travel(presence)) == "not_found"

    tell(tmp_path, story, scene=Maps)


def test_a_traveller_whose_keepsake_is_not_released_is_out_all_the_same(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1, map_="meadow")
        presence = zone.center.directory.of_account(1)
        assert presence is not None
        zone.scene(1).releases = False
        await zone.center.transfers.depart_for_travel(presence)
        assert zone.stage(1) is None
        assert zone.homes(1) == []

    tell(tmp_path, story, scene=Maps)


# --- lines: what players want ---


def lines_of(zone: Neighbourhood, session: int) -> list[Line]:
    return [said for said in zone.gate(1).told(session) if isinstance(said, Lines)][-1].lines


def test_a_player_sees_the_lines_of_its_map_and_who_is_there(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        for account in (2, 3, 4, 5, 6):
            await zone.online(account)
        anna = await zone.online(1, friends=[friend(2), friend(4), friend(9)])
        zone.gate(1).say(anna.session, ListLines())
        await asyncio.sleep(0.1)
        lines = lines_of(zone, anna.session)
        assert [(line.number, line.players, line.state) for line in lines] == [
            (1, 2, "busy"),
            (2, 2, "busy"),
            (3, 2, "busy"),
        ]
        assert sum(line.friends for line in lines) == 2
        assert {line.map for line in lines} == {"meadow"}

    tell(tmp_path, story, scene=ThreeLines)


@pytest.mark.parametrize("number", [2, 3])  # line 2 is on the same scene
def test_a_player_goes_to_another_line(tmp_path: Path, number: int) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        assert anna.placement == Placement(ONE, "meadow", 1)
        for wanted in (number, 1):
            zone.gate(1).say(anna.session, SwitchLine(wanted))
            await asyncio.sleep(3)
            assert is_whole(zone, 1, (TWO if wanted == 3 else ONE, "meadow", wanted))
        assert len(zone.gate(1).transferred) == 2
        assert not any(isinstance(said, SocialDenied) for said in zone.gate(1).told(anna.session))

    tell(tmp_path, story, scene=ThreeLines)


def test_wishes_that_cannot_be_are_answered(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)

        async def answer(number: int, wait_s: float = 3.0) -> str:
            zone.gate(1).say(anna.session, SwitchLine(number))
            await asyncio.sleep(wait_s)
            denied = [said for said in zone.gate(1).told(anna.session) if isinstance(said, SocialDenied)]
            assert denied[-1].number == 377
            return denied[-1].code

        assert await answer(9) == "not_found"
        assert await answer(0) == "not_found"
        assert await answer(1) == "out_of_order", "it is there"
        zone.scene(1).departing = "refuse"
        assert await answer(2) == "out_of_order"
        for account in range(2, 10):
            await zone.online(account)
        assert zone.scene(2).on_line("meadow", 3) == 3
        assert await answer(3, 0.1) == "insufficient"
        assert await answer(2, 0.1) == "too_many"
        assert is_whole(zone, 1, (ONE, "meadow", 1))

    tell(tmp_path, story, scene=ThreeLines)


def test_a_line_switch_that_fails_ends_at_home_and_nowhere_else(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.scene(2).mood = "refuse"
        zone.gate(1).say(anna.session, SwitchLine(3))
        await wait_until(lambda: zone.gate(1).transferred)
        await asyncio.sleep(0.1)
        assert is_whole(zone, 1, (ONE, "meadow", 1))
        assert zone.gate(1).told(anna.session)[-1].code == "unavailable"

    tell(tmp_path, story, scene=ThreeLines)


def test_a_switch_within_one_scene_that_gets_no_answer_is_found_out(tmp_path: Path) -> None:
    """The scene builds it on the other line, and the answer is lost: asked again it says where the character is."""

    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        scene, silent = zone.scene(1), [True]

        async def step(said: Message, when: str) -> None:
            if isinstance(said, Enter) and when == "after" and silent:
                silent.clear()
                await asyncio.sleep(1000)

        scene.step = step
        zone.gate(1).say(anna.session, SwitchLine(2))
        await wait_until(lambda: zone.gate(1).transferred, timeout_s=30)
        await asyncio.sleep(0.1)
        assert is_whole(zone, 1, (ONE, "meadow", 2))
        assert not any(isinstance(said, TakeBack) for said in scene.asked)

    tell(tmp_path, story, scene=ThreeLines)
