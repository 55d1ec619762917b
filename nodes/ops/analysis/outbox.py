"""What still has to be sent over one channel: a bounded queue with retries. Pure.

A delivery is tried TRIES_MAX times, with pauses that double from FIRST_S up to PAUSE_S_MAX. The queue holds
WAITING_MAX; what is older gives way to what is newer and is counted: who could not be told for so long wants to hear
how it is now.
"""

from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

WAITING_MAX = 100
TRIES_MAX = 8
FIRST_S, PAUSE_S_MAX = 2.0, 120.0

T = TypeVar("T")


@dataclass(slots=True)
class _Waiting(Generic[T]):
    item: T
    due_s: float
    tries: int = 0


class Outbox(Generic[T]):
    """See the module."""

    def __init__(self) -> None:
        self._waiting: deque[_Waiting[T]] = deque()
        self.sent = 0
        self.failed = 0  # tries
        self.dropped = 0  # given up, or no room

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, item: T, now: float) -> None:
        """To be sent as soon as possible."""
        if len(self._waiting) >= WAITING_MAX:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(_Waiting(item, now))

    def due(self, now: float) -> T | None:
        """The oldest whose time has come; it stays until it was `done` or has `failed`."""
        return next((one.item for one in self._waiting if one.due_s <= now), None)

    def done(self, item: T) -> None:
        """It was sent."""
        self.sent += 1
        self._remove(item)

    def fail(self, item: T, now: float) -> bool:
        """It could not be sent. Is it tried again?"""
        self.failed += 1
        one = next((one for one in self._waiting if one.item is item), None)
        if one is None:
            return False
        one.tries += 1
        if one.tries >= TRIES_MAX:
            self.dropped += 1
            self._remove(item)
            return False
        one.due_s = now + min(PAUSE_S_MAX, FIRST_S * 2.0 ** (one.tries - 1))
        return True

    def _remove(self, item: T) -> None:
        self._waiting = deque(one for one in self._waiting if one.item is not item)
