"""Getting in: placement, takeover, resume, queue, and scenes that do not play along."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from mesh.errors import MeshError, RefusedError
from mesh.protocol.cluster import Dropped, Enter, Leave, LeaveQueue, Placed, Queued, Release
from mesh.protocol.social import FriendOffline, FriendOnline
from mesh.testing import wait_until
from tests.center.peers import Neighbourhood, friend, tell


async def code(work: Awaitable[Any]) -> str:
    with pytest.raises(RefusedError) as caught:
        await work
    return caught.value.code


def test_a_session_is_placed_and_friends_hear_of_it(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1, friends=[friend(2), friend(3, "asked")])
        other = await zone.online(3)
        assert isinstance(anna, Placed)
        assert (anna.character, anna.placement.map, anna.linkdead_s) == ("P1", "meadow", 60.0)
        assert zone.worlds(1) == [anna.session]
        berta = await zone.online(2, gate=2, friends=[friend(1)])
        await asyncio.sleep(0.1)
        assert zone.gate(1).told(anna.session) == [FriendOnline("P2")]
        assert zone.gate(1).told(other.session) == []
        assert zone.gate(2).told(berta.session) == []
        assert berta.nonce != anna.nonce

    tell(tmp_path, story)


def test_a_burst_spreads_over_the_scenes(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await asyncio.gather(*(zone.online(account) for account in range(1, 101)))
        assert len(zone.scene(1).characters) == len(zone.scene(2).characters) == 50

    tell(tmp_path, story)


def test_a_second_login_takes_over_on_the_same_scene(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(9)  # so that the least loaded scene would be the other one
        old = await zone.online(1, friends=[friend(2)])
        berta = await zone.online(2, friends=[friend(1)])
        new = await zone.online(1, gate=2, friends=[friend(2)])
        await asyncio.sleep(0.1)
        assert new.placement == old.placement
        assert zone.worlds(1) == [new.session]
        [kick] = zone.gate(1).kicks
        assert (kick.session, kick.code) == (old.session, "taken_over")
        assert zone.gate(1).told(berta.session) == [], "for friends nothing has happened"
        releases = [said for n in (1, 2) for said in zone.scene(n).asked if isinstance(said, Release)]
        assert releases == [], "the living character is handed over, not saved and built again"

    tell(tmp_path, story)


def test_of_two_logins_at_once_exactly_one_survives(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        for scene in (1, 2):
            zone.scene(scene).slow_s = 0.2
        for account, older_first in ((1, True), (2, False)):
            sessions = [zone.session(account), zone.session(account)]
            order = sessions if older_first else sessions[::-1]
            answers = await asyncio.gather(
                *(zone.online(account, gate=1 + n, session=s) for n, s in enumerate(order)), return_exceptions=True
            )
            await asyncio.sleep(0.1)
            assert zone.worlds(account) == [sessions[1]], "the newer one"
            connected = [s for n in (1, 2) for s in zone.gate(n).sessions if s in sessions]
            assert connected == [sessions[1]]
            for session, answer in zip(order, answers, strict=True):
                kicked = any(kick.session == session for n in (1, 2) for kick in zone.gate(n).kicks)
                assert isinstance(answer, Placed) != isinstance(answer, RefusedError)
                assert (session == sessions[1]) == (isinstance(answer, Placed) and not kicked)

    tell(tmp_path, story)


def test_a_hundred_logins_of_one_account_leave_one(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        sessions = [zone.session(1) for _ in range(100)]
        shuffled = sessions[::3] + sessions[1::3] + sessions[2::3]
        work = (zone.online(1, gate=1 + n % 2, session=s) for n, s in enumerate(shuffled))
        await asyncio.gather(*work, return_exceptions=True)
        await asyncio.sleep(0.1)
        assert zone.worlds(1) == [sessions[-1]]
        assert [*zone.gate(1).sessions, *zone.gate(2).sessions] == [sessions[-1]]
        assert len(zone.center.directory) == 1

    tell(tmp_path, story)


def test_an_older_session_is_refused_even_after_the_newer_one_has_left(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        older = zone.session(1)
        newer = await zone.online(1)
        assert await code(zone.online(1, session=older)) == "taken_over"
        await zone.gate(1).ask("center", Leave(newer.session))
        assert await code(zone.online(1, session=older)) == "taken_over"
        assert zone.worlds(1) == []

    tell(tmp_path, story)


def test_the_same_login_asked_twice_is_one(tmp_path: Path) -> None:
    """Login asks again when the first answer was lost with a link."""

    async def story(zone: Neighbourhood) -> None:
        first = await zone.online(1, friends=[friend(2)])
        again = await zone.online(1, session=first.session, friends=[friend(2)])
        assert again.placement == first.placement
        assert zone.worlds(1) == [first.session]
        assert len(zone.center.directory) == 1

    tell(tmp_path, story)


@pytest.mark.parametrize("mood", ["refuse", "dead"])
def test_another_scene_is_tried_once(tmp_path: Path, mood: str) -> None:
    async def story(zone: Neighbourhood) -> None:
        if mood == "refuse":
            zone.scene(1).mood = "refuse"
            placed = await zone.online(1)
        else:
            zone.scene(1).mood = "hang"
            login = asyncio.ensure_future(zone.online(1))
            await wait_until(lambda: zone.scene(1).asked)
            await zone.cluster.kill("scene.1")
            placed = await login
        assert placed.placement.scene == "eu.one.scene.2"
        assert zone.worlds(1) == [placed.session]
        assert zone.center.directory.count_at("eu.one.scene.1") == 0

    tell(tmp_path, story)


def test_when_no_scene_takes_it_the_login_is_refused_and_nothing_stays(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).mood = zone.scene(2).mood = "refuse"
        assert await code(zone.online(1)) == "unavailable"
        assert len(zone.center.directory) == 0
        zone.scene(2).mood = "take"
        assert isinstance(await zone.online(1), Placed)

    tell(tmp_path, story)


def test_a_scene_that_does_not_answer_ends_the_login_and_is_asked_to_give_it_up(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).mood = zone.scene(2).mood = "hang"
        session = zone.session(1)
        with pytest.raises(MeshError):
            await zone.online(1, session=session)
        await wait_until(lambda: len(zone.center.directory) == 0)
        asked = zone.scene(1).asked
        assert [type(said) for said in asked] == [Enter, Release]
        assert asked[1].session == session

    tell(tmp_path, story)


def test_a_takeover_that_the_scene_refuses_goes_elsewhere_without_leaving_the_old_one(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        old = await zone.online(1)
        zone.scene(1).mood = "refuse"
        new = await zone.online(1)
        assert old.placement.scene == "eu.one.scene.1"
        assert new.placement.scene == "eu.one.scene.2"
        assert zone.worlds(1) == [new.session]

    tell(tmp_path, story)


def test_a_takeover_that_fails_everywhere_is_an_end_for_friends(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1, friends=[friend(2)])
        berta = await zone.online(2, friends=[friend(1)])
        zone.scene(1).mood = zone.scene(2).mood = "refuse"
        assert await code(zone.online(1)) == "unavailable"
        await asyncio.sleep(0.1)
        assert zone.gate(1).told(berta.session) == [FriendOffline("P1")]
        assert zone.worlds(1) == []
        assert zone.stage(1) is None

    tell(tmp_path, story)


def test_a_login_that_nobody_waits_for_is_finished_and_then_found_without_connection(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).slow_s = zone.scene(2).slow_s = 1.0
        login = asyncio.ensure_future(zone.online(1))
        await wait_until(lambda: zone.scene(1).asked)
        await zone.cluster.kill("login.1")
        await asyncio.gather(login, return_exceptions=True)
        await wait_until(lambda: zone.stage(1) == "online")
        await wait_until(lambda: zone.stage(1) == "linkdead", timeout_s=30)
        await wait_until(lambda: zone.stage(1) is None, timeout_s=90)
        assert zone.worlds(1) == []

    tell(tmp_path, story)


# --- resume ---


def test_a_resume_leads_to_the_same_place(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, friends=[friend(2)])
        berta = await zone.online(2, friends=[friend(1)])
        zone.drop(placed.session)
        await wait_until(lambda: zone.stage(1) == "linkdead")
        await asyncio.sleep(59)
        again = await zone.resume(placed, gate=2)
        assert again.placement == placed.placement
        assert again.session == placed.session
        assert again.nonce != placed.nonce
        await asyncio.sleep(120)
        assert zone.stage(1) == "online"
        assert zone.gate(1).told(berta.session) == [], "for friends nothing has happened"

    tell(tmp_path, story)


def test_a_resume_token_is_good_once(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1)
        zone.drop(placed.session)
        results = await asyncio.gather(zone.resume(placed, gate=1), zone.resume(placed, gate=2), return_exceptions=True)
        assert [type(result).__name__ for result in results].count("Placed") == 1
        refused = next(result for result in results if isinstance(result, RefusedError))
        assert refused.code == "resume_gone"
        assert zone.stage(1) == "online"

    tell(tmp_path, story)


def test_a_quick_reconnect_is_not_undone_by_the_end_of_the_old_connection(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1)
        old_connection = zone.gate(1).sessions[placed.session]
        await zone.resume(placed, gate=2)
        await asyncio.sleep(0.1)
        assert [(k.connection, k.code) for k in zone.gate(1).kicks] == [(old_connection, "taken_over")]
        zone.gate(1).tell("center", Dropped(placed.session, old_connection))
        await asyncio.sleep(100)
        assert zone.stage(1) == "online"
        assert zone.worlds(1) == [placed.session]

    tell(tmp_path, story)


def test_who_comes_back_too_late_is_told(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1)
        zone.drop(placed.session)
        await asyncio.sleep(63)
        assert await code(zone.resume(placed)) == "resume_gone"

    tell(tmp_path, story)


# --- the queue ---


def test_a_full_zone_lets_in_one_for_one_in_order(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        inside = [await zone.online(account) for account in (1, 2)]
        waiting = [await zone.online(account, gate=2) for account in (3, 4, 5)]
        assert [q.position for q in waiting] == [1, 2, 3]
        assert all(isinstance(q, Queued) for q in waiting)
        await asyncio.sleep(5)
        assert zone.gate(2).admitted == []
        for placed in inside:
            zone.drop(placed.session)
            await asyncio.sleep(65)
        admitted = [(admit.placed.character, admit.place) for admit in zone.gate(2).admitted]
        assert admitted == [("P3", waiting[0].place), ("P4", waiting[1].place)]
        assert zone.gate(2).moved[-1].position == 1
        assert len(zone.center.directory) == 2
        assert zone.worlds(3)
        assert not zone.worlds(5)

    tell(tmp_path, story, "capacity = 2")


def test_who_is_in_the_zone_never_waits_again(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        first = await zone.online(1)
        assert isinstance(await zone.online(2), Queued)
        zone.drop(first.session)
        assert isinstance(await zone.resume(first), Placed)
        assert isinstance(await zone.online(1), Placed), "a takeover needs no place"

    tell(tmp_path, story, "capacity = 1")


def test_a_waiting_account_keeps_its_position_with_a_new_login(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1)
        await zone.online(2)
        await zone.online(3)
        again = await zone.online(2, gate=2)
        assert again.position == 1
        assert [(k.code, k.connection) for k in zone.gate(1).kicks] == [("taken_over", 2)]

    tell(tmp_path, story, "capacity = 1")


def test_a_place_that_was_given_up_is_skipped(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        first = await zone.online(1)
        second = await zone.online(2, gate=2)
        third = await zone.online(3, gate=2)
        zone.gate(2).tell("center", LeaveQueue(second.place))
        zone.drop(first.session)
        await wait_until(lambda: zone.gate(2).admitted, timeout_s=70)
        assert zone.gate(2).admitted[0].place == third.place
        assert zone.worlds(2) == []

    tell(tmp_path, story, "capacity = 1")


def test_a_full_queue_refuses(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1)
        await zone.online(2)
        assert await code(zone.online(3)) == "zone_full"

    tell(tmp_path, story, "capacity = 1\nqueue_max = 1")


def test_a_scene_without_room_makes_people_wait_too(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).capacity = zone.scene(2).capacity = 1
        await asyncio.sleep(2)  # until the center has heard of it
        answers = [await zone.online(account) for account in (1, 2, 3)]
        assert [type(answer) for answer in answers] == [Placed, Placed, Queued]

    tell(tmp_path, story)


def test_the_waiting_of_a_lost_gate_do_not_hold_up_the_others(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        first = await zone.online(1)
        await zone.online(2, gate=2)
        await zone.online(3)
        await zone.cluster.kill("gate.2")
        zone.drop(first.session)
        await wait_until(lambda: zone.gate(1).admitted, timeout_s=70)
        assert zone.gate(1).admitted[0].placed.character == "P3"

    tell(tmp_path, story, "capacity = 1")


def test_without_a_scene_a_login_is_refused_at_once(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.cluster.kill("scene.1")
        await zone.cluster.kill("scene.2")
        started = zone.cluster.clock.now()
        assert await code(zone.online(1)) == "unavailable"
        assert zone.cluster.clock.now() - started < 0.5

    tell(tmp_path, story)
