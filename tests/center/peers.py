"""Neighbours of a real center, each of a few lines: a scene, a gate, a DC and a login that do as they are told."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from mesh.errors import Code, MeshError, RefusedError, ReplacedError
from mesh.node import Caller, Node, on, on_published
from mesh.protocol.catalogue import CATALOGUE, Message, decoder
from mesh.protocol.cluster import (
    Admit,
    Announce,
    Attach,
    Attached,
    Dropped,
    Enter,
    FromClient,
    Hosted,
    HostedAt,
    HostedList,
    Kick,
    LineAt,
    ListHosted,
    ListSessions,
    Online,
    QueueMoved,
    Release,
    Replaced,
    Resume,
    SessionAt,
    Sessions,
    ToClients,
)
from mesh.protocol.control import Done, Load, Member
from mesh.protocol.placement import (
    CloseLine,
    Depart,
    Departed,
    FriendsChanged,
    MuteChanged,
    OpenLine,
    PartyChanged,
    TakeBack,
    Transferred,
)
from mesh.protocol.records import (
    ChangeFriendship,
    FenceScene,
    FriendshipChanged,
    ReadStatuses,
    StatusAt,
    StatusesRead,
)
from mesh.protocol.sessions import Carried, Friendship, PartyAt, Placement, Status, account_of, session_of
from mesh.testing import Cluster, run
from mesh.topology import load
from nodes.center.node import CenterNode
from tests.conftest import ZONE

hear = decoder([declared.type for declared in CATALOGUE.values() if declared.target == "client"])

TWO_GATES = ZONE + '[[process]]\nnodes = ["gate.2"]\n'


def friend(account: int, state: str = "friend") -> Friendship:
    return Friendship(account, f"P{account}", state)  # type: ignore[arg-type]


def status(account: int, friends: list[Friendship] | None = None, map_: str = "") -> Status:
    return Status(account, f"P{account}", 1, 0, 100, {}, map_, 0.0, 0.0, 0, "eu", 0, [], friends or [])


Step = Callable[[Message, str], Awaitable[None]]


@dataclass
class FakeLine:
    """A line of a scene that is none."""

    soft: int = 800
    max: int = 1000
    fixed: bool = True


@dataclass
class Keepsake:
    """What departed."""

    departed: Departed
    line: tuple[str, int]
    party: PartyAt | None


class Scene(Node):
    """Characters by session, on lines. `mood` is what it does about an Enter: take, refuse or hang; `departing` the
    same for a Depart: go, refuse or hang. `step` is called with every request, "before" and "after" its effect."""

    ROLE = "scene"
    MAPS: tuple[str, ...] = ()

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.characters: dict[int, Status] = {}
        self.where: dict[int, tuple[str, int]] = {}
        self.parties: dict[int, PartyAt | None] = {}
        self.carried: dict[int, Carried] = {}
        self.keepsakes: dict[int, Keepsake] = {}
        self.attached: set[int] = set()
        self.lines = self.carries(self.seat.spec.number)
        self.maps: list[str] = list(self.MAPS)  # of which further lines may be opened
        self.lines_max = 32
        self.caps = FakeLine(fixed=False)  # of lines that are opened
        self.asked: list[Message] = []
        self.mood = "take"
        self.departing = "go"
        self.releases = True
        self.slow_s = 0.0
        self.busy = 0.0
        self.step: Step | None = None

    def carries(self, number: int) -> dict[tuple[str, int], FakeLine]:
        """Its lines at the start."""
        return {("meadow", number): FakeLine()}

    def facts(self) -> dict[str, str]:
        return {"maps": ",".join(f"{map_}:{number}" for map_, number in self.lines)}

    def load(self) -> Load:
        return Load(len(self.characters), sum(line.max for line in self.lines.values()), self.busy)

    def on_line(self, map_: str, number: int) -> int:
        return list(self.where.values()).count((map_, number))

    @on(Enter)
    async def on_enter(self, said: Enter, _caller: Caller) -> Hosted:
        await self._heard(said)
        if self.mood == "hang":
            await asyncio.sleep(1000)
        if self.mood == "refuse":
            raise RefusedError(Code.ZONE_FULL)
        await asyncio.sleep(self.slow_s)
        if said.session not in self.characters:
            self._enter(said)
        await self._done(said)
        return Hosted(*self.where[said.session])

    def _enter(self, said: Enter) -> None:
        account = account_of(said.session)
        if any(s > said.session for s in [*self.characters, *self.keepsakes] if account_of(s) == account):
            raise RefusedError(Code.STALE_EPOCH)
        keepsake = self.keepsakes.get(said.session)
        if self.state == "Draining" and keepsake is None:
            raise RefusedError(Code.SHUTDOWN)
        wanted = said.map or said.status.map
        free = [
            (map_, number)
            for (map_, number), line in self.lines.items()
            if wanted in ("", map_) and said.line in (0, number)
            if self.on_line(map_, number) < line.max or (keepsake and keepsake.line == (map_, number))
        ]
        if not free:
            raise RefusedError(Code.NOT_FOUND)
        for older in [s for s in self.characters if account_of(s) == account]:
            self._remove(older)
        for older in [s for s in self.keepsakes if account_of(s) == account]:
            del self.keepsakes[older]
        self.characters[said.session] = said.status
        self.where[said.session] = free[0]
        self.parties[said.session] = said.party
        carried = said.carried or (keepsake.departed.carried if keepsake else None)
        self.carried[said.session] = carried or Carried(0, 0, 0, said.operation or 0)

    def _remove(self, session: int) -> None:
        self.characters.pop(session, None)
        self.where.pop(session, None)
        self.attached.discard(session)

    @on(Attach)
    def on_attach(self, said: Attach, _caller: Caller) -> Attached:
        if said.session not in self.characters:
            raise RefusedError(Code.NOT_FOUND)
        self.attached.add(said.session)
        return Attached(1)

    @on(Depart)
    async def on_depart(self, said: Depart, _caller: Caller) -> Departed:
        await self._heard(said)
        if self.departing == "hang":
            await asyncio.sleep(1000)
        if self.departing == "refuse":
            raise RefusedError(Code.OUT_OF_ORDER, "in a fight")
        await asyncio.sleep(self.slow_s)
        if said.session not in self.keepsakes:
            if said.session not in self.characters:
                raise RefusedError(Code.NOT_FOUND)
            map_, number = self.where[said.session]
            status = msgspec.structs.replace(self.characters[said.session], map=map_)
            party, before = self.parties[said.session], self.carried[said.session]
            carried = msgspec.structs.replace(before, operation=before.operation + 1)  # it has done something here
            self._remove(said.session)
            self.keepsakes[said.session] = Keepsake(Departed(status, carried), (map_, number), party)
        await self._done(said)
        return self.keepsakes[said.session].departed

    @on(TakeBack)
    async def on_take_back(self, said: TakeBack, _caller: Caller) -> Hosted:
        await self._heard(said)
        keepsake = self.keepsakes.get(said.session)
        if said.session not in self.characters:
            if keepsake is None:
                raise RefusedError(Code.NOT_FOUND)
            departed, (map_, number) = keepsake.departed, keepsake.line
            self._enter(Enter(said.session, departed.status, number, departed.carried, None, keepsake.party, map_))
        await self._done(said)
        return Hosted(*self.where[said.session])

    @on(Release)
    async def on_release(self, said: Release, _caller: Caller) -> Done:
        await self._heard(said)
        if not self.releases:
            raise RefusedError(Code.UNAVAILABLE, "the dc is away")
        await asyncio.sleep(self.slow_s)
        self._remove(said.session)
        self.keepsakes.pop(said.session, None)
        await self._done(said)
        return Done()

    @on(Replaced)
    def on_replaced(self, said: Replaced, _caller: Caller) -> None:
        """As real ones: what keeps an eye on the processes starts it anew."""
        self.asked.append(said)
        self.failure = ReplacedError("given up")
        self.failed.set()

    @on(OpenLine)
    async def on_open_line(self, said: OpenLine, _caller: Caller) -> Done:
        await self._heard(said)
        if said.map not in self.maps or len(self.lines) >= self.lines_max:
            raise RefusedError(Code.NOT_ALLOWED)
        self.lines.setdefault((said.map, said.number), replace(self.caps))
        await self._done(said)
        return Done()

    @on(CloseLine)
    async def on_close_line(self, said: CloseLine, _caller: Caller) -> Done:
        await self._heard(said)
        if self.on_line(said.map, said.number):
            raise RefusedError(Code.OUT_OF_ORDER)
        self.lines.pop((said.map, said.number), None)
        await self._done(said)
        return Done()

    @on(ListHosted)
    def on_list_hosted(self, _said: ListHosted, _caller: Caller) -> HostedList:
        here = [
            HostedAt(s, status, *self.where[s], party=self.parties[s], attached=s in self.attached)
            for s, status in self.characters.items()
        ]
        gone = [
            HostedAt(s, kept.departed.status, *kept.line, departed=True, party=kept.party)
            for s, kept in self.keepsakes.items()
        ]
        lines = [
            LineAt(map_, number, self.on_line(map_, number), line.soft, line.max, line.fixed)
            for (map_, number), line in self.lines.items()
        ]
        return HostedList([*here, *gone], lines, self.maps, self.lines_max)

    @on(PartyChanged)
    def on_party_changed(self, said: PartyChanged, _caller: Caller) -> None:
        self.asked.append(said)
        for session in self.characters:
            was, member = self.parties[session], account_of(session) in said.party.members
            if member or (was is not None and was.party == said.party.party):
                self.parties[session] = said.party if member else None

    @on(FriendsChanged)
    def on_friends_changed(self, said: FriendsChanged, _caller: Caller) -> None:
        self.asked.append(said)

    @on(MuteChanged)
    def on_mute_changed(self, said: MuteChanged, _caller: Caller) -> None:
        status = self.characters.get(said.session)
        if status is not None and said.mute.number > status.mute.number:
            self.characters[said.session] = msgspec.structs.replace(status, mute=said.mute)

    async def _heard(self, said: Message) -> None:
        self.asked.append(said)
        if self.step is not None:
            await self.step(said, "before")

    async def _done(self, said: Message) -> None:
        if self.step is not None:
            await self.step(said, "after")


class Gate(Node):
    """Connections by session; ends those that it is told to end, and with DISMISSES those whose scene it loses."""

    ROLE = "gate"
    DISMISSES = False

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.sessions: dict[int, int] = {}
        self.at: dict[int, Placement] = {}  # where each session is attached
        self.transferred: list[Transferred] = []
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
        self.bind(said.placed.session, said.connection, said.placed.placement)

    @on(Transferred)
    def on_transferred(self, said: Transferred, _caller: Caller) -> None:
        self.transferred.append(said)
        if self.sessions.get(said.session) == said.connection:
            self.at[said.session] = said.placement
            self.attach(said.session, said.placement)

    @on(QueueMoved)
    def on_moved(self, said: QueueMoved, _caller: Caller) -> None:
        self.moved.append(said)

    @on(ToClients)
    def on_to_clients(self, said: ToClients, _caller: Caller) -> None:
        self.clients += [(session, hear(said.body)) for session in said.sessions]

    @on(ListSessions)
    def on_list(self, _said: ListSessions, _caller: Caller) -> Sessions:
        listed = []
        for session, connection in self.sessions.items():
            at = self.at.get(session, Placement("", "", 0))
            listed.append(SessionAt(session, connection, f"P{account_of(session)}", at.scene, at.map, at.line))
        return Sessions(listed)

    @on_published(Announce)
    def on_announce(self, said: Announce) -> None:
        self.announced.append(hear(said.body))

    def bind(self, session: int, connection: int, at: Placement) -> None:
        """Login has answered; meanwhile the client may have been kicked, by the number of its connection, or taken
        elsewhere."""
        if not any(kick.connection == connection for kick in self.kicks):
            self.sessions[session] = connection
            told = [said.placement for said in self.transferred if said.connection == connection]
            self.at[session] = [at, *told][-1]
            self.attach(session, self.at[session])

    def attach(self, session: int, at: Placement) -> None:
        """Step 7; without an answer the client would be told to come back."""

        attach = Attach(session, self.sessions[session])

        async def ask() -> None:
            try:
                await self.ask(at.scene, attach)
            except MeshError:
                if self.at.get(session) is at:
                    self.dismiss(session)

        self.spawn(ask())

    def peer_lost(self, member: Member) -> None:
        for session in [s for s, at in self.at.items() if at.scene == member.name]:
            self.dismiss(session)

    def dismiss(self, session: int) -> None:
        """A client that cannot play is told to come back."""
        if self.DISMISSES and session in self.sessions:
            self.tell("eu.one.center.1", Dropped(session, self.sessions.pop(session)))

    def told(self, session: int) -> list[Message]:
        return [message for to, message in self.clients if to == session]

    def say(self, session: int, message: Message | bytes) -> None:
        body = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
        self.tell("eu.one.center.1", FromClient(session, body))


class Dc(Node):
    """Friendships in a dict; it knows every character, except those that are `forgotten`."""

    ROLE = "dc"

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.friends: dict[int, dict[int, Friendship]] = {}
        self.fenced: list[FenceScene] = []
        self.read: list[int] = []  # sessions
        self.forgotten: set[int] = set()  # sessions
        self.operations: dict[int, int] = {}  # the last one, by session
        self.maps: dict[int, str] = {}  # by account
        self.full = False

    @on(FenceScene)
    def on_fence(self, said: FenceScene, _caller: Caller) -> Done:
        if self.full:
            raise RefusedError(Code.DISK_FULL)
        self.fenced.append(said)
        return Done()

    @on(ReadStatuses)
    def on_read(self, said: ReadStatuses, _caller: Caller) -> StatusesRead:
        self.read += said.sessions
        known = [session for session in said.sessions if session not in self.forgotten]
        return StatusesRead([self._status_at(session) for session in known])

    def _status_at(self, session: int) -> StatusAt:
        account = account_of(session)
        return StatusAt(session, status(account, map_=self.maps.get(account, "")), self.operations.get(session, 0))

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


class Neighbourhood:
    """A center and its neighbours."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.connections = 0
        self.epochs: dict[int, int] = {}  # of the accounts' sessions

    @property
    def center(self) -> CenterNode:
        return self.cluster.node("center.1")

    def scene(self, number: int = 1) -> Scene:
        return self.cluster.node(f"scene.{number}")

    def gate(self, number: int = 1) -> Gate:
        return self.cluster.node(f"gate.{number}")

    @property
    def dc(self) -> Dc:
        return self.cluster.node("dc.1")

    async def supervise(self) -> None:
        """Start anew whoever finds that it is not to serve any more."""
        while True:
            await asyncio.sleep(0.1)
            for short in [short for short, node in self.cluster.nodes.items() if node.failed.is_set()]:
                await self.cluster.kill(short)
                await self.cluster.start(short)

    @property
    def login(self) -> Login:
        return self.cluster.node("login.1")

    def session(self, account: int) -> int:
        """The number of a new session of this account."""
        epoch = self.epochs[account] = self.epochs.get(account, 0) + 1
        return session_of(account, epoch)

    async def online(
        self,
        account: int,
        *,
        gate: int = 1,
        friends: list[Friendship] | None = None,
        session: int = 0,
        map_: str = "",
        priority: int = 0,
    ) -> Any:
        """A whole login as far as the center is concerned: Placed or Queued."""
        self.connections += 1
        connection = self.connections
        session = session or self.session(account)
        said = Online(session, status(account, friends, map_), self.gate(gate).name, connection, priority)
        answer = await self.login.ask("eu.one.center.1", said)
        if type(answer).__name__ == "Placed":
            self.gate(gate).bind(session, connection, answer.placement)
        return answer

    async def resume(self, placed: Any, *, gate: int = 1) -> Any:
        self.connections += 1
        connection = self.connections
        said = Resume(placed.session, placed.nonce, self.gate(gate).name, connection)
        answer = await self.login.ask("eu.one.center.1", said)
        self.gate(gate).bind(placed.session, connection, answer.placement)
        return answer

    def drop(self, session: int, *, gate: int = 1) -> None:
        """The client's connection breaks."""
        connection = self.gate(gate).sessions.pop(session)
        self.gate(gate).tell("eu.one.center.1", Dropped(session, connection))

    def worlds(self, account: int) -> list[int]:
        """The sessions of an account that are in the world anywhere."""
        scenes = [node for name, node in self.cluster.nodes.items() if name.startswith("scene")]
        return [s for scene in scenes for s in scene.characters if account_of(s) == account]

    def homes(self, account: int) -> list[tuple[str, str, int]]:
        """Where the account is in the world: scene, map, line."""
        scenes = [node for name, node in self.cluster.nodes.items() if name.startswith("scene")]
        return [(scene.name, *at) for scene in scenes for s, at in scene.where.items() if account_of(s) == account]

    def keepsakes(self) -> int:
        scenes = [node for name, node in self.cluster.nodes.items() if name.startswith("scene")]
        return sum(len(scene.keepsakes) for scene in scenes)

    def stage(self, account: int) -> str | None:
        presence = self.center.directory.of_account(account)
        return presence.stage if presence else None


Story = Callable[[Neighbourhood], Awaitable[None]]


def tell(tmp_path: Path, story: Story, settings: str = "", scene: type[Scene] = Scene, gate: type[Gate] = Gate) -> None:
    """Tell a story on virtual time. It fails when a node made a mistake that is ours."""
    file = tmp_path / "zone.toml"
    file.write_text(TWO_GATES + (f"[settings.center]\n{settings}\n" if settings else ""))
    topology = load(file, runtime=tmp_path / "run")
    roles = {"center": CenterNode, "dc": Dc, "login": Login, "scene": scene, "gate": gate}

    async def whole() -> None:
        cluster = Cluster(topology, roles, tmp_path / "data")
        await cluster.start("center.1", "dc.1", "login.1", "scene.1", "scene.2", "gate.1", "gate.2")
        zone = Neighbourhood(cluster)
        supervisor = asyncio.ensure_future(zone.supervise())
        try:
            await story(zone)
            assert cluster.internal_errors() == []
        finally:
            supervisor.cancel()
            await cluster.stop()

    run(whole())
