"""What a session is, and what it carries: the words that messages about players are made of. No messages in here.

A session is a number that is never used twice: the account in the high bits, a counter of its logins (the session's
epoch, a row in the DC) in the low 24. Of two sessions of one account the greater one is the newer, which is what
fencing compares.
"""

from typing import Annotated, Literal

import msgspec

from mesh.protocol.play import Item
from mesh.protocol.types import U8, U16, U32, U63, Gold, Text, Until

EPOCH_BITS = 24
EPOCH_MAX = (1 << EPOCH_BITS) - 1


def session_of(account: int, epoch: int) -> int:
    """The session number of the `epoch`-th login of an account."""
    return account << EPOCH_BITS | epoch


def account_of(session: int) -> int:
    """Whose session this is. Every account has one character, with the same number."""
    return session >> EPOCH_BITS


class Friendship(msgspec.Struct, frozen=True, array_like=True):
    """One side's view of another account. "blocked": by this side; the other one does not learn of it."""

    account: U63
    name: str
    state: Literal["friend", "asked", "asking", "blocked"]


class Mute(msgspec.Struct, frozen=True, array_like=True):
    """An operator's last word on whether an account may speak."""

    number: U63 = 0  # of all such words about the account: of two the one with the greater number holds
    until_s: Until = 0
    reason: Text = ""


class Status(msgspec.Struct, frozen=True, array_like=True):
    """A character as the DC keeps it: what step 5 loads."""

    account: U63
    name: str
    level: U16
    xp: U32
    hp: U16
    attributes: dict[str, int]
    map: str  # "" for a character that was never in the world
    x: float  # metres
    y: float
    heading: U8
    region: str
    gold: Gold
    items: list[Item]
    friends: list[Friendship]
    mute: Mute = Mute()


class Placement(msgspec.Struct, frozen=True, array_like=True):
    """Where a session plays."""

    scene: str  # node name
    map: str
    line: U16


class Carried(msgspec.Struct, frozen=True, array_like=True):
    """What a session takes along from scene to scene besides its Status: both directions' numbering goes on."""

    processed: U32  # the highest play sequence that was carried out
    sent: U32  # the highest control sequence
    forgotten: U32  # the highest one that is neither acknowledged nor in `ring`
    operation: U63  # the number of its last durable operation
    ring: Annotated[list[tuple[U32, U32, bytes]], msgspec.Meta(max_length=256)] = []  # sequence, age in ms, piece
    dead_s: float = 0.0  # how long it still stays dead
    fought_s: float | None = None  # since the last hit, given or taken; none if there was none
    chat: float | None = None  # what it may still say at once; none: as much as anybody
    offences: float | None = None  # how many bad messages are still forgiven; none: it said none yet
    anew: bool = False  # its scene was lost before, and its client has said nothing since
    nonce: U63 = 0  # of its newest resume token; 0: not known


class Spot(msgspec.Struct, frozen=True, array_like=True):
    """A place on a map, in metres."""

    x: float
    y: float


class PartyAt(msgspec.Struct, frozen=True, array_like=True):
    """A party as scenes know it."""

    party: U63  # its number; 0 for none
    leader: U63  # an account
    shared: bool  # loot: gold is divided among the members who are near, items go to them in turn
    members: Annotated[list[U63], msgspec.Meta(max_length=8)]  # accounts
