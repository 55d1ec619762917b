"""What came lately, numbered, for somebody who asks again and again for what is new."""

from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """At most so many; the oldest goes when there is one more. `added` is how many there ever were."""

    def __init__(self, most: int) -> None:
        self.added = 0
        self._kept: deque[T] = deque(maxlen=most)

    def add(self, one: T) -> None:
        self.added += 1
        self._kept.append(one)

    def after(self, number: int, limit: int) -> tuple[int, int, list[T]]:
        """What was added after the first `number`, the oldest first, at most `limit`: the number to ask with next, how
        many in between are gone already, and these. A number that is not reached yet is one of a life before: it counts
        as 0."""
        known = number if number <= self.added else 0
        before = self.added - len(self._kept)
        first = max(known, before)
        found = list(islice(self._kept, first - before, first - before + limit))
        return first + len(found), first - known, found

    def __iter__(self) -> Iterator[T]:
        return iter(self._kept)

    def __reversed__(self) -> Iterator[T]:
        return reversed(self._kept)

    def __len__(self) -> int:
        return len(self._kept)
