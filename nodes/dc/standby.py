"""The standby's side of a pair: puts what the writer sends on its own disk, in order, and says how far it is.

Owns the order of what is applied, one message at a time, and a copy under way. It never serves anybody, never changes a
row by itself, and never takes a lower epoch than one it has heard of. Its place (epoch, batch) is in the row about the
database, which comes with every batch in the same transaction; while a copy is under way that row is missing on disk,
so that what is not whole is never taken for a whole after a restart.

What is being written is waited for to its end, also when the writer has given its message up: who took over in between
would go on from a place that is behind the disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence

from mesh.clock import Clock
from mesh.errors import Code, RefusedError
from mesh.node import Caller, on, to_the_end
from mesh.protocol.replication import CopyRows, Follow, Replicate, Standing, TakeOver
from nodes.dc.follower import Follower
from nodes.dc.ledger import DATABASE
from nodes.dc.records import META, TABLES
from nodes.dc.store import Store
from nodes.dc.view import Change

FORGET_ROWS = 2000  # in one transaction

Put = Callable[[Sequence[Change]], Awaitable[None]]
"""On disk when it returns."""


class Standby:
    """See the module. `follows` says whether this node is one at the moment, `ask` has the center asked at once."""

    def __init__(
        self, writer: str, store: Store, put: Put, clock: Clock, follows: Callable[[], bool], ask: Callable[[], None]
    ) -> None:
        self.lock = asyncio.Lock()
        self.applied = 0  # batches
        self._writer, self._store, self._put, self._clock, self._follows = writer, store, put, clock, follows
        self._ask = ask
        self._row: bytes | None = None  # about the database, during a copy
        self.follower = Follower(*position(store), clock.now())

    def begin(self) -> None:
        """Follow from here on, from what is on disk."""
        known = self.follower.known
        self.follower = Follower(*position(self._store), self._clock.now())
        self.follower.known = max(known, self.follower.known)

    @on(Follow)
    async def on_follow(self, said: Follow, caller: Caller) -> Standing:
        async with self.lock:
            self._check(said.epoch, caller)
            return self._standing()

    @on(Replicate)
    @to_the_end
    async def on_replicate(self, said: Replicate, caller: Caller) -> Standing:
        async with self.lock:
            self._check(said.epoch, caller)
            verdict = self.follower.judge(said.after, said.batch)
            if verdict == "gap":
                raise RefusedError(Code.OUT_OF_ORDER, f"batch {self.follower.batch} is the last one here")
            if verdict == "apply":
                await self._apply(said.changes)
                self.follower.took(said.epoch, said.batch)
                self.applied += said.batch - said.after
            return self._standing()

    @on(CopyRows)
    @to_the_end
    async def on_copy_rows(self, said: CopyRows, caller: Caller) -> Standing:
        async with self.lock:
            self._check(said.epoch, caller)
            if said.first:
                self.follower.begin_copy(said.batch)
                self._row = None
                await self._forget()
            elif not self.follower.copying:
                raise RefusedError(Code.OUT_OF_ORDER, "no copy was begun")
            await self._apply(said.rows)
            if said.last:
                await self._complete(said)
            return self._standing()

    @on(TakeOver)
    async def on_take_over(self, said: TakeOver, caller: Caller) -> Standing:
        async with self.lock:
            self._check(said.epoch, caller)
            if (self.follower.epoch, self.follower.batch) != (said.epoch, said.batch):
                raise RefusedError(Code.OUT_OF_ORDER, f"batch {self.follower.batch} is the last one here")
            self.follower.released(self._clock.now())
            self._ask()
            return self._standing()

    def _check(self, epoch: int, caller: Caller) -> None:
        if caller.peer != self._writer:
            raise RefusedError(Code.NOT_ALLOWED, f"{caller.peer} is not the other DC of this pair")
        if not self._follows() or not self.follower.hear(epoch, self._clock.now()):
            raise RefusedError(Code.STALE_EPOCH, f"epoch {epoch} is over")

    def _standing(self) -> Standing:
        follower = self.follower
        return Standing(follower.epoch, follower.batch, follower.promise(self._clock.now()))

    async def _apply(self, changes: Sequence[Change]) -> None:
        if self.follower.copying:
            for table, _, value in changes:
                if table == META.name:
                    self._row = value
            changes = [change for change in changes if change[0] != META.name]
        if changes:
            await self._put(changes)

    async def _forget(self) -> None:
        """The row about the database first: from then on it is none."""
        for table in TABLES:
            while keys := list(_some_keys(self._store, table)):
                await self._put([(table, key, None) for key in keys])

    async def _complete(self, said: CopyRows) -> None:
        """All rows are there, if what is known about the database is of the same batch."""
        if self._row is None:
            return
        key = META.keys.pack(DATABASE)
        row = META.unpack(key, self._row)
        if row.batch != said.batch:
            return
        await self._put([(META.name, key, self._row)])
        self.follower.end_copy(row.epoch, row.batch)
        self._row = None


def position(store: Store) -> tuple[int, int]:
    """Epoch and batch of the newest transaction on this disk."""
    key = META.keys.pack(DATABASE)
    value = store.get(META.name, key)
    if value is None:
        return 0, 0
    row = META.unpack(key, value)
    return row.epoch, row.batch


def _some_keys(store: Store, table: str) -> Iterator[bytes]:
    for number, (key, _) in enumerate(store.scan(table)):
        if number == FORGET_ROWS:
            return
        yield key
