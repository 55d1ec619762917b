"""The requests of one node that wait for an answer: each ends with it, with the loss of its link, or with its deadline.

Owns the futures. One timer for all of them (`alarm.py`).
"""

import asyncio

from mesh.alarm import Alarm
from mesh.clock import Clock
from mesh.core.requests import Requests
from mesh.errors import PeerLost
from mesh.protocol.envelope import Envelope

Waiter = asyncio.Future[tuple[Envelope, float]]
"""The answer, and when it was heard."""


class Pending:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._requests: Requests[Waiter] = Requests()
        self._alarm = Alarm(clock, self._requests.__contains__, self._too_late)

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def full(self) -> bool:
        return self._requests.full

    def begin(self, link: int, timeout_s: float) -> tuple[int, Waiter]:
        """A request on this link: its number, and what to wait for; TimeoutError when its time is over."""
        waiter: Waiter = asyncio.get_running_loop().create_future()
        number = self._requests.begin(link, waiter)
        self._alarm.set(number, timeout_s)
        return number, waiter

    def end(self, number: int) -> None:
        """Nobody waits any more."""
        self._requests.end(number)

    def answered(self, envelope: Envelope, link: int) -> bool:
        """False: the request had ended, or was asked on another link."""
        waiter = self._requests.end(envelope.request, link)
        if waiter is None or waiter.done():
            return False
        waiter.set_result((envelope, self._clock.now()))
        return True

    def lost(self, link: int, reason: str) -> None:
        """The link is gone."""
        for waiter in self._requests.lost(link):
            if not waiter.done():
                waiter.set_exception(PeerLost(reason))

    def close(self) -> None:
        """The node ends."""
        self._alarm.close()

    def _too_late(self, number: int) -> None:
        waiter = self._requests.end(number)
        if waiter is not None and not waiter.done():
            waiter.set_exception(TimeoutError())
