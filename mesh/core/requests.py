"""Requests that wait for an answer. Each ends exactly once: answer, refusal, loss of the peer, or deadline.

Pure: futures are opaque values to it, so it is tested without a loop.
"""

from typing import Generic, TypeVar

T = TypeVar("T")

PENDING_MAX = 50_000  # of one node: above it `ask` is refused at once instead of queueing without end


class Requests(Generic[T]):
    """Pending requests by number, and which link each went out on."""

    def __init__(self) -> None:
        self._last = 0
        self._pending: dict[int, tuple[int, T]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def __contains__(self, number: int) -> bool:
        return number in self._pending

    @property
    def full(self) -> bool:
        return len(self._pending) >= PENDING_MAX

    def begin(self, link: int, waiter: T) -> int:
        """A new request number, unique for the life of the node."""
        self._last += 1
        self._pending[self._last] = (link, waiter)
        return self._last

    def end(self, number: int, link: int | None = None) -> T | None:
        """The waiter of a request that is over; None when it ended before, or when the answer comes from a link that
        it was not asked on."""
        found = self._pending.get(number)
        if found is None or (link is not None and found[0] != link):
            return None
        del self._pending[number]
        return found[1]

    def lost(self, link: int) -> list[T]:
        """The link is gone: everything that was asked on it ends now."""
        numbers = [number for number, (on, _) in self._pending.items() if on == link]
        return [self._pending.pop(number)[1] for number in numbers]


class Waiting(Generic[T]):
    """Who waits for what, in the order in which they came. At most PENDING_MAX for one thing: the next is refused."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[T, None]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def begin(self, what: str, waiter: T) -> bool:
        """False: too many wait already."""
        waiting = self._waiting.setdefault(what, {})
        if len(waiting) >= PENDING_MAX:
            return False
        waiting[waiter] = None
        return True

    def end(self, what: str, waiter: T) -> None:
        """It does not wait any more."""
        waiting = self._waiting.get(what, {})
        waiting.pop(waiter, None)
        if not waiting:
            self._waiting.pop(what, None)

    def over(self, what: str | None = None) -> list[T]:
        """Take off everybody who waits for this, or all."""
        if what is not None:
            return list(self._waiting.pop(what, {}))
        return [waiter for thing in list(self._waiting) for waiter in self.over(thing)]
