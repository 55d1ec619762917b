"""What is asked of the DC about a world that lives, and what operators ask: durable operations, saved states, rows.

The class of durability is part of what a message means: D is acknowledged when it is on disk, C when it is in memory.
"""

from typing import Annotated, Any, Literal

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.play import MAIL_ITEMS_MAX, Item, Mail, MailText
from mesh.protocol.sessions import Friendship, Status
from mesh.protocol.types import I64, U8, U16, U32, U63, Gold, Label, Name, Secret, Text, Until


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


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """A mail to be sent, with what is attached: that goes from the sender to the mail in the same operation."""

    to: Name
    text: MailText
    gold: Gold = 0
    items: Annotated[list[U63], msgspec.Meta(max_length=MAIL_ITEMS_MAX)] = []


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
    letter: Letter | None = None  # "mail-send": from the session's own character
    mail: U63 = 0  # "mail-take": this one, which waits for the session's own; what is attached becomes its own
    room: U16 = 0  # "mail-take": so many items it may have then
    replicated: bool = False  # paid for (class R): acknowledged when the standby has it, too, where there is one
    asked: U32 = 0  # the number of the client's message that it is for: in a session each is carried out once


class Holding(msgspec.Struct, frozen=True, array_like=True):
    account: U63
    gold: Gold
    items: list[Item]


@message("dc -> scene")
class Operated(Message, frozen=True, tag=152):
    """It is on disk. What the parties have now (all of their items), and the items that were made."""

    holdings: list[Holding]
    made: list[Item] = []
    again: bool = False  # what was `asked` for had been carried out before, as another operation


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
class SetMute(Message, frozen=True, tag=157):
    """Class D. until_s = 0 lets it speak again, -1 is for ever. What its player writes in mails is refused here."""

    name: Name
    until_s: Until
    reason: Text = ""


@message("login -> dc", answers=("Account",))
class SetPriority(Message, frozen=True, tag=156):
    """Class D. Which place the account gets in the login queue: the higher one is let in first."""

    name: Name
    priority: U8


# --- scenes that were lost ---

STATUSES_MAX = 256  # sessions in one ReadStatuses


@message("center -> dc", answers=("Done",))
class FenceScene(Message, frozen=True, tag=167):
    """Class D. This process of a scene is over, whether it lives or not: what it says from now on, SaveStates and
    Operate, is refused with `stale_epoch`. Idempotent."""

    scene: Label  # the name of the node
    incarnation: U63


@message("center -> dc", answers=("StatusesRead",))
class ReadStatuses(Message, frozen=True, tag=168):
    """These sessions lost their scene: what is known of them? No new session is opened."""

    sessions: Annotated[list[U63], msgspec.Meta(max_length=STATUSES_MAX)]


class StatusAt(msgspec.Struct, frozen=True, array_like=True):
    session: U63
    status: Status
    operation: U63  # the highest number of its durable operations; 0: there is none


@message("dc -> center")
class StatusesRead(Message, frozen=True, tag=169):
    """Those of the sessions that are the newest of their accounts."""

    found: list[StatusAt]


# --- mail ---


@message("scene -> dc", answers=("Mails",))
class ListMails(Message, frozen=True, tag=170):
    """What waits for this session's account: the oldest ones above this number."""

    session: U63
    above: U63 = 0


@message("dc -> scene")
class Mails(Message, frozen=True, tag=171):
    """In the order of their numbers."""

    mails: list[Mail]
    more: bool = False


@message("scene -> center")
class MailCame(Message, frozen=True, tag=172):
    """A mail is on disk; whoever it waits for is told when it is in the world. Lost with a center that dies."""

    to: Name
    by: str


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
class MuteAccount(Message, frozen=True, tag=158):
    """`mesh account mute`, `mesh account unmute`: what its player says from now on is refused, or is not any more."""

    name: Name
    until_s: Until
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


@message("ctl -> dc", answers=("DbStat",))
class BackUpDb(Message, frozen=True, tag=173):
    """`mesh db backup`: copy the database as it is now into a new folder, while play goes on. Answered when the copy
    is on disk, with what its manifest says."""

    folder: Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]  # absolute, on the machine of the DC
    bytes_s: U63 = 0  # at most so many; 0: as the DC is set
    kept: bool = True  # False: it is removed when it was looked at, so it is not the last backup


@message("dc -> ctl")
class DbStat(Message, frozen=True, tag=165):
    """Rows per table, sizes in bytes, what waits to be flushed, totals of the economy."""

    facts: dict[str, Any]
