"""The listening place for clients: WebSocket by picows on the running loop. The gate's only importer of picows.

Owns the listening socket and the connections. Knows nothing of messages: binary frames in, binary frames out; text,
fragments and what is too long end a connection with the WebSocket code for it. Plain HTTP GETs on the same port are
answered from `Guest.page`.

Memory for each client is what counts here: a read buffer of 2 KiB, no logger of its own for each connection (picows
makes one unless it is given an adapter), small kernel send buffers, so that what a client does not read shows up in
`backlog` soon; not aiofastnet, whose transports take 8 KiB more for each connection.
"""

import asyncio
import functools
import logging
import resource
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import picows

from mesh.errors import StorageError
from mesh.front import Guest
from nodes.gate.settings import GateSettings

READ_BUFFER_BYTES = 2048
KERNEL_SEND_BYTES = 64 * 1024  # of the socket; Linux doubles it
BACKLOG = 4096  # connections that the kernel completes for us: a boot storm comes at once
PONGS_PER_S_MAX = 10  # pings above that are not answered: a pong to a client that does not read stays in memory
PINGS_PER_S_MAX = 1000  # pings and pongs of one client; above: closed with WebSocket code 1008
IGNORED_MAX = 20_000  # frames of a client that was told that the connection ends; above: cut
Blob = bytes | bytearray | memoryview
_BINARY = picows.WSMsgType.BINARY


class PicowsFront:
    """See the module and `mesh.front.Front`. `port` 0 takes a free one, found in `port` after `open`."""

    def __init__(self, settings: GateSettings, host: str, port: int) -> None:
        self.host, self.port = host, port
        self.settings = settings
        self._connections: set[_Connection] = set()
        self._last = 0
        self._server: asyncio.Server | None = None
        self.log = _Log(logging.getLogger("picows.server"), {})

    async def open(self, guest: Guest, frame_bytes_max: int) -> None:
        _take_descriptors()
        tls = self._tls()
        listening = _listen(self.host, self.port)
        self.port = listening.getsockname()[1]
        self._server = await picows.ws_create_server(
            functools.partial(self._answer, guest),
            sock=listening,
            ssl=tls,
            backlog=BACKLOG,
            websocket_handshake_timeout=self.settings.handshake_s,
            max_frame_size=frame_bytes_max,
            read_buffer_init_size=READ_BUFFER_BYTES,
            enable_auto_pong=False,
            logger_name=self.log,
            use_aiofastnet=False,
        )

    async def stop_listening(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def close(self) -> None:
        await self.stop_listening()
        for connection in list(self._connections):
            connection.abort()

    def enter(self, connection: "_Connection") -> int:
        """A connection that was let in; its number."""
        self._connections.add(connection)
        self._last += 1
        return self._last

    def leave(self, connection: "_Connection") -> None:
        self._connections.discard(connection)

    def _answer(
        self, guest: Guest, request: picows.WSUpgradeRequest
    ) -> "_Connection | picows.WSUpgradeResponseWithListener":
        if "upgrade" in request.headers:
            return _Connection(self, guest)
        body = guest.page(request.path.decode("latin-1").split("?", 1)[0])
        if body is None:
            response = picows.WSUpgradeResponse.create_error_response(404, b"not found\n")
        else:
            response = picows.WSUpgradeResponse.create_ok_response(
                body, {"Content-Type": "application/json", "Cache-Control": "no-store"}
            )
        return picows.WSUpgradeResponseWithListener(response, None)

    def _tls(self) -> ssl.SSLContext | None:
        if not self.settings.certificate:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self.settings.certificate, self.settings.key or None)
        except (OSError, ssl.SSLError) as error:
            files = f"{self.settings.certificate} and {Path(self.settings.key or self.settings.certificate)}"
            raise StorageError(f"cannot use the certificate of settings.gate ({files}): {error}") from None
        return context


class _Connection(picows.WSListener):
    """One client; see `mesh.front.Connection`. `send` and `backlog` are the library's own functions once it is
    connected, without a Python frame in between: they are called for every client and tick."""

    def __init__(self, front: PicowsFront, guest: Guest) -> None:
        self.number = 0
        self.address = ""
        self.send: Callable[[Blob], None] = _send_nothing
        self.backlog: Callable[[], int] = _no_backlog
        self._front, self._guest = front, guest
        self._transport: picows.WSTransport | None = None
        self._closing: asyncio.TimerHandle | None = None
        self._ignored = 0  # frames since the close began
        self._pings = 0  # pings and pongs since ...
        self._pings_since = 0.0
        self._received = guest.received

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        under = transport.underlying_transport
        peer = under.get_extra_info("peername")
        self.address = str(peer[0]) if isinstance(peer, tuple) else str(peer)
        self._transport = transport
        self.send = functools.partial(transport.send, _BINARY)
        self.backlog = under.get_write_buffer_size
        self.number = self._front.enter(self)
        if not self._guest.connected(self):
            self.number = 0
            self._end(picows.WSCloseCode.TRY_AGAIN_LATER, "try another gate, or later")

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        if frame.msg_type == _BINARY and frame.fin and self._closing is None:
            self._received(self, frame.get_payload_as_bytes())
        elif frame.msg_type == picows.WSMsgType.CLOSE:
            transport.send_close(picows.WSCloseCode.OK)
            transport.disconnect()
        elif self._closing is not None:
            self._ignored += 1
            if self._ignored >= IGNORED_MAX:
                self.abort()
        elif frame.msg_type in (picows.WSMsgType.PING, picows.WSMsgType.PONG):
            self._pinged(transport, frame)
        elif frame.msg_type in (picows.WSMsgType.TEXT, picows.WSMsgType.CONTINUATION, _BINARY):
            self._end(picows.WSCloseCode.UNSUPPORTED_DATA, "one unfragmented binary frame for each message")

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:  # noqa: ARG002 - the library names it
        if self._closing is not None:
            self._closing.cancel()
        self._transport = None
        self.send, self.backlog = _send_nothing, _no_backlog
        self._front.leave(self)
        if self.number:
            self._guest.closed(self)

    def _pinged(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._pings_since >= 1.0:
            self._pings_since, self._pings = now, 0
        self._pings += 1
        if self._pings > PINGS_PER_S_MAX:
            self._end(picows.WSCloseCode.POLICY_VIOLATION, "too many pings")
        elif self._pings <= PONGS_PER_S_MAX and frame.msg_type == picows.WSMsgType.PING:
            transport.send_pong(frame.get_payload_as_bytes())

    def pause_writing(self) -> None:
        """The gate looks at `backlog` itself."""

    def resume_writing(self) -> None:
        """See `pause_writing`."""

    def close(self, reason: str = "") -> None:
        self._end(picows.WSCloseCode.OK, reason)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def _end(self, code: picows.WSCloseCode, reason: str) -> None:
        """The WebSocket close: our half now, then the client's, then the connection. Closing at once could make the
        kernel throw away a Goodbye that the client has not read yet."""
        if self._transport is not None and self._closing is None:
            self._transport.send_close(code, reason.encode()[:120])
            self._closing = asyncio.get_running_loop().call_later(self._front.settings.close_s, self.abort)


class _Log(logging.LoggerAdapter[logging.Logger]):
    """Of what picows would log, only exceptions of ours: what strangers send must not fill a disk. An adapter also
    keeps picows from making a logger for each connection."""

    broken = 0  # connections that broke the WebSocket protocol

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - its name in logging
        return level >= logging.ERROR

    def error(self, *_: object, **__: object) -> None:
        self.broken += 1


def _send_nothing(_frame: Blob) -> None:
    """Of a connection that is not there (any more)."""


def _no_backlog() -> int:
    return 0


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket whose connections inherit small send buffers; StorageError names the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_SEND_BYTES)
        made.bind((host, port))
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise StorageError(f"cannot listen for clients at {host}:{port}: {error.strerror}; try --base-port") from None
    return made


def _take_descriptors() -> None:
    """A connection takes a descriptor; the usual soft limit of 1,024 is for programs that use select()."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
