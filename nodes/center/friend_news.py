"""How often a player hears what others do to its friend list. Pure.

Whoever changes a list pays for that with its own rate; but many can change the list of one, and a list is long.
"""

from collections import OrderedDict

ASKED_S = 60.0  # somebody hears at most once in this time that the same player wants to be a friend
ASKED_MAX = 20_000  # such pairs; when there are more the oldest is forgotten
PUSH_S = 1.0  # a list that others change goes to its owner once in this time


class Questions:
    """Who was told a moment ago that somebody wants to be a friend."""

    def __init__(self) -> None:
        self._told: OrderedDict[tuple[int, str], float] = OrderedDict()  # oldest first

    def is_new(self, account: int, by: str, now: float) -> bool:
        """May this account be told? Then it counts as told."""
        while self._told:
            pair, at = next(iter(self._told.items()))
            if at + ASKED_S > now and len(self._told) < ASKED_MAX:
                break
            del self._told[pair]
        if (account, by) in self._told:
            return False
        self._told[account, by] = now
        return True


class Pushes:
    """Whose list was sent a moment ago, and whose has changed since."""

    def __init__(self) -> None:
        self._sent: OrderedDict[int, float] = OrderedDict()  # oldest first
        self._waiting: set[int] = set()  # of those

    def is_time(self, account: int, now: float) -> bool:
        """May the list of this account be sent now? Otherwise it will be due."""
        if account in self._sent:
            self._waiting.add(account)
            return False
        self._sent[account] = now
        return True

    def answered(self, account: int) -> None:
        """It has the newest list."""
        self._waiting.discard(account)

    def due(self, now: float) -> list[int]:
        """Whose lists are to be sent now."""
        due: list[int] = []
        while self._sent:
            account, at = next(iter(self._sent.items()))
            if at + PUSH_S > now:
                break
            del self._sent[account]
            if account in self._waiting:
                self._waiting.discard(account)
                due.append(account)
        self._sent |= dict.fromkeys(due, now)
        return due
