"""Faults of scenes, again and again, while heroes play on them: what scene-kill and scene-hang have in common.

Both hit the scene that has most players, wait until all of these are in the world again, and write down for each how
long that took, whether its connection went on, and how old the place is at which it found itself.
"""

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence

from mesh.checking.records import Problem
from tools.chaos.campaign import Campaign, carry_out
from tools.chaos.players import Crowd, Hero
from tools.chaos.scenario import Arena, Found
from tools.chaos.testimony import Toll, return_of
from tools.chaos.zone import PLAIN, WILDS, Shape, Zone, most_loaded

PLAYERS, PLAYERS_QUICK = 1_000, 30
FIGHTERS, FIGHTERS_QUICK = 0.1, 0.5
BACK_S = 30.0
BETWEEN_S = 2.5  # longer than a position takes to be stored

Inject = Callable[[Zone, str], Awaitable[float]]
"""Does it to that scene; when."""
Mend = Callable[[Zone, str], Awaitable[None]]
"""Ends it, when everybody is back."""


async def suffer(arena: Arena, inject: Inject, mend: Mend) -> Found:
    """The whole run."""
    toll = Toll()

    async def fault(made: Zone, crowd: Crowd, chance: random.Random) -> str:
        scene = most_loaded(chance, made.of_role("scene"), loads(crowd))
        hit = [(hero, hero.player.session.session) for hero in crowd.heroes if scene_of(hero) == scene]
        at = await inject(made, scene)
        await crowd.wait_arrived([hero for hero, _ in hit], at, BACK_S)
        toll.returns += [return_of(hero, at, session) for hero, session in hit]
        await mend(made, scene)
        return words(toll)

    async def ended(made: Zone, crowd: Crowd) -> list[Problem]:
        return [*problems_of(toll), *await roll_call(made, crowd.names)]

    found = await carry_out(arena, on_scenes(arena, fault, ended))
    found.recovery_ms = toll.recovery_ms
    found.reached = {
        "back": None if not toll.returns else 100.0 - 100.0 * toll.never_back / len(toll.returns),
        "disconnects": float(sum(one.disconnected for one in toll.returns)),
        "age_max_ms": max(toll.ages_ms, default=None),
        "misplaced": float(toll.misplaced),
    }
    return found


def on_scenes(
    arena: Arena,
    fault: Callable[[Zone, Crowd, random.Random], Awaitable[str]],
    ended: Callable[[Zone, Crowd], Awaitable[Sequence[Problem]]],
    between_s: float = BETWEEN_S,
) -> Campaign:
    """Two scenes with a thousand players, of whom some fight."""
    return Campaign(
        shape=Shape(scenes=2, maps=WILDS if arena.quick else PLAIN),
        players=PLAYERS_QUICK if arena.quick else PLAYERS,
        fault=fault,
        ended=ended,
        between_s=(0.8 * between_s, 1.2 * between_s),
        fighters=FIGHTERS_QUICK if arena.quick else FIGHTERS,
        back_s=BACK_S,
    )


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


async def roll_call(made: Zone, names: Iterable[str]) -> list[Problem]:
    """Of the checker `roll`: who of these is on two scenes, or on none."""
    roll = await made.roll(set(names))
    found = [Problem("roll", f"{name} is in the world twice") for name in roll.doubled]
    found += [Problem("roll", f"{name} is on no scene") for name in roll.lost]
    return found + [Problem("roll", f"{scene} did not say whom it has") for scene in roll.silent]


def words(toll: Toll) -> str:
    times = sorted(toll.recovery_ms)
    if not times:
        return "nobody is back"
    return f"{len(times)} of {len(toll.returns)} back, half of them after {times[len(times) // 2]:,.0f} ms"
