"""What a center has said to everybody, kept for those who missed some of it."""

import struct
from collections import deque
from itertools import islice

HEAD = struct.Struct("<QQ")  # epoch, sequence
KEPT_MAX = 1024  # publications; who missed more takes the list of members and goes on from there


class Publications:
    """The publisher's side of the stream: numbers what goes out and keeps the newest."""

    def __init__(self) -> None:
        self.epoch = 0
        self.sequence = 0
        self._kept: deque[bytes] = deque(maxlen=KEPT_MAX)

    def add(self, body: bytes) -> bytes:
        """The frame for a new publication."""
        self.sequence += 1
        self._kept.append(body)
        return HEAD.pack(self.epoch, self.sequence) + body

    def pulse(self, body: bytes) -> bytes:
        """A frame that repeats the newest number, so that a gap at the end of the stream shows."""
        return HEAD.pack(self.epoch, self.sequence) + body

    def since(self, epoch: int, sequence: int) -> list[bytes]:
        """The bodies after `sequence`, oldest first, as far as they are kept. Of an older epoch's end nothing is
        known here, but who stood there has missed all of this one; epoch 0 is who has just come."""
        missing = self.sequence - (sequence if epoch == self.epoch else 0) if 0 < epoch <= self.epoch else 0
        return list(islice(self._kept, max(0, len(self._kept) - missing), None)) if missing > 0 else []


def split(frame: bytes) -> tuple[int, int, bytes]:
    """(epoch, sequence, body) of a publication frame; ValueError when it is too short."""
    if len(frame) < HEAD.size:
        raise ValueError("a publication without a head")
    epoch, sequence = HEAD.unpack_from(frame)
    return epoch, sequence, frame[HEAD.size :]
