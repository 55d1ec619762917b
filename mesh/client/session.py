"""The client's half of the protocol as pure state: frames in, messages out; wishes in, frames out. No socket, no clock.

Owns: the phase, the numbering of play messages and what was sent last of them (for a resume), the highest control
sequence received, the resume token, who is in view. Must never: touch a network or wait. `player.py` drives it over
a wire; a game engine with its own network code can do the same:

    session = ClientSession()
    send(session.login("password", "anna", "secret"))
    for frame in received_frames:
        for said in session.receive(frame):     # LoggedIn, Entered, Appeared, Hit, Shouted, ...
            ...
        for answer in session.take_outgoing():  # acknowledgements, TransferHeard, what was kept or is sent again
            send(answer)                        # on the connection that the frame came from
    send(session.play(Attack(12)))              # b"": kept until Entered comes, nothing is to be sent now

A transfer to another place of the zone happens by itself. On MoveGate: open a second connection, `hold()`, wait until
what was said on the first one was heard (Ping, Pong), send `second()` on the second one, and hand what comes on both to
`receive`, but look at the first message on the second one before (`first_of`): when it is not LoggedIn, the second
connection has failed, and `stay()`. When Entered has come on the second one, end the first. On MoveZone: the connection
ends; open one to a gate of the other zone and send `enter_zone(ticket)`.

Movement updates are by far the most frequent thing a client hears. They are counted (`updates`, in records) and
handed to `on_updates(tick, records)` as raw bytes; no Python object is made for a record. `np.frombuffer(records,
mesh.protocol.lanes.UPDATE)` shows them as columns.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, Literal

from mesh.client.outbox import BOUND, Answer, Outbox
from mesh.client.vocabulary import vocabulary
from mesh.errors import Code, LocalProtocolError, RemoteProtocolError
from mesh.protocol import client
from mesh.protocol.catalogue import Message, encode, number_in
from mesh.protocol.lanes import (
    CLIENT_GATE,
    CLIENT_MOVE,
    CLIENT_PLAY,
    CLIENT_SOCIAL,
    MOVE_STRUCT,
    PIECE_HEAD,
    PIECE_SIZE,
    PLAY_HEAD,
    TICK_HEAD,
    UPDATE_SIZE,
    PieceClass,
)
from mesh.protocol.play import Appeared, Corrected, Entered, EntityState, PlayDenied, Quality, Vanished
from mesh.protocol.social import Shouted
from mesh.protocol.types import LoginMethod

__all__ = ["ACK_EVERY", "RESUMABLE", "ClientSession", "OnUpdates", "Phase", "first_of"]

ACK_EVERY = 16
"""Control pieces received after which an acknowledgement is sent without a play message to carry it."""

RESUMABLE = frozenset({"shutdown", "slow_reader", "idle", "unavailable"})
"""Codes of a Goodbye or Denied after which the session is still in the world, for `linkdead_s`."""

UNKNOWN = "nobody knows what came of it"

OnUpdates = Callable[[int, memoryview], None]
"""Called with the scene's tick and the raw UPDATE records of one piece; valid during the call only."""


_UPDATES: Final = int(PieceClass.UPDATES)
_EVENT: Final = int(PieceClass.EVENT)
_NOTHING: tuple[Message, ...] = ()
_NO_FRAMES: tuple[bytes, ...] = ()
_GATE_BYTE, _PLAY_BYTE, _SOCIAL_BYTE = bytes([CLIENT_GATE]), bytes([CLIENT_PLAY]), bytes([CLIENT_SOCIAL])


class Phase(StrEnum):
    """How far the client is."""

    CONNECTED = "Connected"  # a connection, nothing said yet
    AUTHENTICATING = "Authenticating"  # Login was sent
    WAITING = "Waiting"  # in the queue of a full zone
    JOINING = "Joining"  # LoggedIn came, Entered has not
    PLAYING = "Playing"
    TRANSFERRING = "Transferring"  # on the way to another place of the zone: TransferBegun came, Entered has not
    ENDED = "Ended"  # Denied instead of a login, or Goodbye: `ended` says why


SecondStage = Literal["", "wanted", "asked", "failed", "admitted"]
"""Of a connection beside the first one, from `hold` on. The center may have let in one that has failed."""

_IN_THE_WORLD = (Phase.PLAYING, Phase.TRANSFERRING)
_MAY_SPEAK = (Phase.JOINING, *_IN_THE_WORLD)


class ClientSession:
    """One player's conversation with the servers, across reconnections, transfers, gates and zones.

    Read freely: `phase`, `session`, `character`, `token`, `linkdead_s`, `gates`, `entered` (the last Entered),
    `view` (id -> EntityState as it appeared), `x`, `y` (as last sent or corrected, map units), `received` and
    `sent` (control sequences), `ended` (Denied or Goodbye), `quality` (what the servers leave out, None: nothing),
    `updates` (records heard), counters `duplicates`, `gaps`, `unknown`. `bound`: the numbers of messages that are
    not sent again elsewhere; a game adds its own.
    """

    bound = BOUND

    def __init__(self, on_updates: OnUpdates | None = None) -> None:
        self.on_updates = on_updates
        self.phase = Phase.CONNECTED
        self.session = 0
        self.character = ""
        self.token = ""
        self.linkdead_s = 0.0
        self.gates: list[str] = []
        self.trace = 0
        self.entered: Entered | None = None
        self.quality: Quality | None = None
        self.ended: client.Denied | client.Goodbye | None = None
        self.view: dict[int, EntityState] = {}
        self.x = self.y = 0
        self.received = 0  # highest control sequence
        self.updates = 0
        self.duplicates = self.gaps = self.unknown = 0
        self._words = vocabulary()
        self._acked = 0
        self._outbox = Outbox()
        self._outgoing: list[bytes] = []
        self._late: list[Message] = []  # said by ourselves, to be told behind what the frame brings
        self._shouted = (0, 0)  # epoch and sequence of the last one
        self._is_new_session = False
        self._second: SecondStage = ""

    @property
    def sent(self) -> int:
        """The highest play sequence."""
        return self._outbox.sent

    @property
    def dilation(self) -> float:
        """Game seconds in a second: what the game makes one wait for takes the longer the smaller this is."""
        return self.quality.dilation if self.quality is not None else 1.0

    # --- what to send ---

    def login(self, method: LoginMethod, account: str, secret: str, program: str = "") -> bytes:
        """The first frame on a new connection. For a resume use `resume`."""
        if self.phase is not Phase.CONNECTED:
            raise LocalProtocolError(f"a login was already begun ({self.phase})")
        self.phase, self._second = Phase.AUTHENTICATING, ""
        return _GATE_BYTE + encode(client.Login(method, account, secret, self.received, program))

    def resume(self, program: str = "") -> bytes:
        """The first frame on a new connection of a session that lost its old one, on any gate."""
        return self.login("resume", "", self.token, program)

    def move(self, x: int, y: int, heading: int, stamp: int, state: int = 0) -> bytes:
        """A position in map units, as often as ten times a second; heading in 1/256 of a turn, stamp in ms."""
        self.x, self.y = x, y
        return MOVE_STRUCT.pack(CLIENT_MOVE, state, heading & 0xFF, 0, stamp & 0xFFFF, x, y)

    def play(self, said: Message) -> bytes:
        """A message of play.py: numbered, acknowledging what was received, kept in case of a resume. b"" when it has
        to wait: `take_outgoing` has it after Entered."""
        self._check(said, self._words.to_scene, "scene")
        body, is_sent = encode(said), self.phase is Phase.PLAYING
        sequence = self._outbox.play(body, is_sent)
        return self._play_frame(sequence, body) if is_sent else b""

    def social(self, said: Message) -> bytes:
        """A message of social.py. Not numbered: one that was under way when a connection broke may be lost. b"" when
        it has to wait, as with `play`."""
        self._check(said, self._words.to_center, "center")
        frame = _SOCIAL_BYTE + encode(said)
        if self.phase in _IN_THE_WORLD and not self._outbox.holds:
            return frame
        self._outbox.social(frame)
        return b""

    def _check(self, said: Message, numbers: frozenset[int], target: str) -> None:
        if self.phase not in _MAY_SPEAK and not self._outbox.holds:
            raise LocalProtocolError(f"not in the world ({self.phase})")
        if said.__struct_config__.tag not in numbers:
            raise LocalProtocolError(f"{type(said).__name__} is not for the {target}")

    def ping(self, stamp: int) -> bytes:
        """Something to say when there is nothing to say; Pong brings the stamp back."""
        return _GATE_BYTE + encode(client.Ping(stamp))

    def logout(self) -> bytes:
        """Leave the world. Goodbye answers it."""
        return _GATE_BYTE + encode(client.Logout())

    # --- two connections at a time, two zones one after the other ---

    def hold(self) -> None:
        """From now on social messages wait: the center hears them on one connection of a session only."""
        self._outbox.hold()
        self._second = "wanted"

    def second(self, program: str = "") -> bytes:
        """The first frame on a second connection: a resume, while the first connection goes on."""
        if self.phase not in _IN_THE_WORLD:
            raise LocalProtocolError(f"not in the world ({self.phase})")
        self._second = "asked"
        return _GATE_BYTE + encode(client.Login("resume", "", self.token, self.received, program))

    def stay(self) -> None:
        """The second connection came to nothing, the first one goes on."""
        self._second = "failed" if self._second == "asked" else ""
        self._outgoing += self._outbox.release()

    def enter_zone(self, ticket: str, program: str = "") -> bytes:
        """The first frame on a connection to the zone of a MoveZone. All counting begins anew."""
        self._forget()
        self.phase, self.ended = Phase.CONNECTED, None
        return self.login("ticket", "", ticket, program)

    def acknowledge(self) -> bytes | None:
        """A bare acknowledgement when something is not acknowledged, in the world; send one at least every 20 s."""
        return self._play_frame(0, b"") if self.phase is Phase.PLAYING and self.received > self._acked else None

    def take_outgoing(self) -> Sequence[bytes]:
        """What must be sent because of what was received. Look at it after every `receive`."""
        if not self._outgoing:
            return _NO_FRAMES
        frames, self._outgoing = self._outgoing, []
        return frames

    # --- what was received ---

    def disconnected(self) -> bool:
        """The connection is gone. True: a resume is worth a try, and `resume` may be called."""
        if self.phase is Phase.CONNECTED and not self.token:
            return False  # sent to another gate while it waited: to log in there
        if not self.token or (self.ended is not None and self.ended.code not in RESUMABLE):
            self.phase = Phase.ENDED
            return False
        self.phase, self.ended = Phase.CONNECTED, None
        return True

    def receive(self, frame: bytes) -> Sequence[Message]:
        """The messages in one frame, in order. RemoteProtocolError for what a server never sends."""
        size = len(frame) - PIECE_SIZE
        if size < 0:
            raise RemoteProtocolError("a frame shorter than one head of a piece")
        _, cls, length, _ = PIECE_HEAD.unpack_from(frame)
        if cls == _UPDATES and length == size:
            self._hear_updates(memoryview(frame)[PIECE_SIZE:])
            return _NOTHING
        return self._pieces(memoryview(frame))

    def _pieces(self, frame: memoryview) -> list[Message]:
        heard: list[Message] = []
        at, end = 0, len(frame)
        while at < end:
            if end - at < PIECE_SIZE:
                raise RemoteProtocolError("half a head of a piece")
            _, cls, length, sequence = PIECE_HEAD.unpack_from(frame, at)
            at += PIECE_SIZE
            if end - at < length:
                raise RemoteProtocolError("a piece longer than its frame")
            body = frame[at : at + length]
            at += length
            if cls == _UPDATES:
                self._hear_updates(body)
            elif cls != _EVENT or self._is_new(sequence):
                self._hear(body, heard)
        if self._late:
            heard += self._late
            self._late = []
        return heard

    def _hear_updates(self, body: memoryview) -> None:
        count, rest = divmod(len(body) - TICK_HEAD.size, UPDATE_SIZE)
        if rest or count < 0:
            raise RemoteProtocolError("a broken row of update records")
        self.updates += count
        if self.on_updates is not None:
            self.on_updates(TICK_HEAD.unpack_from(body)[0], body[TICK_HEAD.size :])

    def _is_new(self, sequence: int) -> bool:
        if sequence <= self.received:
            self.duplicates += 1
            return False
        self.gaps += sequence - self.received - 1
        self.received = sequence
        if sequence - self._acked >= ACK_EVERY:
            self._outgoing.append(self._play_frame(0, b""))
        return True

    def _hear(self, body: memoryview, heard: list[Message]) -> None:
        number = number_in(body)
        if number not in self._words.heard:
            self.unknown += 1  # of a newer server: what is not understood is not meant for us
            return
        said = self._words.decode(body)
        if type(said) is Shouted and not said.alone and self._was_heard(said.epoch, said.sequence):
            self.duplicates += 1
            return
        self._note(said)
        heard.append(said)

    def _was_heard(self, epoch: int, sequence: int) -> bool:
        """What is said to everybody comes on both connections while there are two."""
        if (epoch, sequence) <= self._shouted:
            return True
        self._shouted = (epoch, sequence)
        return False

    def _note(self, said: Message) -> None:
        match said:
            case Appeared(entities=entities):
                self.view.update((entity.id, entity) for entity in entities)
            case Vanished(ids=ids):
                for number in ids:
                    self.view.pop(number, None)
            case Corrected(x=x, y=y):
                self.x, self.y = x, y
            case Entered():
                self._enter(said)
            case _ if isinstance(said, Answer):
                self._outbox.answered(said)
            case Quality(level=level):
                self.quality = said if level else None
            case _:
                self._note_gate(said)

    def _note_gate(self, said: Message) -> None:
        match said:
            case client.LoggedIn():
                self._admit(said)
            case client.TransferBegun(number=number):
                self.phase = Phase.TRANSFERRING
                self._outgoing.append(_GATE_BYTE + encode(client.TransferHeard(number)))
            case client.Waiting():
                self.phase = Phase.WAITING
            case client.MoveGate() if self.phase is Phase.WAITING:
                self.phase = Phase.CONNECTED  # the same Login there: the place in the queue is kept
            case client.MoveZone():
                self.phase, self.token = Phase.ENDED, ""
                self._late += [PlayDenied(n, Code.UNAVAILABLE, UNKNOWN) for n in self._outbox.abandon()]
            case client.Denied() if self.phase in (Phase.AUTHENTICATING, Phase.WAITING):
                self.phase, self.ended = Phase.ENDED, said
            case client.Goodbye() if said.code == Code.TAKEN_OVER and self._second not in ("", "wanted"):
                self.phase = Phase.JOINING  # of the first connection, perhaps by the second one: a resume will tell
            case client.Goodbye():
                self.phase, self.ended = Phase.ENDED, said

    def _admit(self, said: client.LoggedIn) -> None:
        if said.session != self.session:
            self._forget()
        self.phase, self.ended = Phase.JOINING, None
        self._second = "admitted" if self._second in ("wanted", "asked") else ""
        self.session, self.character, self.token = said.session, said.character, said.resume_token
        self.linkdead_s, self.gates, self.trace = said.linkdead_s, said.gates, said.trace

    def _forget(self) -> None:
        """Another session begins: all counting begins anew."""
        self.received = self._acked = 0
        self._outbox.forget()
        self._shouted, self._is_new_session = (0, 0), True

    def _enter(self, said: Entered) -> None:
        before, self.entered, self.phase, self.quality = self.entered, said, Phase.PLAYING, None
        self.view = {entity.id: entity for entity in said.view}
        self.x, self.y, self.ended = said.x, said.y, None  # a Goodbye was that of the connection before
        is_new, self._is_new_session = self._is_new_session, False
        elsewhere = before is not None and not is_new and (said.anew or _place(before) != _place(said))
        unknown = self._outbox.begin_anew(said.once) if said.anew else []
        if said.anew:
            self.received = self._acked = 0  # our own numbers go on: the scene takes any
        processed = said.processed if said.resumed or said.anew or is_new else self.sent  # else it is lost
        again, lost = self._outbox.again(processed, self.bound if elsewhere else frozenset())
        self._outgoing += [self._play_frame(number, body) for number, body in again]
        if said.anew and not again:  # this was heard, and what follows is not to be said to us again
            self._outgoing.append(self._play_frame(0, b""))
        if self._second not in ("wanted", "asked"):  # there it comes on the first connection
            self._second = ""
            self._outgoing += self._outbox.release()
        self._late += [PlayDenied(n, Code.UNAVAILABLE, UNKNOWN) for n in unknown]
        self._late += [PlayDenied(n, Code.OUT_OF_ORDER, "you are somewhere else now") for n in lost]

    def _play_frame(self, sequence: int, body: bytes) -> bytes:
        self._acked = self.received
        return _PLAY_BYTE + PLAY_HEAD.pack(sequence, self.received) + body


def first_of(frame: bytes) -> Message | None:
    """The first message of a frame: on a second connection it says whether that was let in. None when there is none;
    RemoteProtocolError for what a server never sends."""
    heard = ClientSession().receive(frame)
    return heard[0] if heard else None


def _place(entered: Entered) -> tuple[str, str, int]:
    return entered.scene, entered.map, entered.line
