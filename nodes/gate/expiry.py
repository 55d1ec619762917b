"""Connections that have the same time for something, in the order in which it began: one timer for all of them."""

import asyncio
from collections import deque
from collections.abc import Callable

from nodes.gate.connection import Connection


class Expiry:
    """See the module."""

    def __init__(self, after_s: float, expired: Callable[[Connection], None]) -> None:
        self._after_s, self._expired = after_s, expired
        self._waiting: deque[tuple[float, Connection]] = deque()

    def add(self, connection: Connection, loop: asyncio.AbstractEventLoop) -> None:
        if not self._waiting:
            loop.call_later(self._after_s, self._due, loop)
        self._waiting.append((loop.time() + self._after_s, connection))

    def _due(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        while self._waiting and self._waiting[0][0] <= now:
            self._expired(self._waiting.popleft()[1])
        if self._waiting:
            loop.call_at(self._waiting[0][0], self._due, loop)
