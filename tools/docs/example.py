"""The byte-exact example session of docs/protocol.md: made with the same functions that clients and servers use."""

import textwrap
from dataclasses import dataclass

import msgspec

from mesh.client.session import ClientSession
from mesh.protocol.catalogue import Message, encode
from mesh.protocol.client import LOGGED_OUT, Goodbye, LoggedIn, Pong, TransferBegun
from mesh.protocol.lanes import (
    PIECE_SIZE,
    PLAY_HEAD,
    TICK_HEAD,
    UPDATE_STRUCT,
    PieceClass,
    PieceLane,
    piece,
)
from mesh.protocol.play import Attack, Character, Entered, EntityState, Hit, Portal, Say, Vanished
from mesh.protocol.sessions import session_of
from mesh.protocol.social import Shout, Shouted

WIDTH = 20  # bytes of a line


@dataclass(frozen=True)
class Part:
    data: bytes
    words: str


@dataclass(frozen=True)
class Frame:
    """One WebSocket message."""

    by_client: bool
    title: str
    parts: list[Part]

    @property
    def data(self) -> bytes:
        return b"".join(part.data for part in self.parts)


def frames() -> list[Frame]:
    """The whole conversation, in order."""
    client = ClientSession()
    session = session_of(7, 1)
    opaque = "zr1.c29tZSBieXRlcw.bW9yZQ"  # shorter than a real one
    made = [_up("Login", client.login("password", "anna", "correct horse", "docs 1"))]
    made += _down(client, "LoggedIn and Entered, in one frame", [
        _message(PieceClass.GATE, LoggedIn(session, "anna", opaque, 30.0, ["ws://127.0.0.1:7700"], 81)),
        _message(PieceClass.VIEW, _entered()),
    ])  # fmt: skip
    made += _down(client, "movement of two entities, at tick 513", [_updates()])
    made.append(_up("a move: to 1250 1010, heading 64, stamp 40001, running", client.move(1250, 1010, 64, 40001, 1)))
    made.append(_up("Attack", client.play(Attack(12))))
    made += _down(client, "Hit, numbered 1, and somebody out of view", [
        _message(PieceClass.EVENT, Hit(11, 12, 7, 33), 1), _message(PieceClass.VIEW, Vanished([14])),
    ])  # fmt: skip
    made.append(_up("a bare acknowledgement of control sequence 1", client.acknowledge() or b""))
    made.append(_up("Shout", client.social(Shout("hello"))))
    made += _down(client, "Shouted", [_message(PieceClass.GATE, Shouted(3, 92, "anna", "hello"))])
    made += _down(
        client, "TransferBegun: she has walked into the portal", [_message(PieceClass.GATE, TransferBegun(1))]
    )
    made += [_up("TransferHeard, at once", frame) for frame in client.take_outgoing()]
    assert client.play(Say("hello, forest")) == b"", "what she says now is kept"
    made += _down(client, "Entered, on another map", [_message(PieceClass.VIEW, _elsewhere())])
    made += [_up("Say, which was kept", frame) for frame in client.take_outgoing()]
    made.append(_up("Ping", client.ping(123456)))
    made += _down(client, "Pong", [_message(PieceClass.GATE, Pong(123456))])
    made.append(_up("Logout", client.logout()))
    made += _down(client, "Goodbye, and the gate closes", [_message(PieceClass.GATE, Goodbye(LOGGED_OUT))])
    broken = ClientSession()
    broken.token, broken.received = opaque, 1
    made.append(
        _up("the first frame of a resume instead, had the connection broken after Hit", broken.resume("docs 1"))
    )
    return made


def example_text() -> str:
    return "\n\n".join(_frame_text(frame) for frame in frames())


def _entered() -> Entered:
    you = Character(11, "anna", 1, 0, 100, 100, {"strength": 10}, 25, [])
    seen = [EntityState(12, "npc", "wolf", 1300, 1000, 128, 0, 2, 40, 40)]
    portals = [Portal(1500, 1010, 1.5, "forest")]
    return Entered(
        "eu.one.scene.1", "meadow", 1, 512.0, 0.0078125, 10.0, 40.0, 6.0, 1240, 1000, you, seen, 0, False, portals
    )


def _elsewhere() -> Entered:
    you = Character(7, "anna", 1, 0, 93, 100, {"strength": 10}, 25, [])
    return Entered("eu.one.scene.2", "forest", 1, 256.0, 0.0078125, 10.0, 40.0, 6.0, 300, 300, you, [], 1, True)


def _updates() -> bytes:
    records = UPDATE_STRUCT.pack(12, 1302, 1003, 130, 0, 39950) + UPDATE_STRUCT.pack(14, 900, 800, 7, 1, 39911)
    return piece(PieceLane.MOVEMENT, PieceClass.UPDATES, TICK_HEAD.pack(513) + records)


def _message(cls: PieceClass, said: Message, sequence: int = 0) -> bytes:
    return piece(PieceLane.CONTROL, cls, encode(said), sequence)


def _down(client: ClientSession, title: str, pieces: list[bytes]) -> list[Frame]:
    client.receive(b"".join(pieces))
    parts: list[Part] = []
    for one in pieces:
        head, body = one[:PIECE_SIZE], one[PIECE_SIZE:]
        lane, cls = PieceLane(head[0]), PieceClass(head[1])
        parts.append(Part(head, f"head: lane {lane.name}, class {cls.name}, {len(body)} bytes, sequence {head[4]}"))
        if cls is PieceClass.UPDATES:
            parts.append(Part(body[:4], "tick"))
            parts.extend(Part(body[at : at + 12], "id, x, y, heading, state, stamp") for at in range(4, len(body), 12))
        else:
            parts.append(Part(body, _words(body)))
    return [Frame(False, title, parts)]


def _up(title: str, frame: bytes) -> Frame:
    kinds = {1: "kind: for the gate", 2: "kind: for the scene", 4: "kind: for the center"}
    if frame[0] == 3:
        return Frame(True, title, [Part(frame, "kind, state, heading, zero, stamp, x, y")])
    parts, rest = [Part(frame[:1], kinds[frame[0]])], frame[1:]
    if frame[0] == 2:
        sequence, ack = PLAY_HEAD.unpack_from(rest)
        parts.append(Part(rest[: PLAY_HEAD.size], f"sequence {sequence}, acknowledges {ack}"))
        rest = rest[PLAY_HEAD.size :]
    if rest:
        parts.append(Part(rest, _words(rest)))
    return Frame(True, title, parts)


def _words(body: bytes) -> str:
    return msgspec.json.encode(msgspec.msgpack.decode(body)).decode()


def _frame_text(frame: Frame) -> str:
    who = "client -> gate" if frame.by_client else "gate -> client"
    lines = [f"**{who}**: {frame.title} ({len(frame.data)} bytes)", "", "```"]
    for part in frame.parts:
        lines.extend(f"    {words}" for words in textwrap.wrap(part.words, 100))
        lines.extend(part.data[at : at + WIDTH].hex(" ") for at in range(0, len(part.data), WIDTH))
    return "\n".join([*lines, "```"])
