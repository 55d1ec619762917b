"""The sender of the behaviour log: numbering, limits, and that every event is stored once whatever log nodes do."""

import asyncio
from collections.abc import Callable

import msgpack
import pytest

from mesh.core.journal_outbox import CHUNK_EVENTS_MAX, EVENT_BYTES_MAX, JournalOutbox, preference
from mesh.core.log_group import DROPPED
from mesh.errors import Code, DeadlineExceeded, PeerLost, RefusedError, RemoteProtocolError
from mesh.journal import AVOID_S, HOLD_S, Journal
from mesh.protocol.catalogue import Message
from mesh.protocol.control import Done
from mesh.protocol.journal import EventsStored, StoreEvents
from mesh.testing import ManualClock, run, wait_until

SENDER, INCARNATION = "eu.one.scene.1", 77


def outbox(**limits: int) -> JournalOutbox:
    return JournalOutbox(SENDER, INCARNATION, **limits)


def events_of(batch: StoreEvents) -> list[list[object]]:
    unpacker = msgpack.Unpacker()
    unpacker.feed(batch.body)
    return list(unpacker)


def balanced(box: JournalOutbox) -> bool:
    return box.recorded == box.stored + box.dropped + box.pending


# --- the bookkeeping ---


def test_a_batch_holds_the_events_in_order_with_their_numbers() -> None:
    box = outbox()
    box.add(1000, "loot", 7, {"item": 3})
    box.add(1005, "move", 9, {"x": 1.5})
    batch = box.take()
    assert batch == StoreEvents(
        sender=SENDER,
        incarnation=INCARNATION,
        first=0,
        count=2,
        players=bytes.fromhex("07000000000000000900000000000000"),
        body=msgpack.packb([1000, "loot", 7, SENDER, {"item": 3}])
        + msgpack.packb([1005, "move", 9, SENDER, {"x": 1.5}]),
        oldest_ms=1000,
        newest_ms=1005,
        kinds=["loot", "move"],
        kind_numbers=bytes.fromhex("00000100"),
        times=bytes.fromhex("e803000000000000ed03000000000000"),
        lengths=bytes.fromhex("2000000025000000"),
    )


def test_a_batch_under_way_keeps_its_boundaries_while_events_are_added() -> None:
    box = outbox()
    box.add(1, "a", 1, {})
    first = box.take()
    box.add(2, "b", 1, {})
    assert box.take() is first
    assert first is not None
    box.acknowledge(first.first + first.count)
    second = box.take()
    assert second is not None
    assert (second.first, second.count) == (1, 1)


def test_the_newest_is_dropped_when_there_are_too_many_events() -> None:
    box = outbox(events_max=3)
    kept = [box.add(at, "a", 1, {"at": at}) for at in range(5)]
    batch = box.take()
    assert kept == [True, True, True, False, False]
    assert batch is not None
    assert [event[0] for event in events_of(batch)] == [0, 1, 2]
    assert (box.dropped, box.pending) == (2, 3)
    assert balanced(box)


def test_the_newest_is_dropped_when_there_are_too_many_bytes_and_there_is_room_again_later() -> None:
    box = outbox(bytes_max=500)
    while box.add(1, "a", 1, {"text": "x" * 100}):
        pass
    batch = box.take()
    assert batch is not None
    assert batch.count == 4
    box.acknowledge(4)
    assert box.pending_bytes == 0
    assert box.add(2, "a", 1, {})
    following = box.take()
    assert following is not None
    assert following.first == 4
    assert balanced(box)


def test_it_is_told_once_how_many_were_dropped_and_only_when_there_is_room() -> None:
    box = outbox(events_max=2)
    assert not box.tell_dropped(1), "nothing to tell"
    for at in range(5):
        box.add(at, "a", 1, {})
    assert not box.tell_dropped(6)
    batch = box.take()
    assert batch is not None
    box.acknowledge(2)
    assert box.tell_dropped(7)
    assert not box.tell_dropped(8)
    assert not box.add(9, "a", 1, {"text": "x" * EVENT_BYTES_MAX})
    assert box.tell_dropped(9)
    told = box.take()
    assert told is not None
    assert events_of(told) == [[at, DROPPED, 0, SENDER, {"count": count}] for at, count in ((7, 3), (9, 1))]
    assert (box.recorded, box.dropped, box.pending) == (8, 4, 2)


def test_an_event_that_is_too_long_is_dropped_and_leaves_no_trace() -> None:
    box = outbox()
    assert not box.add(1, "a", 1, {"text": "x" * EVENT_BYTES_MAX})
    assert box.take() is None
    assert (box.dropped, box.pending_bytes) == (1, 0)
    assert balanced(box)


def test_fields_that_cannot_be_written_leave_the_outbox_as_it_was() -> None:
    box = outbox()
    box.add(1, "a", 1, {})
    with pytest.raises(TypeError):
        box.add(2, "b", 1, {"good": "x" * 100, "bad": object()})
    with pytest.raises(OverflowError):
        box.add(2, "b", 1, {"bad": 2**70})
    batch = box.take()
    assert batch is not None
    assert events_of(batch) == [[1, "a", 1, SENDER, {}]]
    assert balanced(box)


def test_a_chunk_is_closed_at_its_limit() -> None:
    box = outbox()
    for at in range(CHUNK_EVENTS_MAX + 1):
        box.add(at, "a", 1, {})
    first = box.take()
    assert first is not None
    assert first.count == CHUNK_EVENTS_MAX
    assert box.open_events == 1


def test_an_answer_that_does_not_cover_the_batch_changes_nothing() -> None:
    box = outbox()
    box.add(1, "a", 1, {})
    box.add(1, "a", 1, {})
    batch = box.take()
    with pytest.raises(RemoteProtocolError):
        box.acknowledge(1)
    assert box.take() is batch
    assert box.stored == 0


def test_the_order_of_log_nodes_is_stable_and_loses_only_those_that_go() -> None:
    names = [f"eu.one.log.{number}" for number in range(1, 5)]
    senders = [f"eu.one.scene.{number}" for number in range(1, 41)]
    for sender in senders:
        order = preference(sender, names)
        assert order == preference(sender, reversed(names))
        without = [name for name in names if name != names[0]]
        assert preference(sender, without) == [name for name in order if name != names[0]]
    homes = {name: sum(preference(sender, names)[0] == name for sender in senders) for name in names}
    assert min(homes.values()) >= 3


# --- the pump ---


class LogGroup:
    """Log nodes as a sender sees them: they keep what is new to them, and can be lost, late or unwilling."""

    def __init__(self, *names: str) -> None:
        self.up = set(names)
        self.stored: dict[str, list[list[object]]] = {name: [] for name in names}
        self.next: dict[tuple[str, int], int] = {}
        self.asked: list[tuple[str, int, int]] = []
        self.trouble: Callable[[str], None] = lambda name: None  # before the batch is stored
        self.after: Callable[[str], None] = lambda name: None  # after that, instead of the answer
        self.answer: Message | None = None

    def targets(self) -> list[str]:
        return sorted(self.up)

    async def ask(self, target: str, message: Message, timeout_s: float) -> Message:
        assert isinstance(message, StoreEvents)
        self.asked.append((target, message.first, message.count))
        await asyncio.sleep(0.001)
        if target not in self.up:
            raise PeerLost(target)
        self.trouble(target)
        key = (target, message.incarnation)
        if message.first >= self.next.get(key, 0):
            self.stored[target] += events_of(message)
            self.next[key] = message.first + message.count
        self.after(target)
        return self.answer or EventsStored(self.next[key])

    def all(self) -> list[object]:
        return [event[4]["n"] for events in self.stored.values() for event in events]  # type: ignore[index]


def journal_of(group: LogGroup, box: JournalOutbox | None = None) -> Journal:
    clock = ManualClock(asyncio.get_running_loop())
    return Journal(SENDER, INCARNATION, clock, group.ask, group.targets, outbox=box)


async def running(group: LogGroup, story: Callable[[Journal], object]) -> Journal:
    journal = journal_of(group)
    pump = asyncio.get_running_loop().create_task(journal.run())
    await story(journal)  # type: ignore[misc]
    pump.cancel()
    return journal


def record(journal: Journal, *numbers: int) -> None:
    for number in numbers:
        journal.record("test", 1, n=number)


def test_events_of_a_tenth_of_a_second_travel_together() -> None:
    group = LogGroup("log.1")

    async def story(journal: Journal) -> None:
        for number in range(5):
            record(journal, number)
            await asyncio.sleep(0.01)
        assert group.asked == []
        await wait_until(lambda: journal.pending == 0)

    run(running(group, story))
    assert group.asked == [("log.1", 0, 5)]
    assert group.all() == [0, 1, 2, 3, 4]


def test_512_events_do_not_wait() -> None:
    group = LogGroup("log.1")

    async def story(journal: Journal) -> None:
        began = asyncio.get_running_loop().time()
        record(journal, *range(512))
        await wait_until(lambda: journal.pending == 0, every_s=0.001)
        assert asyncio.get_running_loop().time() - began < 0.05

    run(running(group, story))


def test_a_batch_whose_answer_was_lost_is_sent_again_and_stored_once() -> None:
    group = LogGroup("log.1")

    def lost_once(_name: str) -> None:
        group.after = lambda name: None
        raise PeerLost("killed after the write")

    group.after = lost_once

    async def story(journal: Journal) -> None:
        record(journal, 1, 2, 3)
        await wait_until(lambda: journal.pending == 0)

    journal = run(running(group, story))
    assert group.all() == [1, 2, 3]
    assert group.asked == [("log.1", 0, 3)] * 2
    assert (journal.resent, journal.stored, journal.dropped) == (1, 3, 0)


def test_another_log_node_takes_over_when_the_own_one_stays_away() -> None:
    group = LogGroup("log.1", "log.2")
    home, other = preference(SENDER, group.up)

    async def story(journal: Journal) -> None:
        record(journal, 1)
        await wait_until(lambda: journal.pending == 0)
        group.up.discard(home)
        record(journal, 2)
        await wait_until(lambda: journal.pending == 0)
        group.up.add(home)
        record(journal, 3)
        await wait_until(lambda: journal.pending == 0)

    run(running(group, story))
    assert [event[4] for event in group.stored[home]] == [{"n": 1}, {"n": 3}]
    assert [event[4] for event in group.stored[other]] == [{"n": 2}]


@pytest.mark.parametrize(("away_s", "doubled"), [(HOLD_S - 1, False), (HOLD_S + 2, True)])
def test_a_lost_log_node_that_may_have_the_batch_gets_time_to_return(away_s: float, doubled: bool) -> None:
    group = LogGroup("log.1", "log.2")
    home = preference(SENDER, group.up)[0]

    def dies_after_the_write(name: str) -> None:
        group.after = lambda name: None
        group.up.discard(home)
        raise PeerLost(name)

    group.after = dies_after_the_write

    async def story(journal: Journal) -> None:
        record(journal, 1)
        await wait_until(lambda: home not in group.up)
        asyncio.get_running_loop().call_later(away_s, group.up.add, home)
        await wait_until(lambda: journal.pending == 0)

    run(running(group, story))
    assert group.all() == ([1, 1] if doubled else [1])


def test_the_log_node_that_may_have_the_batch_comes_before_the_own_one() -> None:
    group = LogGroup("log.1", "log.2")
    home, other = preference(SENDER, group.up)
    group.up.discard(home)

    def dies_after_the_write(name: str) -> None:
        group.after = lambda name: None
        group.up.discard(name)
        raise PeerLost(name)

    group.after = dies_after_the_write

    async def story(journal: Journal) -> None:
        record(journal, 1)
        await wait_until(lambda: other not in group.up)
        group.up |= {home, other}
        await wait_until(lambda: journal.pending == 0)

    run(running(group, story))
    assert group.all() == [1]


def test_a_full_disk_sends_the_events_to_another_log_node_and_back_later() -> None:
    group = LogGroup("log.1", "log.2")
    home, other = preference(SENDER, group.up)
    full = True

    def refuse(name: str) -> None:
        if name == home and full:
            raise RefusedError(Code.DISK_FULL, "full")

    group.trouble = refuse

    async def story(journal: Journal) -> None:
        nonlocal full
        record(journal, 1)
        await wait_until(lambda: journal.pending == 0)
        full = False
        await asyncio.sleep(AVOID_S)
        record(journal, 2)
        await wait_until(lambda: journal.pending == 0)

    run(running(group, story))
    assert [event[4] for event in group.stored[other]] == [{"n": 1}]
    assert [event[4] for event in group.stored[home]] == [{"n": 2}]


@pytest.mark.parametrize("trouble", [DeadlineExceeded("late"), RefusedError(Code.UNAVAILABLE, "busy"), PeerLost("x")])
def test_the_only_log_node_is_tried_again_but_not_in_a_tight_loop(trouble: Exception) -> None:
    group = LogGroup("log.1")

    def unwilling(_name: str) -> None:
        raise trouble

    group.trouble = unwilling

    async def story(journal: Journal) -> None:
        record(journal, 1)
        await asyncio.sleep(20)
        assert 5 <= len(group.asked) <= 101
        group.trouble = lambda name: None
        await wait_until(lambda: journal.pending == 0)

    run(running(group, story))
    assert group.all() == [1]


def test_a_log_node_that_answers_nonsense_is_asked_again() -> None:
    group = LogGroup("log.1")
    group.answer = Done()

    async def story(journal: Journal) -> None:
        record(journal, 1)
        await asyncio.sleep(1)
        assert journal.stored == 0
        group.answer = None
        await wait_until(lambda: journal.pending == 0)

    journal = run(running(group, story))
    assert journal.stored == 1


def test_an_outage_of_all_log_nodes_costs_exactly_what_is_counted() -> None:
    group = LogGroup("log.1")
    group.up.clear()

    async def story() -> tuple[int, int]:
        journal = journal_of(group, outbox(events_max=100))
        pump = asyncio.get_running_loop().create_task(journal.run())
        for number in range(150):
            record(journal, number)
            await asyncio.sleep(0.1)
        assert journal.lag_s > 10
        group.up.add("log.1")
        await wait_until(lambda: journal.pending == 0)
        record(journal, 150)
        assert await journal.flush(1.0)
        assert journal.lag_s == 0
        pump.cancel()
        return journal.recorded, journal.dropped

    recorded, dropped = run(story())
    assert (recorded, dropped) == (152, 50), "one more tells of those that were dropped"
    told = [event[1] if event[1] == DROPPED else event[4]["n"] for event in group.stored["log.1"]]  # type: ignore[index]
    assert told == [*range(100), DROPPED, 150]
    assert next(event[4] for event in group.stored["log.1"] if event[1] == DROPPED) == {"count": 50}


def test_flush_sends_at_once_and_says_that_all_is_stored() -> None:
    group = LogGroup("log.1")

    async def story(journal: Journal) -> None:
        began = asyncio.get_running_loop().time()
        record(journal, 1, 2)
        assert await journal.flush(5.0)
        assert asyncio.get_running_loop().time() - began < 0.05

    run(running(group, story))
    assert group.all() == [1, 2]


def test_what_was_dropped_when_nothing_followed_is_told_by_a_clean_end() -> None:
    """An event that is too long, and then nothing more."""
    group = LogGroup("log.1")

    async def story(journal: Journal) -> None:
        record(journal, 1)
        assert await journal.flush(5.0)
        journal.record("letter", 1, text="x" * (EVENT_BYTES_MAX + 1))
        assert journal.dropped == 1
        assert await journal.flush(5.0)

    run(running(group, story))
    assert [event[4] for event in group.stored["log.1"] if event[1] == DROPPED] == [{"count": 1}]


def test_flush_ends_in_time_without_a_log_node() -> None:
    group = LogGroup()

    async def story(journal: Journal) -> None:
        record(journal, 1)
        assert not await journal.flush(2.0)
        assert journal.pending == 1

    run(running(group, story))


def test_flush_does_not_hold_a_batch_for_a_lost_log_node() -> None:
    group = LogGroup("log.1", "log.2")
    home = preference(SENDER, group.up)[0]

    def dies(name: str) -> None:
        group.up.discard(home)
        group.trouble = lambda name: None
        raise PeerLost(name)

    group.trouble = dies

    async def story(journal: Journal) -> None:
        record(journal, 1)
        assert await journal.flush(HOLD_S / 2)

    run(running(group, story))
    assert group.all() == [1]


def test_a_successor_brings_what_no_log_node_has_under_its_numbers() -> None:
    async def story() -> None:
        stored: list[tuple[int, int, int]] = []
        there: list[str] = []

        async def ask(target: str, message: Message, timeout_s: float) -> Message:
            assert isinstance(message, StoreEvents)
            stored.append((message.incarnation, message.first, message.count))
            return EventsStored(message.first + message.count)

        clock = ManualClock(asyncio.get_running_loop())
        old = Journal(SENDER, INCARNATION, clock, ask, lambda: there)
        old.record("say", 7, text="one")
        first = old.leave()
        old.record("say", 7, text="two")
        left = old.leave()
        assert len(left) == 2
        assert left[0] == first[0]
        assert old.pending == 2, "it plays on if need be, and brings it itself"
        heir = Journal(SENDER, INCARNATION + 1, clock, ask, lambda: there)
        heir.inherit(left)
        heir.record("say", 7, text="three")
        assert heir.leave()[:2] == left, "for another one after it"
        pump = asyncio.ensure_future(heir.run())
        there.append("eu.one.log.1")
        assert await heir.flush(5.0)
        pump.cancel()
        assert stored == [(INCARNATION, 0, 1), (INCARNATION, 1, 1), (INCARNATION + 1, 0, 1)]
        assert (heir.recorded, heir.stored, heir.pending) == (1, 1, 0)

    run(story())
