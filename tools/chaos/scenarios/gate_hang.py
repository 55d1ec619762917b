"""gate-hang: the gate that has most clients is stopped (SIGSTOP), and goes on when they are elsewhere.

Nothing tells a client that its gate hangs: it has heard nothing for three seconds and tries another one. That is most
of a recovery, which lasts from the signal to the full view of the resume. What the old gate says when it goes on
reaches nobody, and nobody is in the world through it.
"""

import asyncio
import signal

from tools.bench.bench import Figure
from tools.chaos.gatefaults import Fault, suffer
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.scenarios.gate_kill import LOGINS, RESUMED
from tools.chaos.zone import Zone

CLIENTS, CLIENTS_QUICK = 500, 30
PATIENCE_S = 3.0
ZOMBIE_S = 2.0  # for it to say what it has to say


async def run(arena: Arena) -> Found:
    return await suffer(arena, Fault(hang, wake, CLIENTS_QUICK if arena.quick else CLIENTS, PATIENCE_S))


async def hang(made: Zone, gate: str) -> float:
    return made.kept[gate].signal(signal.SIGSTOP)


async def wake(made: Zone, gate: str) -> None:
    made.kept[gate].signal(signal.SIGCONT)
    await asyncio.sleep(ZOMBIE_S)
    await made.ready(gate)


SCENARIO = Scenario(
    "gate-hang",
    "Stop the gate with most clients: they resume at the other one, nothing lost, nothing doubled.",
    (
        RESUMED,
        LOST,
        DOUBLED,
        LOGINS,
        Figure("recovery_p50_ms", "resumed, p50, the client's own patience of 3 s included", "ms", better="less"),
        Figure("recovery_p99_ms", "resumed, p99", "ms", 8_000, better="less"),
    ),
    run,
    faults=10,
    faults_quick=1,
    what="hangs",
    bound_ms=8_000,
)
