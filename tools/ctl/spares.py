"""Processes that have imported everything and wait to be the one that crashed: most of what a start takes is importing.

A spare runs the command of its process with `--spare` and holds nothing: no socket, no file, no state. One is kept for
each process whose absence everybody feels; scenes, gates and logins have others beside them that take over. Only a
crash takes it, and then the next one is started. Who restarts a process on purpose wants the code that is on disk now:
the spare is let go, and the next one is started when the process is Ready again. Its price is the memory of a process
that does nothing, some 50 MB.

Rejected: one process that forks for all. It would be the parent of every node, and each would bear its command line.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from mesh.topology import Process
from tools.ctl.launch import Launched

ROLES = ("center", "dc")


def is_spared(process: Process) -> bool:
    """Is one kept for this process?"""
    return any(node.role in ROLES for node in process.nodes)


class Spares:
    """Of one supervisor. `start` starts one for a process; `command` is what it would be started with now."""

    def __init__(self, start: Callable[[str], Awaitable[Launched]], command: Callable[[str], list[str]]) -> None:
        self._start, self._command = start, command
        self._waiting: dict[str, Launched] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def prepare(self, name: str) -> None:
        """Have one for this process, soon. One that was started with another command is no use any more."""
        if name in self._waiting and self._fits(name):
            return
        self.release(name)
        self._begin(self._prepare(name))

    def take(self, name: str) -> Launched | None:
        """It is the process from now on; None when there is none that could be."""
        if name not in self._waiting or not self._fits(name):
            self.release(name)
            return None
        spare = self._waiting.pop(name)
        spare.call()
        return spare

    def release(self, name: str) -> None:
        """Nobody wants the one of this process."""
        if spare := self._waiting.pop(name, None):
            spare.dismiss()
            self._begin(self._wait_end(spare))

    async def close(self) -> None:
        """Returns when all of them have ended."""
        while self._tasks or self._waiting:
            for name in list(self._waiting):
                self.release(name)
            await asyncio.wait(self._tasks)

    def _fits(self, name: str) -> bool:
        spare = self._waiting[name]
        return spare.runs and spare.command == self._command(name)

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _prepare(self, name: str) -> None:
        with contextlib.suppress(OSError):  # a start takes as long as ever then
            spare = await self._start(name)
            self.release(name)
            self._waiting[name] = spare

    async def _wait_end(self, spare: Launched) -> None:
        await spare.process.wait()
