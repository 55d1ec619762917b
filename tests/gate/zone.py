"""A zone around a real gate: the nodes behind it do as a test says, and remember what they were told."""

import asyncio
from collections import defaultdict

import msgspec

from mesh.client.memory import memory_dial
from mesh.client.player import Player
from mesh.errors import RefusedError
from mesh.node import Caller, Node, on, on_batch
from mesh.protocol.catalogue import encode
from mesh.protocol.client import Login as ClientLogin
from mesh.protocol.cluster import (
    Admit,
    Announce,
    Attach,
    Attached,
    Authenticate,
    Authenticated,
    Detach,
    Dropped,
    FromClient,
    Kick,
    Leave,
    LeaveQueue,
    Placed,
    Queued,
    ResumeToken,
    SignResume,
)
from mesh.protocol.control import Done, GetSnapshot, MemberChanged, Register, Registered, Renew, Snapshot
from mesh.protocol.lanes import CLIENT_GATE, TICK_HEAD, UPDATE_STRUCT, Lane, PieceClass, PieceLane, piece
from mesh.protocol.placement import Transferred
from mesh.protocol.play import Character, Entered
from mesh.protocol.sessions import Placement, session_of
from mesh.protocol.zones import SignTravel, TravelTicket
from mesh.testing import Cluster, MemoryClient, run, wait_until
from nodes.gate.forward import u32
from nodes.gate.node import GateNode

SCENE, SCENE_2 = "eu.one.scene.1", "eu.one.scene.2"
GATE, GATE_2 = "eu.one.gate.1", "eu.one.gate.2"
ACCOUNTS = {"anna": 1, "bob": 2, "cleo": 3, **{f"user-{n}": 100 + n for n in range(500)}}


class Told:
    """What a node was told, by type."""

    def __init__(self):
        self._by_type = defaultdict(list)

    def add(self, said):
        self._by_type[type(said)].append(said)

    def of(self, kind):
        return self._by_type[kind]


class Center(Node):
    ROLE = "center"

    def __init__(self, seat):
        super().__init__(seat)
        self.members = {}
        self.told = Told()
        self.publications.epoch = 1
        self.leave_fails = False
        self.places = {}  # of sessions that came by a login: (gate, connection)
        self.kicks = False
        self.strays = 0  # what clients said at a gate where their session is not

    def came(self, session, gate, connection):
        """As a real center does, when it `kicks`: whoever had the session before is told."""
        older = self.places.get(session)
        self.places[session] = (gate, connection)
        if older is not None and self.kicks:
            self.tell(older[0], Kick(older[1], session, "taken_over"))

    def transfer(self, session, scene=SCENE_2, map_="forest", line=1, connection=0):
        gate, known = self.places.get(session, (GATE, 0))
        self.tell(gate, Transferred(session, connection or known, Placement(scene, map_, line)))

    @on(Register)
    def on_register(self, said: Register, caller: Caller) -> Registered:
        self.members[said.member.name] = said.member
        self.publish(MemberChanged(said.member))
        self.members[self.name] = self.own_member()
        return Registered(self.publications.epoch, self.publications.sequence, 30.0, list(self.members.values()))

    @on(Renew)
    def on_renew(self, said: Renew, caller: Caller) -> Done:
        old = self.members[caller.peer]
        if old.state != said.state:
            facts = {"ws": url_of(old.name)} if old.role == "gate" else {}
            new = msgspec.structs.replace(old, state=said.state, load=said.load, facts=facts)
            self.members[caller.peer] = new
            self.publish(MemberChanged(new))
        return Done()

    @on(GetSnapshot)
    def on_get_snapshot(self, said: GetSnapshot, caller: Caller) -> Snapshot:
        return Snapshot(self.publications.epoch, self.publications.sequence, list(self.members.values()), [])

    @on(Dropped, LeaveQueue)
    def on_told(self, said, caller: Caller) -> None:
        self.told.add(said)

    @on(FromClient)
    def on_from_client(self, said, caller: Caller) -> None:
        self.told.add(said)
        self.strays += self.places.get(said.session, (caller.peer,))[0] != caller.peer

    @on(Leave)
    async def on_leave(self, said: Leave, caller: Caller) -> Done:
        self.told.add(said)
        if self.leave_fails:
            raise RefusedError("unavailable")
        return Done()


class Dc(Node):
    ROLE = "dc"


class Login(Node):
    """Those in ACCOUNTS may come in; `queued` is put into the queue; `slow` takes a second; a resume names the session
    in the token. `center` is told of everybody who came, and `delay_s` later the gate is."""

    ROLE = "login"

    def __init__(self, seat):
        super().__init__(seat)
        self.asked = []
        self.queue_delay_s = self.delay_s = 0.0
        self.logins = defaultdict(int)
        self.center = None
        self.refusal = None  # of resumes
        self.placement = Placement(SCENE, "meadow", 1)
        self.signs = True

    @on(Authenticate)
    async def on_authenticate(self, said: Authenticate, caller: Caller) -> Authenticated | Queued:
        self.asked.append(said)
        if said.method == "resume":
            if self.refusal is not None:
                raise self.refusal
            session, _, character = said.secret.partition(" ")
            await self._came(int(session), said, caller)
            return Authenticated(int(session), character, self.placement, said.secret, 30.0, True)
        if said.account == "queued":
            await asyncio.sleep(self.queue_delay_s)
            return Queued(99, 5, 10.0)
        if said.account == "slow":
            await asyncio.sleep(1.0)
        elif said.account not in ACCOUNTS:
            raise RefusedError("bad_credentials", "no")
        self.logins[said.account] += 1
        session = session_of(ACCOUNTS.get(said.account, 9), self.logins[said.account])
        await self._came(session, said, caller)
        return Authenticated(session, said.account, self.placement, f"{session} {said.account}", 30.0)

    async def _came(self, session, said, caller):
        if self.center is not None:
            self.center.came(session, caller.peer, said.connection)
        await asyncio.sleep(self.delay_s)

    @on(SignTravel)
    def on_sign_travel(self, said: SignTravel, caller: Caller) -> TravelTicket:
        if not self.signs:
            raise RefusedError("unavailable")
        return TravelTicket(f"{said.character} may travel", 60.0)

    @on(SignResume)
    def on_sign(self, said: SignResume, caller: Caller) -> ResumeToken:
        return ResumeToken(f"{said.session} admitted")


class Scene(Node):
    """Attaches everybody under the next handle and says Entered at once, right behind the answer. `holds`: the answer
    waits for `let_in`. `processed` goes into Entered."""

    ROLE = "scene"

    def __init__(self, seat):
        super().__init__(seat)
        self.told = Told()
        self.handles = {}
        self.gate_of = {}
        self.batches = []
        self.refuses = self.holds = False
        self.waiting = {}
        self.processed = 0
        self.made = 0

    @on(Attach)
    async def on_attach(self, said: Attach, caller: Caller) -> Attached:
        self.told.add(said)
        if self.holds:
            self.waiting[said.session] = asyncio.Event()
            await self.waiting[said.session].wait()
        if self.refuses:
            raise RefusedError("unavailable", "full")
        if said.session not in self.handles:
            self.handles[said.session] = 100 + self.made
            self.made += 1
        handle = self.handles[said.session]
        self.gate_of[handle] = caller.peer
        there = entered(said.resumed, self.name, self.processed)
        asyncio.get_running_loop().call_soon(self.say, handle, there, PieceClass.VIEW)
        return Attached(handle)

    def let_in(self, session):
        """Answer the Attach of this session."""
        self.waiting.pop(session).set()

    @on(Detach)
    def on_detach(self, said: Detach, caller: Caller) -> None:
        self.told.add(said)

    @on_batch(Lane.MOVES)
    def on_moves(self, blobs, caller):
        self.batches.append((Lane.MOVES, blobs))

    @on_batch(Lane.PLAYS)
    def on_plays(self, blobs, caller):
        self.batches.append((Lane.PLAYS, blobs))

    @on_batch(Lane.DROPS)
    def on_drops(self, blobs, caller):
        self.batches.append((Lane.DROPS, blobs))

    @on_batch(Lane.BUDGETS)
    def on_budgets(self, blobs, caller):
        self.batches.append((Lane.BUDGETS, blobs))

    def of(self, lane):
        return [blobs for said, blobs in self.batches if said == lane]

    def say(self, handle, said, cls=PieceClass.EVENT, sequence=0):
        self.send(Lane.FRAMES, {handle: piece(PieceLane.CONTROL, cls, encode(said), sequence)})

    def send(self, lane, rows):
        gate = self.gate_of[next(iter(rows))]
        return self.batch(gate, lane, u32(list(rows)), u32([len(r) for r in rows.values()]), b"".join(rows.values()))


def entered(resumed=False, scene=SCENE, processed=0):
    you = Character(5, "anna", 1, 0, 50, 60, {}, 0, [])
    map_ = "meadow" if scene == SCENE else "forest"
    return Entered(scene, map_, 1, 256.0, 0.02, 10.0, 30.0, 6.0, 10, 20, you, [], processed, resumed)


def url_of(gate):
    return f"ws://127.0.0.1:{7699 + int(gate[-1])}"


def updates(tick, count=1):
    body = TICK_HEAD.pack(tick) + UPDATE_STRUCT.pack(9, 1, 2, 3, 4, 5) * count
    return piece(PieceLane.MOVEMENT, PieceClass.UPDATES, body)


ROLES = {"center": Center, "dc": Dc, "login": Login, "scene": Scene, "gate": GateNode}
SHORTS = ("center.1", "dc.1", "login.1", "scene.1", "gate.1")


class Story:
    """What a test has at hand."""

    def __init__(self, cluster: Cluster):
        self.cluster = cluster
        self.gate, self.scene = cluster.nodes["gate.1"], cluster.nodes["scene.1"]
        self.gate_2, self.scene_2 = cluster.nodes.get("gate.2"), cluster.nodes.get("scene.2")
        self.center, self.login_node = cluster.nodes["center.1"], cluster.nodes["login.1"]
        self.login_node.center = self.center
        self.front = cluster.fronts["gate.1"]
        self.dial = memory_dial(cluster)

    async def player(self, account="anna", **how) -> Player:
        return await Player.login("gate.1", account, "secret", dial=self.dial, clock=self.cluster.clock, **how)

    def raw(self, address="127.0.0.1") -> MemoryClient:
        return self.front.connect(address)

    def state_of(self, player: Player) -> str:
        return self.gate.clients.by_session[player.session.session].state

    def handle_of(self, player: Player) -> int:
        return self.scene.handles[player.session.session]

    async def until(self, condition):
        await wait_until(condition, timeout_s=20.0)


def play(zone, tmp_path, story, *more, **settings):
    """Run a story in a zone of SHORTS and `more`; afterwards no node may have made a mistake of ours."""

    async def whole():
        zone.settings.setdefault("gate", {}).update(settings)
        cluster = Cluster(zone, ROLES, tmp_path)
        await cluster.start(*SHORTS, *more)
        try:
            await story(Story(cluster))
        finally:
            await cluster.stop()
        assert cluster.internal_errors() == []

    run(whole())


def login_frame(account, **more):
    return bytes([CLIENT_GATE]) + encode(ClientLogin("password", account, "secret", **more))


def admit(connection, place=99):
    return Admit(connection, place, Placed(session_of(7, 1), "queued", Placement(SCENE, "meadow", 1), 1, 30.0))


def announce(said):
    return Announce(encode(said))
