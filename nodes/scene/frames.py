"""Lays out the movement pieces of one tick: for each observer [PIECE_HEAD][tick][UPDATE records].

Owns nothing. Works on whole arrays, because 10,000 players see 200,000 changes a tick: a piece's head with its tick
is exactly as long as a record (12 bytes), so a gate's whole body is ONE gather of rows from a table of records
followed by heads.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mesh.protocol.lanes import PIECE_MAX, PIECE_SIZE, TICK_HEAD, UPDATE_SIZE, PieceClass, PieceLane
from nodes.scene.pairs import Pairs
from nodes.scene.world import Array

RECORDS_MAX = (PIECE_MAX - TICK_HEAD.size) // UPDATE_SIZE  # in one piece; an observer of more gets several
_HEAD_ROW = PIECE_SIZE + TICK_HEAD.size
assert _HEAD_ROW == UPDATE_SIZE, "heads and records share one table"


class GateFrames(NamedTuple):
    """The three blobs of a Lane.UPDATES batch for one gate."""

    gate: int
    handles: bytes
    lengths: bytes
    body: bytes
    records: int


def lay_out(pairs: Pairs, record: Array, ids: Array, gate: Array, tick: int) -> Iterator[GateFrames]:
    """Blobs per gate for these (observer, entity) pairs, ascending by observer. `record`, `ids` and `gate` by slot;
    observers without a gate (-1) get nothing."""
    if not len(pairs.observers):
        return
    carrier = gate[pairs.observers]
    for index in np.flatnonzero(np.bincount(carrier + 1)[1:]):
        mine = np.flatnonzero(carrier == index)
        chosen = pairs if len(mine) == len(carrier) else Pairs(pairs.observers[mine], pairs.entities[mine])
        yield _one_gate(int(index), chosen, record, ids, tick)


def _one_gate(gate: int, pairs: Pairs, record: Array, ids: Array, tick: int) -> GateFrames:
    observers, entities = pairs
    total = len(observers)
    begins = np.flatnonzero(_piece_starts(observers))
    counts = np.diff(begins, append=total)
    table = np.empty((len(record) + len(begins), 3), "<u4")
    table[: len(record)] = record.view("<u4").reshape(-1, 3)
    heads = table[len(record) :]
    heads[:, 0] = (
        np.uint32(PieceLane.MOVEMENT)
        | np.uint32(PieceClass.UPDATES << 8)
        | (counts * UPDATE_SIZE + TICK_HEAD.size).astype("<u4") << np.uint32(16)
    )
    heads[:, 1] = 0  # movement is not numbered
    heads[:, 2] = tick & 0xFFFF_FFFF
    rows = np.empty(total + len(begins), np.int32)
    head_at = begins + np.arange(len(begins))
    is_record = np.ones(len(rows), "?")
    is_record[head_at] = False
    rows[head_at] = np.arange(len(record), len(table))
    rows[is_record] = entities
    body = table.take(rows, axis=0)
    lengths = ((counts + 1) * UPDATE_SIZE).astype("<u4")
    return GateFrames(gate, ids[observers[begins]].tobytes(), lengths.tobytes(), body.tobytes(), total)


def _piece_starts(observers: Array) -> Array:
    """Where a piece begins: with each observer, and again after RECORDS_MAX records."""
    starts = np.empty(len(observers), "?")
    starts[0] = True
    np.not_equal(observers[1:], observers[:-1], out=starts[1:])
    begins = np.flatnonzero(starts)
    counts = np.diff(begins, append=len(observers))
    for begin, count in zip(begins[counts > RECORDS_MAX], counts[counts > RECORDS_MAX], strict=True):
        starts[begin : begin + count : RECORDS_MAX] = True
    return starts
