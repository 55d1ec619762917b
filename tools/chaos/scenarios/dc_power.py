"""dc-power: the power is lost while the DC writes.

A DC runs under writers with a library in it that notes each write and each sync of its data file. From that trace
images are made of what a disk may hold: everything up to the last sync and any part of the pages that were written
since, at moments all over the run. Every image must open, must be whole, and must hold a beginning of history in which
everything is that was acknowledged before the moment.

What the trace cannot show is a disk that says it has synced and has not.
"""

import asyncio
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mesh.checking.lost import lost
from mesh.checking.order import prefix
from mesh.checking.records import Id, Operation, Problem, State
from tools.bench.bench import Figure
from tools.bench.build import build
from tools.chaos.books import read_check, read_ledger
from tools.chaos.dcdesk import closed, desk_of
from tools.chaos.platter import Platter, Step, steps_of
from tools.chaos.scenario import Arena, Found, Scenario
from tools.chaos.scenarios.dc_kill import LOSSES
from tools.ctl.exits import CommandError

SOURCES = Path(__file__).parents[1] / "src" / "tracer"
LIBRARY = ("-shared", "-fPIC")
TRACE = "MESH_TRACE"
PER_S = 1_000.0
SECONDS, SECONDS_QUICK = 4.0, 1.5
DATA_FILE = "data.mdb"
SAY_EVERY = 50


async def run(arena: Arena) -> Found:
    ground, trace = arena.ground, arena.ground.folder / "trace"
    library = build(SOURCES, "tracer", os.environ, LIBRARY)
    traced = {"LD_PRELOAD": str(library), TRACE: str(trace)}
    async with desk_of(arena, per_s=PER_S, environment=traced) as desk:
        began = ground.clock.now()
        running = asyncio.create_task(desk.writers.run())
        await asyncio.sleep(SECONDS_QUICK if arena.quick else SECONDS)
        desk.writers.stop()
        await running
        found, books = await closed(desk, 0)
        operations = desk.writers.book.operations
    steps = list(steps_of(trace.read_bytes()))
    inquest = Inquest(arena, operations, books.state.applied)
    await inquest.run(steps, began)
    found.faults = inquest.images
    found.problems += inquest.problems
    found.lost += inquest.lost
    found.reached = {"opened": inquest.opened / max(1, inquest.images) * 100, "loose_max": inquest.loose_max}
    if not inquest.images:
        found.invalid.append("nothing was traced: the DC does not write through the calls that are watched")
    return found


@dataclass
class Inquest:
    """Images, one after the other, against what was acknowledged and what was accepted in the end."""

    arena: Arena
    operations: Sequence[Operation]
    accepted: Sequence[Id]
    images: int = 0
    opened: int = 0
    lost: int = 0
    loose_max: int = 0  # pages that were not on disk, in one image
    problems: list[Problem] = field(default_factory=list)

    async def run(self, steps: Sequence[Step], began: float) -> None:
        """At as many moments as there are to be faults, all of them after `began`."""
        later = [at for at, step in enumerate(steps) if step.at > began and at + 1 < len(steps)]
        chance, platter = self.arena.chance("images"), Platter()
        moments = Counter(chance.choices(later, k=self.arena.faults) if later else ())
        for at, step in enumerate(steps):
            platter.do(step)
            for _ in range(moments[at]):
                self.loose_max = max(self.loose_max, len(platter.loose))
                await self._look(platter.image(chance), steps[at + 1].at)

    async def _look(self, image: bytes, lost_at: float) -> None:
        self.images += 1
        folder = self.arena.ground.folder / "image"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        (folder / DATA_FILE).write_bytes(image)
        try:
            check = await read_check(folder, self.arena.ground.say)
            applied = State(await read_ledger(folder, self.arena.ground.say)).applied
        except CommandError as error:
            self.problems.append(Problem("image", f"image {self.images} does not open: {error}"))
            return
        self.opened += 1
        before = [one for one in self.operations if one.returned < lost_at]
        gone = lost(before, applied)
        self.lost += len(gone)
        self.problems += gone + prefix(self.accepted, applied)
        self.problems += [Problem("check", f"image {self.images}: {text}") for text in check["problems"]]
        if self.images % SAY_EVERY == 0:
            self.arena.ground.say(f"{self.images} images")


SCENARIO = Scenario(
    "dc-power",
    "The power is lost while the DC writes: images of what a disk may hold then.",
    (
        *LOSSES,
        Figure("opened", "images that open", "%", 100, quick=True),
        Figure("loose_max", "pages in one image that were not synced, at most"),
    ),
    run,
    faults=200,
    faults_quick=10,
    what="images",
)
