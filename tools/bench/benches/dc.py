"""What the DC takes: durable writes and how soon they are acknowledged, cached ones, reads, and how soon it is there.

Twice: with the accounts of one zone, and with ten million rows, which the DC's own offline command makes. We ask at a
fixed rate. At the end the books must show exactly what was acknowledged: the DC's own `stat`, read from its stopped
file.

The disk of the machine says little about others, since its cache may answer a sync. So the durable writes are measured
on slower ones, too: a failpoint in each commit, behind the sync, has it take that much longer.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from mesh.errors import MeshError, RefusedError
from mesh.failpoints import VARIABLE
from mesh.operator import Operator
from mesh.pending import Waiter
from mesh.protocol.catalogue import Message
from mesh.protocol.cluster import FindAccount, LoadStatus, StatusLoaded
from mesh.protocol.codec import answer_decoder
from mesh.protocol.control import Describe, Description, Refused
from mesh.protocol.records import Operate
from mesh.topology import Topology, load
from tools import machine
from tools.bench.beat import beating
from tools.bench.bench import Bench, Figure, Outcome
from tools.bench.bookkeeping import A_BATCH, PREFIX, ROWS_PER_ACCOUNT, Town
from tools.bench.dcdesk import Desk, desk_of, forget
from tools.bench.ground import Ground
from tools.bench.openloop import STEP_S, Pace, at_rate
from tools.bench.result import Table
from tools.bench.standin import StandIn
from tools.bench.usage import Use
from tools.ctl.clusters import topology_file
from tools.ctl.offline import run_offline

ZONE, WORLD = 20_000, 1_000_000  # accounts
SECONDS, SECONDS_QUICK = 10.0, 3.0
DURABLE_PER_S = 20_500  # a little more than is required, for the last second's are not all done at its end
AGAIN = 1_000  # operations that are said once more, as after a lost answer
CACHED_PER_S = 205_000
READS_PER_S = 5_000
READ_STEP_S = 0.00025  # a read takes less than the usual step
LOGINS_PER_S = 2_500
MADE_TOGETHER = 1_000  # operations, before any is asked for
ANSWER_S = 5.0
LOOK_S = 0.1  # between two looks at the age of what is not on disk
SLOW_MS = (5, 20)  # that each sync takes longer: a good disk over a network, and one that turns


Decode = Callable[[bytes | memoryview], Message]

decode_operated, decode_found = answer_decoder(Operate), answer_decoder(FindAccount)


@dataclass(frozen=True)
class Measured:
    """One kind of work."""

    what: str
    pace: Pace
    per_unit: int  # updates in one unit of work
    cpu_us: float  # of the DC for one update

    def row(self) -> list[str]:
        pace = self.pace
        times = [f"{pace.quantile(share):.2f}" for share in (0.5, 0.99, 1.0)]
        return [self.what, f"{pace.done_per_s * self.per_unit:,.0f}", *times, f"{self.cpu_us:.2f}"]


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """One database and what became of it."""

    what: str
    reads: Measured
    logins: Measured
    durable: Measured
    cached: Measured
    oldest_s: float  # of the cached states that were not on disk
    wrong: int
    start_s: float
    memory_mb: float
    file_mb: float
    fill_s: float
    use: Use

    @property
    def measured(self) -> list[Measured]:
        return [self.reads, self.logins, self.durable, self.cached]


@dataclass(frozen=True, kw_only=True)
class Slowed:
    """Durable writes on a slow disk, and what became of them."""

    ms: int
    durable: Measured
    wrong: int
    use: Use

    @property
    def measured(self) -> list[Measured]:
        return [self.durable]

    def figures(self) -> dict[str, float | None]:
        pace = self.durable.pace
        return {f"slow{self.ms}_per_s": pace.done_per_s, f"slow{self.ms}_ack_p99_ms": pace.quantile(0.99)}


@dataclass(frozen=True)
class Asking:
    """We, as those who play. What is asked comes to the time at which the answer was heard."""

    desk: Desk
    town: Town

    async def log_in(self, number: int) -> None:
        loaded = await self.desk.login.ask("dc", LoadStatus(self.town.players[number]))
        assert isinstance(loaded, StatusLoaded), "nothing else answers LoadStatus"
        self.town.logged_in(self.town.players[number], loaded.session)

    async def operating(self) -> Callable[[int], asyncio.Future[float | None]]:
        """Durable operations by their numbers; all are known before the first is asked for."""
        operations: list[Operate] = []
        for number in range(int(DURABLE_PER_S * seconds_of(self.desk.ground)) + 2):
            operations.append(self.town.operation(number))
            if not number % MADE_TOGETHER:
                await asyncio.sleep(0)  # our links must beat meanwhile

        def operate(number: int) -> asyncio.Future[float | None]:
            said = operations[number]
            return self._ask(self.desk.scene, said, decode_operated, partial(self.town.acknowledged, said))

        return operate

    def read(self, account: int) -> asyncio.Future[float | None]:
        return self._ask(self.desk.login, FindAccount(f"{PREFIX}{account:08}"), decode_found)

    def _ask(
        self, who: StandIn, said: Message, decode: Decode, answered: Callable[[], None] | None = None
    ) -> asyncio.Future[float | None]:
        """By the shortest way, so that the core next to the DC's is not busy with us."""
        over: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()

        def heard(waiter: Waiter) -> None:
            try:
                envelope, at = waiter.result()
                answer = decode(envelope.body)
                if isinstance(answer, Refused):
                    raise RefusedError(answer.code, answer.text)
            except Exception as error:  # noqa: BLE001 - whoever has asked looks at it
                over.set_exception(error)
                return
            if answered is not None:
                answered()
            over.set_result(at)

        dc = self.desk.cluster.topology.node("dc.1").name
        who.switchboard.asking.begin(dc, said, ANSWER_S).add_done_callback(heard)
        return over


async def run(ground: Ground) -> Outcome:
    sittings = [await sitting(ground, accounts) for accounts in ((ZONE,) if ground.quick else (ZONE, WORLD))]
    slow = [await slowed(ground, ms) for ms in SLOW_MS]
    zone, world = sittings[0], sittings[-1]
    every: list[Sitting | Slowed] = [*sittings, *slow]
    return Outcome(
        reached={
            **{name: value for one in slow for name, value in one.figures().items()},
            "durable_per_s": zone.durable.pace.done_per_s,
            "ack_p99_ms": zone.durable.pace.quantile(0.99),
            "world_ack_p99_ms": world.durable.pace.quantile(0.99),
            "wrong": float(sum(one.wrong for one in every)),
            "cached_per_s": min(one.cached.pace.done_per_s * A_BATCH for one in sittings),
            "cached_age_s": max(one.oldest_s for one in sittings),
            "read_p99_ms": world.reads.pace.quantile(0.99),
            "login_p99_ms": world.logins.pace.quantile(0.99),
            "start_s": world.start_s,
            "memory_mb": world.memory_mb,
            "file_mb": world.file_mb,
            "fill_s": world.fill_s,
        },
        updates_per_s=zone.durable.pace.done_per_s,
        p50_ms=zone.durable.pace.quantile(0.5),
        p99_ms=zone.durable.pace.quantile(0.99),
        tables=[*(table(one) for one in sittings), slow_table(slow)],
        processes=world.use.processes,
        invalid=[text for one in every for text in one.use.invalid + faults(one)],
        disturbed=[text for one in every for text in one.use.disturbed],
        notes=list(dict.fromkeys(text for one in every for text in one.use.notes)),
    )


def faults(one: Sitting | Slowed) -> list[str]:
    return [f"{measured.what}: {text}" for measured in one.measured for text in measured.pace.invalid]


async def filled(ground: Ground, accounts: int, folder: str) -> tuple[Topology, dict[str, Any]]:
    """A database with so many accounts for the DC of this topology, and what is known of it."""
    topology = load(topology_file("bench"), base_port=ground.base_port, runtime=ground.folder / folder)
    data = topology.data(topology.node("dc.1"))
    data.mkdir(parents=True, mode=0o700)
    facts, _ = await asyncio.to_thread(run_offline, "dc", "fill", data, [str(accounts), PREFIX])
    forget(data)
    return topology, facts


async def books_of(topology: Topology) -> dict[str, Any]:
    """What the stopped DC has written down."""
    books: dict[str, Any]
    books, _ = await asyncio.to_thread(run_offline, "dc", "stat", topology.data(topology.node("dc.1")))
    return books


async def slowed(ground: Ground, ms: int) -> Slowed:
    """The accounts of a zone on a disk whose syncs take so much longer."""
    town = Town(ZONE)
    ground.say(f"each sync takes {ms} ms longer")
    topology, _ = await filled(ground, ZONE, f"slow{ms}")
    async with desk_of(ground, topology, {VARIABLE: f"dc.in-commit=stall:{ms / 1000}@1+"}) as desk:
        asking = Asking(desk, town)
        before, own_s = desk.cluster.mark(), machine.cpu_of(os.getpid()) or 0.0
        await timed(desk, "logins of those who play", LOGINS_PER_S, asking.log_in, count=len(town.players))
        durable = await timed(desk, "durable operations", DURABLE_PER_S, await asking.operating())
        use = desk.cluster.since(before, (machine.cpu_of(os.getpid()) or 0.0) - own_s)
    return Slowed(ms=ms, durable=durable, wrong=town.unlike(await books_of(topology)), use=use)


async def sitting(ground: Ground, accounts: int) -> Sitting:
    """Fill a database, start a DC on it, ask it everything, and compare its books."""
    town = Town(accounts)
    ground.say(f"{accounts:,} accounts, {accounts * ROWS_PER_ACCOUNT:,} rows")
    began = ground.clock.now()
    topology, facts = await filled(ground, accounts, f"dc{accounts}")
    fill_s = ground.clock.now() - began
    async with desk_of(ground, topology) as desk:
        before, own_s = desk.cluster.mark(), machine.cpu_of(os.getpid()) or 0.0
        (reads, logins, durable, cached), oldest_s = await measure(desk, town)
        again = await ask_again(desk, town)
        use = desk.cluster.since(before, (machine.cpu_of(os.getpid()) or 0.0) - own_s)
        memory_mb = desk.anonymous_mb()
    return Sitting(
        what=f"{accounts * ROWS_PER_ACCOUNT:,} rows",
        reads=reads,
        logins=logins,
        durable=durable,
        cached=cached,
        oldest_s=oldest_s,
        wrong=again + town.unlike(await books_of(topology)),
        start_s=desk.start_s,
        memory_mb=memory_mb,
        file_mb=facts["file_bytes"] / 1e6,
        fill_s=fill_s,
        use=use,
    )


async def measure(desk: Desk, town: Town) -> tuple[list[Measured], float]:
    """Reads, logins, durable writes and cached ones, one after the other; and how old a cached one became (s)."""
    chance, asking = random.Random(5), Asking(desk, town)

    def read(_: int) -> asyncio.Future[float | None]:
        return asking.read(chance.randrange(1, town.accounts + 1))

    async def save(number: int) -> None:
        await desk.scene.ask("dc", town.states(number))

    reads = await timed(desk, "reads of any account", READS_PER_S, read, step_s=READ_STEP_S)
    logins = await timed(desk, "logins of those who play", LOGINS_PER_S, asking.log_in, count=len(town.players))
    durable = await timed(desk, "durable operations", DURABLE_PER_S, await asking.operating())
    ages: list[float] = []
    watching = asyncio.create_task(watch(desk, ages))
    try:
        cached = await timed(desk, "cached states", CACHED_PER_S, save, per=A_BATCH)
    finally:
        watching.cancel()
    return [reads, logins, durable, cached], max(ages, default=0.0)


async def timed(
    desk: Desk,
    what: str,
    per_s: int,
    work: Callable[[int], Awaitable[float | None]],
    *,
    per: int = 1,
    count: int = 0,
    step_s: float = STEP_S,
) -> Measured:
    """At this rate for as long as usual, or `count` times, with the DC's CPU for one update; a piece of work is `per`
    of them."""
    desk.ground.say(what)
    cpu_s = machine.cpu_of(desk.pid) or 0.0
    seconds = count / per_s if count else seconds_of(desk.ground)
    async with beating(step_s) as step:
        pace = await at_rate(desk.ground.clock, per_s / per, seconds, work, count, step)
    used_s = (machine.cpu_of(desk.pid) or 0.0) - cpu_s
    return Measured(what, pace, per, used_s / max(1, pace.begun * per) * 1e6)


def seconds_of(ground: Ground) -> float:
    """How long each kind of work is asked for."""
    return SECONDS_QUICK if ground.quick else SECONDS


async def watch(desk: Desk, ages: list[float]) -> None:
    """How old the oldest state is that is not on disk, again and again."""
    async with Operator(desk.cluster.topology) as operator:
        while True:
            said = await operator.ask("dc.1", Describe())
            assert isinstance(said, Description), "nothing else answers Describe"
            ages.append(float(said.facts["oldest_state_s"]))
            await asyncio.sleep(LOOK_S)


async def ask_again(desk: Desk, town: Town) -> int:
    """Say some operations once more; how many were not answered as ones that were carried out."""
    wrong = 0
    for said in town.chance.sample(town.done, min(AGAIN, len(town.done))):
        try:
            await desk.scene.ask("dc", said)
        except MeshError:
            wrong += 1
    return wrong


def slow_table(slow: Sequence[Slowed]) -> Table:
    head = ["each sync takes longer by", "operations /s", "p50 ms", "p99 ms", "max ms", "us CPU of the DC each"]
    return Table("Durable operations on slow disks", head, [[f"{one.ms} ms", *one.durable.row()[1:]] for one in slow])


def table(one: Sitting) -> Table:
    head = ["", "/s", "p50 ms", "p99 ms", "max ms", "us CPU of the DC each"]
    return Table(one.what, head, [measured.row() for measured in one.measured])


BENCH = Bench(
    "dc",
    "Durable and cached writes, reads and starts of the DC.",
    (
        Figure("durable_per_s", "durable operations acknowledged", "/s", 20_000, quick=True),
        Figure("ack_p99_ms", "acknowledgement of one, p99", "ms", 5.0, better="less"),
        Figure("slow5_per_s", "durable operations, each sync 5 ms longer", "/s", aim=20_000),
        Figure("slow5_ack_p99_ms", "acknowledgement of one, p99, each sync 5 ms longer", "ms", 25.0, better="less"),
        Figure("slow20_per_s", "durable operations, each sync 20 ms longer", "/s", aim=20_000),
        Figure("slow20_ack_p99_ms", "acknowledgement of one, p99, each sync 20 ms longer", "ms", 80.0, better="less"),
        Figure("world_ack_p99_ms", "the same in a database of ten million rows", "ms", better="less"),
        Figure("wrong", "operations and coins that the books do not show", "", 0, better="less", quick=True),
        Figure("cached_per_s", "cached states taken", "/s", 200_000, quick=True),
        Figure("cached_age_s", "the oldest that was not on disk", "s", 1.0, better="less"),
        Figure("read_p99_ms", "reads of any of ten million rows, p99", "ms", 2.0, better="less"),
        Figure("login_p99_ms", "a login's session and character, p99", "ms", better="less"),
        Figure("start_s", "start of the DC with ten million rows", "s", 1.0, better="less"),
        Figure("memory_mb", "its memory without the pages of its file", "MB", better="less"),
        Figure("file_mb", "its file after the filling", "MB"),
        Figure("fill_s", "to fill it", "s"),
    ),
    run,
)
