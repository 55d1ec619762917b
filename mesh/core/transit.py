"""How long something was on its way, from the stamps of a clock that is not ours.

Two nodes have no common time: what a stamp of the other side and our clock tell together is the time on the way plus a
number that nobody knows. But the number stays the same, and now and then something comes at once: the smallest
difference seen lately is taken for that, and what is above it has waited, in the other side's socket, in the network,
in ours, or in the queue of our loop. Clocks of two machines drift apart by some 10 us a second, so a difference holds
for two windows at most, and the error stays under a few milliseconds. Pure.

Rejected: to compare clocks by questions and answers, which is no more exact and costs messages; and wall clocks, which
somebody may set.
"""

from math import inf

WINDOW_S = 60.0


class Transit:
    """Of one link, one way."""

    __slots__ = ("_before", "_least", "_since")

    def __init__(self) -> None:
        self._least = self._before = inf  # the smallest difference of this window, and of the one before
        self._since = -inf

    def heard(self, said_at: float, now: float) -> float:
        """Said then by their clock, heard now by ours: for how many seconds it has waited."""
        difference = now - said_at
        if now - self._since >= WINDOW_S:
            self._before, self._least, self._since = self._least, difference, now
        elif difference < self._least:
            self._least = difference
        return difference - min(self._least, self._before)
