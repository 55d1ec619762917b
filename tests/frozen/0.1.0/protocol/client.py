"""Client <-> gate: getting in, staying in, getting out. Frame kind CLIENT_GATE, piece class GATE."""

from typing import Annotated

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.types import U32, U63, Label, LoginMethod, Secret, Text

LOGGED_OUT = "logged_out"
"""The code of the Goodbye that answers a Logout; every other one is one of `mesh.errors.Code`."""


@message("client -> gate", step=1, answers=("LoggedIn", "Waiting"))
class Login(Message, frozen=True, tag=300):
    """Let me in. The answer comes once, as LoggedIn, Waiting (then LoggedIn) or Denied."""

    method: LoginMethod
    account: Annotated[str, msgspec.Meta(max_length=32)] = ""  # for a password; a ticket or token names its own
    secret: Secret = ""  # the password, the ticket or the resume token
    received: U32 = 0  # resume: the control sequence before the connection broke; else 0
    client: Label = ""  # name and version of the client program


@message("gate -> client")
class LoggedIn(Message, frozen=True, tag=301):
    """You are in; `Entered` (play.py) follows with the full view."""

    session: U63  # when it is not that of the connection before, all counting begins anew
    character: str  # its name, as it was written when the account was made
    resume_token: str  # for Login with method "resume", once, until `linkdead_s` after the connection broke; "": none
    linkdead_s: float  # how long the character stays in the world without a connection
    gates: list[str]  # WebSocket addresses of all gates of the zone
    trace: U63 = 0  # for `mesh trace`


@message("gate -> client")
class Waiting(Message, frozen=True, tag=302):
    """The zone is full; your place in the queue. Sent again when it changes."""

    position: U32  # 1: the next one
    estimate_s: float  # how long it will probably take


@message("gate -> client")
class Denied(Message, frozen=True, tag=303):
    """No. With number 0 before LoggedIn it answers Login, and the gate closes; otherwise it refuses one message."""

    code: Label
    text: Text = ""  # for people: log it, show it, do not compare it
    number: U32 = 0  # of the message that was refused (its element 0), 0 for a login or when it has none


@message("client -> gate", answers=("Pong",))
class Ping(Message, frozen=True, tag=304):
    """Are you there? Also keeps a silent connection from timing out. Allowed at any time."""

    stamp: U63 = 0  # whatever the client likes, its clock for instance


@message("gate -> client")
class Pong(Message, frozen=True, tag=305):
    """The stamp comes back."""

    stamp: U63


@message("client -> gate", answers=("Goodbye",))
class Logout(Message, frozen=True, tag=306):
    """Save me, take me out of the world."""


@message("gate -> client")
class Goodbye(Message, frozen=True, tag=307):
    """The last message before the gate closes the connection: why."""

    code: Label
    text: Text = ""


@message("gate -> client", answers=("TransferHeard",))
class TransferBegun(Message, frozen=True, tag=308):
    """Your character is on its way to another line, map or scene. Say TransferHeard with this number, and nothing more
    to the scene until `Entered` comes: what the gate hears before TransferHeard it throws away."""

    number: U32


@message("client -> gate")
class TransferHeard(Message, frozen=True, tag=309):
    """From here on I speak to the new place."""

    number: U32


@message("gate -> client")
class MoveGate(Message, frozen=True, tag=310):
    """This gate wants to be empty: connect to that one and resume there. This connection goes on until you have."""

    url: str


@message("gate -> client")
class MoveZone(Message, frozen=True, tag=311):
    """Your character is saved and out of this zone. Log in at one of these gates with this ticket, within
    `valid_s`; this connection ends now."""

    zone: str
    gates: list[str]
    ticket: str
    valid_s: float
