"""The DC: who keeps player data. The shell: handlers, metrics, and the order of opening and closing.

    step 3   login -> FindAccount           the account behind a name
    step 4   the query behind it            memory, else the store; counted here
    step 5   login -> LoadStatus            a new durable session, and the character
    step 9   scene -> SaveStates            class C: applied in memory, on disk within a second
             scene -> Operate               class D: gold, items, level; exactly once
             login, center                  CreateAccount, SetBan, SetPriority, ChangeFriendship: class D
             ctl                            ReadRecords, StatDb

Class D is answered after its commit and visible to nobody before it. All rules are in the pure modules beside this
one; all writing is in `writer.py`; the disk is in `store.py`.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, ParamSpec, TypeVar

from mesh.core.pressure import Delay
from mesh.errors import Code, RefusedError, StorageError
from mesh.node import Caller, Node, on
from mesh.protocol.cluster import (
    Account,
    CreateAccount,
    FindAccount,
    LoadStatus,
    StatusLoaded,
)
from mesh.protocol.control import Done, Load, Member
from mesh.protocol.records import (
    ChangeFriendship,
    DbStat,
    FriendshipChanged,
    Operate,
    Operated,
    ReadRecords,
    Records,
    SaveStates,
    SetBan,
    SetPriority,
    StatDb,
)
from mesh.seat import Seat
from nodes.dc import accounts, friendships, operations
from nodes.dc.cache import Rows
from nodes.dc.characters import states_in, status_of
from nodes.dc.listing import find_rows, stat
from nodes.dc.records import STATES, TABLES
from nodes.dc.settings import DcSettings
from nodes.dc.states import States
from nodes.dc.store import LmdbStore, Store
from nodes.dc.view import View
from nodes.dc.writer import Writer

P = ParamSpec("P")
T = TypeVar("T")

CLIENT_ROLES = ("scene", "login")  # who may have something to save while everything stops
LOOKS_PER_FLUSH = 5  # how finely the age of cached states is watched
DELAY_S = 0.25  # of an operation that waits for its commit: at the limit
PURSES_SUMMED_MAX = 200_000  # more would hold the loop for too long; the offline `stat` counts any number
COMMIT_OPERATIONS_BUCKETS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class DcNode(Node):
    """See the module."""

    ROLE = "dc"
    SETTINGS = DcSettings

    store: Store
    rows: Rows
    states: States
    writer: Writer

    def __init__(self, seat: Seat) -> None:
        super().__init__(seat)
        self.settings: DcSettings
        self.states_saved = self.states_fenced = self.damaged_reads = 0
        self._workers = seat.workers(1)  # one thread: one commit at a time
        self._writing: asyncio.Task[None] | None = None
        self._clients: set[str] = set()
        self._client_left = asyncio.Event()
        self._full_before = False
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
        self.store = self.open_store()
        self.rows = Rows(self.store, settings.cache_rows_max, settings.cache_bytes_max)
        self.states = States(self.rows, settings.states_waiting_max)
        self.writer = Writer(self.store, self.rows, self.states, settings, self._workers, self.clock, self._committed)
        try:
            await self.writer.prepare()
        except StorageError:
            await self._workers.run(self.store.close)
            raise
        self._writing = self.spawn(self._write())
        self.every(settings.flush_age_s / LOOKS_PER_FLUSH, self._look)
        self._expose()
        self.log.info("the database is open", **self.store.facts())

    async def drain(self) -> None:
        """Serve those who still have something to save, then put everything on disk."""
        if self._writing is None or self._writing.done():
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(self.settings.drain_wait_s):
                while self._clients:
                    self._client_left.clear()
                    await self._client_left.wait()
        self.writer.stop()
        await asyncio.shield(self._writing)

    async def close(self) -> None:
        if self._writing is None:
            return
        self.writer.stop()
        if not self._writing.done():
            await self._writing
        await self._workers.run(self.store.close)
        self._workers.close()

    async def abandon(self) -> None:
        """As a killed process: what is only in memory is gone, the folder is free."""
        await super().abandon()
        if self._writing is not None:
            self.store.close()

    def peer_up(self, member: Member) -> None:
        if member.role in CLIENT_ROLES:
            self._clients.add(member.name)

    def peer_lost(self, member: Member) -> None:
        self._clients.discard(member.name)
        self._client_left.set()

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
        }

    async def _write(self) -> None:
        try:
            await self.writer.run()
        except StorageError as error:
            text = "a commit failed, so nobody knows what is on disk: the process ends"
            self.log.error(text, reason=str(error))
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
            return self._read(accounts.find_account, self.rows, said.name)

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
        at_ms = self._wall_ms()
        session = await self._do(lambda view: accounts.log_in(view, said.account, at_ms))
        return StatusLoaded(session, self._read(status_of, self.rows, self.states.get, said.account))

    @on(ChangeFriendship)
    async def on_change_friendship(self, said: ChangeFriendship, _caller: Caller) -> FriendshipChanged:
        at_ms = self._wall_ms()
        return await self._do(lambda view: friendships.change_friendship(view, said, at_ms))

    # --- characters ---

    @on(SaveStates)
    def on_save_states(self, said: SaveStates, _caller: Caller) -> Done:
        sessions, states = states_in(said)
        if not self.states.room(len(sessions)):
            raise RefusedError(Code.UNAVAILABLE, "too many states wait for the disk")
        taken = self.states.put(said.map, sessions, states, self.clock.now(), self._is_newest)
        self.states_saved += taken
        self.states_fenced += len(sessions) - taken
        if self.writer.full:  # kept in memory, but what Done promises cannot be promised
            raise RefusedError(Code.DISK_FULL, "the disk of the DC is full")
        return Done()

    def _is_newest(self, session: int) -> bool:
        try:
            return accounts.is_newest(self.rows, session)
        except StorageError:
            self.damaged_reads += 1
            return False  # one damaged row must not keep the others of the batch from being saved

    @on(Operate)
    def on_operate(self, said: Operate, _caller: Caller) -> asyncio.Future[Operated]:
        return self.writer.submit(partial(operations.operate, said=said, at_ms=self._wall_ms()))

    # --- operators ---

    @on(ReadRecords)
    def on_read_records(self, said: ReadRecords, _caller: Caller) -> Records:
        table = TABLES.get(said.table)
        if table is None:
            raise RefusedError(Code.NOT_FOUND, f"no table {said.table}; there are {', '.join(sorted(TABLES))}")
        rows, more = self._read(find_rows, self.store, table, said.prefix, said.limit)
        if table is STATES:
            rows = [(key, self._newest(key, shown)) for key, shown in rows]
        return Records(list(rows), more)

    def _newest(self, key: str, shown: dict[str, Any]) -> dict[str, Any]:
        row = self.states.waiting(int(key))
        return shown if row is None else STATES.show(row)

    @on(StatDb)
    def on_stat_db(self, _said: StatDb, _caller: Caller) -> DbStat:
        facts = self._read(stat, self.store, PURSES_SUMMED_MAX)
        waiting = {
            "operations": self.writer.depth,
            "states": len(self.states),
            "oldest_state_s": self.states.age_s(self.clock.now()),
        }
        cache = {"rows": len(self.rows), "bytes": self.rows.bytes, "hits": self.rows.hits, "misses": self.rows.misses}
        return DbStat({**facts, "waiting": waiting, "cache": cache, "durable_acked": self.writer.counts.acked})

    # --- helpers ---

    async def _do(self, apply: Callable[[View], T]) -> T:
        """Carry out a durable operation."""
        return await self.writer.submit(apply)

    def _read(self, function: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
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

    def _expose(self) -> None:
        reads, counts, rows, states = self.metrics.reads, self.writer.counts, self.rows, self.states
        reads(
            "dc_durable_acked_total", "Durable operations acknowledged: all of them are on disk.", lambda: counts.acked
        )
        reads("dc_repeated_total", "Durable operations that changed nothing: repeated ones.", lambda: counts.repeated)
        reads("dc_refused_total", "Durable operations refused.", self._refused, "code")
        reads("dc_commits_total", "Commits.", lambda: counts.commits)
        reads("dc_queue_depth", "Durable operations that wait for a commit.", lambda: self.writer.depth)
        reads("dc_states_saved_total", "Character states taken into memory.", lambda: self.states_saved)
        reads("dc_states_fenced_total", "Character states of ended sessions, ignored.", lambda: self.states_fenced)
        reads("dc_states_flushed_total", "Character states written to disk.", lambda: counts.states)
        reads("dc_states_waiting", "Character states that are not on disk yet.", lambda: len(states))
        reads("dc_oldest_unflushed_seconds", "Age of the oldest of these.", lambda: states.age_s(self.clock.now()))
        reads("dc_cache_hits_total", "Rows found in memory.", lambda: rows.hits)
        reads("dc_cache_misses_total", "Rows that were not.", lambda: rows.misses)
        reads("dc_cache_evicted_total", "Rows dropped from memory for want of room.", lambda: rows.evicted)
        reads("dc_cache_rows", "Rows in memory.", lambda: len(rows))
        reads("dc_cache_bytes", "Their size, estimated.", lambda: rows.bytes)
        reads("dc_damaged_reads_total", "Reads that met a damaged row.", lambda: self.damaged_reads)
        reads("dc_disk_full", "1 while there is no room on the disk.", lambda: int(self.writer.full))
        reads("dc_used_bytes", "Bytes of the store that are in use.", lambda: self._sizes()["used_bytes"])
        reads(
            "dc_map_bytes",
            "Bytes that the store may use before it is enlarged.",
            lambda: self._sizes()["map_bytes"],
        )

    def _sizes(self) -> dict[str, Any]:
        """A store that is closed cannot be asked any more."""
        return {"used_bytes": 0, "map_bytes": 0} if self.state == "Shutdown" else self.store.facts()

    def _refused(self) -> dict[tuple[str, ...], float]:
        return {(code,): count for code, count in self.writer.counts.refused.items()}
