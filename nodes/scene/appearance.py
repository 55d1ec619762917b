"""How entities are described to clients: EntityState as bytes, and the messages made of it.

Owns nothing. An entity that comes into view of a hundred players is encoded once a tick; `Appeared` for each of them
is a head and a join. The heads are cut off real encodings, so that they follow the catalogue.
"""

import struct
from collections.abc import Iterable, Iterator

from mesh.protocol.catalogue import encode
from mesh.protocol.lanes import PIECE_MAX
from mesh.protocol.play import Appeared, EntityState, Vanished
from nodes.scene.world import KIND_NAMES, Array, World

IDS_MAX = 10_000  # in one Vanished: 5 bytes each
_APPEARED_HEAD = encode(Appeared([]))[:-1]  # without the empty list
_BODY_MAX = PIECE_MAX - len(_APPEARED_HEAD) - 5


def encode_states(world: World, slots: Array) -> dict[int, bytes]:
    """The encoded EntityState of each slot."""
    columns = (world.ids, world.kind, world.x, world.y, world.heading, world.state, world.level, world.hp, world.hp_max)
    rows = zip(slots.tolist(), *(column[slots].tolist() for column in columns), strict=True)
    names = world.names
    return {
        slot: encode(EntityState(number, KIND_NAMES[kind], names[slot], x, y, heading, state, level, hp, hp_max))  # type: ignore[arg-type]
        for slot, number, kind, x, y, heading, state, level, hp, hp_max in rows
    }


def appeared(states: Iterable[bytes]) -> Iterator[bytes]:
    """Encoded Appeared messages of these encoded EntityStates; several when they do not fit into one piece."""
    some: list[bytes] = []
    size = 0
    for state in states:
        if size + len(state) > _BODY_MAX:
            yield _appeared(some)
            some, size = [], 0
        some.append(state)
        size += len(state)
    if some:
        yield _appeared(some)


def vanished(numbers: list[int]) -> Iterator[bytes]:
    """Encoded Vanished messages."""
    for begin in range(0, len(numbers), IDS_MAX):
        yield encode(Vanished(numbers[begin : begin + IDS_MAX]))


def _appeared(states: list[bytes]) -> bytes:
    return _APPEARED_HEAD + _list_head(len(states)) + b"".join(states)


def _list_head(length: int) -> bytes:
    """MessagePack's head of an array."""
    if length < 16:
        return bytes((0x90 | length,))
    return struct.pack(">BH", 0xDC, length) if length <= 0xFFFF else struct.pack(">BI", 0xDD, length)
