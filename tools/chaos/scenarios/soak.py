"""soak: players play for long, and once a minute any node is killed. Nothing may pile up.

After each kill everybody must be back, each once; in the end nothing is lost or doubled, and what the processes hold
has not grown: their memory within the life of each, and the file descriptors of all of them together at like moments,
when everybody is back and before the next kill.
"""

import asyncio
import contextlib
import random

import psutil

from mesh.checking.flat import Sample, flat, growth_pct, returns
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
WARM_S, LEAST_S = 90.0, 150.0  # of a life: not looked at, and at least looked at after that
WARM_MOMENTS = 2  # kills
LIMIT_PCT = 1.0
CACHE_BYTES = 8_000_000  # of the DC: full soon, or it would fill all the time
SAY_EVERY = 5


class Scales:
    """What the processes hold: memory of every life, descriptors of all at like moments."""

    def __init__(self, made: Zone) -> None:
        self.memory: dict[str, dict[int, list[Sample]]] = {name: {} for name in made.kept}  # by process and life
        self.descriptors: list[float] = []
        self._made = made

    async def run(self, every_s: float) -> None:
        while True:
            self.weigh()
            await asyncio.sleep(every_s)

    def weigh(self) -> None:
        """Memory, without what belongs to files."""
        now = self._made.now()
        for name, kept in self._made.kept.items():
            with contextlib.suppress(psutil.Error):  # it is gone, or was never there
                used = psutil.Process(kept.life.pid).memory_info()
                life = self.memory[name].setdefault(kept.life.pid, [])
                life.append(Sample(now - kept.life.began, float(used.rss - used.shared)))

    def count(self) -> None:
        """Descriptors, at a moment at which nothing is under way."""
        self.descriptors.append(
            float(sum(psutil.Process(kept.life.pid).num_fds() for kept in self._made.kept.values()))
        )

    def grown(self) -> dict[str, float | None]:
        """By process."""
        return {name: growth_pct(list(lives.values()), WARM_S, LEAST_S) for name, lives in self.memory.items()}

    def problems(self) -> list[Problem]:
        found = returns("descriptors of all processes", self.descriptors, WARM_MOMENTS, LIMIT_PCT)
        for name, grown in self.grown().items():
            found += flat(f"memory of {name}", grown, LIMIT_PCT)
        return found


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
    grown = [value for value in scales.grown().values() if value is not None]
    found.reached = {
        "away": float(sum(problem.checker == "back" for problem in problems)),
        "memory_growth": max(grown, default=None),
        "descriptors": scales.descriptors[-1],
        "descriptors_more": scales.descriptors[-1] - scales.descriptors[min(WARM_MOMENTS, len(scales.descriptors) - 1)],
    }
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
    roles = sorted({name.partition(".")[0] for name in made.kept})
    return chance.choice(made.of_role(chance.choice(roles)))


SCENARIO = Scenario(
    "soak",
    "Players play for long, and any node is killed now and then: memory and descriptors stay as they are.",
    (
        Figure("away", "players that did not come back", "", 0, better="less", quick=True),
        LOST,
        DOUBLED,
        Figure("memory_growth", "memory of the process that grows most, an hour", "%", LIMIT_PCT, better="less"),
        Figure("descriptors", "descriptors of all processes in the end", ""),
        Figure("descriptors_more", "more than after the first kills", "", better="less"),
    ),
    run,
    faults=60,
    faults_quick=3,
)
