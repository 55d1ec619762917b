"""A ZeroMQ socket on an asyncio loop without zmq.asyncio: its descriptor is edge-triggered, so whoever waits for it
must read until nothing is left, and look again after every send. Without the second look bursts stall.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import zmq

from mesh.clock import SystemClock

READS_MAX = 500  # in one turn of the loop, so that one busy socket does not starve the others ...
READS_S = 0.002  # ... and no longer than this: a commit that has ended must be heard of, and beats be said


class Reader:
    """Calls `read` until it returns False; `read` takes one message off and says whether to go on."""

    __slots__ = ("_fd", "_loop", "_now", "_read", "_scheduled")

    def __init__(self, socket: Any, read: Callable[[], bool], now: Callable[[], float] | None = None) -> None:
        self._loop, self._now = asyncio.get_running_loop(), now or SystemClock().now
        self._fd: int | None = socket.get(zmq.FD)
        self._read = read
        self._scheduled = False
        self._loop.add_reader(self._fd, self._drain)
        self.look_again()

    def look_again(self) -> None:
        """The edge may have been used up by a call on the socket: look once more in the next turn."""
        if not self._scheduled and self._fd is not None:
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def close(self) -> None:
        """Must come before the socket's own close."""
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._fd = None

    def _drain(self) -> None:
        self._scheduled = False
        more = True  # also after an exception: it must not use up the edge, or the socket is never read again
        try:
            until = self._now() + READS_S
            for _ in range(READS_MAX):
                more = self._fd is not None and self._read()
                if not more or self._now() >= until:
                    return
        finally:
            if more:
                self.look_again()
