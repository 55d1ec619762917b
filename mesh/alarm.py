"""Ends what takes too long: one timer of the loop for everything that a part of a node waits for.

Rejected: a timer for each request and each handler. Almost every one of them is made and cancelled for nothing, and a
login has a dozen.
"""

import asyncio
from collections.abc import Callable

from mesh.clock import Clock
from mesh.core.deadlines import Deadlines

AGAIN_S = 0.001  # when there is more to look at: the loop has other things to do, too


class Alarm:
    """`ring` is called with the number of each thing that is still open when its time has come; `is_open` tells."""

    def __init__(self, clock: Clock, is_open: Callable[[int], bool], ring: Callable[[int], None]) -> None:
        self._clock, self._is_open, self._ring = clock, is_open, ring
        self._deadlines = Deadlines()
        self._timer: asyncio.TimerHandle | None = None

    def set(self, number: int, after_s: float) -> None:
        """This one has so much time from now on."""
        now = self._clock.now()
        look_at = self._deadlines.add(number, now + after_s)
        if look_at is not None:
            self._arm(max(0.0, look_at - now))

    def close(self) -> None:
        """Nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, after_s: float) -> None:
        self.close()
        self._timer = asyncio.get_running_loop().call_later(after_s, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._clock.now()
        due = iter(self._deadlines.due(now, self._is_open))
        try:
            for number in due:
                if self._is_open(number):  # one before it may have ended it
                    self._ring(number)
        finally:
            for number in due:  # one before it has failed
                self._deadlines.add(number, now)
            soonest = self._deadlines.soonest(self._is_open)
            if soonest is not None:
                self._arm(max(AGAIN_S, soonest - now))
