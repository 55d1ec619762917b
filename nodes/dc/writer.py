"""The one writer: an ordered queue of operations, committed in groups.

A turn takes everything that waits, applies it in order on an overlay over the committed rows, has the worker thread
commit the whole, and only then acknowledges and lets anybody see it. So the disk always holds a prefix of the order of
operations that contains every acknowledged one. Waiting for more before a commit was measured and makes everything
slower: while one commit is under way the next group gathers by itself.

Operations are applied on the loop, not in the thread: they touch the cache, and both share one interpreter anyway.
Cached (class C) states ride along with the commits: those that have waited `flush_age_s`, or all when stopping.

Commit errors: a full map is enlarged and the same group is committed again; a full disk refuses the group and, for a
moment, everything else; any other error ends the process, because after it nobody knows what is on disk.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mesh.clock import Clock
from mesh.errors import Code, RefusedError, StorageError
from mesh.seat import Workers
from nodes.dc.cache import Rows, States
from nodes.dc.ledger import DATABASE, prepare
from nodes.dc.records import FORMAT, META, STATES, StateRow
from nodes.dc.settings import DcSettings
from nodes.dc.store import DiskFull, MapFull, Store
from nodes.dc.view import Overlay, View

T = TypeVar("T")
Apply = Callable[[View], Any]


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


@dataclass(slots=True)
class _Group:
    """One commit: what is in it and who waits for it."""

    overlay: Overlay
    states: dict[int, StateRow]
    answers: list[tuple[asyncio.Future[Any], Any, bool]]  # who waits, answer or RefusedError, was anything changed


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
        self._queue: deque[tuple[Apply, asyncio.Future[Any]]] = deque()
        self._wake = asyncio.Event()
        self._stopping = False
        self.full = False  # was there no room at the last commit?
        self._full_until = 0.0

    @property
    def depth(self) -> int:
        """Operations that wait."""
        return len(self._queue)

    @property
    def paused(self) -> bool:
        """Was the disk full a moment ago? Then it is not tried again yet."""
        return self.full and self._clock.now() < self._full_until

    async def prepare(self) -> None:
        """Make a new database, or check that this one has a format that we know. Before `run`."""
        row = self._rows.get(META, DATABASE)
        if row is None:
            overlay = Overlay(self._rows)
            prepare(overlay, self._settings.operation_ring)
            await self._commit(overlay)
        elif row.format != FORMAT:
            raise StorageError(f"the database has format {row.format}, this program knows {FORMAT}")

    def submit(self, apply: Callable[[View], T]) -> asyncio.Future[T]:
        """Queue an operation. The future has its answer once it is on disk, or RefusedError."""
        if self._stopping:
            raise self._refusal(Code.SHUTDOWN, "the DC is stopping")
        if self.paused:
            raise self._refusal(Code.DISK_FULL, "the disk of the DC is full")
        if len(self._queue) >= self._settings.queue_max:
            raise self._refusal(Code.UNAVAILABLE, "too many operations are waiting")
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
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
            while self._queue or self._due():
                await self._turn()

    def stop(self) -> None:
        """Take nothing more; `run` returns when everything that waits, cached states too, is on disk."""
        self._stopping = True
        self._full_until = 0.0  # one last try
        self._wake.set()

    def _finished(self) -> bool:
        return self._stopping and not self._queue and (not len(self._states) or self.paused)

    def _due(self) -> bool:
        if not len(self._states) or self.paused:
            return False
        return self._stopping or self._states.age_s(self._clock.now()) >= self._settings.flush_age_s

    async def _turn(self) -> None:
        began = self._clock.now()
        group = self._gather()
        try:
            if group.overlay.changes:
                await self._commit(group.overlay)
        except DiskFull:
            self._disk_was_full(group)
            return
        self._states.flushed(group.states, began)
        self.counts.states += len(group.states)
        self._acknowledge(group)
        self._observe(self._clock.now() - began, len(group.answers), len(group.states))

    def _gather(self) -> _Group:
        """Apply what waits to an overlay, in order."""
        group = _Group(Overlay(self._rows), {}, [])
        for _ in range(min(len(self._queue), self._settings.operations_per_commit)):
            apply, done = self._queue.popleft()
            if done.cancelled():
                continue  # nobody waits for it any more, and it was not begun
            mine = Overlay(group.overlay)
            try:
                answer = apply(mine)
            except RefusedError as error:
                group.answers.append((done, error, False))
            except StorageError as error:  # a row that it needs is damaged: the others are not concerned
                group.answers.append((done, RefusedError(Code.INTERNAL, str(error)), False))
            else:
                group.overlay.absorb(mine)
                group.answers.append((done, answer, bool(mine.changes)))
        if self._due():
            group.states = self._states.oldest(self._settings.states_per_commit)
            for account, row in group.states.items():
                group.overlay.put(STATES, account, row)
        return group

    async def _commit(self, overlay: Overlay) -> None:
        """On disk when this returns, and visible."""
        packed = overlay.packed()
        while True:
            try:
                await self._workers.run(self._store.commit, packed)
                break
            except MapFull:
                self._store.grow()
        self._rows.committed(overlay, packed)
        self.counts.commits += 1
        self.full = False

    def _acknowledge(self, group: _Group) -> None:
        """Refusals come this late, too: one may tell of what an operation before it in the group has changed."""
        for done, answer, changed in group.answers:
            if isinstance(answer, RefusedError):
                self.counts.refuse(answer.code)
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
        waiting = [done for done, _, _ in group.answers] + [done for _, done in self._queue]
        self._queue.clear()
        for done in waiting:
            if not done.done():
                done.set_exception(self._refusal(Code.DISK_FULL, "the disk of the DC is full"))

    def _refusal(self, code: Code, text: str) -> RefusedError:
        self.counts.refuse(code)
        return RefusedError(code, text)
