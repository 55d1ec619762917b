"""Log nodes as a group: whatever happens to one of them, every event is shown once, and what is missing is counted."""

import asyncio
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.core.journal_outbox import preference
from mesh.core.log_group import DROPPED, Sum, once, sums
from mesh.journal import HOLD_S
from mesh.operator import Operator
from mesh.protocol.journal import Event, Events, ListStored, QueryEvents, StoredList, Stretch
from mesh.testing import Cluster, wait_until
from nodes.log.offline import main
from nodes.log.stored import stored
from tests.log.test_node import SECOND_LOG, linked, play, record
from tests.log.test_node import stored as everything_stored
from tests.log.writing import everything, numbered, without_columns, write

SENDER = "eu.one.scene.1"
LOGS = ("log.1", "log.2")


def has(*stretches: tuple[int, int], before: int = 0, sender: str = SENDER, incarnation: int = 7) -> StoredList:
    rows = [Stretch(sender, incarnation, *stretch) for stretch in stretches]
    return StoredList(rows, [Stretch(sender, incarnation, 0, before)] if before else [])


def event(number: int, incarnation: int = 7, at_ms: int = 0, kind: str = "say", **fields: int) -> Event:
    return Event(at_ms or number, kind, 1, SENDER, dict(fields), incarnation, number)


# --- the arithmetic ---


def test_an_event_that_two_log_nodes_have_is_shown_once_and_one_that_looks_like_it_is_not_lost() -> None:
    mine, theirs = [event(1), event(2)], [event(2), event(3), event(2, incarnation=8)]
    assert [(one.incarnation, one.number) for one in once([mine, theirs])] == [(7, 1), (7, 2), (8, 2), (7, 3)]
    old = Event(5, "say", 1, SENDER, {})
    assert once([[old], [old]]) == [old, old], "a log node of an older version names no numbers"


def test_what_is_twice_and_what_is_missing_is_counted() -> None:
    assert sums([has((0, 10), (20, 30)), has((8, 15))], []) == [Sum(SENDER, 7, 25, 2, 5, 0)]
    assert sums([has((5, 10))], []) == [Sum(SENDER, 7, 5, 0, 5, 0)], "numbers begin at 0"
    assert sums([], []) == []


def test_what_was_deleted_for_its_age_is_not_missing() -> None:
    assert sums([has((20, 30), before=18)], []) == [Sum(SENDER, 7, 10, 0, 2, 0)]
    assert sums([has((20, 30), before=18), has((18, 20))], []) == [Sum(SENDER, 7, 12, 0, 0, 0)]
    assert sums([has((0, 5), before=9)], []) == [Sum(SENDER, 7, 5, 0, 0, 0)]


def test_what_a_sender_dropped_is_counted_once_whoever_has_its_word() -> None:
    notice = event(4, kind=DROPPED, count=30)
    assert sums([has((0, 5)), has((4, 5))], [notice, notice]) == [Sum(SENDER, 7, 5, 1, 0, 30)]


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), max_size=6), max_size=4), st.integers(0, 30)
)
def test_the_sums_are_those_of_sets(nodes: list[list[tuple[int, int]]], before: int) -> None:
    lists = [has(*((first, first + count) for first, count in rows), before=before) for rows in nodes]
    numbers = [n for rows in nodes for first, count in rows for n in range(first, first + count)]
    found = sums(lists, [])
    if not numbers:
        assert found == []
        return
    absent = set(range(before, max(numbers) + 1)) - set(numbers)
    assert found == [Sum(SENDER, 7, len(set(numbers)), len(numbers) - len(set(numbers)), len(absent), 0)]


# --- what a folder holds ---


def test_a_folder_tells_which_events_it_has(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, numbered(0, 5), numbered(5, 5), numbered(20, 5), numbered(3, 2, incarnation=9))
    expected = [Stretch(SENDER, 7, 0, 10), Stretch(SENDER, 7, 20, 25), Stretch(SENDER, 9, 3, 5)]
    assert stored(tmp_path) == StoredList(expected)
    assert main(["stored", "--data", str(tmp_path)]) == 0
    assert '"complete":true' in capsys.readouterr().out


def test_what_is_in_no_segment_any_more_was_before_the_oldest(tmp_path: Path) -> None:
    write(tmp_path, *(numbered(first, 50) for first in range(0, 2_000, 50)), retention_bytes=4096)
    found = stored(tmp_path)
    [older] = found.before
    assert 0 < older.end < 2_000
    assert found.stretches == [Stretch(SENDER, 7, older.end, 2_000)]
    assert sums([found], []) == [Sum(SENDER, 7, 2_000 - older.end, 0, 0, 0)]


def test_a_damaged_segment_makes_the_answer_incomplete(tmp_path: Path) -> None:
    write(tmp_path, numbered(0, 5), numbered(5, 5), numbered(10, 5))
    path = tmp_path / "00000001.zlog"
    data = path.read_bytes()
    at = data.index(b"ZBLK", data.index(b"ZBLK") + 1)
    path.write_bytes(data[: at + 5] + bytes([data[at + 5] ^ 1]) + data[at + 6 :])
    found = stored(tmp_path)
    assert not found.complete
    assert sums([found], []) == [Sum(SENDER, 7, 10, 0, 5, 0)]
    assert not stored(tmp_path, lambda: True).complete


@pytest.mark.parametrize("columns", [True, False])
def test_every_event_that_is_found_has_its_number(tmp_path: Path, columns: bool) -> None:
    batches = [numbered(10, 4), numbered(0, 3, sender="eu.one.scene.2", incarnation=8), numbered(14, 2)]
    write(tmp_path, *(batches if columns else map(without_columns, batches)))
    found = everything(tmp_path).events
    assert sorted((one.incarnation, one.number, one.fields["n"]) for one in found) == [
        *((7, n, n) for n in range(10, 16)),
        *((8, n, n) for n in range(3)),
    ]


# --- a group ---


async def asked(cluster: Cluster) -> tuple[list[Event], list[StoredList]]:
    """Everything that both log nodes have."""
    async with Operator(cluster.topology, cluster.network, cluster.clock) as operator:
        parts, lists = list[list[Event]](), list[StoredList]()
        for log in LOGS:
            found, held = await operator.ask(log, QueryEvents(limit=100_000)), await operator.ask(log, ListStored())
            assert isinstance(found, Events)
            assert isinstance(held, StoredList)
            parts.append(found.events)
            lists.append(held)
    return once(parts), lists


def test_a_batch_that_both_have_is_shown_once(tmp_path: Path) -> None:
    home = preference("eu.one.dc.1", [f"eu.one.{log}" for log in LOGS])[0].removeprefix("eu.one.")

    async def story(cluster: Cluster) -> None:
        node = cluster.node(home)
        store = node._sink.store

        def dies_after_the_write(*how: object) -> object:
            done = store(*how)
            asyncio.get_running_loop().call_soon(lambda: dying.append(asyncio.ensure_future(cluster.kill(home))))
            return done

        dying: list[object] = []
        node._sink.store = dies_after_the_write  # its answer does not leave any more
        record(cluster, *range(5))
        await wait_until(lambda: bool(dying))
        await asyncio.sleep(HOLD_S + 1.0)
        await everything_stored(cluster)
        await cluster.start(home)
        await linked(cluster)
        record(cluster, 5)
        await everything_stored(cluster)
        events, lists = await asked(cluster)
        assert [one.fields["n"] for one in events] == list(range(6))
        [mine] = sums(lists, [])
        assert (mine.stored, mine.twice, mine.missing) == (6, 5, 0)

    play(tmp_path, story, more=SECOND_LOG)


@pytest.mark.parametrize("seed", range(5))
def test_members_that_die_at_any_moment_cost_nothing_and_leave_nothing_twice_in_an_answer(
    tmp_path: Path, seed: int
) -> None:
    async def story(cluster: Cluster) -> None:
        chance, count = random.Random(seed), 0
        cluster.network.latency_s = (0.001, 0.004)
        for _ in range(4):
            hit = chance.choice(LOGS)
            for _ in range(chance.randrange(5, 60)):
                record(cluster, count)
                count += 1
                await asyncio.sleep(0.007)
            await cluster.kill(hit)
            for _ in range(chance.randrange(1, 900)):
                record(cluster, count)
                count += 1
                await asyncio.sleep(0.005)
            await cluster.start(hit)
        await linked(cluster)
        await everything_stored(cluster)
        journal = cluster.node("dc.1").journal
        assert (journal.recorded, journal.stored, journal.dropped) == (count, count, 0)
        events, lists = await asked(cluster)
        assert [one.number for one in events] == [one.fields["n"] for one in events] == list(range(count))
        [mine] = sums(lists, [])
        assert (mine.stored, mine.missing, mine.dropped) == (count, 0, 0)

    play(tmp_path, story, more=SECOND_LOG)


@pytest.mark.parametrize("seed", range(3))
def test_members_that_are_stopped_in_order_have_nothing_twice(tmp_path: Path, seed: int) -> None:
    async def story(cluster: Cluster) -> None:
        chance, count = random.Random(seed), 0
        cluster.network.latency_s = (0.001, 0.004)

        async def keep_on() -> None:
            nonlocal count
            while True:
                record(cluster, count)
                count += 1
                await asyncio.sleep(0.003)

        recording = asyncio.create_task(keep_on())
        for _ in range(4):
            hit = chance.choice(LOGS)
            await asyncio.sleep(chance.uniform(0.1, 0.5))
            await cluster.nodes.pop(hit).stop()
            await asyncio.sleep(chance.uniform(0.0, 0.5))
            await cluster.start(hit)
            await linked(cluster)
        recording.cancel()
        await everything_stored(cluster)
        _, lists = await asked(cluster)
        assert sums(lists, []) == [Sum("eu.one.dc.1", lists[0].stretches[0].incarnation, count, 0, 0, 0)]

    play(tmp_path, story, more=SECOND_LOG)


def test_the_whole_group_away_costs_what_the_log_says_afterwards(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        record(cluster, *range(10))
        await everything_stored(cluster)
        for log in LOGS:
            await cluster.kill(log)
        record(cluster, *range(10, 100))
        await asyncio.sleep(1.0)
        for log in LOGS:
            await cluster.start(log)
        await linked(cluster)
        await everything_stored(cluster)
        journal = cluster.node("dc.1").journal
        events, lists = await asked(cluster)
        [mine] = sums(lists, [one for one in events if one.kind == DROPPED])
        assert mine.stored == journal.stored == 51
        assert (mine.missing, mine.dropped) == (0, journal.dropped) == (0, 50)

    play(tmp_path, story, cluster="events_kept = 40", more=SECOND_LOG)
