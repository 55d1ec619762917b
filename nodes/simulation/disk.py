"""The disk of a simulated node: slow at times, full at times, and at a crash it forgets what was not synced.

A commit takes a while before and after the moment in which it is on disk, so that a kill falls on either side of it.
What a dead process still tries to write reaches nothing.
"""

import asyncio
import random
from collections.abc import Callable
from typing import TypeVar

from nodes.dc.memory_store import MemoryStore
from nodes.dc.store import DiskFull

T = TypeVar("T")

LIMIT_BYTES = 2048  # of the store at first: it grows some times in every course
LIMIT_BYTES_MAX = 1 << 30


class SimulatedStore(MemoryStore):
    """A database that outlives its process. `crash` is what a SIGKILL leaves of it."""

    def __init__(self) -> None:
        super().__init__(LIMIT_BYTES, LIMIT_BYTES_MAX)
        self.is_dead = False
        self._unsynced: dict[tuple[str, bytes], bytes | None] = {}  # what was there at the last sync
        self._used_then = 0

    def open(self) -> "SimulatedStore":
        """A process begins to use it."""
        self.is_dead = False
        self.drop()
        return self

    def commit(self) -> None:
        if self.is_dead:
            return
        if not self._unsynced:
            self._used_then = self._used
        before = {(table, key): self.get(table, key) for table, key, _ in self._begun or ()}
        super().commit()
        self._unsynced = before | self._unsynced
        self.sync()

    def sync(self) -> None:
        """Everything that was committed is on the disk itself."""
        self._unsynced.clear()

    def crash(self) -> None:
        """The process is dead."""
        self.is_dead = True
        for (table, key), value in self._unsynced.items():
            if value is None:
                self._tables[table].pop(key, None)
            else:
                self._tables[table][key] = value
        if self._unsynced:
            self._used = self._used_then
        self._unsynced.clear()

    def fill(self, is_full: bool) -> None:
        """No commit from now on, or again."""
        self.fail = DiskFull("no room is left") if is_full else None


class Disk:
    """How long the disk of one node takes for what its threads do; it outlives processes."""

    def __init__(self, rolls: random.Random, takes_s: tuple[float, float]) -> None:
        self._rolls, self._takes_s = rolls, takes_s
        self.slow_s = 0.0  # more than usual

    def takes_s(self) -> float:
        return self._rolls.uniform(*self._takes_s) + self.slow_s * self._rolls.random()


class SimulatedWorkers:
    """Threads of one process: calls that take virtual time. `is_over` says whether the process is dead."""

    def __init__(self, disk: Disk, is_over: Callable[[], bool]) -> None:
        self._disk, self._is_over = disk, is_over

    async def run(self, function: Callable[..., T], *args: object) -> T:
        await asyncio.sleep(self._disk.takes_s())
        await self._live()
        result = function(*args)
        await asyncio.sleep(self._disk.takes_s())
        await self._live()
        return result

    async def _live(self) -> None:
        """A dead process does nothing more; whoever waits for it is cancelled with it."""
        if self._is_over():
            await asyncio.get_running_loop().create_future()

    def close(self) -> None:
        pass
