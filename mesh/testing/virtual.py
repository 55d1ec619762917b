"""Virtual time, and the small things beside it: threads that are none, a log that is kept."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


BUSY_TURNS = 64
"""Of the loop, after which it is looked for what comes from outside although there is still something to do."""


class _JumpingSelector(selectors.SelectSelector):
    """Never waits: when nothing is ready it moves the loop's clock to the next timer. Nearly nothing comes from outside
    (another thread, a pipe), so while the loop has something to do it is rarely asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._busy = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout == 0 and self._busy < BUSY_TURNS:
            self._busy += 1
            return []
        self._busy = 0
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("everything waits and nothing will ever happen")
        if not ready and timeout:
            self.now += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time: sleeping costs nothing, and the same program takes the same course."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def run(work: Coroutine[Any, Any, T], *, limit_s: float = 3600.0) -> T:
    """Run a coroutine on virtual time; TimeoutError after `limit_s` virtual seconds."""

    async def bounded() -> T:
        async with asyncio.timeout(limit_s):
            return await work

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(bounded())


class ManualClock:
    """A clock for pure code (`advance` moves it) and for virtual time (made with a loop it follows the loop)."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, wall: float = 1_750_000_000.0) -> None:
        self._loop = loop
        self._wall = wall
        self._moved = 0.0

    def now(self) -> float:
        return 1000.0 + self._moved + (self._loop.time() if self._loop else 0.0)

    def wall(self) -> float:
        return self._wall + self.now() - 1000.0

    def advance(self, seconds: float) -> None:
        self._moved += seconds


class InlineWorkers:
    """Threads that are none: the call runs at once."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        return function(*args)

    def close(self) -> None:
        pass


class SilentLog:
    """Keeps what nodes log, as (level, text, fields)."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def _add(self, level: str, text: str, fields: dict[str, Any]) -> None:
        self.lines.append((level, text, fields))

    def info(self, text: str, **fields: Any) -> None:
        self._add("info", text, fields)

    def warning(self, text: str, **fields: Any) -> None:
        self._add("warning", text, fields)

    def error(self, text: str, **fields: Any) -> None:
        self._add("error", text, fields)

    def exception(self, text: str, **fields: Any) -> None:
        self._add("exception", text, fields)


async def wait_until(condition: Callable[[], object], *, timeout_s: float = 30.0, every_s: float = 0.01) -> None:
    """Wait on virtual (or real) time until something holds; TimeoutError otherwise."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - any condition, not one that somebody sets
            await asyncio.sleep(every_s)
