"""What is asked of the DC about a world that lives, and what operators ask: durable operations, saved states, rows.

The class of durability is part of what a message means: D is acknowledged when it is on disk, C when it is in memory.
"""

from typing import Annotated, Any, Literal

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.play import Item
from mesh.protocol.sessions import Friendship
from mesh.protocol.types import I64, U8, U16, U63, Gold, Label, Name, Secret, Text


@message("scene -> dc", step=9, answers=("Done",))
class SaveStates(Message, frozen=True, tag=150):
    """Class C: where characters are and how they feel. Done means: applied in memory, on disk within a second."""

    map: Label
    sessions: bytes  # u64[n], little-endian
    states: bytes  # lanes.STATE[n]


class GoldMove(msgspec.Struct, frozen=True, array_like=True):
    """Coins from one purse to another. A purse is an account; 0 mints and -1 burns."""

    source: I64
    target: I64
    amount: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]


class ItemMove(msgspec.Struct, frozen=True, array_like=True):
    """An item from its owner to another; owner 0 makes it (id 0, with a kind), -1 destroys it."""

    item: U63
    source: I64
    target: I64
    kind: Label = ""


@message("scene -> dc", step=9, answers=("Operated",))
class Operate(Message, frozen=True, tag=151):
    """Class D: one operation, one transaction, exactly once. The id is (session, sequence)."""

    session: U63
    sequence: U63
    kind: Label  # "loot", "trade", "advance", ...
    parties: Annotated[list[U63], msgspec.Meta(max_length=8)]  # sessions that must be the newest of their accounts
    gold: Annotated[list[GoldMove], msgspec.Meta(max_length=32)] = []
    items: Annotated[list[ItemMove], msgspec.Meta(max_length=128)] = []
    level: U16 = 0  # "advance": the new level of the session's own character


class Holding(msgspec.Struct, frozen=True, array_like=True):
    account: U63
    gold: Gold
    items: list[Item]


@message("dc -> scene")
class Operated(Message, frozen=True, tag=152):
    """It is on disk. What the parties have now (all of their items), and the items that were made."""

    holdings: list[Holding]
    made: list[Item] = []


@message("center -> dc", answers=("FriendshipChanged",))
class ChangeFriendship(Message, frozen=True, tag=153):
    """Class D. ask: a asks b; accept: a says yes to b; remove: a ends it with b, at whatever stage; block: a wants to
    hear nothing of b any more (which ends a friendship); unblock: a does again."""

    kind: Literal["ask", "accept", "remove", "block", "unblock"]
    account: U63
    other: Name


@message("dc -> center")
class FriendshipChanged(Message, frozen=True, tag=154):
    """Both sides' lists as they are now."""

    account: U63
    friends: list[Friendship]
    other: U63
    other_name: str
    other_friends: list[Friendship]


@message("login -> dc", answers=("Account",))
class SetBan(Message, frozen=True, tag=155):
    """Class D. until_s = 0 lifts it, -1 is for ever."""

    name: Name
    until_s: I64
    reason: Text = ""


@message("login -> dc", answers=("Account",))
class SetPriority(Message, frozen=True, tag=156):
    """Class D. Which place the account gets in the login queue: the higher one is let in first."""

    name: Name
    priority: U8


# --- operators ---


@message("ctl -> login", answers=("Account",))
class AddAccount(Message, frozen=True, tag=160):
    """`mesh account create`: the password is hashed here."""

    name: Name
    password: Secret


@message("ctl -> login", answers=("Account",))
class BanAccount(Message, frozen=True, tag=161):
    """`mesh account ban`; ends what the account has open."""

    name: Name
    until_s: I64
    reason: Text = ""


@message("ctl -> login", answers=("Account",))
class PrioritiseAccount(Message, frozen=True, tag=166):
    """`mesh account vip`."""

    name: Name
    priority: U8


@message("ctl -> dc", answers=("Records",))
class ReadRecords(Message, frozen=True, tag=162):
    """`mesh db get` and `mesh account list`: rows of a table by prefix of their key, as readable values."""

    table: Label
    prefix: Label = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100


@message("dc -> ctl")
class Records(Message, frozen=True, tag=163):
    """Rows; password hashes are left out."""

    rows: list[tuple[str, Any]]
    more: bool = False


@message("ctl -> dc", answers=("DbStat",))
class StatDb(Message, frozen=True, tag=164):
    """`mesh db stat`."""


@message("dc -> ctl")
class DbStat(Message, frozen=True, tag=165):
    """Rows per table, sizes in bytes, what waits to be flushed, totals of the economy."""

    facts: dict[str, Any]
