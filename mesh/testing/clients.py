"""Clients in memory: a gate's listening place without sockets, and both ends of its connections.

Each end hears in its own context: the gate in that in which it began to listen, the client in that of its connecting.
"""

import asyncio
import contextvars
from collections.abc import Callable, Sequence

import numpy as np

from mesh.front import Array, Connection, Guest
from mesh.transport.base import Blob


class MemoryFront:
    """A gate's listening place without sockets; see `mesh.front.Front`."""

    calls = "memory"

    def __init__(self, _settings: object = None) -> None:
        self.guest: Guest | None = None
        self.frame_bytes_max = 0
        self._last = 0
        self.connections: list[MemoryConnection] = []
        self._by_tag: dict[int, MemoryConnection] = {}
        self.listening = False
        self.context = contextvars.copy_context()  # of the gate

    async def open(self, guest: Guest, frame_bytes_max: int, record_bytes: int) -> None:
        self.context = contextvars.copy_context()
        self.guest, self.frame_bytes_max, self.listening = guest, frame_bytes_max, True

    def send_all(self, connections: Sequence[Connection], frames: Sequence[Blob]) -> None:
        for connection, frame in zip(connections, frames, strict=True):
            connection.send(frame)

    def send_rows(self, tags: Array, lengths: Array, body: memoryview) -> Array:
        at, sent = 0, np.zeros(len(tags), bool)
        for place, (tag, length) in enumerate(zip(tags.tolist(), lengths.tolist(), strict=True)):
            connection = self._by_tag.get(tag)
            if connection is not None and not connection.backlog:
                connection.send(body[at : at + length])
                sent[place] = True
            at += length
        return sent

    async def stop_listening(self) -> None:
        self.listening = False

    async def close(self) -> None:
        self.listening = False
        for connection in list(self.connections):
            connection.abort()

    def connect(self, address: str = "127.0.0.1") -> "MemoryClient":
        """A client comes in; ConnectionError when it is refused."""
        if not self.listening or self.guest is None:
            raise ConnectionRefusedError("nobody listens")
        self._last += 1
        client = MemoryClient()
        connection = MemoryConnection(self, self._last, address, client)
        client.connection = connection
        if not self.context.copy().run(self.guest.connected, connection):
            raise ConnectionRefusedError("refused")
        self.connections.append(connection)
        self._by_tag[connection.tag] = connection
        return client

    def lost(self, connection: "MemoryConnection") -> None:
        """It has ended."""
        if connection in self.connections:
            self.connections.remove(connection)
            del self._by_tag[connection.tag]


class MemoryConnection:
    """The gate's end; see `mesh.front.Connection`."""

    def __init__(self, front: MemoryFront, number: int, address: str, client: "MemoryClient") -> None:
        self.number, self.address, self.tag = number, address, 0
        self._front, self._client = front, client
        self._unread: list[bytes] = []
        self._is_open = True

    def send(self, frame: Blob) -> None:
        if self._is_open:
            self._unread.append(bytes(frame))
            asyncio.get_running_loop().call_soon(self.flush, context=self._client.context.copy())

    def flush(self) -> None:
        while self._unread and self._client.reading:
            self._client.take(self._unread.pop(0))

    @property
    def backlog(self) -> int:
        return sum(map(len, self._unread))

    def queued(self) -> int:
        return self.backlog

    def close(self, reason: str = "") -> None:
        asyncio.get_running_loop().call_soon(self.end, reason, context=self._front.context.copy())

    def abort(self) -> None:
        self._front.context.copy().run(self.end, "aborted")

    def end(self, reason: str) -> None:
        if not self._is_open:
            return
        self.flush()
        self._is_open = False
        self._front.lost(self)
        assert self._front.guest is not None
        self._front.guest.closed(self)
        self._client.ended(reason)

    def hear(self, frame: bytes) -> None:
        """The client has said this."""
        asyncio.get_running_loop().call_soon(self.receive, frame, context=self._front.context.copy())

    def lose(self) -> None:
        """The gate is dead: the client alone learns of it."""
        self._is_open = False
        self._client.ended("connection lost")

    def receive(self, frame: bytes) -> None:
        if not self._is_open:
            return
        if len(frame) > self._front.frame_bytes_max:
            self.close("too large")
            return
        assert self._front.guest is not None
        self._front.guest.received(self, frame)


class MemoryClient:
    """The client's end: `send`, and callbacks for what comes."""

    def __init__(self) -> None:
        self.connection: MemoryConnection | None = None
        self.on_frame: Callable[[bytes], None] | None = None
        self.on_closed: Callable[[str], None] | None = None
        self.frames: list[bytes] = []  # what came before on_frame was set
        self.reading = True
        self.closed: str | None = None
        self.context = contextvars.copy_context()

    def send(self, frame: bytes) -> None:
        assert self.connection is not None
        self.connection.hear(frame)

    def close(self) -> None:
        assert self.connection is not None
        self.connection.close("closed by the client")

    def take(self, frame: bytes) -> None:
        if self.on_frame is not None:
            self.on_frame(frame)
        else:
            self.frames.append(frame)

    def ended(self, reason: str) -> None:
        self.closed = reason
        if self.on_closed is not None:
            self.on_closed(reason)

    def stop_reading(self, stopped: bool = True) -> None:
        """A client that does not read, and one that begins to again."""
        self.reading = not stopped
        if not stopped and self.connection is not None:
            self.connection.flush()
