"""A scene is lost: its players go on elsewhere, once, and whatever was under way ends rightly."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mesh.errors import RefusedError
from mesh.node import Caller, on
from mesh.protocol.catalogue import Message
from mesh.protocol.cluster import Enter, HostedList, KickAccount, Leave, ListHosted, Placed, Release, Replaced
from mesh.protocol.placement import OpenLine, Transferred
from mesh.protocol.records import FenceScene
from mesh.protocol.sessions import Placement
from mesh.protocol.social import FriendOffline
from mesh.testing import wait_until
from tests.center.peers import FakeLine, Neighbourhood, Scene, friend, tell
from tests.center.test_transfers import problems

ONE, TWO = "eu.one.scene.1", "eu.one.scene.2"


class Both(Scene):
    """Each may carry more lines of what the other one has."""

    MAPS = ("meadow",)


class Apart(Scene):
    """A map on each, and no other."""

    def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
        return {("meadow" if number == 1 else "forest", 1): FakeLine()}


async def on_scene_1(zone: Neighbourhood, account: int, **how: Any) -> Placed:
    """A player on scene.1, wherever others have to go for that."""
    for other in range(900, 920):
        placed: Placed = await zone.online(account, **how)
        if placed.placement.scene == ONE:
            return placed
        await zone.gate(1).ask("center", Leave(placed.session))
        await zone.online(other)
    raise AssertionError("everybody goes to the other scene")


def incarnation(zone: Neighbourhood) -> int:
    return zone.scene(1).incarnation


def test_the_players_of_a_dead_scene_go_on_elsewhere_and_nobody_is_told_otherwise(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await on_scene_1(zone, 1, friends=[friend(2)])
        berta = await zone.online(2, gate=2)
        zone.dc.operations[anna.session] = 77
        dead = incarnation(zone)
        await zone.cluster.kill("scene.1")
        died = zone.cluster.clock.now()
        await wait_until(lambda: zone.homes(1))
        assert 1.0 <= zone.cluster.clock.now() - died < 1.2, "the grace, and no more"
        assert zone.dc.fenced == [FenceScene(ONE, dead)]
        assert zone.homes(1) == [(TWO, "meadow", 2)]
        [enter] = [said for said in zone.scene(2).asked if isinstance(said, Enter) and said.session == anna.session]
        assert (enter.carried, enter.operation) == (None, 77)
        await wait_until(lambda: anna.session in zone.scene(2).attached)
        assert zone.gate(1).transferred[-1] == Transferred(anna.session, 1, Placement(TWO, "meadow", 2))
        assert zone.gate(1).kicks == zone.gate(2).kicks == []
        assert FriendOffline("P1") not in zone.gate(2).told(berta.session)
        assert zone.stage(1) == "online"
        assert problems(zone, 1) == []
        assert isinstance(await zone.resume(anna, gate=2), Placed)

    tell(tmp_path, story)


def test_a_new_process_is_proof_that_the_old_one_is_gone(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await on_scene_1(zone, 1)
        dead = incarnation(zone)
        await zone.cluster.kill("scene.1")
        died = zone.cluster.clock.now()
        await zone.cluster.start("scene.1")
        await wait_until(lambda: zone.homes(1))
        assert zone.cluster.clock.now() - died < 0.9
        assert zone.dc.fenced == [FenceScene(ONE, dead)]
        await asyncio.sleep(0.1)
        assert problems(zone, 1) == []
        assert zone.gate(1).kicks == []

    tell(tmp_path, story)


def test_nobody_is_built_anywhere_before_the_fence_is_on_disk(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await on_scene_1(zone, 1)
        zone.dc.full = True
        await zone.cluster.kill("scene.1")
        await zone.cluster.start("scene.1")
        await asyncio.sleep(10)
        assert zone.homes(1) == zone.dc.read == []
        zone.dc.full = False
        await wait_until(lambda: zone.homes(1), timeout_s=1)
        await asyncio.sleep(0.1)
        assert problems(zone, 1) == []

    tell(tmp_path, story)


def test_a_scene_that_hung_is_told_to_end_and_everything_is_elsewhere(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await on_scene_1(zone, 1)
        zone.cluster.network.pause(ONE)
        paused, hung = zone.cluster.clock.now(), zone.scene(1)
        await wait_until(lambda: zone.homes(1)[1:], timeout_s=5)
        assert zone.cluster.clock.now() - paused < 4.0
        zone.cluster.network.pause(ONE, False)
        await wait_until(lambda: zone.scene(1) is not hung, timeout_s=5)
        assert [type(said) for said in hung.asked if not isinstance(said, Enter)] == [Replaced]
        await wait_until(lambda: zone.center.keeper.scenes().keys() == {ONE, TWO}, timeout_s=5)
        assert zone.worlds(1) == [anna.session]
        assert problems(zone, 1) == []
        assert zone.gate(1).kicks == []

    tell(tmp_path, story)


def test_who_finds_no_room_waits_for_it(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1, map_="meadow")
        await zone.cluster.kill("scene.1")
        await asyncio.sleep(30)
        assert (zone.homes(1), zone.stage(1)) == ([], "online")
        again = await zone.resume(anna, gate=1)
        assert again.placement.scene == ONE, "as far as anybody knows"
        await zone.cluster.start("scene.1")
        await wait_until(lambda: zone.homes(1) == [(ONE, "meadow", 1)])
        await asyncio.sleep(0.1)
        assert anna.session in zone.scene(1).attached
        assert {kick.connection for kick in zone.gate(1).kicks} == {1}, "the older one of the resume"

    tell(tmp_path, story, scene=Apart)


def test_but_not_for_ever(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1, map_="meadow")
        await zone.cluster.kill("scene.1")
        await wait_until(lambda: zone.stage(1) is None, timeout_s=65)
        assert [kick.code for kick in zone.gate(1).kicks] == ["unavailable"]
        assert zone.center.rehoming._homeless == {}

    tell(tmp_path, story, scene=Apart)


def test_a_line_is_opened_for_those_who_find_all_full(tmp_path: Path) -> None:
    class Small(Both):
        def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
            return {("meadow", number): FakeLine(4, 5)}

    async def story(zone: Neighbourhood) -> None:
        zone.scene(2).caps = FakeLine(4, 5, fixed=False)
        placed = [await zone.online(account) for account in range(1, 11)]
        assert {one.placement.scene for one in placed} == {ONE, TWO}
        await zone.cluster.kill("scene.1")
        await wait_until(lambda: all(zone.homes(account) for account in range(1, 11)))
        assert [said for said in zone.scene(2).asked if isinstance(said, OpenLine)]
        assert all(problems(zone, account) == [] for account in range(1, 11))

    tell(tmp_path, story, scene=Small)


def test_three_hundred_go_on_together(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = [await zone.online(account) for account in range(1, 301)]
        there = [one.session for one in placed if one.placement.scene == ONE]
        assert len(there) > 100
        await zone.cluster.kill("scene.1")
        await wait_until(lambda: len(zone.scene(2).characters) == 300)
        assert sorted(zone.dc.read) == sorted(there), "each is asked for once"
        await asyncio.sleep(0.1)
        assert set(there) <= zone.scene(2).attached
        assert zone.gate(1).kicks == []
        assert zone.center.rehoming.rehomed == len(there)

    tell(tmp_path, story)


# --- what is under way meanwhile ---


def test_a_login_that_was_being_built_there_goes_elsewhere(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).slow_s = zone.scene(2).slow_s = 0.5
        logins = [asyncio.ensure_future(zone.online(account)) for account in range(1, 9)]
        await asyncio.sleep(0.2)
        await zone.cluster.kill("scene.1")
        placed = await asyncio.gather(*logins)
        await asyncio.sleep(5)
        for account, one in enumerate(placed, 1):
            assert zone.worlds(account) == [one.session]
            assert problems(zone, account) == []

    tell(tmp_path, story)


def test_a_logout_of_somebody_without_a_scene_ends(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await on_scene_1(zone, 1)
        await zone.cluster.kill("scene.1")
        with pytest.raises(RefusedError, match="unavailable"):
            await zone.gate(1).ask("center", Leave(anna.session))
        await wait_until(lambda: zone.stage(1) is None, timeout_s=5)
        await asyncio.sleep(5)
        assert zone.worlds(1) == []
        assert isinstance(await zone.online(1), Placed)

    tell(tmp_path, story)


def test_a_ban_ends_somebody_without_a_scene(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await on_scene_1(zone, 1)
        await zone.cluster.kill("scene.1")
        await zone.login.ask("center", KickAccount(1, "banned", ""))
        await wait_until(lambda: zone.stage(1) is None, timeout_s=5)
        await asyncio.sleep(5)
        assert zone.worlds(1) == []

    tell(tmp_path, story)


def test_a_login_of_somebody_without_a_scene_is_the_one_that_stays(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await on_scene_1(zone, 1)
        await zone.cluster.kill("scene.1")
        again = await zone.online(1, gate=2)
        await asyncio.sleep(5)
        assert zone.worlds(1) == [again.session]
        assert problems(zone, 1) == []
        assert [kick.code for kick in zone.gate(1).kicks] == ["taken_over"]

    tell(tmp_path, story)


def test_who_drops_without_a_scene_is_linkdead_where_it_arrives(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await on_scene_1(zone, 1)
        await zone.cluster.kill("scene.1")
        zone.drop(anna.session)
        await wait_until(lambda: zone.homes(1))
        assert zone.stage(1) == "linkdead"
        again = await zone.resume(anna)
        assert again.placement.scene == TWO
        await asyncio.sleep(70)
        assert zone.stage(1) == "online"

    tell(tmp_path, story)


@pytest.mark.parametrize("victim", ["dc.1", "gate.1", "scene.2"])
def test_something_else_dies_in_the_middle(tmp_path: Path, victim: str) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await on_scene_1(zone, 1)
        await zone.cluster.kill("scene.1")
        await asyncio.sleep(0.9)
        if victim == "scene.2":
            zone.scene(2).slow_s = 0.3
            await wait_until(
                lambda: any(isinstance(s, Enter) and s.session == anna.session for s in zone.scene(2).asked)
            )
        await zone.cluster.kill(victim)
        await asyncio.sleep(0.5)
        await zone.cluster.start(victim)
        await zone.cluster.start("scene.1")
        await asyncio.sleep(10)
        assert zone.worlds(1) == [anna.session]
        assert problems(zone, 1) == []
        assert zone.stage(1) == ("linkdead" if victim == "gate.1" else "online")

    tell(tmp_path, story)


def test_a_center_that_hears_nobody_gives_up_nobody(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = [await zone.online(account) for account in range(1, 5)]
        zone.cluster.network.pause("eu.one.center.1")
        await asyncio.sleep(8)
        zone.cluster.network.pause("eu.one.center.1", False)
        await asyncio.sleep(10)
        assert zone.dc.fenced == []
        assert all(zone.worlds(account) == [one.session] for account, one in enumerate(placed, 1))

    tell(tmp_path, story)


def test_an_empty_scene_may_come_back_as_it_is(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.cluster.network.pause(ONE)
        hung = zone.scene(1)
        await asyncio.sleep(6)
        zone.cluster.network.pause(ONE, False)
        await wait_until(lambda: len(zone.center.keeper.scenes()) == 2, timeout_s=5)
        assert zone.scene(1) is hung
        assert zone.dc.fenced == []

    tell(tmp_path, story)


def test_a_scene_that_does_not_answer_is_made_to_forget_before_the_next_is_asked(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await on_scene_1(zone, 1)

        async def late(said: Message, when: str) -> None:
            if when == "after" and isinstance(said, Enter):
                await asyncio.sleep(4)  # longer than the center waits

        zone.scene(2).step = late
        await zone.cluster.kill("scene.1")
        await wait_until(lambda: any(isinstance(said, Release) for said in zone.scene(2).asked), timeout_s=8)
        zone.scene(2).step = None
        await wait_until(lambda: zone.stage(1) == "online" and zone.homes(1), timeout_s=8)
        await asyncio.sleep(5)
        assert zone.worlds(1) == [anna.session]
        assert problems(zone, 1) == []

    tell(tmp_path, story)


def test_whoever_is_told_to_end_twice_ends_once(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        rehoming = zone.center.rehoming
        placed = await on_scene_1(zone, 1)
        presence = zone.center.directory.of_account(1)
        rehoming.strand([presence])
        rehoming.strand([presence])
        assert len(rehoming._homeless) == 1
        await wait_until(lambda: not rehoming._homeless)
        assert zone.dc.read == [placed.session]

    tell(tmp_path, story)


# --- a center that starts anew ---


def test_clients_whose_scene_died_together_with_the_center_go_on(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await on_scene_1(zone, 1)
        await zone.online(2, gate=2, friends=[friend(1)])
        dead = incarnation(zone)
        await zone.cluster.kill("center.1")
        await zone.cluster.kill("scene.1")
        await zone.cluster.start("center.1")
        await wait_until(lambda: zone.homes(1), timeout_s=6)
        await asyncio.sleep(0.1)
        assert all(said == FenceScene(ONE, dead) for said in zone.dc.fenced), "once for each gate that has players"
        assert zone.worlds(1) == [anna.session]
        assert anna.session in zone.scene(2).attached
        assert problems(zone, 1) == []
        assert zone.stage(1) == "online"
        assert zone.gate(1).kicks == zone.gate(2).kicks == []
        assert zone.stage(2) == "online"
        again = await zone.resume(anna)
        assert again.placement.scene == TWO

    tell(tmp_path, story)


def test_and_of_a_scene_that_is_back_before_the_center(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await on_scene_1(zone, 1)
        dead = incarnation(zone)
        await zone.cluster.kill("center.1")
        await zone.cluster.kill("scene.1")
        starting = asyncio.ensure_future(zone.cluster.start("scene.1"))
        await asyncio.sleep(0.2)
        await zone.cluster.start("center.1")
        await starting
        await wait_until(lambda: zone.homes(1), timeout_s=6)
        await asyncio.sleep(0.1)
        assert zone.dc.fenced == [FenceScene(ONE, dead)]
        assert zone.worlds(1) == [anna.session]
        assert zone.gate(1).kicks == []

    tell(tmp_path, story)


def test_but_not_with_a_session_that_is_over(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna, berta = await on_scene_1(zone, 1), await zone.online(2)
        zone.dc.forgotten.add(anna.session)  # a newer one was opened
        await zone.gate(1).ask("center", Leave(berta.session))
        zone.gate(1).sessions[berta.session] = 77  # it has not noticed
        await zone.cluster.kill("center.1")
        await zone.cluster.kill("scene.1")
        await zone.cluster.start("center.1")
        zone.dc.forgotten.add(berta.session)
        await wait_until(lambda: len(zone.gate(1).kicks) == 2, timeout_s=6)
        assert zone.worlds(1) == zone.worlds(2) == []
        assert len(zone.center.directory) == 0

    tell(tmp_path, story)


class Slow(Scene):
    """Takes its time to say whom it has, when it is told to."""

    late_s = 0.0

    @on(ListHosted)
    async def on_list_hosted(self, said: ListHosted, caller: Caller) -> HostedList:
        await asyncio.sleep(type(self).late_s if self.name == ONE else 0.0)
        return Scene.on_list_hosted(self, said, caller)


def test_whom_a_living_scene_has_not_named_yet_is_not_built_elsewhere(tmp_path: Path) -> None:
    """A center that starts anew hears the gates, and has waited for that scene for long enough."""

    class Late(Slow):
        pass

    async def story(zone: Neighbourhood) -> None:
        anna = await on_scene_1(zone, 1)
        await asyncio.sleep(0.5)
        await zone.cluster.kill("center.1")
        Late.late_s = 4.0  # it waits for three seconds
        await zone.cluster.start("center.1")
        await wait_until(lambda: zone.center.arrivals.whole.is_set())
        assert zone.center.wholeness.unheard == {ONE}
        Late.late_s = 0.0
        until = zone.cluster.clock.now() + 8.0
        while zone.cluster.clock.now() < until:
            assert zone.worlds(1) == [anna.session]
            await asyncio.sleep(0.1)
        assert zone.dc.fenced == []
        assert zone.stage(1) == "online"
        assert zone.gate(1).kicks == []

    tell(tmp_path, story, scene=Late)


def test_a_scene_that_may_have_built_somebody_before_its_link_broke_is_fenced(tmp_path: Path) -> None:
    """It lives, has the character alone, and nobody of whom the center knows; the login goes to the other scene."""

    async def story(zone: Neighbourhood) -> None:
        async def cut_off(said: Message, when: str) -> None:
            if isinstance(said, Enter) and when == "after":
                zone.cluster.network.cut(TWO, "eu.one.center.1")

        zone.scene(2).step = cut_off
        process = zone.scene(2).incarnation
        for account in range(1, 6):
            await zone.online(account)
            if len(zone.homes(account)) == 2:
                break
        assert len(zone.homes(account)) == 2, "it was built at both"
        await wait_until(lambda: zone.dc.fenced == [FenceScene(TWO, process)])
        zone.cluster.network.mend(TWO, "eu.one.center.1")
        await wait_until(lambda: len(zone.homes(account)) == 1)

    tell(tmp_path, story)
