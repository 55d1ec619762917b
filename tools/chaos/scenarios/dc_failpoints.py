"""dc-failpoints: the DC dies at every named point of its own work, again and again.

Each life is armed for its own death before it begins, so that a death is followed at once by the next life. Points that
are only met when the map is full have a database of their own for each death, since a map becomes full only while the
database doubles. The number of faults is rounded up to whole rounds: every point as often as every other.
"""

import asyncio
import random
import signal
from collections import Counter
from dataclasses import dataclass
from operator import attrgetter

from mesh.checking.records import Problem
from mesh.failpoints import POINTS
from tools.bench.bench import Figure
from tools.chaos.dcdesk import BACK_S, Desk, closed, desk_of
from tools.chaos.household import Kept, Life
from tools.chaos.savers import Savers
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import LOSSES

MAP_POINTS = ("dc.map-full", "dc.map-grown")
MET_AT_START = "dc.opened"
MET_AT_STOP = "dc.stopping"
USUAL = tuple(name for name in POINTS if name.startswith("dc.") and name not in MAP_POINTS)
SELDOM = (MET_AT_START, MET_AT_STOP, "dc.states-taken", *MAP_POINTS)
HITS_MAX = 40  # the life dies at one of so many visits
HIT_S = 20.0
MAP_HIT_S = 60.0
STEP_S = 0.005
ALIVE_S = 0.4  # after the last death of a database
SETTINGS = {"dc.drain_wait_s": "0.1"}  # nobody waits for the writers, who do not leave
MAP_SETTINGS = {"dc.map_bytes": str(1 << 20)}


@dataclass(frozen=True)
class Felt:
    """A death: from it to the first answer, how it was armed, and for what the life after it."""

    ms: float
    armed: str
    following: str


async def run(arena: Arena) -> Found:
    rounds = -(-arena.faults // len(USUAL + MAP_POINTS))
    found, deaths = await usual(arena, rounds)
    for name in MAP_POINTS:
        for number in range(rounds):
            add(found, await map_death(arena, name, f"{name[-5:]}{number}"))
            deaths[name] += 1
    found.faults = deaths.total()
    found.reached = {**found.reached, "points": len(deaths), "deaths_min": min(deaths.values(), default=0)}
    return found


async def usual(arena: Arena, rounds: int) -> tuple[Found, Counter[str]]:
    """All points but those of a full map, in an order of its own each round, in one database."""
    chance, deaths, recovered = arena.chance("points"), Counter[str](), list[Felt]()
    order = [armed(name, chance) for _ in range(rounds) for name in chance.sample(USUAL, len(USUAL))]
    async with desk_of(arena, SETTINGS) as desk:
        working = await begin(desk)
        desk.dc.next_armed, life = order[0], desk.dc.life
        desk.dc.kill()
        for at, (text, following) in enumerate(zip(order, [*order[1:], ""], strict=True)):
            died = await death(desk, text, following, recovered, life)
            if died is None:
                break
            life = died
            deaths[point_of(text)] += 1
            if at % len(USUAL) == len(USUAL) - 1:
                arena.ground.say(f"round {at // len(USUAL) + 1} of {rounds}")
        found = await over(desk, working, deaths.total())
    found.recovery_ms = [one.ms for one in recovered]
    if recovered:
        slowest = max(recovered, key=attrgetter("ms"))
        found.notes.append(
            f"felt for longest, {slowest.ms:,.0f} ms: {slowest.armed}, then {slowest.following or 'none'}"
        )
    return found, deaths


async def begin(desk: Desk) -> list[asyncio.Task[None]]:
    savers = Savers(desk.writers.scene, desk.arena.ground.clock, desk.writers.deals.sessions)
    return [asyncio.create_task(desk.writers.run()), asyncio.create_task(savers.run())]


async def over(desk: Desk, working: list[asyncio.Task[None]], faults: int) -> Found:
    desk.writers.stop()
    working[1].cancel()
    await asyncio.wait(working)
    found, _ = await closed(desk, faults)
    return found


def armed(name: str, chance: random.Random) -> str:
    """The text for the life that is to die there."""
    return f"{name}=kill@{chance.randint(1, 1 if name in SELDOM else HITS_MAX)}"


def armed_so(dc: Kept, text: str, after: Life) -> Life | None:
    """The life that was armed so, of those after another one: each round may arm one with the same text."""
    later = dc.lives[next(at for at, life in enumerate(dc.lives) if life is after) + 1 :]
    return next((life for life in later if life.armed == text), None)


def point_of(text: str) -> str:
    return text.partition("=")[0]


async def death(
    desk: Desk, text: str, following: str, recovered: list[Felt], after: Life, hit_s: float = HIT_S
) -> Life | None:
    """Wait until the life behind `after` that is armed so has died of it: that life, None when it did not. `following`
    arms the next. How long it was felt is added to `recovered`, unless the next life is to die before it answers
    anybody."""
    dc, name = desk.dc, point_of(text)
    while (life := armed_so(dc, text, after)) is None and not dc.gave_up:  # noqa: ASYNC110 - it begins at once
        await asyncio.sleep(STEP_S)
    dc.next_armed = following
    if life is not None and life is not dc.life and following:
        dc.kill()  # it was so quick that the life after it began without being armed
    if name == MET_AT_STOP and await dc.wait_ready():
        dc.terminate()
    if life is None or not await dc.wait_ended(life, hit_s) or life.code != -signal.SIGKILL or life.ended is None:
        how = "goes on" if life is None or life.ended is None else f"ended with {life.code}"
        desk.writers.problems.append(Problem("failpoint", f"{text} was not met: the DC {how}: {' '.join(dc.words())}"))
        return None
    if point_of(following) == MET_AT_START:
        return life
    took = await desk.back_after(life.ended)
    if took is None:
        why = f"after {text} nothing was answered within {BACK_S:.0f} s: {' '.join(dc.words())}"
        desk.writers.problems.append(Problem("recovery", why))
        return None
    recovered.append(Felt(took, text, following))
    return life


async def map_death(arena: Arena, name: str, folder: str) -> Found:
    """One death in a new database that has to grow."""
    recovered = list[Felt]()
    async with desk_of(arena, {**SETTINGS, **MAP_SETTINGS}, folder) as desk:
        working = await begin(desk)
        desk.dc.next_armed = text = armed(name, arena.chance(folder))
        life = desk.dc.life
        desk.dc.kill()
        await death(desk, text, "", recovered, life, MAP_HIT_S)
        await asyncio.sleep(ALIVE_S)
        found = await over(desk, working, 1)
    found.recovery_ms = [one.ms for one in recovered]
    return found


def add(all_: Found, one: Found) -> None:
    """What another database has shown."""
    all_.acked, all_.applied = all_.acked + one.acked, all_.applied + one.applied
    all_.refused, all_.unknown = all_.refused + one.refused, all_.unknown + one.unknown
    all_.lost, all_.doubled = all_.lost + one.lost, all_.doubled + one.doubled
    all_.gold_before = (all_.gold_before or 0) + (one.gold_before or 0)
    all_.gold_after = (all_.gold_after or 0) + (one.gold_after or 0)
    all_.recovery_ms += one.recovery_ms
    all_.problems += one.problems
    all_.notes += one.notes


SCENARIO = Scenario(
    "dc-failpoints",
    "The DC dies at every named point of its work: before, in and after each step of a commit.",
    (
        *LOSSES,
        Figure("points", "different points at which it died", "", 12, quick=True),
        Figure("deaths_min", "deaths at each of them, at least"),
        Figure("recovery_p99_ms", "writes go on, p99", "ms", better="less"),
    ),
    run,
    faults=20 * len(USUAL + MAP_POINTS),
    faults_quick=len(USUAL + MAP_POINTS),
    what="deaths",
)
