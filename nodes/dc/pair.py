"""One DC of a pair: asks the center who writes, and is the writer or the standby as the answer says.

Owns the role of this node and what goes with it: as a writer its term (`lease.py`) and the sending (`replication.py`),
as a standby the applying (`standby.py`). The two never decide between themselves. A topology without a standby has no
Pair: its DC asks nobody.

    undecided   nothing is served; the other one's batches are taken if its epoch is high enough
    standby     the same, and the center knows of it
    writer      serves, from the first transaction in its epoch on, until a higher epoch is heard of
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, NoReturn

from mesh.core.membership import EPOCH
from mesh.errors import Code, MeshError, PeerLost, RefusedError, StorageError
from mesh.node import Node
from mesh.promise import Promise
from mesh.protocol.records import Operate, Operated
from mesh.protocol.replication import AskLease, Leased, TakeOver
from nodes.dc import operations
from nodes.dc.cache import Rows
from nodes.dc.group import Waiting
from nodes.dc.latest import Latest
from nodes.dc.lease import Deposed, Term
from nodes.dc.outgoing import Outgoing
from nodes.dc.replication import Replication, Twofold
from nodes.dc.settings import DcSettings
from nodes.dc.standby import Standby, position
from nodes.dc.states import States
from nodes.dc.store import DiskFull, Store
from nodes.dc.view import Change, View
from nodes.dc.writer import Writer

RENEW_S = 0.5
WATCH_S = 0.25  # how often a standby asks
ASK_S = 0.5
RETRY_S = 0.1
AGAIN_S = 0.005  # the center is to write something down: it takes two questions
SUCCEED_S = 0.01  # how often one that leaves looks whether the other one writes
DECIDE_S = 5.0  # after a start: how long to wait for somebody to write before we are Ready to follow

Role = Literal["undecided", "standby", "writer"]


class Pair:
    """See the module. `memory` is what has to be forgotten when the other one writes; `die` ends the process."""

    def __init__(
        self,
        node: Node,
        other: str,
        store: Store,
        writer: Writer,
        memory: tuple[Rows, States, Latest],
        die: Callable[[StorageError], NoReturn],
    ) -> None:
        self.other = other
        self.role: Role = "undecided"
        self.serves = False  # as the writer
        self.leaving = False  # it is about to hand its office over: nothing that is heard is answered any more
        self.failovers = 0  # times that this node took over
        self.decided = asyncio.Event()
        self.replication: Replication | None = None
        self._wake = asyncio.Event()
        self.standby = Standby(other, store, self._put, node.clock, lambda: self.role != "writer", self._wake.set)
        self._node, self._store = node, store
        self._settings: DcSettings = node.settings
        self._writer, self._memory, self._die = writer, memory, die
        self._center = node.topology.center_of(node.seat.spec.zone).name
        self._serial = self._heard = 0
        self._missed = False  # an answer of the center before the last one: then that one gave us nothing
        self._asking: asyncio.Task[Any] | None = None
        self._sending: asyncio.Task[Any] | None = None

    # --- what the node asks ---

    def facts(self) -> dict[str, str]:
        """For the registry: whoever chooses a DC goes by them."""
        if self.serves and self.replication is not None:
            return {"epoch": str(self.replication.term.epoch)}
        return {"standby": self.other}

    def describe(self) -> dict[str, Any]:
        """For `mesh status`."""
        shown: dict[str, Any] = {"pair": self.role, "other": self.other.split(".", 2)[2]}
        if self.replication is None:
            follower = self.standby.follower
            return shown | {"epoch": follower.epoch, "batch": follower.batch, "copying": follower.copying}
        term, log = self.replication.term, self.replication.log
        shown |= {"epoch": term.epoch, "batch": log.last, "standby": term.mode, "lag_batches": self.lag}
        return shown | {"replicated": self._settings.replicated, "standby_away": self._settings.standby_away}

    @property
    def lag(self) -> int:
        """Batches that the standby has not, as its writer knows."""
        return self.replication.log.waiting if self.replication is not None else 0

    @property
    def in_sync(self) -> bool:
        return self.replication is not None and self.replication.in_sync

    @property
    def is_followed(self) -> bool:
        """Of a standby that is asked to stop: is its writer still there?"""
        return self.role == "standby" and self.other in self._node.switchboard.links.up

    def may_answer(self) -> bool:
        """Is what this node has the truth? Then it may answer."""
        replication = self.replication
        if not self.serves or self.leaving or replication is None:
            return False
        return replication.term.may_speak(self._node.clock.now())

    def may_hand_over(self) -> bool:
        """Is there another one that can write at once, and somebody to decide that it does?"""
        other = self._node.member(self.other)
        is_there = other is not None and other.state == "Ready" and self._center in self._node.switchboard.links.up
        return self.serves and self.in_sync and is_there

    async def hand_over(self) -> None:
        """Everything is on this disk and nothing more is heard: the other one writes from here on, without anybody
        waiting until the lease has run out. What fails on the way leaves things as a killed writer does."""
        replication = self.replication
        assert replication is not None, "a writer has one"
        if not await replication.complete():
            return
        for task in (self._asking, self._sending):
            if task is not None:
                task.cancel()
        replication.term.hand_back()
        epoch, batch = position(self._store)
        self._serial += 1
        said = AskLease(self._serial, epoch, batch, term=epoch, heard=self._heard, leaving=True)
        await self._node.ask(self._center, said, ASK_S)
        await self._node.ask(self.other, TakeOver(epoch, batch), ASK_S)
        while not self._is_succeeded(epoch):  # noqa: ASYNC110 - the registry has no event for it
            await asyncio.sleep(SUCCEED_S)
        self._node.log.info("the other DC writes from now on", peer=self.other, epoch=epoch)
        self._node.switchboard.begin_anew()  # whoever waits for an answer asks there

    def _is_succeeded(self, epoch: int) -> bool:
        other = self._node.member(self.other)
        return other is not None and int(other.facts.get(EPOCH, 0)) > epoch

    def take(self, said: Sequence[Operate], apply: Callable[[View, Operate], Operated]) -> Promise[Sequence[Any]]:
        """Class R. What was carried out before is never refused for want of a standby: it waits for one."""

        def apply_if_safe(view: View, one: Operate) -> Operated:
            if not self.in_sync and self._settings.standby_away == "refuse" and not operations.is_known(view, one):
                raise RefusedError(Code.UNAVAILABLE, "there is no second copy at the moment: try again later")
            return apply(view, one)

        assert self.replication is not None, "only the DC that writes hears of operations"
        promise = Twofold(self.replication)
        self._writer.take(Waiting(apply_if_safe, said, promise))
        return promise

    async def shared(self) -> None:
        """Until the standby has what is on our disk, if there is one. PeerLost: another one writes, and may not."""
        if self.replication is not None:
            try:
                await self.replication.shared()
            except Deposed as error:
                raise PeerLost(str(error)) from None

    def link_lost(self, peer: str) -> None:
        """A peer is gone: is it the standby? Then nobody waits for it in vain."""
        if peer == self.other and self.replication is not None:
            self.replication.lost()

    def begin(self) -> None:
        """Find out who writes."""
        self._asking = self._node.spawn(self._run())

    def end(self) -> None:
        """The node closes: whoever waits for the standby or the center waits no more."""
        for task in (self._asking, self._sending):
            if task is not None:
                task.cancel()
        if self.replication is not None:
            self.replication.end()

    # --- the center ---

    async def _run(self) -> None:
        """Ask again and again until cancelled."""
        while True:
            answered = await self._ask()
            wishes = self.replication is not None and self.replication.term.wish is not None
            pressing = wishes or self._missed
            period = RETRY_S if not answered else AGAIN_S if pressing else RENEW_S if self.role == "writer" else WATCH_S
            with suppress(TimeoutError):
                async with asyncio.timeout(period):
                    await self._wake.wait()
            self._wake.clear()

    async def _ask(self) -> bool:
        replication, asked_at = self.replication, self._node.clock.now()
        if (place := self._position()) is None:
            return False
        self._serial += 1
        wish = replication.term.wish if replication is not None else None
        said = AskLease(
            self._serial,
            *place,
            term=replication.term.epoch if replication is not None else 0,
            synced=wish,
            free=replication is None and self.standby.follower.wants(asked_at),
            heard=self._heard,
        )
        try:
            answer = await self._node.ask(self._center, said, ASK_S)
        except MeshError:
            return False
        assert isinstance(answer, Leased), "the catalogue names the only answer"
        self._heard, self._missed = said.serial, said.heard < said.serial - 1
        if replication is not self.replication:
            return False
        if replication is not None:
            replication.term.heard(answer, self._node.name, asked_at, wish)
            replication.changed()
            if replication.term.over:
                await self._step_down(replication)
        elif answer.granted and self.standby.follower.may_begin(answer.epoch, self._node.clock.now()):
            self._take_office(answer, asked_at)
        else:
            self._follow(answer)
        return True

    def _position(self) -> tuple[int, int] | None:
        """Of our disk; None while that cannot be read. A writer is none without it."""
        try:
            return position(self._store)
        except StorageError as error:
            if self.replication is not None:
                self._die(error)
            self._node.log.error("what is known about the database cannot be read", reason=str(error))
            return None

    def _follow(self, answer: Leased) -> None:
        self.standby.follower.answered(answer.epoch, answer.over, self._node.clock.now())
        if answer.epoch and answer.writer != self._node.name and self.role != "standby":
            self.role = "standby"
            self._node.log.info("follows as a standby", writer=answer.writer, epoch=answer.epoch)
            self.decided.set()

    # --- the roles ---

    def _take_office(self, answer: Leased, asked_at: float) -> None:
        node = self._node
        self.failovers += self.role == "standby"
        self.role = "writer"
        term = Term(answer, asked_at)
        log = self._outgoing(answer.epoch)
        self.replication = Replication(node, self.other, term, log, self._store, self._settings, self._wake.set)
        node.log.info("writes from now on", epoch=answer.epoch, incarnation=f"{node.incarnation:x}", batch=log.last)
        node.spawn(self._begin(self.replication))

    async def _begin(self, replication: Replication) -> None:
        """A batch of the last writer may still be on its way to the disk: it is part of what we go on from."""
        async with self.standby.lock:
            if self.replication is not replication:
                return  # another one writes by now
            replication.log = self._outgoing(replication.term.epoch)
        self._sending = self._node.spawn(replication.run())
        self._writer.partner = replication
        self._forget()
        try:
            await self._enter(replication)
        except Deposed:
            return  # whoever has found out sees to the rest
        except StorageError as error:
            self._die(error)
        if self.replication is replication and not replication.term.over:
            self._writer.closed = False
            self.serves = True
            self._node.registry.facts_changed()
            self.decided.set()

    async def _enter(self, replication: Replication) -> None:
        """The first transaction of the new epoch. A disk that is full now is waited for: to end would help nobody."""
        while True:
            try:
                await self._writer.prepare()
            except DiskFull:
                self._writer.full = True
                await asyncio.sleep(RETRY_S)
                if replication.term.over:
                    raise Deposed(f"another DC writes, not epoch {replication.term.epoch}") from None
            else:
                return

    async def _step_down(self, replication: Replication) -> None:
        node = self._node
        node.log.warning("another DC writes: what waits here is unknown", epoch=replication.term.epoch)
        self.serves = False
        replication.changed()
        if self._sending is not None:
            self._sending.cancel()
        node.switchboard.begin_anew()  # nobody is told "no": only the other one can say what became of it
        await self._writer.depose()
        self._writer.partner = None
        self._forget()
        self.replication = None
        async with self.standby.lock:
            self.standby.begin()
            self.role = "undecided"  # only now the other one's batches are taken: this disk is what they go on from
        node.registry.facts_changed()

    def _outgoing(self, epoch: int) -> Outgoing:
        return Outgoing(epoch, position(self._store), self._settings.standby_kept_bytes)

    def _forget(self) -> None:
        """The disk is the truth, and the other one may have written to it."""
        for part in self._memory:
            part.forget()

    async def _put(self, changes: Sequence[Change]) -> None:
        """What the other one has written."""
        try:
            await self._writer.put_on_disk(changes)
        except DiskFull as error:
            raise RefusedError(Code.DISK_FULL, str(error)) from None
        except StorageError as error:
            self._die(error)
