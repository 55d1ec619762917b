"""Real processes are killed and come back; players go on, and nothing that was acknowledged is lost."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator

import psutil
import pytest

from mesh.client.player import Player
from mesh.errors import MeshError, PeerLost, RefusedError
from mesh.protocol.client import Goodbye
from mesh.protocol.control import Describe, Description
from mesh.protocol.play import Entered, Loot, PlayDenied
from mesh.protocol.records import DbStat, ReadRecords, Records, StatDb
from mesh.testing import wait_until
from tests.cluster.running import Running, alive, say_aloud

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def zone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("zone"))
    yield running
    running.stop()
    assert alive(str(running.runtime)) == []


def tell(story: Callable[[], Awaitable[None]], timeout_s: float = 300.0) -> None:
    asyncio.run(asyncio.wait_for(story(), timeout_s))


async def patiently(attempt: Callable[[], Awaitable[Player]]) -> Player:
    """Again, while a node is on its way back."""
    for _ in range(100):
        try:
            return await attempt()
        except PeerLost:
            await asyncio.sleep(0.1)
        except RefusedError as error:
            if error.code not in ("unavailable", "shutdown"):
                raise
            await asyncio.sleep(0.1)
    raise AssertionError("nobody came back")


async def ready_again(zone: Running, short: str, old_pid: int) -> None:
    """The node is Ready with a new process."""

    async def now() -> bool:
        try:
            async with zone.operator() as operator:
                answer = await operator.ask(short, Describe(), 1.0)
        except MeshError:
            return False
        return isinstance(answer, Description) and answer.state == "Ready" and answer.pid != old_pid

    async with asyncio.timeout(15):
        while not await now():  # noqa: ASYNC110 - another process does not set events
            await asyncio.sleep(0.05)


async def saved(zone: Running, account: str, x_m: float) -> None:
    """The DC has this position of a character on disk (its rows are what is committed)."""

    async def now() -> bool:
        async with zone.operator() as operator:
            answer = await operator.ask("dc.1", ReadRecords("states", account))
        assert isinstance(answer, Records)
        return any(abs(row["x"] - x_m) < 0.05 for _, row in answer.rows)

    async with asyncio.timeout(10):
        while not await now():  # noqa: ASYNC110 - another process does not set events
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("short", ["login.1", "log.1", "center.1", "dc.1"])
def test_a_killed_node_returns_and_players_do_not_notice(zone: Running, short: str) -> None:
    async def story() -> None:
        anna = await zone.login(f"anna-{short[:-2]}")
        before = anna.session.updates
        old = zone.kill(short)
        await ready_again(zone, short, old)
        bob = await patiently(lambda: zone.login(f"bob-{short[:-2]}"))
        assert anna.connected
        assert anna.playing

        await say_aloud(bob, "still there?", anna)
        assert anna.session.updates >= before
        await bob.logout()
        await anna.logout()

    tell(story)


def test_after_a_gate_was_killed_its_players_resume_with_their_tokens(zone: Running) -> None:
    async def story() -> None:
        players = [await zone.login(f"gated-{n}") for n in range(20)]
        places = [(p.session.entered.scene, p.session.entered.you.entity) for p in players]
        old = zone.kill("gate.1")
        await wait_until(lambda: not any(p.connected for p in players))
        await ready_again(zone, "gate.1", old)

        async def resume(player: Player) -> Player:
            await player.resume()
            return player

        for player in players:
            await patiently(lambda player=player: resume(player))  # type: ignore[misc]
        assert [(p.session.entered.scene, p.session.entered.you.entity) for p in players] == places
        assert all(p.session.entered.resumed for p in players)
        for player in players:
            await player.logout()

    tell(story)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_the_players_of_a_scene_that_is_lost_go_on_where_they_were_saved(zone: Running, how: signal.Signals) -> None:
    async def story() -> None:
        name = f"anna-scene-{how.value}"
        anna = await zone.login(name)
        scene = anna.session.entered.scene.removeprefix("local.one.")
        x, y = anna.session.x, anna.session.y
        step = round(0.5 / anna.session.entered.unit_m)
        x += step if x < 5000 else -step
        anna.move(x, y)
        await saved(zone, name, x * anna.session.entered.unit_m)
        old = zone.kill(scene, how)
        try:
            entered = await anna.wait(Entered, where=lambda said: said.anew)
        finally:
            if how == signal.SIGSTOP:
                os.kill(old, signal.SIGCONT)
        assert (entered.x, entered.y) == (x, y)
        assert anna.playing
        denied = anna.play(Loot(7))  # there is no such corpse
        await anna.wait(PlayDenied, where=lambda said: said.sequence == denied)
        await ready_again(zone, scene, old)
        assert anna.playing
        await anna.logout()

    tell(story)


def test_a_second_login_takes_over_and_the_first_is_told(zone: Running) -> None:
    async def story() -> None:
        first = await zone.login("carol")
        second = await zone.login("carol")
        assert (await first.wait(Goodbye)).code == "taken_over"
        assert second.playing
        await second.logout()

    tell(story)


def test_a_node_that_hangs_does_not_stop_the_others(zone: Running) -> None:
    async def story() -> None:
        anna = await zone.login("anna-hang")
        pid = zone.kill("log.1", signal.SIGSTOP)
        try:
            bob = await zone.login("bob-hang")
            await bob.logout()
            assert anna.playing
        finally:
            os.kill(pid, signal.SIGCONT)
        await anna.logout()

    tell(story)


def test_every_acknowledged_operation_survives_kills_of_the_dc(tmp_path) -> None:
    """Accounts are made as fast as the login takes them while the DC is killed again and again; afterwards the file
    has every one that was acknowledged."""
    zone = Running(tmp_path)
    acknowledged: list[str] = []

    async def story() -> None:
        async def newcomers(lane: int) -> None:
            for n in range(25):
                name = f"new-{lane}-{n}"
                try:
                    player = await zone.login(name, timeout_s=5.0)
                except MeshError:
                    continue
                acknowledged.append(name)
                player.drop()

        async def killer() -> None:
            for _ in range(2):
                before = len(acknowledged)
                await wait_until(lambda before=before: len(acknowledged) > before + 8, timeout_s=120)  # type: ignore[misc]
                old = await asyncio.to_thread(zone.kill, "dc.1")
                await ready_again(zone, "dc.1", old)

        await asyncio.gather(killer(), *(newcomers(lane) for lane in range(4)))
        async with zone.operator() as operator:
            answer = await operator.ask("dc.1", StatDb())
            assert isinstance(answer, DbStat)

    try:
        tell(story, 90.0)
    finally:
        zone.stop()
    assert len(acknowledged) > 20
    data = zone.topology.data(zone.topology.node("dc.1"))
    listed = offline(data, "list")
    assert set(acknowledged) <= {account["name"] for account in listed["accounts"]}
    checked = offline(data, "check")
    assert checked["problems"] == []


def offline(data, *words: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "nodes", "dc", "--offline", *words, "--data", str(data)],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_who_crashed_is_followed_by_the_spare_and_who_is_restarted_is_not(zone: Running) -> None:
    def words(short: str) -> list[str]:
        return psutil.Process(zone.pid(short)).cmdline()

    async def spare_waits() -> None:
        """Of the center, apart from the center itself, which may have been one."""
        supervisor = psutil.Process(zone.pid("center.1")).parent()
        assert supervisor is not None

        def now() -> bool:
            return any(
                {"center.1", "--spare"} <= set(one.cmdline()) and one.pid != zone.pid("center.1")
                for one in supervisor.children()
            )

        async with asyncio.timeout(30):
            while not now():  # noqa: ASYNC110 - another process does not set events
                await asyncio.sleep(0.05)

    async def story() -> None:
        await spare_waits()
        pid = zone.pid("center.1")
        os.kill(pid, signal.SIGKILL)
        await ready_again(zone, "center.1", pid)
        assert "--spare" in words("center.1")
        await spare_waits()
        assert "center.1 is Ready again" in zone.mesh("restart", "center.1")
        assert "--spare" not in words("center.1")

    tell(story)
