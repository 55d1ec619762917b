"""The movement pieces of a tick decode to exactly the neighbours that are due."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.protocol.lanes import PIECE_HEAD, PIECE_SIZE, TICK_HEAD, UPDATE, UPDATE_STRUCT, PieceClass, PieceLane
from nodes.scene.frames import RECORDS_MAX, lay_out
from nodes.scene.pairs import Pairs

SLOTS = 12


def columns(slots: int):
    record = np.zeros(slots, UPDATE)
    record["id"] = 1000 + np.arange(slots)
    record["x"], record["y"], record["heading"] = np.arange(slots) * 3, np.arange(slots) * 5, 7
    return record, record["id"].copy()


def read(frames) -> dict[int, dict[int, list[tuple[int, ...]]]]:
    """gate -> observer's handle -> records"""
    found: dict[int, dict[int, list[tuple[int, ...]]]] = {}
    for one in frames:
        by_handle = found.setdefault(one.gate, {})
        begin = 0
        for handle, length in zip(np.frombuffer(one.handles, "<u4"), np.frombuffer(one.lengths, "<u4"), strict=True):
            lane, cls, size, sequence = PIECE_HEAD.unpack_from(one.body, begin)
            assert (lane, cls, sequence) == (PieceLane.MOVEMENT, PieceClass.UPDATES, 0)
            assert size == length - PIECE_SIZE
            assert TICK_HEAD.unpack_from(one.body, begin + PIECE_SIZE) == (99,)
            rows = one.body[begin + PIECE_SIZE + TICK_HEAD.size : begin + int(length)]
            by_handle.setdefault(int(handle), []).extend(UPDATE_STRUCT.iter_unpack(rows))
            begin += int(length)
        assert begin == len(one.body)
    return found


@given(
    st.sets(st.tuples(st.integers(0, SLOTS - 1), st.integers(0, SLOTS - 1)), max_size=60),
    st.lists(st.integers(-1, 2), min_size=SLOTS, max_size=SLOTS),
)
@settings(max_examples=100, deadline=None)
def test_every_due_pair_and_nothing_else(due, gates) -> None:
    record, ids = columns(SLOTS)
    listed = sorted(due)
    pairs = Pairs(np.array([o for o, _ in listed], np.int32), np.array([e for _, e in listed], np.int32))
    expected: dict[int, dict[int, list[tuple[int, ...]]]] = {}
    for observer, entity in listed:
        if gates[observer] >= 0:
            rows = expected.setdefault(gates[observer], {}).setdefault(1000 + observer, [])
            rows.append(tuple(record[entity].tolist()))
    assert read(lay_out(pairs, record, ids, np.array(gates, "<i2"), 99)) == expected


def test_a_view_that_does_not_fit_into_one_piece() -> None:
    slots = RECORDS_MAX + 10
    record, ids = columns(slots)
    observers = np.concatenate([np.zeros(slots, np.int32), np.ones(3, np.int32)])
    entities = np.concatenate([np.arange(slots), np.arange(3)]).astype(np.int32)
    frames = list(lay_out(Pairs(observers, entities), record, ids, np.zeros(slots, "<i2"), 99))
    assert np.frombuffer(frames[0].handles, "<u4").tolist() == [1000, 1000, 1001]
    found = read(frames)[0]
    assert [row[0] for row in found[1000]] == list(range(1000, 1000 + slots))
    assert len(found[1001]) == 3
