"""Places that are kept for travellers from other zones: for whom, on which map, until when.

Pure. All are kept for the same time, so the order in which they were given is the order in which they end, and whoever
asks pays for those that have ended, not for all.
"""

from collections import Counter, OrderedDict


class Promises:
    """By account."""

    def __init__(self) -> None:
        self._until: OrderedDict[int, tuple[float, str]] = OrderedDict()  # soonest over first
        self._maps: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._until)

    def __contains__(self, account: object) -> bool:
        return account in self._until

    def on_map(self, map_: str) -> int:
        """How many are kept on this map."""
        return self._maps[map_]

    def keep(self, account: int, map_: str, until: float) -> None:
        """`until` never lies before that of an earlier call."""
        self.take(account)
        self._until[account] = (until, map_)
        self._maps[map_] += 1

    def take(self, account: int) -> str | None:
        """The map that this one was promised a place on; the promise ends. None when there was none."""
        found = self._until.pop(account, None)
        if found is None:
            return None
        self._maps[found[1]] -= 1
        if not self._maps[found[1]]:
            del self._maps[found[1]]
        return found[1]

    def forget(self, now: float) -> None:
        """Those whose time is up."""
        while self._until:
            account, (until, _) = next(iter(self._until.items()))
            if until > now:
                return
            self.take(account)
