"""A pair of DCs that are cut off from each other or from the center, whose copy breaks, to whom anything happens."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from mesh.errors import MeshError
from mesh.protocol.cluster import CreateAccount, LoadStatus
from mesh.testing import wait_until
from nodes.dc import replication, standby
from nodes.dc.audit import Audit
from nodes.dc.memory_store import MemoryStore
from nodes.dc.store import DiskFull
from tests.pair import Fate, Town, cut, mend, tell


@pytest.fixture
def town(tmp_path):
    def go(story, seed: int = 1, settings: str = "") -> None:
        tell(tmp_path, story, seed, settings)

    return go


@pytest.mark.parametrize("how", ["both", "there", "back"])
@pytest.mark.parametrize("other", ["center.1", "dc.2"])
def test_a_writer_that_is_cut_off_from_one_of_the_others(town, other, how):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        cut(town, "dc.1", other, how)
        await town.progress(20, 40)
        assert len(town.writers()) == 1 or not town.dc("dc.1").pair.may_answer()
        mend(town)
        await town.progress(5, 40)
        await town.check()

    town(story)


@pytest.mark.parametrize("how", ["both", "there", "back"])
def test_a_writer_that_is_cut_off_from_both(town, how):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        cut(town, "dc.1", "center.1", how)
        cut(town, "dc.1", "dc.2", how)
        await wait_until(lambda: town.dc("dc.2").pair.serves, timeout_s=3.0)
        await town.progress(20, 40)
        assert not town.dc("dc.1").pair.may_answer()
        mend(town)
        await town.progress(5, 40)
        await town.check()

    town(story)


@pytest.mark.parametrize("how", ["both", "there", "back"])
def test_a_standby_that_is_cut_off_from_the_center(town, how):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        cut(town, "dc.2", "center.1", how)
        await town.progress(200, 40)
        assert town.writers() == ["dc.1"]
        mend(town)
        await town.check()

    town(story)


def test_what_is_paid_for_and_waits_is_unknown_when_another_one_writes(town):
    async def story(town: Town) -> None:
        await town.begin(0)
        paid = await town.payer("paid", replicated=True)
        await paid.pay()
        cut(town, "dc.1", "dc.2", "both")
        cut(town, "dc.1", "center.1", "both")
        asked = asyncio.ensure_future(paid.pay())
        await wait_until(lambda: town.dc("dc.2").pair.serves)
        mend(town)
        await asked
        await town.check()

    town(story, settings='replicated = "paid"\n')


def test_no_two_logins_have_the_same_session_whatever_waits_for_the_standby(town):
    async def story(town: Town) -> None:
        await town.begin(0)
        account = (await town.ask("login.1", CreateAccount("anna", "hash"))).account
        sessions = [(await town.ask("login.1", LoadStatus(account))).session]
        cut(town, "dc.1", "dc.2", "both")
        cut(town, "dc.1", "center.1", "both")
        cut_off = asyncio.ensure_future(town.ask("login.1", LoadStatus(account)))
        await wait_until(lambda: town.dc("dc.2").pair.serves)
        mend(town)
        with suppress(MeshError):
            sessions.append((await cut_off).session)
        await wait_until(lambda: town.writers() == ["dc.2"])
        sessions.append((await town.ask("login.1", LoadStatus(account))).session)
        assert sorted(set(sessions)) == sessions
        await town.check()

    town(story, settings='replicated = "paid"\n')


class Thread:
    """A thread of a DC that stands still for a while: what it was given is done in order, whoever has given it up."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.waiting = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        async def done() -> Any:
            await self.go.wait()
            return function(*args)

        self.waiting += 1
        task = asyncio.ensure_future(done())
        self._tasks.add(task)
        try:
            return await asyncio.shield(task)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        pass


def test_who_takes_over_while_a_batch_is_on_its_way_to_the_disk_goes_on_from_it(town):
    """The writer does not wait for so slow a disk, and neither does the handler; what is being written still counts."""

    async def story(town: Town) -> None:
        await town.begin(0)
        payer = await town.payer("payer")
        await payer.pay()
        thread = Thread()
        town.dc("dc.2").writer._workers = thread
        thread.go.clear()
        paying = asyncio.ensure_future(payer.pay())
        await wait_until(lambda: thread.waiting == 1)
        town.cluster.network.pause(town.cluster.topology.node("dc.1").name)
        await wait_until(lambda: town.dc("dc.2").pair.role == "writer", timeout_s=20)
        await asyncio.sleep(1.0)
        thread.go.set()
        await wait_until(lambda: town.writers() == ["dc.2"] or town.dc("dc.2").pair.serves, timeout_s=20)
        await paying
        await payer.pay()
        town.cluster.network.pause(town.cluster.topology.node("dc.1").name, False)
        await town.check()
        assert Audit(town.disks.stores["dc.2"]).run()["problems"] == []

    town(story)


def test_an_office_that_is_over_before_it_was_taken_leaves_nothing(town):
    """Who takes over waits for the last batch of the writer before; meanwhile the office may have gone to another."""

    async def story(town: Town) -> None:
        await town.begin(0)
        await town.payer("payer")
        pair = town.dc("dc.2").pair
        async with pair.standby.lock:
            await town.cluster.kill("dc.1")
            await wait_until(lambda: pair.role == "writer", timeout_s=20)
            cut(town, "dc.2", "center.1", "both")
            stepping = asyncio.ensure_future(pair._step_down(pair.replication))
            await asyncio.sleep(0.01)
        await stepping
        assert pair.replication is None
        assert town.dc("dc.2").writer.partner is None
        assert not pair.serves
        mend(town)
        await wait_until(lambda: pair.serves, timeout_s=20)

    town(story)


def test_who_takes_over_with_a_full_disk_waits_for_room(town):
    async def story(town: Town) -> None:
        await town.begin(0)
        await town.payer("payer")
        await asyncio.sleep(1.0)
        town.disks.stores["dc.2"].fail = DiskFull("no room is left")
        await town.cluster.kill("dc.1")
        await wait_until(lambda: town.dc("dc.2").pair.role == "writer")
        await asyncio.sleep(1.0)
        assert town.writers() == []
        assert town.dc("dc.2").writer.full
        town.disks.stores["dc.2"].fail = None
        town.pay()
        await town.progress()
        assert not town.dc("dc.2").writer.full
        await town.start("dc.1")
        await town.check()
        full = [line for line in town.cluster.log.lines if line[1].startswith("the disk is full")]
        town.cluster.log.lines = [line for line in town.cluster.log.lines if line not in full]
        assert len(full) == 1, "it is said once"

    town(story)


@pytest.fixture
def slow_copies(monkeypatch):
    """A copy takes a while: a few rows in a piece."""
    monkeypatch.setattr(replication, "COPY_ROWS", 3)
    monkeypatch.setattr(standby, "FORGET_ROWS", 7)


async def copying(town: Town, pieces: int) -> None:
    """The standby has lost its disk and is in the middle of a copy of a database with some players in it."""
    await town.cluster.kill("dc.2")
    for number in range(60):
        await town.ask("login.1", CreateAccount(f"filler-{number}", "hash"))
    town.disks.stores["dc.2"].damage("names", b"left over", b"of a copy that was never completed")
    await town.cluster.start("dc.2")
    await wait_until(lambda: town.dc("dc.2").pair.standby.follower.copying)
    await asyncio.sleep(0.003 * pieces)
    assert town.dc("dc.2").pair.standby.follower.copying


@pytest.mark.parametrize("pieces", [1, 5, 30])
def test_a_copy_is_made_beside_the_writing_and_again_when_it_breaks(town, slow_copies, pieces):
    async def story(town: Town) -> None:
        await town.begin()
        town.disks.stores["dc.2"] = MemoryStore()
        await copying(town, pieces)
        await town.cluster.kill("dc.2")
        await town.cluster.start("dc.2")
        assert standby.position(town.disks.stores["dc.2"]) == (0, 0)
        await town.progress()
        await town.check()

    town(story)


def test_half_a_copy_never_takes_over(town, slow_copies):
    async def story(town: Town) -> None:
        await town.begin()
        town.disks.stores["dc.2"] = MemoryStore()
        await copying(town, 20)
        await town.cluster.kill("dc.1")
        await asyncio.sleep(8.0)
        assert town.writers() == []
        await town.cluster.kill("dc.2")
        await town.start("dc.2")
        await asyncio.sleep(8.0)
        assert town.writers() == []
        await town.cluster.start("dc.1")
        await town.progress()
        await town.check()

    town(story)


@pytest.mark.parametrize("settings", ["", 'replicated = "paid"\n'])
@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_nothing_that_was_acknowledged_is_lost(town, seed, settings):
    async def story(town: Town) -> None:
        await town.begin(0)
        for number in range(4):
            await town.payer(f"payer-{number}", replicated=bool(settings))
        town.pay()
        await Fate(town, seed).run(25)
        await town.progress(3, 60)
        await town.check()

    town(story, seed, settings)
