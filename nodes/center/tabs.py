"""What each account has used up of what it may do, for as long as that takes to come back.

Pure. It is kept by account and not by session, so that nobody gets anything back by logging out and in. Whoever was
heard last is at the end of the table; one whose buckets are full again is forgotten, and when the table is full the one
that was not heard for the longest time.
"""

import math
from collections import OrderedDict

from mesh.core.bucket import Bucket

TABS_MAX = 20_000  # accounts
SWEEP = 2  # old ones that are looked at for each one that is heard: more than can be added


class Tab:
    """Of one account."""

    __slots__ = ("_at", "_buckets", "until")

    def __init__(self) -> None:
        self.until = -math.inf  # from then on there is nothing to remember
        self._buckets: dict[str, Bucket] = {}  # by kind, made with the first thing of a kind
        self._at: dict[str, float] = {}  # by kind: when it was done last

    def take(self, kind: str, per_s: float, burst: int, now: float, count: int = 1) -> bool:
        """So many of a kind at once, or none of them."""
        bucket = self._buckets.get(kind)
        if bucket is None:
            bucket = self._buckets[kind] = Bucket(per_s, burst, now)
        bucket.rate, bucket.burst = per_s, burst  # under pressure there is less of some kinds
        if bucket.holds(now) < count:
            return False
        bucket.take(now, count)
        self.until = max(self.until, now + burst / per_s)
        return True

    def wait_s(self, kind: str, now: float) -> float:
        """How long until one of this kind, which was taken before, may be taken."""
        return self._buckets[kind].wait_s(now)

    def give_back(self, kind: str) -> None:
        """One of this kind, which was taken, is not to count."""
        self._buckets[kind].give_back()

    def once(self, kind: str, every_s: float, now: float) -> bool:
        """Something that may be done once in a time: is it time again? Then it counts as done."""
        if now - self._at.get(kind, -math.inf) < every_s:
            return False
        self._at[kind] = now
        self.until = max(self.until, now + every_s)
        return True


class Tabs:
    """See the module."""

    def __init__(self) -> None:
        self._tabs: OrderedDict[int, Tab] = OrderedDict()  # who was heard last comes last

    def __len__(self) -> int:
        return len(self._tabs)

    def of(self, account: int, now: float) -> Tab:
        """To be used at once: it may be forgotten when somebody else is heard."""
        tab = self._tabs.get(account)
        if tab is None:
            tab = self._tabs[account] = Tab()
            self._forget(account, now)
        self._tabs.move_to_end(account)
        return tab

    def _forget(self, but: int, now: float) -> None:
        for _ in range(SWEEP):
            oldest, tab = next(iter(self._tabs.items()))
            if oldest == but or (tab.until > now and len(self._tabs) <= TABS_MAX):
                return
            del self._tabs[oldest]
