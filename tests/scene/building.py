"""Lines, players and a client's memory for the scene's tests: real parts, no fakes except the gate's end."""

import random
from typing import Any

import numpy as np

from mesh.protocol import play
from mesh.protocol.catalogue import Message
from mesh.protocol.codec import decoder_for
from mesh.protocol.lanes import (
    MOVE,
    PIECE_HEAD,
    PIECE_SIZE,
    TICK_HEAD,
    UPDATE_STRUCT,
    Lane,
    PieceClass,
    PieceLane,
)
from mesh.protocol.sessions import Status, session_of
from nodes.scene.frames import GateFrames
from nodes.scene.interest import Interest
from nodes.scene.line import Line
from nodes.scene.lines import Lines
from nodes.scene.outbound import Outbound
from nodes.scene.sessions import Session
from nodes.scene.settings import MapSettings, PortalSettings, SceneSettings
from nodes.scene.shared import Shared
from nodes.scene.world import Array

GATE = "eu.one.gate.1"
decode = decoder_for("client", "scene")

SMALL = MapSettings(size_m=200.0, aoi_m=30.0, npcs=0, npc_respawn_s=5.0, respawn_s=2.0, players_max=200)


class Client:
    """What a client knows after the pieces it was sent."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.sequences: list[int] = []
        self.view: dict[int, tuple[int, int]] = {}  # entity -> x, y
        self.states: dict[int, play.EntityState] = {}
        self.updates = 0
        self.ticks: list[int] = []

    def take(self, row: bytes) -> None:
        """A row of pieces."""
        at = 0
        while at < len(row):
            lane, cls, length, sequence = PIECE_HEAD.unpack_from(row, at)
            body = row[at + PIECE_SIZE : at + PIECE_SIZE + length]
            assert len(body) == length
            at += PIECE_SIZE + length
            if cls == PieceClass.UPDATES:
                assert (lane, sequence) == (PieceLane.MOVEMENT, 0)
                self._updates(body)
            else:
                assert (sequence > 0) == (cls == PieceClass.EVENT)
                self._message(decode(body), sequence)

    def of(self, kind: type[Message]) -> list[Any]:
        return [said for said in self.messages if type(said) is kind]

    def last(self, kind: type[Message]) -> Any:
        return self.of(kind)[-1]

    def _updates(self, body: bytes) -> None:
        self.ticks.append(TICK_HEAD.unpack_from(body)[0])
        for number, x, y, *_ in UPDATE_STRUCT.iter_unpack(body[TICK_HEAD.size :]):
            assert number in self.view, "an update of something that never appeared"
            self.view[number] = (x, y)
            self.updates += 1

    def _message(self, said: Message, sequence: int) -> None:
        self.messages.append(said)
        if sequence:
            self.sequences.append(sequence)
        if isinstance(said, play.Entered):
            self.view = {}
            self.appear(said.view)
        elif isinstance(said, play.Appeared):
            self.appear(said.entities)
        elif isinstance(said, play.Vanished):
            for number in said.ids:
                del self.view[number]

    def appear(self, entities: list[play.EntityState]) -> None:
        for one in entities:
            assert one.id not in self.view, "appeared twice"
            self.view[one.id] = (one.x, one.y)
            self.states[one.id] = one


class Stage:
    """One line with clients that remember. Time moves by `tick`."""

    def __init__(self, settings: MapSettings = SMALL, seed: int = 1, **scene: Any) -> None:
        self.now = 1000.0
        self.ticks = 0
        self.out = Outbound(lambda: None)
        self.events: list[tuple[str, int, dict[str, Any]]] = []
        self.levels: list[tuple[Session, int]] = []
        self.crossed: list[tuple[Session, PortalSettings]] = []
        self.clients: dict[int, Client] = {}
        self.entered: list[Session] = []
        self.settings = settings
        self.shared = Shared(
            SceneSettings(**scene), "eu.one.scene.1", random.Random(seed), self.out,
            lambda kind, player, **fields: self.events.append((kind, player, fields)),
            lambda session, level: self.levels.append((session, level)),
            lambda session, portal: self.crossed.append((session, portal)),
            lambda: self.now,
            self.entered.append,
        )  # fmt: skip
        self.lines = Lines(self._make, random.Random(seed), ["meadow"], 4, lambda: None)
        self.line = self.lines.open("meadow", 1, fixed=True)

    def _make(self, index: int, name: str, number: int, generation: Array, fixed: bool) -> Line:
        return Line(index, name, number, self.settings, self.shared, generation, fixed)

    def join(
        self,
        account: int,
        x_m: float,
        y_m: float,
        *,
        epoch: int = 1,
        attach: bool = True,
        line: Any = None,
        **status: Any,
    ) -> Session:
        line = line or self.line
        session = line.enter(session_of(account, epoch), status_of(account, x_m, y_m, **status), self.now, 0)
        if attach:
            self.attach(session)
        return session

    def attach(self, session: Session, received: int = 0, resumed: bool = False) -> Client:
        session.attach(GATE, 1, received, resumed)
        self.lines.of(session).attach(session)
        self.clients[session.handle] = Client()
        return self.clients[session.handle]

    def client(self, session: Session) -> Client:
        return self.clients[session.handle]

    def move(
        self, session: Session, x_m: float, y_m: float, *, stamp: int = 0, state: int = 1, heading: int = 0
    ) -> None:
        unit = self.settings.unit_m
        record = np.array([(3, state, heading, 0, stamp, round(x_m / unit), round(y_m / unit))], MOVE)
        self.line.moves.add(np.array([session.slot]), record)

    def tick(self, seconds: float = 0.1) -> None:
        """With the half that is told later, if there is one."""
        self.now += seconds
        self.ticks += 1
        self._show(self.line.tick(self.now, self.ticks, lambda part: None))
        if self.line.sight.is_halved:
            self.between()
            self._show(self.line.later(self.now + seconds / 2, self.ticks, lambda part: None))

    def between(self) -> None:
        """What a test has happen between the two halves."""

    def _show(self, frames: list[GateFrames]) -> None:
        self.flush()
        for one in frames:
            self.deliver(self.out.names[one.gate], Lane.UPDATES, one.handles, one.lengths, one.body)

    def flush(self) -> None:
        assert not self.out.flush(self.deliver)

    def deliver(self, gate: str, lane: Lane, handles: bytes, lengths: bytes, body: bytes) -> bool:
        assert gate == GATE
        begin = 0
        for handle, length in zip(np.frombuffer(handles, "<u4"), np.frombuffer(lengths, "<u4"), strict=True):
            self.clients[int(handle)].take(body[begin : begin + int(length)])
            begin += int(length)
        assert begin == len(body)
        return True


def seen_by(interest: Interest, observer: int) -> list[int]:
    """The slots that an observer sees."""
    observers, entities = interest.pairs
    return entities[observers == observer].tolist()


def status_of(account: int, x_m: float, y_m: float, **fields: Any) -> Status:
    given: dict[str, Any] = {
        "name": f"p{account}", "level": 1, "xp": 0, "hp": 100, "attributes": {}, "map": "meadow", "heading": 0,
        "region": "", "gold": 0, "items": [], "friends": [], **fields,
    }  # fmt: skip
    return Status(account=account, x=x_m, y=y_m, **given)
