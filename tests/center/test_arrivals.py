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
from tests.center.peers import FakeLine, Neighbourhood, Scene, friend, tell


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


class Small(Scene):
    """One player on each line, and no more lines."""

    def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
        return {("meadow", number): FakeLine(1, 1)}


def test_lines_without_room_make_people_wait_too(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        answers = [await zone.online(account) for account in (1, 2, 3)]
        assert [type(answer) for answer in answers] == [Placed, Placed, Queued]
        await zone.gate(1).ask("center", Leave(answers[0].session))
        await wait_until(lambda: zone.gate(1).admitted)
        assert zone.homes(3) == [("eu.one.scene.1", "meadow", 1)]

    tell(tmp_path, story, scene=Small)


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


# --- whose turn it is ---


def names(zone: Neighbourhood, gate: int = 1) -> list[str]:
    return [admit.placed.character for admit in zone.gate(gate).admitted]


async def one_by_one(zone: Neighbourhood, *inside: Placed) -> None:
    """Let so many go, each after the one before was replaced."""
    for placed in inside:
        before = len(zone.gate(1).admitted) + len(zone.gate(2).admitted)
        gate = next(gate for gate in (zone.gate(1), zone.gate(2)) if placed.session in gate.sessions)
        await gate.ask("center", Leave(placed.session))
        del gate.sessions[placed.session]
        await wait_until(lambda before=before: len(zone.gate(1).admitted) + len(zone.gate(2).admitted) > before)


def test_priority_comes_first_but_does_not_lock_the_others_out(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        inside = [await zone.online(account) for account in range(1, 6)]
        await zone.online(11)
        await zone.online(12)
        waiting = [await zone.online(account, priority=1) for account in range(21, 25)]
        assert [queued.position for queued in waiting] == [1, 2, 3, 5]
        await asyncio.sleep(1)
        await one_by_one(zone, *inside)
        assert names(zone) == ["P21", "P22", "P23", "P11", "P24"]

    tell(tmp_path, story, "capacity = 5")


def test_who_expired_comes_back_before_those_who_wait(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        lost, other = await zone.online(1), await zone.online(2)
        await zone.online(3, priority=5)
        zone.drop(lost.session)
        await wait_until(lambda: names(zone) == ["P3"], timeout_s=70)
        await zone.online(4, priority=5)
        assert (await zone.online(1)).position == 1
        await asyncio.sleep(1)
        await one_by_one(zone, other)
        assert names(zone) == ["P3", "P1"]

    tell(tmp_path, story, "capacity = 2")


def test_who_was_lost_with_its_scene_comes_back_first_and_who_logged_out_does_not(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        victim, leaver = await zone.online(1), await zone.online(2)
        assert victim.placement.scene != leaver.placement.scene
        await zone.online(3)
        await zone.gate(1).ask("center", Leave(leaver.session))
        await wait_until(lambda: names(zone) == ["P3"])
        zone.dc.forgotten.add(victim.session)
        await zone.cluster.kill(victim.placement.scene.removeprefix("eu.one."))
        assert isinstance(await zone.online(4), Queued)
        await wait_until(lambda: names(zone) == ["P3", "P4"], timeout_s=10)
        assert (await zone.online(5)).position == 1
        assert (await zone.online(2)).position == 2
        assert (await zone.online(1)).position == 1, "before both"

    tell(tmp_path, story, "capacity = 2")


def test_a_waiting_client_that_drops_keeps_its_position(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        first = await zone.online(1)
        second = await zone.online(2, gate=2)
        await zone.online(3)
        zone.gate(2).tell("center", LeaveQueue(second.place))
        await asyncio.sleep(100)
        assert zone.gate(1).moved[-1].position == 1
        again = await zone.online(2)
        assert again.position == 1
        await asyncio.sleep(1)
        await one_by_one(zone, first)
        assert names(zone) == ["P2"]

    tell(tmp_path, story, "capacity = 1")


def test_positions_outlive_the_center(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        inside = await zone.online(1)
        for account in (2, 3, 4):
            await zone.online(account)
        await asyncio.sleep(1.5)
        await zone.cluster.kill("center.1")
        await zone.cluster.start("center.1")
        assert (await zone.online(9)).position == 1
        assert [(await zone.online(account)).position for account in (4, 2, 3)] == [1, 1, 2]
        await asyncio.sleep(1)
        await one_by_one(zone, inside)
        assert names(zone) == ["P2"]

    tell(tmp_path, story, "capacity = 1")


def test_the_list_of_who_waits_is_written_when_it_has_changed_and_once_a_second(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        file = tmp_path / "data" / "center.1" / "queue.mp"
        await zone.online(1)
        await asyncio.sleep(3)
        assert not file.exists()
        await zone.online(2)
        await asyncio.sleep(1.1)
        written = file.read_bytes()
        file.unlink()
        await asyncio.sleep(5)
        assert written
        assert not file.exists(), "nothing has changed"

    tell(tmp_path, story, "capacity = 1")


def test_who_finds_no_room_after_all_waits_on(tmp_path: Path) -> None:
    """The place that was free is taken by a portal while the admitted one is on its way."""

    async def story(zone: Neighbourhood) -> None:
        inside = [await zone.online(account) for account in (1, 2)]
        waiting = await zone.online(3)
        await asyncio.sleep(1)
        with zone.center.directory.coming(inside[0].placement.scene, "meadow", inside[0].placement.line):
            await zone.gate(1).ask("center", Leave(inside[0].session))
            await asyncio.sleep(2)
            assert names(zone) == []
        async with zone.center.arrivals.locks.hold(3):
            await asyncio.sleep(1)
            assert zone.center.queue.of_account(3) is None, "it was admitted, and something keeps it waiting"
            away = zone.center.directory.coming(inside[0].placement.scene, "meadow", inside[0].placement.line)
            away.__enter__()
        await asyncio.sleep(0)
        entry = zone.center.queue.of_account(3)
        assert entry is not None
        assert (entry.place, entry.left) == (waiting.place, False)
        await asyncio.sleep(3)
        assert names(zone) == []
        away.__exit__(None, None, None)
        await wait_until(lambda: names(zone) == ["P3"])
        assert zone.gate(1).kicks == []

    tell(tmp_path, story, scene=Small)


# --- other zones ---


def test_before_a_session_comes_in_the_other_zones_are_asked(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        claimed: list[int] = []

        async def claim(session: int) -> None:
            claimed.append(session)
            assert zone.homes(1) == [], "before, not after"
            await asyncio.sleep(0.1)
            if len(claimed) == 1:
                raise RefusedError("taken_over", "a newer one is on its way")

        zone.center.arrivals.claims.claim = claim  # type: ignore[method-assign]
        assert await code(zone.online(1)) == "taken_over"
        assert zone.stage(1) is None
        placed = await zone.online(1)
        assert claimed == [placed.session - 1, placed.session]

    tell(tmp_path, story)


def test_a_claim_comes_before_the_queue_lets_somebody_in(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        inside = await zone.online(1)
        waiting = await zone.online(2)

        async def claim(session: int) -> None:
            zone.center.directory.supersede(session + 1)

        zone.center.arrivals.claims.claim = claim  # type: ignore[method-assign]
        await asyncio.sleep(1)
        await zone.gate(1).ask("center", Leave(inside.session))
        await wait_until(lambda: zone.gate(1).kicks)
        assert zone.worlds(2) == []
        assert waiting.position == 1

    tell(tmp_path, story, "capacity = 1")


def test_a_place_that_was_promised_is_kept_for_half_a_minute(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        arrivals = zone.center.arrivals
        await zone.online(1)
        arrivals.expect(2)
        arrivals.expect(2)
        with pytest.raises(RefusedError, match="zone_full"):
            arrivals.expect(3)
        assert isinstance(await zone.online(4), Queued)
        assert isinstance(await zone.online(2), Placed), "past the queue"
        assert len(arrivals.expected) == 0

    tell(tmp_path, story, "capacity = 2")


def test_a_promise_that_is_not_taken_up_ends(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.center.arrivals.expect(2)
        assert isinstance(await zone.online(4), Queued)
        await asyncio.sleep(29)
        assert names(zone) == []
        await asyncio.sleep(2)
        assert names(zone) == ["P4"]
        assert isinstance(await zone.online(2), Queued), "too late"

    tell(tmp_path, story, "capacity = 1")


def test_nothing_is_promised_while_somebody_waits(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        inside = [await zone.online(account) for account in (1, 2, 3)]
        for account in (4, 5, 6):
            assert isinstance(await zone.online(account), Queued)
        await asyncio.gather(*(zone.gate(1).ask("center", Leave(one.session)) for one in inside[:1]))
        with pytest.raises(RefusedError, match="zone_full"):
            zone.center.arrivals.expect(9)
        await wait_until(lambda: "P4" in names(zone))
        assert len(zone.center.arrivals.expected) == 0

    tell(tmp_path, story, "capacity = 3")


def test_nothing_is_promised_on_a_map_without_room(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        for number in (1, 2):
            zone.scene(number).lines["meadow", number].max = 1
        await zone.cluster.kill("center.1")
        await zone.cluster.start("center.1")
        await wait_until(lambda: zone.center.arrivals.whole.is_set() and len(zone.center.keeper.scenes()) == 2)
        await zone.online(1)
        arrivals = zone.center.arrivals
        arrivals.expect(2, "meadow")
        with pytest.raises(RefusedError, match="zone_full"):
            arrivals.expect(3, "meadow")
        assert isinstance(await zone.online(4), Queued), "what is promised is taken"
        assert isinstance(await zone.online(2), Placed)

    tell(tmp_path, story)


def test_a_promise_outlives_a_login_that_failed(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        arrivals = zone.center.arrivals
        arrivals.expect(2)
        zone.scene(1).mood = zone.scene(2).mood = "refuse"
        assert await code(zone.online(2)) == "unavailable"
        assert 2 in arrivals.expected
        zone.scene(1).mood = zone.scene(2).mood = "take"
        assert isinstance(await zone.online(3), Queued)
        assert isinstance(await zone.online(2), Placed)

    tell(tmp_path, story, "capacity = 1")
