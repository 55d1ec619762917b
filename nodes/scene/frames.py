"""Lays out the movement pieces of one tick: for each observer [PIECE_HEAD][tick][UPDATE records].

Owns nothing. Works on whole arrays, because 10,000 players see 200,000 changes a tick: a piece's head with its tick
is exactly as long as a record (12 bytes), so a gate's whole body is ONE gather of rows from a table of records
followed by heads.
"""

from itertools import pairwise
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


def lay_out(pairs: Pairs, record: Array, ids: Array, gate: Array, tick: int) -> list[GateFrames]:
    """Blobs per gate for these (observer, entity) pairs, ascending by observer. `record`, `ids` and `gate` by slot;
    observers without a gate (-1) get nothing. All gates together: one more of them costs some slices."""
    begins, counts = _pieces(pairs.observers)
    told, entities = pairs.observers[begins], pairs.entities
    carrier = gate[told]
    if len(carrier) and (carrier[0] < 0 or (carrier != carrier[0]).any()):
        order = np.argsort(carrier, kind="stable")
        order = order[np.searchsorted(carrier[order], 0) :]
        carrier, told, begins, counts = carrier[order], told[order], begins[order], counts[order]
        moved = np.repeat(begins - (np.cumsum(counts) - counts), counts)
        entities = entities.take(moved + np.arange(len(moved)))
    if not len(carrier):
        return []
    handles, lengths = ids[told], ((counts + 1) * UPDATE_SIZE).astype("<u4")
    body, ends = _body(entities, counts, record, tick), np.cumsum(counts + 1)
    edges = [0, *(np.flatnonzero(carrier[1:] != carrier[:-1]) + 1).tolist(), len(carrier)]
    found, begin = [], 0
    for low, high in pairwise(edges):
        end = int(ends[high - 1])
        mine = slice(low, high)
        found.append(
            GateFrames(
                int(carrier[low]), handles[mine].tobytes(), lengths[mine].tobytes(), body[begin:end].tobytes(),
                end - begin - (high - low),
            )
        )  # fmt: skip
        begin = end
    return found


def _body(entities: Array, counts: Array, record: Array, tick: int) -> Array:
    """Rows of a record's size: for each piece its head, then so many entities' records."""
    pieces = len(counts)
    table = np.empty((len(record) + pieces, 3), "<u4")
    table[: len(record)] = record.view("<u4").reshape(-1, 3)
    heads = table[len(record) :]
    heads[:, 0] = (
        np.uint32(PieceLane.MOVEMENT)
        | np.uint32(PieceClass.UPDATES << 8)
        | (counts * UPDATE_SIZE + TICK_HEAD.size).astype("<u4") << np.uint32(16)
    )
    heads[:, 1] = 0  # movement is not numbered
    heads[:, 2] = tick & 0xFFFF_FFFF
    rows = np.empty(len(entities) + pieces, np.int32)
    head_at = np.cumsum(counts) - counts + np.arange(pieces)
    is_record = np.ones(len(rows), "?")
    is_record[head_at] = False
    rows[head_at] = np.arange(len(record), len(table))
    rows[is_record] = entities
    body: Array = table.take(rows, axis=0)
    return body


def _pieces(observers: Array) -> tuple[Array, Array]:
    """Where each piece begins and how many records it has: one for each observer, several for more than
    RECORDS_MAX."""
    starts = np.ones(len(observers), "?")
    np.not_equal(observers[1:], observers[:-1], out=starts[1:])
    begins = np.flatnonzero(starts)
    counts = _lengths(begins, len(observers))
    over = np.flatnonzero(counts > RECORDS_MAX)
    if not len(over):
        return begins, counts
    for begin, count in zip(begins[over].tolist(), counts[over].tolist(), strict=True):
        starts[begin : begin + count : RECORDS_MAX] = True
    begins = np.flatnonzero(starts)
    return begins, _lengths(begins, len(observers))


def _lengths(begins: Array, end: int) -> Array:
    """Of consecutive stretches."""
    lengths = np.empty_like(begins)
    np.subtract(begins[1:], begins[:-1], out=lengths[:-1])
    lengths[-1:] = end - begins[-1:]
    return lengths
