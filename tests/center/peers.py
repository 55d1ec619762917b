"""Neighbours of a real center, each of a few lines: a scene, a gate, a DC and a login that do as they are told."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from mesh.errors import Code, RefusedError
from mesh.node import Caller, Node, on, on_published
from mesh.protocol.catalogue import Message, decoder
from mesh.protocol.cluster import (
    Admit,
    Announce,
    Dropped,
    Enter,
    Friendship,
    FromClient,
    Hosted,
    HostedAt,
    HostedList,
    Kick,
    ListHosted,
    ListSessions,
    Online,
    QueueMoved,
    Release,
    Resume,
    SessionAt,
    Sessions,
    Status,
    ToClients,
    account_of,
    session_of,
)
from mesh.protocol.control import Done, Load
from mesh.protocol.records import ChangeFriendship, FriendshipChanged
from mesh.protocol.social import FriendAsked, FriendOffline, FriendOnline, Friends, Shouted, SocialDenied, Whispered
from mesh.testing import Cluster, run
from mesh.topology import load
from nodes.center.node import CenterNode
from tests.conftest import ZONE

hear = decoder([FriendAsked, FriendOffline, FriendOnline, Friends, Shouted, SocialDenied, Whispered])

TWO_GATES = ZONE + '[[process]]\nnodes = ["gate.2"]\n'


def friend(account: int, state: str = "friend") -> Friendship:
    return Friendship(account, f"P{account}", state)  # type: ignore[arg-type]


def status(account: int, friends: list[Friendship] | None = None, map_: str = "") -> Status:
    return Status(account, f"P{account}", 1, 0, 100, {}, map_, 0.0, 0.0, 0, "eu", 0, [], friends or [])


class Scene(Node):
    """Characters by session. `mood` is what it does about an Enter: take, refuse or hang."""

    ROLE = "scene"

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.characters: dict[int, Status] = {}
        self.asked: list[Message] = []
        self.mood = "take"
        self.releases = True
        self.slow_s = 0.0
        self.capacity = 1000

    def facts(self) -> dict[str, str]:
        return {"maps": f"meadow:{self.seat.spec.number}"}

    def load(self) -> Load:
        return Load(len(self.characters), self.capacity)

    @on(Enter)
    async def on_enter(self, said: Enter, _caller: Caller) -> Hosted:
        self.asked.append(said)
        if self.mood == "hang":
            await asyncio.sleep(1000)
        if self.mood == "refuse":
            raise RefusedError(Code.ZONE_FULL)
        await asyncio.sleep(self.slow_s)
        for older in [s for s in self.characters if account_of(s) == account_of(said.session) and s < said.session]:
            del self.characters[older]
        self.characters[said.session] = said.status
        return Hosted("meadow", 1)

    @on(Release)
    async def on_release(self, said: Release, _caller: Caller) -> Done:
        self.asked.append(said)
        if not self.releases:
            raise RefusedError(Code.UNAVAILABLE, "the dc is away")
        await asyncio.sleep(self.slow_s)
        self.characters.pop(said.session, None)
        return Done()

    @on(ListHosted)
    def on_list_hosted(self, _said: ListHosted, _caller: Caller) -> HostedList:
        return HostedList([HostedAt(s, status, "meadow", 1) for s, status in self.characters.items()])


class Gate(Node):
    """Connections by session; ends those that it is told to end."""

    ROLE = "gate"

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.sessions: dict[int, int] = {}
        self.kicks: list[Kick] = []
        self.admitted: list[Admit] = []
        self.moved: list[QueueMoved] = []
        self.clients: list[tuple[int, Message]] = []  # what each session was told
        self.announced: list[Message] = []

    @on(Kick)
    def on_kick(self, said: Kick, _caller: Caller) -> None:
        self.kicks.append(said)
        if self.sessions.get(said.session) == said.connection:
            del self.sessions[said.session]

    @on(Admit)
    def on_admit(self, said: Admit, _caller: Caller) -> None:
        self.admitted.append(said)
        self.sessions[said.placed.session] = said.connection

    @on(QueueMoved)
    def on_moved(self, said: QueueMoved, _caller: Caller) -> None:
        self.moved.append(said)

    @on(ToClients)
    def on_to_clients(self, said: ToClients, _caller: Caller) -> None:
        self.clients += [(session, hear(said.body)) for session in said.sessions]

    @on(ListSessions)
    def on_list(self, _said: ListSessions, _caller: Caller) -> Sessions:
        return Sessions([SessionAt(s, c, f"P{account_of(s)}", "") for s, c in self.sessions.items()])

    @on_published(Announce)
    def on_announce(self, said: Announce) -> None:
        self.announced.append(hear(said.body))

    def bind(self, session: int, connection: int) -> None:
        """Login has answered; meanwhile the client may have been kicked, by the number of its connection."""
        if not any(kick.connection == connection for kick in self.kicks):
            self.sessions[session] = connection

    def told(self, session: int) -> list[Message]:
        return [message for to, message in self.clients if to == session]

    def say(self, session: int, message: Message | bytes) -> None:
        body = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
        self.tell("eu.one.center.1", FromClient(session, body))


class Dc(Node):
    """Friendships in a dict."""

    ROLE = "dc"

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.friends: dict[int, dict[int, Friendship]] = {}

    @on(ChangeFriendship)
    def on_change(self, said: ChangeFriendship, _caller: Caller) -> FriendshipChanged:
        if not said.other.startswith("P"):
            raise RefusedError(Code.NOT_FOUND, f"there is no {said.other}")
        other = int(said.other[1:])
        mine, theirs = self.friends.setdefault(said.account, {}), self.friends.setdefault(other, {})
        if said.kind == "remove":
            mine.pop(other, None)
            theirs.pop(said.account, None)
        elif said.kind == "ask":
            mine[other], theirs[said.account] = friend(other, "asking"), friend(said.account, "asked")
        else:
            mine[other], theirs[said.account] = friend(other), friend(said.account)
        return FriendshipChanged(said.account, list(mine.values()), other, f"P{other}", list(theirs.values()))


class Login(Node):
    """Brings accounts online without asking who they are."""

    ROLE = "login"

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.epochs: dict[int, int] = {}


class Neighbourhood:
    """A center and its neighbours."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.connections = 0

    @property
    def center(self) -> CenterNode:
        return self.cluster.node("center.1")

    def scene(self, number: int = 1) -> Scene:
        return self.cluster.node(f"scene.{number}")

    def gate(self, number: int = 1) -> Gate:
        return self.cluster.node(f"gate.{number}")

    @property
    def login(self) -> Login:
        return self.cluster.node("login.1")

    def session(self, account: int) -> int:
        """The number of a new session of this account."""
        epoch = self.login.epochs[account] = self.login.epochs.get(account, 0) + 1
        return session_of(account, epoch)

    async def online(
        self, account: int, *, gate: int = 1, friends: list[Friendship] | None = None, session: int = 0
    ) -> Any:
        """A whole login as far as the center is concerned: Placed or Queued."""
        self.connections += 1
        connection = self.connections
        session = session or self.session(account)
        said = Online(session, status(account, friends), self.gate(gate).name, connection)
        answer = await self.login.ask("eu.one.center.1", said)
        if type(answer).__name__ == "Placed":
            self.gate(gate).bind(session, connection)
        return answer

    async def resume(self, placed: Any, *, gate: int = 1) -> Any:
        self.connections += 1
        connection = self.connections
        said = Resume(placed.session, placed.nonce, self.gate(gate).name, connection)
        answer = await self.login.ask("eu.one.center.1", said)
        self.gate(gate).bind(placed.session, connection)
        return answer

    def drop(self, session: int, *, gate: int = 1) -> None:
        """The client's connection breaks."""
        connection = self.gate(gate).sessions.pop(session)
        self.gate(gate).tell("eu.one.center.1", Dropped(session, connection))

    def worlds(self, account: int) -> list[int]:
        """The sessions of an account that are in the world anywhere."""
        scenes = [node for name, node in self.cluster.nodes.items() if name.startswith("scene")]
        return [s for scene in scenes for s in scene.characters if account_of(s) == account]

    def stage(self, account: int) -> str | None:
        presence = self.center.directory.of_account(account)
        return presence.stage if presence else None


Story = Callable[[Neighbourhood], Awaitable[None]]


def tell(tmp_path: Path, story: Story, settings: str = "") -> None:
    """Tell a story on virtual time. It fails when a node made a mistake that is ours."""
    file = tmp_path / "zone.toml"
    file.write_text(TWO_GATES + (f"[settings.center]\n{settings}\n" if settings else ""))
    topology = load(file, runtime=tmp_path / "run")
    roles = {"center": CenterNode, "dc": Dc, "login": Login, "scene": Scene, "gate": Gate}

    async def whole() -> None:
        cluster = Cluster(topology, roles, tmp_path / "data")
        await cluster.start("center.1", "dc.1", "login.1", "scene.1", "scene.2", "gate.1", "gate.2")
        try:
            await story(Neighbourhood(cluster))
            assert cluster.internal_errors() == []
        finally:
            await cluster.stop()

    run(whole())
