"""Which nodes there are: members with leases. The server's half; `mesh/registry.py` is everybody's other half.

Pure: takes `now` of the monotonic clock. A member leaves when its lease ends, or at once when it said that it is
draining and its link is gone. A broken link alone is no reason: when the center itself stood still, all its links break
while the zone plays on, and to strike everybody from the list would make the nodes hang up on each other.
"""

from collections.abc import Collection, Iterable

import msgspec

from mesh.protocol.control import Load, Member, State

EXPIRE_S = 0.5  # how often `expire` is meant to be called
PAUSE_S = 1.0  # a longer gap between two calls means that we stood still, and that nobody could renew


class Registry:
    """Members by name, each with the end of its lease."""

    def __init__(self, lease_s: float) -> None:
        self.members: dict[str, Member] = {}
        self._lease_s = lease_s
        self._until: dict[str, float] = {}
        self._expired_at: float | None = None

    def restore(self, members: Iterable[Member], now: float) -> None:
        """What was known before the center was restarted: it holds for one lease, in which they register again."""
        for member in members:
            self.members[member.name] = member
            self._until[member.name] = now + self._lease_s

    def register(self, member: Member, now: float) -> bool:
        """Enter a member, in the place of an older incarnation. True when others should hear of it."""
        before = self.members.get(member.name)
        self.members[member.name] = member
        self._until[member.name] = now + self._lease_s
        return before is None or msgspec.structs.replace(before, load=member.load) != member

    def knows(self, name: str, incarnation: int) -> bool:
        known = self.members.get(name)
        return known is not None and known.incarnation == incarnation

    def renew(self, name: str, state: State, load: Load, now: float) -> bool:
        """Of a member that is known. True when others should hear of it: the load alone is for the center only."""
        before = self.members[name]
        self.members[name] = msgspec.structs.replace(before, state=state, load=load)
        self._until[name] = now + self._lease_s
        return before.state != state

    def remove(self, name: str) -> Member | None:
        """It left. Returns what others should hear."""
        member = self.members.pop(name, None)
        self._until.pop(name, None)
        return msgspec.structs.replace(member, state="Shutdown") if member is not None else None

    def expire(self, now: float, keep: Collection[str] = ()) -> list[Member]:
        """Remove everybody whose lease is over, except `keep`. Returns what others should hear."""
        gap = now - self._expired_at if self._expired_at is not None else 0.0
        self._expired_at = now
        if gap > PAUSE_S:
            self._until = {name: until + gap for name, until in self._until.items()}
        over = [name for name, until in self._until.items() if until <= now and name not in keep]
        return [gone for name in over if (gone := self.remove(name)) is not None]

    def of_role(self, role: str) -> list[Member]:
        return sorted((m for m in self.members.values() if m.role == role), key=lambda m: m.name)
