"""What makes one place better than another: how busy a scene is, and who is where already.

Pure. Which line a player gets is decided by `lines.py` with these measures. The load that scenes report is up to a
second old, so what the center itself has sent there counts, too: otherwise a burst of logins would all go to the scene
that looked best before it began.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from mesh.protocol.control import Member
from mesh.protocol.sessions import Friendship, PartyAt
from nodes.center.directory import Directory

NOMINAL_CAPACITY = 5_000  # players of one scene; what its share is measured against
PRESSURE_FREE = 0.5  # up to this share of its time a scene may be busy and is as good as an idle one


@dataclass(frozen=True, slots=True)
class Company:
    """With whom a player would like to be: how many of them are on a line, by map and number."""

    party: Counter[tuple[str, int]] = field(default_factory=Counter)
    friends: Counter[tuple[str, int]] = field(default_factory=Counter)


NOBODY = Company()


class Companions:
    """Finds a player's company. `party_of` tells in which party an account is."""

    def __init__(self, directory: Directory, party_of: Callable[[int], PartyAt | None]) -> None:
        self._directory, self.party_of = directory, party_of

    def of(self, account: int, friends: Iterable[Friendship]) -> Company:
        """Those whom it can meet now."""
        party = self.party_of(account)
        members = set(party.members) - {account} if party is not None else set()
        liked = {friend.account for friend in friends if friend.state == "friend"} - members
        return Company(self._where(members), self._where(liked))

    def _where(self, accounts: Iterable[int]) -> Counter[tuple[str, int]]:
        there = (self._directory.of_account(account) for account in accounts)
        return Counter((p.map, p.line) for p in there if p is not None and p.stage in ("online", "linkdead"))


def taken(scene: Member, placed: int) -> float:
    """The share of a scene's room that is taken. `placed`: players whom the center has sent there."""
    return max(placed, scene.load.players) / NOMINAL_CAPACITY


def strain(scene: Member) -> float:
    """How hard a scene's processor works beyond what does no harm, 0 to 1.

    Pressure is old news that jumps about: below PRESSURE_FREE it says nothing about where the next player should go,
    and to follow it there would send a whole burst to the scene that happened to have the quieter second.
    """
    return max(0.0, scene.load.pressure - PRESSURE_FREE) / (1.0 - PRESSURE_FREE)
