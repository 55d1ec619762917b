"""scene-restart: restart the scene that has most players on purpose, again and again, while they play.

A second process is started beside it and takes over everything. The players are not to notice: nobody is brought
anywhere, nobody's connection ends, and the longest time for which a player is told of no movement around it stays
short. That is what is shown as recovery, of each player on that scene and each restart. It contains the tick of 100 ms
that passes between two updates anyway, the time in which nobody around it has moved, and what the bots' own process
makes of it (`usual`: the same without a restart); what is missed is by how much updates came later than the numbers of
their ticks say.
"""

import asyncio
import random
from dataclasses import dataclass, field

from mesh.checking.records import Problem
from tools.bench.bench import Figure
from tools.chaos.campaign import carry_out
from tools.chaos.judging import times_of
from tools.chaos.players import Crowd, Hero
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.scenefaults import loads, on_scenes, roll_call, scene_of
from tools.chaos.zone import Zone, most_loaded

BETWEEN_S = 2.0
AFTER_S = 1.0  # after the new process serves: what goes wrong then belongs to the restart, too
USUAL_S = 2.0  # before it
LIVELY_S = 0.25  # whoever is usually told so often tells something about a pause


@dataclass
class Seen:
    """What players have noticed of all restarts."""

    silences_ms: list[float] = field(default_factory=list)
    usual_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    unheard: int = 0  # lively players whom the new process told of nothing
    brought: int = 0
    disconnected: int = 0
    failed: int = 0
    handed: int = 0
    took_ms: list[float] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


async def run(arena: Arena) -> Found:
    seen = Seen()

    async def fault(made: Zone, crowd: Crowd, chance: random.Random) -> str:
        await one_restart(made, crowd, seen, most_loaded(chance, made.of_role("scene"), loads(crowd)))
        return words(seen)

    async def ended(made: Zone, crowd: Crowd) -> list[Problem]:
        return [*seen.problems, *await roll_call(made, crowd.names)]

    found = await carry_out(arena, on_scenes(arena, fault, ended, BETWEEN_S))
    found.recovery_ms = seen.silences_ms
    found.reached = {
        "handed": 100.0 * seen.handed / max(1, seen.handed + seen.failed),
        "unheard": float(seen.unheard),
        "brought": float(seen.brought),
        "disconnects": float(seen.disconnected),
        "missed_max_ms": max(seen.late_ms, default=None),
        "usual_p99_ms": times_of(seen.usual_ms).p99,
        "restart_p99_ms": times_of(seen.took_ms).p99,
    }
    return found


async def one_restart(made: Zone, crowd: Crowd, seen: Seen, scene: str) -> None:
    here = [hero for hero in crowd.heroes if scene_of(hero) == scene and hero.player.playing]
    usual = await silences(made, here, USUAL_S)
    lively = [hero for hero in here if usual[hero] <= LIVELY_S]
    seen.usual_ms += [1000 * usual[hero] for hero in lively]
    at = made.now()
    listen(made, here)
    handed = await made.kept[scene].hand_over()
    served = made.now()
    seen.took_ms.append(1000 * (served - at))
    await asyncio.sleep(AFTER_S)
    now = made.now()
    seen.unheard += sum(not hero.heard_since(served) for hero in lively)
    seen.silences_ms += [1000 * hero.silence(now) for hero in lively]
    seen.late_ms += [1000 * hero.late_s for hero in here]
    seen.handed += handed
    seen.failed += not handed
    if not handed:
        seen.problems.append(
            Problem("handed", f"{scene} went on as it was: {' '.join(made.kept[scene].refusals[-1:])}")
        )
    for hero in here:
        brought, lost = hero.arrived_since(at), any(loss.at >= at for loss in hero.player.losses)
        seen.brought, seen.disconnected = seen.brought + brought, seen.disconnected + lost
        if brought:
            seen.problems.append(Problem("stayed", f"{hero.name} was brought somewhere by the restart of {scene}"))
        if lost:
            seen.problems.append(Problem("connected", f"{hero.name} was disconnected by the restart of {scene}"))


async def silences(made: Zone, heroes: list[Hero], seconds: float) -> dict[Hero, float]:
    """The longest of each within so many seconds."""
    listen(made, heroes)
    await asyncio.sleep(seconds)
    now = made.now()
    return {hero: hero.silence(now) for hero in heroes}


def listen(made: Zone, heroes: list[Hero]) -> None:
    now = made.now()
    for hero in heroes:
        hero.listen(now)


def words(seen: Seen) -> str:
    times = times_of(seen.silences_ms)
    if times.p99 is None:
        return "nobody was there"
    took = f"in {seen.took_ms[-1]:,.0f} ms"
    return f"{took}, longest silence p50 {times.p50:,.0f}, p99 {times.p99:,.0f}, max {max(seen.silences_ms):,.0f} ms"


SCENARIO = Scenario(
    "scene-restart",
    "Restart the scene with most players on purpose: they stay where they are, and notice a late tick at most.",
    (
        Figure("handed", "restarts in which the new process took over", "%", 100, quick=True),
        Figure("unheard", "players who were told of nothing in the second after it", "", 0, better="less"),
        Figure("brought", "players that were brought anywhere", "", 0, better="less", quick=True),
        Figure("disconnects", "players that were disconnected", "", 0, better="less", quick=True),
        LOST,
        DOUBLED,
        Figure("recovery_p50_ms", "longest time without movement, p50", "ms", better="less"),
        Figure("recovery_p99_ms", "longest time without movement, p99", "ms", 300, better="less"),
        Figure("recovery_max_ms", "longest time without movement, max", "ms", better="less"),
        Figure("missed_max_ms", "updates came later than due, max", "ms", 300, better="less"),
        Figure("usual_p99_ms", "the same without a restart, p99", "ms", better="less"),
        Figure("restart_p99_ms", "from the order until the new process serves, p99", "ms", better="less"),
    ),
    run,
    faults=20,
    faults_quick=2,
    what="restarts",
    bound_ms=300,
)
