"""What is to end at a time, soonest first: requests that wait, handlers under way.

Pure: numbers and times. Nearly everything ends long before its time, so what is far off lies unsorted in the slot of
its time, and when that comes only what has not ended is sorted. Rejected: one heap for all, in which a busy link's
last five seconds are 100,000 that have ended, and each is taken out by 17 comparisons.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf

EARLY_S = 0.001
"""Whose time comes so soon is due: loops count their timers in milliseconds."""

SLOT_S = 0.125

PASSED_MAX = 500
"""That have ended and are passed over at a time, not to hold the loop."""


class Deadlines:
    """Things by number. A number is never used twice."""

    def __init__(self) -> None:
        self._near: list[tuple[float, int]] = []  # a heap: of the slots whose time has come
        self._slots: dict[int, dict[int, float]] = {}  # of the others, by how many SLOT_S they begin after 0
        self._order: list[int] = []  # a heap of those
        self._last = -1  # the last slot whose time has come

    def __len__(self) -> int:
        return len(self._near) + sum(map(len, self._slots.values()))

    def add(self, number: int, at: float) -> float | None:
        """When to look at the soonest, if that is earlier because of this one."""
        slot = int(at / SLOT_S)
        there = self._slots.get(slot)
        if there is not None:
            there[number] = at
            return None
        if slot <= self._last:
            heappush(self._near, (at, number))
            return at if self._near[0][1] == number else None
        self._slots[slot] = {number: at}
        heappush(self._order, slot)
        return slot * SLOT_S if not self._near and self._order[0] == slot else None

    def due(self, now: float, is_open: Callable[[int], bool]) -> list[int]:
        """Whose time has come and who has not ended; they are taken out."""
        until, near = now + EARLY_S, self._near
        while self._order and self._order[0] * SLOT_S <= until:
            self._last = heappop(self._order)
            for number, at in self._slots.pop(self._last).items():
                if is_open(number):
                    heappush(near, (at, number))
        found: list[int] = []
        while near and near[0][0] <= until:
            number = heappop(near)[1]
            if is_open(number):
                found.append(number)
        return found

    def soonest(self, is_open: Callable[[int], bool]) -> float | None:
        """When there is something to look at next; a time that is over when more have ended than can be passed over
        now. Those in front that have ended are taken out."""
        near = self._near
        for _ in range(PASSED_MAX):
            if not near:
                return self._order[0] * SLOT_S if self._order else None
            if is_open(near[0][1]):
                return near[0][0]
            heappop(near)
        return -inf
