"""Who is in the other zones of the cluster, as their centers say.

Pure. For friends' lists, for whispers and for notices; where an account really is the claims decide (`claims.py`). What
a zone said holds for a while after the link to its center broke: play goes on there, and a center that starts anew
needs a moment.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from mesh.protocol.zones import Present

FORGET_S = 30.0  # a zone that nothing is heard of for so long has nobody, as far as friends can see


@dataclass(slots=True)
class Neighbour:
    """One other zone."""

    zone: str
    center: str  # node name
    players: int = 0
    capacity: int = 0
    present: dict[int, Present] = field(default_factory=dict)  # by account
    unlinked_at: float | None = 0.0  # since when its center cannot be reached; None: it can

    @property
    def is_linked(self) -> bool:
        return self.unlinked_at is None

    @property
    def has_room(self) -> bool:
        return self.is_linked and self.players < self.capacity


class Neighbours:
    """All other zones."""

    def __init__(self, centers: Iterable[tuple[str, str]], now: float) -> None:
        """`centers` are (node name, zone) pairs."""
        self._by_center = {center: Neighbour(zone, center, unlinked_at=now) for center, zone in centers}

    # --- looking ---

    def all(self) -> list[Neighbour]:
        return list(self._by_center.values())

    def linked(self) -> list[Neighbour]:
        return [zone for zone in self.all() if zone.is_linked]

    def of_center(self, center: str) -> Neighbour:
        """KeyError for a node that is no other zone's center: nobody else may say what is heard here."""
        return self._by_center[center]

    def of_zone(self, name: str) -> Neighbour | None:
        return next((zone for zone in self.all() if zone.zone == name), None)

    def of_account(self, account: int) -> tuple[Neighbour, Present] | None:
        """Where it is. While it moves, two zones may name it: the newer session is the true one."""
        found = [(zone, zone.present[account]) for zone in self.all() if account in zone.present]
        return max(found, key=lambda at: at[1].session, default=None)

    def zone_of(self, account: int) -> str:
        """The zone that it is in; "" for none of these."""
        found = self.of_account(account)
        return found[0].zone if found is not None else ""

    def split(self, accounts: Iterable[int]) -> dict[str, list[int]]:
        """Those of the accounts that are in other zones, by the name of their center; only where it can be reached."""
        found: dict[str, list[int]] = {}
        for account in accounts:
            at = self.of_account(account)
            if at is not None and at[0].is_linked:
                found.setdefault(at[0].center, []).append(account)
        return found

    # --- what is heard ---

    def came(self, center: str, who: Present) -> bool:
        """Somebody came into a zone, or is there with another session or other friends. True: it was not there."""
        present = self._by_center[center].present
        is_new = who.account not in present
        present[who.account] = who
        return is_new

    def went(self, center: str, account: int) -> Present | None:
        """Somebody left a zone. None when it was not there."""
        return self._by_center[center].present.pop(account, None)

    def whole(self, center: str, present: Iterable[Present]) -> tuple[list[Present], list[Present]]:
        """Everybody who is in a zone: who is new to us, and who is gone."""
        zone = self._by_center[center]
        before, zone.present = zone.present, {who.account: who for who in present}
        new = [who for account, who in zone.present.items() if account not in before]
        return new, [who for account, who in before.items() if account not in zone.present]

    # --- links ---

    def linked_to(self, center: str) -> None:
        self._by_center[center].unlinked_at = None

    def unlinked_from(self, center: str, now: float) -> None:
        self._by_center[center].unlinked_at = now

    def forget(self, now: float) -> list[Present]:
        """Whom nobody has been able to ask about for too long."""
        gone: list[Present] = []
        for zone in self.all():
            if zone.present and zone.unlinked_at is not None and now - zone.unlinked_at > FORGET_S:
                gone += zone.present.values()
                zone.present = {}
        return gone
