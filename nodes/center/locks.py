"""One lock per account: what concerns one account happens one after the other.

A lock exists while somebody holds it or waits for it, so the table is as large as what is under way.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class AccountLocks:
    """Locks by account."""

    def __init__(self) -> None:
        self._locks: dict[int, tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @asynccontextmanager
    async def hold(self, account: int) -> AsyncIterator[None]:
        lock, users = self._locks.get(account) or (asyncio.Lock(), 0)
        self._locks[account] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[account]
            if users == 1:
                del self._locks[account]
            else:
                self._locks[account] = (lock, users - 1)
