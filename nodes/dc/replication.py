"""The writer's side of a pair: sends what it commits to the standby, and says when an answer may leave.

Owns the batches on their way (`outgoing.py`) and the one conversation with the standby: how far is it, a whole copy
when it cannot go on from what is kept, then batch after batch. One message is under way at a time, with all that has
gathered since the last. A copy is read in small pieces beside the writing, each in a read of its own; what changes
meanwhile follows as batches, and putting a row twice does no harm, so the copy is whole as of the last batch.
Rejected: one long read of everything, which makes the file grow for as long as it takes.

It is told of nothing by the standby but where that is; who writes is between `lease.py` and the center.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Protocol

from msgspec.structs import replace

from mesh.clock import Clock
from mesh.errors import Code, MeshError, PeerLost, RefusedError
from mesh.promise import Promise
from mesh.protocol.catalogue import Message
from mesh.protocol.replication import CopyRows, Follow, Replicate, Standing
from mesh.seat import Logger
from nodes.dc.lease import Deposed, Term
from nodes.dc.ledger import DATABASE, enter, meta
from nodes.dc.outgoing import Outgoing
from nodes.dc.records import META, TABLES, LedgerRow
from nodes.dc.settings import DcSettings
from nodes.dc.standby import position
from nodes.dc.store import Store
from nodes.dc.view import Change, View

BEAT_S = 0.4  # without anything to send: how often the standby is asked for a sign of life
RETRY_S = 0.1
SEND_BYTES_MAX = 2 << 20  # in one message
JOIN_BATCHES = 16  # so near the standby must be before acknowledgements wait for it
COPY_ROWS = 500  # in one piece: read on the loop
COPY_BYTES_MAX = 256 << 10
COPY_FIRST_S = 60.0  # for the standby to forget what it had
ENDED = "another DC writes, or this one ends"
ALONE_S = 20.0  # for its other answers while nobody waits for it: a slow disk is to get its copy, too


class Speaker(Protocol):
    """The node."""

    name: str
    incarnation: int
    clock: Clock
    log: Logger

    async def ask(self, target: str, message: Message, timeout_s: float = ...) -> Message: ...


class Replication:
    """See the module. `run` does the sending; `wake_center` has the center asked at once."""

    def __init__(
        self,
        node: Speaker,
        standby: str,
        term: Term,
        log: Outgoing,
        store: Store,
        settings: DcSettings,
        wake_center: Callable[[], None],
    ) -> None:
        self.term, self.log = term, log
        self.copies = 0  # whole copies that were begun
        self._node, self._standby, self._store, self._settings = node, standby, store, settings
        self._wake_center = wake_center
        self._send = asyncio.Event()
        self._news = asyncio.Event()
        self._join_at: int | None = None  # with this batch the standby has everything
        self._told_later: list[tuple[int, Promise[Sequence[Any]], Any]] = []  # with which batch, to whom, what
        self._ending = False

    # --- what the writer asks (writer.Partner) ---

    def stamp(self, view: View) -> None:
        """Number a transaction; Deposed when a higher epoch has written, or is known of. The first one of an epoch says
        in the ledger whose epoch it is, so that it can be shown afterwards who has written what."""
        row = view.get(META, DATABASE)
        assert row is not None, "the database was prepared"
        if self.term.over or row.epoch > self.term.epoch:
            raise Deposed("another DC writes")
        if row.epoch < self.term.epoch:
            node = self._node
            whose = f"{node.name} {node.incarnation:x} {self.term.epoch}"
            enter(view, LedgerRow(round(node.clock.wall() * 1000), "tenure", 0, note=whose))
            row = meta(view)
        view.put(META, DATABASE, replace(row, epoch=self.term.epoch, batch=self.log.last + 1))

    async def agreed(self, changes: Sequence[Change]) -> None:
        """These are on disk (or nothing was changed): returns when that may be seen and acknowledged."""
        if changes:
            self.log.add(self.log.last + 1, changes)
            self._send.set()
        await self._until(lambda: self._may_acknowledge(bool(changes)))

    async def shared(self) -> None:
        """Until what was committed by now is acknowledged by the standby, or there is none. Deposed: nobody knows."""
        if self._settings.replicated == "all":
            return  # `agreed` has waited for it, and `log.last` may be of the next commit by now
        batch = self.log.last
        await self._until(lambda: self.term.mode == "alone" or self.log.acknowledged >= batch)

    def has(self, batch: int) -> bool:
        """Does the standby have it, and does the center know that it may take over? What both disks have counts,
        whoever writes next."""
        is_known = self.term.mode == "paired" and self.term.wish is not True
        return is_known and self.log.acknowledged >= batch

    def tell_later(self, batch: int, promise: Promise[Sequence[Any]], answer: Any) -> None:
        """When the standby has this batch; an error when nobody knows whether it ever will. Not for ever: who gives
        the promise up is forgotten."""
        if self._is_over:
            promise.keep(PeerLost(ENDED))
        else:
            self._told_later.append((batch, promise, answer))

    def _tell_later(self) -> None:
        waiting, self._told_later = self._told_later, []
        for one in waiting:
            batch, promise, answer = one
            if promise.is_over:
                continue
            if self.has(batch):
                promise.keep([answer])
            elif self._is_over:
                promise.keep(PeerLost(ENDED))
            else:
                self._told_later.append(one)

    async def complete(self) -> bool:
        """Until the standby has everything that was committed by now; False when it is lost before."""
        batch = self.log.last
        await self._until(lambda: not self.in_sync or self.log.acknowledged >= batch)
        return self.in_sync

    def _may_acknowledge(self, written: bool) -> bool:
        term, log, settings = self.term, self.log, self._settings
        if term.mode == "alone":
            return True
        if settings.replicated == "all":
            confirmed = log.waiting <= 0
            return confirmed and (written or term.may_speak(self._node.clock.now()))
        return log.waiting <= settings.standby_window and term.may_speak(self._node.clock.now())

    # --- news ---

    @property
    def in_sync(self) -> bool:
        """Does the standby have what is acknowledged from now on?"""
        return self.term.mode == "paired" and self.term.wish is None

    def changed(self) -> None:
        """Something is known that somebody may wait for."""
        if self._told_later:
            self._tell_later()
        self._news.set()

    def end(self) -> None:
        """Whoever waits gives up: the process ends, or another one writes."""
        self._ending = True
        self.changed()

    @property
    def _is_over(self) -> bool:
        return self.term.over or self._ending

    async def _until(self, condition: Callable[[], bool]) -> None:
        while True:
            if self._is_over:
                raise Deposed(ENDED)
            if condition():
                return
            self._news.clear()
            await self._news.wait()

    # --- the standby ---

    async def run(self) -> None:
        """Talk to the standby until cancelled."""
        while True:
            try:
                await self._match()
                while True:
                    await self._pass_on()
                    self._see_how_far()
                    await self._wait_for_work()
            except MeshError as error:
                self.lost(error)
                await asyncio.sleep(RETRY_S)

    def lost(self, error: MeshError | None = None) -> None:
        """The standby is away."""
        if isinstance(error, RefusedError) and error.code == Code.STALE_EPOCH:
            self._wake_center()  # it may know something that we do not
        self._join_at = None
        if self.term.mode == "alone" or self.term.wish is False:
            return  # nobody waits for it, or the center is being told
        self._node.log.warning("the standby is away", peer=self._standby, reason=str(error or "its link is gone"))
        self.term.lost()
        self.changed()
        self._wake_center()

    async def _match(self) -> None:
        """Have the standby where it can take the next batch."""
        asked = self._node.clock.now()
        standing = await self._ask(Follow(self.term.epoch))
        if not self.log.resume((standing.epoch, standing.batch)):
            if self.term.mode != "alone":
                self.lost()
                await self._until(lambda: self.term.mode == "alone")
            await self._copy()
        elif standing.supports:
            self.term.supported(asked)

    async def _pass_on(self) -> None:
        """Send what there is, at least a sign of life, and hear how far the standby is."""
        taken = self.log.take(SEND_BYTES_MAX)
        after, batch, changes = taken or (self.log.last, self.log.last, [])
        asked = self._node.clock.now()
        standing = await self._ask(Replicate(self.term.epoch, after, batch, changes))
        self.log.confirm(batch)
        if standing.supports:
            self.term.supported(asked)
        self.changed()

    def _see_how_far(self) -> None:
        if self.term.mode == "alone" and self.log.waiting <= JOIN_BATCHES:
            self.term.join()
            self._join_at = self.log.last
        if self._join_at is not None and self.log.acknowledged >= self._join_at:
            self._join_at = None
            self.term.joined()
            self._wake_center()
            self.changed()

    async def _wait_for_work(self) -> None:
        if self.log.waiting <= 0:
            self._send.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_S):
                    await self._send.wait()

    async def _ask(self, said: Message, timeout_s: float = 0.0) -> Standing:
        """`timeout_s`: how long the answer may take until the standby counts as away, if not as long as usual."""
        usual_s = ALONE_S if self.term.mode == "alone" else self._settings.standby_silent_s
        answer = await self._node.ask(self._standby, said, timeout_s or usual_s)
        assert isinstance(answer, Standing), "the catalogue names the only answer"
        return answer

    # --- a whole copy ---

    async def _copy(self) -> None:
        self.copies += 1
        epoch = self.term.epoch
        self._node.log.info("the standby gets a whole copy", peer=self._standby, epoch=epoch)
        await self._ask(CopyRows(epoch, self.log.restart(), first=True), COPY_FIRST_S)
        for rows in _pieces(self._store):  # a piece goes before every batch that is newer than its reading
            await self._ask(CopyRows(epoch, self.log.acknowledged, rows=rows))
            if self.log.waiting:
                await self._pass_on()
        _, seen = position(self._store)  # some of the rows may be as new as this: on disk before the log knows of it
        while True:
            if self.log.waiting:
                await self._pass_on()
            if self.log.acknowledged >= seen:
                standing = await self._ask(CopyRows(epoch, self.log.acknowledged, last=True))
                if standing.epoch:
                    return
            await asyncio.sleep(RETRY_S)  # a transaction was read and has not been sent


class Twofold(Promise[Sequence[Any]]):
    """Answers that are on the writer's disk when they are there, and told when the standby has what they say. What is
    refused is told at once."""

    def __init__(self, replication: Replication) -> None:
        self._replication = replication

    def keep(self, answer: Sequence[Any] | Exception) -> None:
        batch = self._replication.log.last
        if self.is_over or isinstance(answer, Exception) or self._replication.has(batch):
            super().keep(answer)
            return
        promises: list[Promise[Sequence[Any]] | None] = [
            None if isinstance(one, Exception) else Promise() for one in answer
        ]
        self.is_in_part = True  # the writer did not wait for the standby
        super().keep([one if promise is None else promise for one, promise in zip(answer, promises, strict=True)])
        for one, promise in zip(answer, promises, strict=True):
            if promise is not None:
                self._replication.tell_later(batch, promise, one)


def _pieces(store: Store) -> Iterator[list[Any]]:
    """All rows, some at a time; each piece is as new as its reading."""
    for table in TABLES:
        start = b""
        while rows := _piece(store, table, start):
            yield rows
            start = rows[-1][1] + b"\0"


def _piece(store: Store, table: str, start: bytes) -> list[Any]:
    rows, size = list[Any](), 0
    for key, value in store.scan(table, start=start):
        rows.append((table, key, value))
        size += len(key) + len(value)
        if len(rows) >= COPY_ROWS or size >= COPY_BYTES_MAX:
            break
    return rows
