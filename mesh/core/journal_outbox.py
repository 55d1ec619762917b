"""Behaviour events that no log node has yet: pure bookkeeping, no clock, no network.

Owns the numbering of one sender incarnation's events (0, 1, 2, ... without gaps) and the bytes until they are stored.
Events are appended to a chunk as they are recorded, so a chunk is a batch's body exactly as it will travel and as the
log node will compress it. A chunk that was taken keeps its boundaries and numbers until it is stored: one batch at a
time is under way per sender. (Several at once were rejected: when the first is refused and the second is stored, the
log node's "everything below `next`" would be a lie, and the first would be skipped as a duplicate when it is resent.)

It must never grow beyond its limits. Overflow: the newest event is dropped and counted and gets no number, so what is
stored is a row without gaps and `recorded == stored + dropped + pending` holds at any moment.
"""

from array import array
from collections import deque
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec

from mesh.errors import RemoteProtocolError
from mesh.protocol.journal import StoreEvents

EVENTS_MAX = 262_144  # pending per sender: a scene with 5,000 players for about half a minute
BYTES_MAX = 32 * 1024 * 1024  # pending per sender; what a node may lose to a log outage in memory
EVENT_BYTES_MAX = 16 * 1024  # one event; a longer one is dropped and counted
KIND_CHARS_MAX = 64  # as Event.kind in the catalogue
CHUNK_EVENTS_MAX = 8_192  # in one batch: 8,192 events every few milliseconds are more than a log node can take
CHUNK_BYTES_MAX = 512 * 1024  # in one batch: half of what a message between nodes may have

_PLAYER_MAX = 2**63 - 1


class _Chunk:
    """One batch, being filled or under way."""

    __slots__ = ("body", "first", "newest_ms", "oldest_ms", "players")

    def __init__(self, first: int, at_ms: int) -> None:
        self.first = first
        self.body = bytearray()
        self.players = array("Q")
        self.oldest_ms = self.newest_ms = at_ms


class JournalOutbox:
    """What is recorded and not yet stored. The counters only grow and are read as plain ints."""

    def __init__(
        self, sender: str, incarnation: int, *, events_max: int = EVENTS_MAX, bytes_max: int = BYTES_MAX
    ) -> None:
        self.recorded = 0  # every call of add
        self.stored = 0  # a log node said so
        self.dropped = 0  # no room, or too long
        self.pending_bytes = 0
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
    def open_events(self) -> int:
        """Events in the chunk that is still being filled."""
        return len(self._open.players) if self._open else 0

    @property
    def ready(self) -> bool:
        """True when there is a full chunk or one under way: no reason to wait for more."""
        return bool(self._closed)

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest pending event happened (wall clock); None when nothing waits. For the log's lag."""
        chunk = self._closed[0] if self._closed else self._open
        return chunk.oldest_ms if chunk else None

    def add(self, at_ms: int, kind: str, player: int, fields: dict[str, Any]) -> bool:
        """Append an event; False when it was dropped. TypeError or OverflowError for fields that MessagePack cannot
        carry: a mistake of the caller's code, after which the outbox is as it was."""
        assert len(kind) <= KIND_CHARS_MAX, "the kind of an event is a short label"
        assert 0 <= player <= _PLAYER_MAX, "a player is an account number"
        if self.pending >= self._events_max or self.pending_bytes >= self._bytes_max:
            self.recorded += 1
            self.dropped += 1
            return False
        chunk = self._open or _Chunk(self._next, at_ms)
        before = len(chunk.body)
        try:
            self._encode_into((at_ms, kind, player, self._sender, fields), chunk.body, -1)
        except BaseException:
            del chunk.body[before:]
            raise
        self.recorded += 1
        size = len(chunk.body) - before
        if size > EVENT_BYTES_MAX:
            del chunk.body[before:]
            self.dropped += 1
            return False
        self._keep(chunk, at_ms, player, size)
        return True

    def take(self) -> StoreEvents | None:
        """The batch to send next: the one under way until `acknowledge`, else the oldest; None when all is stored."""
        if self._underway is None:
            if not self._closed:
                self._close()
            if self._closed:
                self._underway = self._message(self._closed[0])
        return self._underway

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

    def _keep(self, chunk: _Chunk, at_ms: int, player: int, size: int) -> None:
        chunk.players.append(player)
        chunk.oldest_ms = min(chunk.oldest_ms, at_ms)
        chunk.newest_ms = max(chunk.newest_ms, at_ms)
        self._open = chunk
        self._next += 1
        self.pending_bytes += size
        if len(chunk.players) >= CHUNK_EVENTS_MAX or len(chunk.body) >= CHUNK_BYTES_MAX:
            self._close()

    def _close(self) -> None:
        if self._open:
            self._closed.append(self._open)
            self._open = None

    def _message(self, chunk: _Chunk) -> StoreEvents:
        return StoreEvents(
            sender=self._sender,
            incarnation=self._incarnation,
            first=chunk.first,
            count=len(chunk.players),
            players=_little_endian(chunk.players),
            body=bytes(chunk.body),
            oldest_ms=chunk.oldest_ms,
            newest_ms=chunk.newest_ms,
        )


def preference(sender: str, names: Iterable[str]) -> list[str]:
    """Log nodes in the order in which this sender uses them: the first that is there.

    Rendezvous hashing (Thaler and Ravishankar 1998): a log node that comes or goes moves only its own senders, and a
    dead one's senders spread over all the others.
    """
    return sorted(names, key=lambda name: (blake2b(f"{sender}\0{name}".encode(), digest_size=8).digest(), name))


def _little_endian(players: "array[int]") -> bytes:
    if array("H", [1]).tobytes() == b"\x01\x00":
        return players.tobytes()
    swapped = array("Q", players)
    swapped.byteswap()
    return swapped.tobytes()
