"""Faults of scenes, again and again, while heroes play on them: what scene-kill and scene-hang have in common.

Both hit the scene that has most players, wait until all of these are in the world again, and write down for each how
long that took, whether its connection went on, and how old the place is at which it found itself.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from mesh.checking.records import Problem
from tools.bots.roll import Roll
from tools.chaos.players import Crowd, Hero
from tools.chaos.scenario import Arena, Found
from tools.chaos.testimony import Toll, attest, return_of
from tools.chaos.zone import PLAIN, WILDS, Shape, Zone, most_loaded, zone

PLAYERS, PLAYERS_QUICK = 1_000, 30
FIGHTERS = 0.1
BACK_S = 30.0
BETWEEN_S = 2.5  # longer than a position takes to be stored

Inject = Callable[[Zone, str], Awaitable[float]]
"""Does it to that scene; when."""
Mend = Callable[[Zone, str], Awaitable[None]]
"""Ends it, when everybody is back."""


async def suffer(arena: Arena, inject: Inject, mend: Mend) -> Found:
    """The whole run."""
    players = PLAYERS_QUICK if arena.quick else PLAYERS
    toll, rolls = Toll(), list[Roll]()
    async with zone(arena, Shape(scenes=2, maps=WILDS if arena.quick else PLAIN), players) as made:
        crowd = made.crowd(players, "hero", fighters=0.5 if arena.quick else FIGHTERS)
        await crowd.enter()
        if not await crowd.wait_back(crowd.heroes, BACK_S):
            return Found(faults=0, invalid=["not everybody came into the world", *crowd.failures[:3]])
        arena.ground.say(f"{players:,} players play")
        chance = arena.chance("faults")
        for number in range(1, arena.faults + 1):
            await asyncio.sleep(BETWEEN_S * chance.uniform(0.8, 1.2))
            scene = most_loaded(chance, made.of_role("scene"), loads(crowd))
            await one_fault(made, crowd, toll, scene, inject, mend)
            arena.ground.say(f"{number} of {arena.faults}: {words(toll)}")
        await made.settle()
        rolls.append(await made.roll({hero.name for hero in crowd.heroes}))
        owed, twice = crowd.owed(), crowd.answered_twice
        problems = [*problems_of(toll), *problems_in(rolls)]
        found = attest(made.book.operations, owed, twice, await made.close(), arena.faults, problems)
    found.recovery_ms = toll.recovery_ms
    found.reached = {
        "back": None if not toll.returns else 100.0 - 100.0 * toll.never_back / len(toll.returns),
        "disconnects": float(sum(one.disconnected for one in toll.returns)),
        "age_max_ms": max(toll.ages_ms, default=None),
    }
    return found


async def one_fault(made: Zone, crowd: Crowd, toll: Toll, scene: str, inject: Inject, mend: Mend) -> None:
    hit = [(hero, hero.player.session.session) for hero in crowd.heroes if scene_of(hero) == scene]
    at = await inject(made, scene)
    await crowd.wait_arrived([hero for hero, _ in hit], at, BACK_S)
    toll.returns += [return_of(hero, at, session) for hero, session in hit]
    await mend(made, scene)


def scene_of(hero: Hero) -> str:
    """The short name of the scene on which a hero plays."""
    entered = hero.player.session.entered
    return ".".join(entered.scene.split(".")[2:]) if entered is not None else ""


def loads(crowd: Crowd) -> Counter[str]:
    return Counter(scene_of(hero) for hero in crowd.heroes)


def problems_of(toll: Toll) -> list[Problem]:
    """Of the checker `back`: whoever was not in the world again, or was sent away in between."""
    found = [Problem("back", f"{one.hero} did not come back") for one in toll.returns if one.after_ms is None]
    away = [one for one in toll.returns if one.disconnected]
    return found + [Problem("connected", f"{one.hero} was disconnected and had to log in") for one in away]


def problems_in(rolls: list[Roll]) -> list[Problem]:
    """Of the checker `roll`: whoever is on two scenes, or on none."""
    found = [Problem("roll", f"{name} is in the world twice") for roll in rolls for name in roll.doubled]
    found += [Problem("roll", f"{name} is on no scene") for roll in rolls for name in roll.lost]
    return found + [Problem("roll", f"{scene} did not say whom it has") for roll in rolls for scene in roll.silent]


def words(toll: Toll) -> str:
    times = sorted(toll.recovery_ms)
    if not times:
        return "nobody is back"
    return f"{len(times)} of {len(toll.returns)} back, half of them after {times[len(times) // 2]:,.0f} ms"
