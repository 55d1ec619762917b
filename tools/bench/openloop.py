"""Work at a fixed rate, whether the last is done or not, with every time counted from when it was due.

Whoever waits for an answer before the next question measures a server that is never late. It watches itself: when it
could not keep to its times, its figures say nothing about anybody else. Nor do they include what it does with an
answer, when it is told at what time that was heard: hundreds come at once, and each would wait for those before it.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mesh.clock import Clock
from mesh.errors import MeshError
from tools.bench.beat import Step

STEP_S = 0.001  # between two looks at what is due; what is due in one step is begun together
LATE_MS_MAX = 5.0  # p99 of how late we were
AFTER_S = 10.0  # for what is under way at the end
FAILURES_SHOWN = 3


@dataclass
class Pace:
    """What was done, and how long it took."""

    seconds: float = 0.0
    begun: int = 0
    took_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)  # our own, at every look
    failures: dict[str, int] = field(default_factory=dict)
    under_way: int = 0
    under_way_max: int = 0

    @property
    def done_per_s(self) -> float:
        return len(self.took_ms) / self.seconds

    def quantile(self, share: float) -> float:
        return quantile(self.took_ms, share)

    @property
    def invalid(self) -> list[str]:
        """Why this says nothing: work that failed, or we were late."""
        found = [f"{count:,} x {text}" for text, count in list(self.failures.items())[:FAILURES_SHOWN]]
        late = quantile(self.late_ms, 0.99)
        if late > LATE_MS_MAX:
            found.append(f"the generator was {late:.1f} ms late (p99), at most {LATE_MS_MAX:.0f} ms")
        lost = self.begun - len(self.took_ms) - sum(self.failures.values())
        if lost:
            found.append(f"{lost:,} were not done within {AFTER_S:.0f} s")
        return found


async def at_rate(
    clock: Clock,
    per_s: float,
    seconds: float,
    work: Callable[[int], Awaitable[float | None]],
    count: int = 0,
    step: Step | None = None,
) -> Pace:
    """Call `work` with 0, 1, 2 ... at this rate; not more often than `count`, unless that is 0. It returns the time at
    which it was over, None for now; what raises a MeshError is counted as failed. Work that is a future needs no
    task. `step` waits for the next look at what is due; None: STEP_S."""
    wait = step or partial(asyncio.sleep, STEP_S)
    pace, tasks, mistakes = Pace(), set[asyncio.Future[Any]](), list[BaseException]()

    def over(due: float, done: asyncio.Future[float | None]) -> None:
        tasks.discard(done)
        pace.under_way -= 1
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            at = done.result()
            pace.took_ms.append(((clock.now() if at is None else at) - due) * 1000)
        elif isinstance(error, MeshError | TimeoutError):
            text = str(error) or "not answered in time"
            pace.failures[text] = pace.failures.get(text, 0) + 1
        else:
            mistakes.append(error)

    gc.collect()
    gc.disable()  # what we hold would stop us for 10 ms at a time
    try:
        began = clock.now()
        while (passed := clock.now() - began) < seconds or pace.begun < count:
            if passed * per_s > pace.begun:
                pace.late_ms.append((passed - pace.begun / per_s) * 1000)
            while pace.begun <= passed * per_s and (not count or pace.begun < count):
                begun: asyncio.Future[float | None] = asyncio.ensure_future(work(pace.begun))
                tasks.add(begun)
                begun.add_done_callback(partial(over, began + pace.begun / per_s))
                pace.begun += 1
                pace.under_way += 1
            pace.under_way_max = max(pace.under_way_max, pace.under_way)
            await wait()
        pace.seconds = clock.now() - began
        if tasks:
            await asyncio.wait(tasks, timeout=AFTER_S)
        pace.seconds = max(pace.seconds, pace.begun / per_s)
    finally:
        gc.enable()
        for task in list(tasks):
            task.cancel()
    if mistakes:
        raise mistakes[0]
    return pace


def quantile(numbers: list[float], share: float) -> float:
    return sorted(numbers)[min(len(numbers) - 1, int(share * len(numbers)))] if numbers else 0.0
