"""The answers that a node has promised, and for how long somebody waits for them.

One promise is for all that was heard in one go and together. When the time of the last of those who asked is over it is
given up, which says that the work need not be begun: what has begun goes on.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mesh.clock import Clock
from mesh.core.links import Link
from mesh.metrics import Histogram
from mesh.promise import Promise
from mesh.protocol.envelope import Envelope
from mesh.trace import TraceContext

SWEEP_S = 0.25  # between two looks at what is promised: by so much it is given up too late at most


class Asked(NamedTuple):
    """Messages that were heard together."""

    link: Link
    envelopes: Sequence[Envelope]
    received: float
    context: TraceContext | None
    handler: object
    until: float  # who has asked last waits
    took: Histogram  # how long it took from these messages to their answers


Answer = Callable[[Asked, Sequence[Any] | Exception], None]
"""Tell those who asked: of each its answer, or the error that there is instead; or one for all."""


class Promised:
    """See the module."""

    def __init__(self, clock: Clock, answer: Answer) -> None:
        self._clock, self._answer = clock, answer
        self._asked: dict[Promise[Sequence[Any]], Asked] = {}
        self._will_sweep = False  # look at them
        self.under_way = 0  # messages whose answers are promised
        self.given_up = 0  # and of those whose time was over before

    def add(self, promise: Promise[Sequence[Any]], asked: Asked) -> None:
        """Its answers are for these."""
        if not self._will_sweep:
            self._sweep_soon()
        self._asked[promise] = asked
        self.under_way += len(asked.envelopes)
        promise.then = self._kept

    def _kept(self, promise: Promise[Sequence[Any]], answers: Sequence[Any] | Exception) -> None:
        asked = self._asked.pop(promise)
        self.under_way -= len(asked.envelopes)
        if promise.is_in_part and not isinstance(answers, Exception):
            asked, answers = self._part(asked, answers)
        if answers:
            self._answer(asked, answers)

    def _part(self, asked: Asked, answers: Sequence[Any]) -> tuple[Asked, Sequence[Any]]:
        """What can be told now; who is to have another answer waits for it alone."""
        there: list[Envelope] = []
        told: list[Any] = []
        for envelope, answer in zip(asked.envelopes, answers, strict=True):
            if isinstance(answer, Promise):
                self.add(answer, asked._replace(envelopes=[envelope]))
            else:
                there.append(envelope)
                told.append(answer)
        return asked._replace(envelopes=there), told

    def _sweep(self) -> None:
        """Give up the answers for which nobody waits any more: to say "refused" would be to say "not done". One look
        at all of them now and then is less work than a deadline for each."""
        now = self._clock.now()
        for promise, asked in list(self._asked.items()):
            if asked.until <= now:
                promise.give_up()
                del self._asked[promise]
                self.under_way -= len(asked.envelopes)
                self.given_up += len(asked.envelopes)
        self._will_sweep = False
        if self._asked:
            self._sweep_soon()

    def _sweep_soon(self) -> None:
        """There is never more than one that is to come, however often nothing was promised in between."""
        self._will_sweep = True
        asyncio.get_running_loop().call_later(SWEEP_S, self._sweep)
