"""Log nodes in a small zone on virtual time: events on their way from a node's journal into segments and back."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from mesh.core.journal_outbox import preference
from mesh.errors import Code, RefusedError
from mesh.metrics import page
from mesh.node import Node
from mesh.operator import Operator
from mesh.protocol.control import Describe, Description, Drain, Drained
from mesh.protocol.journal import Event, Events, EventsStored, QueryEvents, StoreEvents
from mesh.testing import Cluster, run, wait_until, with_cluster
from mesh.topology import load
from nodes.center.node import CenterNode
from nodes.log.node import BATCH_BYTES_MAX, LogNode, Waiting
from tests.log.writing import numbered, numbers

ZONE = """
[cluster]
name = "test"
region = "eu"
zone = "one"
{cluster}
[[process]]
nodes = ["center.1"]
[[process]]
nodes = ["log.1"]
{more}
[[process]]
nodes = ["dc.1"]
"""
GOOD = numbered(0, 5)
SECOND_LOG = '[[process]]\nnodes = ["log.2"]\n'


class Sender(Node):
    """A node that only keeps a journal, and has something to do when it is asked to stop."""

    ROLE = "dc"
    last_deed_s: float | None = None  # after the order to stop

    async def drain(self) -> None:
        if self.last_deed_s is not None:
            await asyncio.sleep(self.last_deed_s)
            self.journal.record("test", 0, n=100)


Story = Callable[[Cluster], Awaitable[None]]


def play(folder: Path, story: Story, *, cluster: str = "", more: str = "") -> Cluster:
    """Run a story in a zone of a center, a sender and log nodes; nothing may go wrong inside."""
    file = folder / "zone.toml"
    file.write_text(ZONE.format(cluster=cluster, more=more))
    roles: dict[str, type[Node]] = {"center": CenterNode, "log": LogNode, "dc": Sender}
    clusters: list[Cluster] = []

    async def told(cluster: Cluster) -> None:
        clusters.append(cluster)
        await linked(cluster)
        await story(cluster)

    run(with_cluster(load(file, runtime=folder / "run"), roles, folder / "data", told))
    assert clusters[0].internal_errors() == []
    return clusters[0]


async def linked(cluster: Cluster) -> None:
    """The sender sees every log node."""
    logs = len(cluster.topology.of_role("log"))
    await wait_until(lambda: len(cluster.node("dc.1").peers("log")) == logs)


def record(cluster: Cluster, *numbers: int) -> None:
    for number in numbers:
        cluster.node("dc.1").journal.record("test", number % 3, n=number)


async def stored(cluster: Cluster) -> None:
    await wait_until(lambda: cluster.node("dc.1").journal.pending == 0)


def test_events_reach_a_segment_and_are_found(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        record(cluster, *range(10))
        await stored(cluster)
        async with Operator(cluster.topology, cluster.network, cluster.clock) as operator:
            found = await operator.ask("log.1", QueryEvents(player=2, limit=2))
            assert isinstance(found, Events)
            assert [event.fields for event in found.events] == [{"n": 5}, {"n": 8}]
            assert found.more
            (event,) = (await operator.ask("log.1", QueryEvents(kinds=["test"], limit=1))).events  # type: ignore[attr-defined]
            assert isinstance(event, Event)
            assert (event.kind, event.player, event.node) == ("test", 0, "eu.one.dc.1")

    play(tmp_path, story)
    assert numbers(tmp_path / "data" / "log.1") == list(range(10))


def test_a_log_node_that_is_killed_and_returns_has_every_event_once(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        sent = 0
        for _ in range(3):
            for _ in range(40):
                record(cluster, sent)
                sent += 1
                await asyncio.sleep(0.01)
            await cluster.kill("log.1")
            record(cluster, sent)
            sent += 1
            await asyncio.sleep(2)
            await cluster.start("log.1")
        await stored(cluster)
        journal = cluster.node("dc.1").journal
        assert (journal.recorded, journal.stored, journal.dropped) == (sent, sent, 0)

    play(tmp_path, story)
    assert numbers(tmp_path / "data" / "log.1") == list(range(123))


def test_another_log_node_takes_the_senders_of_a_dead_one(tmp_path: Path) -> None:
    home, other = preference("eu.one.dc.1", ["eu.one.log.1", "eu.one.log.2"])
    home, other = home.removeprefix("eu.one."), other.removeprefix("eu.one.")

    async def story(cluster: Cluster) -> None:
        record(cluster, 0, 1)
        await stored(cluster)
        await cluster.kill(home)
        record(cluster, 2, 3)
        await stored(cluster)
        await cluster.start(home)
        await linked(cluster)
        record(cluster, 4)
        await stored(cluster)

    play(tmp_path, story, more=SECOND_LOG)
    assert numbers(tmp_path / "data" / home) == [0, 1, 4]
    assert numbers(tmp_path / "data" / other) == [2, 3]


@pytest.mark.parametrize("last_deed_s", [0.0, 0.2, 2.0])
def test_a_sender_that_stops_together_with_the_log_node_loses_nothing(tmp_path: Path, last_deed_s: float) -> None:
    async def story(cluster: Cluster) -> None:
        log, sender = cluster.nodes["log.1"], cluster.nodes["dc.1"]
        sender.last_deed_s = last_deed_s  # type: ignore[attr-defined]
        record(cluster, *range(100))
        await asyncio.gather(log.stop(), sender.stop())
        assert sender.journal.pending == 0

    play(tmp_path, story)
    assert numbers(tmp_path / "data" / "log.1") == list(range(101))


def test_who_gave_up_a_batch_that_was_never_written_keeps_no_log_node_from_closing(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        log, given_up = cluster.node("log.1"), asyncio.get_running_loop().create_future()
        given_up.cancel()
        log._waiting.append(Waiting(GOOD, given_up))
        await log.close()
        assert log._sink is None, "it is closed in order"
        await cluster.kill("log.1")

    play(tmp_path, story)


def test_a_log_node_that_stops_alone_does_not_wait_for_long(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        record(cluster, 1)
        began = cluster.clock.now()
        await cluster.nodes["log.1"].stop()
        assert cluster.clock.now() - began < 1.0

    play(tmp_path, story)


@pytest.mark.parametrize("pause_s", [0.0, 0.003, 0.04, 0.11])
def test_a_drained_log_node_is_left_by_its_senders_without_a_lost_or_doubled_event(
    tmp_path: Path, pause_s: float
) -> None:
    home, other = preference("eu.one.dc.1", ["eu.one.log.1", "eu.one.log.2"])
    home, other = home.removeprefix("eu.one."), other.removeprefix("eu.one.")
    count = 0

    async def story(cluster: Cluster) -> None:
        async def keep_on() -> None:
            nonlocal count
            while True:
                record(cluster, count)
                count += 1
                await asyncio.sleep(0.002)

        recording = asyncio.create_task(keep_on())
        await asyncio.sleep(1.0 + pause_s)
        async with Operator(cluster.topology, cluster.network, cluster.clock) as operator:
            drained = await operator.ask(home, Drain(), 30.0)
            assert isinstance(drained, Drained)
            assert (drained.left, drained.text) == (0, "")
            log = cluster.node(home)
            assert (log.state, log._sink.open_bytes, log._sink.segments) == ("Draining", 0, 1)
            before = log._sink.counts.events_stored
            await asyncio.sleep(3.0)
            recording.cancel()
            await stored(cluster)
            assert log._sink.counts.events_stored == before > 400
            again = await operator.ask(home, Drain(), 30.0)
            assert again == Drained(0, 0)
            found = await operator.ask(home, QueryEvents(kinds=["test"], limit=1))
            assert isinstance(found, Events), "what it has can still be asked for"
            assert len(found.events) == 1
        journal = cluster.node("dc.1").journal
        assert (journal.recorded, journal.stored, journal.dropped) == (count, count, 0)

    play(tmp_path, story, more=SECOND_LOG)
    here, there = numbers(tmp_path / "data" / home), numbers(tmp_path / "data" / other)
    assert here + there == list(range(count)), "each once, and none came back after the first that went elsewhere"


def test_the_only_log_node_keeps_what_still_comes_when_it_is_drained(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        async def keep_on() -> None:
            for n in range(10_000):
                record(cluster, n)
                await asyncio.sleep(0.05)

        recording = asyncio.create_task(keep_on())
        await asyncio.sleep(0.2)
        log = cluster.node("log.1")
        log.state = "Draining"  # the other one was lost after that
        drained = await log.hand_over()
        assert drained.text == "no other log node is Ready, so events still come here"
        assert drained.moved > 150
        await asyncio.sleep(1.0)
        recording.cancel()
        await stored(cluster)

    play(tmp_path, story)
    found = numbers(tmp_path / "data" / "log.1")
    assert found == list(range(len(found)))
    assert len(found) > 200


def test_a_batch_that_comes_twice_is_answered_twice_and_stored_once(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        dc = cluster.node("dc.1")
        answers = await asyncio.gather(*(dc.ask("log", numbered(0, 5)) for _ in range(3)))
        assert answers == [EventsStored(5)] * 3
        text = page([cluster.node("log.1").metrics]).decode()
        assert 'log_events_stored_total{node="log.1",role="log"} 5.0' in text
        assert 'log_events_duplicate_total{node="log.1",role="log"} 10.0' in text
        assert 'log_blocks_written_total{node="log.1",role="log"} 1.0' in text

    play(tmp_path, story)
    assert numbers(tmp_path / "data" / "log.1") == list(range(5))


@pytest.mark.parametrize(
    ("batch", "code"),
    [
        (StoreEvents("x", 1, 0, 2, bytes(8), b"\x90"), Code.BAD_MESSAGE),
        (StoreEvents("x", 1, 0, 1, bytes(8), b""), Code.BAD_MESSAGE),
        (StoreEvents("x", 1, 0, 1, bytes(8), bytes(BATCH_BYTES_MAX + 1)), Code.TOO_LARGE),
        (msgspec.structs.replace(GOOD, lengths=GOOD.lengths[:-4]), Code.BAD_MESSAGE),
        (msgspec.structs.replace(GOOD, times=b""), Code.BAD_MESSAGE),
        (msgspec.structs.replace(GOOD, kind_numbers=bytes(10) + b"x"), Code.BAD_MESSAGE),
        (msgspec.structs.replace(GOOD, kind_numbers=b"\x01" + bytes(9)), Code.BAD_MESSAGE),
        (msgspec.structs.replace(GOOD, kinds=[]), Code.BAD_MESSAGE),
        (msgspec.structs.replace(GOOD, body=GOOD.body[:-1]), Code.BAD_MESSAGE),
        (msgspec.structs.replace(GOOD, lengths=bytes(4) + GOOD.lengths[4:], body=GOOD.body[36:]), Code.BAD_MESSAGE),
        (msgspec.structs.replace(GOOD, newest_ms=GOOD.newest_ms - 1), Code.BAD_MESSAGE),
        (msgspec.structs.replace(GOOD, oldest_ms=GOOD.oldest_ms + 1), Code.BAD_MESSAGE),
        (msgspec.structs.replace(GOOD, times=b"\xff" * 40), Code.BAD_MESSAGE),
        (msgspec.structs.replace(GOOD, players=b"\xff" * 40), Code.BAD_MESSAGE),
    ],
)
def test_a_batch_that_breaks_the_rules_is_refused(tmp_path: Path, batch: StoreEvents, code: Code) -> None:
    async def story(cluster: Cluster) -> None:
        with pytest.raises(RefusedError) as refused:
            await cluster.node("dc.1").ask("log", batch)
        assert refused.value.code == code
        assert cluster.node("log.1").refused == 1

    play(tmp_path, story)


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        log = cluster.node("log.1")
        big = [StoreEvents(f"s{n}", 1, 0, 1, bytes(8), bytes(BATCH_BYTES_MAX)) for n in range(20)]
        asked = [asyncio.ensure_future(log.on_store_events(batch, None)) for batch in big]
        await asyncio.sleep(0)
        assert log.load().pressure == 1.0
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert [answer == EventsStored(1) for answer in answers] == [True] * 16 + [False] * 4
        assert log.load().pressure == 0.0

    play(tmp_path, story)


def test_the_node_tells_what_it_has(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        record(cluster, 1, 2, 3)
        await stored(cluster)
        async with Operator(cluster.topology, cluster.network, cluster.clock) as operator:
            told = await operator.ask("log.1", Describe())
            assert isinstance(told, Description)
            assert (told.facts["events_stored"], told.facts["segments"], told.facts["senders"]) == (3, 1, 1)

    play(tmp_path, story)


def test_what_was_cut_at_the_start_is_logged(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        record(cluster, *range(10))
        await stored(cluster)
        await cluster.kill("log.1")
        path = tmp_path / "data" / "log.1" / "00000001.zlog"
        path.write_bytes(path.read_bytes()[:-1])
        await cluster.start("log.1")
        (line,) = [line for line in cluster.log.lines if line[1] == "damage found in the behaviour log"]
        assert line[0] == "warning"
        assert line[2]["cut_events"] == 10

    play(tmp_path, story)
