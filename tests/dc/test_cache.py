"""Memory is bounded and never newer than the disk."""

from nodes.dc.cache import ROW_OVERHEAD, Rows
from nodes.dc.memory_store import MemoryStore
from nodes.dc.records import NUMBER, PURSES, PurseRow
from nodes.dc.view import Overlay

from .desk import commit


def filled(count: int) -> MemoryStore:
    store = MemoryStore()
    commit(store, [("purses", NUMBER.pack(n), PURSES.pack(NUMBER.pack(n), PurseRow(n))) for n in range(count)])
    return store


def test_rows_are_read_once() -> None:
    rows = Rows(filled(3), 10, 100_000)
    assert [rows.get(PURSES, 1), rows.get(PURSES, 1), rows.get(PURSES, 9)] == [PurseRow(1), PurseRow(1), None]
    assert (rows.hits, rows.misses, len(rows)) == (1, 2, 1)


def test_what_was_not_used_lately_goes_first() -> None:
    rows = Rows(filled(9), 4, 100_000)
    for number in (0, 1, 2, 3, 4, 0, 1, 5, 6):  # with 4 all before it are old, 0 and 1 are young again
        rows.get(PURSES, number)
    assert (len(rows), rows.evicted) == (4, 3)
    before = rows.misses
    for number in (0, 1, 6):
        rows.get(PURSES, number)
    assert rows.misses == before
    rows.get(PURSES, 3)
    assert rows.misses == before + 1


def test_reading_everything_again_and_again_keeps_what_fits() -> None:
    rows = Rows(filled(100), 100, 1_000_000)
    for _ in range(3):
        for number in range(100):
            assert rows.get(PURSES, number) == PurseRow(number)
    assert (rows.hits, rows.misses, rows.evicted, len(rows)) == (200, 100, 0, 100)


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
    commit(store, packed)
    rows.committed(overlay, packed)
    assert (rows.get(PURSES, 1), rows.get(PURSES, 2)) == (PurseRow(50), None)
    again = Rows(store, 10, 100_000)
    again.get(PURSES, 1)
    assert (len(rows), rows.bytes) == (1, again.bytes)


def test_more_than_fits_can_be_committed_at_once() -> None:
    """While they are taken in, those before them become old and go."""
    store = filled(30)
    rows = Rows(store, 5, 100_000)
    for number in (0, 1, 2):
        rows.get(PURSES, number)
    overlay = Overlay(rows)
    for number in (1, 20, 21, 22, 23, 24, 25, 2):
        overlay.put(PURSES, number, PurseRow(100 + number))
    overlay.delete(PURSES, 0)
    packed = overlay.packed()
    commit(store, packed)
    rows.committed(overlay, packed)
    assert len(rows) <= 5
    found = [rows.get(PURSES, number) for number in (0, 1, 2, 3, 20, 25)]
    assert found == [None, *map(PurseRow, (101, 102, 3, 120, 125))]
    for number in range(30):  # the count and the bytes are still those of what is kept
        rows.get(PURSES, number)
        kept = [size for table in (*rows._young.values(), *rows._old.values()) for _, size in table.values()]
        assert (len(rows), rows.bytes) == (len(kept), sum(kept))


def test_the_changes_since_begin_can_be_dropped() -> None:
    rows = Rows(filled(3), 10, 100_000)
    overlay = Overlay(rows)
    overlay.put(PURSES, 1, PurseRow(7))
    assert overlay.is_changed
    overlay.begin()
    assert not overlay.is_changed
    for gold in (8, 9):
        overlay.put(PURSES, 1, PurseRow(gold))
    overlay.put(PURSES, 2, PurseRow(8))
    overlay.delete(PURSES, 0)
    overlay.rollback()
    assert [overlay.get(PURSES, number) for number in range(3)] == [PurseRow(0), PurseRow(7), PurseRow(2)]
    assert rows.get(PURSES, 1) == PurseRow(1)
    assert len(overlay.packed()) == 1


def test_what_was_packed_early_is_packed_as_it_is_in_the_end() -> None:
    """Rows that are new, changed, changed back and gone since, in the order in which they came."""
    early, late = (Overlay(Rows(filled(4), 10, 100_000)) for _ in range(2))
    for overlay in (early, late):
        for number in range(4):
            overlay.put(PURSES, number, PurseRow(10 + number))
        if overlay is early:
            overlay.pack()
        overlay.begin()
        overlay.put(PURSES, 1, PurseRow(50))
        overlay.put(PURSES, 7, PurseRow(7))
        overlay.rollback()
        overlay.put(PURSES, 8, PurseRow(8))
        if overlay is early:
            overlay.pack()
        overlay.put(PURSES, 2, PurseRow(60))
        overlay.delete(PURSES, 3)
        overlay.put(PURSES, 9, PurseRow(9))
    packed = late.packed()
    assert [key[-1] for _, key, _ in packed] == [0, 1, 2, 3, 8, 9]
    assert [value is None for _, _, value in packed] == [False, False, False, True, False, False]
    assert early.packed() == packed
    early.put(PURSES, 9, PurseRow(10))
    late.put(PURSES, 9, PurseRow(10))
    assert early.packed() == late.packed() != packed
