"""The hot lanes: fixed-size little-endian records that travel in batches and are never decoded one by one.

On a mesh link a batch is one ZeroMQ message [lane byte + head, blob, ...]; on a client's WebSocket a frame from the
client starts with one of the CLIENT_* bytes, and a frame to the client is a row of pieces, each behind a PIECE head.
"""

import struct
from enum import IntEnum

import numpy as np

from mesh.protocol.envelope import Lane as Lane


class Handle:
    """A player on a scene as gates name it in batches: slot in the low 20 bits, generation in the high 12.

    The generation makes a batch that was under way when a slot changed hands harmless.
    """

    SLOT_BITS = 20
    SLOT_MASK = (1 << SLOT_BITS) - 1
    GENERATIONS = 1 << 12


# What a client sends: the first byte of a WebSocket frame.
CLIENT_GATE = 1  # + MessagePack: a message for the gate (client.py)
CLIENT_PLAY = 2  # + PLAY head + MessagePack: a message for the scene (play.py)
CLIENT_MOVE = 3  # the whole frame is one MOVE record
CLIENT_SOCIAL = 4  # + MessagePack: a message for the center (social.py)

PLAY_HEAD = struct.Struct(
    "<II"
)  # sequence (1, 2, ...; 0 for a bare acknowledgement), highest control sequence received

MOVE = np.dtype(
    [("kind", "u1"), ("state", "u1"), ("heading", "u1"), ("zero", "u1"), ("stamp", "<u2"), ("x", "<u2"), ("y", "<u2")]
)
"""10 bytes. x, y in units of the map's `unit_m`; heading in 1/256 of a turn, 0 = +x, counter-clockwise; stamp is the
mover's clock in ms, modulo 65536; state is free to the game (bit 0: running)."""
MOVE_SIZE = MOVE.itemsize
MOVE_STRUCT = struct.Struct("<BBBBHHH")

UPDATE = np.dtype([("id", "<u4"), ("x", "<u2"), ("y", "<u2"), ("heading", "u1"), ("state", "u1"), ("stamp", "<u2")])
"""12 bytes: what neighbours are told of a mover, absolute values."""
UPDATE_SIZE = UPDATE.itemsize
UPDATE_STRUCT = struct.Struct("<IHHBBH")


class PieceLane(IntEnum):
    CONTROL = 1
    MOVEMENT = 2
    BULK = 3


class PieceClass(IntEnum):
    GATE = 0  # a message of client.py or social.py
    EVENT = 1  # a message of play.py, numbered, kept until acknowledged
    VIEW = 2  # a message of play.py about who is in view; not kept: a resume starts with the full view
    UPDATES = 3  # u32 tick, then UPDATE records
    CHAT = 4  # a message of play.py or social.py that may be lost
    COSMETIC = 5  # a message of play.py that only looks good: lost before chat is


PIECE_HEAD = struct.Struct("<BBHI")  # lane, class, length of what follows, sequence (0 when not numbered)
PIECE_SIZE = PIECE_HEAD.size
PIECE_MAX = 0xFFFF  # bytes behind a head
TICK_HEAD = struct.Struct("<I")

STATE = np.dtype([("x", "<f4"), ("y", "<f4"), ("hp", "<u2"), ("heading", "u1"), ("state", "u1"), ("xp", "<u4")])
"""16 bytes: what a scene saves of a character all the time (class C): metres, points, experience."""
STATE_STRUCT = struct.Struct("<ffHBBI")


def piece(lane: int, cls: int, body: bytes, sequence: int = 0) -> bytes:
    """One piece for a client; `body` is at most PIECE_MAX bytes."""
    assert len(body) <= PIECE_MAX, "split what does not fit into a piece"
    return PIECE_HEAD.pack(lane, cls, len(body), sequence) + body
