"""Who in the zone blocks whom. A watcher; pure.

The lists of friends say it from the side of who blocks; a message has to know it from the side of who speaks, quickly.
"""

from collections.abc import Iterable

from mesh.protocol.sessions import Friendship
from nodes.center.directory import Presence

_NOBODY: frozenset[int] = frozenset()


class Blocks:
    """Accounts by the account that they block."""

    def __init__(self) -> None:
        self._by: dict[int, set[int]] = {}  # who is blocked -> who blocks it
        self._of: dict[int, frozenset[int]] = {}  # who blocks -> whom

    def against(self, account: int) -> set[int] | frozenset[int]:
        """Those in the zone who want to hear nothing of this account."""
        return self._by.get(account, _NOBODY)

    def are_between(self, hearer: int, speaker: int) -> bool:
        """Does `hearer` block `speaker`?"""
        return speaker in self._of.get(hearer, _NOBODY)

    def change(self, account: int, friends: Iterable[Friendship]) -> None:
        """The list of somebody in the zone is now this."""
        before, now = self._of.pop(account, _NOBODY), frozenset(f.account for f in friends if f.state == "blocked")
        for other in before - now:
            self._by[other].discard(account)
            if not self._by[other]:
                del self._by[other]
        for other in now - before:
            self._by.setdefault(other, set()).add(account)
        if now:
            self._of[account] = now

    # --- as a watcher ---

    def came(self, presence: Presence) -> None:
        self.change(presence.account, presence.friends)

    def moved(self, presence: Presence) -> None:
        """Where somebody is makes no difference."""

    def went(self, presence: Presence, _why: str) -> None:
        self.change(presence.account, ())
