"""What a node knows of its links: who is at the other end, how far the greeting got, who was silent for how long.

A link has one opener. It says Hello, the other side answers Welcome, and the link is up for both. Whoever hears
nothing for DEAD_S takes the other side for dead; whoever says nothing for BEAT_S sends a Beat. A side that has said
that it is under pressure comes to say something late, and to take it for dead would cost all its players their
connection just when it can least bear that they come again. So it has more time, but only as much as it has needed
before: GAPS times the longest silence of it that was heard on this link lately, at least PRESSED_S and at most
PATIENT_S. One that works slowly shows that by its silences before it comes to a long one; one that hangs does not, and
is noticed nearly as soon as one without pressure. Rejected: PATIENT_S for everybody under pressure, which leaves the
players of a scene that hangs alone for six seconds; and a thread that beats beside the loop, which says that a process
lives whose loop does not. The end of a process is known by its socket in any case; this is for those that hang, and
for machines that vanish.
"""

from dataclasses import dataclass, field
from typing import Literal

from mesh.core.transit import Transit
from mesh.protocol.envelope import Envelope

BEAT_S = 0.5
DEAD_S = 1.5
PRESSED_S = 2.0
PATIENT_S = 6.0
GAPS = 3.0
GAP_KEPT = 0.99
"""Of the longest silence, from one look at all links to the next: half of it is forgotten within some 17 s."""
LINKS_MAX = 2_048  # of one node; above it whoever comes is not heard

LinkState = Literal["opening", "greeting", "up"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who says something on a link."""

    peer: str  # full node name
    role: str
    incarnation: int


NOBODY = Caller("", "", 0)


@dataclass(slots=True, eq=False)
class Link:
    """One connection between two nodes, as one of them sees it."""

    id: int
    dialled: bool
    state: LinkState
    peer: str  # full node name; "" for an accepted link until its Hello
    heard_at: float
    said_at: float
    role: str = ""
    incarnation: int = 0
    address: str = ""
    pressed: bool = False  # the other side has said that it is under pressure
    gap: float = 0.0  # the longest silence of the other side lately, in seconds
    transit: Transit = field(default_factory=Transit)
    waited_s: float = 0.0  # on its way: the typed message that is being heard
    outbox: list[Envelope] = field(default_factory=list)
    caller: Caller = NOBODY  # who is at the other end, from when the link is up on

    def hear(self, now: float) -> None:
        """The other side has said something."""
        silence = now - self.heard_at
        if silence > self.gap:
            self.gap = silence
        self.heard_at = now

    @property
    def patience_s(self) -> float:
        """How long the other side may be silent before it must be taken for dead."""
        return min(PATIENT_S, max(PRESSED_S, GAPS * self.gap)) if self.pressed else DEAD_S


class Links:
    """All links by id, and those that are up by the peer's name."""

    def __init__(self) -> None:
        self.by_id: dict[int, Link] = {}
        self.up: dict[str, Link] = {}

    def opened(self, link: int, peer: str, address: str, now: float) -> Link:
        """We dial."""
        made = Link(link, True, "opening", peer, now, now, address=address)
        self.by_id[link] = made
        return made

    def accepted(self, link: int, now: float) -> Link:
        """Somebody dialled us."""
        made = Link(link, False, "greeting", "", now, now)
        self.by_id[link] = made
        return made

    def greeted(self, link: Link, peer: str, role: str, incarnation: int) -> Link | None:
        """Hello or Welcome came: the link is up. Returns the link that it replaces: an older incarnation of the peer,
        or an older connection of the same one."""
        replaced = self.up.get(peer)
        link.peer, link.role, link.incarnation, link.state = peer, role, incarnation, "up"
        link.caller = Caller(peer, role, incarnation)
        self.up[peer] = link
        return replaced if replaced is not link else None

    def remove(self, id: int) -> Link | None:  # noqa: A002 - the word of the field
        link = self.by_id.pop(id, None)
        if link is not None and self.up.get(link.peer) is link:
            del self.up[link.peer]
        return link

    def of_peer(self, peer: str) -> list[Link]:
        """Every link to a peer, whatever its state."""
        return [link for link in self.by_id.values() if link.peer == peer]

    def dialled_to(self, peer: str) -> Link | None:
        """The link that we opened to a peer, whatever its state."""
        return next((link for link in self.by_id.values() if link.dialled and link.peer == peer), None)

    def excuse(self, seconds: float, now: float) -> None:
        """We stood still for so long: what the others said meanwhile is there, but not read yet."""
        for link in self.by_id.values():
            link.heard_at = min(now, link.heard_at + seconds)

    def silent(self, now: float) -> list[Link]:
        """Links whose other side must be taken for dead. One that is still connecting has no other side yet. To be
        called four times a second or so: the silences of each are forgotten in these steps."""
        for link in self.by_id.values():
            link.gap *= GAP_KEPT
        return [
            link for link in self.by_id.values() if link.state != "opening" and now - link.heard_at > link.patience_s
        ]

    def press(self, peer: str, pressed: bool) -> None:
        """This peer has said that it is under pressure, or that it is not any more."""
        link = self.up.get(peer)
        if link is not None:
            link.pressed = pressed

    def due(self, now: float) -> list[Link]:
        """Links on which it is time to say that we live."""
        return [link for link in self.by_id.values() if link.state == "up" and now - link.said_at >= BEAT_S]


def may_be_called(name: str, role: str, owner: str, own_name: str) -> bool:
    """Is this a name that the other end of a link may have? `owner` is whom the transport has proof of, or "": an
    operator may add its process number. The role is part of the name, so the proof covers it, too."""
    parts = name.split(".")
    proved = not owner or name == owner or name.startswith(f"{owner}.")
    return proved and name != own_name and len(parts) >= 4 and parts[2] == role
