"""The pairs of one line, (observer slot, entity slot), as columns: what they are, and what is done to columns.

Owns nothing. Pure. Flat columns with all pairs of all observers, because a crowd of 3,000 has a million and a half:
what must happen to each of them is an array operation, and what concerns a few observers is a stretch of the columns.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nodes.scene.settings import LINE_BITS, LINE_SLOTS
from nodes.scene.world import Array

_PAYLOAD = 32  # bits, the lowest ones of a packed pair; two bits of code are above them
_BELOW = _PAYLOAD + 2
_ENTITY = np.uint32(LINE_SLOTS - 1)


class Pairs(NamedTuple):
    """Ascending by observer, then by entity."""

    observers: Array
    entities: Array


class Columns(NamedTuple):
    """Pairs, and of each when it is to be told of."""

    observers: Array  # u16
    entities: Array  # u16
    since: Array  # i32: the tick up to which the observer knows the entity's state
    mask: Array  # u8: the pair has its turn at a telling t when t & mask == phase, see ranking.py
    phase: Array  # u8


def key_of(observer: Array, entity: Array) -> Array:
    """Pairs of slots as numbers: ascending by observer, then by entity."""
    return observer.astype(np.uint32) << np.uint32(LINE_BITS) | entity.astype(np.uint32)


def first_marked(marked: Array, counts: Array, most: Array) -> Array:
    """Marked elements of rows of so many: those that are among the first `most` marked ones of their row."""
    number = np.cumsum(marked)
    before = np.concatenate([[0], number])[np.cumsum(counts) - counts]  # before each row
    found: Array = marked & (number <= np.repeat(before + most, counts))
    return found


def marked_among(keys: Array, some: Array) -> Array:
    """Flags of those of these ascending keys that are among some others."""
    flags = np.zeros(len(keys), "?")
    at = np.minimum(np.searchsorted(keys, some), len(keys) - 1)
    flags[at[keys[at] == some]] = True
    return flags


def places(row: Array, rows: int) -> tuple[Array, Array]:
    """For elements in the order of their rows: the place of each within its row, and how many each row has."""
    counts = np.bincount(row, minlength=rows)
    return np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts), counts


def slots_of(key: Array) -> Pairs:
    """The reverse."""
    return Pairs((key >> np.uint32(LINE_BITS)).astype(np.uint16), (key & _ENTITY).astype(np.uint16))


def packed(observers: Array, entities: Array, code: Array | int, payload: Array) -> Array:
    """Keys with two bits of code and 32 bits of payload below them, to be sorted as numbers of 64 bits."""
    numbers = observers.astype(np.uint64) << np.uint64(LINE_BITS + _BELOW)
    numbers |= entities.astype(np.uint64) << np.uint64(_BELOW)
    numbers |= np.asarray(code, np.uint64) << np.uint64(_PAYLOAD)
    numbers |= payload.astype(np.uint64)
    return numbers


def unpacked(numbers: Array) -> tuple[Array, Array, Array]:
    """(key, code, payload)"""
    halves = numbers.view("<u4").reshape(-1, 2)
    high = halves[:, 1]
    return high >> np.uint32(2), high & np.uint32(3), halves[:, 0]


def stretches_of(flags: Array) -> list[tuple[int, int]]:
    """Where flags are set without a gap, as [low, high)."""
    edges = (np.flatnonzero(flags[1:] != flags[:-1]) + 1).tolist()
    if flags[:1].any():
        edges.insert(0, 0)
    if len(edges) % 2:
        edges.append(len(flags))
    return list(zip(edges[::2], edges[1::2], strict=True))


def no_pairs() -> Columns:
    return Columns(np.empty(0, "u2"), np.empty(0, "u2"), np.empty(0, "i4"), np.empty(0, "u1"), np.empty(0, "u1"))


def cut(columns: Columns, parts: list[tuple[int, int]]) -> Columns:
    """These parts of the columns, [low, high), one behind the other."""
    return joined([Columns(*(column[low:high] for column in columns)) for low, high in parts] or [no_pairs()])


def joined(parts: list[Columns]) -> Columns:
    return parts[0] if len(parts) == 1 else Columns(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def spliced(old: Columns, new: Columns, stretches: list[tuple[int, int]], old_ends: Array, new_ends: Array) -> Columns:
    """`old`, with the pairs of some stretches of observers (slots, [low, high)) replaced by those of `new`.
    `ends[slot]` is the number of pairs of all observers before that slot."""
    pieces: list[tuple[int, int, int]] = []
    done = 0
    for low, high in stretches:
        pieces += [(0, int(old_ends[done]), int(old_ends[low])), (1, int(new_ends[low]), int(new_ends[high]))]
        done = high
    pieces.append((0, int(old_ends[done]), int(old_ends[-1])))
    both = zip(old, new, strict=True)
    return Columns(*(np.concatenate([column[which][low:high] for which, low, high in pieces]) for column in both))


def ends_of(counts: Array) -> Array:
    """The number of elements before each row, and of all."""
    return np.concatenate([[0], np.cumsum(counts)])


def nobody() -> Pairs:
    """No pairs at all."""
    return Pairs(np.empty(0, "u2"), np.empty(0, "u2"))


def those(pairs: Pairs, wanted: Array) -> Pairs:
    """The pairs whose flag is set."""
    return pairs if wanted.all() else Pairs(pairs.observers[wanted], pairs.entities[wanted])


def pairs_joined(parts: Sequence[Pairs]) -> Pairs:
    return parts[0] if len(parts) == 1 else Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
