"""One client's connection: the handshake, frames that need a closer look, what the client has not taken, the end.

Owns the socket and what of a frame has come or gone. The hot paths are in `front.py`: a connection tells it by `fast`
that a whole frame may be taken without asking, and by `direct` that one may be written without asking. Everything else
comes through `received` and `send`. Knows nothing of messages. `desk` is the front.

    TLS  ->  HTTP  ->  OPEN  ->  ENDING  ->  GONE     our close was said, the client's is waited for
                  `->  DEAF ------------------^       the last word was said, and our half is closed after it
"""

import fcntl
import socket
import ssl
import struct
import termios
from enum import IntEnum
from typing import Any, Protocol

from mesh.front import NOBODY, Blob, Guest
from nodes.gate import websocket as ws

READ_BYTES = 832  # at once of one client: more waits in the kernel, so that who floods is slowed and nobody else waits
READ_BYTES_MAX = 16 * 1024  # of a frame that is known to be long; and of TLS, whose records are read as a whole
IGNORED_BYTES_MAX = 64 * 1024  # from a client that was told that the connection ends; above: cut
PONGS_PER_S_MAX = 10  # pings above that are not answered: a pong to a client that does not read stays in memory
PINGS_PER_S_MAX = 200  # pings and pongs of one client; above: closed with WebSocket code 1008
WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_NOW = struct.pack("ii", 1, 0)  # SO_LINGER: what was not sent is thrown away
_HEADS_MAX = 4096  # sizes whose head is kept


class Stage(IntEnum):
    TLS = 0
    HTTP = 1
    OPEN = 2
    ENDING = 3
    DEAF = 4
    GONE = 5


class Desk(Protocol):
    """What the front does for its connections."""

    guest: Guest
    frame_bytes_max: int

    def now(self) -> float: ...

    def enter(self, connection: "Connection") -> None:
        """The handshake is done: give it a number."""

    def expect_writable(self, connection: "Connection", expected: bool) -> None:
        """Call `writable` when the kernel takes more, or no longer."""

    def expect_end(self, connection: "Connection") -> None:
        """Cut it if it is still there in a while."""

    def shorten(self, connection: "Connection") -> None:
        """Its `fast` or `direct` is another one now."""

    def lose(self, connection: "Connection") -> None:
        """It has ended."""

    def lose_soon(self, connection: "Connection") -> None:
        """The same, but not within this call."""


class Connection:
    """See the module and `mesh.front.Connection`."""

    __slots__ = ("_desk", "_ignored", "_partial", "_pings", "_unsent", "_wants", "address", "backlog", "direct", "fast",
                 "fd", "number", "recv", "room", "sock", "stage", "tag")  # fmt: skip

    def __init__(self, desk: Desk, sock: socket.socket, address: str) -> None:
        self.number, self.tag = 0, NOBODY
        self.address = address
        self.sock, self.fd = sock, sock.fileno()
        self.backlog = 0
        self.fast = False  # OPEN, and no part of a frame waits for the rest
        self.direct: Any = None  # the socket's send while OPEN with nothing unsent
        self.room = READ_BYTES  # how much to read at once
        self.recv: Any = sock.recv
        self.stage = Stage.HTTP
        if isinstance(sock, ssl.SSLSocket):
            self.stage, self.recv, self.room = Stage.TLS, self._shake_hands, READ_BYTES_MAX
        self._desk = desk
        self._partial: bytes | bytearray = b""
        self._wants = 0  # bytes that there must be to go on
        self._unsent: bytes | bytearray = b""
        self._pings: tuple[float, int] = (0.0, 0)  # since when, how many
        self._ignored = 0  # bytes since the end began

    # --- up ---

    def received(self, data: bytes) -> None:
        """Some bytes of it."""
        if self.stage is Stage.DEAF:
            return
        if self._partial:
            assert isinstance(self._partial, bytearray)
            self._partial += data
            if len(self._partial) < self._wants:
                return
        have = self._partial or data
        try:
            end = self._take(have)
        except ws.BadRequest as error:
            self._answer("400 Bad Request", str(error).encode())
        except ws.Violation as error:
            self.end(error.code, error.text)
            self._turn_deaf()
        else:
            self._keep(have, end)

    def _take(self, data: bytes | bytearray) -> int:
        """Everything that is whole. Returns where the rest begins."""
        at = 0
        if self.stage is Stage.HTTP:
            request = ws.request_in(data)
            if request is None:
                self._wants = len(data) + 1
                return 0
            at = request.size
            self._begin(request)
        elif self.stage is Stage.ENDING:
            self._ignore(len(data))
        limit = self._desk.frame_bytes_max
        while self.stage is Stage.OPEN or self.stage is Stage.ENDING:
            found = ws.frame_in(data, at, limit)
            if isinstance(found, int):
                self._wants = found
                break
            at = found.end
            self._hear(found)
        return at

    def _keep(self, data: bytes | bytearray, end: int) -> None:
        if self.stage is Stage.DEAF or self.stage is Stage.GONE:
            return
        self._partial = bytearray(data[end:]) if end < len(data) else b""
        self.hasten(self.stage is Stage.OPEN and not self._partial, self.direct is not None)
        if not isinstance(self.sock, ssl.SSLSocket):
            missing = self._wants - len(self._partial) if self._partial else 0
            self.room = min(READ_BYTES_MAX, max(READ_BYTES, missing))

    def _begin(self, request: ws.Request) -> None:
        if not request.upgrades:
            body = self._desk.guest.page(request.path.split("?", 1)[0])
            if body is None:
                self._answer("404 Not Found", b"not found\n")
            else:
                self._answer("200 OK", body, "application/json")
            return
        self._put(ws.accept(request))
        self.stage = Stage.OPEN
        self._desk.enter(self)
        if not self._desk.guest.connected(self):
            self.number = 0
            self.end(ws.TRY_AGAIN_LATER, "try another gate, or later")
        else:
            self.direct = None if self.backlog or self.stage is not Stage.OPEN else self.sock.send
            self._desk.shorten(self)  # whose tag is known now

    def _hear(self, frame: ws.Frame) -> None:
        if frame.opcode == ws.CLOSE:
            ws.check_close(frame.payload)
            self.end(ws.OK, "")
            self._finish()
        elif self.stage is Stage.ENDING:
            pass
        elif frame.opcode == ws.BINARY and frame.fin:
            self._desk.guest.received(self, frame.payload)
        elif frame.opcode in (ws.PING, ws.PONG):
            self._pinged(frame)
        else:
            self.end(ws.UNSUPPORTED_DATA, "one unfragmented binary frame for each message")

    def _pinged(self, frame: ws.Frame) -> None:
        now, (since, count) = self._desk.now(), self._pings
        if now - since >= 1.0:
            since, count = now, 0
        count += 1
        self._pings = since, count
        if count > PINGS_PER_S_MAX:
            self.end(ws.POLICY_VIOLATION, "too many pings")
        elif count <= PONGS_PER_S_MAX and frame.opcode == ws.PING:
            self._put(ws.head(len(frame.payload), ws.PONG) + frame.payload)

    def _ignore(self, size: int) -> None:
        self._ignored += size
        if self._ignored > IGNORED_BYTES_MAX:
            self.abort()

    def _shake_hands(self, _room: int) -> bytes:
        """Stands for `recv` until TLS is agreed on."""
        assert isinstance(self.sock, ssl.SSLSocket)
        self.sock.do_handshake()
        self.stage, self.recv = Stage.HTTP, self.sock.recv
        received: bytes = self.sock.recv(self.room)
        return received

    # --- down ---

    def send(self, frame: Blob) -> None:
        """One binary frame."""
        if self.stage is Stage.OPEN:
            self._put(HEADS[len(frame)] + frame)

    def _put(self, wire: bytes) -> None:
        if self.backlog:
            assert isinstance(self._unsent, bytearray)
            self._unsent += wire
            self.backlog = len(self._unsent)
            return
        try:
            sent = self.sock.send(wire)
        except WOULD_BLOCK:
            sent = 0
        except OSError:
            return  # whoever reads it next learns of that
        if sent < len(wire):
            self.wait(wire, sent)

    def wait(self, wire: bytes, sent: int) -> None:
        """The kernel took only so many bytes of it."""
        self._unsent = bytearray(wire[sent:])
        self.backlog = len(self._unsent)
        self.hasten(self.fast, False)
        self._desk.expect_writable(self, True)

    def writable(self) -> None:
        """The kernel takes more."""
        assert isinstance(self._unsent, bytearray)
        try:
            sent = self.sock.send(self._unsent)
        except WOULD_BLOCK:
            return
        except OSError:
            self._desk.lose(self)
            return
        del self._unsent[:sent]
        self.backlog = len(self._unsent)
        if self.backlog:
            return
        self._unsent = b""
        self._desk.expect_writable(self, False)
        if self.stage is Stage.OPEN:
            self.hasten(self.fast, True)
        elif self.stage is Stage.DEAF:
            self._close_half()

    def queued(self) -> int:
        """See `mesh.front.Connection`."""
        if self.stage is Stage.GONE:
            return 0
        taken = fcntl.ioctl(self.fd, termios.TIOCOUTQ, b"\0\0\0\0")
        return self.backlog + int.from_bytes(taken, "little")

    # --- the end ---

    def close(self, reason: str = "") -> None:
        """See `mesh.front.Connection`."""
        self.end(ws.OK, reason)

    def abort(self) -> None:
        """See `mesh.front.Connection`."""
        if self.stage is not Stage.GONE:
            self._stop()
            self.stage = Stage.DEAF
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NOW)
            self._desk.lose_soon(self)

    def end(self, code: int, reason: str) -> None:
        """The WebSocket close: our half now, then the client's, then the connection. Closing at once could make the
        kernel throw away a Goodbye that the client has not read yet."""
        if self.stage is Stage.OPEN:
            self._put(ws.close(code, reason))
            self._stop()
            self.stage = Stage.ENDING
            self._desk.expect_end(self)

    def _answer(self, status: str, body: bytes, kind: str = "text/plain") -> None:
        self._put(ws.answer(status, body, kind))
        self._desk.expect_end(self)
        self._turn_deaf()

    def _finish(self) -> None:
        """Both have said that it ends."""
        if self.backlog:
            self._turn_deaf()
        else:
            self._desk.lose(self)

    def _turn_deaf(self) -> None:
        self._stop()
        self.stage = Stage.DEAF
        if not self.backlog:
            self._close_half()

    def _close_half(self) -> None:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._desk.lose_soon(self)

    def _stop(self) -> None:
        """No hot path any more."""
        self.hasten(False, False)

    def hasten(self, fast: bool, direct: bool) -> None:
        """Which of the hot paths are open."""
        if fast != self.fast or direct != (self.direct is not None):
            self.fast, self.direct = fast, self.sock.send if direct else None
            self._desk.shorten(self)


class _Heads(dict[int, bytes]):
    """What goes in front of a binary frame, by its size. Looked up for every frame, so most are kept."""

    def __missing__(self, size: int) -> bytes:
        made = ws.head(size)
        if size < _HEADS_MAX:
            self[size] = made
        return made


HEADS = _Heads()
