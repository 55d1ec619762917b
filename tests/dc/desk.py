"""What the tests of the DC share: operations applied and committed one by one, a writer that is running, short words
for messages."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import numpy as np

from mesh.failpoints import Failpoints
from mesh.protocol.cluster import CreateAccount
from mesh.protocol.lanes import STATE
from mesh.protocol.records import (
    GoldMove,
    ItemMove,
    Operate,
    Operated,
)
from mesh.seat import Workers
from mesh.testing import InlineWorkers, ManualClock
from nodes.dc import accounts, operations
from nodes.dc.cache import Rows
from nodes.dc.ledger import prepare
from nodes.dc.memory_store import MemoryStore
from nodes.dc.records import StateRow
from nodes.dc.settings import DcSettings
from nodes.dc.states import States
from nodes.dc.store import Store
from nodes.dc.view import Change, Overlay, View
from nodes.dc.writer import Writer

T = TypeVar("T")

AT_MS = 1_750_000_000_000


def commit(store: Store, changes: Sequence[Change]) -> None:
    """Put these on disk."""
    store.begin()
    store.write(changes)
    store.commit()


def put_state(states: States, session: int, row: StateRow, now: float) -> int:
    """Put one character's state, of a session that is the newest."""
    record = np.array([(row.x, row.y, row.hp, row.heading, row.state, row.xp)], STATE)
    return states.put(row.map, np.array([session], np.uint64), record, now, lambda _: True)


class Desk:
    """Carries out operations on a store, each in a commit of its own."""

    def __init__(self, store: Store | None = None, ring: int = 16, gold: int = 100) -> None:
        self.store = store or MemoryStore()
        self.rows = Rows(self.store, 10_000, 10_000_000)
        self.gold = gold
        self.do(lambda view: prepare(view, ring))

    def do(self, apply: Callable[[View], T]) -> T:
        overlay = Overlay(self.rows)
        answer = apply(overlay)
        packed = overlay.packed()
        commit(self.store, packed)
        self.rows.committed(overlay, packed)
        return answer

    def account(self, name: str) -> int:
        said = CreateAccount(name, "hash", "north")
        return self.do(lambda view: accounts.create_account(view, said, self.gold, AT_MS)).account

    def session(self, account: int) -> int:
        return self.do(lambda view: accounts.open_session(view, account, AT_MS))

    def player(self, name: str) -> tuple[int, int]:
        """Account and session."""
        account = self.account(name)
        return account, self.session(account)

    def operate(self, said: Operate) -> Operated:
        return self.do(lambda view: operations.operate(view, said, AT_MS))


def pay(session: int, sequence: int, *moves: tuple[int, int, int], parties: tuple[int, ...] = ()) -> Operate:
    return Operate(session, sequence, "pay", list(parties), [GoldMove(*move) for move in moves])


def make(session: int, sequence: int, *moves: tuple[int, int, int, str], parties: tuple[int, ...] = ()) -> Operate:
    """Item moves."""
    return Operate(session, sequence, "items", list(parties), [], [ItemMove(*move) for move in moves])


class Book:
    """A running writer with what it works on."""

    def __init__(
        self, store: Store, settings: DcSettings, workers: Workers, clock: ManualClock, failpoints: Failpoints
    ) -> None:
        self.store = store
        self.rows = Rows(store, settings.cache_rows_max, settings.cache_bytes_max)
        self.states = States(self.rows, settings.states_waiting_max)
        self.commits: list[tuple[int, int]] = []
        self.writer = Writer(store, self.rows, self.states, settings, workers, clock, self._observe, failpoints)
        self.clock = clock

    def _observe(self, _seconds: float, count: int, states: int) -> None:
        self.commits.append((count, states))

    async def account(self, name: str) -> int:
        said = CreateAccount(name, "hash")
        return (await self.writer.submit(lambda view: accounts.create_account(view, said, 100, AT_MS))).account

    async def session(self, account: int) -> int:
        return await self.writer.submit(lambda view: accounts.open_session(view, account, AT_MS))

    async def player(self, name: str) -> tuple[int, int]:
        """A new account and its session."""
        account = await self.account(name)
        return account, await self.session(account)

    def operate(self, said: Operate) -> asyncio.Future[Operated]:
        return self.writer.submit(lambda view: operations.operate(view, said, AT_MS))


@asynccontextmanager
async def writing(
    store: Store,
    workers: Workers | None = None,
    settings: DcSettings | None = None,
    failpoints: Failpoints | None = None,
) -> AsyncIterator[Book]:
    """A book whose writer runs; at the end it is stopped in order."""
    clock = ManualClock(asyncio.get_running_loop())
    book = Book(store, settings or DcSettings(), workers or InlineWorkers(), clock, failpoints or Failpoints())
    await book.writer.prepare()
    running = asyncio.get_running_loop().create_task(book.writer.run())
    try:
        yield book
    finally:
        book.writer.stop()
        await running
