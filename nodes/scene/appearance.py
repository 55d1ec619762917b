"""How entities are described to clients: EntityState as bytes, and the messages made of it, for many clients at once.

Owns a row of bytes per slot: the entity's encoded state, of which the part that never changes is written once in its
life and the numbers that do are written for all that appear in a tick together. Then the pieces of a whole gate are ONE
gather of bytes: 10,000 players who walk see 2,000 others appear in a tick.

Numbers are written in MessagePack's widest form for their type, so that each has one place. Decoders take both.
"""

import numpy as np

from mesh.protocol.catalogue import encode
from mesh.protocol.lanes import PIECE_MAX, PIECE_SIZE, PieceClass, PieceLane
from mesh.protocol.play import Appeared, EntityState, Vanished
from nodes.scene.outbound import Rows
from nodes.scene.pairs import Pairs
from nodes.scene.world import KIND_NAMES, Array, World

_NUMBERS = np.dtype([
    ("x_", "u1"), ("x", ">u2"), ("y_", "u1"), ("y", ">u2"), ("heading_", "u1"), ("heading", "u1"), ("state_", "u1"),
    ("state", "u1"), ("level_", "u1"), ("level", ">u2"), ("hp_", "u1"), ("hp", ">u2"), ("hp_max_", "u1"),
    ("hp_max", ">u2"),
])  # fmt: skip
_ZEROS = 7  # of these, each one byte when it is encoded as zero
_WIDE = {1: 0xCC, 2: 0xCD}  # MessagePack's uint 8 and uint 16
_ID = np.dtype([("id_", "u1"), ("id", ">u4")])
_ID_HEAD = 0xCE
_LIST = 3  # bytes of the head of an array 16
_APPEARED, _VANISHED = encode(Appeared([]))[:-1], encode(Vanished([]))[:-1]  # without the empty list
_PIECE = np.dtype([("lane", "u1"), ("class", "u1"), ("length", "<u2"), ("sequence", "<u4")])
assert _PIECE.itemsize == PIECE_SIZE


class States:
    """Of one line."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._width = 64
        self._bytes = np.zeros((world.capacity, self._width), "u1")
        self._length = np.zeros(world.capacity, np.int64)
        self._ids = np.zeros(world.capacity, "<u4")  # of whom the row is

    def encoded(self, slots: Array) -> list[bytes]:
        """The EntityState of each."""
        self.write(slots)
        return [self._bytes[slot, : self._length[slot]].tobytes() for slot in slots.tolist()]

    def write(self, slots: Array) -> None:
        """Bring these rows up to date; each slot once."""
        world = self._world
        for slot in slots[self._ids[slots] != world.ids[slots]].tolist():
            self._begin(slot)
        numbers = np.zeros(len(slots), _NUMBERS)
        for name in ("x", "y", "heading", "state", "level", "hp", "hp_max"):
            numbers[name] = getattr(world, name)[slots]
            numbers[name + "_"] = _WIDE[_NUMBERS[name].itemsize]
        columns = (self._length[slots] - _NUMBERS.itemsize)[:, None] + np.arange(_NUMBERS.itemsize)
        self._bytes[slots[:, None], columns] = numbers.view("u1").reshape(-1, _NUMBERS.itemsize)

    def appeared(self, pairs: Pairs) -> Rows:
        """`Appeared` pieces for these observers, ascending, of what each of them sees now; each of them has a gate."""
        observers, entities = pairs
        slots, which = np.unique(entities, return_inverse=True)
        self.write(slots.astype(np.int64))
        lengths = self._length[slots]
        begins = _begins(observers, (PIECE_MAX - len(_APPEARED) - _LIST) // int(lengths.max()))
        counts = np.diff(begins, append=len(observers))
        sizes = np.add.reduceat(lengths[which], begins)
        heads = _heads(_APPEARED, counts, sizes)
        table = np.concatenate([self._bytes[slots].ravel(), heads.ravel()])
        starts, spans = _between(which * self._width, lengths[which], begins, slots.size * self._width, heads.shape[1])
        at = np.repeat(starts - (np.cumsum(spans) - spans), spans)
        at += np.arange(len(at))
        return Rows(
            self._world.ids[observers[begins]], (sizes + heads.shape[1]).astype("<u4"), table.take(at).tobytes()
        )

    def vanished(self, pairs: Pairs) -> Rows:
        """The same with `Vanished`. The entities' numbers must still be readable."""
        observers, entities = pairs
        begins = _begins(observers, (PIECE_MAX - len(_VANISHED) - _LIST) // _ID.itemsize)
        counts = np.diff(begins, append=len(observers))
        heads = _heads(_VANISHED, counts, counts * _ID.itemsize)
        ids = np.empty(len(entities), _ID)
        ids["id_"], ids["id"] = _ID_HEAD, self._world.ids[entities]
        body = np.empty(heads.size + len(ids) * _ID.itemsize, "u1")
        is_head = np.zeros(len(body), "?")
        head_at = begins * _ID.itemsize + np.arange(len(begins)) * heads.shape[1]
        is_head[(head_at[:, None] + np.arange(heads.shape[1])).ravel()] = True
        body[is_head], body[~is_head] = heads.ravel(), ids.view("u1")
        lengths = counts * _ID.itemsize + heads.shape[1]
        return Rows(self._world.ids[observers[begins]], lengths.astype("<u4"), body.tobytes())

    def _begin(self, slot: int) -> None:
        """Write what does not change: another entity is in this slot now."""
        world = self._world
        kind, name = KIND_NAMES[int(world.kind[slot])], world.names[slot]
        zeros = encode(EntityState(0, kind, name, 0, 0, 0, 0, 0, 0, 0))  # type: ignore[arg-type]
        number = np.array([(_ID_HEAD, world.ids[slot])], _ID).tobytes()
        made = zeros[:1] + number + zeros[2:-_ZEROS]  # a zero is one byte
        length = len(made) + _NUMBERS.itemsize
        if length > self._width:
            self._widen(length)
        self._bytes[slot, : len(made)] = np.frombuffer(made, "u1")
        self._length[slot], self._ids[slot] = length, world.ids[slot]

    def _widen(self, length: int) -> None:
        wider = np.zeros((len(self._bytes), -(-length // 32) * 32), "u1")
        wider[:, : self._width] = self._bytes
        self._bytes, self._width = wider, wider.shape[1]


def _begins(observers: Array, most: int) -> Array:
    """Where a piece begins: with each observer, and again after `most` entities."""
    begins = np.flatnonzero(np.diff(observers.astype(np.int32), prepend=-1))
    counts = np.diff(begins, append=len(observers))
    if counts.max() <= most:
        return begins
    pieces = -(-counts // most)
    within = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts: Array = np.repeat(begins, pieces) + within * most
    return starts


def _heads(message: bytes, counts: Array, sizes: Array) -> Array:
    """A row of bytes for each piece: its head, and that of the message with a list of so many in so many bytes."""
    kind = np.dtype([("piece", _PIECE), ("message", "u1", len(message)), ("list", "u1"), ("count", ">u2")])
    heads = np.zeros(len(counts), kind)
    heads["piece"]["lane"], heads["piece"]["class"] = PieceLane.CONTROL, PieceClass.VIEW
    heads["piece"]["length"] = len(message) + _LIST + sizes
    heads["message"] = np.frombuffer(message, "u1")
    heads["list"], heads["count"] = 0xDC, counts
    rows: Array = heads.view("u1").reshape(len(counts), -1)
    return rows


def _between(rows: Array, lengths: Array, begins: Array, heads_at: int, head: int) -> tuple[Array, Array]:
    """Where everything is copied from, and how much: a head before each piece's rows."""
    total = len(rows) + len(begins)
    head_at = begins + np.arange(len(begins))
    starts, spans, is_row = np.empty(total, np.int64), np.full(total, head), np.ones(total, "?")
    is_row[head_at] = False
    starts[head_at] = heads_at + head * np.arange(len(begins))
    starts[is_row], spans[is_row] = rows, lengths
    return starts, spans
