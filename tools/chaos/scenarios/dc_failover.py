"""dc-failover: the DC that writes is killed, stops, or is cut off, and its standby takes over, again and again.

Who is killed stays away until the other one writes. Who stops or is cut off goes on when the other one writes, and is
asked to write by scenes that still reach it, before and after: nothing that it says yes to would count. Then the two
are a pair again, with their roles exchanged. In the end both disks are compared with what was acknowledged. Half of the
operations are of class R: those wait until there are two again, and how soon they are acknowledged while nothing is
wrong is measured before the first fault.

A recovery lasts from the fault to the first acknowledgement of something that was asked after it. A restart is no
fault but the same change of roles on purpose; what counts there is the longest time without any acknowledgement.
"""

import asyncio
import signal
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable

from mesh.checking.lost import lost
from mesh.checking.records import Problem
from mesh.checking.tenures import one_writer, zombies
from mesh.checking.verdicts import count_of
from mesh.errors import DeadlineExceeded, PeerLost, RefusedError
from tools.bench.bench import Figure
from tools.chaos.books import read_books, read_ledger
from tools.chaos.dcdesk import ANSWERED_S, BACK_S, PLAYERS, STARTING_GOLD
from tools.chaos.deals import args_of
from tools.chaos.judging import times_of
from tools.chaos.pairdesk import DCS, PairDesk, pair_of
from tools.chaos.scenario import Arena, Found, Scenario, counted
from tools.chaos.scenarios.dc_kill import DOUBLED, GOLD, LOST

KINDS = {"kill": 5, "hang": 1, "partition": 1, "restart": 1}
"""How often, by weight."""
LIFE_S = (0.2, 0.8)  # between two faults
STOP_S = 6.0  # for a restart
PROBES = 20  # of an old writer, before it is well again and after
PROBE_S = 0.5  # for the answer to one of them
PROBE_EVERY_S = 0.02
CALM_S, CALM_QUICK_S = 10.0, 0.5  # before the first fault
SAY_EVERY = 10

Mend = Callable[[], Awaitable[None]]


class Trial:
    """Faults one after the other, and what was felt of each."""

    def __init__(self, desk: PairDesk) -> None:
        self.felt_ms: defaultdict[str, list[float]] = defaultdict(list)
        self.calm_ms: list[float] = []  # to the acknowledgement of class R, while nothing was wrong
        self.problems: list[Problem] = []
        self.probed: Counter[str] = Counter()  # how an old writer has answered
        self._desk, self._chance = desk, desk.arena.chance("faults")

    async def run(self) -> int:
        """How many were carried out. One that is not survived ends it."""
        arena = self._desk.arena
        await asyncio.sleep(CALM_QUICK_S if arena.quick else CALM_S)
        self.calm_ms = list(self._desk.writers.replicated_ms)
        for number, kind in enumerate(self.kinds(arena.faults), start=1):
            writer = await self._wait_pair()
            if not writer:
                self.problems.append(Problem("recovery", f"before fault {number} the two were no pair any more"))
                return number - 1
            if not await self._one_fault(kind, writer):
                text = f"fault {number}, a {kind} of {writer}: nobody wrote within {BACK_S:.0f} s"
                self.problems.append(Problem("recovery", text))
                return number
            if number % SAY_EVERY == 0:
                arena.ground.say(f"{number} of {arena.faults}, the last was felt for {self.felt_ms[kind][-1]:.0f} ms")
        return arena.faults

    async def _wait_pair(self) -> str:
        """Who writes, when the two have been a pair for a moment and still are. A machine that stands still parts them,
        and a writer that is killed then has a standby that must not take over."""
        while writer := await self._desk.wait_paired():
            await asyncio.sleep(self._chance.uniform(*LIFE_S))
            if await self._desk.leads(writer):
                break
        return writer

    def kinds(self, count: int) -> list[str]:
        """As many of each as their weights say; the first are one of each."""
        total, first = sum(KINDS.values()), list(KINDS)[:count]
        rest = [kind for kind, weight in KINDS.items() for _ in range(count * weight // total - 1)]
        rest = (rest + ["kill"] * count)[: count - len(first)]
        self._chance.shuffle(rest)
        return first + rest

    async def _one_fault(self, kind: str, writer: str) -> bool:
        faults = {"kill": self._kill, "hang": self._hang, "partition": self._cut_off, "restart": self._restart}
        writers, lives_on = self._desk.writers, kind in ("hang", "partition")
        writers.gap_ms = 0.0
        at, mend = await faults[kind](writer)
        answered = await writers.answered_since(at, BACK_S)
        if answered is not None:
            self.felt_ms[kind].append(writers.gap_ms if kind == "restart" else (answered - at) * 1000)
            if lives_on:
                await self._probe(writer)
        await mend()
        if lives_on:
            await self._probe(writer)
        return answered is not None

    async def _kill(self, writer: str) -> tuple[float, Mend]:
        kept = self._desk.kept[writer]
        kept.hold()

        async def mend() -> None:
            kept.release()
            await kept.wait_ready()

        return kept.kill(), mend

    async def _restart(self, writer: str) -> tuple[float, Mend]:
        """Until it is gone."""
        kept = self._desk.kept[writer]
        life = kept.life
        kept.terminate()
        await kept.wait_ended(life, STOP_S)

        async def mend() -> None:
            await kept.wait_ready()

        return self._desk.arena.ground.clock.now(), mend

    async def _hang(self, writer: str) -> tuple[float, Mend]:
        kept = self._desk.kept[writer]

        async def mend() -> None:
            kept.signal(signal.SIGCONT)

        return kept.signal(signal.SIGSTOP), mend

    async def _cut_off(self, writer: str) -> tuple[float, Mend]:
        """In both directions, or in one."""
        hears, is_heard = self._chance.choice(((False, False), (True, False), (False, True)))
        self._desk.roads.cut_off(writer, hears, is_heard)

        async def mend() -> None:
            self._desk.roads.mend()

        return self._desk.arena.ground.clock.now(), mend

    async def _probe(self, old: str) -> None:
        """Ask the old writer by its name to write."""
        probes = []
        for _ in range(PROBES):
            probes.append(asyncio.create_task(self._ask(old)))
            await asyncio.sleep(PROBE_EVERY_S)
        await asyncio.gather(*probes)

    async def _ask(self, old: str) -> None:
        desk, now = self._desk, self._desk.arena.ground.clock.now
        said = desk.writers.deals.next()
        line = desk.writers.book.call(said.session, said.sequence, said.kind, args_of(said), now())
        try:
            await desk.scene.ask(desk.topology.node(old).name, said, PROBE_S)
        except RefusedError as error:
            self.probed["refused"] += 1
            desk.writers.book.end(line, now(), "refused", error.code)
        except (PeerLost, DeadlineExceeded):
            self.probed["not answered"] += 1
        else:
            self.probed["acknowledged"] += 1
            desk.writers.book.end(line, now(), "ok")


async def run(arena: Arena) -> Found:
    async with pair_of(arena) as desk:
        running = asyncio.create_task(desk.writers.run())
        trial = Trial(desk)
        faults = await trial.run()
        desk.writers.stop()
        await running
        await desk.writers.finish(ANSWERED_S)
        writer = await desk.wait_paired()
        return await judged(desk, trial, faults, writer or DCS[0])


async def judged(desk: PairDesk, trial: Trial, faults: int, writer: str) -> Found:
    """Both are killed at the same moment, and both disks are read."""
    for short in DCS:
        desk.kept[short].hold()
        desk.kept[short].kill()
    for short in DCS:
        await desk.kept[short].end()
    say, book = desk.arena.ground.say, desk.writers.book
    books = await read_books(desk.data(writer), say)
    (other,) = (short for short in DCS if short != writer)
    copied = {entry.id for entry in await read_ledger(desk.data(other), say)}
    ledger = books.state.ledger
    problems = [*trial.problems, *desk.writers.problems, *books.problems, *lost(book.operations, copied)]
    problems += [*one_writer(desk.claims(), ledger), *zombies(desk.scene.answers, ledger)]
    found = counted(book, books.state, faults, problems)
    found.gold_before, found.gold_after = PLAYERS * STARTING_GOLD, books.state.wallets
    found.recovery_ms = [ms for kind, felt in trial.felt_ms.items() if kind != "restart" for ms in felt]
    found.reached = {f"{kind}_p99_ms": times_of(trial.felt_ms[kind]).p99 for kind in KINDS}
    found.reached |= {
        "replicated_p99_ms": times_of(trial.calm_ms).p99,
        "two_writers": float(count_of(found.problems, "one-writer")),
        "zombies": float(count_of(found.problems, "zombie")),
    }
    kinds = ", ".join(f"{len(felt)} x {kind}" for kind, felt in trial.felt_ms.items())
    probes = ", ".join(f"{count:,} {how}" for how, count in sorted(trial.probed.items()))
    found.notes.append(f"{kinds}; operations asked of old writers: {probes or 'none'}")
    return found


SCENARIO = Scenario(
    "dc-failover",
    "The DC that writes is killed, stops, is cut off: its standby takes over, alone, with everything.",
    (
        LOST,
        DOUBLED,
        GOLD,
        Figure("two_writers", "epochs that were not one process's alone", "", 0, better="less", quick=True),
        Figure("zombies", "operations that an old writer said yes to", "", 0, better="less", quick=True),
        Figure("replicated_p99_ms", "acknowledgement of class R before, over proxies, p99", "ms", better="less"),
        Figure("recovery_p50_ms", "writes go on, p50", "ms", better="less"),
        Figure("recovery_p99_ms", "writes go on, p99", "ms", 3_500, better="less"),
        Figure("kill_p99_ms", "after a kill, p99", "ms", better="less"),
        Figure("hang_p99_ms", "after a hang, p99", "ms", better="less"),
        Figure("partition_p99_ms", "after a partition, p99", "ms", better="less"),
        Figure("restart_p99_ms", "nothing acknowledged around a restart, p99", "ms", 1_000, better="less"),
    ),
    run,
    faults=160,
    faults_quick=4,
    what="faults",
    bound_ms=3_500,
)
