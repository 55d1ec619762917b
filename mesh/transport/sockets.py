"""Links over ZeroMQ: one ROUTER for those who dial us, one DEALER for each that we dial, PUB and SUB.

Facts of ZeroMQ that this is built around (libzmq 4.3):

- a ROUTER drops silently what it cannot deliver, unless ROUTER_MANDATORY is set;
- a DEALER queues for a peer that is not there and hands it to its successor, unless IMMEDIATE is set;
- a routing id that is in use is never heard again, so every dial has a new one: name#incarnation#count;
- ZMQ_FD is edge-triggered: after every send and every read the socket is looked at again;
- the end of a connection is known to the socket monitor at once, by file descriptor; a message tells its descriptor
  with SRCFD. So both ends of a link see the other's death in milliseconds. `inproc` has no such events: there the
  beats of the switchboard tell;
- that event overtakes the last messages of the connection, so the ROUTER's are read before the end is told (those of a
  DEALER with IMMEDIATE are gone: who takes links says Bye and lets the others hang up first). Descriptors are used
  again, so all ends that are known are taken in before a new connection is entered under its descriptor;
- nobody tells of a machine that vanished: ZMTP's own heartbeats clean up after it, and let SUB connect anew.

It is one of the three importers of zmq. It knows no names beyond routing ids, and no messages.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from mesh.errors import StorageError
from mesh.transport.auth import Identity
from mesh.transport.base import Blob, Listener
from mesh.transport.loop import Reader

HIGH_WATER = 10_000  # messages of one link; a message is a batch
PUB_HIGH_WATER = 100_000
MESSAGE_BYTES_MAX = 64 << 20
HANDSHAKE_MS = 2000
RECONNECT_MS = 20
RECONNECT_MS_MAX = 100  # a center that is started again is announced by nobody: so long it may be missed at most
LINGER_MS = 200  # for goodbyes
FRAMES_MAX = 16  # of one message; more is not ours
STREAM_BEAT_MS, STREAM_DEAD_MS = 500, 1500  # SUB has no beats of ours
ROUTER_BEAT_MS, ROUTER_DEAD_MS = 5000, 15_000  # only to let go of connections that the switchboard gave up long ago
# as plain numbers: to combine zmq's own flags takes longer than to read the state of an empty socket
_POLLIN, _NOW, _NOW_AND_MORE = int(zmq.POLLIN), int(zmq.DONTWAIT), int(zmq.DONTWAIT | zmq.SNDMORE)
_ACCEPTED_EVENTS = zmq.EVENT_DISCONNECTED
_DIALLED_EVENTS = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED


class ZmqNetwork:
    """The endpoints of one process. They share a context, which is what makes `inproc` work.

    `identities` are the CURVE keys of its nodes by full name; without any, links are in the clear. `detours`: where to
    connect to instead of to an address (mesh/detours.py).
    """

    def __init__(
        self, identities: Mapping[str, Identity] | None = None, detours: Mapping[str, str] | None = None
    ) -> None:
        self._context = zmq.Context()
        self._context.set(zmq.MAX_SOCKETS, 4096)
        self._identities, self._detours = dict(identities or {}), detours or {}
        self._doorkeeper = next(iter(self._identities.values()), None)
        if self._doorkeeper is not None:
            self._doorkeeper.serve(self._context)

    def endpoint(self, name: str, incarnation: int, listener: Listener) -> "ZmqEndpoint":
        routing_id = f"{name}#{incarnation:x}"
        return ZmqEndpoint(self._context, routing_id, listener, self._identities.get(name), self._detours)

    def close(self) -> None:
        if self._doorkeeper is not None:
            self._doorkeeper.close()
        self._context.destroy(linger=LINGER_MS)


class _Dialled:
    """One link that we opened."""

    __slots__ = ("lost", "monitor", "monitor_reader", "reader", "socket")

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.lost = False
        self.monitor: Any = None
        self.monitor_reader: Reader | None = None
        self.reader: Reader | None = None


class ZmqEndpoint:
    """See `mesh.transport.base.Endpoint`."""

    def __init__(
        self,
        context: Any,
        routing_id: str,
        listener: Listener,
        identity: Identity | None,
        detours: Mapping[str, str],
    ) -> None:
        self._context = context
        self._routing_id = routing_id
        self._listener = listener
        self._identity, self._detours = identity, detours
        self._last = 0
        self._dialled: dict[int, _Dialled] = {}
        self._accepted: dict[int, bytes] = {}  # link -> routing id
        self._links: dict[bytes, int] = {}  # and back
        self._by_fd: dict[int, int] = {}
        self._ending: list[int] = []  # accepted links whose connection is gone, until their last words were read
        self._router: Any = None
        self._router_reader: Reader | None = None
        self._router_monitor: Any = None
        self._router_monitor_reader: Reader | None = None
        self._pub: Any = None
        self._sub: Any = None
        self._sub_reader: Reader | None = None
        self._files: list[Path] = []

    # --- taking links ---

    def bind(self, address: str) -> None:
        if self._router is None:
            self._router = self._socket(zmq.ROUTER)
            self._router.set(zmq.ROUTER_MANDATORY, 1)
            self._router.set(zmq.HEARTBEAT_IVL, ROUTER_BEAT_MS)
            self._router.set(zmq.HEARTBEAT_TIMEOUT, ROUTER_DEAD_MS)
            self._router_monitor = self._router.get_monitor_socket(_ACCEPTED_EVENTS)
            self._router_monitor_reader = Reader(self._router_monitor, self._read_router_monitor)
            self._router_reader = Reader(self._router, self._read_router)
            if self._identity is not None:
                self._identity.guard(self._router)
        self._bind(self._router, address)

    def bind_publisher(self, address: str) -> None:
        self._pub = self._socket(zmq.PUB)
        self._pub.set(zmq.SNDHWM, PUB_HIGH_WATER)
        if self._identity is not None:
            self._identity.guard(self._pub)
        self._bind(self._pub, address)

    def _bind(self, socket: Any, address: str) -> None:
        if address.startswith("ipc://"):
            path = Path(address.removeprefix("ipc://"))
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.unlink(missing_ok=True)  # of a process that was killed; a living one was looked for before
            self._files.append(path)
        try:
            socket.bind(address)
        except zmq.ZMQError as error:
            raise StorageError(f"cannot listen at {address}: {error}; another process may hold it") from None

    def subscribe(self, address: str, peer: str = "") -> None:
        self._sub = self._socket(zmq.SUB)
        self._sub.set(zmq.RCVHWM, PUB_HIGH_WATER)
        self._sub.set(zmq.HEARTBEAT_IVL, STREAM_BEAT_MS)
        self._sub.set(zmq.HEARTBEAT_TIMEOUT, STREAM_DEAD_MS)
        self._sub.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._sub.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX)
        self._sub.subscribe(b"")
        if self._identity is not None:
            self._identity.introduce(self._sub, peer)
        self._sub.connect(self._detours.get(address, address))
        self._sub_reader = Reader(self._sub, self._read_sub)

    # --- opening links ---

    def dial(self, address: str, peer: str = "") -> int:
        self._last += 1
        socket = self._socket(zmq.DEALER)
        socket.set(zmq.IMMEDIATE, 1)
        socket.set(zmq.ROUTING_ID, f"{self._routing_id}#{self._last}".encode())
        socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX)
        if self._identity is not None and not address.startswith("inproc:"):
            try:
                self._identity.introduce(socket, peer)
            except StorageError:
                socket.close(0)
                raise
        dialled = _Dialled(socket)
        link = self._last
        self._dialled[link] = dialled
        if address.startswith("inproc:"):
            asyncio.get_running_loop().call_soon(self._opened_inproc, link)
        else:
            dialled.monitor = socket.get_monitor_socket(_DIALLED_EVENTS)
            dialled.monitor_reader = Reader(dialled.monitor, lambda: self._read_dialled_monitor(link))
        dialled.reader = Reader(socket, lambda: self._read_dialled(link))
        try:
            socket.connect(self._detours.get(address, address))
        except zmq.ZMQError as error:
            self.hang_up(link)
            raise StorageError(f"cannot connect to {address}: {error}") from None
        return link

    def _opened_inproc(self, link: int) -> None:
        if link in self._dialled:
            self._listener.link_opened(link)

    # --- sending ---

    def send(self, link: int, frames: Sequence[Blob]) -> bool:
        dialled = self._dialled.get(link)
        if dialled is not None:
            return self._send(dialled.socket, dialled.reader, frames)
        routing_id = self._accepted.get(link)
        if routing_id is None or self._router_reader is None:
            return False
        return self._send(self._router, self._router_reader, [routing_id, *frames])

    def _send(self, socket: Any, reader: Reader | None, frames: Sequence[Blob]) -> bool:
        try:
            for frame in frames[:-1]:
                socket.send(frame, _NOW_AND_MORE)
            socket.send(frames[-1], _NOW)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.ENOTSOCK, zmq.ETERM):
                return False
            raise
        finally:
            if reader is not None:
                reader.look_again()
        return True

    def publish(self, frame: Blob) -> bool:
        if self._pub is None:
            return False
        try:
            self._pub.send(frame, _NOW)
        except zmq.Again:
            return False
        return True

    # --- reading ---

    def _read_router(self) -> bool:
        if self._router is None:
            return False
        routing_id = self._next(self._router)
        if routing_id is None:
            self._tell_ends()
            return False
        link = self._links.get(routing_id)
        if link is None:
            link = self._accept(routing_id)
            if link is None:
                return True
        else:
            frames = self._rest(self._router)
            if frames is not None:
                self._listener.arrived(link, frames)
        return True

    def _accept(self, routing_id: bytes) -> int | None:
        """The first message of a link: the only one that is asked for its descriptor and its proven owner."""
        first = self._router.recv(_NOW, copy=False)
        owner = ""
        if self._identity is not None:
            try:
                owner = first.get("User-Id")
            except zmq.ZMQError:  # inproc: the same process, nothing to prove
                owner = ""
        try:
            fd = first.get(zmq.SRCFD)
        except zmq.ZMQError:
            fd = -1
        frames = [bytes(first.buffer)]
        if first.more:
            rest = self._rest(self._router)
            if rest is None:
                return None
            frames += rest
        self._last += 1
        link = self._last
        self._accepted[link] = routing_id
        self._links[routing_id] = link
        while self._read_router_monitor():
            pass  # an event that waits is about an older connection with this descriptor
        if fd is not None and fd >= 0:
            self._by_fd[fd] = link
        self._listener.link_accepted(link, owner)
        self._listener.arrived(link, frames)
        return link

    @staticmethod
    def _next(socket: Any) -> bytes | None:
        """A frame, if there is one: mostly there is none, and an exception costs several times as much as to ask."""
        return socket.recv(_NOW) if socket.get(zmq.EVENTS) & _POLLIN else None

    @staticmethod
    def _rest(socket: Any, first: bytes | None = None) -> list[bytes] | None:
        """The frames of one message; None when there are too many (then all are taken off and dropped)."""
        frames = [socket.recv(_NOW) if first is None else first]
        while socket.get(zmq.RCVMORE):
            frames.append(socket.recv(_NOW))
            if len(frames) > FRAMES_MAX:
                del frames[FRAMES_MAX:]
                while socket.get(zmq.RCVMORE):
                    socket.recv(_NOW)
                return None
        return frames

    def _read_dialled(self, link: int) -> bool:
        dialled = self._dialled.get(link)
        if dialled is None:
            return False
        first = self._next(dialled.socket)
        if first is None:
            return False
        frames = self._rest(dialled.socket, first)
        if frames is not None:
            self._listener.arrived(link, frames)
        return link in self._dialled

    def _read_sub(self) -> bool:
        frame = self._next(self._sub)
        if frame is not None:
            self._listener.published(frame)
        return frame is not None and self._sub is not None

    def _read_router_monitor(self) -> bool:
        if self._router_monitor is None or not self._router_monitor.get(zmq.EVENTS) & _POLLIN:
            return False
        event = recv_monitor_message(self._router_monitor, _NOW)
        link = self._by_fd.pop(int(event["value"]), None)
        if link is not None and self._router_reader is not None:
            self._ending.append(link)
            self._router_reader.look_again()
        return True

    def _tell_ends(self) -> None:
        while self._ending:
            link = self._ending.pop(0)
            if link in self._accepted:
                self._forget(link)
                self._listener.link_lost(link)

    def _read_dialled_monitor(self, link: int) -> bool:
        dialled = self._dialled.get(link)
        if dialled is None or dialled.lost or not dialled.monitor.get(zmq.EVENTS) & _POLLIN:
            return False
        event = recv_monitor_message(dialled.monitor, _NOW)
        if event["event"] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._listener.link_opened(link)
        elif event["event"] == zmq.EVENT_DISCONNECTED:
            dialled.lost = True
            self._listener.link_lost(link)
            return False
        return True

    # --- ending ---

    def hang_up(self, link: int) -> None:
        dialled = self._dialled.pop(link, None)
        if dialled is None:
            self._forget(link)
            return
        for reader in (dialled.reader, dialled.monitor_reader):
            if reader is not None:
                reader.close()
        if dialled.monitor is not None:
            dialled.socket.disable_monitor()
            dialled.monitor.close(0)
        dialled.socket.close(LINGER_MS)

    def _forget(self, link: int) -> None:
        routing_id = self._accepted.pop(link, None)
        if routing_id is not None:
            self._links.pop(routing_id, None)

    def close(self) -> None:
        for link in list(self._dialled):
            self.hang_up(link)
        for reader in (self._router_reader, self._router_monitor_reader, self._sub_reader):
            if reader is not None:
                reader.close()
        if self._router is not None:
            self._router.disable_monitor()
            self._router_monitor.close(0)
        self._router_monitor = None
        for socket in (self._router, self._pub, self._sub):
            if socket is not None:
                socket.close(LINGER_MS)
        self._router_reader = self._router = self._pub = self._sub = None
        for path in self._files:
            path.unlink(missing_ok=True)

    def _socket(self, kind: int) -> Any:
        try:
            socket = self._context.socket(kind)
        except zmq.ZMQError as error:
            raise StorageError(f"no socket is left: {error}; raise the limit of open files") from None
        socket.set(zmq.LINGER, LINGER_MS)
        socket.set(zmq.SNDHWM, HIGH_WATER)
        socket.set(zmq.RCVHWM, HIGH_WATER)
        socket.set(zmq.HANDSHAKE_IVL, HANDSHAKE_MS)
        socket.set(zmq.MAXMSGSIZE, MESSAGE_BYTES_MAX)
        return socket
