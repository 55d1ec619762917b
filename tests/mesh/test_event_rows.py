"""Events recorded in bulk are the same events: what a reader sees of them, their limits, their place among others."""

import asyncio
from typing import Any

import msgpack
import numpy as np
import pytest

from mesh.core.event_rows import rows
from mesh.core.journal_outbox import CHUNK_EVENTS_MAX, EVENT_BYTES_MAX, JournalOutbox
from mesh.errors import PeerLost
from mesh.journal import Journal
from mesh.protocol.catalogue import Message
from mesh.protocol.journal import EventsStored, StoreEvents
from mesh.testing import ManualClock, run, wait_until

SENDER = "eu.one.scene.1"


def events_of(batch: StoreEvents) -> list[Any]:
    unpacker = msgpack.Unpacker()
    unpacker.feed(batch.body)
    return list(unpacker)


def taken(box: JournalOutbox) -> list[StoreEvents]:
    batches = []
    while (batch := box.take()) is not None:
        batches.append(batch)
        box.acknowledge(batch.first + batch.count)
    return batches


@pytest.mark.parametrize(
    "column",
    [
        np.array([1.25, -2.5, 1e300]),
        np.array([1.25, -2.5, 0.0], np.float32),
        np.array([0, 7, 255], np.uint8),
        np.array([0, 7, 65535], np.uint16),
        np.array([0, 7, 2**32 - 1], np.uint32),
        np.array([0, 7, 2**64 - 1], np.uint64),
        np.array([-128, 0, 127], np.int8),
        np.array([-32768, 0, 1], np.int16),
        np.array([-(2**31), 0, 1], np.int32),
        np.array([-(2**63), 0, 1], np.int64),
        np.array([True, False, True]),
        np.array([1, 2, 3, 4, 5, 6])[::2],
        np.array([1, 2, 3], ">u4"),
    ],
    ids=lambda column: str(column.dtype),
)
def test_every_type_of_column_is_read_as_it_was(column: np.ndarray[Any, Any]) -> None:
    made = rows(1000, "a", np.array([5, 6, 2**63 - 1]), SENDER, {"value": column, "map": "meadow"})
    unpacker = msgpack.Unpacker()
    unpacker.feed(made.body)
    assert list(unpacker) == [
        [1000, "a", player, SENDER, {"value": value, "map": "meadow"}]
        for player, value in zip([5, 6, 2**63 - 1], column.tolist(), strict=True)
    ]
    assert len(made.body) == 3 * made.width


def test_many_fields_and_none() -> None:
    fields = {f"field{n}": np.array([n]) for n in range(40)}
    for some in (fields, {}):
        made = rows(1, "a", [3], SENDER, some)
        assert msgpack.unpackb(made.body) == [1, "a", 3, SENDER, {key: int(value[0]) for key, value in some.items()}]


@pytest.mark.parametrize(
    "wrong",
    [
        {"players": [1, 2], "x": np.array([1.0])},
        {"players": [1], "x": np.array([[1.0]])},
        {"players": [1], "x": np.array(["text"])},
        {"players": [1], "x": np.array([1j])},
        {"players": [1.5]},
        {"players": [[1]]},
        {"players": [1], "x": object()},
    ],
)
def test_what_cannot_be_written_is_a_mistake_of_the_caller(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        rows(1, "a", wrong.pop("players"), SENDER, wrong)


def test_columns_say_of_each_event_what_its_bytes_say() -> None:
    box = JournalOutbox(SENDER, 7)
    box.add(900, "loot", 4, {"item": 1})
    box.add_rows(1000, "move", rows(1000, "move", [8, 9], SENDER, {"x": np.array([1.5, 2.5])}))
    box.add(1100, "loot", 5, {})
    (batch,) = taken(box)
    events = events_of(batch)
    lengths = np.frombuffer(batch.lengths, "<u4")
    assert np.frombuffer(batch.players, "<u8").tolist() == [4, 8, 9, 5] == [event[2] for event in events]
    assert np.frombuffer(batch.times, "<u8").tolist() == [900, 1000, 1000, 1100] == [event[0] for event in events]
    assert [batch.kinds[n] for n in np.frombuffer(batch.kind_numbers, "<u2")] == [event[1] for event in events]
    assert lengths.sum() == len(batch.body)
    starts = np.cumsum(lengths) - lengths
    assert [msgpack.unpackb(batch.body[at : at + size]) for at, size in zip(starts, lengths, strict=True)] == events
    assert (batch.oldest_ms, batch.newest_ms, batch.count) == (900, 1100, 4)


def test_rows_are_spread_over_chunks_without_a_gap() -> None:
    box = JournalOutbox(SENDER, 7)
    box.add(1, "first", 1, {})
    count = 2 * CHUNK_EVENTS_MAX
    assert box.add_rows(2, "move", rows(2, "move", np.arange(count), SENDER, {"n": np.arange(count)})) == count
    batches = taken(box)
    assert [batch.first for batch in batches] == [0, CHUNK_EVENTS_MAX, 2 * CHUNK_EVENTS_MAX]
    assert [event[4].get("n") for batch in batches for event in events_of(batch)] == [None, *range(count)]
    assert all(len(batch.players) == 8 * batch.count for batch in batches)


def test_a_chunk_of_wide_rows_ends_at_its_bytes() -> None:
    box = JournalOutbox(SENDER, 7)
    box.add_rows(2, "say", rows(2, "say", np.arange(1000), SENDER, {"text": "x" * 2000}))
    sizes = [len(batch.body) for batch in taken(box)]
    assert len(sizes) == 4
    assert max(sizes) < 600_000


def test_rows_without_room_are_dropped_from_the_end_and_counted() -> None:
    box = JournalOutbox(SENDER, 7, events_max=10)
    assert box.add_rows(1, "a", rows(1, "a", np.arange(14), SENDER, {})) == 10
    assert box.add_rows(1, "a", rows(1, "a", np.arange(3), SENDER, {})) == 0
    assert (box.recorded, box.dropped, box.pending) == (17, 7, 10)
    (batch,) = taken(box)
    assert np.frombuffer(batch.players, "<u8").tolist() == list(range(10))
    assert box.recorded == box.stored + box.dropped + box.pending


def test_rows_that_are_too_long_are_dropped() -> None:
    box = JournalOutbox(SENDER, 7)
    assert box.add_rows(1, "a", rows(1, "a", [1, 2], SENDER, {"text": "x" * EVENT_BYTES_MAX})) == 0
    assert box.take() is None
    assert (box.recorded, box.dropped) == (2, 2)


def test_nobody_is_no_event() -> None:
    box = JournalOutbox(SENDER, 7)
    assert box.add_rows(1, "a", rows(1, "a", np.zeros(0, np.uint64), SENDER, {"x": np.zeros(0)})) == 0
    assert box.take() is None


def test_a_journal_brings_them_to_a_log_node() -> None:
    batches: list[StoreEvents] = []

    async def ask(target: str, message: Message, timeout_s: float) -> Message:
        assert isinstance(message, StoreEvents)
        if not batches:
            batches.append(message)
            raise PeerLost(target)
        batches.append(message)
        return EventsStored(message.first + message.count)

    async def story() -> None:
        loop = asyncio.get_running_loop()
        journal = Journal(SENDER, 7, ManualClock(loop), ask, lambda: ["log.1"])
        pump = loop.create_task(journal.run())
        journal.record_many("move", np.arange(3), x=np.array([0.5, 1.5, 2.5]))
        await wait_until(lambda: journal.pending == 0)
        journal.record_many("move", np.arange(2), x=np.array([3.5, 4.5]))
        journal.record("jump", 1)
        await wait_until(lambda: journal.pending == 0)
        assert (journal.recorded, journal.stored, journal.dropped, journal.resent) == (6, 6, 0, 1)
        pump.cancel()

    run(story())
    assert [event[1:3] for event in events_of(batches[-1])] == [["move", 0], ["move", 1], ["jump", 1]]
    assert [event[4]["x"] for event in events_of(batches[0])] == [0.5, 1.5, 2.5]
    assert batches[0] == batches[1]
