"""How clients get in and out: login, queue, attaching to a scene, takeover, logout. Steps 1, 2 and 7.

Every way out goes through `part`: the scene and the center are told once. What a node answers about a client that
went away meanwhile is given back to the center at once, so that nobody stands in the world without a connection.
"""

from collections import Counter
from collections.abc import Callable

from mesh.errors import Code, MeshError, RefusedError
from mesh.node import Caller, Node, on
from mesh.protocol.catalogue import Message, encode
from mesh.protocol.client import LOGGED_OUT, Denied, Goodbye, LoggedIn, Login, Waiting
from mesh.protocol.cluster import (
    Admit,
    Attach,
    Attached,
    Authenticate,
    Authenticated,
    Detach,
    Dropped,
    Kick,
    Leave,
    LeaveQueue,
    Placed,
    Queued,
    QueueMoved,
    ResumeToken,
    SignResume,
    account_of,
)
from mesh.protocol.lanes import PieceClass, PieceLane, piece
from mesh.trace import TraceContext
from nodes.gate.delivery import Delivery
from nodes.gate.sessions import Client, Scene, Sessions, State
from nodes.gate.settings import GateSettings


class Entrance:
    """See the module. `node` is used to ask, tell, trace, record and count; `gates` names all gates' addresses."""

    def __init__(
        self,
        node: Node,
        settings: GateSettings,
        sessions: Sessions,
        delivery: Delivery,
        gates: Callable[[], list[str]],
    ) -> None:
        self.results: Counter[str] = Counter()  # of logins: "ok", "resumed" or the code
        self._node, self._settings, self._sessions, self._delivery = node, settings, sessions, delivery
        self._gates = gates
        self._early: dict[int, Admit] = {}  # by connection: an Admit may overtake the Queued that it belongs to

    # --- to clients ---

    def say(self, client: Client, message: Message) -> None:
        """One message of the gate, with the next flush."""
        self._delivery.control(client, piece(PieceLane.CONTROL, PieceClass.GATE, encode(message)))

    def dismiss(self, client: Client, code: str, text: str = "", last: Message | None = None) -> None:
        """Out of the world, Goodbye (or `last`), and the end of the connection."""
        if not client.is_in(State.LEAVING):
            self.part(client, code)
            self._farewell(client, last or Goodbye(code[:64], text[:1024]))

    def part(self, client: Client, code: str) -> None:
        """Out of the world, whatever the reason: whoever has to know is told, once."""
        if client.is_in(State.LEAVING):
            return
        if client.is_in(State.QUEUED):
            self._node.tell("center", LeaveQueue(client.place))
        early = self._early.pop(client.number, None)
        if early is not None:
            self._node.tell("center", Dropped(early.placed.session, client.number))
        client.become(State.LEAVING)
        session, scene = self._sessions.part(client)
        if session:
            self._left(client, session, scene, code)
            self._node.tell("center", Dropped(session, client.number))

    def _left(self, client: Client, session: int, scene: str, code: str) -> None:
        if scene:
            self._node.tell(scene, Detach(session, client.number))
        self._node.journal.record("disconnected", account_of(session), code=code)

    def _farewell(self, client: Client, last: Message) -> None:
        self.say(client, last)
        self._delivery.flush_one(client)
        self._delivery.forget(client)
        client.connection.close(last.code if isinstance(last, Goodbye) else "")

    # --- getting in ---

    def begin(self, client: Client, said: Login) -> None:
        """Step 1: a Login was received."""
        self._node.step(1)
        client.become(State.AUTHENTICATING)
        self._node.spawn(self._log_in(client, said))

    async def _log_in(self, client: Client, said: Login) -> None:
        kind = "resume" if said.method == "resume" else "login"
        with self._node.tracing(kind, said.account, step=1) as trace:
            try:
                answer = await self._authenticate(client, said)
            except RefusedError as error:
                self._deny(client, error.code, error.text)
                return
            except MeshError as error:
                self._node.log.warning("a login could not be completed", reason=str(error))
                self._deny(client, Code.UNAVAILABLE, "try again in a moment")
                return
            if isinstance(answer, Queued):
                self._queue(client, answer)
                return
            trace.subject = answer.character
            await self._enter(client, answer, said.received, trace)

    async def _authenticate(self, client: Client, said: Login) -> Authenticated | Queued:
        answer = await self._node.ask(
            "login",
            Authenticate(said.method, said.account, said.secret, client.number, client.address[:64]),
            self._settings.authenticate_s,
        )
        assert isinstance(answer, Authenticated | Queued), "the catalogue allows nothing else"
        return answer

    def _deny(self, client: Client, code: str, text: str) -> None:
        self.results[code] += 1
        self.dismiss(client, code, text, Denied(code[:64], text[:1024]))

    async def _enter(self, client: Client, answer: Authenticated, received: int, trace: TraceContext) -> None:
        """Step 7: authenticated and placed; attach to the scene."""
        if not client.is_in(State.AUTHENTICATING):
            self._node.tell("center", Dropped(answer.session, client.number))
            return
        client.become(State.ATTACHING)
        self._replace(answer.session)
        self._sessions.bind(client, answer.session, answer.character, answer.placement.scene)
        self.say(
            client,
            LoggedIn(answer.session, answer.character, answer.resume_token, answer.linkdead_s, self._gates(), trace.id),
        )
        scene = self._sessions.scene(answer.placement.scene)
        attached = await self._attach(client, scene, Attach(answer.session, client.number, received, answer.resumed))
        if attached is not None and client.is_in(State.ATTACHING):
            self._sessions.enter(client, scene, attached.handle)
            self._delivery.entered(client, scene)
            self._entered(client, answer.resumed)
        self._delivery.settle(scene)

    def _replace(self, session: int) -> None:
        """An older connection of this session on this gate ends before the new one attaches: the scene may call both
        by the same handle. Nobody has to be told, the center and the scene know of the newer one."""
        older = self._sessions.by_session.get(session)
        if older is not None:
            older.become(State.LEAVING)
            self._sessions.part(older)
            self._farewell(older, Goodbye(Code.TAKEN_OVER, "the session goes on elsewhere"))

    def _entered(self, client: Client, resumed: bool) -> None:
        self.results["resumed" if resumed else "ok"] += 1
        self._node.journal.record("connected", account_of(client.session), address=client.address, resumed=resumed)

    async def _attach(self, client: Client, scene: Scene, attach: Attach) -> Attached | None:
        scene.attaching += 1
        try:
            attached = await self._node.ask(scene.name, attach)
        except MeshError as error:
            self._node.log.warning("a scene did not take a session", scene=scene.name, reason=str(error))
            self.results[Code.UNAVAILABLE] += 1
            self.dismiss(client, Code.UNAVAILABLE, "the scene cannot be reached")
            return None
        finally:
            scene.attaching -= 1
        assert isinstance(attached, Attached), "the catalogue allows nothing else"
        if not client.is_in(State.ATTACHING):  # it went away meanwhile
            self._node.tell(scene.name, Detach(attach.session, client.number))
        return attached

    # --- the queue of a full zone ---

    def _queue(self, client: Client, answer: Queued) -> None:
        if not client.is_in(State.AUTHENTICATING):
            self._node.tell("center", LeaveQueue(answer.place))
            return
        client.become(State.QUEUED)
        client.place = answer.place
        self.say(client, Waiting(answer.position, answer.estimate_s))
        early = self._early.pop(client.number, None)
        if early is not None:
            self._node.spawn(self._admit(client, early))

    @on(QueueMoved)
    def on_queue_moved(self, said: QueueMoved, _caller: Caller) -> None:
        client = self._sessions.by_number.get(said.connection)
        if client is not None and client.is_in(State.QUEUED):
            self.say(client, Waiting(said.position, said.estimate_s))

    @on(Admit)
    async def on_admit(self, said: Admit, _caller: Caller) -> None:
        client = self._sessions.by_number.get(said.connection)
        if client is not None and client.is_in(State.AUTHENTICATING):
            self._early[client.number] = said
        else:
            await self._admit(client, said)

    async def _admit(self, client: Client | None, said: Admit) -> None:
        if client is None or not client.is_in(State.QUEUED) or client.place != said.place:
            self._node.tell("center", Dropped(said.placed.session, said.connection))
            return
        client.place = 0
        client.become(State.AUTHENTICATING)
        with self._node.tracing("admit", said.placed.character) as trace:
            await self._enter(client, await self._signed(said.placed), 0, trace)

    async def _signed(self, placed: Placed) -> Authenticated:
        """What a login node would have answered; without a token when none can be asked: play matters more."""
        token = ""
        try:
            answer = await self._node.ask("login", SignResume(placed.session, placed.nonce))
            assert isinstance(answer, ResumeToken), "the catalogue allows nothing else"
            token = answer.token
        except MeshError as error:
            self._node.log.warning("no resume token for an admitted session", reason=str(error))
        return Authenticated(placed.session, placed.character, placed.placement, token, placed.linkdead_s)

    # --- getting out ---

    @on(Kick)
    def on_kick(self, said: Kick, caller: Caller) -> None:
        """When the center has decided, it needs not be told that this connection ends."""
        client = self._sessions.by_number.get(said.connection)
        if client is None or client.session not in (0, said.session):
            return
        if client.is_in(State.LEAVING):
            return
        if caller.role != "center":
            self.dismiss(client, said.code, said.text)
            return
        client.become(State.LEAVING)
        session, scene = self._sessions.part(client)
        if session:
            self._left(client, session, scene, said.code)
        self._farewell(client, Goodbye(said.code, said.text))

    def log_out(self, client: Client) -> None:
        """The player wants to leave the world."""
        if not client.is_in(State.PLAYING):
            self.dismiss(client, LOGGED_OUT)
            return
        client.become(State.LEAVING)
        session, scene = self._sessions.part(client)
        self._node.spawn(self._leave(client, session, scene))

    async def _leave(self, client: Client, session: int, scene: str) -> None:
        try:
            await self._node.ask("center", Leave(session))
        except MeshError as error:
            self._node.log.warning("a logout could not be completed", reason=str(error))
            self._left(client, session, scene, Code.UNAVAILABLE)
            self._node.tell("center", Dropped(session, client.number))
            self._farewell(client, Goodbye(Code.UNAVAILABLE, "you will be saved and taken out of the world later"))
            return
        self._node.journal.record("disconnected", account_of(session), code=LOGGED_OUT)
        self._farewell(client, Goodbye(LOGGED_OUT))
