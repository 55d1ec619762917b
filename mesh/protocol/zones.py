"""What the centers of the zones of one cluster say to each other. They share the accounts (one DC), nothing else.

An account is in one zone at a time. Two things see to that: the session's row in the DC (LoadStatus opens a session and
ends the older ones, wherever they are), and `Claim`, by which a center has the others end what they still show of the
account before it lets the new session in.
"""

from typing import Literal

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.sessions import Friendship, Mute
from mesh.protocol.types import U32, U63, Chat, Label, Text


@message("center -> center", answers=("Done",))
class Claim(Message, frozen=True, tag=250):
    """This session comes into my zone: end every older one of its account. Answered when yours is out of the world."""

    session: U63


@message("center -> center", answers=("Expected",))
class Expect(Message, frozen=True, tag=251):
    """One of my players wants to travel to your zone. Keeps a place for it for half a minute, or refuses."""

    account: U63
    map: str = ""  # where its character is


@message("center -> center")
class Expected(Message, frozen=True, tag=252):
    """There is room; these are the addresses of my gates."""

    gates: list[str]


class Present(msgspec.Struct, frozen=True, array_like=True):
    """An account in a zone, and who wants to know."""

    account: U63
    name: str
    friends: list[U63]  # accounts
    session: U63 = 0


@message("center -> center")
class ZoneState(Message, frozen=True, tag=253):
    """About once a second, and whole (`present`) when the link comes up."""

    zone: Label
    players: U32
    capacity: U32
    present: list[Present] | None = None


@message("center -> center")
class Came(Message, frozen=True, tag=254):
    """Somebody came into my zone."""

    who: Present


@message("center -> center")
class Went(Message, frozen=True, tag=255):
    """Somebody left it."""

    account: U63


@message("center -> center")
class Relay(Message, frozen=True, tag=256):
    """Somebody in my zone said something that yours shall hear, too: everybody, or these accounts."""

    channel: Literal["world", "friend", "whisper"]
    account: U63  # the speaker's
    speaker: str
    text: Chat
    to: list[U63] = []


@message("center -> gate")
class SendAway(Message, frozen=True, tag=257):
    """This session was saved and released, to travel: have a ticket signed for it, tell the client where to go, and end
    the connection."""

    session: U63
    connection: U63
    zone: Label
    gates: list[str]


@message("gate -> login", answers=("TravelTicket",))
class SignTravel(Message, frozen=True, tag=258):
    """A ticket for the way to another zone."""

    character: str


@message("login -> gate")
class TravelTicket(Message, frozen=True, tag=259):
    """Signed."""

    ticket: str
    valid_s: float


@message("center -> center")
class FriendsNow(Message, frozen=True, tag=260):
    """Somebody in my zone changed a friendship with somebody in yours, whose list is now this."""

    account: U63
    friends: list[Friendship]
    asked_by: str = ""  # who asks to be a friend, when that is the news


@message("center -> center")
class EndAccount(Message, frozen=True, tag=261):
    """An account was banned: end what it has open in your zone, and what is still on its way in."""

    account: U63
    code: Label
    text: Text = ""
    session: U63 = 0  # as in KickAccount


@message("center -> center")
class MuteNow(Message, frozen=True, tag=262):
    """An account may not speak, or may again, and may be in your zone."""

    account: U63
    mute: Mute
