"""Limits of one client and of one address, as arithmetic on counts and times.

Owns nothing but numbers; what happens at a limit is decided in `intake.py` and `node.py`.
"""

from collections import Counter
from functools import lru_cache
from ipaddress import ip_address

AGAIN_MAX = 256
"""What a client may keep and send again at once where it has come by a resume or a transfer: no rate refuses that."""
AGAIN_S = 10.0
"""It is allowed that at most once in this time: who is transferred to and fro is not heard without a limit."""


class Offences:
    """What one client did wrong lately. Made with the first offence: most clients never have one."""

    __slots__ = ("_answered_at", "_excess_at", "_excess_since", "_garbage", "_garbage_since", "exceeded")

    GAP_S = 1.0  # without an excess for this long: it is over
    ANSWER_S = 1.0  # at most one Denied(too_many) in this time, so that a flood is not answered by a flood

    def __init__(self, now: float) -> None:
        self._garbage = 0
        self._garbage_since = now
        self._excess_since = self._excess_at = self._answered_at = float("-inf")
        self.exceeded = 0  # messages above a rate since this began

    def garbage(self, now: float, window_s: float) -> int:
        """One more bad message: how many there were since the first one of this window."""
        if now - self._garbage_since > window_s:
            self._garbage, self._garbage_since = 0, now
        self._garbage += 1
        return self._garbage

    def excess(self, now: float) -> float:
        """One more message above a rate: for how many seconds this has been going on."""
        if now - self._excess_at > self.GAP_S:
            self._excess_since, self.exceeded = now, 0
        self._excess_at = now
        self.exceeded += 1
        return now - self._excess_since

    def may_answer(self, now: float) -> bool:
        """Is it time to say Denied(too_many) again?"""
        if now - self._answered_at < self.ANSWER_S:
            return False
        self._answered_at = now
        return True


class Addresses:
    """How many connections there are, in all and from each address."""

    def __init__(self, in_all_max: int, each_max: int) -> None:
        self.in_all = 0
        self._in_all_max, self._each_max = in_all_max, each_max
        self._each: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """One more, unless that is too many. Loopback is not limited: a proxy, a load test, a demo."""
        if self.in_all >= self._in_all_max:
            return False
        if self._each[address] >= self._each_max and not is_loopback(address):
            return False
        self.in_all += 1
        self._each[address] += 1
        return True

    def leave(self, address: str) -> None:
        """One fewer; forget addresses without connections."""
        self.in_all -= 1
        self._each[address] -= 1
        if not self._each[address]:
            del self._each[address]


@lru_cache(maxsize=1024)
def is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
