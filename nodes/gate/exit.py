"""How clients get out: dismissed, kicked, logged out, sent to another zone, moved to another gate.

Every way out goes through `part`: the scene and the center are told once. The center is not told what it decided.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

from mesh.errors import Code, MeshError
from mesh.node import Caller, Node, on
from mesh.protocol.catalogue import Message, encode
from mesh.protocol.client import LOGGED_OUT, Goodbye, MoveZone
from mesh.protocol.cluster import Detach, Dropped, Kick, Leave, LeaveQueue
from mesh.protocol.lanes import PieceClass, PieceLane, piece
from mesh.protocol.sessions import account_of
from mesh.protocol.zones import SendAway, SignTravel, TravelTicket
from nodes.gate.early import Early
from nodes.gate.lanes import Lanes
from nodes.gate.sessions import Client, Sessions, State

MOVED = "moved"
"""The code in the behaviour log of a connection whose session goes on at another gate."""
TRAVELLED = "travelled"
"""The same, of one whose character goes to another zone."""
TICKET_TRIES = 6
TICKET_PAUSE_S = 0.5  # between them: a login node that is started again is back within all of them


class Exit:
    """See the module. `is_moving`, asked when a client is taken over: was it asked to go to another gate?"""

    def __init__(
        self, node: Node, sessions: Sessions, lanes: Lanes, early: Early, is_moving: Callable[[Client], bool]
    ) -> None:
        self.strays = 0  # orders to send somebody away who has gone
        self.ended: Counter[str] = Counter()  # connections, by why
        self._node, self._sessions, self._lanes, self._early = node, sessions, lanes, early
        self._is_moving = is_moving

    def say(self, client: Client, message: Message) -> None:
        """One message of the gate, with the next flush."""
        self._lanes.control(client, piece(PieceLane.CONTROL, PieceClass.GATE, encode(message)))

    def dismiss(self, client: Client, code: str, text: str = "", last: Message | None = None) -> None:
        """Out of the world, Goodbye (or `last`), and the end of the connection."""
        if not client.is_in(State.LEAVING):
            self.part(client, code)
            self.farewell(client, last or Goodbye(code[:64], text[:1024]))

    def part(self, client: Client, code: str) -> None:
        """Out of the world, whatever the reason: whoever has to know is told, once."""
        if client.is_in(State.LEAVING):
            return
        if client.is_in(State.QUEUED):
            self._node.tell("center", LeaveQueue(client.place))
        if client.is_asked:
            self.forgo(client)
        admitted = self._early.forget(client.number)
        if admitted is not None:
            self._node.tell("center", Dropped(admitted.placed.session, client.number))
        if client.is_in(State.MOVED):
            code = MOVED
        self.ended[code] += 1
        client.become(State.LEAVING)
        session, scene = self._sessions.part(client)
        if session:
            self._left(client, session, scene, code)
            self._node.tell("center", Dropped(session, client.number))

    def forgo(self, client: Client) -> None:
        """What came of a login over this connection is not known here, or not wanted: the center undoes it."""
        self._node.tell("center", Dropped(0, client.number))

    def farewell(self, client: Client, last: Message) -> None:
        """The last word to a client that is out of the world."""
        self.say(client, last)
        self._lanes.flush_one(client)
        self._lanes.forget(client)
        client.connection.close(last.code if isinstance(last, Goodbye) else "")

    @on(Kick)
    def on_kick(self, said: Kick, caller: Caller) -> None:
        """When the center has decided, it needs not be told that this connection ends."""
        client = self._sessions.by_number.get(said.connection)
        if client is None or client.session not in (0, said.session) or client.is_in(State.LEAVING):
            return
        if caller.role != "center":
            if client.placement is not None and client.placement.scene == caller.peer:  # not one that it has left
                self.dismiss(client, said.code, said.text)
        elif said.code == Code.TAKEN_OVER and self._is_moving(client) and client.is_in(State.PLAYING):
            self._lanes.flush_one(client)  # it ends this connection when it has entered the world through the other
            if client.is_in(State.PLAYING):  # it reads, and was not cut off
                self._sessions.move(client)
                client.waited_s = 0.0
        else:
            self._out(client, said.code)
            self.farewell(client, Goodbye(said.code, said.text))

    def _out(self, client: Client, code: str) -> None:
        """The center knows already."""
        self._early.forget(client.number)
        self.ended[code] += 1
        client.become(State.LEAVING)
        session, scene = self._sessions.part(client)
        if session:
            self._left(client, session, scene, code)

    def _left(self, client: Client, session: int, scene: str, code: str) -> None:
        if scene:
            self._detach(scene, Detach(session, client.number))
        self._node.journal.record("disconnected", account_of(session), code=code)

    def _detach(self, scene: str, said: Detach) -> None:
        there = self._sessions.scene(scene)
        if there.held:
            there.unsaid.append(said)
        else:
            self._node.tell(scene, said)

    # --- logging out ---

    def log_out(self, client: Client) -> None:
        """The player wants to leave the world."""
        if not client.is_in(State.PLAYING, State.TRANSFERRING):
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
            self.farewell(client, Goodbye(Code.UNAVAILABLE, "you will be saved and taken out of the world later"))
            return
        self._node.journal.record("disconnected", account_of(session), code=LOGGED_OUT)
        self.farewell(client, Goodbye(LOGGED_OUT))

    # --- to another zone ---

    @on(SendAway)
    def on_send_away(self, said: SendAway, _caller: Caller) -> None:
        """Its character is out of this zone: with a ticket it comes into the other one."""
        client = self._sessions.by_number.get(said.connection)
        if client is not None and client.is_in(State.AUTHENTICATING):
            self._early.orders[client.number] = said  # it has overtaken the login's answer
        elif client is None or client.session != said.session or client.is_in(State.MOVED, State.LEAVING):
            self.strays += 1
        else:
            self._begin_to_send_away(client, said)

    def send_early(self, client: Client) -> None:
        """It is here now: was it to be sent away before?"""
        said = self._early.orders.pop(client.number, None)
        if said is not None and said.session == client.session:
            self._begin_to_send_away(client, said)

    def _begin_to_send_away(self, client: Client, said: SendAway) -> None:
        character = client.character
        self._out(client, TRAVELLED)
        self._node.spawn(self._send_away(client, character, said))

    async def _send_away(self, client: Client, character: str, said: SendAway) -> None:
        signed = await self._ticket(character)
        if signed is None:
            self.farewell(client, Goodbye(Code.UNAVAILABLE, "you are saved, but there is no ticket: log in again"))
            return
        first = client.number % max(1, len(said.gates))  # so that not everybody comes to the same gate
        gates = said.gates[first:] + said.gates[:first]
        self.farewell(client, MoveZone(said.zone, gates, signed.ticket, signed.valid_s))

    async def _ticket(self, character: str) -> TravelTicket | None:
        for _ in range(TICKET_TRIES):
            try:
                answer = await self._node.ask("login", SignTravel(character))
            except MeshError as error:
                self._node.log.warning("no ticket for the way to another zone", reason=str(error))
                await asyncio.sleep(TICKET_PAUSE_S)
                continue
            assert isinstance(answer, TravelTicket), "the catalogue allows nothing else"
            return answer
        return None
