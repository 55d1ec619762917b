"""What is to end at a time, soonest first: requests that wait, handlers under way.

Pure: numbers and times. What has ended is not taken out, which would cost a search: it is passed over when its time
comes. So as many wait here as were begun within one deadline, at a few dozen bytes each.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf

EARLY_S = 0.001
"""Whose time comes so soon is due: loops count their timers in milliseconds."""

PASSED_MAX = 500
"""That have ended and are passed over at a time: those of a busy link's last seconds are 100,000, which would hold the
loop for 30 ms."""


class Deadlines:
    """Things by number. A number is never used twice."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, number: int, at: float) -> bool:
        """True when this is the soonest now."""
        heappush(self._heap, (at, number))
        return self._heap[0][1] == number

    def due(self, now: float) -> list[int]:
        """Whose time has come, ended or not; they are taken out."""
        found: list[int] = []
        while self._heap and self._heap[0][0] <= now + EARLY_S:
            found.append(heappop(self._heap)[1])
        return found

    def soonest(self, is_open: Callable[[int], bool]) -> float | None:
        """When there is something to do next; a time that is over when more have ended than can be passed over now.
        Those in front that have ended are taken out."""
        for _ in range(PASSED_MAX):
            if not self._heap:
                return None
            if is_open(self._heap[0][1]):
                return self._heap[0][0]
            heappop(self._heap)
        return -inf if self._heap else None
