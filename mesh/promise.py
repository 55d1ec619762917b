"""An answer that comes later, to what is asked ten thousand times a second.

Whoever waits, and that is one, is called at once, in the same turn of the loop. An `asyncio.Future` costs a handle and
a turn of the loop for each answer; here who gives many of them sees to it when that is.
"""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Promise(Generic[T]):
    """See the module."""

    then: Callable[["Promise[Any]", Any], None] | None = None
    """Who waits: called with the promise and the answer, or the error that there is instead."""
    is_over = False
    is_in_part = False  # are some of the answers promises themselves, of one answer each?

    def keep(self, answer: T | Exception) -> None:
        """Say it; when nobody waits any more, to nobody."""
        if not self.is_over:
            self.is_over = True
            if self.then is not None:
                self.then(self, answer)

    def give_up(self) -> None:
        """Nobody waits for it any more: the work need not be begun. What has begun goes on."""
        self.is_over = True

    def cancelled(self) -> bool:
        """Does nobody wait for it any more?"""
        return self.is_over
