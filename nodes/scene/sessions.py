"""The players of a scene: what it knows of each session besides the numbers in the world's columns.

Owns the sessions, both directions' numbering and what the client has not acknowledged. Pure. A play message is
carried out once: numbers at or below the highest one carried out are repetitions. Downwards every EVENT piece has a
number and stays in the ring until the client acknowledged it, at most RING_MAX pieces and RING_S long (overflow:
the oldest go, and a client that resumes after that has missed them; counted). Both numberings go on when the session
moves to another line or scene: `carried` here, `carry_on` there. When its scene is lost they begin anew (`anew`).
"""

from collections import deque
from collections.abc import Iterator

from mesh.core.bucket import Bucket
from mesh.mutes import NOT_MUTED, newer
from mesh.protocol.lanes import PieceClass, PieceLane, piece
from mesh.protocol.play import Item
from mesh.protocol.sessions import Carried, Friendship, Mute, PartyAt, account_of

RING_MAX = 256
RING_S = 60.0
NEVER = float("-inf")
AGE_MS_MAX = 0xFFFF_FFFF


class Session:
    """One character in the world. `slot` and `handle` name it on its line (`line` is that line's index)."""

    __slots__ = (
        "account", "advancing", "anew", "attributes", "blocked", "busy", "chat", "connection", "dead_until", "emotes",
        "forgotten", "fought_at", "friends", "gate", "gold", "handle", "items", "leaving", "line", "mute", "name",
        "nonce", "number", "offences", "operation", "party", "processed", "recalls", "received", "region", "resumed",
        "ring", "saving", "sent", "slot", "transferred", "waiting",
    )  # fmt: skip

    def __init__(self, number: int, name: str, line: int, slot: int, handle: int, operation: int, chat: Bucket) -> None:
        self.number = number
        self.account = account_of(number)
        self.name = name
        self.line, self.slot, self.handle = line, slot, handle
        self.region = ""
        self.attributes: dict[str, int] = {}
        self.friends: list[Friendship] = []
        self.blocked: frozenset[int] = frozenset()  # accounts of whom it wants to hear nothing
        self.mute: Mute = NOT_MUTED  # the newest that the center has told
        self.party: PartyAt | None = None
        self.gold = 0
        self.items: dict[int, Item] = {}
        self.gate = ""  # the node that carries its frames, "" for none
        self.connection = 0
        self.nonce = 0  # of the newest resume token that a gate has named
        self.waiting = False  # attached, but `Entered` was not sent yet: events wait in the ring
        self.resumed = False
        self.received = 0  # what the client had when it attached
        self.processed = 0
        self.sent = 0
        self.ring: deque[tuple[int, float, bytes]] = deque()
        self.forgotten = 0  # the highest number that left the ring without an acknowledgement
        self.operation = operation  # the number of the last durable operation
        self.anew = False  # its scene was lost, and its client has said nothing here yet: it counts as before
        self.transferred = False  # came from another line: what its client has received is known to the client alone
        self.leaving = False  # it is being saved for the last time, to be taken out
        self.recalls = 0  # how often the center said that it is to be here: ends what was to take it elsewhere
        self.busy = 0  # durable operations under way
        self.saving = 0  # saves of its state under way
        self.advancing = False  # a new level is on its way to the DC
        self.dead_until = 0.0  # on the clock of the game, as the next one
        self.fought_at = NEVER  # the last hit, given or taken
        self.chat = chat
        self.emotes: Bucket | None = None  # made with the first one
        self.offences: Bucket | None = None  # made with the first bad message: most players never say one

    @property
    def attached(self) -> bool:
        """Control pieces can be sent now."""
        return bool(self.gate) and not self.waiting

    def accept(self, sequence: int) -> bool:
        """Whether a play message is new; from now on it is not. The gate keeps the order, so a gap is a message that
        the gate refused, and nothing to wait for."""
        if sequence <= self.processed:
            return False
        self.processed = sequence
        return True

    def event(self, body: bytes, now: float) -> bytes:
        """The numbered piece for an encoded message; kept until it is acknowledged."""
        self.sent += 1
        made = piece(PieceLane.CONTROL, PieceClass.EVENT, body, self.sent)
        self.ring.append((self.sent, now, made))
        while len(self.ring) > RING_MAX or self.ring[0][1] < now - RING_S:
            self.forgotten = self.ring.popleft()[0]
        return made

    def acknowledge(self, sequence: int) -> None:
        """The client has everything up to this number."""
        ring = self.ring
        while ring and ring[0][0] <= sequence:
            ring.popleft()

    def attach(self, gate: str, connection: int, received: int, resumed: bool) -> None:
        """Another connection carries this session from now on."""
        self.gate, self.connection, self.received, self.resumed = gate, connection, received, resumed
        self.waiting = True

    def detach(self) -> None:
        self.gate, self.connection, self.waiting = "", 0, False

    def replay(self) -> list[bytes]:
        """The kept pieces above what the client had, oldest first."""
        return [made for sequence, _, made in self.ring if sequence > self.received]

    def next_operation(self) -> int:
        self.operation += 1
        return self.operation

    def befriend(self, friends: list[Friendship]) -> None:
        """Its list of friends and blocked ones is this."""
        self.friends = friends
        self.blocked = frozenset(one.account for one in friends if one.state == "blocked")

    def carried(self, now: float, game: float, dead_s: float) -> Carried:
        """What goes along to the next line, and how long it still stays dead. `game`: the time in the game."""
        ring = [(sequence, min(max(0, round(1000 * (now - at))), AGE_MS_MAX), made) for sequence, at, made in self.ring]
        return Carried(
            self.processed, self.sent, self.forgotten, self.operation, ring, dead_s,
            game - self.fought_at if self.fought_at != NEVER else None, self.chat.tokens(now),
            self.offences.tokens(now) if self.offences is not None else None, self.anew, self.nonce,
        )  # fmt: skip

    def carry_on(self, carried: Carried, now: float, game: float) -> None:
        """It comes from another line and brought this."""
        self.processed, self.sent, self.forgotten = carried.processed, carried.sent, carried.forgotten
        self.operation = carried.operation
        self.ring = deque((sequence, now - age_ms / 1000, made) for sequence, age_ms, made in carried.ring)
        self.transferred, self.anew, self.nonce = True, carried.anew, max(self.nonce, carried.nonce)
        if carried.fought_s is not None:
            self.fought_at = game - max(0.0, carried.fought_s)
        if carried.chat is not None:
            self.chat.fill(carried.chat)

    def take_over(self, older: "Session") -> None:
        """It goes on with the character of an older session: a new login ends no fight and forgives nothing."""
        self.fought_at = max(self.fought_at, older.fought_at)
        self.chat, self.offences = older.chat, older.offences
        self.mute = newer(self.mute, older.mute)


class Sessions:
    """All of them, by number, account and handle."""

    def __init__(self) -> None:
        self._by_number: dict[int, Session] = {}
        self._by_account: dict[int, Session] = {}
        self._by_handle: dict[int, Session] = {}

    def __len__(self) -> int:
        return len(self._by_number)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._by_number.values()))

    def add(self, session: Session) -> None:
        """The caller ended the account's older session."""
        assert session.account not in self._by_account, "one session per account"
        self._by_number[session.number] = session
        self._by_account[session.account] = session
        self._by_handle[session.handle] = session

    def remove(self, session: Session) -> None:
        if self._by_number.pop(session.number, None) is not None:
            del self._by_account[session.account]
            del self._by_handle[session.handle]

    def find(self, number: int) -> Session | None:
        return self._by_number.get(number)

    def of_account(self, account: int) -> Session | None:
        return self._by_account.get(account)

    def of_handle(self, handle: int) -> Session | None:
        return self._by_handle.get(handle)
