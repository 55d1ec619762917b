"""Where clients come in, as the gate sees it: an argument, so that a simulation can bring its own clients.

The real one is `nodes/gate/front.py` (WebSocket); `mesh/testing` has one in memory.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Blob = bytes | bytearray | memoryview
Array = npt.NDArray[Any]
Records = npt.NDArray[np.uint8]
NOBODY = -1
"""Where a tag is expected: that of no connection."""


class Connection(Protocol):
    """One client's connection."""

    number: int  # unique while the gate lives, starting at 1
    address: str  # the client's address for limits and logs, without the port
    tag: int  # a small number of the guest's, from `connected` to `closed`; nobody else's meanwhile

    @property
    def backlog(self) -> int:
        """Bytes that were sent but that the kernel has not taken: 0 for whoever reads."""
        ...

    def queued(self) -> int:
        """The backlog, and what the kernel has taken but the client's has not."""
        ...

    def send(self, frame: Blob) -> None:
        """One binary frame; buffered when the client does not read, see `backlog`. The bytes are copied or sent
        before this returns. After a close: nothing happens."""
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

    def records(self, tags: Array, records: Records) -> None:
        """Many frames of exactly `record_bytes`, at most one of each connection, named by tag: row by row what
        `received` would be told. A front may say so, and need not."""
        ...

    def looked(self) -> None:
        """What has come is told. For a front that looks by the clock, after each look, also one that has found nothing;
        the next one follows that after which something was told in any case."""
        ...

    def closed(self, connection: Connection) -> None:
        """It is gone, whoever ended it. Called once for every connection that was let in."""
        ...

    def page(self, path: str) -> bytes | None:
        """Somebody asks by plain HTTP GET on the clients' port: JSON, or None for what there is not."""
        ...


class Front(Protocol):
    """A listening place."""

    @property
    def calls(self) -> str:
        """How it reads and writes, for `mesh status`."""
        ...

    async def open(self, guest: Guest, frame_bytes_max: int, record_bytes: int) -> None:
        """Start to listen; StorageError or OSError naming the address when that fails."""
        ...

    def send_all(self, connections: Sequence[Connection], frames: Sequence[Blob]) -> None:
        """`send` for many at once: the n-th frame to the n-th connection."""
        ...

    def send_rows(self, tags: Array, lengths: Array, body: memoryview) -> Array:
        """One frame each: the next `lengths[i]` bytes of `body` to the connection with the i-th tag; no tag but NOBODY
        is there twice. Who was sent its frame, as flags: a front may leave any of them, or all, for `send_all`."""
        ...

    async def stop_listening(self) -> None:
        """No new connections; those that exist stay."""
        ...

    async def close(self) -> None:
        """End everything."""
        ...
