"""How clients get in: login, resume, queue, takeover of an older connection. Steps 1 and 2; step 7 is `attaching.py`.

Logins are worked on in turns (`turns.py`), so that a burst does not become a burst for the nodes behind, and so that
those who stand in line do not all run into a refusal that holds for a moment.

What a node answers about a client that went away meanwhile is given back to the center at once, so that nobody stands
in the world without a connection. So is a login whose answer is not heard: the center may have let it in.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from mesh.core.links import Link
from mesh.errors import Code, MeshError, PeerLost, RefusedError
from mesh.metrics import SECONDS_BUCKETS
from mesh.node import Caller, Node, on
from mesh.protocol.client import Denied, Goodbye, LoggedIn, Login, Waiting
from mesh.protocol.cluster import (
    Admit,
    Authenticate,
    Authenticated,
    Dropped,
    LeaveQueue,
    Placed,
    Queued,
    QueueMoved,
    ResumeToken,
    SignResume,
)
from mesh.protocol.sessions import account_of
from mesh.trace import TraceContext
from nodes.gate.attaching import Attaching
from nodes.gate.early import Early
from nodes.gate.exit import Exit
from nodes.gate.lanes import Lanes
from nodes.gate.sessions import Client, Sessions, State
from nodes.gate.settings import GateSettings
from nodes.gate.turns import PAUSE_S, Turn, Turns

UNCLEAR = (Code.UNAVAILABLE, Code.INTERNAL)
"""Refusals of which nobody knows how far the login had come."""
QUEUED = "queued"  # how a login ends that has to wait for a place


class Entrance:
    """See the module. `node` is used to ask, tell, trace, record and count; `gates` names all gates' addresses."""

    def __init__(
        self,
        node: Node,
        settings: GateSettings,
        sessions: Sessions,
        lanes: Lanes,
        early: Early,
        attaching: Attaching,
        exit_: Exit,
        gates: Callable[[], list[str]],
    ) -> None:
        self.results: Counter[str] = Counter()  # of logins: "ok", "resumed" or the code
        text = "From the first word of a login to its end, in the world or refused, by result."
        self._login_seconds = node.metrics.histograms("gate_login_seconds", text, "result", buckets=SECONDS_BUCKETS)
        self._node, self._settings, self._sessions, self._lanes = node, settings, sessions, lanes
        self._early, self._attaching, self._exit, self._gates = early, attaching, exit_, gates
        self.turns = Turns(settings.logins_at_once)

    # --- getting in ---

    def begin(self, client: Client, said: Login) -> None:
        """Step 1: a Login was received."""
        self._node.step(1)
        client.become(State.AUTHENTICATING)
        self.turns.wait(Turn(client, said, self._node.clock.now()))
        self._next(said.method)

    def expire(self) -> None:
        """Whose turn did not come in time: the nodes behind do not answer, or not as many as come."""
        for client, _, _ in self.turns.expire(self._node.clock.now() - self._settings.turn_s):
            self._deny(client, Code.UNAVAILABLE, "too many are coming in: try again in a moment")

    def _next(self, method: str) -> None:
        if self._node.state == "Shutdown":
            return
        if self._node.dispatch.admission.is_shut:  # this gate is behind itself
            self._pause(method)
        for turn in self.turns.take(method):
            self._node.spawn(self._log_in(*turn))

    def _pause(self, method: str) -> None:
        if self.turns.refused(method):
            self._node.spawn(self._try_again(method))

    async def _try_again(self, method: str) -> None:
        await asyncio.sleep(PAUSE_S)
        self.turns.try_again(method)
        self._next(method)

    async def _log_in(self, client: Client, said: Login, begun: float) -> None:
        kind = "resume" if said.method == "resume" else "login"
        with self._node.tracing(kind, said.account, step=1, since=begun) as trace:
            try:
                await self._come_in(client, said, begun, trace)
            finally:
                self._login_seconds.labels(trace.result).observe(self._node.clock.now() - begun)

    async def _come_in(self, client: Client, said: Login, begun: float, trace: TraceContext) -> None:
        center = self._center()
        try:
            answer = await self._authenticate(client, said)
        except RefusedError as error:
            trace.result = str(error.code)
            if error.code in UNCLEAR:
                self._exit.forgo(client)
            self._deny(client, error.code, error.text)
            return
        except MeshError as error:
            trace.result = str(Code.UNAVAILABLE)
            self._node.log.warning("a login could not be completed", reason=str(error))
            self._exit.forgo(client)
            self._deny(client, Code.UNAVAILABLE, "try again in a moment")
            return
        if isinstance(answer, Queued):
            trace.result = QUEUED
            if center is None or self._center() is not center:  # a place ends with the link over which it is told
                self._exit.forgo(client)  # its number may have another owner now
                self._deny(client, Code.UNAVAILABLE, "the link to the center is new: log in again")
            else:
                self._queue(client, answer)
            return
        trace.subject = answer.character
        await self._enter(client, answer, trace, said.received, begun)

    async def _authenticate(self, client: Client, said: Login) -> Authenticated | Queued:
        began = self._node.clock.now()
        ask = Authenticate(said.method, said.account, said.secret, client.number, client.address[:64])
        client.is_asked = True
        try:
            answer = await self._node.ask("login", ask, self._settings.authenticate_s)
            self.turns.let_in(said.method)
        except RefusedError as error:
            if error.code == Code.UNAVAILABLE:
                self._pause(said.method)
            else:
                self.turns.let_in(said.method)
            raise
        except PeerLost:
            self._pause(said.method)
            raise
        finally:
            client.is_asked = False
            self.turns.give_back(said.method, self._node.clock.now() - began)
            self._next(said.method)
        assert isinstance(answer, Authenticated | Queued), "the catalogue allows nothing else"
        return answer

    def _center(self) -> Link | None:
        links = self._node.switchboard.links.up.values()
        return next((link for link in links if link.role == "center"), None)

    def _deny(self, client: Client, code: str, text: str) -> None:
        self.results[code] += 1
        self._exit.dismiss(client, code, text, Denied(code[:64], text[:1024]))

    async def _enter(
        self, client: Client, answer: Authenticated, trace: TraceContext, received: int, begun: float
    ) -> None:
        """Step 7: authenticated and placed; attach to the scene."""
        if not client.is_in(State.AUTHENTICATING):
            self._exit.forgo(client)
            return
        client.become(State.ATTACHING)
        self._replace(answer.session)
        moved = self._early.newest(client.number, answer.session)
        placement = answer.placement if moved is None else moved.placement
        self._sessions.bind(client, answer.session, answer.character, placement)
        client.nonce = answer.nonce
        self._node.seat.failpoints.hit("gate.logged-in")
        self._exit.say(
            client,
            LoggedIn(answer.session, answer.character, answer.resume_token, answer.linkdead_s, self._gates(), trace.id),
        )
        self._catch_up(client, begun if answer.resumed else None)
        self._exit.send_early(client)
        if client.is_in(State.LEAVING):
            return  # it did not read that much, and was cut off, or it plays in another zone now
        if await self._attaching.attach(client, received, answer.resumed):
            self._entered(client, answer.resumed)
        else:
            trace.result = str(Code.UNAVAILABLE)
            self.results[Code.UNAVAILABLE] += 1

    def _catch_up(self, client: Client, since: float | None) -> None:
        """What was said to this session before anybody knew that it would be here; and, if it was here or elsewhere
        already, what everybody was told in the meantime."""
        session, now = client.session, self._node.clock.now()
        if since is not None:
            for row in self._early.since(since, session):
                self._lanes.control(client, row)
        for kept in self._early.take(session, now):
            put = self._lanes.bulk if kept.bulk else self._lanes.control
            put(client, kept.row)

    def _replace(self, session: int) -> None:
        """An older connection of this session on this gate ends before the new one attaches: the scene may call both
        by the same handle. Nobody has to be told, the center and the scene know of the newer one."""
        older = self._sessions.by_session.get(session)
        if older is not None:
            older.become(State.LEAVING)
            self._sessions.part(older)
            self._exit.farewell(older, Goodbye(Code.TAKEN_OVER, "the session goes on elsewhere"))

    def _entered(self, client: Client, resumed: bool) -> None:
        self.results["resumed" if resumed else "ok"] += 1
        if client.session:
            address = client.address
            self._node.journal.record("connected", account_of(client.session), address=address, resumed=resumed)

    # --- the queue of a full zone ---

    def _queue(self, client: Client, answer: Queued) -> None:
        if not client.is_in(State.AUTHENTICATING):
            self._node.tell("center", LeaveQueue(answer.place))
            return
        client.become(State.QUEUED)
        client.place = answer.place
        self._exit.say(client, Waiting(answer.position, answer.estimate_s))
        early = self._early.admits.pop(client.number, None)
        if early is not None:
            self._node.spawn(self._admit(client, early))

    @on(QueueMoved)
    def on_queue_moved(self, said: QueueMoved, _caller: Caller) -> None:
        client = self._sessions.by_number.get(said.connection)
        if client is not None and client.is_in(State.QUEUED):
            self._exit.say(client, Waiting(said.position, said.estimate_s))

    @on(Admit)
    async def on_admit(self, said: Admit, _caller: Caller) -> None:
        client = self._sessions.by_number.get(said.connection)
        if client is not None and client.is_in(State.AUTHENTICATING):
            self._early.admits[client.number] = said
        else:
            await self._admit(client, said)

    async def _admit(self, client: Client | None, said: Admit) -> None:
        if client is None or not client.is_in(State.QUEUED) or client.place != said.place:
            self._node.tell("center", Dropped(said.placed.session, said.connection))
            return
        client.place = 0
        client.become(State.AUTHENTICATING)
        with self._node.tracing("admit", said.placed.character) as trace:
            await self._enter(client, await self._signed(said.placed), trace, 0, self._node.clock.now())

    async def _signed(self, placed: Placed) -> Authenticated:
        """What a login node would have answered; without a token when none can be asked: play matters more."""
        token = ""
        try:
            answer = await self._node.ask("login", SignResume(placed.session, placed.nonce))
            assert isinstance(answer, ResumeToken), "the catalogue allows nothing else"
            token = answer.token
        except MeshError as error:
            self._node.log.warning("no resume token for an admitted session", reason=str(error))
        return Authenticated(
            placed.session, placed.character, placed.placement, token, placed.linkdead_s, nonce=placed.nonce
        )
