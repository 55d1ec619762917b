"""Memory is bounded, never newer than the disk for durable rows, and never forgets a state that is not on disk."""

from nodes.dc.cache import ROW_OVERHEAD, Rows, States
from nodes.dc.memory_store import MemoryStore
from nodes.dc.records import NUMBER, PURSES, STATES, PurseRow, StateRow
from nodes.dc.view import Overlay

from .desk import Desk


def filled(count: int) -> MemoryStore:
    store = MemoryStore()
    store.commit([("purses", NUMBER.pack(n), PURSES.pack(NUMBER.pack(n), PurseRow(n))) for n in range(count)])
    return store


def test_rows_are_read_once() -> None:
    rows = Rows(filled(3), 10, 100_000)
    assert [rows.get(PURSES, 1), rows.get(PURSES, 1), rows.get(PURSES, 9)] == [PurseRow(1), PurseRow(1), None]
    assert (rows.hits, rows.misses, len(rows)) == (1, 2, 1)


def test_the_least_recently_used_row_goes_first() -> None:
    rows = Rows(filled(4), 3, 100_000)
    for number in (0, 1, 2, 0, 3):
        rows.get(PURSES, number)
    before = rows.misses
    rows.get(PURSES, 0)
    assert rows.misses == before
    rows.get(PURSES, 1)
    assert rows.misses == before + 1
    assert (len(rows), rows.evicted) == (3, 2)


def test_bytes_are_bounded_too() -> None:
    rows = Rows(filled(100), 1000, 10 * (ROW_OVERHEAD + 20))
    for number in range(100):
        assert rows.get(PURSES, number) == PurseRow(number)
    assert 5 <= len(rows) <= 10
    assert rows.bytes <= 10 * (ROW_OVERHEAD + 20)


def test_what_is_committed_replaces_what_was_read() -> None:
    store = filled(3)
    rows = Rows(store, 10, 100_000)
    rows.get(PURSES, 1)
    overlay = Overlay(rows)
    overlay.put(PURSES, 1, PurseRow(50))
    overlay.delete(PURSES, 2)
    assert (rows.get(PURSES, 1), overlay.get(PURSES, 1), overlay.get(PURSES, 2)) == (PurseRow(1), PurseRow(50), None)
    packed = overlay.packed()
    store.commit(packed)
    rows.committed(overlay, packed)
    assert (rows.get(PURSES, 1), rows.get(PURSES, 2)) == (PurseRow(50), None)
    assert rows.bytes == sum(size for _, size in rows._rows.values())


def test_an_overlay_on_an_overlay_can_be_dropped() -> None:
    lower = Overlay(Rows(filled(3), 10, 100_000))
    upper = Overlay(lower)
    upper.put(PURSES, 1, PurseRow(7))
    assert lower.get(PURSES, 1) == PurseRow(1)
    lower.absorb(upper)
    assert lower.get(PURSES, 1) == PurseRow(7)


def state(hp: int) -> StateRow:
    return StateRow("meadow", 1.0, 2.0, hp)


def test_the_newest_state_is_seen_before_and_after_its_flush() -> None:
    desk = Desk()
    account = desk.account("anna")
    states = States(desk.rows, 10)
    assert states.get(account) == StateRow("", 0.0, 0.0, 100)
    states.put(account, state(50), now=1.0)
    assert states.get(account) == state(50)
    written = states.oldest(10)
    desk.do(lambda view: [view.put(STATES, key, row) for key, row in written.items()])
    assert states.get(account) == state(50)
    states.flushed(written, 2.0)
    assert (len(states), states.get(account)) == (0, state(50))


def test_a_state_that_changed_during_the_commit_waits_on() -> None:
    states = States(Desk().rows, 10)
    states.put(1, state(50), now=1.0)
    written = states.oldest(10)
    states.put(1, state(40), now=1.5)
    assert states.age_s(1.6) == 1.6 - 1.0
    states.flushed(written, 1.4)
    assert states.get(1) == state(40)
    assert states.age_s(2.0) == 2.0 - 1.4


def test_the_oldest_go_first_and_the_number_is_bounded() -> None:
    states = States(Desk().rows, 3)
    for number in (5, 6, 7):
        assert states.room(1)
        states.put(number, state(number), now=float(number))
    states.put(5, state(99), now=9.0)  # stays as old as its first unflushed write
    assert not states.room(1)
    assert states.oldest(2) == {5: state(99), 6: state(6)}
    assert states.age_s(10.0) == 5.0
