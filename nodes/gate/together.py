"""Reads and writes many clients' sockets by few system calls (ring.py). The front's, for what it does most often.

Owns the rooms into which is read. A connection that did not take or say all at once is told so and goes its own way.
"""

import errno
from collections.abc import Callable, Sequence

import numpy as np

from mesh.front import Blob, Records
from nodes.gate import websocket as ws
from nodes.gate.connection import HEADS, READ_BYTES, Connection
from nodes.gate.ring import Array, Ring, address_of

_NOTHING = (-errno.EAGAIN, -errno.EIO)


class Together:
    """See the module. `whole` is how many bytes the frames have that are taken unseen; at most `rooms` sockets are read
    at once; `find` gives the connection that has a descriptor."""

    def __init__(self, ring: Ring, whole: int, rooms: int, find: Callable[[int], Connection | None]) -> None:
        self._ring, self._whole, self._find = ring, whole, find
        self._rooms = np.empty((rooms, READ_BYTES), np.uint8)
        self._addresses = address_of(self._rooms) + np.arange(rooms, dtype=np.uint64) * np.uint64(READ_BYTES)
        self._sizes = np.full(rooms, READ_BYTES, np.uint32)

    @property
    def broken(self) -> bool:
        """It is of no use any more."""
        return self._ring.broken

    def close(self) -> None:
        self._ring.close()

    def read(self, fds: Array) -> tuple[Array, Records, list[tuple[int, bytes]]]:
        """Of at most `rooms` descriptors: places in `fds` of those who said exactly one frame of `whole` bytes, these
        frames, and what the others said (b"": it ended). Who has nothing to say after all, or was not asked
        (`broken`), is not named."""
        count = len(fds)
        sizes = self._ring.receive(fds, self._addresses[:count], self._sizes[:count])
        fits = sizes == self._whole
        if fits.all():
            return np.arange(count), self._rooms[:count, : self._whole], []
        others = [
            (int(fds[at]), self._rooms[at, : max(0, int(sizes[at]))].tobytes())
            for at in np.flatnonzero(~fits).tolist()
            if sizes[at] not in _NOTHING
        ]
        at_once = np.flatnonzero(fits)
        return at_once, self._rooms[at_once, : self._whole], others

    def send(self, connections: Sequence[Connection], frames: Sequence[Blob]) -> None:
        """One binary frame to each of these."""
        fds: list[int] = []
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
            fds.append(connection.fd)
            sizes.append(len(head) + len(frame))
        if fds:
            wire, lengths = np.frombuffer(b"".join(parts), np.uint8), np.array(sizes, np.uint32)
            self._send(np.array(fds, np.int32), wire, np.cumsum(lengths, dtype=np.uint64) - lengths, lengths)

    def send_rows(self, fds: Array, lengths: Array, body: memoryview) -> None:
        """One binary frame each: the next `lengths[i]` bytes of `body` to the i-th descriptor, if that is not
        negative. All lengths are multiples of ws.WORD and at most ws.ROW_MAX."""
        wire, begins, sizes = ws.rows_with_heads(body, lengths)
        wanted = np.flatnonzero(fds >= 0)
        if len(wanted) < len(fds):
            fds, begins, sizes = fds[wanted], begins[wanted], sizes[wanted]
        self._send(fds, wire, begins, sizes)

    def _send(self, fds: Array, wire: Array, begins: Array, sizes: Array) -> None:
        sent = self._ring.send(fds, begins + np.uint64(address_of(wire)), sizes)
        if (sent == sizes).all():
            return
        for at in np.flatnonzero(sent != sizes).tolist():
            result, connection = int(sent[at]), self._find(int(fds[at]))
            assert connection is not None, "nobody is lost within this call"
            if result == -errno.EAGAIN:
                result = 0
            if result >= 0:
                begin = int(begins[at])
                connection.wait(wire[begin : begin + int(sizes[at])].tobytes(), result)
            elif result == -errno.EIO:
                connection.abort()  # nobody knows what it was sent
            # any other error: whoever reads it next learns of that
