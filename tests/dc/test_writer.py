"""The one writer: order, groups, acknowledgement after the commit and never before, full maps, full disks, the end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import pytest

from mesh.errors import Code, RefusedError, StorageError
from mesh.failpoints import Armed, Failpoints
from mesh.promise import Promise
from mesh.protocol.cluster import CreateAccount
from mesh.protocol.records import GoldMove
from mesh.protocol.sessions import session_of
from mesh.testing import ManualClock, run, wait_until
from nodes.dc import accounts, ledger
from nodes.dc.cache import Rows
from nodes.dc.group import ROWS_MAX, Waiting
from nodes.dc.memory_store import MemoryStore
from nodes.dc.records import META, NAMES, PURSES, STATES, MetaRow, NameRow, StateRow
from nodes.dc.settings import DcSettings
from nodes.dc.states import States
from nodes.dc.store import DiskFull
from nodes.dc.view import Change, Overlay, View
from nodes.dc.writer import Writer

from .conftest import MIB, MakeStore
from .desk import AT_MS, Book, commit, pay, put_state, writing
from .test_accounts import refused

T = TypeVar("T")


class HeldWorkers:
    """A thread that does nothing until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.go.set()
        self.begun = 0  # commits

    def run(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        self.begun += "commit" in function.__name__
        return self._let_go(function, *args)

    async def _let_go(self, function: Callable[..., T], *args: Any) -> T:
        await self.go.wait()
        return function(*args)

    def close(self) -> None:
        pass


class HookedStore(MemoryStore):
    """Something happens behind each commit, and the writing of rows may fail."""

    then: Callable[[], object] = staticmethod(lambda: None)
    on_write: StorageError | None = None

    def write(self, changes: Sequence[Change]) -> None:
        if self.on_write is not None:
            raise self.on_write
        super().write(changes)

    def commit(self) -> None:
        super().commit()
        self.then()


def test_operations_are_carried_out_in_order_and_in_groups() -> None:
    async def story() -> None:
        store, workers = MemoryStore(), HeldWorkers()
        async with writing(store, workers) as book:
            anna, session = await book.player("anna")
            workers.go.clear()
            waiting = [book.operate(pay(session, 1, (anna, -1, 100)))]
            await wait_until(lambda: workers.begun == 4)  # it is being committed; what comes now gathers
            waiting += [book.operate(pay(session, n, (0, anna, 1))) for n in range(2, 50)]
            waiting += [book.operate(pay(session, 50, (anna, -1, 48)))]  # only if the ones before were carried out
            before = store.commits
            workers.go.set()
            answers = await asyncio.gather(*waiting)
            assert store.commits == before + 2
            assert book.commits[-1] == (49, 0)
            assert [answer.holdings[0].gold for answer in answers] == [*range(49), 0]
            assert book.writer.counts.acked == 52

    run(story())


def test_a_group_has_a_limit() -> None:
    async def story() -> None:
        async with writing(MemoryStore(), settings=DcSettings(operations_per_commit=10)) as book:
            await asyncio.gather(*[book.account(f"p{n}") for n in range(25)])
            assert [count for count, _ in book.commits] == [10, 10, 5]

    run(story())


def test_what_is_left_over_by_a_full_group_is_applied_while_the_disk_is_busy() -> None:
    async def story() -> None:
        store, workers = MemoryStore(), HeldWorkers()
        async with writing(store, workers, DcSettings(operations_per_commit=10)) as book:
            await book.account("first")
            begun, on_disk, seen = workers.begun + 1, store.commits, list[tuple[int, int]]()
            workers.go.clear()
            under_way = asyncio.ensure_future(book.account("second"))
            await wait_until(lambda: workers.begun == begun)

            def noted(view: View, name: str) -> object:
                seen.append((workers.begun - begun, store.commits - on_disk))
                return accounts.create_account(view, CreateAccount(name, ""), 100, AT_MS)

            waiting = [book.writer.submit(partial(noted, name=f"p{n}")) for n in range(25)]
            workers.go.set()
            await asyncio.gather(under_way, *waiting)
            assert seen == [(0, 0)] * 10 + [(1, 1)] * 10 + [(2, 2)] * 5

    run(story())


def test_a_promise_is_kept_when_it_is_on_disk_whatever_comes_of_the_others() -> None:
    async def story() -> None:
        failures: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context["exception"]))
        store, heard = MemoryStore(), list[list[object]]()

        def hear(_promise: object, answers: Any) -> None:
            heard.append([getattr(answer, "account", answer) for answer in answers])
            if len(heard) == 1:
                raise ValueError("of the first")

        def create(view: View, said: CreateAccount) -> object:
            return accounts.create_account(view, said, 9, AT_MS)

        async with writing(store) as book:
            before = store.commits
            for names in (("anna", "ANNA", "bert"), ("Bert",), ("cleo", "dora"), ("nobody", "nobody else")):
                promise: Promise[Any] = Promise()
                promise.then = hear
                book.writer.take(Waiting(create, [CreateAccount(name, "") for name in names], promise))
            promise.give_up()
            assert not heard
            assert book.writer.depth == 8
            await wait_until(lambda: len(heard) == 3)
            assert store.commits == before + 1
            assert (book.writer.counts.acked, book.writer.counts.refused) == (4, {Code.EXISTS: 2})
            assert book.writer.depth == 0
        (anna, again, bert), (taken,), (cleo, dora) = heard
        assert isinstance(again, RefusedError)
        assert isinstance(taken, RefusedError)
        assert [anna, bert, cleo, dora] == [1, 2, 3, 4]
        assert [str(failure) for failure in failures] == ["of the first"]

    run(story())


def test_a_failpoint_meets_each_operation_of_those_that_came_in_one_go() -> None:
    async def story() -> None:
        failpoints = Failpoints({"dc.operation-heard": Armed("stall", 1, ever_after=True)})
        async with writing(MemoryStore(), failpoints=failpoints) as book:
            promise: Promise[Any] = Promise()
            said = [CreateAccount(name, "") for name in ("anna", "bert", "cleo")]
            book.writer.take(Waiting(lambda view, one: accounts.create_account(view, one, 9, AT_MS), said, promise))
            assert failpoints.hits == {"dc.operation-heard": 3}

    run(story())


def test_nobody_sees_or_hears_of_it_before_it_is_on_disk(make_store: MakeStore) -> None:
    async def story() -> None:
        workers = HeldWorkers()
        async with writing(make_store(), workers) as book:
            anna, session = await book.player("anna")
            workers.go.clear()
            done = book.operate(pay(session, 1, (anna, -1, 40)))
            taken = asyncio.ensure_future(book.account("bert"))
            await wait_until(lambda: workers.begun == 4)
            refusal = asyncio.ensure_future(book.account("BERT"))  # would tell that bert exists
            for _ in range(20):
                await asyncio.sleep(1)
            assert not done.done()
            assert not taken.done()
            assert not refusal.done()
            assert ledger.gold_of(book.rows, anna) == 100
            with refused(Code.NOT_FOUND):
                accounts.find_account(book.rows, "bert")
            workers.go.set()
            assert (await done).holdings[0].gold == 60
            with refused(Code.EXISTS):
                await refusal
            assert ledger.gold_of(book.rows, anna) == 60

    run(story())


class Partner:
    """A standby that confirms when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.waiting = False

    def stamp(self, view: View) -> None:
        pass

    async def agreed(self, changes: Sequence[Change]) -> None:
        self.waiting = bool(changes)
        await self.go.wait()
        self.waiting = False


def test_nobody_reads_from_the_disk_what_the_standby_has_not_confirmed() -> None:
    """What is not in memory any more is looked for on the disk, where it is newer than it may be seen."""

    async def story() -> None:
        async with writing(MemoryStore()) as book:
            anna, bert = await book.account("anna"), await book.account("bert")
            session = await book.session(anna)
            partner = book.writer.partner = Partner()
            done = book.operate(pay(session, 1, (anna, -1, 40)))
            await wait_until(lambda: partner.waiting)
            book.rows.forget()
            with refused(Code.UNAVAILABLE):
                ledger.gold_of(book.rows, anna)
            assert ledger.gold_of(book.rows, bert) == 100
            ahead = book.operate(pay(session, 2, (anna, -1, 10)))
            looking = asyncio.ensure_future(look(book))
            await asyncio.sleep(1)
            assert not looking.done()
            partner.go.set()
            assert (await done).holdings[0].gold == 60
            assert await looking in (60, 50)
            assert (await ahead).holdings[0].gold == 50
            assert ledger.gold_of(book.rows, anna) == 50
            assert await look(book) == 50

    async def look(book: Book) -> int:
        async with book.writer.settled():
            key = PURSES.keys.pack(1)
            value = book.store.get(PURSES.name, key)
            assert value is not None
            return PURSES.unpack(key, value).gold

    run(story())


def test_who_is_no_writer_any_more_waits_for_its_first_transaction_to_end_too() -> None:
    async def story() -> None:
        store, workers = MemoryStore(), HeldWorkers()
        async with writing(store) as book:
            await book.account("anna")
        clock = ManualClock(asyncio.get_running_loop())
        rows = Rows(store, 10, 10_000)
        later = Writer(store, rows, States(rows, 10), DcSettings(), workers, clock, lambda *_: None)
        later.partner = partner = Partner()
        partner.go.set()
        workers.go.clear()
        preparing = asyncio.ensure_future(later.prepare())
        await asyncio.sleep(0)
        deposing = asyncio.ensure_future(later.depose())
        await asyncio.sleep(1)
        assert not deposing.done(), "something is on its way to the disk"
        workers.go.set()
        await preparing
        await deposing

    run(story())


def test_a_refused_operation_does_not_touch_the_others_of_its_group() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with writing(store) as book:
            anna, session = await book.player("anna")
            moves = [pay(session, 1, (anna, -1, 60)), pay(session, 2, (anna, -1, 60)), pay(session, 3, (anna, -1, 40))]
            answers = await asyncio.gather(*[book.operate(said) for said in moves], return_exceptions=True)
            assert isinstance(answers[1], RefusedError)
            assert ledger.gold_of(book.rows, anna) == 0
            assert (book.writer.counts.acked, book.writer.counts.refused) == (4, {"insufficient": 1})
            assert store.count("ledger") == 4

    run(story())


def test_acknowledged_is_what_is_in_the_ledger() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with writing(store) as book:
            anna, session = await book.player("anna")
            said = pay(session, 1, (0, anna, 5))
            await asyncio.gather(*[book.operate(said) for _ in range(5)])
            assert (book.writer.counts.acked, book.writer.counts.repeated) == (3, 4)
            assert store.count("ledger") == 3

    run(story())


def test_a_map_that_is_full_grows_and_nobody_notices(make_store: MakeStore) -> None:
    async def story() -> None:
        store = make_store(MIB // 4, 64 * MIB)
        async with writing(store) as book:
            names = [f"p{n}" for n in range(3000)]
            await asyncio.gather(*[book.account(name) for name in names])
            assert store.count("accounts") == 3000
            assert book.writer.counts.refused == {}
            assert store.facts()["map_bytes"] >= MIB

    run(story())


def test_a_map_that_may_not_grow_is_a_full_disk(make_store: MakeStore) -> None:
    async def story() -> None:
        async with writing(make_store(MIB // 4, MIB // 4)) as book:
            anna = await book.account("anna")
            answers = await asyncio.gather(*[book.account(f"p{n}") for n in range(3000)], return_exceptions=True)
            codes = {error.code for error in answers if isinstance(error, RefusedError)}
            assert codes == {Code.DISK_FULL}
            assert ledger.gold_of(book.rows, anna) == 100

    run(story())


def test_a_full_disk_refuses_at_once_keeps_reading_and_comes_back() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with writing(store) as book:
            anna = await book.account("anna")
            store.fail = DiskFull("no room left for /srv/zone/data.mdb")
            for _ in range(3):
                with refused(Code.DISK_FULL) as said:
                    await book.account("bert")
                assert "/" not in said.value.text, "players are told this: it names no file of ours"
            assert book.writer.full
            assert ledger.gold_of(book.rows, anna) == 100
            store.fail = None
            with refused(Code.DISK_FULL):
                await book.account("bert")  # not tried again yet
            await asyncio.sleep(0.3)
            await book.account("bert")
            assert not book.writer.full
            assert accounts.find_account(book.rows, "bert").account == anna + 1

    run(story())


def test_states_survive_a_full_disk() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with writing(store) as book:
            anna = await book.account("anna")
            store.fail = DiskFull("no room left")
            put_state(book.states, session_of(anna, 1), StateRow("meadow", 1, 2, 50), book.clock.now())
            for _ in range(20):
                await asyncio.sleep(0.1)
                book.writer.look()
            assert len(book.states) == 1
            store.fail = None
            for _ in range(5):
                await asyncio.sleep(0.1)
                book.writer.look()
            assert len(book.states) == 0
            assert book.rows.get(STATES, anna) == StateRow("meadow", 1, 2, 50, session=session_of(anna, 1))

    run(story())


class SlowWorkers(HeldWorkers):
    """Whose disk takes its time."""

    async def _let_go(self, function: Callable[..., T], *args: Any) -> T:
        if "commit" in function.__name__:
            await asyncio.sleep(0.3)
        return function(*args)


def test_no_more_is_taken_than_a_slow_disk_writes_in_half_a_second() -> None:
    async def story() -> None:
        async with writing(MemoryStore(), SlowWorkers(), DcSettings(operations_per_commit=10)) as book:
            await book.account("first")
            under_way = asyncio.ensure_future(book.account("under way"))
            await asyncio.sleep(0.1)
            waiting = [asyncio.ensure_future(book.account(f"p{n}")) for n in range(25)]
            await asyncio.wait(waiting, timeout=0.1)
            refusals = [one for one in waiting if one.done()]
            assert len(refusals) == 5, "two groups of ten are 0.6 s"
            for one in refusals:
                with refused(Code.UNAVAILABLE):
                    await one
            await asyncio.gather(under_way, *(one for one in waiting if one not in refusals))
            await book.account("last")

    run(story())


def test_any_other_commit_error_ends_the_writer() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with writing(store) as book:
            store.fail = StorageError("the disk is broken")
            done = book.writer.submit(lambda view: accounts.create_account(view, CreateAccount("a", ""), 1, AT_MS))
            await asyncio.sleep(1)
            assert not done.done()  # nobody knows, so nobody is told

    with pytest.raises(StorageError, match="broken"):
        run(story())


def test_cached_states_are_on_disk_within_their_age() -> None:
    async def story() -> None:
        async with writing(MemoryStore(), settings=DcSettings(flush_age_s=0.5, states_per_commit=10)) as book:
            numbers = [await book.account(f"p{n}") for n in range(25)]
            commits = len(book.commits)
            for number in numbers:
                put_state(book.states, session_of(number, 1), StateRow("meadow", 1, 2, 50), book.clock.now())
            await asyncio.sleep(0.4)
            book.writer.look()
            await book.session(numbers[0])  # a durable operation does not take young states along
            assert len(book.states) == 25
            await asyncio.sleep(0.1)
            book.writer.look()
            await asyncio.sleep(0.05)
            assert len(book.states) == 0
            assert book.commits[commits:] == [(1, 0), (0, 10), (0, 10), (0, 5)]

    run(story())


def test_stopping_puts_everything_on_disk_and_takes_nothing_more(make_store: MakeStore) -> None:
    async def story() -> None:
        store = make_store()
        async with writing(store) as book:
            anna = await book.account("anna")
            late = asyncio.ensure_future(book.account("bert"))
            await asyncio.sleep(0)
            put_state(book.states, session_of(anna, 1), StateRow("meadow", 1, 2, 50), book.clock.now())
            book.writer.stop()
            with refused(Code.SHUTDOWN):
                await book.account("carl")
            await late
        assert store.count("accounts") == 2
        assert (len(book.states), book.rows.get(STATES, anna)) == (
            0,
            StateRow("meadow", 1, 2, 50, session=session_of(anna, 1)),
        )

    run(story())


def test_the_queue_is_bounded() -> None:
    async def story() -> None:
        workers = HeldWorkers()
        async with writing(MemoryStore(), workers, DcSettings(queue_max=5)) as book:
            workers.go.clear()
            waiting = [asyncio.ensure_future(book.account("first"))]
            await wait_until(lambda: workers.begun == 2)
            waiting += [asyncio.ensure_future(book.account(f"p{n}")) for n in range(8)]
            await asyncio.sleep(1)
            assert book.writer.depth == 5
            workers.go.set()
            answers = await asyncio.gather(*waiting, return_exceptions=True)
            assert sum(isinstance(answer, RefusedError) for answer in answers) == 3

    run(story())


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    async def story() -> None:
        workers = HeldWorkers()
        async with writing(MemoryStore(), workers) as book:
            workers.go.clear()
            first = asyncio.ensure_future(book.account("first"))
            await wait_until(lambda: workers.begun == 2)
            second = asyncio.ensure_future(book.account("second"))
            await asyncio.sleep(1)
            first.cancel()  # under way: it happens all the same
            second.cancel()
            await asyncio.sleep(1)
            workers.go.set()
            await book.account("third")
            assert accounts.find_account(book.rows, "first").account == 1
            with refused(Code.NOT_FOUND):
                accounts.find_account(book.rows, "second")

    run(story())


def test_what_is_cancelled_after_it_was_applied_ahead_is_taken_out_and_the_others_are_applied_anew() -> None:
    async def story() -> None:
        workers = HeldWorkers()
        async with writing(MemoryStore(), workers) as book:
            anna, session = await book.player("anna")
            workers.go.clear()
            first = book.operate(pay(session, 1, (0, anna, 5)))
            await wait_until(lambda: workers.begun == 4)
            ahead = [book.operate(pay(session, n, (anna, -1, amount))) for n, amount in ((2, 100), (3, 50), (4, 5))]
            assert ledger.gold_of(book.rows, anna) == 100
            ahead[0].cancel()  # with it, the one behind it would have been refused
            workers.go.set()
            assert (await first).holdings[0].gold == 105
            assert [(await done).holdings[0].gold for done in ahead[1:]] == [55, 50]
            assert ledger.gold_of(book.rows, anna) == 50
            assert book.store.count("ledger") == 5

    run(story())


def test_newcomers_are_refused_while_the_players_operations_wait_for_long() -> None:
    async def story() -> None:
        workers = HeldWorkers()
        async with writing(MemoryStore(), workers) as book:
            anna, session = await book.player("anna")
            workers.go.clear()
            waiting = [book.operate(pay(session, n, (0, anna, 1))) for n in range(1, 4)]
            for _ in range(6):
                book.writer.admit()  # a moment is nothing
                await asyncio.sleep(0.1)
            waiting.append(book.operate(pay(session, 4, (0, anna, 1))))  # who is here goes on
            await asyncio.sleep(0.1)
            with refused(Code.UNAVAILABLE):
                book.writer.admit()
            workers.go.set()
            assert len(await asyncio.gather(*waiting)) == 4
            book.writer.admit()
            assert book.writer.admission.refused == 1

    run(story())


def test_a_slow_disk_is_no_queue() -> None:
    """What comes during a commit waits for its end, however little comes."""

    async def story() -> None:
        workers = HeldWorkers()
        async with writing(MemoryStore(), workers) as book:
            anna, session = await book.player("anna")
            for number in range(1, 20):
                workers.go.clear()
                paid = [book.operate(pay(session, 2 * number + n, (0, anna, 1))) for n in range(2)]
                await asyncio.sleep(0.15)
                book.writer.admit()
                workers.go.set()
                await asyncio.gather(*paid)

    run(story())


def test_a_group_is_finished_when_the_disk_has_the_next_one() -> None:
    """What was paid is seen by the operation that was applied over it, and by whoever reads it afterwards."""

    async def story() -> None:
        store, workers = HookedStore(), HeldWorkers()
        async with writing(store, workers) as book:
            anna, session = await book.player("anna")
            workers.go.clear()
            first = book.operate(pay(session, 1, (anna, -1, 100)))
            begun, on_disk = workers.begun + 1, store.commits
            await wait_until(lambda: workers.begun == begun)
            second = book.operate(pay(session, 2, (0, anna, 7)))
            store.then = workers.go.clear
            workers.go.set()
            assert (await first).holdings[0].gold == 0
            assert (workers.begun - begun, store.commits - on_disk, ledger.gold_of(book.rows, anna)) == (1, 1, 0)
            third = book.operate(pay(session, 3, (0, anna, 1)))
            workers.go.set()
            assert (await second).holdings[0].gold == 7
            workers.go.set()
            assert (await third).holdings[0].gold == 8

    run(story())


def test_what_is_on_disk_is_acknowledged_though_the_next_one_cannot_be_written() -> None:
    """Whether that fails while its rows are written or while they are committed."""

    async def story(*, while_writing: bool) -> None:
        store, workers = HookedStore(), HeldWorkers()
        async with writing(store, workers) as book:
            anna, session = await book.player("anna")
            workers.go.clear()
            first = book.operate(pay(session, 1, (anna, -1, 100)))
            begun = workers.begun + 1
            await wait_until(lambda: workers.begun == begun)
            second = book.operate(pay(session, 2, (0, anna, 7)))
            store.then = lambda: setattr(store, "on_write" if while_writing else "fail", DiskFull("no room left"))
            workers.go.set()
            assert (await first).holdings[0].gold == 0
            with refused(Code.DISK_FULL):
                await second
            assert ledger.gold_of(book.rows, anna) == 0
            store.then = lambda: None
            store.on_write = store.fail = None
            book.clock.advance(10)
            assert (await book.operate(pay(session, 3, (0, anna, 5)))).holdings[0].gold == 5

    run(story(while_writing=True))
    run(story(while_writing=False))


def test_what_was_applied_ahead_of_a_full_disk_is_refused_with_it() -> None:
    async def story() -> None:
        store, workers = MemoryStore(), HeldWorkers()
        async with writing(store, workers) as book:
            anna, session = await book.player("anna")
            workers.go.clear()
            first = book.operate(pay(session, 1, (0, anna, 5)))
            await wait_until(lambda: workers.begun == 4)
            behind = book.operate(pay(session, 2, (anna, -1, 105)))  # only if the first is carried out
            store.fail = DiskFull("no room left")
            workers.go.set()
            for done in (first, behind):
                with refused(Code.DISK_FULL):
                    await done
            store.fail = None
            await asyncio.sleep(0.3)
            with refused(Code.INSUFFICIENT):
                await book.operate(pay(session, 2, (anna, -1, 105)))
            assert (await book.operate(pay(session, 1, (0, anna, 5)))).holdings[0].gold == 105
            assert store.count("ledger") == 3

    run(story())


def test_a_mistake_of_ours_in_an_operation_leaves_nothing_and_is_its_own_alone() -> None:
    async def story() -> None:
        async with writing(MemoryStore()) as book:
            anna, session = await book.player("anna")

            def mistaken(view: View) -> None:
                ledger.move_gold(view, GoldMove(anna, -1, 100))
                raise ZeroDivisionError

            before = book.operate(pay(session, 1, (0, anna, 5)))
            wrong = book.writer.submit(mistaken)
            after = book.operate(pay(session, 2, (anna, -1, 105)))
            with pytest.raises(ZeroDivisionError):
                await wrong
            assert ((await before).holdings[0].gold, (await after).holdings[0].gold) == (105, 0)
            assert book.writer.counts.refused == {"internal": 1}

    run(story())


def test_a_damaged_row_refuses_what_needs_it_and_nothing_else() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with writing(store) as book:
            anna, bert = await book.account("anna"), await book.account("bert")
        key = anna.to_bytes(8, "big")
        store.damage("sessions", key, store.get("sessions", key)[:-1] + b"\x07")  # type: ignore[index]
        async with writing(store) as again:
            with refused(Code.INTERNAL):
                await again.session(anna)
            await again.session(bert)

    run(story())


def test_a_database_of_another_format_is_not_touched() -> None:
    async def story() -> None:
        store = MemoryStore()
        overlay = Overlay(Rows(store, 10, 1000))
        overlay.put(META, ledger.DATABASE, MetaRow(99, 16))
        commit(store, overlay.packed())
        async with writing(store):
            pass

    with pytest.raises(StorageError, match="format 99"):
        run(story())


def test_the_ring_of_a_database_does_not_change_with_the_settings() -> None:
    async def story() -> None:
        store = MemoryStore()
        async with writing(store, settings=DcSettings(operation_ring=16)) as book:
            anna, session = await book.player("anna")
            await book.operate(pay(session, 20, (0, anna, 5)))
        async with writing(store, settings=DcSettings(operation_ring=1000)) as again:
            await again.operate(pay(session, 20, (0, anna, 5)))
            assert ledger.gold_of(again.rows, anna) == 105

    run(story())


class FullDisk(MemoryStore):
    """That counts how often it is tried."""

    tries = 0

    def commit(self) -> None:
        self.tries += self.fail is not None
        assert self.tries < 100, "it never stops trying"
        super().commit()


def test_a_writer_that_stops_gives_a_full_disk_one_last_try() -> None:
    async def story() -> None:
        store = FullDisk()
        async with writing(store, settings=DcSettings(disk_full_pause_s=0)) as book:
            put_state(book.states, session_of(1, 1), StateRow("meadow", 1.0, 1.0, 1), 0.0)
            store.fail = DiskFull("full")
        assert store.tries == 1

    run(story())


def test_a_group_has_a_limit_of_rows_too() -> None:
    """It has to fit into one message to a standby, however much each operation changes."""
    many = ROWS_MAX // 4

    def change_many(view: View, number: int) -> None:
        for row in range(many):
            view.put(NAMES, f"{number}-{row}", NameRow(1))

    async def story() -> None:
        async with writing(MemoryStore()) as book:
            await asyncio.gather(*[book.writer.submit(partial(change_many, number=number)) for number in range(10)])
            assert [count for count, _ in book.commits] == [4, 4, 2]

    run(story())
