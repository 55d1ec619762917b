"""Friend lists as players see them, and who is to hear of whom.

Pure. The DC owns friendships; the center has the lists of those who are in the zone, and knows who is online. Somebody
who has lost the connection for a moment is online; somebody whose character is being built is not, yet.
"""

from collections.abc import Iterable, Sequence

from mesh.protocol.cluster import Friendship
from mesh.protocol.social import Friend, Friends
from nodes.center.directory import Directory, Presence


def is_shown(presence: Presence | None) -> bool:
    """Do friends see this one as online?"""
    return presence is not None and presence.stage in ("online", "linkdead")


def list_of(directory: Directory, friends: Iterable[Friendship]) -> Friends:
    """The list for its owner. Whether somebody is online is for friends only, not for those who asked."""
    return Friends(
        [Friend(f.name, f.state, f.state == "friend" and is_shown(directory.of_account(f.account))) for f in friends]
    )


def watchers(directory: Directory, friends: Iterable[Friendship]) -> list[Presence]:
    """Friends who are in the zone with a connection: who hears that somebody came or left."""
    there = [directory.of_account(f.account) for f in friends if f.state == "friend"]
    return [p for p in there if p is not None and p.stage == "online"]


def friend_named(friends: Sequence[Friendship], name: str) -> Friendship | None:
    """A friend (not one who only asked) by name; case does not matter."""
    return next((f for f in friends if f.state == "friend" and f.name.lower() == name.lower()), None)
