"""A beat that is finer than the timers of the loop, which are whole milliseconds: for who asks at a fixed rate.

With the loop's timers each question is asked up to 1.4 ms after it was due, and that was most of the p99 of a read.
Source of the layout: timerfd_create(2).
"""

import asyncio
import ctypes
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Step = Callable[[], Awaitable[None]]
"""Wait for the next beat."""

_NONBLOCK, _CLOEXEC = os.O_NONBLOCK, os.O_CLOEXEC  # TFD_NONBLOCK and TFD_CLOEXEC are the same numbers
_MONOTONIC = 1  # CLOCK_MONOTONIC
_COUNT_BYTES = 8


@asynccontextmanager
async def beating(seconds: float) -> AsyncIterator[Step]:
    """Beats that are so far apart, as well as this system can."""
    if sys.platform != "linux":
        yield lambda: asyncio.sleep(seconds)
        return
    timer, beaten = _timer(seconds), asyncio.Event()

    def beat() -> None:
        os.read(timer, _COUNT_BYTES)  # how many there were is nothing to us
        beaten.set()

    async def step() -> None:
        beaten.clear()
        await beaten.wait()

    loop = asyncio.get_running_loop()
    loop.add_reader(timer, beat)
    try:
        yield step
    finally:
        loop.remove_reader(timer)
        os.close(timer)


def _timer(seconds: float) -> int:
    """The descriptor of one that runs. OSError."""
    library = ctypes.CDLL(None, use_errno=True)
    timer = int(library.timerfd_create(_MONOTONIC, _NONBLOCK | _CLOEXEC))
    if timer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    whole, part = divmod(round(seconds * 1e9), 1_000_000_000)
    period = (ctypes.c_long * 4)(whole, part, whole, part)  # then every, first
    if library.timerfd_settime(timer, 0, ctypes.byref(period), None):
        os.close(timer)
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return timer
