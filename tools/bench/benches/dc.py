"""What the DC takes: durable writes and how soon they are acknowledged, cached ones, reads, and how soon it is there.

Twice: with the accounts of one zone, and with ten million rows, which the DC's own offline command makes. We ask at a
fixed rate. At the end the books must show exactly what was acknowledged: the DC's own `stat`, read from its stopped
file.

The disk of the machine says little about others, since its cache may answer a sync. So the durable writes are measured
on slower ones, too: a failpoint in each commit, behind the sync, has it take that much longer. And on two disks, those
of a DC and its standby.
"""

import asyncio
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mesh.errors import MeshError
from mesh.failpoints import VARIABLE
from mesh.operator import Operator
from mesh.protocol.control import Describe, Description
from mesh.topology import Topology, load
from tools import machine
from tools.bench.bench import Bench, Figure, Outcome
from tools.bench.bookkeeping import A_BATCH, PREFIX, ROWS_PER_ACCOUNT, Town
from tools.bench.dcasking import Asking, Measured, timed
from tools.bench.dcdesk import Desk, desk_of, forget
from tools.bench.ground import Ground
from tools.bench.result import Table
from tools.bench.usage import Use
from tools.ctl.clusters import topology_file
from tools.ctl.offline import run_offline

ZONE, WORLD = 20_000, 1_000_000  # accounts
DURABLE_PER_S = 20_500  # a little more than is required, for the last second's are not all done at its end
AGAIN = 1_000  # operations that are said once more, as after a lost answer
CACHED_PER_S = 205_000
ZONE_PER_S, SOME = 12_500, 100  # 10,000 players whose states are saved every 0.8 s, and how many of them at once
REPLICATED_PER_S = 5_100
READS_PER_S = 5_000
READ_STEP_S = 0.00025  # a read takes less than the usual step
LOGINS_PER_S = 2_500
MEMORY_MB = 256.0  # twice what `cache_bytes_max` allows the rows that are kept
LOOK_S = 0.1  # between two looks at the age of what is not on disk
SLOW_MS = (5, 20)  # that each sync takes longer: a good disk over a network, and one that turns


@dataclass(frozen=True, kw_only=True)
class Sitting:
    """One database and what became of it."""

    what: str
    reads: Measured
    logins: Measured
    durable: Measured
    calm: Measured  # cached ones, as many as a zone has
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
        return [self.reads, self.logins, self.durable, self.calm, self.cached]


@dataclass(frozen=True, kw_only=True)
class Special:
    """Durable writes where something is different, and what became of them."""

    what: str
    durable: Measured
    wrong: int
    use: Use

    @property
    def measured(self) -> list[Measured]:
        return [self.durable]

    def figures(self, name: str) -> dict[str, float | None]:
        pace = self.durable.pace
        return {f"{name}_per_s": pace.done_per_s, f"{name}_ack_p99_ms": pace.quantile(0.99)}


async def run(ground: Ground) -> Outcome:
    sittings = [await sitting(ground, accounts) for accounts in ((ZONE,) if ground.quick else (ZONE, WORLD))]
    slow = [await slowed(ground, ms) for ms in SLOW_MS]
    pair = await paired(ground)
    zone, world = sittings[0], sittings[-1]
    every: list[Sitting | Special] = [*sittings, *slow, pair]
    return Outcome(
        reached={
            **slow[0].figures(f"slow{SLOW_MS[0]}"),
            **slow[1].figures(f"slow{SLOW_MS[1]}"),
            **pair.figures("replicated"),
            "durable_per_s": zone.durable.pace.done_per_s,
            "ack_p99_ms": zone.durable.pace.quantile(0.99),
            "world_ack_p99_ms": world.durable.pace.quantile(0.99),
            "wrong": float(sum(one.wrong for one in every)),
            "cached_per_s": min(one.cached.pace.done_per_s * A_BATCH for one in sittings),
            "cached_ack_p99_ms": zone.calm.pace.quantile(0.99),
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
        tables=[*(table(one) for one in sittings), special_table([*slow, pair])],
        processes=world.use.processes,
        invalid=[text for one in every for text in one.use.invalid + faults(one)],
        disturbed=[text for one in every for text in one.use.disturbed],
        notes=list(dict.fromkeys(text for one in every for text in one.use.notes)),
    )


def faults(one: Sitting | Special) -> list[str]:
    return [f"{measured.what}: {text}" for measured in one.measured for text in measured.pace.invalid]


async def filled(ground: Ground, accounts: int, folder: str, name: str = "bench") -> tuple[Topology, dict[str, Any]]:
    """A database with so many accounts for the first DC of this topology, and what is known of it."""
    topology = load(topology_file(name), base_port=ground.base_port, runtime=ground.folder / folder)
    data = topology.data(topology.node("dc.1"))
    data.mkdir(parents=True, mode=0o700)
    facts, _ = await asyncio.to_thread(run_offline, "dc", "fill", data, [str(accounts), PREFIX])
    forget(data)
    return topology, facts


async def books_of(topology: Topology, short: str = "dc.1") -> dict[str, Any]:
    """What the stopped DC has written down."""
    books: dict[str, Any]
    books, _ = await asyncio.to_thread(run_offline, "dc", "stat", topology.data(topology.node(short)))
    return books


async def slowed(ground: Ground, ms: int) -> Special:
    """The accounts of a zone on a disk whose syncs take so much longer."""
    town, what = Town(ZONE), f"each sync takes {ms} ms longer"
    topology, _ = await filled(ground, ZONE, f"slow{ms}")
    async with desk_of(ground, topology, {VARIABLE: f"dc.in-commit=stall:{ms / 1000}@1+"}) as desk:
        durable, use = await only_durable(desk, town, what, DURABLE_PER_S)
    return Special(what=what, durable=durable, wrong=town.unlike(await books_of(topology)), use=use)


async def paired(ground: Ground) -> Special:
    """The accounts of a zone on two disks: whatever is said waits for both, and both must show it."""
    town, what = Town(ZONE, replicated=True), "class R, with a standby"
    topology, _ = await filled(ground, ZONE, "pair", "pair")
    async with desk_of(ground, topology) as desk:
        durable, use = await only_durable(desk, town, what, REPLICATED_PER_S)
    wrong = [town.unlike(await books_of(topology, short)) for short in ("dc.1", "dc.2")]
    return Special(what=what, durable=durable, wrong=sum(wrong), use=use)


async def only_durable(desk: Desk, town: Town, what: str, per_s: int) -> tuple[Measured, Use]:
    """Durable operations of those who play, and nothing else."""
    desk.ground.say(what)
    asking = Asking(desk, town)
    before, own_s = desk.cluster.mark(), machine.cpu_of(os.getpid()) or 0.0
    await timed(desk, "logins of those who play", LOGINS_PER_S, asking.log_in, count=len(town.players))
    durable = await timed(desk, "durable operations", per_s, await asking.operating(per_s))
    return durable, desk.cluster.since(before, (machine.cpu_of(os.getpid()) or 0.0) - own_s)


async def sitting(ground: Ground, accounts: int) -> Sitting:
    """Fill a database, start a DC on it, ask it everything, and compare its books."""
    town = Town(accounts)
    ground.say(f"{accounts:,} accounts, {accounts * ROWS_PER_ACCOUNT:,} rows")
    began = ground.clock.now()
    topology, facts = await filled(ground, accounts, f"dc{accounts}")
    fill_s = ground.clock.now() - began
    async with desk_of(ground, topology) as desk:
        before, own_s = desk.cluster.mark(), machine.cpu_of(os.getpid()) or 0.0
        (reads, logins, durable, cached, calm), oldest_s = await measure(desk, town)
        again = await ask_again(desk, town)
        use = desk.cluster.since(before, (machine.cpu_of(os.getpid()) or 0.0) - own_s)
        memory_mb = desk.anonymous_mb()
    return Sitting(
        what=f"{accounts * ROWS_PER_ACCOUNT:,} rows",
        reads=reads,
        logins=logins,
        durable=durable,
        calm=calm,
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

    async def save_some(number: int) -> None:
        await desk.scene.ask("dc", town.states(number, SOME))

    reads = await timed(desk, "reads of any account", READS_PER_S, read, step_s=READ_STEP_S)
    logins = await timed(desk, "logins of those who play", LOGINS_PER_S, asking.log_in, count=len(town.players))
    durable = await timed(desk, "durable operations", DURABLE_PER_S, await asking.operating(DURABLE_PER_S))
    ages: list[float] = []
    watching = asyncio.create_task(watch(desk, ages))
    try:
        calm = await timed(desk, "cached states of a zone", ZONE_PER_S, save_some, per=SOME)
        cached = await timed(desk, "cached states", CACHED_PER_S, save, per=A_BATCH)
    finally:
        watching.cancel()
    return [reads, logins, durable, cached, calm], max(ages, default=0.0)


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


def special_table(special: Sequence[Special]) -> Table:
    head = ["", "operations /s", "p50 ms", "p99 ms", "max ms", "us CPU of the DC each"]
    return Table("Durable operations elsewhere", head, [[one.what, *one.durable.row()[1:]] for one in special])


def table(one: Sitting) -> Table:
    head = ["", "/s", "p50 ms", "p99 ms", "max ms", "us CPU of the DC each"]
    return Table(one.what, head, [measured.row() for measured in one.measured])


BENCH = Bench(
    "dc",
    "Durable and cached writes, reads and starts of the DC.",
    (
        Figure("durable_per_s", "durable operations acknowledged", "/s", 20_000, quick=True),
        Figure("ack_p99_ms", "acknowledgement of one, p99", "ms", 5.0, better="less"),
        Figure("replicated_per_s", "operations of class R acknowledged, with a standby", "/s", 5_000, quick=True),
        Figure("replicated_ack_p99_ms", "acknowledgement of one, p99, on both disks", "ms", 10.0, better="less"),
        Figure("slow5_per_s", "durable operations, each sync 5 ms longer", "/s", aim=20_000),
        Figure("slow5_ack_p99_ms", "acknowledgement of one, p99, each sync 5 ms longer", "ms", 25.0, better="less"),
        Figure("slow20_per_s", "durable operations, each sync 20 ms longer", "/s", aim=20_000),
        Figure("slow20_ack_p99_ms", "acknowledgement of one, p99, each sync 20 ms longer", "ms", 80.0, better="less"),
        Figure("world_ack_p99_ms", "the same in a database of ten million rows", "ms", better="less"),
        Figure("wrong", "operations and coins that the books do not show", "", 0, better="less", quick=True),
        Figure("cached_ack_p99_ms", "acknowledgement of the cached states of a zone, p99", "ms", 1.0, better="less"),
        Figure("cached_per_s", "cached states taken", "/s", 200_000, quick=True),
        Figure("cached_age_s", "the oldest that was not on disk", "s", 1.0, better="less"),
        Figure("read_p99_ms", "reads of any of ten million rows, p99", "ms", 2.0, better="less"),
        Figure("login_p99_ms", "a login's session and character, p99", "ms", better="less"),
        Figure("start_s", "start of the DC with ten million rows", "s", 1.0, better="less"),
        Figure("memory_mb", "its memory without the pages of its file", "MB", MEMORY_MB, better="less"),
        Figure("file_mb", "its file after the filling", "MB"),
        Figure("fill_s", "to fill it", "s"),
    ),
    run,
)
