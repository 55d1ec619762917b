"""scene-hang: the scene that has most players is stopped (SIGSTOP), and goes on when its players are elsewhere.

Nobody can tell a process that hangs from one that is slow, so it is left for dead after a while. When it goes on it
believes that it still has its players: nothing that it writes then may be applied, and nobody may be there twice.
"""

import asyncio
import signal

from tools.bench.bench import Figure
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.scenarios.scene_kill import AGE, BACK, CONNECTED, MISPLACED
from tools.chaos.scenefaults import suffer
from tools.chaos.zone import Zone

ZOMBIE_S = 2.0  # for it to say what it has to say


async def run(arena: Arena) -> Found:
    return await suffer(arena, hang, wake)


async def hang(made: Zone, scene: str) -> float:
    return made.kept[scene].signal(signal.SIGSTOP)


async def wake(made: Zone, scene: str) -> None:
    made.kept[scene].signal(signal.SIGCONT)
    await asyncio.sleep(ZOMBIE_S)
    await made.ready(scene)


SCENARIO = Scenario(
    "scene-hang",
    "Stop the scene with most players, let it go on later: they play on elsewhere, it writes nothing.",
    (
        BACK,
        CONNECTED,
        LOST,
        DOUBLED,
        AGE,
        MISPLACED,
        Figure("recovery_p50_ms", "in the world again, p50", "ms", better="less"),
        Figure("recovery_p99_ms", "in the world again, p99", "ms", 4_000, better="less"),
    ),
    run,
    faults=10,
    faults_quick=1,
    what="hangs",
    bound_ms=4_000,
)
