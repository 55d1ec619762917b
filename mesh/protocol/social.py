"""Client <-> center, through a gate that does not open it: friends, whispers, the public broadcast.

Frame kind CLIENT_SOCIAL; what comes back arrives as pieces of class GATE (control) or CHAT (bulk).
"""

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.types import U32, U63, Chat, Label, Name, Text


@message("client -> center", step=8)
class Shout(Message, frozen=True, tag=340):
    """Say something to everybody in the zone; the speaker is told, too."""

    text: Chat


@message("center -> client")
class Shouted(Message, frozen=True, tag=341):
    """Somebody said something to everybody; `sequence` grows within one `epoch` of the center."""

    epoch: U63
    sequence: U63
    speaker: str
    text: str


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


@message("client -> center", answers=("Friends",))
class ListFriends(Message, frozen=True, tag=348):
    """Who are my friends?"""


@message("center -> client")
class Friends(Message, frozen=True, tag=349):
    """The whole list, at most 200; sent to both after every change, too, but not by itself at the login."""

    friends: list[Friend]


@message("center -> client")
class FriendOnline(Message, frozen=True, tag=350):
    """A friend came into the zone."""

    name: str


@message("center -> client")
class FriendOffline(Message, frozen=True, tag=351):
    """A friend left the zone (not: lost the connection for a moment)."""

    name: str


@message("center -> client")
class SocialDenied(Message, frozen=True, tag=352):
    """One social message was refused; the others are not affected."""

    code: Label
    number: U32  # of the message that was refused: its element 0
    text: Text = ""
