"""The log node: takes batches of behaviour events, stores them in segments, answers questions about them.

    StoreEvents (step 9) -> EventsStored     when it was handed to the operating system
    QueryEvents          -> Events
    ListStored           -> StoredList
    ErasePlayer          -> PlayerErased                   (eraser.py)

Owns what waits to be written. Batches that arrive within a few milliseconds share a block and an answer's wait
(group commit: the writer takes all that has come meanwhile). Everything that touches the disk runs in two worker
threads: one that writes, so that the order of writes is the order of arrival, and one that searches. Several log nodes
share the load by sender; each is whole by itself and knows nothing of the others: whoever asks puts their answers
together (mesh/core/log_group.py).
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from mesh.core.pressure import Delay
from mesh.errors import Code, MeshError, RefusedError, StorageError
from mesh.node import Caller, Node, on
from mesh.protocol.control import Drained, Load, Member
from mesh.protocol.journal import Events, EventsStored, ListStored, QueryEvents, StoredList, StoreEvents
from mesh.seat import Seat
from nodes.log.background import Compactions
from nodes.log.columns import problem_of
from nodes.log.eraser import Eraser
from nodes.log.figures import show
from nodes.log.query import Query, search
from nodes.log.settings import LogSettings
from nodes.log.sink import Sink
from nodes.log.stored import stored

BATCH_BYTES_MAX = 4 * 1024 * 1024  # of one body; senders stay far below; more is refused
WAITING_BYTES_MAX = 64 * 1024 * 1024  # waiting to be written; more is refused and stays with its sender
GROUP_BYTES_MAX = 4 * 1024 * 1024  # written in one go, so that answers come steadily under load
QUERIES_MAX = 8  # under way or waiting; more are refused
QUIET_S = 0.5  # at a stop: nobody sends any more when nothing came for this long (senders flush every 0.1 s)
QUIET_CHECK_S = 0.05
DELAY_S = 1.0  # of events that wait to be written: at the limit; their senders keep them meanwhile
HAND_OVER_S = 10.0  # a drain waits for senders to go elsewhere at most so long

T = TypeVar("T")
_PASSIVE = ("center", "log", "ctl")  # roles whose end a stopping log node does not wait for


class Waiting(msgspec.Struct, eq=False):
    """A batch and whoever waits for it."""

    batch: StoreEvents
    done: asyncio.Future[int]


class LogNode(Node):
    """See the module."""

    ROLE = "log"
    SETTINGS = LogSettings

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        self._sink: Sink | None = None
        self._writer, self._reader = seat.workers(1), seat.workers(1)
        self._waiting: list[Waiting] = []
        self._waiting_bytes = 0
        self._writing_bytes = 0
        self._some = asyncio.Event()  # something waits
        self._enough = asyncio.Event()  # a block's worth waits
        self._idle = asyncio.Event()  # nothing waits and nothing is being written
        self._idle.set()
        self._arrived_at = self.clock.now()  # the last batch
        self._peers: dict[str, Member] = {}
        self._queries = 0
        self._delay = Delay()
        self.refused = 0
        self.damaged_seen = 0  # by queries
        self._compactions = Compactions(seat, self.settings, self.metrics, self.log)
        level = self.settings.compression_level
        self.serve_parts(Eraser(lambda: self._sink, self._writer, self._reader, self._wall_ms, level))
        self._write_seconds = self.metrics.histogram("log_write_seconds", "One group of blocks, compression included.")
        self._query_seconds = self.metrics.histogram("log_query_seconds", "One query.")
        show(self.metrics, lambda: self._sink)
        reads = self.metrics.reads
        reads("log_refused_total", "Batches refused.", lambda: self.refused)
        reads("log_blocks_damaged_total", "Damaged blocks met by queries.", lambda: self.damaged_seen)
        reads("log_waiting_bytes", "Bytes that wait to be written.", lambda: self._waiting_bytes + self._writing_bytes)

    # --- life ---

    async def open(self) -> None:
        self._sink = await self._writer.run(Sink, self.seat.data, self.settings)
        found = self._sink.recovered
        if found.cut_bytes or found.damaged_blocks or found.set_aside:
            self.log.warning(
                "damage found in the behaviour log",
                cut_bytes=found.cut_bytes,
                cut_events=found.cut_events,
                damaged_blocks=found.damaged_blocks,
                set_aside=found.set_aside,
            )
        self.spawn(self._write_on())
        self.every(self.settings.sync_s, self._tend)
        if self._compactions.wanted:
            self.every(self.settings.compact_s, self._compactions.compact)

    async def drain(self) -> None:
        """Senders that end, too, have a last word: wait for them, or until it is quiet."""
        began = self.clock.now()
        while self._expects_more(began):  # noqa: ASYNC110 - what ends it is that nothing happens
            await asyncio.sleep(QUIET_CHECK_S)
        await self._idle.wait()

    async def hand_over(self) -> Drained:
        """Senders choose another log node by themselves. What they have sent is written, then the segment sealed."""
        assert self._sink is not None, "a node that drains is open"
        before, began, text = self._sink.counts.events_stored, self.clock.now(), ""
        try:
            async with asyncio.timeout(HAND_OVER_S):
                while self._waiting or self._writing_bytes or self._is_recent(began):  # noqa: ASYNC110 - as above
                    await asyncio.sleep(QUIET_CHECK_S)
        except TimeoutError:
            others = [m for m in self.registry.of_role(self.ROLE) if m.name != self.name and m.state == "Ready"]
            text = "events still come" if others else "no other log node is Ready, so events still come here"
        left = sum(waiting.batch.count for waiting in self._waiting)
        try:
            await self._writer.run(self._sink.seal, self._wall_ms())
        except StorageError as error:
            text = str(error)
            self.log.error("the segment could not be sealed", reason=text)
        return Drained(self._sink.counts.events_stored - before, left, text)

    def signals(self) -> dict[str, float]:
        if self._sink is None:
            return {}
        counts, waiting = self._sink.counts, sum(waiting.batch.count for waiting in self._waiting)
        done = counts.events_stored + counts.events_duplicate
        return {"queue delay": self._delay.age_s(done, waiting, self.clock.now()) / DELAY_S}

    async def close(self) -> None:
        for waiting in self._take(WAITING_BYTES_MAX):
            if not waiting.done.done():  # else its sender has given it up
                waiting.done.set_exception(RefusedError(Code.SHUTDOWN, f"{self.name} stops"))
        try:
            if self._sink:
                await self._writer.run(self._sink.close)
                self._sink = None
        except StorageError as error:
            self.log.error("the behaviour log could not be closed cleanly", reason=str(error))
        finally:
            self._writer.close()
            self._reader.close()

    def peer_up(self, member: Member) -> None:
        if member.role not in _PASSIVE:
            self._peers[member.name] = member

    def peer_lost(self, member: Member) -> None:
        self._peers.pop(member.name, None)

    def load(self) -> Load:
        return Load(pressure=min(1.0, (self._waiting_bytes + self._writing_bytes) / WAITING_BYTES_MAX))

    def describe(self) -> dict[str, Any]:
        sink = self._sink
        if sink is None:
            return {}
        return {
            "events_stored": sink.counts.events_stored,
            "events_duplicate": sink.counts.events_duplicate,
            "segments": sink.segments,
            "bytes": sink.total_bytes,
            "senders": sink.senders,
            "waiting_bytes": self._waiting_bytes,
        }

    # --- handlers ---

    @on(StoreEvents)
    async def on_store_events(self, said: StoreEvents, _caller: Caller) -> EventsStored:
        if self._sink is None:
            raise self._no(Code.SHUTDOWN, f"{self.name} stops")
        if problem := problem_of(said):
            raise self._no(Code.BAD_MESSAGE, problem)
        if len(said.body) > BATCH_BYTES_MAX:
            raise self._no(Code.TOO_LARGE, f"a batch has at most {BATCH_BYTES_MAX} bytes")
        if self._waiting_bytes + len(said.body) > WAITING_BYTES_MAX:
            raise self._no(Code.UNAVAILABLE, "too much waits to be written")
        waiting = Waiting(said, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._waiting_bytes += len(said.body)
        self._arrived_at = self.clock.now()
        self._idle.clear()
        self._some.set()
        if self._waiting_bytes >= self.settings.block_bytes:
            self._enough.set()
        return EventsStored(await waiting.done)

    @on(QueryEvents)
    async def on_query_events(self, said: QueryEvents, _caller: Caller) -> Events:
        query = Query(said.player, frozenset(said.kinds), said.since_ms, said.until_ms, said.limit)
        found = await self._read(lambda late: search(self.seat.data, query, late))
        self.damaged_seen += found.damaged
        return Events(found.events, found.more)

    @on(ListStored)
    async def on_list_stored(self, _said: ListStored, _caller: Caller) -> StoredList:
        return await self._read(lambda late: stored(self.seat.data, late))

    async def _read(self, look: Callable[[Callable[[], bool]], T]) -> T:
        """Look through the segments in the thread for that, for so long as a query may take."""
        if self._queries >= QUERIES_MAX:
            raise RefusedError(Code.TOO_MANY, f"{QUERIES_MAX} queries are under way")
        self._queries += 1
        began = self.clock.now()
        try:
            found = await self._reader.run(look, lambda: self.clock.now() > began + self.settings.query_s_max)
        except StorageError as error:
            raise RefusedError(Code.UNAVAILABLE, str(error)) from None
        finally:
            self._queries -= 1
        self._query_seconds.observe(self.clock.now() - began)
        return found

    # --- writing ---

    async def _write_on(self) -> None:
        """Write what waits, for ever."""
        while True:
            await self._some.wait()
            await self._wait_enough()
            group = self._take(GROUP_BYTES_MAX)
            await self._write(group)
            self._writing_bytes = 0
            if not self._waiting:
                self._idle.set()

    async def _wait_enough(self) -> None:
        if self._waiting_bytes >= self.settings.block_bytes or not self.settings.flush_ms:
            return
        self._enough.clear()
        try:
            async with asyncio.timeout(self.settings.flush_ms / 1000):
                await self._enough.wait()
        except TimeoutError:
            pass

    def _take(self, bytes_max: int) -> list[Waiting]:
        """The first of what waits, at least one when there is one."""
        size = at = 0
        while at < len(self._waiting) and size < bytes_max:
            size += len(self._waiting[at].batch.body)
            at += 1
        group, self._waiting = self._waiting[:at], self._waiting[at:]
        self._waiting_bytes -= size
        self._writing_bytes = size
        if not self._waiting:
            self._some.clear()
        return group

    async def _write(self, group: Sequence[Waiting]) -> None:
        began = self.clock.now()
        results: Sequence[int | Exception]
        try:
            assert self._sink is not None, "the writer works between open and close"
            results = await self._writer.run(
                self._sink.store, [waiting.batch for waiting in group], began, self._wall_ms()
            )
        except Exception as error:  # noqa: BLE001 - a mistake of ours: the handlers report it, the writer goes on
            results = [error] * len(group)
        self._write_seconds.observe(self.clock.now() - began)
        for waiting, result in zip(group, results, strict=True):
            if waiting.done.done():
                continue  # its sender does not wait any more; it will send it again and be told then
            if isinstance(result, int):
                waiting.done.set_result(result)
            else:
                self.refused += isinstance(result, MeshError)
                waiting.done.set_exception(result)

    async def _tend(self) -> None:
        sink = self._sink
        if sink is None:
            return
        try:
            await self._writer.run(sink.tend, self.clock.now(), self._wall_ms())
        except StorageError as error:
            sink.counts.failures += 1
            self.log.error("the behaviour log cannot be kept in order", reason=str(error))

    def _expects_more(self, began: float) -> bool:
        leaving = (self.member(name) for name in self._peers)
        if any(member is not None and member.state == "Draining" for member in leaving):
            return True
        return self._is_recent(began)

    def _is_recent(self, began: float) -> bool:
        """Has it not been quiet for long, nor since `began`?"""
        return self.clock.now() - max(began, self._arrived_at) < QUIET_S

    def _no(self, code: Code, text: str) -> RefusedError:
        self.refused += 1
        return RefusedError(code, text)

    def _wall_ms(self) -> int:
        return int(self.clock.wall() * 1000)
