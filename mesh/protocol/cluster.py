"""What the nodes of a zone say to each other about players. Never seen by a client."""

from typing import Annotated

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.sessions import Carried, Mute, PartyAt, Placement, Spot, Status
from mesh.protocol.types import I64, U8, U16, U32, U63, Chat, Label, LoginMethod, Name, Secret, Text, Until

# --- steps 2 to 7: getting in ---


@message("gate -> login", step=2, answers=("Authenticated", "Queued"))
class Authenticate(Message, frozen=True, tag=100):
    """Prove who this client is and get it a place in the world."""

    method: LoginMethod
    account: Annotated[str, msgspec.Meta(max_length=32)]
    secret: Secret
    connection: U63  # the gate's number for the connection
    address: Label  # of the client


@message("login -> gate")
class Authenticated(Message, frozen=True, tag=101):
    """It is who it says, and this is its place."""

    session: U63
    character: str
    placement: Placement
    resume_token: str
    linkdead_s: float
    resumed: bool = False
    nonce: U63 = 0  # of the token; 0: not said


@message("any -> any")
class Queued(Message, frozen=True, tag=102):
    """The zone is full. `Admit` follows when it is this connection's turn; LeaveQueue gives the place up."""

    place: U63
    position: U32
    estimate_s: float


@message("login -> dc", step=3, answers=("Account",))
class FindAccount(Message, frozen=True, tag=103):
    """By name (of the account; case does not matter)."""

    name: Name


@message("any -> any")
class Account(Message, frozen=True, tag=104):
    """An account as the DC keeps it."""

    account: U63
    name: str
    password_hash: str  # argon2id; "" for one that only tickets open
    banned_until_s: I64 = 0  # wall clock; -1 for ever
    ban_reason: str = ""
    priority: U8 = 0  # in the login queue: the higher one is let in first
    session: U63 = 0  # answering SetBan: its account's last one, which nobody plays; this and all older ones are over
    muted_until_s: Until = 0
    mute_reason: str = ""
    mute: U63 = 0  # the number of that word, see Mute


@message("login -> dc", answers=("Account",))
class CreateAccount(Message, frozen=True, tag=105):
    """Durable. Makes the character, too. `exists` when the name is taken."""

    name: Name
    password_hash: Annotated[str, msgspec.Meta(max_length=256)]
    region: Label = ""


@message("login -> dc", step=5, answers=("StatusLoaded",))
class LoadStatus(Message, frozen=True, tag=106):
    """Open a new session of the account (durably, ending the older ones) and load the character."""

    account: U63


@message("dc -> login")
class StatusLoaded(Message, frozen=True, tag=107):
    """From now on the DC refuses the account's older sessions."""

    session: U63
    status: Status


@message("login -> center", step=5, answers=("Placed", "Queued"))
class Online(Message, frozen=True, tag=108):
    """A session wants to be in the zone."""

    session: U63
    status: Status
    gate: str
    connection: U63
    priority: U8 = 0  # of the account, for the queue


@message("login -> center", answers=("Placed",))
class Resume(Message, frozen=True, tag=109):
    """A session that lost its connection wants to go on; the nonce of its token is used up by this."""

    session: U63
    nonce: U63
    gate: str
    connection: U63


@message("center -> login")
class Placed(Message, frozen=True, tag=110):
    """The place is reserved. `nonce` goes into the next resume token."""

    session: U63
    character: str
    placement: Placement
    nonce: U63
    linkdead_s: float


@message("center -> scene", step=6, answers=("Hosted",))
class Enter(Message, frozen=True, tag=111):
    """Reserve a place for this character and build it; idempotent per session. Ends older sessions of the account."""

    session: U63
    status: Status
    line: U16 = 0  # 0: any
    carried: Carried | None = None  # of a session that comes from another line
    spot: Spot | None = None  # where to put it; None: where its status says, or at a spawn point
    party: PartyAt | None = None
    map: Label = ""  # "": that of its status; on another one it starts at `spot`, or at a spawn point
    operation: U63 | None = None  # it goes on, and what its scene knew is lost: the last operation that the DC knows of
    nonce: U63 = 0  # then: of its newest resume token


@message("scene -> center")
class Hosted(Message, frozen=True, tag=112):
    """The character is in the world, waiting for its gate to attach."""

    map: str
    line: U16


@message("gate -> scene", step=7, answers=("Attached",))
class Attach(Message, frozen=True, tag=113):
    """Send this session's frames to me. `received` is what the client had before (resume)."""

    session: U63
    connection: U63
    received: U32 = 0
    resumed: bool = False
    nonce: U63 = 0  # of the resume token that its client has now; what is older was used


@message("scene -> gate")
class Attached(Message, frozen=True, tag=114):
    """The name of the session in batches. `Entered` for the client follows on lane FRAMES."""

    handle: U32


@message("gate -> scene")
class Detach(Message, frozen=True, tag=115):
    """The connection is gone (the character stays until the center releases it)."""

    session: U63
    connection: U63


@message("center -> gate")
class Admit(Message, frozen=True, tag=116):
    """A queued connection's turn has come."""

    connection: U63
    place: U63
    placed: "Placed"


@message("center -> gate")
class QueueMoved(Message, frozen=True, tag=117):
    """A queued connection moved up."""

    connection: U63
    position: U32
    estimate_s: float


@message("gate -> center")
class LeaveQueue(Message, frozen=True, tag=118):
    """The queued client went away."""

    place: U63


@message("gate -> login", answers=("ResumeToken",))
class SignResume(Message, frozen=True, tag=119):
    """A token for a session that was admitted from the queue."""

    session: U63
    nonce: U63


@message("login -> gate")
class ResumeToken(Message, frozen=True, tag=120):
    """Signed."""

    token: str


# --- presence ---


@message("gate -> center")
class Dropped(Message, frozen=True, tag=125):
    """The connection of a session broke; its `linkdead_s` begin. Or the gate has heard no answer to a login over it:
    whatever that got, nobody knows of."""

    session: U63  # 0: of the login that was not answered
    connection: U63


@message("gate -> center", answers=("Done",))
class Leave(Message, frozen=True, tag=126):
    """The player logs out: take it out of the world, then answer."""

    session: U63


@message("center -> scene", answers=("Done",))
class Release(Message, frozen=True, tag=127):
    """Save this session's character and take it out of the world, then answer. Unknown sessions are released."""

    session: U63
    discard: bool = False  # do not save: the session plays on elsewhere, or a newer one does; what is here is stale


@message("any -> gate")
class Kick(Message, frozen=True, tag=128):
    """End this connection and tell the client why: said by the center, or by the scene that its messages are for."""

    connection: U63
    session: U63
    code: Label
    text: Text = ""


@message("login -> center", answers=("Done",))
class KickAccount(Message, frozen=True, tag=129):
    """An account was banned: end what it has open, and what is still on its way in."""

    account: U63
    code: Label
    text: Text = ""
    session: U63 = 0  # this and all older ones are over; 0: all that are known


@message("login -> center", answers=("Done",))
class AccountMuted(Message, frozen=True, tag=139):
    """An account may not speak, or may again: whoever plays with it hears of it, wherever that is."""

    account: U63
    mute: Mute


@message("gate -> center")
class FromClient(Message, frozen=True, tag=130):
    """A social message of a client, unopened."""

    session: U63
    body: Annotated[bytes, msgspec.Meta(max_length=4096)]


@message("center -> gate")
class ToClients(Message, frozen=True, tag=131):
    """An encoded message for these sessions, to be passed on unopened, as piece class GATE or CHAT."""

    sessions: list[U63]
    body: bytes
    bulk: bool = False


@message("center => gate")
class Announce(Message, frozen=True, tag=132):
    """Step 8: an encoded message for every client that is attached, except these sessions (they block the speaker)."""

    body: bytes
    without: list[U63] = []


@message("ctl -> center", answers=("Done",))
class Publicise(Message, frozen=True, tag=133):
    """An operator's word to everybody."""

    speaker: Label
    text: Chat


class SessionAt(msgspec.Struct, frozen=True, array_like=True):
    """What a gate tells a center that starts anew about one of its sessions."""

    session: U63
    connection: U63
    character: str
    scene: str
    map: str = ""  # with scene and line: where its connection is attached, or is being attached
    line: U16 = 0
    nonce: U63 = 0  # of the resume token that its client has


@message("center -> gate", answers=("Sessions",))
class ListSessions(Message, frozen=True, tag=134):
    """Whom do you have? A center rebuilds its directory from this."""


@message("gate -> center")
class Sessions(Message, frozen=True, tag=135):
    """All sessions with a connection."""

    sessions: list[SessionAt]


class HostedAt(msgspec.Struct, frozen=True, array_like=True):
    """What a scene tells a center that starts anew about one of its characters."""

    session: U63
    status: Status
    map: str
    line: U16
    departed: bool = False  # it gave the character away and has not heard yet that it arrived (`TakeBack`)
    party: PartyAt | None = None
    attached: bool = True  # a gate has its connection; without one it has to be attached again
    nonce: U63 = 0  # of the newest resume token that is known there; 0: of none


class LineAt(msgspec.Struct, frozen=True, array_like=True):
    """One line that a scene carries."""

    map: str
    number: U16
    players: U32
    players_soft: U32  # from here on others are preferred
    players_max: U32  # more are refused
    fixed: bool  # named by the topology: it stays when it is empty


@message("any -> scene", answers=("HostedList",))
class ListHosted(Message, frozen=True, tag=136):
    """Whom do you have? A center that starts anew wants to know, and whoever checks that nobody is there twice."""


@message("scene -> any")
class HostedList(Message, frozen=True, tag=137):
    """All characters in the world here, and where they can be."""

    hosted: list[HostedAt]
    lines: list[LineAt] = []
    maps: list[str] = []  # of which further lines may be opened here
    lines_max: U16 = 0  # in all


@message("center -> scene")
class Replaced(Message, frozen=True, tag=138):
    """You were given up, your players are elsewhere and the DC takes nothing from you any more: end your process."""
