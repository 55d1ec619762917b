"""Where players are and how they get somewhere else: lines, transfers, parties on scenes, emptying a scene.

A transfer moves a session from one line to another, on the same scene or on another one. The center leads it, under the
account's lock:

    center -> old scene   Depart       freeze, save, take out of the world      -> Departed (everything it takes along)
    center -> new scene   Enter        with `carried`                           -> Hosted
    center -> old scene   Release      discard=True: the keepsake may go
    center -> gate        Transferred  attach the connection there

Until the last message the old scene keeps what departed. When the new scene does not take the character another one is
asked, at last the old one, which knows the session by `Enter` again. When the center dies in the middle, its successor
finds the session in the scenes' lists: alive somewhere, or departed and nowhere alive (`TakeBack`).
"""

from typing import Annotated, Literal

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.sessions import Carried, Friendship, Mute, PartyAt, Placement, Status
from mesh.protocol.types import U16, U32, U63, Chat, Label, Name, Text, Until

Why = Literal["portal", "line", "drain", "travel"]

# --- transfers ---


@message("scene -> center", answers=("Done",))
class Cross(Message, frozen=True, tag=200):
    """This player stands in a portal: take it to that place on another map (metres). Answered when it has arrived."""

    session: U63
    map: Label
    x: float
    y: float


@message("center -> scene", answers=("Departed",))
class Depart(Message, frozen=True, tag=201):
    """Save this session's character, take it out of the world and hand it over. Idempotent: asked again, it gives
    the same answer. Refused with `out_of_order` while the rules forbid it (a fight, an open operation), except for a
    drain."""

    session: U63
    why: Why


@message("scene -> center")
class Departed(Message, frozen=True, tag=202):
    """It is not in the world any more, saved, and all of it is in here. A keepsake stays until `Release` or `Enter`."""

    status: Status
    carried: Carried


@message("center -> scene", answers=("Hosted",))
class TakeBack(Message, frozen=True, tag=203):
    """What departed from you arrived nowhere: put it back where it was."""

    session: U63


@message("center -> gate")
class Transferred(Message, frozen=True, tag=204):
    """The session plays there now: attach its connection to that scene."""

    session: U63
    connection: U63
    placement: Placement


@message("scene -> center", answers=("Evacuated",))
class Evacuate(Message, frozen=True, tag=205):
    """I am draining: take everybody elsewhere, line by line. Answered when that is done, or cannot be."""


@message("center -> scene")
class Evacuated(Message, frozen=True, tag=206):
    """How many went, and how many had to stay."""

    moved: U32
    left: U32
    text: Text = ""


# --- lines ---


@message("center -> scene", answers=("Done",))
class OpenLine(Message, frozen=True, tag=210):
    """Begin another line of a map. Idempotent."""

    map: Label
    number: U16


@message("center -> scene", answers=("Done",))
class CloseLine(Message, frozen=True, tag=211):
    """End a line that nobody is on (refused otherwise). Unknown lines are closed."""

    map: Label
    number: U16


@message("ctl -> center", answers=("Done",))
class OrderLine(Message, frozen=True, tag=212):
    """`mesh lines open|close`: an operator opens a line (number 0: the next free one; scene "": the least loaded), or
    closes one, moving its players to the others."""

    do: Literal["open", "close"]
    map: Label
    number: U16 = 0
    scene: Label = ""


# --- lines, seen from above ---

CELLS_MAX = 128
"""On one side of the grid over a line. The answer is 64 KB then."""
SEEN_MAX = 1_000  # players in one answer
Counts = Annotated[bytes, msgspec.Meta(max_length=2 * CELLS_MAX * CELLS_MAX)]


@message("any -> scene", answers=("LineRead",))
class ReadLine(Message, frozen=True, tag=213):
    """Where on this line of yours are how many? `not_found` when you do not carry it."""

    map: Label
    line: U16
    cells: Annotated[int, msgspec.Meta(ge=1, le=CELLS_MAX)]  # on each side of the grid


@message("scene -> any")
class LineRead(Message, frozen=True, tag=214):
    """Of now. Counts are u16[cells, cells], little-endian, row by row from the south, each from the west."""

    map: str
    line: U16
    size_m: float  # the side of the map
    cells: U16
    players: U32
    npcs: U32
    player_counts: Counts
    npc_counts: Counts
    pressure: float  # tick time over tick period of the scene, smoothed


class PlayerAt(msgspec.Struct, frozen=True, array_like=True):
    """A player on a line."""

    name: str
    level: U16
    x: float  # metres from the west
    y: float  # metres from the south
    hp: U16
    hp_max: U16
    gate: str  # that carries its frames; "" for none


@message("any -> scene", answers=("PlayersRead",))
class ReadPlayers(Message, frozen=True, tag=215):
    """Who is in this rectangle of a line of yours, its edges included? `not_found` when you do not carry it."""

    map: Label
    line: U16
    west_m: float
    south_m: float
    east_m: float
    north_m: float
    limit: Annotated[int, msgspec.Meta(ge=1, le=SEEN_MAX)] = 100


@message("scene -> any")
class PlayersRead(Message, frozen=True, tag=216):
    """Some of them, when there are more."""

    players: list[PlayerAt]
    more: bool = False


# --- what scenes are told of their players ---


@message("center -> scene")
class PartyChanged(Message, frozen=True, tag=220):
    """This party is now so; who of its players here is not named is in it no more."""

    party: PartyAt


@message("center -> scene")
class FriendsChanged(Message, frozen=True, tag=221):
    """A player's list of friends and blocked ones is now this."""

    session: U63
    friends: list[Friendship]


@message("center -> scene")
class MuteChanged(Message, frozen=True, tag=223):
    """This player may not speak, or may again. May come more than once, and late: the number says what holds."""

    session: U63
    mute: Mute


class MemberAt(msgspec.Struct, frozen=True, array_like=True):
    """Where a member of a party is."""

    session: U63
    x: float  # metres
    y: float
    hp: U16
    hp_max: U16


@message("scene -> center")
class MembersSeen(Message, frozen=True, tag=222):
    """Members of parties who moved, or whose health changed, in the last second."""

    members: list[MemberAt]


# --- operators ---


@message("ctl -> center", answers=("PlayerFound",))
class FindPlayer(Message, frozen=True, tag=230):
    """`mesh friends`, `mesh player`: where is this character? `not_found` when it is not in the zone."""

    name: Name


@message("center -> ctl")
class PlayerFound(Message, frozen=True, tag=231):
    """A character in the zone."""

    session: U63
    name: str
    stage: Label
    placement: Placement
    gate: str
    friends: list[tuple[str, str, bool]]  # name, state, online
    party: list[str] = []  # names, the leader first
    muted_until_s: Until = 0
    mute_reason: str = ""


@message("ctl -> center", answers=("Done",))
class KickPlayer(Message, frozen=True, tag=232):
    """`mesh kick`: save this character and take it out of the zone, its client is told why."""

    name: Name
    text: Annotated[str, msgspec.Meta(max_length=256)] = ""


@message("ctl -> center", answers=("Done",))
class TellPlayer(Message, frozen=True, tag=233):
    """`mesh say --to`: an operator's word to one player. `not_found` when it is not in the zone, `unavailable` when it
    is, without a connection."""

    name: Name
    speaker: Label
    text: Chat


class PlayerSeen(msgspec.Struct, frozen=True, array_like=True):
    """One row of those who were looked for."""

    account: U63
    name: str
    stage: Label
    placement: Placement
    gate: str
    muted_until_s: Until = 0


@message("any -> center", answers=("PlayersFound",))
class FindPlayers(Message, frozen=True, tag=234):
    """`mesh player --search`: who in the zone has a name that begins so, in whatever case?"""

    prefix: Annotated[str, msgspec.Meta(max_length=32)]
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100


@message("center -> any")
class PlayersFound(Message, frozen=True, tag=235):
    """The first of them, in the order of their names."""

    players: list[PlayerSeen]
    more: bool = False
