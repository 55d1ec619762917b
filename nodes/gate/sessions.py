"""Who is connected, who plays where: connections, sessions and handles of one gate.

Owns the states of clients (a table) and the maps between connection numbers, sessions and handles. Sends nothing and
decides nothing: it is told what happened. A newer connection of a session replaces the older one in the maps, and
whatever the older one does afterwards cannot remove the newer.

A client has two ways to a scene. The way down is open while the scene's map leads from a handle to the client; the way
up while `client.scene` is set, and for moves while its row in `ways` leads to a line. In a transfer both are closed at
once; the way down opens with the answer to Attach, the way up when the client has said TransferHeard, too. So the hot
paths look at one thing each.
"""

from collections.abc import Iterator
from enum import StrEnum

from mesh.core.bucket import Bucket
from mesh.errors import LocalProtocolError
from mesh.front import Blob, Connection
from mesh.protocol.catalogue import Message
from mesh.protocol.sessions import Placement
from nodes.gate.bandwidth import UNHINDERED, UNLIMITED, Link
from nodes.gate.early import EarlyRows
from nodes.gate.limits import AGAIN_MAX, AGAIN_S, Offences
from nodes.gate.traffic import Line, Lines
from nodes.gate.unsent import Unsent
from nodes.gate.ways import Ways


class State(StrEnum):
    CONNECTED = "Connected"  # nothing said yet
    AUTHENTICATING = "Authenticating"  # a login node is asked
    QUEUED = "Queued"  # the zone is full
    ATTACHING = "Attaching"  # LoggedIn was sent, the scene is asked
    PLAYING = "Playing"
    TRANSFERRING = "Transferring"  # TransferBegun was sent; the scene is asked, or TransferHeard has not come
    MOVED = "Moved"  # its session goes on at another gate: both ways stay open until the client ends this connection
    LEAVING = "Leaving"  # out of every map but the connections', nothing more is heard


NEXT: dict[State, tuple[State, ...]] = {
    State.CONNECTED: (State.AUTHENTICATING, State.LEAVING),
    State.AUTHENTICATING: (State.QUEUED, State.ATTACHING, State.LEAVING),
    State.QUEUED: (State.AUTHENTICATING, State.LEAVING),
    State.ATTACHING: (State.PLAYING, State.TRANSFERRING, State.LEAVING),
    State.PLAYING: (State.TRANSFERRING, State.MOVED, State.LEAVING),
    State.TRANSFERRING: (State.TRANSFERRING, State.PLAYING, State.LEAVING),
    State.MOVED: (State.LEAVING,),
    State.LEAVING: (),
}

IN_THE_ZONE = (State.PLAYING, State.TRANSFERRING, State.ATTACHING, State.MOVED)
"""Who hears what is said to everybody."""


class Scene:
    """What the gate keeps for one scene: its players here, what waits to be sent to it, what came too early."""

    __slots__ = ("attaching", "behind", "clients", "drops", "early", "handles",
                 "held", "is_halved", "moved_tick", "movement", "name", "play_handles", "plays", "plays_bytes",
                 "records", "tags", "unsaid", "views")  # fmt: skip

    def __init__(self, name: str) -> None:
        self.name = name
        self.clients: dict[int, Client] = {}  # by handle
        self.tags: dict[int, int] = {}  # theirs, by handle
        self.handles: list[bytes] = []  # of the moves in `records`: u32[n] for MOVE[n]
        self.records: list[bytes] = []
        self.play_handles: list[int] = []
        self.plays: list[bytes] = []
        self.plays_bytes = 0
        self.drops: list[int] = []  # handles whose movement was dropped and that can take a full view again
        self.movement = Unsent()
        self.views: dict[int, Blob] = {}  # by handle: changes of view that wait for the movement behind them
        self.moved_tick = b""  # of the last movement that came
        self.is_halved = False  # was it the second of its tick?
        self.behind = False  # it was told to send no movement
        self.attaching = 0  # Attach requests under way
        self.held = False  # its process gives way to another one: nothing is said to it meanwhile
        self.unsaid: list[Message] = []  # what is to be said when that is over
        self.early = EarlyRows()


class Client:
    """One connection and what is known of it."""

    __slots__ = (
        "address", "again", "again_at", "awaits", "bulk", "bulk_bytes", "character", "connection", "control",
        "control_bytes", "dirty", "handle", "heard", "is_asked", "line", "link", "messages", "nonce", "number",
        "offences", "place", "placement", "scene", "session", "source", "starved", "state", "tag", "told", "transfer",
        "unread_since", "waited_s",
    )  # fmt: skip

    def __init__(self, connection: Connection, messages: Bucket) -> None:
        self.connection = connection
        self.number = connection.number
        self.address = connection.address
        self.tag = connection.tag  # its row in `ways`
        self.state = State.CONNECTED
        self.session = 0  # 0 as long as there is none, and again when it was given up
        self.character = ""
        self.placement: Placement | None = None  # where its character is, as the center said last
        self.nonce = 0  # of its resume token
        self.is_asked = False  # the nodes behind are asked to let it in
        self.place = 0  # in the queue
        self.scene: Scene | None = None  # to which goes what it says
        self.source: Scene | None = None  # whose rows for `handle` reach it
        self.handle = 0
        self.line: Line | None = None  # of that scene
        self.transfer = 0  # the number of its last transfer: what began under an older one is void
        self.heard = False  # TransferHeard came for that one
        # what it may still say
        self.messages = messages
        self.again = 0  # messages above the rate, for what it sends again where it has come
        self.again_at = float("-inf")  # when it was given those
        self.offences: Offences | None = None
        self.waited_s = 0.0  # for a Login, for TransferHeard, or for the client to end what is over
        # what it is still to be told
        self.control: list[Blob] = []
        self.bulk: list[Blob] = []
        self.control_bytes = self.bulk_bytes = 0
        self.dirty = False  # on the list of those with something pending
        self.awaits = False  # on the list of those with something that may wait for the next movement
        self.starved = False  # movement was dropped: only a full view helps
        self.unread_since = 0.0  # since when it is behind; 0: it is not
        self.link: Link = UNHINDERED  # what its network bears
        self.told: int = UNLIMITED  # how much movement its scene knows that it may get

    def allow_again(self, now: float) -> None:
        """It has come by a resume or a transfer, and sends again what it has kept."""
        if now - self.again_at >= AGAIN_S:
            self.again, self.again_at = AGAIN_MAX, now

    def is_in(self, *states: State) -> bool:
        """Asked again after every wait: it may have gone meanwhile."""
        return self.state in states

    @property
    def unsent(self) -> int:
        """Bytes that it is still to be told, movement not counted: that is thrown away when it becomes old."""
        return self.control_bytes + self.bulk_bytes + self.connection.backlog

    def become(self, state: State) -> None:
        """The next state, if it may follow."""
        if state not in NEXT[self.state]:
            raise LocalProtocolError(f"a client that is {self.state} cannot become {state}")
        self.state = state


class Sessions:
    """All clients of a gate."""

    def __init__(self, ways: Ways) -> None:
        self.ways = ways
        self.lines = Lines()
        self.by_number: dict[int, Client] = {}
        self.by_tag: dict[int, Client] = {}
        self.by_session: dict[int, Client] = {}
        self.scenes: dict[str, Scene] = {}

    def __len__(self) -> int:
        return len(self.by_number)

    def __iter__(self) -> Iterator[Client]:
        return iter(list(self.by_number.values()))

    def add(self, client: Client) -> None:
        self.by_number[client.number] = self.by_tag[client.tag] = client

    def scene(self, name: str) -> Scene:
        """What is kept for a scene; made when it is first named."""
        scene = self.scenes.get(name)
        if scene is None:
            scene = self.scenes[name] = Scene(name)
        return scene

    def bind(self, client: Client, session: int, character: str, placement: Placement) -> None:
        """Authenticated: this connection speaks for that session from now on."""
        client.session, client.character, client.placement = session, character, placement
        self.by_session[session] = client

    def attached(self, client: Client, scene: Scene, handle: int) -> None:
        """The scene calls it by that handle: the way down is open."""
        client.source, client.handle = scene, handle
        scene.clients[handle], scene.tags[handle] = client, client.tag
        assert client.placement is not None, "whoever is attached was placed"
        client.line = self.lines.line(scene.name, client.placement.map, client.placement.line)
        client.line.clients += 1
        client.told = UNLIMITED

    def open(self, client: Client) -> None:
        """And the way up."""
        client.become(State.PLAYING)
        client.scene = client.source
        assert client.line is not None, "it was attached"
        self.ways.open(client.tag, client.line.index, client.handle)

    def detach(self, client: Client) -> None:
        """Both ways are closed: it has no scene until it is attached again."""
        source = client.source
        if source is not None and source.clients.get(client.handle) is client:
            del source.clients[client.handle], source.tags[client.handle]
        if client.line is not None:
            client.line.clients -= 1
        self.ways.shut(client.tag)
        client.scene = client.source = client.line = None

    def move(self, client: Client) -> None:
        """Its session goes on at another gate."""
        client.become(State.MOVED)
        self._release(client)

    def part(self, client: Client) -> tuple[int, str]:
        """Out of the world: no map leads to it any more. Returns (session, scene name) as they were, 0 and "" when
        it was not in; a second call returns nothing."""
        session, source = client.session, client.source
        self._release(client)
        self.detach(client)
        client.session = 0
        return session, source.name if source is not None else ""

    def _release(self, client: Client) -> None:
        if client.session and self.by_session.get(client.session) is client:
            del self.by_session[client.session]

    def remove(self, client: Client) -> None:
        """The connection is gone."""
        if self.by_number.pop(client.number, None) is not None:
            del self.by_tag[client.tag]
            self.ways.leave(client.tag)

    def counts(self) -> dict[State, int]:
        """How many there are in each state."""
        found = dict.fromkeys(State, 0)
        for client in self.by_number.values():
            found[client.state] += 1
        return found
