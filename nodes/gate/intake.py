"""What clients say: every frame is checked, limited and sorted here. The way up, first half.

Moves are the hot path: those of many clients are limited, sorted by scene and put aside together. Play messages are
passed on unopened. Everything that is not in order is answered with Denied and counted; who goes on is told Goodbye.
What is for a scene and comes in the middle of a transfer is thrown away without a word: it was meant for the old place,
or is sent again. Must never raise for what a client sends, and never wait.
"""

import struct
from collections import Counter
from typing import Protocol

import numpy as np

import mesh.protocol.social  # noqa: F401 - enters what clients say to the center into the catalogue
from mesh.clock import Clock
from mesh.core.bucket import Bucket
from mesh.errors import Code, RemoteProtocolError
from mesh.front import Connection, Records
from mesh.protocol.catalogue import CATALOGUE, decoder, number_in, number_of
from mesh.protocol.client import Login, Logout, Ping, TransferHeard
from mesh.protocol.codec import decoder_for
from mesh.protocol.lanes import CLIENT_GATE, CLIENT_MOVE, CLIENT_PLAY, CLIENT_SOCIAL, MOVE_SIZE, PLAY_HEAD
from nodes.gate.forward import Forward
from nodes.gate.limits import Offences
from nodes.gate.sessions import Client, Sessions, State
from nodes.gate.settings import GateSettings
from nodes.gate.traffic import Line
from nodes.gate.ways import Array

SOCIAL_BYTES_MAX = 4096
"""What FromClient takes."""

ForGate = Login | Ping | Logout | TransferHeard

_NOT_IN_YET = (State.CONNECTED, State.AUTHENTICATING, State.QUEUED)
_HAS_A_CENTER = (State.PLAYING, State.TRANSFERRING)
_NO_LOGOUT = (State.AUTHENTICATING, State.ATTACHING, State.MOVED)
_FOR_GATE = (Login, Ping, Logout, TransferHeard)
_decode = decoder(_FOR_GATE)
_GATE_NUMBERS = frozenset(n for n, d in CATALOGUE.items() if d.type in _FOR_GATE)
_HEARD = number_of(TransferHeard)
_SENT_AGAIN = (CLIENT_PLAY, CLIENT_SOCIAL)
_HANDLE = struct.Struct("<I")


def _heard_in(body: bytes) -> int | None:
    """The transfer that this TransferHeard is about; None when it is none."""
    try:
        message = _decode(body) if number_in(body) == _HEARD else None
    except RemoteProtocolError:
        return None
    return message.number if isinstance(message, TransferHeard) else None


class Desk(Protocol):
    """What the gate does with what was said and found in order."""

    def collected(self) -> None:
        """There are moves for a scene: pass them on soon."""

    def hurry(self) -> None:
        """A play message was: flush very soon."""

    def said(self, client: Client, message: ForGate) -> None:
        """A message for the gate."""

    def social(self, client: Client, body: bytes) -> bool:
        """A message for the center. False: it cannot be reached."""

    def deny(self, client: Client, code: Code, text: str, number: int) -> None:
        """Say Denied."""

    def dismiss(self, client: Client, code: Code, text: str) -> None:
        """Say Goodbye and end the connection."""


class Intake:
    """See the module."""

    def __init__(self, settings: GateSettings, clock: Clock, sessions: Sessions, forward: Forward, desk: Desk) -> None:
        self.frames = 0
        self.bytes = 0
        self.fenced = 0  # play messages thrown away in transfers
        self.refused: Counter[str] = Counter()  # by code
        self._settings, self._clock, self._desk = settings, clock, desk
        self._sessions, self._clients, self._forward = sessions, sessions.by_number, forward
        self._by_tag = sessions.by_tag
        self._ways = sessions.ways
        self._decode_social = decoder_for("center", "client")

    def client(self, connection: Connection) -> Client:
        """A new client that may say something."""
        settings, now = self._settings, self._clock.now()
        connection.tag = self._ways.enter(now)
        return Client(connection, Bucket(settings.message_rate, settings.message_burst, now))

    def received(self, connection: Connection, frame: bytes) -> None:
        """One frame of one client."""
        client = self._clients.get(connection.number)
        if client is None:
            return
        self.frames += 1
        self.bytes += len(frame)
        self._ways.heard[client.tag] = True
        if len(frame) == MOVE_SIZE and frame[0] == CLIENT_MOVE and client.scene is not None:
            self._move(client, frame)
        else:
            self._other(client, frame)

    def _move(self, client: Client, frame: bytes) -> None:
        if self._ways.spend_one(client.tag, self._clock.now()):
            assert client.line is not None, "whoever has a scene is on a line of it"
            self._collect(client.line, _HANDLE.pack(client.handle), frame)
        else:
            self._excess(client, 0)

    def records(self, tags: Array, records: Records) -> None:
        """Frames of MOVE_SIZE bytes, one of each of these clients: nearly all of them moves."""
        ways, count = self._ways, len(tags)
        self.frames += count
        self.bytes += count * MOVE_SIZE
        ways.heard[tags] = True
        lines = ways.line[tags]
        forward = (records[:, 0] == CLIENT_MOVE) & (lines >= 0)
        if not forward.all():
            for at in np.flatnonzero(~forward).tolist():
                self._odd(int(tags[at]), records[at].tobytes())
            tags, lines, records = tags[forward], lines[forward], records[forward]
        may = ways.spend(tags, self._clock.now())
        if not may.all():
            for tag in tags[~may].tolist():
                self._odd_excess(tag)
            tags, lines, records = tags[may], lines[may], records[may]
        handles = ways.handle[tags]
        for index in np.flatnonzero(np.bincount(lines)).tolist():
            here = lines == index
            self._collect(self._sessions.lines.all[index], handles[here].tobytes(), records[here].tobytes())

    def _odd(self, tag: int, frame: bytes) -> None:
        client = self._by_tag.get(tag)
        if client is not None:
            self._other(client, frame)

    def _odd_excess(self, tag: int) -> None:
        client = self._by_tag.get(tag)
        if client is not None:
            self._excess(client, 0)

    def _collect(self, line: Line, handles: bytes, records: bytes) -> None:
        """Moves of clients of one line."""
        scene = self._sessions.scene(line.scene)
        if not scene.handles:
            self._desk.collected()
        scene.handles.append(handles)
        scene.records.append(records)
        line.moves += len(records) // MOVE_SIZE
        line.moves_bytes += len(records)

    def _other(self, client: Client, frame: bytes) -> None:
        if client.state is State.LEAVING:
            return
        if len(frame) > self._settings.frame_bytes_login_max and client.state in _NOT_IN_YET:
            self.refused[Code.TOO_LARGE] += 1
            self._desk.dismiss(client, Code.TOO_LARGE, "log in first")
            return
        kind = frame[0] if frame else 0
        if kind == CLIENT_MOVE:
            self._misplaced_move(client, frame)
            return
        if not client.messages.take(self._clock.now()) and not self._is_exempt(client, kind, frame):
            self._excess(client, number_in(frame[1 + (PLAY_HEAD.size if kind == CLIENT_PLAY else 0) :][:16]) or 0)
        elif kind == CLIENT_PLAY:
            self._play(client, frame)
        elif kind == CLIENT_GATE:
            self._gate(client, frame[1:])
        elif kind == CLIENT_SOCIAL:
            self._social(client, frame[1:])
        else:
            self._bad(client, Code.BAD_MESSAGE, "the first byte is none that a client sends")

    def _is_exempt(self, client: Client, kind: int, frame: bytes) -> bool:
        """What is heard even above the rate: what a client sends again where it has come, and the TransferHeard that
        is waited for, once: without it the client would have no scene any more."""
        if kind == CLIENT_GATE and client.state is State.TRANSFERRING and not client.heard:
            return _heard_in(frame[1:]) == client.transfer
        if kind not in _SENT_AGAIN or not client.again or client.scene is None:  # on the way it is thrown away
            return False
        client.again -= 1
        return True

    def _misplaced_move(self, client: Client, frame: bytes) -> None:
        if len(frame) != MOVE_SIZE:
            self._bad(client, Code.BAD_MESSAGE, f"a move has {MOVE_SIZE} bytes")
        elif client.state not in (State.ATTACHING, State.TRANSFERRING):  # there it is simply too early
            self._bad(client, Code.OUT_OF_ORDER, "not in the world")

    def _play(self, client: Client, frame: bytes) -> None:
        if len(frame) < 1 + PLAY_HEAD.size:
            self._bad(client, Code.BAD_MESSAGE, "a play message has a head of 8 bytes")
            return
        number = number_in(frame[1 + PLAY_HEAD.size :][:16]) or 0
        if client.state is State.TRANSFERRING:
            self.fenced += 1
        elif client.scene is None:
            self._bad(client, Code.OUT_OF_ORDER, "not in the world", number)
        elif self._forward.play(client.scene, client, frame):
            self._count_play(client, frame)
            self._desk.hurry()
        else:
            self._refuse(client, Code.UNAVAILABLE, "the scene does not keep up", number)

    def _count_play(self, client: Client, frame: bytes) -> None:
        assert client.line is not None, "whoever has a scene is on a line of it"
        client.line.plays += 1
        client.line.plays_bytes += len(frame)

    def _gate(self, client: Client, body: bytes) -> None:
        number = number_in(body)
        if number not in _GATE_NUMBERS:
            self._bad(client, Code.UNKNOWN_MESSAGE, "not a message for the gate", number or 0)
            return
        try:
            message = _decode(body)
        except RemoteProtocolError as error:
            self._bad(client, Code.BAD_MESSAGE, str(error), number or 0)
            return
        assert isinstance(message, ForGate)
        if isinstance(message, Login) and client.state is not State.CONNECTED:
            self._bad(client, Code.OUT_OF_ORDER, "there was a Login already", number or 0)
        elif isinstance(message, Logout) and client.state in _NO_LOGOUT:
            self._bad(client, Code.OUT_OF_ORDER, "not in the world yet, or at another gate", number or 0)
        elif isinstance(message, TransferHeard) and message.number > client.transfer:
            self._bad(client, Code.OUT_OF_ORDER, "there was no such transfer", number or 0)
        else:
            self._desk.said(client, message)

    def _social(self, client: Client, body: bytes) -> None:
        number = number_in(body) or 0
        declared = CATALOGUE.get(number)
        if declared is None or (declared.source, declared.target) != ("client", "center"):
            self._bad(client, Code.UNKNOWN_MESSAGE, "not a social message", number)
        elif client.state not in _HAS_A_CENTER:
            self._bad(client, Code.OUT_OF_ORDER, "not in the world", number)
        elif len(body) > SOCIAL_BYTES_MAX:
            self._bad(client, Code.TOO_LARGE, f"a social message has at most {SOCIAL_BYTES_MAX} bytes", number)
        elif (problem := self._problem_of(body)) is not None:
            self._bad(client, Code.BAD_MESSAGE, problem, number)
        elif not self._desk.social(client, body):
            self._refuse(client, Code.UNAVAILABLE, "the center cannot be reached", number)

    def _problem_of(self, body: bytes) -> str | None:
        """They are few, so they are looked at here already: who goes on with bad ones is told Goodbye."""
        try:
            self._decode_social(body)
        except RemoteProtocolError as error:
            return str(error)
        return None

    # --- what is not in order ---

    def _refuse(self, client: Client, code: Code, text: str, number: int) -> None:
        self.refused[code] += 1
        self._desk.deny(client, code, text, number)

    def _bad(self, client: Client, code: Code, text: str, number: int = 0) -> None:
        """A message that no right client sends at this moment; when that goes on, it is not a right client."""
        self._refuse(client, code, text, number)
        garbage = self._offences(client).garbage(self._clock.now(), self._settings.garbage_s)
        if garbage >= self._settings.garbage_max:
            self._desk.dismiss(client, Code.BAD_MESSAGE, f"{garbage} bad messages")

    def _excess(self, client: Client, number: int) -> None:
        """More than the rate allows: not carried out; when that goes on, the connection ends."""
        now, offences = self._clock.now(), self._offences(client)
        self.refused[Code.TOO_MANY] += 1
        if offences.excess(now) >= self._settings.excess_s:
            self._desk.dismiss(client, Code.TOO_MANY, f"more than the rate allows for {self._settings.excess_s:g} s")
        elif offences.exceeded >= self._settings.excess_max:  # as fast as the network can: others would wait for it
            self._desk.dismiss(client, Code.TOO_MANY, f"{offences.exceeded} messages more than the rate allows")
        elif offences.may_answer(now):
            self._desk.deny(client, Code.TOO_MANY, "slower, please", number)

    def _offences(self, client: Client) -> Offences:
        if client.offences is None:
            client.offences = Offences(self._clock.now())
        return client.offences
