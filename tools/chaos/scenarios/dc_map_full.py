"""dc-map-full: the database outgrows what it was allowed to use, again and again, and nobody notices.

It begins with the smallest map there is, which doubles while writers write. A stall is the longest time without an
acknowledgement around the moment at which the map was seen to have grown.
"""

import asyncio

from mesh.checking.records import Problem
from mesh.operator import Operator
from mesh.protocol.records import DbStat, StatDb
from tools.bench.bench import Figure
from tools.chaos.dcdesk import Desk, closed, desk_of
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_failpoints import add
from tools.chaos.scenarios.dc_kill import LOSSES

MAP_SETTINGS = {"dc.map_bytes": str(1 << 20)}
GROWTHS = 3  # of one database; the next one takes twice as long each time
LOOK_S = 0.02
GROWN_S = 60.0


async def run(arena: Arena) -> Found:
    found, stalls, errors = Found(faults=0, gold_before=0, gold_after=0), list[float](), 0
    while len(stalls) < arena.faults:
        async with desk_of(arena, MAP_SETTINGS, f"map{len(stalls)}") as desk:
            running = asyncio.create_task(desk.writers.run())
            grown = await growths(desk, min(GROWTHS, arena.faults - len(stalls)))
            desk.writers.stop()
            await running
            one, _ = await closed(desk, len(grown))
        errors += sum(desk.writers.passing.values()) + len(desk.dc.lives) - 1
        add(found, one)
        stalls += grown
        if not grown:
            break
    found.faults = len(stalls)
    found.reached = {"stall_max_ms": max(stalls, default=None), "errors": errors}
    return found


async def growths(desk: Desk, count: int) -> list[float]:
    """The stall at each of so many growths (ms)."""
    stalls, waited = list[float](), 0.0
    async with Operator(desk.topology) as operator:
        before, gaps = await map_bytes(operator), [0.0]
        while len(stalls) < count:
            await asyncio.sleep(LOOK_S)
            waited += LOOK_S
            now = await map_bytes(operator)
            gaps, desk.writers.gap_ms = [*gaps[-1:], desk.writers.gap_ms], 0.0
            if now > before:
                await asyncio.sleep(LOOK_S)
                stalls.append(max(*gaps, desk.writers.gap_ms))
                before, waited = now, 0.0
            if waited > GROWN_S:
                desk.writers.problems.append(Problem("map", f"it did not grow within {GROWN_S:.0f} s"))
                break
    return stalls


async def map_bytes(operator: Operator) -> int:
    said = await operator.ask("dc.1", StatDb())
    assert isinstance(said, DbStat), "nothing else answers StatDb"
    return int(said.facts["map_bytes"])


SCENARIO = Scenario(
    "dc-map-full",
    "The database outgrows its map again and again under writes.",
    (
        *LOSSES,
        Figure("errors", "refusals and restarts", "", 0, better="less", quick=True),
        Figure("stall_max_ms", "the longest time without an acknowledgement at a growth", "ms", 50, better="less"),
    ),
    run,
    faults=12,
    faults_quick=2,
    what="growths",
)
