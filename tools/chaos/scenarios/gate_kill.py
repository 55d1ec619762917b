"""gate-kill: kill -9 for the gate that has most clients, again and again, while they walk, ask and fight.

Each of its clients resumes at the other gate with its one-time token: nobody proves who it is anew, nothing that was
acknowledged is lost, every question is answered once. A recovery lasts from the signal to the full view of a resume.
"""

from tools.bench.bench import Figure
from tools.chaos.gatefaults import Fault, suffer
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import DOUBLED, LOST
from tools.chaos.zone import Zone

CLIENTS, CLIENTS_QUICK = 2_000, 40
RESUMED = Figure("resumed", "clients that resumed", "%", 100, quick=True)
LOGINS = Figure("logins", "passwords and tickets that had to be checked", "", 0, better="less", quick=True)


async def run(arena: Arena) -> Found:
    return await suffer(arena, Fault(kill, mend, CLIENTS_QUICK if arena.quick else CLIENTS))


async def kill(made: Zone, gate: str) -> float:
    return made.kept[gate].kill()


async def mend(made: Zone, gate: str) -> None:
    await made.ready(gate)


SCENARIO = Scenario(
    "gate-kill",
    "Kill the gate with most clients: all of them resume at the other one, nothing lost, nothing doubled.",
    (
        RESUMED,
        LOST,
        DOUBLED,
        LOGINS,
        Figure("recovery_p50_ms", "resumed, p50", "ms", better="less"),
        Figure("recovery_p99_ms", "resumed, p99", "ms", 5_000, better="less"),
    ),
    run,
    faults=20,
    faults_quick=2,
    bound_ms=5_000,
)
