"""The gate: client connections on one side, scenes, login and center on the other.

    client -> gate            Login (1), Ping, Logout; moves and play messages, forwarded unopened
    gate -> login             Authenticate (2), SignResume
    gate -> scene             Attach (7), Detach; Lane.MOVES, PLAYS, DROPS every `flush_ms`
    scene -> gate -> client   Lane.FRAMES, UPDATES, CHATS: rows of pieces, never opened; Kick
    gate -> center            FromClient (8), Dropped, Leave, LeaveQueue
    center -> gate            Admit, QueueMoved, Kick, ToClients, ListSessions; by PUB: Announce (8)

This file is the shell: what is known is in `sessions.py`, the rules of the way up in `intake.py`, `limits.py` and
`forward.py`, of the way down in `delivery.py`, of getting in and out in `entrance.py`; `front.py` has the sockets.
When a scene is lost its players are told `unavailable`; when the center is lost, play goes on and the queue is gone.
"""

import asyncio
import json
from typing import Any

from mesh.errors import Code
from mesh.front import Connection, Front
from mesh.node import Caller, Node, on, on_batch, on_published
from mesh.protocol.client import Denied, Login, Logout, Ping, Pong
from mesh.protocol.cluster import Announce, FromClient, ListSessions, SessionAt, Sessions, ToClients
from mesh.protocol.control import Load, Member
from mesh.protocol.lanes import PIECE_MAX, Lane, PieceClass, PieceLane, piece
from mesh.seat import Seat
from nodes.gate.delivery import Delivery
from nodes.gate.entrance import Entrance
from nodes.gate.forward import Forward
from nodes.gate.intake import Intake
from nodes.gate.limits import Addresses
from nodes.gate.sessions import Client, State
from nodes.gate.sessions import Sessions as Table
from nodes.gate.settings import GateSettings

SWEEP_S = 1.0  # how often idle clients are looked for
RECOVERY_S = 0.25  # how often clients that are behind are looked at
FAREWELL_S = 1.5  # for clients to close their half when the gate stops


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
        self.clients = Table()
        self.addresses = Addresses(settings.connections_max, settings.connections_per_address_max)
        self.forward = Forward(self.batch)
        self.delivery = Delivery(settings, self.wake, self._cut)
        self.entrance = Entrance(self, settings, self.clients, self.delivery, self.gates)
        self.intake = Intake(settings, self.clock, self.clients, self.forward, self)
        self.received = self.intake.received  # mesh.front.Guest: called for every frame, so without a detour
        self.refused_connections = 0
        self._armed = False
        self._empty = asyncio.Event()
        self.serve_parts(self.entrance)
        self._count_clients()

    # --- life ---

    async def open(self) -> None:
        """The port is taken at once, so that a taken one ends the start; clients are let in when the gate is Ready."""
        await self.front.open(self, self.settings.frame_bytes_max)
        self.every(SWEEP_S, self._sweep)
        self.every(RECOVERY_S, lambda: self.delivery.look_after(self.clock.now()))

    async def drain(self) -> None:
        """Sessions stay in the world for `linkdead_s`: clients may resume on another gate."""
        await self.front.stop_listening()
        for client in self.clients:
            self.entrance.dismiss(client, Code.SHUTDOWN, "this gate is stopping")
        self._empty.clear()
        if len(self.clients):
            try:
                async with asyncio.timeout(FAREWELL_S):
                    await self._empty.wait()
            except TimeoutError:
                self.log.info("some clients did not close their connection", clients=len(self.clients))

    async def close(self) -> None:
        await self.front.close()

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
        }

    def url(self) -> str:
        """What clients connect to."""
        scheme = "wss" if self.settings.certificate else "ws"
        return self.settings.public or f"{scheme}://{self.host}:{self.port}"

    def gates(self) -> list[str]:
        """The addresses of all gates of the zone, this one first."""
        others = {m.facts.get("ws", "") for m in self.registry.of_role("gate") if m.state == "Ready"}
        return [self.url(), *sorted(others - {self.url(), ""})]

    def peer_lost(self, member: Member) -> None:
        if member.role == "scene" and member.name in self.clients.scenes:
            scene = self.clients.scenes[member.name]
            for client in list(scene.clients.values()):
                self.entrance.dismiss(client, Code.UNAVAILABLE, "the scene cannot be reached")
            self.forward.forget(scene)
        elif member.role == "center":
            for client in self.clients:
                if client.state is State.QUEUED:
                    self.entrance.dismiss(client, Code.UNAVAILABLE, "the queue is gone: log in again")

    # --- mesh.front.Guest ---

    def connected(self, connection: Connection) -> bool:
        if self.state != "Ready" or not self.addresses.enter(connection.address):
            self.refused_connections += 1
            return False
        self.clients.add(self.intake.client(connection))
        return True

    def closed(self, connection: Connection) -> None:
        client = self.clients.by_number.get(connection.number)
        if client is None:
            return
        self.entrance.part(client, "connection_lost")
        self.delivery.forget(client)
        self.clients.remove(client)
        self.addresses.leave(client.address)
        if not len(self.clients):
            self._empty.set()

    def page(self, path: str) -> bytes | None:
        pages = {"/gates": {"gates": self.gates()}, "/-/healthy": {"state": self.state}}
        return json.dumps(pages[path]).encode() if path in pages else None

    # --- intake.Desk ---

    def wake(self) -> None:
        if not self._armed:
            self._armed = True
            asyncio.get_running_loop().call_later(self.settings.flush_ms / 1000, self._flush)

    def said(self, client: Client, message: Login | Ping | Logout) -> None:
        match message:
            case Login():
                self.entrance.begin(client, message)
            case Ping(stamp=stamp):
                self.entrance.say(client, Pong(stamp))
            case Logout():
                self.entrance.log_out(client)

    def social(self, client: Client, body: bytes) -> bool:
        return self.tell("center", FromClient(client.session, body))

    def deny(self, client: Client, code: Code, text: str, number: int) -> None:
        self.entrance.say(client, Denied(code, text[:1024], number))

    def dismiss(self, client: Client, code: Code, text: str) -> None:
        self.entrance.dismiss(client, code, text)

    def _cut(self, client: Client) -> None:
        """A client that does not read would not read a Goodbye."""
        self.entrance.part(client, Code.SLOW_READER)
        client.connection.abort()

    def _flush(self) -> None:
        self._armed = False
        waits = self.forward.flush(self.clients.scenes.values())
        self.delivery.flush()
        if waits:
            self.wake()

    def _sweep(self) -> None:
        """Whoever says nothing, at all or before the login, is told Goodbye."""
        for client in self.clients:
            client.quiet_s += SWEEP_S
            if client.state is State.CONNECTED:
                client.waited_s += SWEEP_S
            if client.quiet_s > self.settings.idle_s or client.waited_s > self.settings.login_s:
                self.entrance.dismiss(client, Code.IDLE)

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
        row = piece(lane, cls, said.body)
        put = self.delivery.bulk if said.bulk else self.delivery.control
        for session in said.sessions:
            client = self.clients.by_session.get(session)
            if client is not None:
                put(client, row)

    @on_published(Announce)
    def on_announce(self, said: Announce) -> None:
        if len(said.body) > PIECE_MAX:
            self.log.error("an announcement does not fit into a piece", bytes=len(said.body))
            return
        row = piece(PieceLane.CONTROL, PieceClass.GATE, said.body)
        for client in self.clients:
            if client.state is State.PLAYING:
                self.delivery.control(client, row)

    @on(ListSessions)
    def on_list_sessions(self, _said: ListSessions, _caller: Caller) -> Sessions:
        found = self.clients.by_session.values()
        return Sessions([SessionAt(one.session, one.number, one.character, one.hosted) for one in found])

    # --- about itself ---

    def _count_clients(self) -> None:
        reads, up, down, intake = self.metrics.reads, self.forward.counts, self.delivery.counts, self.intake
        reads("gate_clients", "Connections by state.", self._by_state, "state")
        reads("gate_refused_connections_total", "Connections above a cap.", lambda: self.refused_connections)
        reads("gate_logins_total", "Logins by result.", lambda: _labelled(self.entrance.results), "result")
        reads("gate_frames_received_total", "Frames from clients.", lambda: intake.frames)
        reads("gate_bytes_received_total", "Bytes in them.", lambda: intake.bytes)
        reads("gate_refused_total", "Messages of clients that were refused.", lambda: _labelled(intake.refused), "code")
        reads("gate_frames_sent_total", "Frames to clients.", lambda: down.frames)
        reads("gate_bytes_sent_total", "Bytes in them.", lambda: down.bytes)
        reads("gate_forwarded_total", "Passed on to scenes.", lambda: _pairs(moves=up.moves, plays=up.plays), "lane")
        reads("gate_dropped_total", "Dropped by the rules of a lane.", self._dropped, "lane")
        reads("gate_full_views_total", "Full views asked for after drops.", lambda: up.drops)
        reads("gate_slow_readers_total", "Connections cut because the client did not read.", lambda: down.cut)
        reads("gate_unknown_handles_total", "Rows for players that had left.", lambda: down.unknown)
        reads("gate_malformed_batches_total", "Batches of scenes that broke the rules.", lambda: down.malformed)

    def _by_state(self) -> dict[tuple[str, ...], float]:
        return {(state.value,): count for state, count in self.clients.counts().items()}

    def _dropped(self) -> dict[tuple[str, ...], float]:
        up, down = self.forward.counts, self.delivery.counts
        return _pairs(
            movement=down.movement_dropped, bulk=down.bulk_dropped, early=down.early_dropped,
            moves=up.moves_dropped, plays=up.plays_dropped,
        )  # fmt: skip


def _pairs(**counts: int) -> dict[tuple[str, ...], float]:
    return {(name,): count for name, count in counts.items()}


def _labelled(counter: dict[str, int]) -> dict[tuple[str, ...], float]:
    return {(str(name),): count for name, count in counter.items()}
