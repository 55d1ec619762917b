"""Lines that are opened when they are needed and closed when they are not."""

import asyncio
from pathlib import Path

import pytest

from mesh.errors import RefusedError
from mesh.protocol.catalogue import Message
from mesh.protocol.cluster import Enter, Leave, Placed, Queued
from mesh.protocol.control import Describe
from mesh.protocol.placement import CloseLine, OpenLine
from mesh.protocol.sessions import PartyAt
from mesh.testing import wait_until
from tests.center.peers import FakeLine, Neighbourhood, Scene, friend, tell

ONE, TWO = "eu.one.scene.1", "eu.one.scene.2"


class Growing(Scene):
    """Each scene has a line of the meadow for three, better two, and may carry two lines in all."""

    MAPS = ("meadow",)

    def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
        return {("meadow", number): FakeLine(2, 3)}

    def __init__(self, seat: object) -> None:
        super().__init__(seat)
        self.lines_max, self.caps = 2, FakeLine(2, 3, fixed=False)


def lines(zone: Neighbourhood) -> dict[int, int]:
    """Players by line, as the center sees it."""
    return {line.number: zone.center.lines.players(line) for line in zone.center.lines.all()}


def asked(zone: Neighbourhood, kind: type[Message]) -> list[Message]:
    return [said for n in (1, 2) for said in zone.scene(n).asked if isinstance(said, kind)]


def test_a_line_is_opened_when_all_have_reached_their_soft_caps(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        for account in (1, 2, 3):
            await zone.online(account)
        await asyncio.sleep(2)
        assert sorted(lines(zone)) == [1, 2]
        await zone.online(4)
        await asyncio.sleep(0.1)
        assert lines(zone) == {1: 2, 2: 2, 3: 0}, "before the next one comes"
        assert (await zone.online(5)).placement.line == 3
        await asyncio.sleep(5)
        assert sorted(lines(zone)) == [1, 2, 3]
        assert len(asked(zone, OpenLine)) == 1

    tell(tmp_path, story, scene=Growing)


def test_it_is_opened_on_the_scene_with_fewer_players(tmp_path: Path) -> None:
    class Uneven(Growing):
        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", number): FakeLine(2, 3) if number == 1 else FakeLine(1, 1)}

    async def story(zone: Neighbourhood) -> None:
        for account in (1, 2, 3):
            await zone.online(account)
        await wait_until(lambda: len(lines(zone)) == 3)
        found = zone.center.lines.find("meadow", 3)
        assert found is not None
        assert found.scene == TWO

    tell(tmp_path, story, scene=Uneven)


def test_logins_that_find_all_lines_full_wait_for_one_new_one(tmp_path: Path) -> None:
    class Slow(Growing):
        def __init__(self, seat: object) -> None:
            super().__init__(seat)
            self.caps = FakeLine(1, 1, fixed=False)

        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", number): FakeLine(1, 1)}

    async def story(zone: Neighbourhood) -> None:
        async def slow(said: Message, when: str) -> None:
            if isinstance(said, OpenLine) and when == "before":
                await asyncio.sleep(0.5)

        zone.scene(1).step = zone.scene(2).step = slow
        answers = await asyncio.gather(*(zone.online(account) for account in range(1, 6)))
        lines = [answer.placement.line for answer in answers if isinstance(answer, Placed)]
        assert sorted(lines) == [1, 2, 3, 4]
        assert isinstance(answers[-1], Queued), "a line for each of them, one after the other, and no room for a fifth"
        assert [type(said) for said in zone.scene(1).asked].count(Enter) == 2, "nobody was sent to a full line"

    tell(tmp_path, story, scene=Slow)


def test_when_no_more_lines_can_be_opened_logins_wait_in_the_queue(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        answers = [await zone.online(account) for account in range(1, 15)]
        assert [type(answer) for answer in answers] == [Placed] * 12 + [Queued] * 2
        assert lines(zone) == {1: 3, 2: 3, 3: 3, 4: 3}
        await zone.gate(1).ask("center", Leave(answers[0].session))
        await wait_until(lambda: zone.gate(1).admitted)
        await asyncio.sleep(2)
        assert len(zone.gate(1).admitted) == 1

    tell(tmp_path, story, scene=Growing)


def test_a_map_without_a_line_is_opened_for_the_first_one_who_wants_it(tmp_path: Path) -> None:
    class Cave(Growing):
        MAPS = ("meadow", "cave")

    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, map_="cave")
        assert (placed.placement.map, placed.placement.line) == ("cave", 1)
        [line] = [line for line in zone.center.lines.all() if line.map == "cave"]
        assert (line.soft, line.max, line.fixed) == (2, 3, False), "as the scene's own list says"

    tell(tmp_path, story, scene=Cave)


def test_a_scene_that_refuses_is_passed_over(tmp_path: Path) -> None:
    class Stubborn(Growing):
        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", number): FakeLine(1, 1)}

    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).maps = []  # it has changed its mind
        for account in (1, 2):
            await zone.online(account)
        assert (await zone.online(3)).placement == zone.center.directory.of_account(3).placement
        assert zone.homes(3) == [(TWO, "meadow", 3)]

    tell(tmp_path, story, scene=Stubborn)


def test_a_scene_that_does_not_answer_is_asked_to_close_what_it_may_have_opened(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        silent = [True]

        async def step(said: Message, when: str) -> None:
            if isinstance(said, OpenLine) and when == "after" and silent:
                silent.clear()
                await asyncio.sleep(1000)

        zone.scene(1).step = zone.scene(2).step = step
        for account in range(1, 5):
            await zone.online(account)
        await wait_until(lambda: asked(zone, CloseLine), timeout_s=10)
        await asyncio.sleep(0.1)
        numbers = [number for n in (1, 2) for _, number in zone.scene(n).lines]
        assert sorted(numbers) == sorted(lines(zone)), "nobody has a line that the others do not know"

    tell(tmp_path, story, scene=Growing)


def test_a_line_that_is_not_needed_closes_after_a_while(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        players = [await zone.online(account) for account in range(1, 6)]
        assert sorted(lines(zone)) == [1, 2, 3]
        for placed in players[2:]:
            await zone.gate(1).ask("center", Leave(placed.session))
        await asyncio.sleep(55)
        assert sorted(lines(zone)) == [1, 2, 3]
        await asyncio.sleep(10)
        assert sorted(lines(zone)) == [1, 2]
        assert len(asked(zone, CloseLine)) == 1
        assert sum(len(zone.scene(n).lines) for n in (1, 2)) == 2
        for account in (3, 4):
            await zone.online(account)
        await wait_until(lambda: sorted(lines(zone)) == [1, 2, 3])
        assert (await zone.online(5)).placement.line == 3

    tell(tmp_path, story, scene=Growing)


def test_a_line_that_the_scene_does_not_close_is_used_again(tmp_path: Path) -> None:
    class Busy(Growing):
        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", 1): FakeLine(2, 3)} if number == 1 else {("meadow", 2): FakeLine(2, 3, fixed=False)}

    async def story(zone: Neighbourhood) -> None:
        zone.scene(2).where[99] = ("meadow", 2)  # somebody whom the center does not know of
        await wait_until(lambda: asked(zone, CloseLine), timeout_s=70)
        await asyncio.sleep(0.1)
        line = zone.center.lines.find("meadow", 2)
        assert line is not None
        assert not line.closing

    tell(tmp_path, story, scene=Busy)


def test_a_line_to_which_somebody_is_on_the_way_is_not_closed(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        line = zone.center.lines.find("meadow", 2)
        assert line is not None
        with zone.center.directory.coming(TWO, "meadow", 2), pytest.raises(RefusedError, match="out_of_order"):
            await zone.center.keeper.close(line)
        assert not line.closing
        assert asked(zone, CloseLine) == []
        await zone.center.keeper.close(line)
        assert list(lines(zone)) == [1]

    tell(tmp_path, story, scene=Growing)


def test_nobody_is_sent_to_a_line_that_closes(tmp_path: Path) -> None:
    class Empty(Growing):
        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", 1): FakeLine(2, 3)} if number == 1 else {("meadow", 2): FakeLine(2, 3, fixed=False)}

    async def story(zone: Neighbourhood) -> None:
        async def slow(said: Message, when: str) -> None:
            if isinstance(said, CloseLine) and when == "before":
                await asyncio.sleep(0.5)

        zone.scene(2).step = slow
        await wait_until(lambda: asked(zone, CloseLine), timeout_s=70)
        assert (await zone.online(1)).placement.line == 1
        await asyncio.sleep(1)
        assert list(lines(zone)) == [1]

    tell(tmp_path, story, scene=Empty)


def test_of_two_lines_with_one_name_the_empty_one_closes(tmp_path: Path) -> None:
    class Double(Growing):
        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", 1): FakeLine(2, 3)}

    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1)
        await wait_until(lambda: len(zone.center.lines.all()) == 1, timeout_s=5)
        assert [line.scene for line in zone.center.lines.all()] == [placed.placement.scene]

    tell(tmp_path, story, scene=Double)


def test_the_lines_of_a_lost_scene_are_forgotten_and_come_back_with_it(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.cluster.kill("scene.2")
        assert [(await zone.online(account)).placement.scene for account in (1, 2)] == [ONE, ONE]
        await asyncio.sleep(4)
        assert 2 not in lines(zone) or zone.center.lines.find("meadow", 2).scene == ONE
        await zone.cluster.start("scene.2")
        await wait_until(lambda: zone.center.lines.at_scene(TWO))

    tell(tmp_path, story, scene=Growing)


# --- company ---


def test_friends_and_party_meet(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).lines[("meadow", 1)] = FakeLine(4, 6)
        await zone.center.wholeness.compare_scene(ONE)
        await zone.online(1)
        assert (await zone.online(2, friends=[friend(1)])).placement.line == 1
        assert (await zone.online(3, friends=[friend(1, "asked")])).placement.line == 2
        zone.center.arrivals.companions.party_of = lambda _: PartyAt(7, 3, False, [3, 4, 5])
        assert (await zone.online(4, friends=[friend(1), friend(2)])).placement.line == 2
        assert (await zone.online(5)).placement.line == 2, "above the soft cap"
        assert zone.scene(2).asked[-1].party == PartyAt(7, 3, False, [3, 4, 5])

    tell(tmp_path, story, scene=Growing)


def test_a_center_that_starts_anew_knows_the_lines(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        for account in range(1, 6):
            await zone.online(account)
        before = lines(zone)
        assert sorted(before) == [1, 2, 3]
        await zone.cluster.kill("center.1")
        await zone.cluster.start("center.1")
        await wait_until(lambda: lines(zone) == before)
        assert (await zone.online(6)).placement.line == 3

    tell(tmp_path, story, scene=Growing)


def test_operators_see_the_lines(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1)
        described = zone.center.on_describe(Describe(), None).facts["lines"]
        one = {
            "map": "meadow",
            "line": 1,
            "scene": ONE,
            "players": 1,
            "soft": 2,
            "max": 3,
            "state": "free",
            "fixed": True,
        }
        assert described == [one, one | {"line": 2, "scene": TWO, "players": 0}]
        await zone.cluster.kill("scene.2")
        assert zone.center.describe()["lines"][1]["state"] == "away"

    tell(tmp_path, story, scene=Growing)


@pytest.mark.parametrize("map_", ["", "sunken city"])
def test_who_has_no_map_enters_where_the_center_says(tmp_path: Path, map_: str) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1, map_=map_)
        [enter] = asked(zone, Enter)
        assert isinstance(enter, Enter)
        assert (enter.map, enter.status.map, enter.spot) == ("meadow", map_, None)

    tell(tmp_path, story)
