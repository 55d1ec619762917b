"""Who wants to know when somebody comes, moves or goes: friends, parties, the other zones.

A watcher is told after the directory has changed, in the same turn of the loop. It must not wait and must not change
the directory; what it has to ask somebody it does in a task of its own.
"""

from typing import Protocol

from nodes.center.directory import Presence


class Watcher(Protocol):
    """See the module."""

    def came(self, presence: Presence) -> None:
        """It is in the zone now, or goes on with a newer session; also when a center that started anew found it."""

    def moved(self, presence: Presence) -> None:
        """It is on another line, lost its connection, or has one again."""

    def went(self, presence: Presence, why: str) -> None:
        """It is in the zone no more: "logout", "expired", "kick", "lost" or "travel"."""
