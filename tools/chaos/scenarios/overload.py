"""overload: two and four times the load that is carried, in durable operations and in logins, and then little again.

First it is measured what is carried: so many ask as soon as they were answered. Then they come at a rate, whether
anybody has been answered or not, and each waits only so long. What counts is what was answered while somebody waited
for it. When the load has fallen it must soon be as ever, and nothing may be left that waits.

The DC is made slow by a failpoint (each operation takes longer in its loop), so that it is what is overloaded, and not
whoever makes the load on the same machine. Each operation of the mesh goes through it, and so does each login.
Rejected: a slow disk, of which there is no twice as much, since the more wait for it the more it takes at once; and
less time for each operation, which what a commit of one takes would be a good part of.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import psutil

from mesh.checking.records import Operation, Problem
from mesh.failpoints import VARIABLE
from tools.bench.bench import Figure
from tools.bots.scrape import pick, read_page
from tools.chaos.dcdesk import PLAYERS, closed, desk_of
from tools.chaos.guests import GUESTS_MAX, Guests
from tools.chaos.household import Kept
from tools.chaos.scenario import Arena, Found, Scenario, Spoilt
from tools.chaos.scenarios.dc_kill import LOSSES
from tools.chaos.surges import Surge, goodput, normal_after, share_of_peak
from tools.chaos.testimony import attest
from tools.chaos.writers import without_collections
from tools.chaos.zone import Shape, zone

FACTORS = (4.0, 2.0)
CALM = 0.5  # of what is carried, before and after
OPERATION_S = 0.01  # that each operation takes longer in the DC
ENTERED = 2  # operations of the DC, until a player is there
ASKERS = COMERS = 20  # at a time, when it is measured what is carried
OPERATION_USEFUL_S, LOGIN_USEFUL_S = 5.0, 5.0  # longer nobody waits
OPERATION_NORMAL_S, LOGIN_NORMAL_S = 0.25, 1.0
TRIES = 2
UNDER_WAY_MAX = 30_000
EMPTY_S = 5.0
POLL_S = 0.1
WAITING = ("dc_queue_depth", "gate_logins_waiting", "login_hashes_pending", "center_queue", "mesh_admission_shut")
"""Gauges that are 0 when nothing waits and nobody is kept out."""


@dataclass(frozen=True)
class Times:
    """Seconds of each phase."""

    peak: float
    calm: float
    surge: float
    after: float


LONG, QUICK = Times(16.0, 2.0, 6.0, 8.0), Times(1.0, 0.5, 1.5, 1.5)


@dataclass
class Load:
    """Something that can be asked for at any rate. `offer(rate, seconds)` and `saturate(seconds)` return when the time
    is over, though many may still wait."""

    what: str
    offer: Callable[[float, float], Awaitable[None]]
    saturate: Callable[[float], Awaitable[None]]
    operations: Callable[[], Sequence[Operation]]  # so far
    useful_s: float
    normal_s: float
    memory_mb: Callable[[], float]  # of the servers
    peak: float = 0.0
    surges: list[Surge] = field(default_factory=list)
    held_mb: list[float] = field(default_factory=list)  # after each surge

    async def run(self, arena: Arena, factors: Sequence[float]) -> None:
        """One surge after the other."""
        with without_collections():
            await self._run(arena, factors)

    async def _run(self, arena: Arena, factors: Sequence[float]) -> None:
        times, now = QUICK if arena.quick else LONG, arena.ground.clock.now
        began = now()
        await self.saturate(times.peak)
        self.peak = goodput(self.operations(), began + times.peak / 4, began + times.peak, self.useful_s)
        arena.ground.say(f"{self.peak:,.0f} {self.what}s a second are carried")
        if not self.peak:
            raise Spoilt(f"not one {self.what} was carried, so that nothing could be a multiple of it")
        for factor in factors:
            await self.offer(CALM * self.peak, times.calm)
            began = now()
            await self.offer(factor * self.peak, times.surge)
            fell_at = now()
            await self.offer(CALM * self.peak, times.after)
            self.surges.append(Surge(factor, began, fell_at, now()))
            self.held_mb.append(self.memory_mb())
            arena.ground.say(f"{factor:g} times as many {self.what}s, for {times.surge:g} s")

    def reached(self) -> dict[str, float | None]:
        """The figures, the worst of each. For the end, when everybody was answered or has given up."""
        done, found = self.operations(), dict[str, float | None]()
        found[f"{self.what}_peak"] = self.peak
        for factor in FACTORS:
            hit = [surge for surge in self.surges if surge.factor == factor]
            shares = [share_of_peak(done, surge, self.peak, self.useful_s) for surge in hit]
            found[f"{self.what}_goodput_{factor:g}"] = min(shares, default=None)
        normal = [normal_after(done, surge, self.normal_s) for surge in self.surges]
        found[f"{self.what}_normal_s"] = max(normal, default=None)
        # The first surge takes what any surge needs, and what a process has had it keeps: the next ones take no more.
        found[f"{self.what}_growth"] = self.held_mb[-1] / self.held_mb[0] if len(self.held_mb) > 1 else None
        return found


async def run(arena: Arena) -> Found:
    """Surges of the one kind and of the other, in turn."""
    factors = [FACTORS[n // 2 % len(FACTORS)] for n in range(arena.faults)]
    found = await operations(arena, factors[::2])
    return together(found, await logins(arena, factors[1::2])) if len(factors) > 1 else found


def together(one: Found, other: Found) -> Found:
    """What two parts of a run have found; the gold is that of the first."""
    for name in ("faults", "acked", "applied", "refused", "unknown", "lost", "doubled"):
        setattr(one, name, getattr(one, name) + getattr(other, name))
    one.reached = {**one.reached, **other.reached}
    one.problems += other.problems
    one.notes += other.notes
    return one


# --- durable operations ---


async def operations(arena: Arena, factors: Sequence[float]) -> Found:
    slow = {VARIABLE: f"dc.operation-heard=stall:{OPERATION_S}@{ENTERED * PLAYERS}+"}
    small = {"dc.cache_bytes_max": "400000"}  # full before the memory is looked at first
    async with desk_of(arena, small, environment=slow) as desk:
        writers = desk.writers
        writers.under_way_max, writers.tries_max = UNDER_WAY_MAX, TRIES

        async def offer(per_s: float, seconds: float) -> None:
            writers.per_s = per_s
            await writers.run(seconds)

        book = writers.book
        load = Load(
            "operation",
            offer,
            lambda seconds: writers.saturate(ASKERS, seconds),
            lambda: book.operations,
            OPERATION_USEFUL_S,
            OPERATION_NORMAL_S,
            lambda: memory_mb([desk.dc]),
        )
        await load.run(arena, factors)
        writers.problems += await left([desk.dc], arena)
        found, _ = await closed(desk, len(factors))
    found.reached = load.reached()
    return found


# --- logins ---


async def logins(arena: Arena, factors: Sequence[float]) -> Found:
    slow = {"dc.1": {VARIABLE: f"dc.operation-heard=stall:{OPERATION_S}@1+"}}
    async with zone(arena, Shape(gates=1, scenes=2), GUESTS_MAX, slow) as made:
        guests, kept = Guests(made, LOGIN_USEFUL_S), list(made.kept.values())
        load = Load(
            "login",
            guests.offer,
            lambda seconds: guests.saturate(COMERS, seconds),
            lambda: [one for one in made.book.operations if one.kind == "login"],
            LOGIN_USEFUL_S,
            LOGIN_NORMAL_S,
            lambda: memory_mb(kept),
        )
        await load.run(arena, factors)
        await guests.finish()
        problems = await left(kept, arena)
        found = attest(made.book.operations, [], 0, await made.close(), len(factors), problems)
    found.reached = load.reached()
    if guests.turned_away:
        found.notes.append(f"{guests.turned_away:,} guests were not begun, because too many were under way")
    return found


# --- afterwards ---


async def left(processes: Sequence[Kept], arena: Arena) -> list[Problem]:
    """Of the checker `bounds`: what still waits some time after everybody has gone."""
    now, until = arena.ground.clock.now, arena.ground.clock.now() + EMPTY_S
    while (waiting := await gauges(processes)) and now() < until:  # noqa: ASYNC110 - it has an end
        await asyncio.sleep(POLL_S)
    return [Problem("bounds", f"{what} is {size:g} after {EMPTY_S:g} s") for what, size in waiting.items()]


async def gauges(processes: Sequence[Kept]) -> dict[str, float]:
    """Those that are not 0."""
    found: dict[str, float] = {}
    for kept in processes:
        page = await read_page(f"http://{kept.process.host}:{kept.process.metrics_port}/metrics")
        for (name, _, _), size in pick(page, *WAITING).items():
            if size:
                found[f"{name} of {kept.process.name}"] = size
    return found


def memory_mb(processes: Sequence[Kept]) -> float:
    """Of these, without what belongs to files."""
    used = [psutil.Process(kept.life.pid).memory_info() for kept in processes]
    return float(sum(one.rss - one.shared for one in used)) / 1e6


def figures(what: str, words: str) -> tuple[Figure, ...]:
    return (
        Figure(f"{what}_peak", f"{words} that are carried", "/s"),
        Figure(f"{what}_goodput_2", f"of them at 2 times the load, {words}", "%", 90, better="more"),
        Figure(f"{what}_goodput_4", f"of them at 4 times the load, {words}", "%", 80, better="more"),
        Figure(f"{what}_normal_s", f"as ever again after the load has fallen, {words}", "s", 5, better="less"),
        Figure(
            f"{what}_growth",
            f"memory after all surges, to after the first, {words}",
            "x",
            1.1,
            better="less",
        ),
    )


SCENARIO = Scenario(
    "overload",
    "Twice and four times the load that is carried: what is of use goes on, and afterwards it is as ever.",
    (*LOSSES, *figures("operation", "operations"), *figures("login", "logins")),
    run,
    faults=8,
    faults_quick=2,
    what="surges",
)
