"""The DC: who keeps player data. The shell: handlers, metrics, and the order of opening and closing.

    step 3   login -> FindAccount           the account behind a name
    step 4   the query behind it            memory, else the store; counted here
    step 5   login -> LoadStatus            a new durable session, and the character
    step 9   scene -> SaveStates            class C: applied in memory, on disk within a second
             scene -> Operate               class D: gold, items, level; exactly once
             login, center                  CreateAccount, SetBan, SetMute, SetPriority, ChangeFriendship: class D
             center -> FenceScene           class D; what this process of a scene says is not heard any more
             center -> ReadStatuses         the players of a scene that was lost
             scene -> ListMails             what waits for a player (sent and taken by Operate)
             ctl                            ReadRecords, StatDb, BackUpDb

Class D is answered after its commit and visible to nobody before it. All rules are in the pure modules beside this
one; all writing is in `writer.py`; the disk is in `store.py`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn, ParamSpec, TypeVar

import msgspec

from mesh.core.links import Link
from mesh.core.pressure import Delay
from mesh.errors import Code, RefusedError, StorageError
from mesh.node import Caller, Node, on
from mesh.protocol.catalogue import encode
from mesh.protocol.cluster import Account, CreateAccount, FindAccount, LoadStatus, StatusLoaded
from mesh.protocol.control import Done, Load, Member, Refused
from mesh.protocol.envelope import Envelope, Kind
from mesh.protocol.records import (
    ChangeFriendship,
    FenceScene,
    FriendshipChanged,
    ReadStatuses,
    SaveStates,
    SetBan,
    SetPriority,
    StatusAt,
    StatusesRead,
)
from mesh.protocol.sessions import account_of
from mesh.seat import Seat
from nodes.dc import accounts, fences, friendships, wrecks
from nodes.dc.backups import THREADS, Backups
from nodes.dc.cache import Rows
from nodes.dc.characters import states_in, status_of
from nodes.dc.figures import expose
from nodes.dc.intake import Intake
from nodes.dc.latest import Latest
from nodes.dc.mailroom import Mailroom
from nodes.dc.muting import Muting
from nodes.dc.operators import Operators
from nodes.dc.pair import DECIDE_S, Pair
from nodes.dc.settings import DcSettings
from nodes.dc.states import States
from nodes.dc.store import LmdbStore, Store
from nodes.dc.view import View
from nodes.dc.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")

CLIENT_ROLES = ("scene", "login")  # who may have something to save while everything stops
ASKERS = ("scene", "login", "center")  # who wants the DC that writes, and no other one
LOOKS_PER_FLUSH = 5  # how finely the age of cached states is watched
UNFLUSHED_S = 2.0  # that a cached state may wait for the disk while more of them are acknowledged
DELAY_S = 0.25  # of an operation that waits for its commit: at the limit
COMMIT_OPERATIONS_BUCKETS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class DcNode(Node):
    """See the module."""

    ROLE = "dc"
    SETTINGS = DcSettings

    store: Store
    rows: Rows
    states: States
    latest: Latest
    writer: Writer
    backups: Backups

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        self.settings: DcSettings
        self.states_saved = self.states_fenced = self.damaged_reads = 0
        self._workers = seat.workers(1)  # one thread: one commit at a time
        self._writing: asyncio.Task[None] | None = None
        self.pair: Pair | None = None  # of a DC that has a standby, or is one
        self._clients: set[str] = set()
        self._client_left = asyncio.Event()
        self._full_before = self._is_over = False  # over: it writes what it has, and nothing more
        self._delay = Delay()
        self._commit_seconds = self.metrics.histogram("dc_commit_seconds", "How long a commit took, fsync included.")
        self._commit_operations = self.metrics.histogram(
            "dc_commit_operations", "Durable operations in one commit.", buckets=COMMIT_OPERATIONS_BUCKETS
        )

    # --- life ---

    def open_store(self) -> Store:
        """The game database; a simulation brings its own."""
        return LmdbStore(self.seat.data, self.settings.map_bytes, self.settings.map_bytes_max)

    async def open(self) -> None:
        settings = self.settings
        self.store = await wrecks.opened(self.seat, self.open_store)
        self.seat.failpoints.hit("dc.opened")
        self.rows = Rows(self.store, settings.cache_rows_max, settings.cache_bytes_max)
        self.states, self.latest = States(self.rows, settings.states_waiting_max), Latest()
        parts = self.store, self.rows, self.states, settings, self._workers, self.clock, self._committed
        self.writer = Writer(*parts, self.seat.failpoints)
        try:
            await self._prepare()
        except StorageError:
            await self._workers.run(self.store.close)
            raise
        self.backups = Backups(self, self.store, self.writer, self.seat.workers(THREADS), settings, self.seat.data)
        mailroom = Mailroom(self, self.store, self.rows, self.writer, self._wall_ms)
        muting = Muting(self._do, self._wall_ms)
        self.serve_parts(Intake(self), self.backups, mailroom, muting, Operators(self))
        self._writing = self.spawn(self._write())
        if self.pair is not None:
            self.serve_parts(self.pair.standby)
            self.pair.begin()
        self.every(settings.flush_age_s / LOOKS_PER_FLUSH, self._look)
        expose(self)
        self.log.info("the database is open", **self.store.facts())

    async def _prepare(self) -> None:
        """A DC of its own writes at once; one of a pair waits for the word of the center."""
        standbys = self.topology.standbys
        others = standbys | {standby: first for first, standby in standbys.items()}
        if self.name not in others:
            await self.writer.prepare()
            return
        self.writer.closed = True
        memory = self.rows, self.states, self.latest
        self.pair = Pair(self, others[self.name], self.store, self.writer, memory, self._die)

    async def serve(self) -> None:
        """One of a pair is Ready when it is known who writes, or that nobody does."""
        if self.pair is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(DECIDE_S):
                    await self.pair.decided.wait()

    async def drain(self) -> None:
        """Serve who still have something to save, then put everything on disk. A standby goes behind its writer; a
        writer that can be followed at once is, so that its clients go on."""
        if self._writing is None or self._writing.done():
            return
        pair = self.pair
        if pair is not None and self._clients and pair.may_hand_over():
            pair.leaving = True
        else:
            await self._wait_for_clients()
        self._is_over = True
        self.writer.stop()
        await asyncio.shield(self._writing)
        if pair is not None and pair.leaving:
            await pair.hand_over()

    async def _wait_for_clients(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.drain_wait_s):
                while self.pair.is_followed if self.pair is not None and not self.pair.serves else self._clients:
                    self._client_left.clear()
                    await self._client_left.wait()

    async def close(self) -> None:
        if self._writing is None:
            return
        self._is_over = True
        self.writer.stop()
        if self.pair is not None:
            self.switchboard.begin_anew()  # what nobody confirms any more is answered to nobody
            self.pair.end()
        if not self._writing.done():
            await self._writing
        await self.backups.stop()
        await self._workers.run(self.store.close)
        self._workers.close()

    async def abandon(self) -> None:
        """As a killed process: what is only in memory is gone, the folder is free."""
        await super().abandon()
        if self._writing is not None:
            self.store.close()

    def facts(self) -> dict[str, str]:
        return self.pair.facts() if self.pair is not None else {}

    def heard(self, link: Link, envelopes: Sequence[Envelope]) -> None:
        """What is for the DC that writes is not for its standby, and not for one whose lease has run out. Of one that
        leaves nobody gets an answer: its links end when the other one writes. Nor of one that is stopped: its links end
        in a moment, and who asked does so again when there is a DC."""
        if self._is_over and link.role in ASKERS:
            return
        if self.pair is not None and link.role in ASKERS and not self.pair.may_answer():
            if not self.pair.leaving:
                said = msgspec.Raw(encode(Refused(Code.UNAVAILABLE, "this DC does not write")))
                for asked in envelopes:
                    if asked.kind == Kind.REQUEST:
                        self.switchboard.answer(link, asked.request, said, self.clock.now(), [], asked.trace)
            return
        self.dispatch.heard(link, envelopes)

    def peer_up(self, member: Member) -> None:
        if member.role in CLIENT_ROLES:
            self._clients.add(member.name)

    def peer_lost(self, member: Member) -> None:
        self._clients.discard(member.name)
        self._client_left.set()
        if self.pair is not None:
            self.pair.link_lost(member.name)

    def signals(self) -> dict[str, float]:
        if not self._writing:
            return {}
        counts = self.writer.counts
        done = counts.acked + counts.repeated + sum(counts.refused.values())
        return {"queue delay": self._delay.age_s(done, self.writer.depth, self.clock.now()) / DELAY_S}

    def load(self) -> Load:
        return Load(pressure=min(1.0, self.writer.depth / self.settings.queue_max) if self._writing else 0.0)

    def describe(self) -> dict[str, Any]:
        return {
            "durable_acked": self.writer.counts.acked,
            "queue_depth": self.writer.depth,
            "states_waiting": len(self.states),
            "oldest_state_s": round(self.states.age_s(self.clock.now()), 3),
            "disk_full": self.writer.full,
            "cache_rows": len(self.rows),
            **(self.pair.describe() if self.pair is not None else {}),
        }

    async def _write(self) -> None:
        try:
            await self.writer.run()
        except StorageError as error:
            self._die(error)
        except Exception as error:  # noqa: BLE001 - whatever it is: without its writer a DC takes everything and answers nothing
            self._die(StorageError(f"{type(error).__name__}: {error}"))

    def _die(self, error: StorageError) -> NoReturn:
        text = "a commit failed, so nobody knows what is on disk: the process ends"
        self.log.error(text, reason=str(error))
        wrecks.commit_failed(self.seat, str(error))
        raise SystemExit(f"{self.seat.spec.short}: {text}: {error}") from None

    def _look(self) -> None:
        self.writer.look()
        if self.writer.full != self._full_before:
            self._full_before = self.writer.full
            if self.writer.full:
                self.log.error("the disk is full: changes are refused, reads go on")
            else:
                self.log.info("there is room on the disk again")

    # --- accounts ---

    @on(FindAccount)
    def on_find_account(self, said: FindAccount, _caller: Caller) -> Account:
        self.step(4)
        with self.timed(4, "game DB"):
            return self.read(accounts.find_account, self.rows, said.name)

    @on(CreateAccount)
    async def on_create_account(self, said: CreateAccount, _caller: Caller) -> Account:
        gold, at_ms = self.settings.starting_gold, self._wall_ms()
        return await self._do(lambda view: accounts.create_account(view, said, gold, at_ms))

    @on(SetBan)
    async def on_set_ban(self, said: SetBan, _caller: Caller) -> Account:
        at_ms = self._wall_ms()
        return await self._do(lambda view: accounts.set_ban(view, said, at_ms))

    @on(SetPriority)
    async def on_set_priority(self, said: SetPriority, _caller: Caller) -> Account:
        at_ms = self._wall_ms()
        return await self._do(lambda view: accounts.set_priority(view, said, at_ms))

    @on(LoadStatus)
    async def on_load_status(self, said: LoadStatus, _caller: Caller) -> StatusLoaded:
        self.writer.admit()
        at_ms = self._wall_ms()
        session = await self._do(lambda view: accounts.log_in(view, said.account, at_ms))
        self.latest.opened(session)
        return StatusLoaded(session, self.read(status_of, self.rows, self.states.get, said.account))

    @on(ChangeFriendship)
    async def on_change_friendship(self, said: ChangeFriendship, _caller: Caller) -> FriendshipChanged:
        at_ms = self._wall_ms()
        return await self._do(lambda view: friendships.change_friendship(view, said, at_ms))

    # --- characters ---

    @on(SaveStates)
    def on_save_states(self, said: SaveStates, caller: Caller) -> Done:
        sessions, states = states_in(said)
        try:
            self.read(fences.refuse_fenced, self.rows, caller.peer, caller.incarnation)
        except RefusedError:
            self.states_fenced += len(sessions)
            raise
        if not self.states.room(len(sessions)):
            raise RefusedError(Code.UNAVAILABLE, "too many states wait for the disk")
        now = self.clock.now()
        taken = self.states.put(said.map, sessions, states, now, self._is_newest)
        self.states_saved += taken
        self.states_fenced += len(sessions) - taken
        if self.writer.full:  # kept in memory, but what Done promises cannot be promised
            raise RefusedError(Code.DISK_FULL, "the disk of the DC is full")
        if self.states.age_s(now) > UNFLUSHED_S:  # the same
            raise RefusedError(Code.UNAVAILABLE, f"states wait for the disk of the DC for more than {UNFLUSHED_S:g} s")
        return Done()

    def _is_newest(self, session: int) -> bool:
        try:
            return accounts.is_newest(self.rows, session)
        except StorageError:
            self.damaged_reads += 1
            return False  # one damaged row must not keep the others of the batch from being saved

    # --- scenes that were lost ---

    @on(FenceScene)
    async def on_fence_scene(self, said: FenceScene, _caller: Caller) -> Done:
        at_ms = self._wall_ms()
        await self._do(lambda view: fences.fence_scene(view, said, at_ms))
        return Done()

    @on(ReadStatuses)
    async def on_read_statuses(self, said: ReadStatuses, _caller: Caller) -> StatusesRead:
        found: list[StatusAt] = []
        for session in said.sessions:
            await asyncio.sleep(0)  # some have a thousand operations to look at
            if self._is_newest(session):
                try:
                    found.append(self.read(self._status_at, session))
                except RefusedError as error:
                    if error.code != Code.INTERNAL:
                        raise  # not now: the center asks again
                    # it is damaged, which was logged: it cannot be saved
        return StatusesRead(found)

    def _status_at(self, session: int) -> StatusAt:
        status = status_of(self.rows, self.states.get, account_of(session))
        return StatusAt(session, status, fences.last_operation(self.store, session))

    # --- helpers ---

    async def _do(self, apply: Callable[[View], T]) -> T:
        """Carry out a durable operation that is none of a scene's. They are few, and others are built on them: no
        failover may lose one, whatever else does not wait for the standby."""
        answer = await self.writer.submit(apply)
        if self.pair is not None:
            await self.pair.shared()
        return answer

    def read(self, function: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Read rows; what is damaged is refused, never served."""
        try:
            return function(*args, **named)
        except StorageError as error:
            self.damaged_reads += 1
            self.log.error("a row cannot be read", reason=str(error))
            raise RefusedError(Code.INTERNAL, str(error)) from None

    def _wall_ms(self) -> int:
        return round(self.clock.wall() * 1000)

    def _committed(self, seconds: float, operations_count: int, _states: int) -> None:
        self._commit_seconds.observe(seconds)
        self._commit_operations.observe(operations_count)
