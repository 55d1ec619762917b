"""A ban ends what an account has open, and whatever is on its way in."""

import asyncio
from pathlib import Path

import pytest

from mesh.errors import MeshError, RefusedError
from mesh.protocol.cluster import KickAccount, Leave, Placed, Queued
from mesh.protocol.records import BanAccount
from mesh.protocol.sessions import session_of
from mesh.testing import run, wait_until, with_cluster
from mesh.topology import load
from tests.center.peers import Neighbourhood, tell
from tests.conftest import ZONE
from tests.world import ROLES, World


async def ban(zone: Neighbourhood, account: int, session: int = 0) -> None:
    await zone.login.ask("center", KickAccount(account, "banned", "bots", session))


def test_a_login_that_the_scene_works_on_ends(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        zone.scene(1).slow_s = zone.scene(2).slow_s = 0.5
        login = asyncio.create_task(zone.online(1))
        await asyncio.sleep(0.2)
        await ban(zone, 1, session_of(1, 2))
        await login
        assert [kick.code for kick in zone.gate(1).kicks] == ["banned"]
        assert zone.worlds(1) == []
        assert len(zone.center.directory) == 0

    tell(tmp_path, story)


@pytest.mark.parametrize("session", [0, session_of(1, 3)])
def test_a_login_that_waits_for_the_lock_is_refused(tmp_path: Path, session: int) -> None:
    async def story(zone: Neighbourhood) -> None:
        async with zone.center.arrivals.locks.hold(1):
            logins = [asyncio.create_task(zone.online(1)) for _ in range(2)]
            await asyncio.sleep(0.1)
            banned = asyncio.create_task(ban(zone, 1, session))
            await asyncio.sleep(0.1)
            late = asyncio.create_task(zone.online(1, session=session_of(1, 3) if session else session_of(1, 2)))
            await asyncio.sleep(0.1)
        await banned
        answers = await asyncio.gather(*logins, late, return_exceptions=True)
        assert isinstance(answers[-1], RefusedError)
        await wait_until(lambda: zone.worlds(1) == [])
        await asyncio.sleep(10)
        assert zone.worlds(1) == []
        assert zone.stage(1) is None

    tell(tmp_path, story)


def test_a_login_that_comes_after_the_ban_with_a_session_from_before_is_refused(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        await ban(zone, 1, session_of(1, 2))
        for epoch in (1, 2):
            with pytest.raises(RefusedError, match="taken_over"):
                await zone.online(1, session=session_of(1, epoch))
        assert isinstance(await zone.online(1, session=session_of(1, 3)), Placed), "the ban was lifted"
        await ban(zone, 1, session_of(1, 2))  # said late
        assert zone.stage(1) == "online"
        assert zone.gate(1).kicks == []

    tell(tmp_path, story)


def test_one_who_is_being_admitted_from_the_queue_does_not_get_in(tmp_path: Path) -> None:
    async def story(zone: Neighbourhood) -> None:
        inside = await zone.online(1)
        assert isinstance(await zone.online(2, gate=2), Queued)
        await asyncio.sleep(1)
        async with zone.center.arrivals.locks.hold(2):
            await zone.gate(1).ask("center", Leave(inside.session))
            await wait_until(lambda: zone.center.queue.turns)
            banned = asyncio.create_task(ban(zone, 2, session_of(2, 2)))
            await asyncio.sleep(0.1)
        await banned
        await asyncio.sleep(5)
        assert zone.worlds(2) == []
        assert len(zone.center.directory) == len(zone.center.queue) == 0
        assert zone.gate(2).kicks

    tell(tmp_path, story, "capacity = 1")


def test_a_ban_at_any_moment_of_a_login_keeps_the_account_out(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        world.cluster.network.latency_s = (0.002, 0.002)
        for step in range(20):
            name = f"villain{step}"
            await (await world.login(name)).logout()
            login = asyncio.create_task(world.login(name))
            await asyncio.sleep(step * 0.002)
            await world.operator.ask("login.1", BanAccount(name, -1, "cheating"))
            try:
                player = await login
            except MeshError:
                continue
            await wait_until(lambda player=player: not player.playing)
        assert world.players() == 0

    file = tmp_path / "zone.toml"
    file.write_text(ZONE + "\n[settings.login]\nargon_memory_kib = 64\nargon_passes = 1\n")
    topology = load(file, runtime=tmp_path / "run")
    run(with_cluster(topology, ROLES, tmp_path / "data", lambda cluster: story(World(cluster)), seed=1))
