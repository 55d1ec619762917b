"""What nodes say to each other about themselves: links, registry, description, drain. No game in here."""

from typing import Annotated, Any, Literal

import msgspec

from mesh.protocol.catalogue import Message, message
from mesh.protocol.envelope import Hop
from mesh.protocol.types import U63, Label, NodeName, Text

State = Literal["Starting", "Ready", "Draining", "Shutdown"]


@message("any -> any")
class Refused(Message, frozen=True, tag=1):
    """No, and why. May answer every request."""

    code: Label
    text: Text = ""


@message("any -> any")
class Done(Message, frozen=True, tag=2):
    """Yes, and there is nothing more to say."""


@message("any -> any")
class Hello(Message, frozen=True, tag=3):
    """The first thing on a link, from the side that opened it."""

    name: NodeName
    incarnation: U63
    roles: list[Label]
    version: Label


@message("any -> any")
class Welcome(Message, frozen=True, tag=4):
    """The answer to Hello: the link is up."""

    name: NodeName
    incarnation: U63
    roles: list[Label]
    version: Label


@message("any -> any")
class Beat(Message, frozen=True, tag=5):
    """I am alive. Sent when nothing else was said for half a second."""


@message("any -> any")
class Bye(Message, frozen=True, tag=6):
    """I end this link. `again` asks the other side to open it anew (it is not known here any more)."""

    again: bool = False


class Load(msgspec.Struct, frozen=True, array_like=True):
    """How busy a node is, as placement sees it."""

    players: int = 0
    capacity: int = 0  # players; 0 for no limit of its own
    pressure: float = 0.0  # 0 idle .. 1 full
    level: int = 0  # of the policy: what this node leaves out at the moment


class Member(msgspec.Struct, frozen=True, array_like=True):
    """A node as the registry knows it."""

    name: NodeName
    incarnation: U63
    role: Label
    address: Annotated[str, msgspec.Meta(max_length=256)]
    state: State
    load: Load = Load()
    facts: dict[str, str] = {}  # what a role tells the others about itself: a gate's client address, a scene's maps


@message("any -> center", answers=("Registered",))
class Register(Message, frozen=True, tag=10):
    """Enter me into the registry, or take what changed."""

    member: Member


@message("center -> any")
class Registered(Message, frozen=True, tag=11):
    """Who is there. The lease holds for `lease_s` from now on; `Renew` within it."""

    epoch: U63  # of the center: grows with every start
    sequence: U63  # of the publication stream, as of this list
    lease_s: float
    members: list[Member]


@message("any -> center", answers=("Done",))
class Renew(Message, frozen=True, tag=12):
    """I am still there, and this is how I feel."""

    incarnation: U63
    state: State
    load: Load = Load()


@message("center => any")
class MemberChanged(Message, frozen=True, tag=13):
    """A node came, changed or went (state Shutdown)."""

    member: Member


@message("center => any")
class Pulse(Message, frozen=True, tag=14):
    """Nothing happened: the sequence of the stream is still where you think it is, or you missed something."""


@message("any -> center", answers=("Snapshot",))
class GetSnapshot(Message, frozen=True, tag=15):
    """I may have missed publications after `sequence` of `epoch`."""

    epoch: U63
    sequence: U63


@message("center -> any")
class Snapshot(Message, frozen=True, tag=16):
    """Who is there, and the publications that were asked for, as far as they are still kept."""

    epoch: U63
    sequence: U63
    members: list[Member]
    missed: list[msgspec.Raw]


@message("any -> any")
class PressureChanged(Message, frozen=True, tag=17):
    """This node works at another level of the policy from now on; said on every link when it changes, and first of
    all when a link comes up at a level above 0. The links are in order, so the last one heard holds."""

    level: Annotated[int, msgspec.Meta(ge=0, le=9)]
    pressure: float  # 1.0: at its limit
    reason: Label  # what led up to it, "loop lag" or another signal, or "operator"; may be empty on the way down


@message("ctl -> any", answers=("Description",))
class Describe(Message, frozen=True, tag=20):
    """What are you, how are you?"""


@message("any -> ctl")
class Description(Message, frozen=True, tag=21):
    """A node about itself; `facts` is JSON-like and free in form."""

    name: NodeName
    role: Label
    state: State
    pid: int
    incarnation: U63
    uptime_s: float
    metrics_url: str
    load: Load
    links: list[tuple[str, str]]  # peer, state
    facts: dict[str, Any] = {}


class Trace(msgspec.Struct, frozen=True, array_like=True):
    """One traced request with everything that it caused."""

    id: U63
    subject: str  # who it was for: a character, an account
    kind: Label  # "login", "resume", "admit", "act:loot" and the like
    started_wall_ms: int
    hops: list[Hop]
    result: Label = "ok"  # or the code of the refusal that ended it


@message("ctl -> any", answers=("Traces",))
class ListTraces(Message, frozen=True, tag=22):
    """The traces that began at this node."""

    kind: Label = ""
    subject: Label = ""
    order: Literal["latest", "slowest"] = "latest"
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 1
    failed: bool = False  # only those that did not end well


@message("any -> ctl")
class Traces(Message, frozen=True, tag=23):
    """Whole traces, in the order that was asked for."""

    traces: list[Trace]


@message("ctl -> any", answers=("Drained",))
class Drain(Message, frozen=True, tag=24):
    """Hand over what you have and take nothing new: to be stopped, or kept empty. Asked again, it goes on."""


@message("any -> ctl")
class Drained(Message, frozen=True, tag=25):
    """How far it came: clients of a gate, players of a scene, requests of a login, events of a log."""

    moved: int
    left: int  # 0: the node is empty
    text: str = ""  # why something is left


@message("ctl -> any", answers=("Done",))
class PinLevel(Message, frozen=True, tag=26):
    """Work at this level of the policy, whatever the pressure is, until this is said again; None: as the pressure
    says, from the present level on."""

    level: Annotated[int, msgspec.Meta(ge=0, le=9)] | None = None
