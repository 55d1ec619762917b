"""Time as an argument: the only module that reads a clock.

`now` is monotonic and is what leases, deadlines and ticks use; `wall` is the date and is only ever shown or
stored. A wall clock that jumps by an hour therefore changes no decision.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """What a node may know about time."""

    def now(self) -> float:
        """Seconds on a clock that never goes back; the zero is arbitrary but shared by one machine."""
        ...

    def wall(self) -> float:
        """Seconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clocks. On Linux `now` is CLOCK_MONOTONIC, so processes of one machine can compare it."""

    now = staticmethod(time.monotonic)  # these two are asked for with each message: no call of ours around them
    wall = staticmethod(time.time)

    def stand_still(self, seconds: float) -> None:
        """Have the calling thread do nothing: what failpoints do to it."""
        time.sleep(seconds)
