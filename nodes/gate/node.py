"""The gate: client connections on one side, scenes, login and center on the other.

    client -> gate            Login (1), Ping, Logout, TransferHeard; moves and play messages, forwarded unopened
    gate -> login             Authenticate (2), SignResume, SignTravel
    gate -> scene             Attach (7), Detach; Lane.MOVES, PLAYS, DROPS, at least every `flush_ms`
    gate -> scene             Lane.BUDGETS: how much movement a client may get; PACE: none just now, or some again
    scene -> gate -> client   Lane.FRAMES, UPDATES, CHATS: rows of pieces, never opened; Kick; ChangeOver (heirs.py)
    gate -> center            FromClient (8), Dropped, Leave, LeaveQueue
    center -> gate            Admit, QueueMoved, Kick, ToClients, Transferred, SendAway, ListSessions
    center => gate            Announce (8), by PUB

This file is the shell: what is known is in `sessions.py` and `early.py`, the rules of the way up in `intake.py`,
`limits.py`, `ways.py` and `forward.py`, of the way down in `delivery.py`, `lanes.py` and `budgets.py`, of getting in in
`entrance.py` and `attaching.py`, of going to another scene in `transfers.py`, of getting out in `exit.py`, all of them
at once in `handover.py`; `front.py` has the sockets. When a scene is lost, its players are told `unavailable` unless
the center says in a moment that they are elsewhere; when the center is lost, play goes on, and whoever waited in the
queue has to come again.
"""

import asyncio
import json
from typing import Any

from mesh.errors import Code
from mesh.front import Connection, Front
from mesh.node import Caller, Node, on, on_batch, on_published
from mesh.protocol.catalogue import Message, encode
from mesh.protocol.client import Denied, Login, Logout, Ping, Pong, TransferHeard
from mesh.protocol.cluster import Announce, FromClient, ListSessions, SessionAt, Sessions, ToClients
from mesh.protocol.control import Drained, Load, Member
from mesh.protocol.lanes import MOVE_SIZE, PIECE_MAX, Lane, PieceClass, PieceLane, piece
from mesh.seat import Seat
from nodes.gate.attaching import Attaching
from nodes.gate.budgets import Budgets
from nodes.gate.delivery import Delivery
from nodes.gate.early import Early
from nodes.gate.entrance import Entrance
from nodes.gate.exit import Exit
from nodes.gate.forward import Forward
from nodes.gate.handover import HandOver
from nodes.gate.heirs import Heirs
from nodes.gate.intake import ForGate, Intake
from nodes.gate.lanes import Lanes
from nodes.gate.limits import Addresses
from nodes.gate.meters import meter
from nodes.gate.sessions import IN_THE_ZONE, Client, Scene, State
from nodes.gate.sessions import Sessions as Table
from nodes.gate.settings import GateSettings
from nodes.gate.transfers import Transfers
from nodes.gate.ways import Ways

HURRY_S = 0.004  # that a play message or an event waits for company; everything else waits `flush_ms` at most
SWEEP_S = 1.0  # how often idle clients are looked for
LOOK_S = 0.25  # how often clients that are behind are looked at
BEHIND_SHARE = 0.25  # of the clients that do not keep up: at the limit. Fewer have bad connections of their own
PACED = 1.6  # the signal while a scene waits until its movement is sent; that is at the limit most of the time
BEHIND_MIN = 40  # clients, for a share of them to mean anything
FAREWELL_S = 1.5  # for clients to close their half when the gate stops
MOVED_S = 5.0  # for a client whose session is at another gate to end its connection here


class GateNode(Node):
    """See the module."""

    ROLE = "gate"
    SETTINGS = GateSettings
    settings: GateSettings

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        assert seat.front is not None, "a gate is given a place to listen"
        settings = self.settings
        self.host = settings.host or seat.spec.host
        self.port = seat.topology.base_port + seat.spec.number - 1
        self.front: Front = seat.front(settings, self.host, self.port)
        self.clients = Table(Ways(settings.move_rate, settings.move_burst))
        self.addresses = Addresses(settings.connections_max, settings.connections_per_address_max)
        self.forward = Forward(self.batch)
        asks, ways = (self.wake, self.hurry, self._more, self._cut), self.clients.ways
        self.lanes = Lanes(settings, self.clock.now, *asks, self.front, ways)
        lines = self.clients.lines.all
        self.delivery = Delivery(settings, self.clock.now, self._pace, self.lanes, lines, self.front, ways)
        self.budgets = Budgets(self.clients, settings.bandwidth_bytes_s, self.batch)
        self.early = Early()
        self.attaching = Attaching(self, self.clients, self.delivery, self.dismiss, settings.word_s)
        self.handover = HandOver(self, settings, self.clients, self._others, self.say, self.dismiss)
        self.exit = Exit(self, self.clients, self.lanes, self.early, self.handover.is_moving)
        self.transfers = Transfers(self, self.clients, self.lanes, self.early, self.attaching, self.say)
        self.entrance = Entrance(
            self, settings, self.clients, self.lanes, self.early, self.attaching, self.exit, self.gates
        )
        self.intake = Intake(settings, self.clock, self.clients, self.forward, self)
        self.received, self.records = self.intake.received, self.intake.records  # mesh.front.Guest, without a detour
        self.accepted = 0  # connections
        self.refused_connections = 0
        self._armed = self._hurried = False
        self._passing: asyncio.TimerHandle | None = None
        self._kept = False  # it is passed on with the next look
        self._empty = asyncio.Event()
        self.heirs = Heirs(self, self.clients, self._lose_scene, self.wake)
        self.serve_parts(self.entrance, self.transfers, self.exit, self.heirs)
        meter(self)

    # --- life ---

    async def open(self) -> None:
        """The port is taken at once, so that a taken one ends the start; clients are let in when the gate is Ready."""
        await self.front.open(self, self.settings.frame_bytes_max, MOVE_SIZE)
        self.every(SWEEP_S, self._sweep)
        self.every(LOOK_S, self._look)

    async def drain(self) -> None:
        """Sessions stay in the world for `linkdead_s`: clients may resume on another gate."""
        await self.front.stop_listening()
        for client in self.clients:
            self.dismiss(client, Code.SHUTDOWN, "this gate is stopping")
        self._empty.clear()
        if len(self.clients):
            try:
                async with asyncio.timeout(FAREWELL_S):
                    await self._empty.wait()
            except TimeoutError:
                self.log.info("some clients did not close their connection", clients=len(self.clients))

    async def hand_over(self) -> Drained:
        """Nobody new is let in any more; those who are here are asked to go to the other gates."""
        return await self.handover.run()

    async def close(self) -> None:
        await self.front.close()

    def signals(self) -> dict[str, float]:
        share = self.lanes.behind / max(BEHIND_MIN, len(self.clients))
        late = PACED if any(scene.behind for scene in self.clients.scenes.values()) else 0.0
        return {"send backlog": max(share / BEHIND_SHARE, late)}

    def level_changed(self) -> None:
        """Cosmetic things are dropped: see `lanes.py`."""
        self.lanes.level = self.pressure.level

    def load(self) -> Load:
        limit = self.settings.connections_max
        return Load(len(self.clients), limit, min(1.0, len(self.clients) / limit))

    def facts(self) -> dict[str, str]:
        return {"ws": self.url()}

    def describe(self) -> dict[str, Any]:
        return {
            "clients": {state.value: count for state, count in self.clients.counts().items() if count},
            "scenes": {name: len(scene.clients) for name, scene in self.clients.scenes.items()},
            "url": self.url(),
            "calls": self.front.calls,
        }

    def url(self) -> str:
        """What clients connect to."""
        scheme = "wss" if self.settings.certificate else "ws"
        return self.settings.public or f"{scheme}://{self.host}:{self.port}"

    def gates(self) -> list[str]:
        """The addresses of all gates of the zone that take clients, this one first."""
        return [self.url(), *self._others()] if self.state == "Ready" else self._others()

    def _others(self) -> list[str]:
        others = {m.facts.get("ws", "") for m in self.registry.of_role("gate") if m.state == "Ready"}
        return sorted(others - {self.url(), ""})

    def peer_up(self, member: Member) -> None:
        if member.role == "scene":
            incarnation = self.switchboard.links.up[member.name].incarnation
            self.heirs.linked(member.name, incarnation)
            self.transfers.scene_up(member.name, incarnation)

    def peer_lost(self, member: Member) -> None:
        if member.role == "scene" and member.name in self.clients.scenes:
            if not self.heirs.lost(member.name):
                self._lose_scene(member.name)
        elif member.role == "center":
            for client in self.clients:
                if client.state is State.QUEUED:
                    self.dismiss(client, Code.UNAVAILABLE, "the center starts anew: log in again")

    def _lose_scene(self, name: str, process: int | None = None) -> None:
        self.transfers.lose_scene(name, process)
        self.forward.forget(self.clients.scenes[name])
        self.delivery.movement.lose(self.clients.scenes[name])

    # --- mesh.front.Guest ---

    def connected(self, connection: Connection) -> bool:
        if self.state != "Ready" or not self.addresses.enter(connection.address):
            self.refused_connections += 1
            return False
        self.accepted += 1
        self.clients.add(self.intake.client(connection))
        return True

    def closed(self, connection: Connection) -> None:
        client = self.clients.by_number.get(connection.number)
        if client is None:
            return
        self.exit.part(client, "connection_lost")
        self.handover.forget(client)
        self.lanes.forget(client)
        self.clients.remove(client)
        self.addresses.leave(client.address)
        if not len(self.clients):
            self._empty.set()

    def looked(self) -> None:
        """Moves wait for those of a second look: half as many batches. A play message waits for nobody."""
        if self._hurried or self._kept:
            self._pass_on()
        elif self._passing is not None:
            self._passing.cancel()
            self._kept = True

    def page(self, path: str) -> bytes | None:
        pages = {"/gates": {"gates": self.gates()}, "/-/healthy": {"state": self.state}}
        return json.dumps(pages[path]).encode() if path in pages else None

    # --- intake.Desk ---

    def collected(self) -> None:
        if self._passing is None:
            later = asyncio.get_running_loop().call_later
            self._passing = later(self.settings.flush_ms / 1000, self._pass_on)

    def hurry(self) -> None:
        if not self._hurried:
            self._hurried = True
            asyncio.get_running_loop().call_later(HURRY_S, self._flush_fights)

    def said(self, client: Client, message: ForGate) -> None:
        if self.dispatch.taps.open:
            self.dispatch.taps.offer(message, "client", "client", client.character, len(encode(message)))
        match message:
            case Login():
                self.entrance.begin(client, message)
            case Ping(stamp=stamp):
                self.say(client, Pong(stamp))
            case Logout():
                self.exit.log_out(client)
            case TransferHeard(number=number):
                if number == client.transfer:
                    self.attaching.heard(client)

    def social(self, client: Client, body: bytes) -> bool:
        return self.tell("center", FromClient(client.session, body))

    def deny(self, client: Client, code: Code, text: str, number: int) -> None:
        self.say(client, Denied(code, text[:1024], number))

    def dismiss(self, client: Client, code: str, text: str, last: Message | None = None) -> None:
        self.exit.dismiss(client, code, text, last)

    def say(self, client: Client, message: Message) -> None:
        """One message of the gate."""
        self.exit.say(client, message)

    def _cut(self, client: Client) -> None:
        """A client that does not read would not read a Goodbye."""
        self.exit.part(client, Code.SLOW_READER)
        client.connection.abort()

    def _flush_fights(self) -> None:
        self._hurried = False
        self.seat.failpoints.hit("gate.moves-waiting")
        if self.forward.hurry(self.clients.scenes.values()):
            self.wake()
        self.lanes.hurry()

    def _more(self) -> None:
        """In the next turn: what has come meanwhile is heard first."""
        asyncio.get_running_loop().call_soon(self.delivery.go_on)

    def _pace(self, scene: Scene, wait: bool) -> bool:
        return not scene.held and self.batch(scene.name, Lane.PACE, b"1" if wait else b"0")

    def wake(self) -> None:
        """Something waits for the next flush."""
        if not self._armed:
            self._armed = True
            asyncio.get_running_loop().call_later(self.settings.flush_ms / 1000, self._flush)

    def _flush(self) -> None:
        self._armed = False
        self._pass_on()
        self.lanes.flush()

    def _pass_on(self) -> None:
        """To scenes, what clients have said."""
        if self._passing is not None:
            self._passing.cancel()
            self._passing = None
        self._kept = False
        self.seat.failpoints.hit("gate.moves-waiting")
        if self.forward.flush(self.clients.scenes.values()):
            self.wake()

    def _sweep(self) -> None:
        """Whoever says nothing, at all or where something is waited for, is told Goodbye."""
        longest = {
            State.CONNECTED: (self.settings.login_s, Code.IDLE, ""),
            State.TRANSFERRING: (self.settings.transfer_s, Code.IDLE, "there was no TransferHeard"),
            State.MOVED: (MOVED_S, Code.TAKEN_OVER, "the session goes on at another gate"),
        }
        self.clients.ways.sweep(SWEEP_S)
        is_idle = (self.clients.ways.quiet_s > self.settings.idle_s).tolist()
        for client in self.clients:
            if is_idle[client.tag]:
                self.dismiss(client, Code.IDLE, "")
            elif client.state is State.TRANSFERRING and client.heard:
                continue  # its scene is what is waited for
            elif (limit := longest.get(client.state)) is not None:
                client.waited_s += SWEEP_S
                if client.waited_s > limit[0]:
                    self.dismiss(client, *limit[1:])
        for scene in self.clients.scenes.values():
            scene.early.expire()
        self.early.expire(self.clock.now())
        self.entrance.expire()

    def _look(self) -> None:
        now = self.clock.now()
        self.delivery.movement.look_after(self.clients.scenes.values())
        self.lanes.look_after(now)
        self.budgets.look(now)

    # --- from scenes ---

    @on_batch(Lane.UPDATES)
    def on_updates(self, blobs: list[bytes], caller: Caller) -> None:
        self.delivery.updates(self.clients.scene(caller.peer), blobs)

    @on_batch(Lane.FRAMES)
    def on_frames(self, blobs: list[bytes], caller: Caller) -> None:
        self.delivery.frames(self.clients.scene(caller.peer), blobs)

    @on_batch(Lane.CHATS)
    def on_chats(self, blobs: list[bytes], caller: Caller) -> None:
        self.delivery.chats(self.clients.scene(caller.peer), blobs)

    # --- from the center ---

    @on(ToClients)
    def on_to_clients(self, said: ToClients, _caller: Caller) -> None:
        if len(said.body) > PIECE_MAX:
            self.log.error("a message for clients does not fit into a piece", bytes=len(said.body))
            return
        lane, cls = (PieceLane.BULK, PieceClass.CHAT) if said.bulk else (PieceLane.CONTROL, PieceClass.GATE)
        row, now = piece(lane, cls, said.body), self.clock.now()
        put = self.lanes.bulk if said.bulk else self.lanes.control
        for session in said.sessions:
            client = self.clients.by_session.get(session)
            if client is not None:
                put(client, row)
            else:
                self.early.keep(session, row, said.bulk, now)

    @on_published(Announce)
    def on_announce(self, said: Announce) -> None:
        if len(said.body) > PIECE_MAX:
            self.log.error("an announcement does not fit into a piece", bytes=len(said.body))
            return
        row, without = piece(PieceLane.CONTROL, PieceClass.GATE, said.body), frozenset(said.without)
        for client in self.clients:
            if client.state in IN_THE_ZONE and client.session not in without:
                self.lanes.announce(client, row)
        self.early.announced(row, without, self.clock.now())

    @on(ListSessions)
    def on_list_sessions(self, _said: ListSessions, _caller: Caller) -> Sessions:
        return Sessions([_session_at(client) for client in self.clients.by_session.values()])


def _session_at(client: Client) -> SessionAt:
    at = client.placement
    assert at is not None, "whoever has a session has a place"
    return SessionAt(client.session, client.number, client.character, at.scene, at.map, at.line, client.nonce)
