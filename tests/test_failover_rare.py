"""Moments of a pair that last less than a millisecond, found by reading and not by chance: each is made to happen."""

import asyncio

import lmdb
import pytest

from mesh.errors import DeadlineExceeded, StorageError
from mesh.protocol.cluster import CreateAccount
from mesh.protocol.records import GoldMove, Operate
from mesh.testing import InlineWorkers, run, wait_until, with_cluster
from mesh.topology import load
from nodes.dc.ledger import DATABASE
from nodes.dc.memory_store import MemoryStore
from nodes.dc.records import META
from nodes.dc.store import DiskFull
from tests.pair import ROLES, TOPOLOGY, Disks, Town, cut, gold_in, tell

ALONE = TOPOLOGY.replace('[[process]]\nnodes = ["dc.2"]\n', "").replace('standby = { "dc.1" = "dc.2" }\n', "")


@pytest.fixture
def town(tmp_path):
    def go(story, seed: int = 1, settings: str = "") -> None:
        tell(tmp_path, story, seed, settings)

    return go


def played(folder, story, dc, text=TOPOLOGY) -> None:
    """A story of a cluster whose DCs are of this class."""
    file = folder / "some.toml"
    file.write_text(text)
    run(with_cluster(load(file, runtime=folder / "run"), {**ROLES, "dc": dc}, folder / "data", story))


def told_in_a_pair(folder, story, disks, workers) -> None:
    """A story of a town whose DCs have such worker threads."""

    class Dc(disks.node_class()):
        def __init__(self, seat):
            super().__init__(seat)
            self._workers = workers()

    async def in_town(cluster) -> None:
        cluster.network.latency_s = (0.0005, 0.002)
        await story(Town(cluster, disks))

    played(folder, in_town, Dc)


class LateWorkers(InlineWorkers):
    """The disk has it, and the thread is slow to say so."""

    delay_s = 0.0

    async def run(self, function, *args):
        result = function(*args)
        if self.delay_s and function.__name__ == "_commit_in_thread":
            await asyncio.sleep(self.delay_s)
        return result


def test_a_copy_is_whole_when_it_is_said_to_be(tmp_path):
    """A copy reads half of a transaction that is on the writer's disk and not in its log yet. Then the writer dies."""
    disks, hooks, waiting = Disks(), {}, []

    class Hooked(MemoryStore):
        def scan(self, table, prefix=b"", start=b""):
            if table in hooks:
                hooks.pop(table)()
            return super().scan(table, prefix, start)

    disks.stores["dc.1"] = Hooked()

    async def story(town: Town) -> None:
        await town.begin(count=1)
        town.rest()
        payer = town.payers[0]
        await town.cluster.kill("dc.2")
        await wait_until(lambda: town.dc("dc.1").pair.replication.term.mode == "alone")
        disks.stores["dc.2"] = MemoryStore()

        def now() -> None:  # the purses were read, the operations not yet
            town.dc("dc.1")._workers.delay_s = 5.0
            waiting.append(asyncio.ensure_future(payer.pay()))

        hooks["items"] = now
        await town.start("dc.2")
        await wait_until(lambda: waiting, timeout_s=20)
        await asyncio.sleep(4.0)
        assert not town.dc("dc.1").pair.in_sync, "half a transaction is there"
        await wait_until(lambda: town.dc("dc.1").pair.in_sync, timeout_s=20)
        await asyncio.wait_for(waiting[0], 20)
        await town.cluster.kill("dc.1")
        await wait_until(lambda: town.writers() == ["dc.2"], timeout_s=20)
        assert gold_in(disks.stores["dc.2"], payer.account) == 100 + payer.acknowledged
        assert payer.acknowledged

    told_in_a_pair(tmp_path, story, disks, LateWorkers)


class OneThread(InlineWorkers):
    """One call after the other, as a pool of one thread; a commit may take long and find the disk full."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self.stall_s, self.is_full = 0.0, False
        self.stuck = asyncio.Event()

    async def run(self, function, *args):
        async with self._lock:
            if self.stall_s and function.__name__ == "_commit_in_thread":
                stall, self.stall_s = self.stall_s, 0.0
                self.stuck.set()
                await asyncio.sleep(stall)
                if self.is_full:
                    raise DiskFull("full")
            return function(*args)


@pytest.mark.parametrize("is_full", [True, False])
def test_who_is_deposed_during_a_slow_commit_takes_nothing_before_its_end(tmp_path, is_full):
    """What the new writer sent meanwhile would be forgotten with the standby that it was sent to."""
    disks = Disks()

    async def story(town: Town) -> None:
        await town.begin(count=2)
        await town.progress(20)
        dc = town.dc("dc.1")
        workers = dc._workers
        workers.is_full, workers.stall_s = is_full, 8.0
        cut(town, "dc.1", "center.1", "both")
        await workers.stuck.wait()
        await wait_until(lambda: town.dc("dc.2").pair.serves, timeout_s=6)
        town.cluster.network.mend(dc.name, town.dc("center.1").name)
        town.cluster.network.mend(town.dc("center.1").name, dc.name)
        before = dc.pair.standby.follower
        known = before.known
        while dc.pair.standby.follower is before:
            assert (before.copying, before.known) == (False, known)
            await asyncio.sleep(0.005)
        await wait_until(lambda: town.dc("dc.2").pair.in_sync, timeout_s=30)
        await town.check()

    told_in_a_pair(tmp_path, story, disks, OneThread)


def test_a_standby_that_cannot_read_once_what_it_has_goes_on_asking(town):
    async def story(town: Town) -> None:
        await town.begin()
        store, key = town.disks.stores["dc.2"], META.keys.pack(DATABASE)
        good = store.get(META.name, key)
        assert good is not None
        until = town.cluster.clock.now() + 1.0
        while town.cluster.clock.now() < until:
            store.damage(META.name, key, b"junkjunk")
            await asyncio.sleep(0.01)
        store.damage(META.name, key, good)
        await town.progress(5)
        said = [line for line in town.cluster.log.lines if line[0] == "error"]
        assert {text for _, text, _ in said} == {"what is known about the database cannot be read"}
        town.cluster.log.lines[:] = [line for line in town.cluster.log.lines if line[0] != "error"]
        await town.cluster.kill("dc.1")
        await wait_until(lambda: town.writers() == ["dc.2"], timeout_s=20)
        town.rest()

    town(story)


def test_waiting_for_a_standby_takes_no_more_the_longer_it_is_away(town):
    async def story(town: Town) -> None:
        await town.begin(count=1)
        town.rest()
        await asyncio.sleep(1)
        dc, payer, scene = town.dc("dc.1"), town.payers[0], town.cluster.node("scene.1")
        await town.cluster.kill("dc.2")
        await wait_until(lambda: dc.pair.replication.term.mode == "alone")
        before = len(dc._tasks)

        async def ask(number: int) -> None:
            said = Operate(payer.session, number, "pay", [], [GoldMove(0, payer.account, 1)], replicated=True)
            with pytest.raises(DeadlineExceeded):
                await scene.ask(dc.name, said, 0.5)

        for _ in range(5):  # the same ones again and again
            await asyncio.gather(*(ask(1000 + number) for number in range(40)))
            await asyncio.sleep(1)
        assert dc.dispatch.under_way == 0
        assert len(dc._tasks) == before
        assert dc.pair.replication._told_later == []

    town(story, settings='standby_away = "wait"\n')


def test_at_no_moment_two_answer_when_the_standby_is_restarted_after_it_was_chosen(town):
    """It knows nothing of that, promises the old writer to keep quiet, and then hears that it has the office."""

    async def story(town: Town) -> None:
        await town.begin()
        center, two = town.cluster.node("center.1"), town.dc("dc.2").name
        cut(town, "dc.1", "center.1", "both")
        while center.leases.describe()["dc_writer"] != two:  # noqa: ASYNC110 - the next moment is too late
            await asyncio.sleep(0.0001)
        await town.cluster.kill("dc.2")  # before it has heard the answer
        cut(town, "dc.2", "center.1", "both")
        starting = asyncio.ensure_future(town.start("dc.2"))
        await wait_until(lambda: town.dc("dc.1").pair.may_answer(), timeout_s=20)  # its standby's word is enough
        network, node = town.cluster.network, town.cluster.topology.node
        network.mend(node("dc.2").name, node("center.1").name)
        network.mend(node("center.1").name, node("dc.2").name)
        await wait_until(lambda: town.dc("dc.2").pair.may_answer(), timeout_s=20)
        await starting
        await asyncio.sleep(3.0)  # somebody looks all the time
        network.mend(node("dc.1").name, node("center.1").name)
        network.mend(node("center.1").name, node("dc.1").name)
        await town.check()

    town(story)


def test_a_copy_that_was_never_completed_is_no_new_database_without_a_pair_either(tmp_path):
    """The standby is taken out of the topology, and what it has is started."""
    full, half = Disks(), Disks()

    async def first(cluster) -> None:
        await cluster.node("login.1").ask("dc", CreateAccount("old", "hash"))

    played(tmp_path, first, full.node_class(), ALONE)
    store = half.stores["dc.1"] = MemoryStore()
    store.begin()
    store.write([(t, k, v) for t in ("accounts", "names") for k, v in full.stores["dc.1"].scan(t)])
    store.commit()

    async def second(cluster) -> None:
        raise AssertionError("it serves")

    with pytest.raises(StorageError, match="never completed"):
        played(tmp_path, second, half.node_class(), ALONE)


def test_a_writer_that_ends_by_a_mistake_ends_the_process(tmp_path):
    """There is no address space for a larger map."""

    class Small(MemoryStore):
        def grow(self):
            raise lmdb.MemoryError("mdb_env_set_mapsize: Cannot allocate memory")

    disks = Disks()
    disks.stores["dc.1"] = Small(900)

    async def story(cluster) -> None:
        for number in range(50):
            await cluster.node("login.1").ask("dc", CreateAccount(f"name-{number}", "hash"), 2.0)

    with pytest.raises(SystemExit, match="Cannot allocate memory"):
        played(tmp_path, story, disks.node_class(), ALONE)
