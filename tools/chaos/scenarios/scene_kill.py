"""scene-kill: kill -9 for the scene that has most players, again and again.

Its players stay connected and are on another scene, or on the same one started anew, from what the DC has of them. A
recovery lasts from the signal to the full view there.
"""

from tools.bench.bench import Figure
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.scenefaults import suffer
from tools.chaos.zone import Zone

CONNECTED = Figure("disconnects", "players that were disconnected", "", 0, better="less", quick=True)
BACK = Figure("back", "players that were in the world again", "%", 100, quick=True)
MISPLACED = Figure(
    "misplaced", "players that found themselves where they had not been", "", 0, better="less", quick=True
)
AGE = Figure("age_max_ms", "age of the place where a player found itself, at most", "ms", 1_000, better="less")


async def run(arena: Arena) -> Found:
    return await suffer(arena, kill, mend)


async def kill(made: Zone, scene: str) -> float:
    return made.kept[scene].kill()


async def mend(made: Zone, scene: str) -> None:
    await made.ready(scene)


SCENARIO = Scenario(
    "scene-kill",
    "Kill the scene with most players: they stay connected and play on elsewhere.",
    (
        BACK,
        CONNECTED,
        LOST,
        DOUBLED,
        AGE,
        MISPLACED,
        Figure("recovery_p50_ms", "in the world again, p50", "ms", 1_500, better="less"),
        Figure("recovery_p99_ms", "in the world again, p99", "ms", 3_000, better="less"),
    ),
    run,
    faults=20,
    faults_quick=2,
    bound_ms=3_000,
)
