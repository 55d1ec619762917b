"""scene-hang: the scene that has most players is stopped (SIGSTOP), and goes on when its players are elsewhere.

Nobody can tell a process that hangs from one that is slow, so it is left for dead after a while. When it goes on it
believes that it still has its players: nothing that it writes then may be applied, which the ledger shows, since each
of its rows names the process that asked, and nobody may be there twice. What the DC has refused is told, too.
"""

import asyncio
import signal

from mesh.checking.verdicts import count_of
from mesh.errors import Code
from tools.bench.bench import Figure
from tools.bots.scrape import pick, read_page
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.scenarios.scene_kill import AGE, BACK, CONNECTED, MISPLACED
from tools.chaos.scenefaults import suffer
from tools.chaos.zone import Zone

ZOMBIE_S = 2.0  # for it to say what it has to say
REFUSED = ("dc_states_fenced_total", "dc_refused_total")


async def run(arena: Arena) -> Found:
    refused: list[float] = []

    async def wake(made: Zone, scene: str) -> None:
        made.kept[scene].signal(signal.SIGCONT)
        await asyncio.sleep(ZOMBIE_S)
        await made.ready(scene)
        refused.append(await refusals(made))

    found = await suffer(arena, hang, wake)
    found.reached = {**found.reached, "zombies": float(count_of(found.problems, "fencing"))}
    told = f"{refused[-1]:,.0f}" if refused else "no"
    found.notes.append(f"the DC has refused {told} writes of processes or sessions that were over")
    return found


async def hang(made: Zone, scene: str) -> float:
    return made.kept[scene].signal(signal.SIGSTOP)


async def refusals(made: Zone) -> float:
    """States and operations that the DC has refused so far because whoever asked was over."""
    process = made.kept["dc.1"].process
    found = pick(await read_page(f"http://{process.host}:{process.metrics_port}/metrics"), *REFUSED)
    return sum(count for (name, _, code), count in found.items() if name == REFUSED[0] or code == Code.STALE_EPOCH)


SCENARIO = Scenario(
    "scene-hang",
    "Stop the scene with most players, let it go on later: they play on elsewhere, it writes nothing.",
    (
        BACK,
        CONNECTED,
        LOST,
        DOUBLED,
        Figure("zombies", "writes of a process that was given up", "", 0, better="less", quick=True),
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
