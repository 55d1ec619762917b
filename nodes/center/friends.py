"""Friend lists as players see them, and who is to hear of whom.

Pure. The DC owns friendships; the center has the lists of those who are in the zone, and knows who is online. Somebody
who has lost the connection for a moment is online; somebody whose character is being built is not, yet.
"""

from collections.abc import Callable, Iterable, Sequence

from mesh.protocol.sessions import Friendship
from mesh.protocol.social import Blocked, Friend, Friends
from nodes.center.directory import Directory, Presence

ZoneOf = Callable[[int], str]
"""The other zone where an account is in the world, or ""."""


def is_shown(presence: Presence | None) -> bool:
    """Do friends see this one as online?"""
    return presence is not None and presence.stage not in ("entering", "leaving")


def list_of(directory: Directory, friends: Iterable[Friendship], zone_of: ZoneOf) -> Friends:
    """The list for its owner, without those whom it blocks. Whether somebody is online is for friends only, not for
    those who asked."""
    return Friends([_row(directory, f, zone_of) for f in friends if f.state != "blocked"])


def blocked_of(friends: Iterable[Friendship]) -> Blocked:
    """Whom the owner of the list blocks."""
    return Blocked([f.name for f in friends if f.state == "blocked"])


def connected_friends(directory: Directory, friends: Iterable[Friendship]) -> list[Presence]:
    """Friends who are in the zone with a connection: who hears that somebody came or left."""
    there = [directory.of_account(f.account) for f in friends if f.state == "friend"]
    return [p for p in there if p is not None and p.gate and is_shown(p)]


def friend_named(friends: Sequence[Friendship], name: str) -> Friendship | None:
    """A friend (not one who only asked) by name; case does not matter."""
    return next((f for f in friends if f.state == "friend" and f.name.lower() == name.lower()), None)


def _row(directory: Directory, friend: Friendship, zone_of: ZoneOf) -> Friend:
    if friend.state != "friend":
        return Friend(friend.name, friend.state, False)
    if is_shown(directory.of_account(friend.account)):
        return Friend(friend.name, friend.state, True)
    zone = zone_of(friend.account)
    return Friend(friend.name, friend.state, bool(zone), zone)
