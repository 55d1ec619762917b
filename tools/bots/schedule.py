"""When things are due: an open-loop timetable (pure).

Bots move and log in at times that were fixed beforehand, whether or not the server has answered. What is done later
than due is done at once, and how late it was is measured: that lag belongs to the bots, not to the server, and a run
in which it is large says nothing (see verdict.py). The rejected way is a pause after each answer: it slows the load
down whenever the server is slow, and so hides exactly what a load test looks for.
"""

import math
from collections.abc import Iterator

SLOTS_PER_S = 200  # a worker wakes up this often: bots of one slot move together


class Arrivals:
    """Which bots start when: number i of all starts at (i - begin) / rate; this worker has every `stride`-th from
    `first`, and those below `begin` are in already."""

    def __init__(self, start: float, count: int, rate: float, first: int, stride: int, begin: int = 0) -> None:
        assert rate > 0
        self._start = start
        self._rate = rate
        self._begin = begin
        self._numbers = range(begin + (first - begin) % stride, count, stride)
        self._at = 0

    def due(self, now: float) -> Iterator[tuple[int, float]]:
        """Bots whose time has come, each once: (number, due)."""
        while self._at < len(self._numbers):
            number = self._numbers[self._at]
            due = self._start + (number - self._begin) / self._rate
            if due > now:
                return
            self._at += 1
            yield number, due

    @property
    def done(self) -> bool:
        return self._at == len(self._numbers)


class Wheel:
    """The moves of a worker's bots, spread evenly: bots of slot k are due at start + (n + k / slots) * period."""

    def __init__(self, start: float, per_second: float) -> None:
        assert per_second > 0
        self.period = 1 / per_second
        self.slots = max(1, math.ceil(SLOTS_PER_S / per_second))
        self._start = start
        self._next = 0  # counts slots since the start

    def due(self, now: float) -> Iterator[tuple[int, int, float]]:
        """Slots whose time has come, each once: (revolution, slot, due)."""
        while (due := self.next_due) <= now:
            revolution, slot = divmod(self._next, self.slots)
            self._next += 1
            yield revolution, slot, due

    def missed(self, due: float, now: float) -> bool:
        """Late by more than a whole period: the next move is due already, and of two the scene takes only the later."""
        return now - due > self.period

    @property
    def next_due(self) -> float:
        return self._start + self._next * self.period / self.slots
