"""The sender of the behaviour log: what players did, from this node to a log node.

    journal = Journal(node_name, incarnation, clock, ask, targets)
    node.spawn(journal.run())                    # the pump; cancelled when the node closes
    journal.record("loot", account, item=7)      # anywhere, any time
    journal.record_many("move", accounts, x=x, y=y)
    await journal.flush(timeout_s)               # before the node closes; True when nothing is left

`ask(target, message, timeout_s)` is the node's: it raises PeerLost, DeadlineExceeded or RefusedError. `targets()`
names the log nodes that are linked and Ready. `recorded`, `stored`, `dropped`, `pending` and `resent` are plain ints.

Owns the order in which log nodes are tried. It never blocks the caller and never raises for what others do. Every
sender has a log node of its own choice (see `preference`); when that is not there it uses the next one. Events are
numbered, and a batch is sent again, with the same numbers, until a log node says that it is stored, so that a log node
can skip what it has. When it is unknown whether a batch was stored (its log node was lost), that log node gets a few
seconds to come back before another one is sent the same batch: only it can skip the duplicate. After that, or when a
log node is overdue but alive, two log nodes may have the batch: whoever asks them tells by the numbers, which are kept
in the segments (mesh/core/log_group.py). How many events found no room is recorded, too, when there is room again.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from mesh.clock import Clock
from mesh.core.journal_outbox import JournalOutbox, preference
from mesh.errors import DeadlineExceeded, PeerLost, RefusedError, RemoteProtocolError
from mesh.protocol.catalogue import Message, decoder, encode
from mesh.protocol.journal import EventsStored, StoreEvents

if TYPE_CHECKING:
    import numpy.typing as npt

Ask = Callable[[str, Message, float], Awaitable[Message]]
Targets = Callable[[], Iterable[str]]

FLUSH_S = 0.1  # an event waits at most this long for others to travel with
FLUSH_EVENTS = 512  # so many travel at once
ASK_TIMEOUT_S = 5.0  # a log node that takes longer for one batch is in trouble
RETRY_S = 0.2  # between two looks for a log node
AVOID_S = 2.0  # a log node that refused or was too late is used again after this
HOLD_S = 3.0  # a lost log node that may have the batch has this long to return


class Journal:
    """Records events and brings them to a log node, each once."""

    def __init__(
        self,
        node_name: str,
        incarnation: int,
        clock: Clock,
        ask: Ask,
        targets: Targets,
        *,
        outbox: JournalOutbox | None = None,
    ) -> None:
        self.resent = 0  # batches that were sent more than once
        self._name = node_name
        self._wall = clock.wall
        self._clock, self._ask, self._targets = clock, ask, targets
        self._outbox = outbox or JournalOutbox(node_name, incarnation)
        self._avoided: dict[str, float] = {}  # log node -> until when
        self._maybe_at = ""  # the log node that may have the batch under way
        self._quiet = True  # nothing is pending
        self._some = asyncio.Event()  # there is something to send
        self._enough = asyncio.Event()  # and no reason to wait for more
        self._empty = asyncio.Event()
        self._empty.set()
        self._flushing = 0
        self._inherited: deque[StoreEvents] = deque()

    @property
    def recorded(self) -> int:
        """Events offered; always stored + dropped + pending."""
        return self._outbox.recorded

    @property
    def stored(self) -> int:
        """Events that a log node has in a segment."""
        return self._outbox.stored

    @property
    def dropped(self) -> int:
        """Events that found no room."""
        return self._outbox.dropped

    @property
    def pending(self) -> int:
        """Events that wait."""
        return self._outbox.pending

    @property
    def lag_s(self) -> float:
        """The age of the oldest event that waits."""
        oldest_ms = self._outbox.oldest_ms
        return 0.0 if oldest_ms is None else max(0.0, self._clock.wall() - oldest_ms / 1000)

    def record(self, kind: str, player: int, **fields: Any) -> None:
        """Something happened. Never blocks; counted as dropped when there is no room. `player` is an account, 0 for
        none; fields are what MessagePack can carry."""
        outbox = self._outbox
        if outbox.add(int(self._wall() * 1000), kind, player, fields) and (
            self._quiet or not 0 < outbox.open_events < FLUSH_EVENTS
        ):
            self._kept()

    def record_many(self, kind: str, players: "npt.ArrayLike", **fields: Any) -> None:
        """The same happened to many: one event each, at one moment. A field is a numpy array with a number or bool for
        each player, or a value that all share. What finds no room is dropped and counted, the last ones first."""
        from mesh.core.event_rows import rows  # brings numpy, which nodes that never record in bulk do without

        now_ms = int(self._clock.wall() * 1000)
        if self._outbox.add_rows(now_ms, kind, rows(now_ms, kind, players, self._name, fields)):
            self._kept()

    def _kept(self) -> None:
        if self._quiet:
            self._quiet = False
            self._some.set()
            self._empty.clear()
        if not 0 < self._outbox.open_events < FLUSH_EVENTS:  # 0: that was the one that filled a chunk
            self._enough.set()

    def leave(self) -> list[bytes]:
        """What no log node has, for a successor. This one goes on with it as long as it lives: who has it twice skips
        it by its numbers."""
        return [encode(batch) for batch in (*self._inherited, *self._outbox.batches())]

    def inherit(self, batches: Iterable[bytes]) -> None:
        """Bring this first: a predecessor's, under its numbers."""
        self._inherited.extend(_batch(body) for body in batches)
        if self._inherited:
            self._quiet = False
            self._some.set()
            self._empty.clear()

    async def run(self) -> None:
        """Bring what is recorded to a log node, for ever."""
        while True:
            await self._some.wait()
            while self._inherited:
                await self._store(self._inherited[0])
                self._inherited.popleft()
            await self._wait_enough()
            self._enough.clear()
            while (batch := self._outbox.take()) is not None:
                await self._store(batch)
                self._outbox.tell_dropped(int(self._wall() * 1000))
                if not (self._outbox.ready or self._flushing or self._outbox.open_events >= FLUSH_EVENTS):
                    break
            if not self._outbox.pending:
                self._quiet = True
                self._some.clear()
                self._empty.set()

    async def flush(self, timeout_s: float) -> bool:
        """Send all at once and wait until it is stored; False when it was not in time (it stays, and is counted)."""
        if self._quiet:  # what was dropped since the last batch is told by nothing else
            self._outbox.tell_dropped(int(self._wall() * 1000))
            if self._outbox.pending:
                self._kept()
        self._flushing += 1
        self._enough.set()
        try:
            async with asyncio.timeout(timeout_s):
                await self._empty.wait()
        except TimeoutError:
            return False
        finally:
            self._flushing -= 1
        return True

    async def _wait_enough(self) -> None:
        if self._flushing or self._outbox.ready:
            return
        try:
            async with asyncio.timeout(FLUSH_S):
                await self._enough.wait()
        except TimeoutError:
            pass

    async def _store(self, batch: StoreEvents) -> None:
        """One batch, until it is stored."""
        self._maybe_at = ""
        while not await self._offer(await self._wait_target(), batch):
            self.resent += 1
            await asyncio.sleep(RETRY_S)

    async def _offer(self, target: str, batch: StoreEvents) -> bool:
        """True when the batch is stored, else False, with what that says about the log node kept."""
        try:
            answer = await self._ask(target, batch, ASK_TIMEOUT_S)
            if not isinstance(answer, EventsStored):
                raise RemoteProtocolError(f"{target} answered {type(answer).__name__}")
            if not (self._inherited and batch is self._inherited[0]):
                self._outbox.acknowledge(answer.next)
        except PeerLost:
            self._maybe_at = target
        except (DeadlineExceeded, RefusedError, RemoteProtocolError):
            self._maybe_at = ""
            self._avoided[target] = self._clock.now() + AVOID_S
        else:
            return True
        return False

    async def _wait_target(self) -> str:
        """The log node to ask; waits while there is none."""
        hold_until = self._clock.now() + HOLD_S
        while True:
            there = preference(self._name, self._targets())
            if self._maybe_at in there:
                return self._maybe_at
            held = self._maybe_at and not self._flushing and self._clock.now() < hold_until
            usable = [] if held else [name for name in there if self._usable(name)]
            if usable:
                return usable[0]
            await asyncio.sleep(RETRY_S)

    def _usable(self, name: str) -> bool:
        until = self._avoided.get(name)
        if until is None:
            return True
        if self._clock.now() < until:
            return False
        del self._avoided[name]
        return True


def _batch(body: bytes) -> StoreEvents:
    batch = decoder([StoreEvents])(body)
    assert isinstance(batch, StoreEvents), "nothing else is decoded"
    return batch
