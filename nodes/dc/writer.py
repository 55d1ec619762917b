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
from contextlib import AbstractAsyncContextManager, nullcontext
from math import inf
from typing import Protocol, TypeVar

from mesh.clock import Clock
from mesh.core.admission import Admission
from mesh.errors import Code, RefusedError, StorageError
from mesh.failpoints import Failpoints
from mesh.seat import Workers
from nodes.dc.cache import Rows
from nodes.dc.group import Committed, Counts, Group, Told, Waiting, keep, tell_futures
from nodes.dc.lease import Deposed
from nodes.dc.ledger import DATABASE, prepare
from nodes.dc.records import FORMAT, META, SESSIONS, TABLES
from nodes.dc.settings import DcSettings
from nodes.dc.states import NOTHING, Flush, States
from nodes.dc.store import DiskFull, MapFull, Store
from nodes.dc.view import NO_CHANGES, Change, View

DEPOSED = "another DC writes"
OPERATION_S = 0.5
"""What an operation may wait on its way, when all do, and what the commits may take that are to come before its own.
Far below what scenes wait for an answer, so that what is carried out is still of use; far above what a commit or a
restart makes anybody wait."""

T = TypeVar("T")

Observer = Callable[[float, int, int], None]
"""Called after each commit with how long it took (s), and the operations and cached states in it."""


class Partner(Protocol):
    """Of a writer that has a standby."""

    def stamp(self, view: View) -> None:
        """Number the transaction that is about to be written; Deposed when somebody else may write now."""
        ...

    async def agreed(self, changes: Sequence[Change]) -> None:
        """These are on disk (or nothing was changed): returns when that may be seen and told. Deposed: never."""
        ...


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
        failpoints: Failpoints | None = None,
    ) -> None:
        self.counts = Counts()
        self._failpoints = failpoints or Failpoints()
        self._store, self._rows, self._states = store, rows, states
        self._settings, self._workers, self._clock, self._observe = settings, workers, clock, observe
        self._queue_max, self._per_commit = settings.queue_max, settings.operations_per_commit
        self._many = min(self._queue_max, self._per_commit)  # that wait: from here on there may be too many
        self._queue: deque[Waiting] = deque()
        self._queued = 0  # operations in there
        self._ahead: Group | None = None  # the next, applied already; from the first commit on
        self._on_disk: Committed | None = None  # the last, until it is seen and told
        self._wake = asyncio.Event()
        self._turning = asyncio.Lock()
        self._stopping = False
        self._begun = False  # may the store be written to?
        self.partner: Partner | None = None
        self.closed = False  # another DC writes: nothing is taken
        self.pausing: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
        """While the store is enlarged: no other thread may read it."""
        self.full = False  # was there no room at the last commit?
        self._full_until = 0.0
        self._gave_up = False  # stopping, and the last try found the disk full, too
        self.admission, self._operations = Admission(), Admission(OPERATION_S)
        self._were_late = False  # was the last operation that came?
        self._oldest_at = self._gathered_at = self._took_s = 0.0
        self._under_way_at = inf  # since when the oldest of what is being committed has waited

    @property
    def depth(self) -> int:
        """Operations that wait."""
        return self._queued + (self._ahead.size if self._ahead is not None else 0)

    @property
    def paused(self) -> bool:
        """Was the disk full a moment ago? Then it is not tried again yet."""
        return self.full and self._clock.now() < self._full_until

    async def prepare(self) -> None:
        """Make a new database, or check that this one has a format that we know. Before `run`, or while it has nothing
        to do."""
        async with self._turning:
            await self._prepare()

    async def _prepare(self) -> None:
        row = self._rows.get(META, DATABASE)
        if row is None:
            if any(map(self._store.count, TABLES)):  # such a copy must not become a new database
                raise StorageError("the database is a copy that was never completed; start the other DC of the pair")
            group = Group(self._rows)
            prepare(group.overlay, self._settings.operation_ring)
            await self._commit(group, NOTHING)
        elif row.format != FORMAT:
            raise StorageError(f"the database has format {row.format}, this program knows {FORMAT}")
        elif self.partner is not None:
            await self._commit(Group(self._rows), NOTHING)  # from now on the disk says in which epoch it is written
        self._finish()

    def settled(self) -> AbstractAsyncContextManager[None]:
        """A moment in which all that is on disk may be seen, for who reads it there; to be left without waiting."""
        return nullcontext() if self.partner is None else self._turning

    def submit(self, apply: Callable[[View], T]) -> asyncio.Future[T]:
        """Queue an operation. The future has its answer once it is on disk, or RefusedError."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self.take(Waiting(lambda view, _: apply(view), (None,), done))
        return done

    def take(self, new: Waiting) -> None:
        """The same, for who brings who is to have the answers. RefusedError: nothing was taken."""
        ahead, waiting = self._ahead, self.depth
        if waiting >= self._many or self._stopping or self.closed or self.full:
            self._refuse_new(waiting, len(new.said))
        if not waiting:
            self._oldest_at = self._clock.now()
            self._wake.set()
        if self._failpoints.armed:
            for _ in new.said:
                self._failpoints.hit("dc.operation-heard")
        if ahead is not None and not self._queue and not ahead.is_full(self._per_commit):
            ahead.apply(new)
        else:
            self._queue.append(new)
            self._queued += len(new.said)

    def _refuse_new(self, waiting: int, count: int) -> None:
        """RefusedError when nothing can be taken now."""
        if self._stopping:
            raise self._refusal(Code.SHUTDOWN, "the DC is stopping", count)
        if self.closed:
            raise self._refusal(Code.UNAVAILABLE, DEPOSED, count)
        if self.paused:
            raise self._refusal(Code.DISK_FULL, "the disk of the DC is full", count)
        if waiting >= self._queue_max or waiting // self._per_commit * self._took_s > OPERATION_S:
            raise self._refusal(Code.UNAVAILABLE, "too many operations are waiting", count)

    def admit(self) -> None:
        """Somebody new is about to come in, which takes operations: RefusedError while those of the players who are
        here wait for too long. That what comes during a commit waits for its end is nothing to refuse anybody for."""
        self._look_at_delay()
        if not self.admission.admits():
            raise self._refusal(Code.UNAVAILABLE, "the DC is behind with its work: try again in a moment")

    def admit_operations(self, waited_s: float, count: int = 1) -> None:
        """Somebody who is here wants something that has waited on its way: RefusedError while everything has waited
        for too long. Only what has come in time is worked on then: whatever is worked on later than its asker waits
        helps nobody, and there would be nothing else any more."""
        is_late = waited_s > OPERATION_S
        if is_late or self._were_late:
            self._operations.look(waited_s, self._clock.now())
        self._were_late = is_late
        if is_late and not self._operations.admits():
            raise self._refusal(Code.UNAVAILABLE, "the DC is behind with its work: it was not done", count)

    def _look_at_delay(self) -> None:
        now = self._clock.now()
        oldest_at = min(self._under_way_at, self._oldest_at if self.depth else inf)
        self.admission.look(max(0.0, now - oldest_at), now, 2 * self._took_s)

    def look(self) -> None:
        """Called regularly: start a commit when cached states have waited long enough."""
        self._look_at_delay()
        if self._due():
            self._wake.set()

    async def run(self) -> None:
        """Write until stopped and everything is on disk. StorageError: the process must end."""
        while not self._finished():
            await self._wake.wait()
            self._wake.clear()
            while not self.closed and (self.depth or self._due()):
                async with self._turning:
                    await self._turn()
                self._under_way_at = inf

    def stop(self) -> None:
        """Take nothing more; `run` returns when everything that waits, cached states too, is on disk."""
        self._failpoints.hit("dc.stopping")
        self._stopping = True
        self._full_until = 0.0  # one last try
        self._wake.set()

    async def depose(self) -> None:
        """Another DC writes: take nothing until `closed` is False again, and give up what waits, when what is under
        way has ended. Nobody hears these refusals as answers: the node has broken its links before."""
        self.closed = True
        async with self._turning:
            self._refuse_all(Group(self._rows), Code.UNAVAILABLE, DEPOSED)

    def _finished(self) -> bool:
        return self._stopping and (self.closed or (not self.depth and (not len(self._states) or self._gave_up)))

    def _due(self) -> bool:
        if not len(self._states) or self.paused or self._gave_up:
            return False
        return self._stopping or self._states.age_s(self._clock.now()) >= self._settings.flush_age_s

    async def _turn(self) -> None:
        began = self._clock.now()
        group = self._gather()
        self._under_way_at = self._oldest_at if group.applied else inf
        self._oldest_at, self._gathered_at = self._gathered_at if self._queue else began, began
        states = self._states.take(self._settings.states_per_commit) if self._due() else NOTHING
        self._failpoints.hit("dc.operation-applied")
        if states.changes:
            self._failpoints.hit("dc.states-taken")
        try:
            if states.changes or not group.overlay.is_empty:
                await self._commit(group, states)
            else:
                await self._leave(group)
        except Deposed:  # on this disk it is, and whether it counts is for the other DC to say
            self.closed = True
            self._states.failed()
            self._refuse_all(group, Code.UNAVAILABLE, DEPOSED)
            return
        except DiskFull:
            self._states.failed()
            self._disk_was_full(group)
            return
        self._states.flushed(began)
        self.counts.states += len(states.changes)
        self._took_s = self._clock.now() - began
        self._observe(self._took_s, group.size, len(states.changes))
        if self.partner is not None or not self.depth:
            self._finish()

    def _gather(self) -> Group:
        """What was applied ahead and what waits, in order. Nothing is begun that nobody waits for any more: what is
        cancelled after it was applied ahead is taken out by applying the others anew."""
        group, self._ahead = self._ahead or Group(self._rows), None
        if any(waiting.done.cancelled() for waiting in group.applied):
            self._finish()  # what they are applied over
            self._queue.extendleft(reversed(group.applied))
            self._queued += group.size
            group = Group(self._rows)
        self._fill(group)
        return group

    def _fill(self, group: Group) -> None:
        """With what waits."""
        while self._queue and not group.is_full(self._per_commit):
            waiting = self._queue.popleft()
            self._queued -= len(waiting.said)
            if not waiting.done.cancelled():
                group.apply(waiting)

    async def _commit(self, group: Group, states: Flush) -> None:
        """On disk when this returns. `_finish` is what is left to do."""
        if self.partner is not None:
            self.partner.stamp(group.overlay)
            self._rows.withheld = group.overlay.changes
        packed = group.overlay.packed()
        self._ahead = Group(self._rows, group.overlay)
        changes = [*packed, *states.changes]
        try:
            await self.put_on_disk(changes)
            if self.partner is not None:
                await self.partner.agreed(changes)
        finally:
            self._rows.withheld = NO_CHANGES
        for account in group.overlay.changes[SESSIONS.name]:
            self._states.fence(account)
        self._on_disk = Committed(group, packed, self._ahead)
        self.counts.commits += 1
        self.full = False

    async def _leave(self, group: Group) -> None:
        """Nothing is to be written. Who waits hears of it when that may be told."""
        self._finish()
        if self.partner is not None:
            await self.partner.agreed(())
        self._acknowledge(group)

    def _finish(self) -> None:
        """What is on disk is seen from here on, and who waits for it hears. The commit of a group that was applied over
        it begins before that, so that the disk does not wait; nothing else does."""
        if self._on_disk is None:
            return
        (group, packed, above), self._on_disk = self._on_disk, None
        above.overlay.settled()
        self._rows.committed(group.overlay, packed)
        self._acknowledge(group)

    async def put_on_disk(self, changes: Sequence[Change]) -> None:
        """In one transaction, as they are. For `run`, and while that does not run for what another DC has written."""
        store, run, hit = self._store, self._workers.run, self._failpoints.hit
        hit("dc.before-write")
        while True:
            if not self._begun:
                self._finish()
                await run(store.begin)
            self._begun = False
            try:
                store.write(changes)
                hit("dc.rows-written")
                committed = run(self._commit_in_thread)
                self._finish()
                if self._ahead is not None:
                    self._fill(self._ahead)  # while the disk is busy
                await committed
            except MapFull:
                self._finish()
                hit("dc.map-full")
                await run(store.drop)
                async with self.pausing():
                    store.grow()
                hit("dc.map-grown")
            else:
                hit("dc.after-commit")
                self._begun = True
                return

    def _commit_in_thread(self) -> None:
        self._failpoints.hit("dc.before-commit")
        self._store.commit()
        self._failpoints.hit("dc.in-commit")

    def _acknowledge(self, group: Group) -> None:
        """Refusals come this late, too: one may tell of what an operation before it in the group has changed."""
        self._failpoints.hit("dc.before-acknowledge")
        self.counts.add(group)
        told = [(waiting.done, answers) for waiting, answers in zip(group.applied, group.answers, strict=True)]
        if self._failpoints.armed and len(told) > 1:
            self._tell(told[:1], "dc.half-acknowledged")
            told = told[1:]
        if told:
            self._tell(told, "dc.acknowledged")

    def _tell(self, told: Sequence[Told], failpoint: str = "") -> None:
        """These answers leave in the next turn of the loop, when the next commit is under way, and behind them is a
        failpoint."""
        call_soon = asyncio.get_running_loop().call_soon
        call_soon(keep, tell_futures(told))
        if failpoint and self._failpoints.armed:
            call_soon(self._failpoints.hit, failpoint)

    def _disk_was_full(self, group: Group) -> None:
        """What is answered may reach a player: it names no file of ours."""
        self.full = True
        self._full_until = self._clock.now() + self._settings.disk_full_pause_s
        self._gave_up = self._stopping
        self._refuse_all(group, Code.DISK_FULL, "the disk of the DC is full")

    def _refuse_all(self, group: Group, code: Code, text: str) -> None:
        self._finish()  # what is on disk is nobody's to refuse
        ahead, self._ahead = self._ahead.applied if self._ahead else [], None  # over changes that are not there
        waiting = [*group.applied, *ahead, *self._queue]
        self._queue.clear()
        self._queued = 0
        told = [one for one in waiting if not one.done.cancelled()]
        self._tell([(one.done, [self._refusal(code, text, len(one.said))] * len(one.said)) for one in told])

    def _refusal(self, code: Code, text: str, count: int = 1) -> RefusedError:
        self.counts.refuse(code, count)
        return RefusedError(code, text)
