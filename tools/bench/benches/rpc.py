"""What the mesh itself costs: a question and its answer between two nodes, many of them at once, and batches one way.

Two nodes without a role, each in a process and on a core of its own, joined by one link over ipc: one asks as a gate,
the other answers as a scene (echo.py). The cluster around them stands still.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mesh.protocol.cluster import Attach, Attached
from mesh.protocol.envelope import Lane
from tools.bench import cores
from tools.bench.bench import Bench, Figure, Outcome
from tools.bench.cluster import Cluster
from tools.bench.echo import HANDLE_BYTES, NUMBER, Echo
from tools.bench.ground import GENERATOR, SERVER, Ground
from tools.bench.result import Table
from tools.bench.standin import StandIn, stand_in
from tools.ctl.exits import CommandError
from tools.machine import cpu_of

IDLE, IDLE_QUICK = 5_000, 1_000  # questions, one after the other
PAUSE_S = 0.001  # between them
MANY, MANY_QUICK = 200_000, 40_000
AT_ONCE = (1, 10, 100, 1_000)
RECORDS, RECORDS_QUICK = 20_000_000, 4_000_000
A_BATCH = (100, 1_000, 5_000)  # records; a gate with 2,000 players has 400 moves in one flush
MOVE_BYTES = 10
LINK_S = 10.0


class Asker(StandIn):
    ROLE = "gate"


@dataclass(frozen=True)
class Ends:
    """Both nodes."""

    asker: Asker
    echo: str
    pids: tuple[int, int]  # the asker's, the echo's

    def cpu_s(self) -> list[float]:
        return [cpu_of(pid) or 0.0 for pid in self.pids]


@dataclass(frozen=True)
class Measured:
    """One way of speaking."""

    what: str
    done: int
    seconds: float
    cpu_us: list[float]  # for one of `done`, at each end

    @property
    def per_s(self) -> float:
        return self.done / self.seconds


async def run(ground: Ground) -> Outcome:
    async with ground.cluster("bench", {}, (SERVER, GENERATOR)) as cluster:
        command = [sys.executable, "-P", "-m", "tools.bench.echo", str(cluster.topology.file)]
        command += ["--base-port", str(cluster.topology.base_port), "--runtime", str(cluster.topology.runtime)]
        async with ground.program(command) as child, stand_in(cluster, Asker, NUMBER) as asker:
            ends = Ends(asker, await linked(ground, asker), (os.getpid(), child.pid))
            cores.pin([child.pid], (SERVER,))
            cores.pin([os.getpid()], (GENERATOR,))
            try:
                return await measure(ground, cluster, ends)
            finally:
                cores.unpin()


async def linked(ground: Ground, asker: Asker) -> str:
    """The full name of the other end, when it is there."""
    until = ground.clock.now() + LINK_S
    while ground.clock.now() < until:
        for member in asker.peers(Echo.ROLE):
            if member.name.endswith(f".{NUMBER}"):
                return member.name
        await asyncio.sleep(0.01)
    raise CommandError(f"the other end of the link was not there within {LINK_S:.0f} s")


async def measure(ground: Ground, cluster: Cluster, ends: Ends) -> Outcome:
    before, own_s = cluster.mark(), sum(ends.cpu_s())
    ground.say("one question after the other")
    idle_us = await one_by_one(ground, ends, IDLE_QUICK if ground.quick else IDLE)
    ground.say("many at once")
    many = MANY_QUICK if ground.quick else MANY
    asked = [await at_once(ground, ends, many if n > 1 else many // 8, n, task=False) for n in AT_ONCE]
    asked.append(await at_once(ground, ends, many, 100, task=True))
    ground.say("batches")
    records = RECORDS_QUICK if ground.quick else RECORDS
    sent = [await batches(ground, ends, records * n // max(A_BATCH), n) for n in A_BATCH]
    use = cluster.since(before, sum(ends.cpu_s()) - own_s)
    best = max(asked[:-1], key=lambda one: one.per_s)
    return Outcome(
        reached={
            "idle_p50_us": quantile(idle_us, 0.5),
            "idle_p99_us": quantile(idle_us, 0.99),
            "pipelined_per_s": best.per_s,
            "request_us": sum(best.cpu_us),
            "records_per_s": max(one.per_s for one in sent),
        },
        p50_ms=quantile(idle_us, 0.5) / 1000,
        p99_ms=quantile(idle_us, 0.99) / 1000,
        tables=[table("Questions", "questions", asked), table("Batches", "records", sent)],
        processes=use.processes,
        invalid=use.invalid,
        notes=use.notes,
    )


async def one_by_one(ground: Ground, ends: Ends, count: int) -> list[float]:
    """How long each of them took, in microseconds, with pauses: both nodes sleep when it comes."""
    took = []
    for number in range(1, count + 1):
        await asyncio.sleep(PAUSE_S)
        began = ground.clock.now()
        await ends.asker.ask(ends.echo, Attach(number, 1))
        took.append((ground.clock.now() - began) * 1e6)
    return took


async def at_once(ground: Ground, ends: Ends, count: int, under_way: int, *, task: bool) -> Measured:
    """`count` questions with so many under way."""

    async def ask_on(begin: int) -> None:
        for number in range(begin, count, under_way):
            answer = await ends.asker.ask(ends.echo, Attach(number + 1, 1, resumed=task))
            if answer != Attached(number + 1):
                raise CommandError(f"question {number + 1} was answered with {answer}")

    async def all_of_them() -> None:
        await asyncio.gather(*(ask_on(begin) for begin in range(under_way)))

    what = f"{under_way:,} under way" + (", handlers in tasks" if task else "")
    return await timed(ground, ends, what, count, all_of_them)


async def batches(ground: Ground, ends: Ends, count: int, in_one: int) -> Measured:
    """`count` records one way, so many in a batch; over when the other end says that it has them."""
    handles, moves = bytes(HANDLE_BYTES * in_one), bytes(MOVE_BYTES * in_one)
    there = await heard(ends)

    async def all_of_them() -> None:
        for _ in range(count // in_one):
            while not ends.asker.batch(ends.echo, Lane.MOVES, handles, moves):  # noqa: ASYNC110 - nobody tells of room
                await asyncio.sleep(PAUSE_S)
        got = await heard(ends) - there
        if got != count // in_one * in_one:
            raise CommandError(f"{count:,} records were sent and {got:,} arrived")

    return await timed(ground, ends, f"{in_one:,} in a batch", count // in_one * in_one, all_of_them)


async def heard(ends: Ends) -> int:
    """Records that the other end has got."""
    answer = await ends.asker.ask(ends.echo, Attach(0, 1), timeout_s=60.0)
    assert isinstance(answer, Attached), "nothing else answers Attach"
    return answer.handle


async def timed(ground: Ground, ends: Ends, what: str, count: int, work: Callable[[], Awaitable[None]]) -> Measured:
    cpu, began = ends.cpu_s(), ground.clock.now()
    await work()
    seconds = ground.clock.now() - began
    used = [after - before for before, after in zip(cpu, ends.cpu_s(), strict=True)]
    return Measured(what, count, seconds, [one / count * 1e6 for one in used])


def quantile(numbers: list[float], share: float) -> float:
    return sorted(numbers)[min(len(numbers) - 1, int(share * len(numbers)))]


def table(title: str, what: str, rows: list[Measured]) -> Table:
    head = ["", f"{what}/s", "us CPU of the one who says", "and of the other"]
    return Table(title, head, [[r.what, f"{r.per_s:,.0f}", f"{r.cpu_us[0]:.3f}", f"{r.cpu_us[1]:.3f}"] for r in rows])


BENCH = Bench(
    "rpc",
    "Requests, answers and batches between two nodes.",
    (
        Figure("idle_p50_us", "question and answer, both nodes idle, p50", "us", 250, better="less", quick=True),
        Figure("idle_p99_us", "the same, p99", "us", better="less"),
        Figure("pipelined_per_s", "questions on one link, many under way", "/s", 40_000, 92_000, quick=True),
        Figure("request_us", "CPU for a question and its answer, both ends", "us", better="less"),
        Figure("records_per_s", "records in batches on one link", "/s", 2_000_000, quick=True),
    ),
    run,
)
