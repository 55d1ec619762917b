"""dc-kill: kill -9 for the DC again and again, under about 2,000 durable writes a second.

It comes back by itself each time; the writers ask again what was not answered. In the end every operation is compared
with the ledger. A recovery lasts from the signal to the first acknowledgement of something that was asked after it.
"""

import asyncio

from mesh.checking.records import Problem
from tools.bench.bench import Figure
from tools.chaos.dcdesk import BACK_S, Desk, closed, desk_of
from tools.chaos.scenario import Arena, Found, Scenario

LIFE_S = (0.25, 0.75)  # between an answer and the next kill
WARM_S = 1.0
SAY_EVERY = 20
ACKED_MIN = 1_800  # a second, of 2,000 that are asked for: what is not asked in an outage comes never
LOST = Figure("lost", "acknowledged operations that are not there", "", 0, better="less", quick=True)
DOUBLED = Figure("doubled", "operations that were carried out twice", "", 0, better="less", quick=True)
GOLD = Figure("gold_change", "coins more or fewer than before", "", 0, better="less", quick=True)
LOSSES = (LOST, DOUBLED, GOLD)


async def run(arena: Arena) -> Found:
    async with desk_of(arena) as desk:
        running = asyncio.create_task(desk.writers.run())
        await asyncio.sleep(WARM_S)
        began = desk.writers.book.count("ok"), arena.ground.clock.now()
        recovered = await kills(desk)
        acked, seconds = desk.writers.book.count("ok") - began[0], arena.ground.clock.now() - began[1]
        desk.writers.stop()
        await running
        found, _ = await closed(desk, arena.faults)
    found.recovery_ms = recovered
    found.reached = {"acked_per_s": acked / seconds}
    return found


async def kills(desk: Desk) -> list[float]:
    """How long each of them was felt (ms). One that is not survived ends the storm."""
    arena, recovered = desk.arena, list[float]()
    chance = arena.chance("kills")
    for number in range(1, arena.faults + 1):
        await asyncio.sleep(chance.uniform(*LIFE_S))
        took = await desk.back_after(desk.dc.kill())
        if took is None:
            text = f"kill {number}: the DC did not answer within {BACK_S:.0f} s: {' '.join(desk.dc.words())}"
            desk.writers.problems.append(Problem("recovery", text))
            break
        recovered.append(took)
        await desk.writers.ask_again()
        if number % SAY_EVERY == 0:
            arena.ground.say(f"{number} of {arena.faults} kills, the last was felt for {took:.0f} ms")
    return recovered


SCENARIO = Scenario(
    "dc-kill",
    "Kill the DC again and again under durable writes: nothing lost, nothing doubled.",
    (
        *LOSSES,
        Figure("recovery_p50_ms", "writes go on, p50", "ms", better="less"),
        Figure("recovery_p99_ms", "writes go on, p99", "ms", 500, better="less"),
        Figure("recovery_max_ms", "writes go on, at the latest", "ms", 2_000, better="less"),
        Figure("acked_per_s", "durable operations acknowledged, outages included", "/s", ACKED_MIN),
    ),
    run,
    faults=200,
    faults_quick=5,
    bound_ms=500,
)
