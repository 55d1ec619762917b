"""Behaviour events that no log node has yet: pure bookkeeping, no clock, no network.

Owns the numbering of one sender incarnation's events (0, 1, 2, ... without gaps) and the bytes until they are stored.
Events are appended to a chunk as they are recorded, so a chunk is a batch's body exactly as it will travel and as the
log node will compress it. A chunk that was taken keeps its boundaries and numbers until it is stored: one batch at a
time is under way per sender. (Several at once were rejected: when the first is refused and the second is stored, the
log node's "everything below `next`" would be a lie, and the first would be skipped as a duplicate when it is resent.)

It must never grow beyond its limits. Overflow: the newest event is dropped and counted and gets no number, so what is
stored is a row without gaps and `recorded == stored + dropped + pending` holds at any moment. The log learns of it by
an event of its own (`tell_dropped`) as soon as there is room for one.
"""

from array import array
from collections import deque
from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from mesh.core.log_group import DROPPED
from mesh.errors import RemoteProtocolError
from mesh.protocol.journal import KINDS_MAX, StoreEvents

if TYPE_CHECKING:
    from mesh.core.event_rows import Rows

EVENTS_MAX = 262_144  # pending per sender: a scene with 5,000 players for about half a minute
BYTES_MAX = 32 * 1024 * 1024  # pending per sender; what a node may lose to a log outage in memory
EVENT_BYTES_MAX = 16 * 1024  # one event; a longer one is dropped and counted
KIND_CHARS_MAX = 64  # as Event.kind in the catalogue
CHUNK_EVENTS_MAX = 8_192  # in one batch: 8,192 events every few milliseconds are more than a log node can take
CHUNK_BYTES_MAX = 512 * 1024  # in one batch: half of what a message between nodes may have

_PLAYER_MAX = 2**63 - 1


class _Chunk:
    """One batch, being filled or under way."""

    __slots__ = ("body", "first", "kind_numbers", "kinds", "lengths", "players", "times")

    def __init__(self, first: int) -> None:
        self.first = first
        self.body = bytearray()
        self.players = array("Q")
        self.times = array("Q")
        self.lengths = array("I")
        self.kinds: dict[str, int] = {}
        self.kind_numbers = array("H")


class JournalOutbox:
    """What is recorded and not yet stored. The counters only grow and are read as plain ints."""

    def __init__(
        self, sender: str, incarnation: int, *, events_max: int = EVENTS_MAX, bytes_max: int = BYTES_MAX
    ) -> None:
        self.recorded = 0  # every event that was offered
        self.stored = 0  # a log node said so
        self.dropped = 0  # no room, or too long
        self._told = 0  # of these, in events about them
        self.pending_bytes = 0
        self.open_events = 0  # in the chunk that is being filled; 0 after an event has filled it
        self._sender, self._incarnation = sender, incarnation
        self._events_max, self._bytes_max = events_max, bytes_max
        self._next = 0  # the number of the next event
        self._closed: deque[_Chunk] = deque()  # the head is the one under way, if any
        self._open: _Chunk | None = None
        self._underway: StoreEvents | None = None
        self._encode_into = msgspec.msgpack.Encoder().encode_into

    @property
    def pending(self) -> int:
        """Events that wait for being stored, those under way included."""
        return self._next - self.stored

    @property
    def ready(self) -> bool:
        """True when there is a full chunk or one under way: no reason to wait for more."""
        return bool(self._closed)

    @property
    def oldest_ms(self) -> int | None:
        """When the first pending event was recorded (wall clock); None when nothing waits. For the log's lag."""
        chunk = self._closed[0] if self._closed else self._open
        return chunk.times[0] if chunk else None

    def add(self, at_ms: int, kind: str, player: int, fields: dict[str, Any]) -> bool:
        """Append an event; False when it was dropped. TypeError or OverflowError for fields that MessagePack cannot
        carry: a mistake of the caller's code, after which the outbox is as it was."""
        assert 0 <= player <= _PLAYER_MAX, "a player is an account number"
        if self._next - self.stored >= self._events_max or self.pending_bytes >= self._bytes_max:
            self.recorded += 1
            self.dropped += 1
            return False
        chunk = self._open or _Chunk(self._next)
        number = chunk.kinds.get(kind)
        if number is None:
            number = _new_kind(chunk, kind)
        body, before = chunk.body, len(chunk.body)
        try:
            self._encode_into((at_ms, kind, player, self._sender, fields), body, -1)
        except BaseException:
            del body[before:]
            raise
        self.recorded += 1
        size = len(body) - before
        if size > EVENT_BYTES_MAX:
            del body[before:]
            self.dropped += 1
            return False
        chunk.kind_numbers.append(number)
        chunk.players.append(player)
        chunk.times.append(at_ms)
        chunk.lengths.append(size)
        self._open = chunk
        self._next += 1
        self.pending_bytes += size
        self.open_events += 1
        if self.open_events >= CHUNK_EVENTS_MAX or len(body) >= CHUNK_BYTES_MAX or len(chunk.kinds) == KINDS_MAX:
            self._close()
        return True

    def add_rows(self, at_ms: int, kind: str, rows: "Rows") -> int:
        """Append events that are bytes already; how many of them, from the first on, found room."""
        self.recorded += rows.events
        at, width = 0, rows.width
        while at < rows.events and width <= EVENT_BYTES_MAX:
            room = self._events_max - self.pending
            if room <= 0 or self.pending_bytes >= self._bytes_max:
                break
            chunk = self._open or _Chunk(self._next)
            in_chunk = min(CHUNK_EVENTS_MAX - len(chunk.lengths), -(-(CHUNK_BYTES_MAX - len(chunk.body)) // width))
            count = min(rows.events - at, room, in_chunk)
            number = chunk.kinds.get(kind)
            number = _new_kind(chunk, kind) if number is None else number
            chunk.body += rows.body[at * width : (at + count) * width]
            chunk.players.frombytes(rows.players[8 * at : 8 * (at + count)])
            chunk.kind_numbers.extend(array("H", (number,)) * count)
            chunk.times.extend(array("Q", (at_ms,)) * count)
            chunk.lengths.extend(array("I", (width,)) * count)
            self._open = chunk
            self._next += count
            self.pending_bytes += count * width
            self.open_events += count
            if count == in_chunk or len(chunk.kinds) == KINDS_MAX:
                self._close()
            at += count
        self.dropped += rows.events - at
        return at

    def tell_dropped(self, at_ms: int) -> bool:
        """Add an event about those that were dropped since the last one, when there are any and there is room."""
        count = self.dropped - self._told
        if not count or self.pending >= self._events_max or self.pending_bytes >= self._bytes_max:
            return False
        self._told = self.dropped
        return self.add(at_ms, DROPPED, 0, {"count": count})

    def take(self) -> StoreEvents | None:
        """The batch to send next: the one under way until `acknowledge`, else the oldest; None when all is stored."""
        if self._underway is None:
            if not self._closed:
                self._close()
            if self._closed:
                self._underway = self._message(self._closed[0])
        return self._underway

    def batches(self) -> list[StoreEvents]:
        """All that is pending, as it travels: for another process that is to see to it."""
        self._close()
        return [self._message(chunk) for chunk in self._closed]

    def acknowledge(self, following: int) -> int:
        """A log node has everything below `following`: how many events that settles. RemoteProtocolError when it does
        not cover the batch under way, which then stays."""
        assert self._underway is not None, "nothing was sent"
        end = self._underway.first + self._underway.count
        if following < end:
            raise RemoteProtocolError(f"events stored below {following}, but {end} was sent")
        chunk = self._closed.popleft()
        self._underway = None
        self.stored = end
        self.pending_bytes -= len(chunk.body)
        return len(chunk.players)

    def _close(self) -> None:
        if self._open:
            self._closed.append(self._open)
            self._open = None
            self.open_events = 0

    def _message(self, chunk: _Chunk) -> StoreEvents:
        return StoreEvents(
            sender=self._sender,
            incarnation=self._incarnation,
            first=chunk.first,
            count=len(chunk.players),
            players=_little_endian(chunk.players),
            body=bytes(chunk.body),
            oldest_ms=min(chunk.times),
            newest_ms=max(chunk.times),
            kinds=list(chunk.kinds),
            kind_numbers=_little_endian(chunk.kind_numbers),
            times=_little_endian(chunk.times),
            lengths=_little_endian(chunk.lengths),
        )


def preference(sender: str, names: Iterable[str]) -> list[str]:
    """Log nodes in the order in which this sender uses them: the first that is there.

    Rendezvous hashing (Thaler and Ravishankar 1998): a log node that comes or goes moves only its own senders, and a
    dead one's senders spread over all the others.
    """
    return sorted(names, key=lambda name: (blake2b(f"{sender}\0{name}".encode(), digest_size=8).digest(), name))


def _new_kind(chunk: _Chunk, kind: str) -> int:
    assert len(kind) <= KIND_CHARS_MAX, "the kind of an event is a short label"
    number = chunk.kinds[kind] = len(chunk.kinds)
    return number


def _little_endian(column: "array[int]") -> bytes:
    if array("H", [1]).tobytes() == b"\x01\x00":
        return column.tobytes()
    swapped = array(column.typecode, column)
    swapped.byteswap()
    return swapped.tobytes()
