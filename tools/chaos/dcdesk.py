"""A DC that can be killed, and writers who ask it: what all scenarios of the DC stand on."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mesh.topology import Topology, load
from tools.bench.cluster import Cluster
from tools.bench.dcdesk import Login, Scene
from tools.bench.standin import stand_in
from tools.chaos.books import Books, read_books
from tools.chaos.household import Kept, household
from tools.chaos.scenario import Arena, Found, counted
from tools.chaos.writers import Writers
from tools.ctl.clusters import topology_file
from tools.ctl.exits import CommandError

PLAYERS = 200
STARTING_GOLD = 1_000_000  # of each: nobody runs out of it
PER_S = 2_000.0  # durable operations
ANSWERED_S = 20.0  # for what is still under way at the end
BACK_S = 15.0  # after a fault: longer is no recovery


@dataclass(frozen=True)
class Desk:
    """The processes and those who ask."""

    arena: Arena
    topology: Topology
    dc: Kept
    writers: Writers

    @property
    def data(self) -> Path:
        return self.topology.data(self.topology.node("dc.1"))

    async def back_after(self, fault_at: float) -> float | None:
        """How long after the fault an operation was answered that was asked after it (ms)."""
        at = await self.writers.answered_since(fault_at, BACK_S)
        return None if at is None else (at - fault_at) * 1000


@contextlib.asynccontextmanager
async def desk_of(
    arena: Arena,
    settings: Mapping[str, str] | None = None,
    folder: str = "dc",
    per_s: float = PER_S,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Desk]:
    """A center, a DC with new accounts in it, and writers that have not begun. `environment` is what the DC has more
    than we have."""
    ground = arena.ground
    overrides = {"dc.starting_gold": str(STARTING_GOLD), **(settings or {})}
    topology = load(topology_file("bench"), base_port=ground.base_port, runtime=ground.folder / folder)
    own = {"dc.1": environment or {}}
    async with household(ground, topology, ("center.1", "dc.1"), overrides, own) as kept:
        for one in kept.values():
            if not await one.wait_ready():
                raise CommandError(f"{one.process.name} did not start: {' '.join(one.words())}")
        cluster = Cluster(topology, {}, (), ground.folder, ground.clock)
        async with stand_in(cluster, Scene) as scene, stand_in(cluster, Login) as login:
            writers = Writers(login, scene, ground.clock, arena.chance("writers"), per_s)
            await writers.log_in(PLAYERS)
            yield Desk(arena, topology, kept["dc.1"], writers)


async def closed(desk: Desk, faults: int) -> tuple[Found, Books]:
    """Everybody is answered, the DC is killed a last time, and what its file says is compared with the records."""
    await desk.writers.finish(ANSWERED_S)
    await desk.dc.end()
    books = await read_books(desk.data, desk.arena.ground.say)
    found = counted(desk.writers.book, books.state, faults, [*desk.writers.problems, *books.problems])
    found.gold_before = PLAYERS * STARTING_GOLD
    found.gold_after = books.state.wallets
    if desk.writers.skipped:
        found.notes.append(f"{desk.writers.skipped:,} operations were not begun, because too many were under way")
    if desk.writers.passing:
        refusals = ", ".join(f"{count:,} {code}" for code, count in sorted(desk.writers.passing.items()))
        found.notes.append(f"refused for the moment and asked again: {refusals}")
    if desk.writers.asked_again:
        found.notes.append(f"{desk.writers.asked_again:,} acknowledged operations were asked again")
    return found, books
