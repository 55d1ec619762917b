"""soak: players play for long, and once a minute any node is killed. Nothing may pile up.

After each kill everybody must be back, each once; in the end nothing is lost or doubled, and what the processes hold
has not grown: file descriptors of all of them together at like moments, when everybody is back and before the next
kill; and memory within the lives of processes. Of the processes of a role together: players who lose their gate or
scene go to the other one and stay there. The first minutes of a life are not looked at: memory that a burst has needed
stays with the process (500 players who lose their scene are 500 tasks of a gate), and the first bursts of a life are
its highest so far. What one burst leaves is half a per cent of a small process, so the sum of all is judged, and that
of a role only when it is a leak beyond doubt. All processes together at like moments are shown, and say little: by some
per cent it depends on which of them are young.
"""

import asyncio
import contextlib
import random

import psutil

from mesh.checking.flat import Growth, Sample, change_pct, flat, growth, returns, together
from mesh.checking.records import Problem
from tools.bench.bench import Figure
from tools.chaos.players import Crowd
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.scenefaults import roll_call
from tools.chaos.testimony import attest
from tools.chaos.zone import PLAIN, WILDS, Shape, Zone, stop_all, zone

PLAYERS, PLAYERS_QUICK = 1_000, 24
FIGHTERS = 0.1
PERIOD_S, PERIOD_QUICK_S = 60.0, 3.0  # one kill in each
BACK_S = 40.0
PATIENCE_S = 3.0  # of a client that hears nothing
NOTICED_S = 1.0  # until everybody who was hit knows it
SAMPLE_S, SAMPLE_QUICK_S = 5.0, 0.5
WARM_S, LEAST_S = 420.0, 150.0  # of a life: not looked at, and at least looked at after that
WARM_MOMENTS, WARM_MEMORY = 2, 20  # kills: until descriptors are as ever, and processes as old as they get
LIMIT_PCT = 1.0
LIFE_PCT = 5.0  # in ten minutes of a life: a leak is more, and what bursts leave with a young process is less
CACHE_BYTES = 1_000_000  # of the DC: full soon, or it would fill for as long as it lives
SAY_EVERY = 5


class Scales:
    """What the processes hold: memory of each role while none of its processes is replaced, and memory and descriptors
    of all at like moments."""

    def __init__(self, made: Zone) -> None:
        self.memory: dict[str, dict[tuple[int, ...], list[Sample]]] = {role: {} for role in roles(made)}
        self.all_memory: list[float] = []
        self.descriptors: list[float] = []
        self._made = made

    async def run(self, every_s: float) -> None:
        while True:
            self.weigh()
            await asyncio.sleep(every_s)

    def weigh(self) -> None:
        """Of a role one of whose processes is not there: nothing."""
        now = self._made.now()
        for role, lives in self.memory.items():
            there = [self._made.kept[name].life for name in self._made.of_role(role)]
            with contextlib.suppress(psutil.Error):
                size = sum(memory_of(life.pid) for life in there)
                began = max(life.began for life in there)
                lives.setdefault(tuple(life.pid for life in there), []).append(Sample(now - began, size))

    def count(self) -> None:
        """At a moment at which nothing is under way."""
        pids = [kept.life.pid for kept in self._made.kept.values()]
        self.descriptors.append(float(sum(psutil.Process(pid).num_fds() for pid in pids)))
        self.all_memory.append(sum(map(memory_of, pids)))

    def grown(self) -> dict[str, Growth]:
        """By role; of those that have lived for long enough."""
        found = {role: growth(list(lives.values()), WARM_S, LEAST_S) for role, lives in self.memory.items()}
        return {role: grown for role, grown in found.items() if grown is not None}

    def problems(self) -> list[Problem]:
        found = returns("descriptors of all processes", self.descriptors, WARM_MOMENTS, LIMIT_PCT)
        grown = self.grown()
        for role, one in grown.items():
            found += flat(f"memory of {role}", one.pct, LIFE_PCT)
        all_of_them = together(list(grown.values()))
        return found + (flat("memory of all roles", all_of_them.pct, LIMIT_PCT) if all_of_them else [])


def roles(made: Zone) -> list[str]:
    return sorted({name.partition(".")[0] for name in made.kept})


def memory_of(pid: int) -> float:
    """In bytes, without what belongs to files."""
    used = psutil.Process(pid).memory_info()
    return float(used.rss - used.shared)


async def run(arena: Arena) -> Found:
    players, maps = (PLAYERS_QUICK, WILDS) if arena.quick else (PLAYERS, PLAIN)
    shape = Shape(gates=2, scenes=2, maps=maps, settings={"dc.cache_bytes_max": str(CACHE_BYTES)})
    async with zone(arena, shape, 2 * players) as made:
        crowd = made.crowd(players, "hero", fighters=FIGHTERS)
        for hero in crowd.heroes:
            hero.patience_s = PATIENCE_S
        await crowd.come_in(BACK_S)
        scales = Scales(made)
        weighing = asyncio.create_task(scales.run(SAMPLE_QUICK_S if arena.quick else SAMPLE_S))
        problems = await kills(made, crowd, scales)
        await stop_all([weighing])
        await made.settle()
        problems += await roll_call(made, crowd.names)
        problems += scales.problems()
        owed, twice = crowd.owed(), crowd.answered_twice
        found = attest(made.book.operations, owed, twice, await made.close(), arena.faults, problems)
    grown = scales.grown()
    all_of_them = together(list(grown.values()))
    found.reached = {
        "away": float(sum(problem.checker == "back" for problem in problems)),
        "memory_growth": all_of_them.pct if all_of_them else None,
        "memory_role": max((one.pct for one in grown.values()), default=None),
        "memory_all": change_pct(scales.all_memory, WARM_MEMORY),
        "descriptors": scales.descriptors[-1],
        "descriptors_more": scales.descriptors[-1] - scales.descriptors[min(WARM_MOMENTS, len(scales.descriptors) - 1)],
    }
    shown = ", ".join(f"{role} {one.pct:.2f} % of {one.size / 1e6:.0f} MB" for role, one in grown.items())
    found.notes.append(f"memory in ten minutes of a life, after its first {WARM_S:.0f} s: {shown or 'not known'}")
    return found


async def kills(made: Zone, crowd: Crowd, scales: Scales) -> list[Problem]:
    """One in each period. Those who are not back after one end it."""
    arena, chance = made.arena, made.arena.chance("kills")
    period_s = PERIOD_QUICK_S if arena.quick else PERIOD_S
    for number in range(1, arena.faults + 1):
        due = made.now() + period_s
        await asyncio.sleep(chance.uniform(0.2, 0.6) * period_s)
        scales.count()
        node = victim(chance, made)
        made.kept[node].kill()
        await asyncio.sleep(NOTICED_S)
        await made.ready(node)
        if not await crowd.wait_back(crowd.heroes, BACK_S):
            away = [hero.name for hero in crowd.heroes if not hero.back]
            return [Problem("back", f"{name} did not come back after {node} was killed") for name in away]
        if number % SAY_EVERY == 0:
            arena.ground.say(f"{number} of {arena.faults}: {scales.descriptors[-1]:,.0f} descriptors")
        await asyncio.sleep(max(0.0, due - made.now()))
    scales.count()
    return []


def victim(chance: random.Random, made: Zone) -> str:
    """Every role as often as every other one."""
    return chance.choice(made.of_role(chance.choice(roles(made))))


SCENARIO = Scenario(
    "soak",
    "Players play for long, and any node is killed now and then: memory and descriptors stay as they are.",
    (
        Figure("away", "players that did not come back", "", 0, better="less", quick=True),
        LOST,
        DOUBLED,
        Figure(
            "memory_growth", "memory, in ten minutes of a life that is older than seven", "%", LIMIT_PCT, better="less"
        ),
        Figure("memory_role", "of the role of which it grows most", "%", LIFE_PCT, better="less"),
        Figure("memory_all", "of all processes in the later half, to the first", "%", better="less"),
        Figure("descriptors", "descriptors of all processes in the end", ""),
        Figure("descriptors_more", "more than after the first kills", "", better="less"),
    ),
    run,
    faults=60,
    faults_quick=3,
)
