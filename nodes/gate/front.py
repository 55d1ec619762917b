"""The listening place for clients: WebSocket over plain sockets and one epoll descriptor, which the loop watches.

Owns the listening socket, the connections and when they are read. Knows nothing of messages: binary frames in, binary
frames out. `websocket.py` is the protocol, `connection.py` one client; here are the two hot paths, for many clients at
once:

    up    all sockets that have something are read in one go. A whole frame of `record_bytes` (a move) is only put
          aside; all of them are unmasked together and given to the guest as one array
    down  `send_rows` lays out many frames with their heads and has them written, by columns; `send_all` does it for
          those that are not all of one piece

Sockets are watched by their edges: the kernel then looks at each of them once for a frame and not twice. So what was
not read to its end is remembered, and read on with the next look. TLS keeps bytes of its own, and is watched by level.

Many sockets at once are read and written by few system calls (together.py), where the kernel has that; else, and when
they are few, one by one.

While little is said, the loop wakes the front for every frame. Under load that would be a turn of the loop for each
one or two frames, so sockets are then looked at every `PACE_S` instead, and what came meanwhile is read together.

Rejected: a WebSocket library on a transport of the loop (twice the processor time in our own process, and 9 KiB of
buffers and futures for each connection; this takes 1 KiB).
"""

import asyncio
import select
import socket
from collections.abc import Sequence
from typing import cast

import numpy as np

from mesh.front import NOBODY, Array, Blob, Guest, Records
from mesh.front import Connection as AnyConnection
from nodes.gate import websocket as ws
from nodes.gate.connection import HEADS, WOULD_BLOCK, Connection, Stage
from nodes.gate.expiry import Expiry
from nodes.gate.listening import listen, take_descriptors, tls
from nodes.gate.ring import open_ring
from nodes.gate.settings import GateSettings
from nodes.gate.shortcuts import NONE, Shortcuts
from nodes.gate.together import Together
from nodes.gate.watching import Watch

PACE_S = 0.02
"""Between two looks under load, less where `flush_ms` is less: the guest passes on what was read with these looks."""
QUIET_LOOKS = 8
"""Looks in a row that found nothing: back to being woken."""
EVENTS_MAX, EVENTS_MAX_EACH = 1024, 512
"""Sockets that are read in one go, by few system calls or one by one; the others keep what they have until the next
turn of the loop."""
ACCEPTS_MAX = 128
"""Connections that are taken in one go: who is here must not wait for a storm of those who come."""
FEW = 8
"""Sockets: one call for all of them would cost more than one for each."""
NO_DESCRIPTOR_S = 0.5
"""Nobody is accepted for that long when there is no descriptor left."""

_IN, _OUT = select.EPOLLIN, select.EPOLLOUT
_EDGES = select.EPOLLET | select.EPOLLRDHUP
_REST = _IN | select.EPOLLRDHUP  # of what was not read to its end: perhaps the end of the connection is behind it


class SocketFront:
    """See the module and `mesh.front.Front`. `port` 0 takes a free one, found in `port` after `open`."""

    guest: Guest

    def __init__(self, settings: GateSettings, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.settings = settings
        self.frame_bytes_max = 0
        self._record_bytes = 0
        self._last = 0
        self._by_fd: dict[int, Connection] = {}
        self._several: list[tuple[Connection, bytes]] = []  # more than one record of each
        self._unread: set[int] = set()  # descriptors that may have more, and will not be told of again
        self._tls = tls(settings)
        self._edges = 0 if self._tls is not None else _EDGES
        self._together: Together | None = None
        self._events_max = EVENTS_MAX_EACH
        self._listening: socket.socket | None = None
        self._watch: Watch | None = None
        self._shortcuts = Shortcuts()
        self._pace_s = min(PACE_S, settings.flush_ms / 1000)
        self._paced: asyncio.TimerHandle | None = None
        self._woken_at = float("-inf")
        self._quiet = 0
        self._starting = Expiry(settings.handshake_s, self._too_slow)
        self._ending = Expiry(settings.close_s, Connection.abort)

    async def open(self, guest: Guest, frame_bytes_max: int, record_bytes: int) -> None:
        """See `mesh.front.Front`."""
        assert 0 < record_bytes <= ws.SHORT_MAX, "a record has a short head"
        take_descriptors()
        self.guest, self.frame_bytes_max, self._record_bytes = guest, frame_bytes_max, record_bytes
        self._listening = listen(self.host, self.port)
        self.port = self._listening.getsockname()[1]
        if self._tls is None and self.settings.io_uring and (ring := open_ring()) is not None:
            self._together = Together(ring, record_bytes + ws.HEAD_BYTES, EVENTS_MAX, self._by_fd.get)
            self._events_max = EVENTS_MAX
        self._watch = Watch(self._events_max)
        loop = self._loop = asyncio.get_running_loop()
        self.now = loop.time
        loop.add_reader(self._watch.fileno(), self._woken)
        loop.add_reader(self._listening.fileno(), self._accept)

    async def stop_listening(self) -> None:
        """See `mesh.front.Front`."""
        if self._listening is not None:
            self._loop.remove_reader(self._listening.fileno())
            self._listening.close()
            self._listening = None

    async def close(self) -> None:
        """See `mesh.front.Front`."""
        await self.stop_listening()
        for connection in list(self._by_fd.values()):
            self.lose(connection)
        if self._paced is not None:
            self._paced.cancel()
            self._paced = None
        if self._watch is not None:
            self._loop.remove_reader(self._watch.fileno())
            self._watch.close()
            self._watch = None
        self._let_go()

    def _let_go(self) -> None:
        if self._together is not None:
            self._together.close()
            self._together = None

    @property
    def calls(self) -> str:
        """How it reads and writes: "io_uring" or "sockets"."""
        return "sockets" if self._together is None else "io_uring"

    # --- when ---

    def _woken(self) -> None:
        """There is something to read, and nobody looks by the clock."""
        now = self.now()
        if now - self._woken_at < self._pace_s and self._watch is not None:
            self._pace()
        self._woken_at = now
        self._read()
        if self._unread and self._paced is None and self._watch is not None:
            self._pace()

    def _pace(self) -> None:
        """From now on look by the clock."""
        assert self._watch is not None
        self._loop.remove_reader(self._watch.fileno())
        self._paced = self._loop.call_later(self._pace_s, self._look)
        self._quiet = 0

    def _look(self) -> None:
        assert self._watch is not None
        found = self._read()
        self._quiet = 0 if found or self._unread else self._quiet + 1
        is_over = found < self._events_max
        if is_over:
            self.guest.looked()
        if self._quiet < QUIET_LOOKS:
            self._paced = self._loop.call_later(self._pace_s if is_over else 0.0, self._look)
        else:
            self._paced = None
            self._loop.add_reader(self._watch.fileno(), self._woken)

    # --- up ---

    def _read(self) -> int:
        """Everything that there is. Returns how many sockets had something."""
        assert self._watch is not None
        fds, events = self._watch.look()
        rest = [(fd, _REST) for fd in self._unread]
        self._unread.clear()
        if self._together is None or len(fds) <= FEW:
            self._read_each([*zip(fds.tolist(), events.tolist(), strict=True), *rest])
        else:
            self._read_together(self._together, fds, events, rest)
        self._give_several()
        return len(fds) + len(rest)

    def _give_several(self) -> None:
        """Clients that were not read for a while: one record of each at a time, so that each is heard in order."""
        whole = self._record_bytes + ws.HEAD_BYTES
        several, self._several = self._several, []
        while several:
            raw = np.frombuffer(b"".join([data[:whole] for _, data in several]), np.uint8).reshape(-1, whole)
            self._give(np.array([one.fd for one, _ in several]), np.array([one.tag for one, _ in several]), raw)
            several = [(one, data[whole:]) for one, data in several if len(data) > whole]

    def _are_records(self, data: bytes) -> bool:
        whole, size = self._record_bytes + ws.HEAD_BYTES, 0x80 | self._record_bytes
        return not len(data) % whole and all(
            data[at] == 0x80 | ws.BINARY and data[at + 1] == size for at in range(0, len(data), whole)
        )

    def _read_each(self, events: list[tuple[int, int]]) -> None:
        find, whole = self._by_fd.get, self._record_bytes + ws.HEAD_BYTES
        who: list[Connection] = []
        wires: list[bytes] = []
        for fd, event in events:
            connection = find(fd)
            if connection is None or (event != _IN and not self._is_readable(connection, event)):
                continue
            try:
                data = connection.recv(connection.room)
            except WOULD_BLOCK:
                continue
            except OSError:
                data = b""
            if len(data) == whole and connection.fast and event == _IN:
                who.append(connection)
                wires.append(data)
            else:
                self._heard(connection, data, event)
        if who:
            fds, tags = np.array([one.fd for one in who]), np.array([one.tag for one in who])
            self._give(fds, tags, np.frombuffer(b"".join(wires), np.uint8).reshape(len(wires), whole))

    def _read_together(self, together: Together, fds: Array, events: Array, rest: list[tuple[int, int]]) -> None:
        """First those of whom a record is expected, then the others one by one."""
        tags = self._shortcuts.readers[fds]
        expected = (tags != NONE) & (events == _IN)
        many, others = fds, rest
        if not expected.all():
            others = [*zip(fds[~expected].tolist(), events[~expected].tolist(), strict=True), *rest]
            many, tags = fds[expected], tags[expected]
        at_once, raw, odd = together.read(many)
        if len(at_once):
            self._give(many[at_once], tags[at_once], raw)
        for fd, data in odd:
            self._heard(self._by_fd[fd], data, _IN)
        if together.broken:
            self._let_go()
            others += [(fd, _REST) for fd in many.tolist() if fd in self._by_fd]
        self._read_each(others)

    def _heard(self, connection: Connection, data: bytes, event: int) -> None:
        """Something else than a record, or the end."""
        if not data:
            self.lose(connection)
        elif connection.stage is not Stage.GONE:
            if event != _IN or len(data) >= connection.room:
                self._unread.add(connection.fd)
            if connection.fast and self._are_records(data):
                self._several.append((connection, data))
            else:
                connection.received(data)

    def _is_readable(self, connection: Connection, event: int) -> bool:
        if event & _OUT and connection.backlog:
            connection.writable()
        return bool(event & ~_OUT) and connection.stage is not Stage.GONE

    def _give(self, fds: Array, tags: Array, raw: Records) -> None:
        """Frames that are as long as a record is: those that are one, to the guest; the others are looked at."""
        right = (raw[:, 0] == 0x80 | ws.BINARY) & (raw[:, 1] == 0x80 | self._record_bytes)
        if not right.all():
            for at in np.flatnonzero(~right).tolist():
                self._by_fd[int(fds[at])].received(raw[at].tobytes())
            tags, raw = tags[right], raw[right]
        if len(tags):
            self.guest.records(tags, ws.unmasked(raw))

    # --- down ---

    def send_all(self, connections: Sequence[AnyConnection], frames: Sequence[Blob]) -> None:
        """See `mesh.front.Front`."""
        mine = cast(Sequence[Connection], connections)
        if self._together is None or len(mine) <= FEW:
            self._send_each(mine, frames)
            return
        self._together.send(mine, frames)
        if self._together.broken:
            self._let_go()

    def send_rows(self, tags: Array, lengths: Array, body: memoryview) -> Array:
        """See `mesh.front.Front`."""
        if self._together is None or (lengths % ws.WORD).any() or int(lengths.max(initial=0)) > ws.ROW_MAX:
            return np.zeros(len(tags), bool)
        fds = np.where(tags != NOBODY, self._shortcuts.writers[tags], NONE)
        written = fds != NONE
        if written.any():
            self._together.send_rows(fds, lengths, body)
            if self._together.broken:
                self._let_go()
        return cast(Array, written)

    def _send_each(self, connections: Sequence[Connection], frames: Sequence[Blob]) -> None:
        for connection, frame in zip(connections, frames, strict=True):
            direct = connection.direct
            if direct is None:
                connection.send(frame)
                continue
            wire = HEADS[len(frame)] + frame
            try:
                sent = direct(wire)
            except WOULD_BLOCK:
                sent = 0
            except OSError:
                continue  # whoever reads it next learns of that
            if sent != len(wire):
                connection.wait(wire, sent)

    # --- connections come and go ---

    def _accept(self) -> None:
        for _ in range(ACCEPTS_MAX):
            if self._listening is None:
                return
            try:
                accepted, peer = self._listening.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # it vanished while it waited
            except OSError:
                self._pause_accepting()
                return
            self._begin(accepted, str(peer[0]))

    def _begin(self, accepted: socket.socket, address: str) -> None:
        assert self._watch is not None
        accepted.setblocking(False)
        if self._tls is not None:
            try:
                accepted = self._tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
            except OSError:  # it vanished again
                accepted.close()
                return
        connection = Connection(self, accepted, address)
        self._by_fd[connection.fd] = connection
        self._shortcuts.enter(connection.fd)
        self._watch.register(connection.fd, _IN | self._edges)
        self._starting.add(connection, self._loop)

    def _pause_accepting(self) -> None:
        assert self._listening is not None
        self._loop.remove_reader(self._listening.fileno())
        self._loop.call_later(NO_DESCRIPTOR_S, self._accept_again)

    def _accept_again(self) -> None:
        if self._listening is not None:
            self._loop.add_reader(self._listening.fileno(), self._accept)

    def _too_slow(self, connection: Connection) -> None:
        if connection.stage in (Stage.TLS, Stage.HTTP):
            self.lose(connection)

    # --- connection.Desk ---

    def enter(self, connection: Connection) -> None:
        """A connection that has shaken hands; its number."""
        self._last += 1
        connection.number = self._last

    def expect_writable(self, connection: Connection, expected: bool) -> None:
        """See `connection.Desk`."""
        if self._watch is not None and connection.stage is not Stage.GONE:
            self._watch.modify(connection.fd, (_IN | _OUT if expected else _IN) | self._edges)

    def expect_end(self, connection: Connection) -> None:
        """See `connection.Desk`."""
        self._ending.add(connection, self._loop)

    def shorten(self, connection: Connection) -> None:
        """See `connection.Desk`."""
        if connection.tag != NOBODY:
            self._shortcuts.set(connection.fd, connection.tag, connection.fast, connection.direct is not None)

    def lose_soon(self, connection: Connection) -> None:
        """See `connection.Desk`."""
        self._loop.call_soon(self.lose, connection)

    def lose(self, connection: Connection) -> None:
        """See `connection.Desk`."""
        if connection.stage is Stage.GONE:
            return
        connection.hasten(False, False)
        connection.stage, connection.backlog = Stage.GONE, 0
        del self._by_fd[connection.fd]
        if self._watch is not None:
            self._watch.unregister(connection.fd)
        connection.sock.close()
        if connection.number:
            self.guest.closed(connection)
