"""Reads and writes many clients' sockets by few system calls (ring.py). The front's, for what it does most often.

Owns the rooms into which is read. A connection that did not take or say all at once is told so and goes its own way.
"""

import errno
from collections.abc import Sequence

import numpy as np

from mesh.front import Blob, Records
from nodes.gate.connection import HEADS, READ_BYTES, Connection
from nodes.gate.ring import Array, Ring, address_of

_NOTHING = (-errno.EAGAIN, -errno.EIO)


class Together:
    """See the module. `whole` is how many bytes the frames have that are taken unseen; at most `rooms` sockets are read
    at once."""

    def __init__(self, ring: Ring, whole: int, rooms: int) -> None:
        self._ring, self._whole = ring, whole
        self._rooms = np.empty((rooms, READ_BYTES), np.uint8)
        self._addresses = address_of(self._rooms) + np.arange(rooms, dtype=np.uint64) * np.uint64(READ_BYTES)
        self._sizes = np.full(rooms, READ_BYTES, np.uint32)

    @property
    def broken(self) -> bool:
        """It is of no use any more."""
        return self._ring.broken

    def close(self) -> None:
        self._ring.close()

    def read(self, many: list[Connection]) -> tuple[list[Connection], Records, list[tuple[Connection, bytes]]]:
        """Of at most `rooms` connections: who said exactly one frame of `whole` bytes, these frames, and what the
        others said (b"": it ended). Who has nothing to say after all, or was not asked (`broken`), is not named."""
        count = len(many)
        sizes = self._ring.receive(_fds(many), self._addresses[:count], self._sizes[:count])
        fits = sizes == self._whole
        if fits.all():
            return many, self._rooms[:count, : self._whole], []
        others = [
            (many[at], self._rooms[at, : max(0, int(sizes[at]))].tobytes())
            for at in np.flatnonzero(~fits).tolist()
            if sizes[at] not in _NOTHING
        ]
        at_once = np.flatnonzero(fits)
        return [many[at] for at in at_once.tolist()], self._rooms[at_once, : self._whole], others

    def send(self, connections: Sequence[Connection], frames: Sequence[Blob]) -> None:
        """One binary frame to each of these."""
        ready: list[Connection] = []
        parts: list[Blob] = []
        sizes: list[int] = []
        before: Connection | None = None
        for connection, frame in zip(connections, frames, strict=True):
            if connection.direct is None:
                connection.send(frame)
                continue
            head = HEADS[len(frame)]
            parts.append(head)
            parts.append(frame)
            if connection is before:
                sizes[-1] += len(head) + len(frame)
                continue
            before = connection
            ready.append(connection)
            sizes.append(len(head) + len(frame))
        if ready:
            self._send(ready, b"".join(parts), np.array(sizes, np.uint32))

    def _send(self, ready: list[Connection], wire: bytes, sizes: Array) -> None:
        ends = np.cumsum(sizes, dtype=np.uint64)
        begins = ends - sizes
        sent = self._ring.send(_fds(ready), begins + np.uint64(address_of(wire)), sizes)
        for at in np.flatnonzero(sent != sizes).tolist():
            result, connection = int(sent[at]), ready[at]
            if result == -errno.EAGAIN:
                result = 0
            if result >= 0:
                connection.wait(wire[int(begins[at]) : int(ends[at])], result)
            elif result == -errno.EIO:
                connection.abort()  # nobody knows what it was sent
            # any other error: whoever reads it next learns of that


def _fds(connections: Sequence[Connection]) -> Array:
    return np.fromiter([connection.fd for connection in connections], np.int32, len(connections))
