"""dc-disk-full: the disk is full, and then it is not.

What fills it is a limit for the size of the DC's files, which the system answers like a full quota; it needs no rights
and no disk of its own. While it is full every write is refused and every read is answered; when there is room again
writes go on by themselves.
"""

import asyncio

from mesh.checking.records import Problem
from mesh.errors import Code, MeshError
from mesh.protocol.cluster import FindAccount
from tools.bench.bench import Figure
from tools.chaos.dcdesk import BACK_S, PLAYERS, Desk, closed, desk_of
from tools.chaos.judging import times_of
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import LOSSES

PER_S = 1_000.0
UNDER_WAY_MAX = 300  # they all wait and ask again while it is full
FULL_S = 1.5
ROOM_S = 1.0  # between two
SOON_S = 20.0  # until pages that are free already are used up
LOOK_S = 0.005
READ_EVERY_S = 0.01
DATA_FILE = "data.mdb"
CACHED_MAX = 100  # rows: most reads are of the file, which is what must go on


async def run(arena: Arena) -> Found:
    reads = [0, 0]
    async with desk_of(arena, {"dc.cache_rows_max": str(CACHED_MAX)}, per_s=PER_S) as desk:
        desk.writers.under_way_max = UNDER_WAY_MAX
        running = asyncio.create_task(desk.writers.run())
        reading = asyncio.create_task(read(desk, reads))
        recovered = await fills(desk)
        desk.writers.stop()
        reading.cancel()
        await asyncio.wait([running, reading])
        refusals = times_of(desk.writers.refused_ms)
        found, _ = await closed(desk, len(recovered))
    found.recovery_ms = recovered
    found.reached = {
        "refusal_p99_ms": refusals.p99,
        "refusal_max_ms": refusals.max,
        "reads_failed": reads[1],
        "reads": reads[0],
    }
    return found


async def fills(desk: Desk) -> list[float]:
    """From the moment when there is room to the first write (ms), of each."""
    recovered = list[float]()
    for number in range(1, desk.arena.faults + 1):
        await asyncio.sleep(ROOM_S)
        full = desk.writers.passing.get(Code.DISK_FULL, 0)
        desk.dc.limit_files((desk.data / DATA_FILE).stat().st_size)
        if not await refused_since(desk, full):
            desk.writers.problems.append(Problem("full", f"{number}: nothing was refused on a full disk"))
            break
        await asyncio.sleep(FULL_S)
        at = desk.arena.ground.clock.now()
        desk.dc.limit_files(None)
        took = await desk.back_after(at)
        if took is None:
            text = f"{number}: no write within {BACK_S:.0f} s after there was room: {' '.join(desk.dc.words())}"
            desk.writers.problems.append(Problem("recovery", text))
            break
        recovered.append(took)
    if len(desk.dc.lives) > 1:
        desk.writers.problems.append(Problem("full", f"the DC ended {len(desk.dc.lives) - 1} times"))
    return recovered


async def refused_since(desk: Desk, before: int) -> bool:
    """Until writes are refused for want of room."""
    waited = 0.0
    while desk.writers.passing.get(Code.DISK_FULL, 0) == before and waited < SOON_S:
        await asyncio.sleep(LOOK_S)
        waited += LOOK_S
    return waited < SOON_S


async def read(desk: Desk, reads: list[int]) -> None:
    """Accounts by name, all the time: how many, and how many of them failed."""
    chance = desk.arena.chance("reads")
    while True:
        reads[0] += 1
        try:
            await desk.writers.login.ask("dc", FindAccount(f"writer{chance.randrange(PLAYERS)}"))
        except MeshError:
            reads[1] += 1
        await asyncio.sleep(READ_EVERY_S)


SCENARIO = Scenario(
    "dc-disk-full",
    "The disk of the DC is full for a while: writes are refused, reads go on, nothing is lost.",
    (
        *LOSSES,
        Figure("reads_failed", "reads that were not answered", "", 0, better="less", quick=True),
        Figure("reads", "reads"),
        Figure("refusal_p99_ms", "a write is refused, p99", "ms", better="less"),
        Figure("refusal_max_ms", "a write is refused, at the latest", "ms", 100, better="less"),
        Figure("recovery_max_ms", "writes go on after there is room, at the latest", "ms", 1_000, better="less"),
    ),
    run,
    faults=20,
    faults_quick=2,
    what="full disks",
    bound_ms=1_000,
)
