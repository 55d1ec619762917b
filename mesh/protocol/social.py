"""Client <-> center, through a gate that does not open it: friends, parties, chat channels, lines, zones.

Frame kind CLIENT_SOCIAL; what comes back arrives as pieces of class GATE (control) or CHAT (bulk).
"""

from typing import Literal

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.types import U8, U16, U32, U63, Chat, Label, Name, Text


@message("client -> center", step=8)
class Shout(Message, frozen=True, tag=340):
    """Say something to everybody in the zone; the speaker is told, too."""

    text: Chat


@message("center -> client")
class Shouted(Message, frozen=True, tag=341):
    """Somebody said something to everybody, or an operator to you alone; `sequence` grows within one `epoch` of the
    center."""

    epoch: U63
    sequence: U63
    speaker: str
    text: str
    alone: bool = False  # to you and nobody else: it comes once, and may overtake what is said to everybody


@message("client -> center")
class Whisper(Message, frozen=True, tag=342):
    """Say something to one friend who is connected. Not answered, except by SocialDenied."""

    to: Name
    text: Chat


@message("center -> client")
class Whispered(Message, frozen=True, tag=343):
    """A friend said something to you."""

    speaker: str
    text: str


@message("client -> center")
class AddFriend(Message, frozen=True, tag=344):
    """Ask somebody to be your friend; when they have asked already, it is accepted. Answered by Friends."""

    name: Name


@message("center -> client")
class FriendAsked(Message, frozen=True, tag=345):
    """Somebody asks to be your friend; AcceptFriend says yes, RemoveFriend no. Said only to who is connected."""

    name: str


@message("client -> center")
class AcceptFriend(Message, frozen=True, tag=346):
    """Say yes to who asked. Answered by Friends."""

    name: Name


@message("client -> center")
class RemoveFriend(Message, frozen=True, tag=347):
    """End a friendship, refuse or withdraw a request. Answered by Friends."""

    name: Name


class Friend(msgspec.Struct, frozen=True, array_like=True):
    """One row of a friend list."""

    name: str
    state: str  # "friend", "asked" (by them), "asking" (by you)
    online: bool  # in the world; always false for who is not a friend
    zone: str = ""  # where, when online; "" for this zone


@message("client -> center", answers=("Friends",))
class ListFriends(Message, frozen=True, tag=348):
    """Who are my friends?"""


@message("center -> client")
class Friends(Message, frozen=True, tag=349):
    """The whole list, at most 200; sent to both after changes, too (once a second at most), but not by itself at the
    login."""

    friends: list[Friend]


@message("center -> client")
class FriendOnline(Message, frozen=True, tag=350):
    """A friend came into the world."""

    name: str
    zone: str = ""  # "" for this zone


@message("center -> client")
class FriendOffline(Message, frozen=True, tag=351):
    """A friend left the world (not: lost the connection for a moment)."""

    name: str


@message("center -> client")
class SocialDenied(Message, frozen=True, tag=352):
    """One social message was refused; the others are not affected."""

    code: Label
    number: U32  # of the message that was refused: its element 0
    text: Text = ""


# --- channels ---

Channel = Literal["line", "map", "party", "friend", "world"]
"""Who hears it: everybody on the speaker's line, on its map (all lines), in its party, all its friends, everybody in
all zones. Besides these there are `Say` (play.py: who sees the speaker), `Whisper` (one friend), `Shout` (the zone)."""


@message("client -> center")
class Speak(Message, frozen=True, tag=353):
    """Say something on a channel. Not answered, except by SocialDenied; the speaker hears it, too."""

    channel: Channel
    text: Chat


@message("center -> client")
class Spoken(Message, frozen=True, tag=354):
    """Somebody said something on a channel."""

    channel: Channel
    speaker: str
    text: str


# --- blocking ---


@message("client -> center")
class Block(Message, frozen=True, tag=355):
    """Hear nothing of somebody any more: no chat, no requests, no invitations. Ends a friendship. Answered by
    Blocked."""

    name: Name


@message("client -> center")
class Unblock(Message, frozen=True, tag=356):
    """Take it back. Answered by Blocked."""

    name: Name


@message("client -> center", answers=("Blocked",))
class ListBlocked(Message, frozen=True, tag=357):
    """Whom do I block?"""


@message("center -> client")
class Blocked(Message, frozen=True, tag=358):
    """The whole list."""

    names: list[str]


# --- parties ---


@message("client -> center")
class InviteParty(Message, frozen=True, tag=360):
    """Ask somebody in the zone into your party; without one you found it and lead it. The leader alone may."""

    name: Name


@message("center -> client")
class PartyInvited(Message, frozen=True, tag=361):
    """Somebody asks you into a party; AcceptParty or RefuseParty within 60 s."""

    party: U63
    by: str


@message("client -> center")
class AcceptParty(Message, frozen=True, tag=362):
    """Yes. Answered by Party."""

    party: U63


@message("client -> center")
class RefuseParty(Message, frozen=True, tag=363):
    """No. The one who asked hears of it as PartyRefused."""

    party: U63


@message("center -> client")
class PartyRefused(Message, frozen=True, tag=364):
    """Your invitation came to nothing: refused, or not answered."""

    name: str


@message("client -> center")
class LeaveParty(Message, frozen=True, tag=365):
    """Leave it. The longest member leads when its leader leaves; a party of one is over."""


@message("client -> center")
class KickFromParty(Message, frozen=True, tag=366):
    """The leader removes a member."""

    name: Name


@message("client -> center")
class LeadParty(Message, frozen=True, tag=367):
    """The leader makes another member the leader."""

    name: Name


@message("client -> center")
class ShareLoot(Message, frozen=True, tag=368):
    """The leader says how loot is shared: true: gold is divided among the members who are near, items go to them in
    turn; false: who kills keeps it."""

    shared: bool


class PartyMember(msgspec.Struct, frozen=True, array_like=True):
    """One row of a party."""

    name: str
    online: bool  # false: lost the connection, or logged out a moment ago
    map: str
    line: U16


@message("center -> client")
class Party(Message, frozen=True, tag=369):
    """The party as it is now: sent to its members after every change, and to one who comes back. Party 0: you are in
    none (any more)."""

    party: U63
    leader: str = ""
    shared: bool = False
    members: list[PartyMember] = []


class MemberSpot(msgspec.Struct, frozen=True, array_like=True):
    """Where a member is, in metres, and how it feels."""

    name: str
    map: str
    line: U16
    x: float
    y: float
    hp: U16
    hp_max: U16


@message("center -> client")
class PartySpots(Message, frozen=True, tag=370):
    """Where the members are: about once a second while somebody moves. May be lost."""

    members: list[MemberSpot]


# --- lines and zones ---


class Line(msgspec.Struct, frozen=True, array_like=True):
    """One line of a map."""

    map: str
    number: U16
    players: U32
    state: Literal["free", "busy", "full"]  # below the soft cap, above it, at the hard one
    friends: U8 = 0  # friends and party members of yours who are there


@message("client -> center", answers=("Lines",))
class ListLines(Message, frozen=True, tag=375):
    """Which lines does my map have?"""


@message("center -> client")
class Lines(Message, frozen=True, tag=376):
    """All of them."""

    lines: list[Line]


@message("client -> center")
class SwitchLine(Message, frozen=True, tag=377):
    """Take me to that line of my map. Answered by TransferBegun and Entered, or by SocialDenied."""

    number: U16


class Zone(msgspec.Struct, frozen=True, array_like=True):
    """One zone of the cluster."""

    name: str
    players: U32
    capacity: U32
    open: bool  # it can be reached and has room


@message("client -> center", answers=("Zones",))
class ListZones(Message, frozen=True, tag=378):
    """Which zones are there?"""


@message("center -> client")
class Zones(Message, frozen=True, tag=379):
    """All of them."""

    zones: list[Zone]
    yours: str


@message("client -> center")
class Travel(Message, frozen=True, tag=380):
    """Take me to that zone. Answered by MoveZone (client.py), or by SocialDenied."""

    zone: Label


# --- mail ---


@message("center -> client")
class MailArrived(Message, frozen=True, tag=385):
    """Somebody has sent you a mail: ReadMails (play.py) shows it."""

    by: str
