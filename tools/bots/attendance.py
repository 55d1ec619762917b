"""Who comes, goes and drops out when a run has a shape: one worker's part of the timetable (pure).

Arrivals and departures were worked out before the run (visits.py); when the connection of a visit breaks next is drawn
when it begins, and when it comes back. Each thing that is due is told once, however late it is asked for.
"""

import heapq
import random
from collections.abc import Iterator, Sequence

from tools.bots.shape import Drops
from tools.bots.visits import Visit

AWAY_MIN_S = 0.2  # of real time: below that a connection was not away


class Attendance:
    """Numbers of bots; times on the run's clock, which is `began` at the beginning of the shape."""

    def __init__(self, visits: Sequence[Visit], began: float, drops: Drops | None, speed: float, seed: int) -> None:
        self._visits, self._began, self._drops, self._speed = visits, began, drops, speed
        self._random = random.Random(seed)
        self._at = 0
        self._ends: list[tuple[float, int]] = []
        self._breaks: list[tuple[float, int, float, float]] = []  # when, who, for how long, and when the visit ends

    def due(self, now: float) -> Iterator[tuple[int, float]]:
        """Visits that begin: (number, due)."""
        while self._at < len(self._visits):
            visit = self._visits[self._at]
            starts = self._began + visit.starts
            if starts > now:
                return
            self._at += 1
            heapq.heappush(self._ends, (self._began + visit.ends, visit.number))
            self._plan_break(visit.number, starts, self._began + visit.ends)
            yield visit.number, starts

    def leaving(self, now: float) -> Iterator[int]:
        """Visits that are over."""
        while self._ends and self._ends[0][0] <= now:
            yield heapq.heappop(self._ends)[1]

    def dropping(self, now: float) -> Iterator[tuple[int, float]]:
        """Connections that break, and for how long."""
        while self._breaks and self._breaks[0][0] <= now:
            at, number, away_s, ends = heapq.heappop(self._breaks)
            self._plan_break(number, at + away_s, ends)
            yield number, away_s

    def _plan_break(self, number: int, after: float, ends: float) -> None:
        """The next one of this visit, when it comes back in time."""
        if self._drops is None:
            return
        at = after + self._random.expovariate(self._speed / self._drops.every_s)
        away_s = max(self._random.expovariate(self._speed / self._drops.away_s), AWAY_MIN_S)
        if at + away_s < ends:
            heapq.heappush(self._breaks, (at, number, away_s, ends))
