"""The one writer: an ordered queue of operations, committed in groups.

A turn takes everything that waits, applied in order to an overlay over the committed rows, has the worker thread
commit the whole, and only then acknowledges and lets anybody see it. So the disk always holds a prefix of the order of
operations that contains every acknowledged one. Waiting for more before a commit was measured and makes everything
slower: while one commit is under way the next group gathers by itself, and is applied at once, over the changes of the
one before it, so that the disk waits for nothing but the writing of rows.

Operations are applied on the loop, not in the thread: they touch the cache, and both share one interpreter anyway.
Cached (class C) states ride along with the commits: those that have waited `flush_age_s`, or all when stopping.

Commit errors: a full map is enlarged and the same group is committed again; a full disk refuses the group and, for a
moment, everything else; any other error ends the process, because after it nobody knows what is on disk.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mesh.clock import Clock
from mesh.errors import Code, RefusedError, StorageError
from mesh.seat import Workers
from nodes.dc.cache import Rows
from nodes.dc.ledger import DATABASE, prepare
from nodes.dc.records import FORMAT, META, SESSIONS
from nodes.dc.settings import DcSettings
from nodes.dc.states import NOTHING, Flush, States
from nodes.dc.store import DiskFull, MapFull, Store
from nodes.dc.view import Change, Overlay, Readable, View

T = TypeVar("T")
Apply = Callable[[View], Any]
Waiting = tuple[Apply, asyncio.Future[Any]]
"""An operation, and who waits for its answer."""

Observer = Callable[[float, int, int], None]
"""Called after each commit with how long it took (s), and the operations and cached states in it."""


@dataclass(slots=True)
class Counts:
    """What the writer did, in plain ints."""

    acked: int = 0  # operations that changed something and are on disk
    repeated: int = 0  # operations that were answered without changing anything
    refused: dict[str, int] = field(default_factory=dict)  # by code
    states: int = 0  # cached states that were written
    commits: int = 0

    def refuse(self, code: str) -> None:
        self.refused[code] = self.refused.get(code, 0) + 1


class _Group:
    """What is committed together: changes, and who waits for them."""

    __slots__ = ("answers", "applied", "overlay")

    def __init__(self, below: Readable) -> None:
        self.overlay = Overlay(below)
        self.applied: list[Waiting] = []
        self.answers: list[tuple[Any, bool]] = []  # of each: answer or exception, was anything changed

    def apply(self, waiting: Waiting) -> None:
        """Carry out an operation; one that is refused leaves nothing, and is no concern of the others."""
        overlay, answer = self.overlay, None
        overlay.begin()
        try:
            answer = waiting[0](overlay)
        except StorageError as error:  # a row that it needs is damaged
            overlay.rollback()
            answer = RefusedError(Code.INTERNAL, str(error))
        except Exception as error:  # noqa: BLE001 - also for a mistake of ours, which whoever has asked will log
            overlay.rollback()
            answer = error
        self.applied.append(waiting)
        self.answers.append((answer, overlay.is_changed))


class Writer:
    """See the module. `run` does the work; without it nothing is ever acknowledged."""

    def __init__(
        self,
        store: Store,
        rows: Rows,
        states: States,
        settings: DcSettings,
        workers: Workers,
        clock: Clock,
        observe: Observer,
    ) -> None:
        self.counts = Counts()
        self._store, self._rows, self._states = store, rows, states
        self._settings, self._workers, self._clock, self._observe = settings, workers, clock, observe
        self._queue: deque[Waiting] = deque()
        self._ahead: _Group | None = None  # the next, applied already; from the first commit on
        self._wake = asyncio.Event()
        self._stopping = False
        self._begun = False  # may the store be written to?
        self.full = False  # was there no room at the last commit?
        self._full_until = 0.0

    @property
    def depth(self) -> int:
        """Operations that wait."""
        return len(self._queue) + (len(self._ahead.applied) if self._ahead else 0)

    @property
    def paused(self) -> bool:
        """Was the disk full a moment ago? Then it is not tried again yet."""
        return self.full and self._clock.now() < self._full_until

    async def prepare(self) -> None:
        """Make a new database, or check that this one has a format that we know. Before `run`."""
        row = self._rows.get(META, DATABASE)
        if row is None:
            group = _Group(self._rows)
            prepare(group.overlay, self._settings.operation_ring)
            await self._commit(group, NOTHING)
        elif row.format != FORMAT:
            raise StorageError(f"the database has format {row.format}, this program knows {FORMAT}")

    def submit(self, apply: Callable[[View], T]) -> asyncio.Future[T]:
        """Queue an operation. The future has its answer once it is on disk, or RefusedError."""
        if self._stopping:
            raise self._refusal(Code.SHUTDOWN, "the DC is stopping")
        if self.paused:
            raise self._refusal(Code.DISK_FULL, "the disk of the DC is full")
        if self.depth >= self._settings.queue_max:
            raise self._refusal(Code.UNAVAILABLE, "too many operations are waiting")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._ahead is not None and not self._queue and self._has_room(self._ahead):
            self._ahead.apply((apply, done))
        else:
            self._queue.append((apply, done))
        self._wake.set()
        return done

    def look(self) -> None:
        """Called regularly: start a commit when cached states have waited long enough."""
        if self._due():
            self._wake.set()

    async def run(self) -> None:
        """Write until stopped and everything is on disk. StorageError: the process must end."""
        while not self._finished():
            await self._wake.wait()
            self._wake.clear()
            while self.depth or self._due():
                await self._turn()

    def stop(self) -> None:
        """Take nothing more; `run` returns when everything that waits, cached states too, is on disk."""
        self._stopping = True
        self._full_until = 0.0  # one last try
        self._wake.set()

    def _finished(self) -> bool:
        return self._stopping and not self.depth and (not len(self._states) or self.paused)

    def _due(self) -> bool:
        if not len(self._states) or self.paused:
            return False
        return self._stopping or self._states.age_s(self._clock.now()) >= self._settings.flush_age_s

    async def _turn(self) -> None:
        began = self._clock.now()
        group = self._gather()
        states = self._states.take(self._settings.states_per_commit) if self._due() else NOTHING
        try:
            if group.overlay.changes or states.changes:
                await self._commit(group, states)
        except DiskFull:
            self._states.failed()
            self._disk_was_full(group)
            return
        self._states.flushed(began)
        self.counts.states += len(states.changes)
        self._acknowledge(group)
        self._observe(self._clock.now() - began, len(group.applied), len(states.changes))

    def _gather(self) -> _Group:
        """What was applied ahead and what waits, in order. Nothing is begun that nobody waits for any more: what is
        cancelled after it was applied ahead is taken out by applying the others anew."""
        group, self._ahead = self._ahead or _Group(self._rows), None
        if any(done.cancelled() for _, done in group.applied):
            self._queue.extendleft(reversed(group.applied))
            group = _Group(self._rows)
        while self._queue and self._has_room(group):
            waiting = self._queue.popleft()
            if not waiting[1].cancelled():
                group.apply(waiting)
        return group

    def _has_room(self, group: _Group) -> bool:
        return len(group.applied) < self._settings.operations_per_commit

    async def _commit(self, group: _Group, states: Flush) -> None:
        """On disk when this returns, and visible."""
        packed = group.overlay.packed()
        self._ahead = _Group(group.overlay)
        await self._put_on_disk([*packed, *states.changes])
        self._ahead.overlay.rebase(self._rows)
        self._rows.committed(group.overlay, packed)
        for table, key in group.overlay.changes:
            if table is SESSIONS:
                self._states.fence(key)
        self.counts.commits += 1
        self.full = False

    async def _put_on_disk(self, changes: Sequence[Change]) -> None:
        store, run = self._store, self._workers.run
        while True:
            if not self._begun:
                await run(store.begin)
            self._begun = False
            try:
                store.write(changes)
                await run(store.commit)
            except MapFull:
                await run(store.drop)
                store.grow()
            else:
                self._begun = True
                return

    def _acknowledge(self, group: _Group) -> None:
        """Refusals come this late, too: one may tell of what an operation before it in the group has changed."""
        for (_, done), (answer, changed) in zip(group.applied, group.answers, strict=True):
            if isinstance(answer, Exception):
                self.counts.refuse(answer.code if isinstance(answer, RefusedError) else Code.INTERNAL)
                if not done.done():
                    done.set_exception(answer)
                continue
            if changed:
                self.counts.acked += 1
            else:
                self.counts.repeated += 1
            if not done.done():
                done.set_result(answer)

    def _disk_was_full(self, group: _Group) -> None:
        """What is answered may reach a player: it names no file of ours."""
        self.full = True
        self._full_until = self._clock.now() + self._settings.disk_full_pause_s
        ahead, self._ahead = self._ahead.applied if self._ahead else [], None  # over changes that are not there
        waiting = [*group.applied, *ahead, *self._queue]
        self._queue.clear()
        for _, done in waiting:
            if not done.done():
                done.set_exception(self._refusal(Code.DISK_FULL, "the disk of the DC is full"))

    def _refusal(self, code: Code, text: str) -> RefusedError:
        self.counts.refuse(code)
        return RefusedError(code, text)
