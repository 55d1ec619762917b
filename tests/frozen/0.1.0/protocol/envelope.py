"""What travels on a link between two nodes.

A link carries ZeroMQ messages whose first frame starts with one byte, the lane:

    T  typed     one more blob: a MessagePack array [to incarnation, [envelope, ...]]
    1..255 in batches: see lanes.py; the blobs of one flush

Typed messages that were said within one turn of the loop to the same peer travel as one ZeroMQ message. The
incarnation of the receiver is named so that nothing meant for a dead process reaches its successor; the sender's is
part of its routing id.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Annotated

import msgspec

from mesh.errors import RemoteProtocolError

TYPED = b"T"
ENVELOPES_MAX = 4096  # in one ZeroMQ message: bounds what one decode can allocate
HOPS_MAX = 32  # of one trace: a login has 8


class Lane(IntEnum):
    """The first byte of a ZeroMQ message that is not typed. Blobs behind it:"""

    MOVES = 1  # gate -> scene: [handles u32[n], MOVE records[n]]
    PLAYS = 2  # gate -> scene: [handles u32[n], lengths u32[n], bodies: PLAY frames without their first byte]
    FRAMES = 3  # scene -> gate: [handles u32[n], lengths u32[n], bodies: rows of pieces]; control, sent first
    UPDATES = 4  # scene -> gate: the same, movement: once per tick, droppable as a whole
    CHATS = 5  # scene -> gate: the same, bulk: dropped first
    DROPS = 6  # gate -> scene: [handles u32[n]]: movement of these was dropped, send the full view
    BUDGETS = 7  # gate -> scene: [handles u32[n], bytes a second u32[n]]: what each may get of movement from now on
    PACE = 8  # gate -> scene: [b"1"]: it is behind with movement and wants none; [b"0"]: it wants some again


class Kind(IntEnum):
    NOTICE = 0  # no answer expected
    REQUEST = 1
    ANSWER = 2
    LINK = 3  # Hello, Welcome, Beat, Bye: for the link itself


class Hop(msgspec.Struct, frozen=True, array_like=True):
    """One request as both of its ends saw it: microseconds on the clock of the machine (`Clock.now`).

    On one machine all four times are comparable; between machines only the differences within one node are.
    """

    depth: int  # 0 for the request that the trace began with
    step: int
    number: int  # of the request
    source: str
    target: str
    asked_us: int
    received_us: int
    answered_us: int
    heard_us: int


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """A typed message and what is known about it."""

    kind: Kind
    body: msgspec.Raw
    request: Annotated[int, msgspec.Meta(ge=0)] = 0  # pairs an answer with its request; unique per sender incarnation
    timeout_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 0  # how long the asker waits from now on
    trace: Annotated[int, msgspec.Meta(ge=0)] = 0  # 0: not traced
    received_us: int = 0  # answers of traced requests: when it came ...
    answered_us: int = 0  # ... and when the answer left
    hops: Annotated[list[Hop], msgspec.Meta(max_length=HOPS_MAX)] = []


class Batch(msgspec.Struct, frozen=True, array_like=True):
    to: int  # the receiver's incarnation, 0 while it is not known (Hello)
    envelopes: Annotated[list[Envelope], msgspec.Meta(max_length=ENVELOPES_MAX)]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Batch).decode


def seal(to: int, envelopes: Sequence[Envelope]) -> bytes:
    """The blob behind a TYPED frame."""
    return _encode(Batch(to, list(envelopes)))


def unseal(data: bytes | memoryview) -> Batch:
    """The reverse; RemoteProtocolError for what is not a batch."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RemoteProtocolError(f"not a batch of envelopes: {error}") from None
