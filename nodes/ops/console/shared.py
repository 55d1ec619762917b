"""Answers that several consoles ask for at the same moment: worked out and encoded once.

A hundred people who look at the same chart ask the same question within a second. The first one has it answered, the
others get the same bytes. Only what is the same for everybody may be asked for through here.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from mesh.clock import Clock

ANSWERS_MAX = 256  # kept at a time; the oldest goes


class Shared:
    """See the module."""

    def __init__(self, clock: Clock, keep_s: float) -> None:
        self._clock, self._keep_s = clock, keep_s
        self._answers: OrderedDict[str, tuple[float, asyncio.Future[bytes]]] = OrderedDict()
        self.made = 0
        self.asked = 0

    async def get(self, question: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """What `make` returns, or returned a moment ago; whoever waits for the same gets the same error."""
        self.asked += 1
        known = self._answers.get(question)
        if known is None or (known[1].done() and self._clock.now() - known[0] >= self._keep_s):
            known = (self._clock.now(), asyncio.ensure_future(make()))
            known[1].add_done_callback(lambda done: self._forget_failed(question, done))
            self.made += 1
            self._answers[question] = known
            self._answers.move_to_end(question)
            while len(self._answers) > ANSWERS_MAX:
                self._answers.popitem(last=False)
        return await asyncio.shield(known[1])  # one who goes away takes the answer from nobody

    def forget(self) -> None:
        """Something has changed: the next one who asks is to see it."""
        self._answers.clear()

    def _forget_failed(self, question: str, done: asyncio.Future[bytes]) -> None:
        """An error is told to those who wait for it and asked for anew by the next one."""
        if done.cancelled() or done.exception() is not None:
            known = self._answers.get(question)
            if known is not None and known[1] is done:
                del self._answers[question]
