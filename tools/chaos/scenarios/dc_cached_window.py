"""dc-cached-window: how much of what was only in memory a kill -9 of the DC costs.

All characters are saved twenty times a second, beside durable writes. After each kill the DC stays down until its file
was read: every state that was acknowledged more than a second before must be there, or a newer one.
"""

import asyncio

import msgspec

from mesh.checking.cached import cached, lost_s
from mesh.checking.records import Problem
from mesh.protocol.sessions import account_of
from tools.bench.bench import Figure
from tools.chaos.books import rows_of
from tools.chaos.dcdesk import BACK_S, Desk, closed, desk_of
from tools.chaos.savers import Savers
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import LOSSES

WINDOW_S = 1.0
PER_S = 500.0  # durable operations beside
LIFE_S = (1.2, 2.0)  # longer than the window, so that there is something that must be on disk


class _State(msgspec.Struct, frozen=True):
    key: str
    xp: int = 0
    damaged: str = ""


class _States(msgspec.Struct, frozen=True):
    rows: list[_State]


async def run(arena: Arena) -> Found:
    async with desk_of(arena, per_s=PER_S) as desk:
        savers = Savers(desk.writers.scene, arena.ground.clock, desk.writers.deals.sessions)
        working = [asyncio.create_task(desk.writers.run()), asyncio.create_task(savers.run())]
        recovered, windows = await kills(desk, savers)
        desk.writers.stop()
        working[1].cancel()
        await asyncio.wait(working)
        found, _ = await closed(desk, len(windows))
    found.recovery_ms = recovered
    found.reached = {"window_s": max(windows, default=None)}
    found.notes.append("recovery times contain the reading of the file: they are not judged here")
    return found


async def kills(desk: Desk, savers: Savers) -> tuple[list[float], list[float]]:
    """How long each was felt (ms), and what each has cost (s)."""
    recovered, windows = list[float](), list[float]()
    chance = desk.arena.chance("kills")
    for number in range(1, desk.arena.faults + 1):
        await asyncio.sleep(chance.uniform(*LIFE_S))
        desk.dc.hold()
        life = desk.dc.life
        at = desk.dc.kill()
        await desk.dc.wait_ended(life, BACK_S)
        stored = await states(desk)
        desk.writers.problems += cached(savers.saves, stored, at, WINDOW_S)
        windows.append(max(lost_s(savers.saves, one, at) for one in stored.values()))
        desk.dc.release()
        took = await desk.back_after(at)
        if took is None:
            desk.writers.problems.append(Problem("recovery", f"kill {number}: no answer within {BACK_S:.0f} s"))
            break
        recovered.append(took)
        savers.saves.clear()
    return recovered, windows


async def states(desk: Desk) -> dict[int, int]:
    """Number of the stored state by character, of those who are saved."""
    rows = msgspec.json.decode(await rows_of("states", desk.data, desk.arena.ground.say), type=_States).rows
    ours = {account_of(session) for session in desk.writers.deals.sessions}
    desk.writers.problems += [Problem("cached", row.damaged) for row in rows if row.damaged]
    return {int(row.key): row.xp for row in rows if int(row.key) in ours}


SCENARIO = Scenario(
    "dc-cached-window",
    "Kill the DC and look how old the oldest cached state is that was lost.",
    (
        *LOSSES,
        Figure("window_s", "the oldest acknowledged state that was lost, before the kill", "s", 1.0, better="less",
               quick=True),
    ),
    run,
    faults=100,
    faults_quick=3,
)  # fmt: skip
