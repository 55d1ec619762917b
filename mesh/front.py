"""Where clients come in, as the gate sees it: an argument, so that a simulation can bring its own clients.

The real one is `nodes/gate/front.py` (WebSocket); `mesh/testing.py` has one in memory.
"""

from typing import Protocol


class Connection(Protocol):
    """One client's connection."""

    number: int  # unique while the gate lives, starting at 1
    address: str  # the client's address for limits and logs, without the port

    def send(self, frame: bytes | bytearray | memoryview) -> None:
        """One binary frame; buffered when the client does not read, see `backlog`. The bytes are copied or sent
        before this returns. After a close: nothing happens."""
        ...

    def backlog(self) -> int:
        """Bytes that were sent but that the client has not taken."""
        ...

    def close(self, reason: str = "") -> None:
        """Say goodbye after what was sent. `closed` follows."""
        ...

    def abort(self) -> None:
        """Cut it off; for a client that does not read. `closed` follows."""
        ...


class Guest(Protocol):
    """What the gate does about its clients: called by the front, must not block, must not raise."""

    def connected(self, connection: Connection) -> bool:
        """A client is there. False refuses it."""
        ...

    def received(self, connection: Connection, frame: bytes) -> None:
        """One binary frame, at most `frame_bytes_max` long. Text frames and longer ones never get here: the front
        closes the connection with 1003 or 1009."""
        ...

    def closed(self, connection: Connection) -> None:
        """It is gone, whoever ended it. Called once for every connection that was let in."""
        ...

    def page(self, path: str) -> bytes | None:
        """Somebody asks by plain HTTP GET on the clients' port: JSON, or None for what there is not."""
        ...


class Front(Protocol):
    """A listening place."""

    async def open(self, guest: Guest, frame_bytes_max: int) -> None:
        """Start to listen; StorageError or OSError naming the address when that fails."""
        ...

    async def stop_listening(self) -> None:
        """No new connections; those that exist stay."""
        ...

    async def close(self) -> None:
        """End everything."""
        ...
