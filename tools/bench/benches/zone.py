"""A whole zone: both cores are shared by all server processes and the generator, so the generator's own work counts
against the servers. At 10 moves and 10 ticks a second, and at 5 and 5.
"""

from tools.bench.bench import Bench, Figure, Outcome
from tools.bench.ground import Ground
from tools.bench.townrun import disturbed, largest, notes, table, way_of

FIRST, FIRST_SLOW, QUICK = 6_500, 10_000, 800


async def run(ground: Ground) -> Outcome:
    both = (0, 1)
    usual = way_of(ground, servers=both, generator=None)
    slow = way_of(ground, servers=both, generator=None, hz=5.0)
    start = ground.players or (QUICK if ground.quick else 0)
    best, runs = await largest(ground, usual, start or FIRST, once=bool(start))
    best_slow, runs_slow = await largest(ground, slow, start or FIRST_SLOW, once=bool(start))
    reached = {"players_slow": float(best_slow.players if best_slow else 0)}
    shown = best or runs[-1]
    return Outcome(
        players=best.players if best else 0,
        cpu_us_per_frame=shown.cpu_us_per_frame,
        updates_per_s=shown.window.updates_s,
        p50_ms=shown.window.latency.p50,
        p99_ms=shown.window.latency.p99,
        reached={**reached, "arrived": shown.window.arrived},
        tables=[table("10 moves/s, 10 ticks/s", runs), table("5 moves/s, 5 ticks/s", runs_slow)],
        processes=shown.use.processes,
        invalid=shown.void if best is None else [],
        disturbed=disturbed([*runs, *runs_slow]),
        notes=notes([*runs, *runs_slow]),
    )


BENCH = Bench(
    "zone",
    "How many players a whole zone carries with the generator on the same cores.",
    (
        Figure("players", "players that are OK at 10 moves/s", "", required=6_500, aim=10_000),
        Figure("players_slow", "players that are OK at 5 moves/s", "", required=10_000),
        Figure("arrived", "updates that arrived, of those due", "%", required=95, quick=True),
        Figure("p99_ms", "move to neighbour's receipt, p99", "ms", required=200, better="less", quick=True),
    ),
    run,
)
