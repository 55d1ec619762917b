"""A pair of DCs while one of them is killed, hangs or stops: one writes at a time, and nothing is lost."""

import asyncio
import copy
import itertools
import random

import pytest
from msgspec.structs import replace

from mesh.core.bucket import Bucket
from mesh.errors import Code, MeshError, RefusedError
from mesh.operator import Operator
from mesh.protocol.cluster import FindAccount
from mesh.protocol.records import DbStat, GoldMove, Letter, Operate, ReadRecords, Records, StatDb
from mesh.testing import wait_until
from nodes.dc.settings import DcSettings
from nodes.scene.sessions import Session
from tests.pair import STARTING_GOLD, Town, gold_in, tell
from tools.ctl import asking


@pytest.fixture
def town(tmp_path):
    def go(story, seed: int = 1, settings: str = "") -> None:
        tell(tmp_path, story, seed, settings)

    return go


def test_the_standby_has_what_the_writer_acknowledges_and_serves_nobody(town):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress(20)
        scene = town.cluster.node("scene.1")
        assert [m.name for m in scene.peers("dc")] == [town.dc("dc.1").name]
        with pytest.raises(RefusedError):
            await scene.ask(town.dc("dc.2").name, Operate(1, 1, "pay", []))
        with pytest.raises(RefusedError):
            await town.cluster.node("login.1").ask(town.dc("dc.2").name, FindAccount("payer-0"))
        await town.check()

    town(story)


def test_operators_are_answered_by_the_dc_that_writes(town, monkeypatch):
    async def story(town: Town) -> None:
        await town.begin()
        cluster, topology = town.cluster, town.cluster.topology
        monkeypatch.setattr(asking, "Operator", lambda of: Operator(of, cluster.network, cluster.clock))
        async with Operator(topology, cluster.network, cluster.clock) as operator:
            for said in (ReadRecords("accounts", "", 9), StatDb()):
                with pytest.raises(RefusedError, match="does not write"):
                    await operator.ask("dc.2", said)
        for writer, other in (("dc.1", "dc.2"), ("dc.2", "dc.1")):
            assert town.writers() == [writer]
            rows = await asking.first(topology, "dc", ReadRecords("accounts", "", 9), Records)
            assert len(rows.rows) == 3
            assert "gold" in (await asking.first(topology, "dc", StatDb(), DbStat)).facts
            await town.progress()
            await town.stop(writer)
            await town.start(writer)
            await wait_until(lambda name=other: town.dc(name).pair.in_sync)
        await town.check()

    town(story)


def test_operators_are_shown_nothing_that_the_standby_may_not_have(town):
    async def story(town: Town) -> None:
        await town.begin(0)
        payer = await town.payer("payer")
        cluster = town.cluster
        cluster.network.pause(cluster.topology.node("dc.2").name)
        paying = asyncio.ensure_future(payer.pay())
        await wait_until(lambda: gold_in(town.disks.stores["dc.1"], payer.account) == STARTING_GOLD + 1)
        async with Operator(cluster.topology, cluster.network, cluster.clock) as operator:
            asked = [operator.ask("dc.1", said, 20.0) for said in (ReadRecords("purses", "1", 9), StatDb())]
            answers = asyncio.gather(*asked)
            await asyncio.sleep(0.2)
            assert not paying.done()
            assert not answers.done()
            rows, stat = await answers
        assert paying.done(), "it goes on without the standby"
        assert [row["gold"] for _, row in rows.rows] == [STARTING_GOLD + 1]
        assert stat.facts["gold"]["wallets"] == STARTING_GOLD + 1
        cluster.network.pause(cluster.topology.node("dc.2").name, False)
        await town.check()

    town(story)


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_that_is_killed_is_followed_by_its_standby(town, seed):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress(3 + random.Random(seed).randrange(9))
        await town.cluster.kill("dc.1")
        await town.progress()
        assert town.writers() == ["dc.2"]
        assert max(gap for p in town.payers for gap in p.gaps) < 3.5
        await town.cluster.start("dc.1")
        await town.progress()
        await town.check()

    town(story, seed)


def test_one_after_the_other_is_killed(town):
    async def story(town: Town) -> None:
        await town.begin()
        for _ in range(3):
            await wait_until(lambda: any(town.dc(w).pair.in_sync for w in town.writers()), timeout_s=20)
            await town.progress(7)
            (writer,) = town.writers()
            await town.cluster.kill(writer)
            await town.progress()
            await town.cluster.start(writer)
        await town.check()

    town(story)


def test_a_writer_that_is_back_at_once_goes_on(town):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        await town.cluster.kill("dc.1")
        await asyncio.sleep(0.3)
        await town.cluster.start("dc.1")
        await town.progress()
        assert town.writers() == ["dc.1"]
        await town.check()

    town(story)


def test_a_standby_that_is_killed_stops_nobody_and_comes_back(town):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        await town.cluster.kill("dc.2")
        await town.progress(20)
        assert max(gap for p in town.payers for gap in p.gaps) < 0.5
        await town.cluster.start("dc.2")
        await town.progress()
        await town.check()

    town(story)


def test_a_disk_that_takes_longer_for_a_piece_than_a_standby_may_be_silent_gets_its_copy(town):
    """Nobody waits for a standby that is being filled: to begin anew each time would never end."""

    async def story(town: Town) -> None:
        await town.begin()
        await town.cluster.kill("dc.2")
        del town.disks.stores["dc.2"]
        await town.progress()
        await town.cluster.start("dc.2")
        standby = town.dc("dc.2").pair.standby
        put, left = standby._put, itertools.count(8, -1)

        async def slowly(changes):
            if next(left) > 0:
                await asyncio.sleep(2 * DcSettings().standby_silent_s)
            await put(changes)

        standby._put = slowly
        await wait_until(lambda: town.dc("dc.1").pair.in_sync, timeout_s=60.0)
        assert next(left) < 0, "it was slow"
        assert town.dc("dc.1").pair.replication.copies <= 2, "the one of the beginning is one"
        await town.progress()
        await town.check()

    town(story)


def test_a_standby_that_lacks_something_never_takes_over(town):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        await town.cluster.kill("dc.2")
        await town.progress()  # without it
        await town.cluster.kill("dc.1")
        await town.cluster.start("dc.2")
        await asyncio.sleep(8.0)
        assert town.writers() == []
        await town.cluster.start("dc.1")
        await town.progress()
        assert town.writers() == ["dc.1"]
        await town.check()

    town(story)


@pytest.mark.parametrize("seed", range(4))
def test_a_writer_that_hangs_writes_nothing_when_it_is_back(town, seed):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress(3 + random.Random(seed).randrange(9))
        old = town.dc("dc.1")
        town.cluster.network.pause(old.name)
        await town.progress()
        assert town.dc("dc.2").pair.serves
        assert not old.pair.may_answer()
        town.cluster.network.pause(old.name, False)
        await town.progress()
        await wait_until(lambda: old.pair.role == "standby", timeout_s=20)
        assert town.writers() == ["dc.2"]
        await town.check()

    town(story, seed)


def test_a_standby_that_hangs_is_left_behind(town):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        town.cluster.network.pause(town.dc("dc.2").name)
        await town.progress(20)
        assert max(gap for p in town.payers for gap in p.gaps) < 2.5
        town.cluster.network.pause(town.dc("dc.2").name, False)
        await town.progress()
        await town.check()

    town(story)


def test_without_the_center_the_two_go_on(town):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        await town.cluster.kill("center.1")
        await town.progress(600, 60)
        assert town.writers() == ["dc.1"]
        assert max(gap for p in town.payers for gap in p.gaps) < 1.0
        await town.cluster.start("center.1")
        await asyncio.sleep(8)
        await town.progress()
        assert town.writers() == ["dc.1"]
        await town.check()

    town(story)


def test_two_of_three_away_and_nothing_is_acknowledged(town):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        await town.cluster.kill("center.1")
        await town.cluster.kill("dc.2")
        await asyncio.sleep(0.1)
        before = [payer.acknowledged for payer in town.payers]
        await asyncio.sleep(10)
        assert [payer.acknowledged for payer in town.payers] == before
        await town.cluster.start("center.1", "dc.2")
        await town.progress(5, 40)
        await town.check()

    town(story)


def test_a_writer_without_a_standby_needs_no_center(town):
    async def story(town: Town) -> None:
        await town.begin()
        await town.cluster.kill("dc.2")
        await town.progress()
        await town.cluster.kill("center.1")
        await town.progress(600, 60)
        assert max(gap for p in town.payers for gap in p.gaps) < 1.0
        await town.cluster.start("center.1", "dc.2")
        await town.progress()
        await town.check()

    town(story)


def test_all_of_them_stop_in_order_and_nothing_is_left_behind(town):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        await town.check()
        await asyncio.gather(*(town.dc(short).stop() for short in ("dc.1", "dc.2")))
        assert town.dc("dc.1").dispatch.errors == town.dc("dc.2").dispatch.errors == 0
        for short in ("dc.1", "dc.2"):
            await town.cluster.start(short)

    town(story)


@pytest.mark.parametrize("victims", [("center.1", "dc.2"), ("dc.2",), ("center.1",)])
def test_a_writer_that_is_left_by_the_others_stops_all_the_same(town, victims):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        for victim in victims:
            await town.cluster.kill(victim)
        await asyncio.sleep(0.05)
        async with asyncio.timeout(8):
            await town.dc("dc.1").stop()
        for short in (*victims, "dc.1"):
            town.cluster.nodes.pop(short, None)
            await town.start(short)
        await town.progress(5, 40)
        await town.check()

    town(story)


@pytest.mark.parametrize("settings", ["", 'replicated = "paid"\n'])
def test_a_writer_that_is_stopped_on_purpose_is_followed_at_once(town, settings):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        for stopped, follows in (("dc.1", "dc.2"), ("dc.2", "dc.1")):
            began = town.cluster.clock.now()
            await town.stop(stopped)
            assert town.cluster.clock.now() - began < 1.0
            assert town.writers() == [follows]
            await town.progress()
            await town.start(stopped)
            await wait_until(lambda name=follows: town.dc(name).pair.in_sync)
            assert town.dc(follows).pair.replication.copies == 0
        assert max(gap for p in town.payers for gap in p.gaps) < 0.5
        await town.check()

    town(story, settings=settings)


def test_a_writer_that_is_stopped_when_nobody_can_follow_serves_as_long_as_it_may(town):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        await town.cluster.kill("center.1")
        await wait_until(lambda: not town.dc("dc.1").pair.may_hand_over())
        before = [payer.acknowledged for payer in town.payers]
        await town.stop("dc.1")
        assert all(p.acknowledged > count for p, count in zip(town.payers, before, strict=True))
        await town.start("center.1")
        await town.start("dc.1")
        await town.progress(5, 40)
        await town.check()

    town(story)


def test_a_center_that_hangs_while_the_office_is_handed_over_decides_when_it_goes_on(town):
    async def story(town: Town) -> None:
        await town.begin()
        await town.progress()
        center = town.dc("center.1").name
        town.cluster.network.pause(center)
        await town.stop("dc.1")
        await asyncio.sleep(3.0)
        assert town.writers() == []
        town.cluster.network.pause(center, False)
        await town.progress(5, 40)
        assert town.writers() == ["dc.2"]
        await town.start("dc.1")
        await town.check()

    town(story)


def test_two_that_were_restored_to_the_same_backup_go_on(town):
    async def story(town: Town) -> None:
        await town.begin(1)
        await town.progress()
        backup = copy.deepcopy(town.disks.stores["dc.1"])
        for writer in ("dc.1", "dc.2"):  # the record is ahead of the backup by two epochs
            await town.stop(writer)
            await town.start(writer)
            await town.progress()
            await wait_until(lambda: any(town.dc(name).pair.in_sync for name in town.writers()))
        for short in ("dc.1", "dc.2"):
            await town.cluster.kill(short)
            town.disks.stores[short] = copy.deepcopy(backup)
        for short in ("dc.1", "dc.2"):
            await town.start(short)
        await wait_until(lambda: len(town.writers()) == 1)
        (writer,) = town.writers()
        await wait_until(lambda: town.dc(writer).pair.in_sync)
        assert gold_in(town.disks.stores[writer], town.payers[0].account) < STARTING_GOLD + town.payers[0].acknowledged

    town(story)


def test_a_scene_names_the_kinds_that_need_two_copies(town):
    async def story(town: Town) -> None:
        await town.begin(0)
        ledger, payer = town.cluster.node("scene.1").ledger, await town.payer("shopper")
        player = Session(payer.session, "payer", 0, 0, 7, STARTING_GOLD, Bucket(1, 1, 0.0))
        coin = GoldMove(0, payer.account, 1)
        await town.cluster.kill("dc.2")
        await wait_until(lambda: not town.dc("dc.1").pair.in_sync)
        with pytest.raises(RefusedError, match="no second copy"):
            await ledger.carry_out([player], "trade", [coin])
        await ledger.carry_out([player], "loot", [coin])
        await town.cluster.start("dc.2")
        await wait_until(lambda: town.dc("dc.1").pair.in_sync)
        await ledger.carry_out([player], "trade", [coin])
        assert gold_in(town.disks.stores["dc.2"], payer.account) == STARTING_GOLD + 2

    town(story, settings='[settings.scene]\nreplicated = ["trade"]\n')


def test_a_mail_that_was_sent_is_not_refused_for_want_of_a_second_copy_when_it_is_said_again(town):
    """To the next scene, which gives it another number."""

    async def story(town: Town) -> None:
        await town.begin(0)
        anna = await town.payer("anna")
        await town.payer("bob")
        letter = Letter("bob", "hello", 10, [])
        sent = Operate(anna.session, 1, "mail-send", [anna.session], letter=letter, asked=5, replicated=True)
        await town.ask("scene.1", sent)
        await town.cluster.kill("dc.2")
        await wait_until(lambda: town.dc("dc.1").pair.describe()["standby"] == "alone")
        again = asyncio.ensure_future(town.cluster.node("scene.1").ask("dc", replace(sent, sequence=900), 20.0))
        await asyncio.sleep(1)
        assert not again.done(), "it waits for the second copy"
        await town.cluster.start("dc.2")
        assert (await again).again

    town(story)


def test_what_is_refused_for_want_of_a_second_copy_does_not_wait_for_what_was_carried_out_before(town):
    """Both are said in one go, by two players."""

    async def story(town: Town) -> None:
        await town.begin(0)
        old, new = await town.payer("old", replicated=True), await town.payer("new", replicated=True)
        said = [
            Operate(one.session, 1, "pay", [], [GoldMove(0, one.account, 1)], replicated=True) for one in (old, new)
        ]
        scene = town.cluster.node("scene.1")
        await scene.ask("dc", said[0])
        await town.cluster.kill("dc.2")
        await wait_until(lambda: town.dc("dc.1").pair.describe()["standby"] == "alone")
        again, refused = (asyncio.ensure_future(scene.ask("dc", one, 20.0)) for one in said)
        await asyncio.sleep(0.1)
        with pytest.raises(RefusedError, match="no second copy"):
            refused.result()
        assert not again.done(), "it waits for the second copy"
        await town.cluster.start("dc.2")
        await again
        assert gold_in(town.disks.stores["dc.2"], old.account) == STARTING_GOLD + 1

    town(story)


def test_what_is_paid_for_is_refused_while_there_is_one_copy(town):
    async def story(town: Town) -> None:
        await town.begin(1)
        await town.progress()
        paid = await town.payer("paid", replicated=True)
        await paid.pay()
        await town.cluster.kill("dc.2")
        await asyncio.sleep(1)
        said = Operate(paid.session, 2, "pay", [], [GoldMove(0, paid.account, 1)], replicated=True)
        with pytest.raises(MeshError) as refusal:
            await town.ask("scene.1", said)
        assert isinstance(refusal.value, RefusedError)
        assert refusal.value.code == Code.UNAVAILABLE
        assert gold_in(town.disks.stores["dc.1"], paid.account) == STARTING_GOLD + 1
        await town.cluster.start("dc.2")
        await paid.pay()
        assert gold_in(town.disks.stores["dc.2"], paid.account) == STARTING_GOLD + 2
        await town.check()

    town(story)
