"""dc-corrupt: bits of the database flip, pages become zero, the end is missing. Is anything wrong ever served?

One database is made and everything in it is read. Then, again and again, a copy of it is damaged, a DC is started on
it, and everything is read once more: whatever is answered must be what was written. A row that is refused or shown as
damaged was detected; one that is missing must be missed by the DC's own check. A DC that cannot live with the damage
has to say so with the exit code that tells its supervisor to leave it alone: nobody may be started for ever.
"""

import asyncio
import shutil
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from mesh.checking.records import Problem
from mesh.errors import DeadlineExceeded, PeerLost, RefusedError
from mesh.operator import Operator
from mesh.protocol.records import DbStat, ReadRecords, Records, StatDb
from tools.bench.bench import Figure
from tools.chaos.books import read_check
from tools.chaos.damage import Damage, damages
from tools.chaos.dcdesk import Desk, closed, desk_of
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import LOSSES
from tools.ctl.exits import CommandError
from tools.ctl.supervision import CONFIGURATION

PER_S = 500.0
SECONDS = 1.5
ANSWER_S = 5.0
ROWS_MAX = 10_000  # of one table, which one answer holds
LIVES_MAX = 8  # of a DC on one damaged file: more is a loop
SETTLE_S = 20.0
STEP_S = 0.005
DATA_FILE = "data.mdb"
SAY_EVERY = 50
Tables = dict[str, dict[str, Any]]


async def run(arena: Arena) -> Found:
    async with desk_of(arena, per_s=PER_S) as desk:
        running = asyncio.create_task(desk.writers.run())
        await asyncio.sleep(SECONDS)
        desk.writers.stop()
        await running
        await desk.writers.finish(SETTLE_S)
        inquest = await Inquest.begin(desk)
        await inquest.run(arena)
        await inquest.put(inquest.whole)
        found, _ = await closed(desk, arena.faults)
    found.problems += inquest.problems
    counts = inquest.counts
    found.reached = {figure.name: counts[figure.name.replace("_", " ")] for figure in OUTCOMES}
    return found


@dataclass
class Inquest:
    """What was in the database, and what a DC made of each damaged copy."""

    desk: Desk
    whole: bytes
    written: Tables
    counts: Counter[str] = field(default_factory=Counter)
    problems: list[Problem] = field(default_factory=list)

    @classmethod
    async def begin(cls, desk: Desk) -> "Inquest":
        """Everything that is in it, read from a DC that was started anew: with nothing in memory."""
        inquest = cls(desk, b"", {})
        await inquest.put(None, kill=False)
        inquest.whole = (desk.data / DATA_FILE).read_bytes()
        await inquest.put(inquest.whole)
        if not await desk.dc.wait_ready():
            raise CommandError(f"the DC did not start again: {' '.join(desk.dc.words())}")
        inquest.written = await read_all(desk, None)
        return inquest

    async def run(self, arena: Arena) -> None:
        chance = arena.chance("damage")
        for number, damage in enumerate(damages(arena.faults, self.whole, chance), 1):
            what = await self._look(damage)
            self.counts[what] += 1
            if number % SAY_EVERY == 0:
                arena.ground.say(f"{number} of {arena.faults}: {dict(self.counts)}")

    async def put(self, image: bytes | None, *, kill: bool = True) -> None:
        """End the DC, give it this file, and start it; None: only end it."""
        dc = self.desk.dc
        dc.hold()
        life = dc.life
        dc.kill() if kill else dc.terminate()
        await dc.wait_ended(life, SETTLE_S)
        if image is None:
            return
        for path in self.desk.data.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        (self.desk.data / DATA_FILE).write_bytes(image)
        lives = len(dc.lives)
        dc.release()
        while len(dc.lives) == lives:  # noqa: ASYNC110 - it begins at once
            await asyncio.sleep(STEP_S)

    async def _look(self, damage: Damage) -> str:
        """What became of it, in a word or two. A DC that dies while it is read is started and read again, as a
        supervisor and players would do; sooner or later it must live or give up. Of one that lives a link may have
        broken, when the machine stood still: it is read once more."""
        dc, silent = self.desk.dc, None
        await self.put(damage.image)
        for _ in range(LIVES_MAX):
            if not await dc.wait_ready(SETTLE_S):
                break
            life = dc.life
            try:
                return await self._compare(damage, await read_all(self.desk, self.written))
            except (PeerLost, DeadlineExceeded):
                if await dc.wait_ended(life, SETTLE_S):
                    continue
                if life is silent:
                    self.problems.append(Problem("answers", f"{damage.what}: the DC lives and does not answer"))
                    return "no answer"
                silent = life
        if dc.gave_up and dc.life.code == CONFIGURATION:
            return "not opened"
        self.problems.append(Problem("loop", f"{damage.what}: the DC dies again and again: {' '.join(dc.words())}"))
        return "loops"

    async def _compare(self, damage: Damage, found: Tables) -> str:
        wrong = [
            f"{table} {key}"
            for table, rows in found.items()
            for key, row in rows.items()
            if "damaged" not in row and row != self.written[table].get(key)
        ]
        if wrong:
            self.problems.append(Problem("served", f"{damage.what}: {len(wrong)} rows, such as {wrong[0]}"))
            return "served wrong"
        if found == self.written:
            return "harmless"
        shown = any("damaged" in row for rows in found.values() for row in rows.values())
        if shown or found.keys() != self.written.keys():
            return "detected"
        return await self._checked(damage)

    async def _checked(self, damage: Damage) -> str:
        """Rows are missing and nobody has complained: does the check?"""
        await self.put(None)
        try:
            whole = (await read_check(self.desk.data, lambda _: None))["ok"]
        except CommandError:
            whole = False
        if whole:
            self.problems.append(Problem("detected", f"{damage.what}: rows are missing, and the check finds nothing"))
            return "not detected"
        return "detected"


async def read_all(desk: Desk, known: Tables | None) -> Tables:
    """Every row of every table, as an operator sees it; a table that is refused is left out. PeerLost when the DC dies
    of it. `known`: the tables that there are, when the DC need not be asked for them."""
    found: Tables = {}
    async with Operator(desk.topology) as operator:
        if known is None:
            said = await operator.ask("dc.1", StatDb())
            assert isinstance(said, DbStat), "nothing else answers StatDb"
            known = {table: {} for table in said.facts["tables"]}
        for table in known:
            try:
                answer = await operator.ask("dc.1", ReadRecords(table, "", ROWS_MAX), ANSWER_S)
            except RefusedError:
                continue
            assert isinstance(answer, Records), "nothing else answers ReadRecords"
            found[table] = dict(answer.rows)
    return found


OUTCOMES = (
    Figure("served_wrong", "damaged files of which something wrong was served", "", 0, better="less", quick=True),
    Figure("not_detected", "damaged files that nobody complained about", "", 0, better="less", quick=True),
    Figure("loops", "damaged files on which the DC dies for ever", "", 0, better="less", quick=True),
    Figure("detected", "damaged files: rows refused or missed by the check"),
    Figure("not_opened", "damaged files: the DC refused to start and was left alone"),
    Figure("harmless", "damaged files: nothing that is in use was hit"),
)

SCENARIO = Scenario(
    "dc-corrupt",
    "Flip bits, zero pages and cut the end of the database: everything wrong is detected, none served.",
    (*LOSSES, *OUTCOMES),
    run,
    faults=255,
    faults_quick=12,
    what="damaged files",
)
