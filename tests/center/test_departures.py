"""Getting out: linkdead, logout, ban, and nodes that die or come back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from mesh.errors import RefusedError
from mesh.protocol.cluster import KickAccount, Leave, Placed, Queued, Release
from mesh.protocol.placement import FindPlayer, KickPlayer
from mesh.protocol.social import FriendOffline
from mesh.testing import wait_until
from tests.center.peers import Neighbourhood, friend, status, tell


def test_a_dropped_client_stays_for_linkdead_s_and_is_then_saved_and_gone(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1, friends=[friend(2)])
        berta = await zone.online(2, friends=[friend(1)])
        dropped_at = zone.cluster.clock.now()
        zone.drop(anna.session)
        await asyncio.sleep(59)
        assert zone.worlds(1) == [anna.session]
        assert zone.gate(1).told(berta.session) == []
        await wait_until(lambda: not zone.worlds(1))
        await wait_until(lambda: zone.gate(1).told(berta.session))
        assert 60 <= zone.cluster.clock.now() - dropped_at < 62
        assert zone.gate(1).told(berta.session) == [FriendOffline("P1")]
        released = [said for said in zone.scene(1).asked + zone.scene(2).asked if isinstance(said, Release)]
        assert released == [Release(anna.session)]

    tell(tmp_path, story)


def test_a_logout_is_answered_when_the_character_is_saved(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.scene(1).slow_s = 1.0
        started = zone.cluster.clock.now()
        await zone.gate(1).ask("center", Leave(anna.session))
        assert zone.cluster.clock.now() - started >= 1.0
        assert zone.worlds(1) == []
        await zone.gate(1).ask("center", Leave(anna.session))  # twice does no harm
        with pytest.raises(RefusedError, match="resume_gone"):
            await zone.resume(anna)

    tell(tmp_path, story)


def test_a_character_that_cannot_be_saved_stays_until_it_can(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.scene(1).releases = False
        with pytest.raises(RefusedError, match="unavailable"):
            await zone.gate(1).ask("center", Leave(anna.session))
        await asyncio.sleep(20)
        assert zone.stage(1) == "leaving"
        zone.scene(1).releases = True
        await wait_until(lambda: zone.stage(1) is None)
        assert zone.worlds(1) == []

    tell(tmp_path, story)


def test_a_login_during_the_logout_of_the_same_account_ends_in_the_world_once(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.scene(1).slow_s = zone.scene(2).slow_s = 0.5
        _, again = await asyncio.gather(zone.gate(1).ask("center", Leave(anna.session)), zone.online(1))
        assert zone.worlds(1) == [again.session]
        assert zone.stage(1) == "online"

    tell(tmp_path, story)


def test_a_resume_and_the_end_of_linkdead_at_once_end_in_one_of_both(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).slow_s = zone.scene(2).slow_s = 0.5
        for account in range(1, 21):
            placed = await zone.online(account)
            zone.drop(placed.session)
            await asyncio.sleep(58.5 + account * 0.2)
            [answer] = await asyncio.gather(zone.resume(placed), return_exceptions=True)
            if isinstance(answer, Placed):
                await asyncio.sleep(3)
                assert zone.stage(account) == "online"
                assert zone.worlds(account) == [placed.session]
            else:
                assert isinstance(answer, RefusedError)
                assert answer.code == "resume_gone"
                await wait_until(lambda account=account: zone.stage(account) is None)
                assert zone.worlds(account) == []

    tell(tmp_path, story)


def test_a_banned_account_loses_whatever_it_has_open(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        assert isinstance(await zone.online(2, gate=2), Queued)
        for account in (2, 1, 77):
            await zone.login.ask("center", KickAccount(account, "banned", "gold selling"))
        await asyncio.sleep(0.1)
        assert [(k.session, k.code, k.text) for k in zone.gate(1).kicks] == [(anna.session, "banned", "gold selling")]
        assert [k.code for k in zone.gate(2).kicks] == ["banned"]
        assert zone.worlds(1) == []
        assert len(zone.center.directory) == len(zone.center.queue) == 0

    tell(tmp_path, story, "capacity = 1")


def test_the_players_of_a_dead_gate_resume_at_another_one(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = [await zone.online(account) for account in range(1, 11)]
        await zone.cluster.kill("gate.1")
        await wait_until(lambda: zone.stage(1) == "linkdead")
        for one in placed:
            await zone.resume(one, gate=2)
        await asyncio.sleep(100)
        assert len(zone.center.directory) == 10
        assert all(zone.stage(account) == "online" for account in range(1, 11))

    tell(tmp_path, story)


def test_who_cannot_go_on_elsewhere_is_told_and_its_friends_too(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1, friends=[friend(2)])
        berta = await zone.online(2, gate=2)  # who would go to a friend's line otherwise
        assert anna.placement.scene != berta.placement.scene
        zone.dc.forgotten.add(anna.session)
        await zone.cluster.kill("scene.1")
        await wait_until(lambda: zone.gate(1).kicks)
        assert [(k.session, k.code) for k in zone.gate(1).kicks] == [(anna.session, "unavailable")]
        await wait_until(lambda: zone.gate(2).told(berta.session) == [FriendOffline("P1")])
        again = await zone.online(1)
        assert again.placement.scene == "eu.one.scene.2"

    tell(tmp_path, story)


def test_a_scene_that_was_only_paused_keeps_its_players(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.cluster.network.pause("eu.one.scene.1")
        await asyncio.sleep(2.5)  # long enough to be taken for dead
        zone.cluster.network.pause("eu.one.scene.1", False)
        await asyncio.sleep(10)
        assert zone.gate(1).kicks == []
        assert zone.stage(1) == "online"
        assert zone.worlds(1) == [anna.session]
        assert zone.dc.fenced == []

    tell(tmp_path, story, "scene_grace_s = 2.0")


# --- the center itself ---


def test_a_restarted_center_knows_everybody_again(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = {account: await zone.online(account, gate=1 + account % 2) for account in range(1, 21)}
        zone.drop(placed[20].session)
        await asyncio.sleep(1)
        epoch = zone.center.publications.epoch
        await zone.cluster.kill("center.1")
        await zone.cluster.start("center.1")
        assert zone.center.publications.epoch == epoch + 1
        await wait_until(lambda: zone.center.directory.count()["online"] == 19, timeout_s=5)
        assert zone.stage(20) == "linkdead"
        assert zone.gate(1).kicks == zone.gate(2).kicks == []
        again = await zone.resume(placed[20])
        assert again.placement.scene == placed[20].placement.scene
        assert again.nonce not in {one.nonce for one in placed.values()}
        await asyncio.sleep(100)
        assert zone.center.directory.count()["online"] == 20

    tell(tmp_path, story)


def test_after_a_restart_linkdead_players_have_linkdead_s_from_then_on(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1)
        zone.drop(placed.session)
        await asyncio.sleep(30)
        await zone.cluster.kill("center.1")
        await zone.cluster.start("center.1")
        await asyncio.sleep(55)
        assert zone.worlds(1) == [placed.session]
        await asyncio.sleep(10)
        assert zone.worlds(1) == []

    tell(tmp_path, story)


def test_a_login_right_after_a_restart_waits_and_lands_where_the_account_is(tmp_path: Path) -> None:
    """A center that has not heard the scenes yet would put the account into the world a second time."""

    async def story(zone: Neighbourhood) -> None:
        await zone.online(9)
        old = await zone.online(1)
        assert old.placement.scene == "eu.one.scene.2"
        await zone.cluster.kill("center.1")
        zone.cluster.network.pause("eu.one.scene.2")
        await zone.cluster.start("center.1")
        await wait_until(lambda: zone.login.peers("center"))
        login = asyncio.ensure_future(zone.online(1))
        await asyncio.sleep(1)
        assert not login.done()
        zone.cluster.network.pause("eu.one.scene.2", False)
        new = await login
        assert new.placement.scene == "eu.one.scene.2"
        assert zone.worlds(1) == [new.session]

    tell(tmp_path, story)


def test_a_scene_that_stays_away_holds_up_logins_for_recovery_s_only(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.cluster.kill("center.1")
        await zone.cluster.kill("scene.2")
        await zone.cluster.start("center.1")
        started = zone.cluster.clock.now()
        await wait_until(lambda: zone.login.peers("center") and zone.center.peers("scene"))
        assert isinstance(await zone.online(1), Placed)
        assert 2.0 < zone.cluster.clock.now() - started < 4.0

    tell(tmp_path, story)


def test_a_login_in_flight_when_the_center_dies_ends_once(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).slow_s = zone.scene(2).slow_s = 0.3
        session = zone.session(1)
        login = asyncio.ensure_future(zone.online(1, session=session))
        await asyncio.sleep(0.1)
        await zone.cluster.kill("center.1")
        await asyncio.gather(login, return_exceptions=True)
        await zone.cluster.start("center.1")
        await wait_until(lambda: zone.login.peers("center") and len(zone.center.peers("scene")) == 2)
        placed = await zone.online(1, session=session)  # login asks again
        assert zone.worlds(1) == [session]
        assert placed.session == session
        await asyncio.sleep(100)
        assert zone.stage(1) == "online"

    tell(tmp_path, story)


def test_nodes_do_not_hang_up_on_each_other_when_the_center_restarts(tmp_path: Path) -> None:
    """The first node that registers again must not be told that it is alone."""

    async def story(zone: Neighbourhood) -> None:
        lost: list[str] = []
        for name, node in zone.cluster.nodes.items():
            if name != "center.1":
                node.peer_lost = lambda member, name=name: lost.append(f"{name}: {member.name}")
        await zone.cluster.kill("center.1")
        await asyncio.sleep(1)
        await zone.cluster.start("center.1")
        await asyncio.sleep(10)
        assert {line for line in lost if "center" not in line} == set()
        assert len(zone.center.roster.members) == 7

    tell(tmp_path, story)


def test_a_center_that_stood_still_loses_nobody(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = [await zone.online(account) for account in range(1, 5)]
        zone.cluster.network.pause("eu.one.center.1")
        await asyncio.sleep(2.5)
        zone.cluster.network.pause("eu.one.center.1", False)
        await asyncio.sleep(10)
        assert zone.gate(1).kicks == []
        assert zone.center.directory.count()["online"] == len(placed)

    tell(tmp_path, story)


def test_what_nobody_said_is_found_by_asking(tmp_path: Path) -> None:
    """A notice can be lost with a link; a gate's list cannot."""

    async def story(zone: Neighbourhood) -> None:
        anna = await zone.online(1)
        zone.gate(1).sessions.clear()
        zone.gate(2).sessions[status(5).account] = 99
        await wait_until(lambda: zone.stage(1) == "linkdead", timeout_s=25)
        await wait_until(lambda: zone.gate(2).kicks, timeout_s=25)
        assert isinstance(await zone.resume(anna), Placed)

    tell(tmp_path, story)


# --- operators ---


def test_operators_find_a_player(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1, friends=[friend(2), friend(3, "asked")])
        await zone.online(2)
        find = zone.center.dispatch.handlers.messages[FindPlayer]
        found = find(FindPlayer("p1"), None)
        assert (found.session, found.name, found.stage, found.gate) == (placed.session, "P1", "online", "eu.one.gate.1")
        assert found.placement == placed.placement
        assert found.friends == [("P2", "friend", True), ("P3", "asked", False)]
        assert found.party == []
        with pytest.raises(RefusedError, match="not_found"):
            find(FindPlayer("P9"), None)

    tell(tmp_path, story)


def test_operators_end_a_session_and_its_player_is_told_why(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        kick = zone.center.dispatch.handlers.messages[KickPlayer]
        await zone.online(1)
        await zone.online(2)
        await zone.online(3)
        await kick(KickPlayer("P1", "enough"), None)
        await kick(KickPlayer("p2"), None)
        await asyncio.sleep(0.1)
        told = [(said.code, said.text) for said in zone.gate(1).kicks]
        assert told == [("kicked", "enough"), ("kicked", "an operator has ended your session")]
        assert zone.worlds(1) == zone.worlds(2) == []
        assert zone.stage(1) is None
        with pytest.raises(RefusedError, match="not_found"):
            await kick(KickPlayer("P1"), None)

    tell(tmp_path, story)


def test_operators_end_a_wait_in_the_queue(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await zone.online(1)
        assert isinstance(await zone.online(2), Queued)
        await zone.center.dispatch.handlers.messages[KickPlayer](KickPlayer("P2"), None)
        await asyncio.sleep(0.1)
        assert [said.code for said in zone.gate(1).kicks] == ["kicked"]
        assert len(zone.center.queue) == zone.center.queue.held == 0

    tell(tmp_path, story, "capacity = 1")


def test_a_stale_character_is_dropped_however_long_that_takes(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        placed = await zone.online(1)
        scene = zone.scene(2)
        scene.characters[placed.session] = zone.scene(1).characters[placed.session]
        scene.where[placed.session], scene.parties[placed.session] = ("meadow", 2), None
        scene.slow_s = 1000.0
        await zone.center.wholeness.compare_scene(scene.name)
        await asyncio.sleep(5)
        assert len(zone.worlds(1)) == 2
        scene.slow_s = 0.0
        await wait_until(lambda: zone.worlds(1) == [placed.session], timeout_s=5)
        assert zone.homes(1) == [("eu.one.scene.1", "meadow", 1)]

    tell(tmp_path, story)


@pytest.mark.parametrize(
    ("end", "why", "returns"), [("expire", "expired", True), ("leave", "logout", False), ("kick", "kick", False)]
)
@pytest.mark.parametrize("dies", [False, True])
def test_a_release_that_is_asked_again_has_its_reason_still(
    tmp_path: Path, end: str, why: str, returns: bool, dies: bool
) -> None:
    async def story(zone: Neighbourhood) -> None:
        heard: list[str] = []

        class Watching:
            def came(self, presence: Any) -> None: ...

            def moved(self, presence: Any) -> None: ...

            def went(self, presence: Any, why: str) -> None:
                heard.append(why)

        zone.center.departures._watchers.append(Watching())
        placed = await zone.online(1)
        scene = zone.cluster.topology.node(placed.placement.scene).short
        zone.cluster.node(scene).releases = False
        if end == "expire":
            zone.drop(placed.session)
            await asyncio.sleep(65)
        elif end == "leave":
            with pytest.raises(RefusedError):
                await zone.gate(1).ask("center", Leave(placed.session))
        else:
            await zone.login.ask("center", KickAccount(1, "banned", ""))
        await asyncio.sleep(5)
        assert heard == []
        if dies:
            await zone.cluster.kill(scene)
        else:
            zone.cluster.node(scene).releases = True
        await wait_until(lambda: heard)
        assert heard == [why]
        assert (1 in zone.center.queue._returns) == returns

    tell(tmp_path, story)
