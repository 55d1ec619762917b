"""The mobile architecture: one game server is one process, which hosts gate, scene, login and center. It has core 0
with its DC and log, the generator core 1. The largest number of players that is OK, and what a frame costs.
"""

from tools.bench.bench import Bench, Figure, Outcome
from tools.bench.ground import Ground
from tools.bench.townrun import disturbed, largest, notes, play, table, way_of

PLAYERS, QUICK = 4_000, 800


async def run(ground: Ground) -> Outcome:
    way = way_of(ground, topology="mobile")
    players = ground.players or (QUICK if ground.quick else PLAYERS)
    first = await play(ground, players, way)
    best, climb = first if first.verdict == "OK" else None, [first]
    if not ground.quick and ground.players is None:
        best, more = await largest(ground, way, 5_500, best)
        climb += more
    shown = best or first
    return Outcome(
        players=best.players if best else 0,
        cpu_us_per_frame=first.cpu_us_per_frame,
        updates_per_s=shown.window.updates_s,
        p50_ms=shown.window.latency.p50,
        p99_ms=shown.window.latency.p99,
        reached={"arrived": shown.window.arrived, "memory": sum(p.rss_mb for p in shown.use.processes)},
        tables=[table("One game server", climb)],
        processes=shown.use.processes,
        invalid=first.void if best is None else [],
        disturbed=disturbed(climb),
        notes=notes(climb),
    )


BENCH = Bench(
    "mobile",
    "The town square on one game server process.",
    (
        Figure("players", "players that are OK", "", aim=5_500),
        Figure("cpu_us_per_frame", "CPU per frame", "us", aim=18, better="less"),
        Figure("memory", "memory of all processes", "MB", better="less"),
        Figure("arrived", "updates that arrived, of those due", "%", required=95, quick=True),
        Figure("p99_ms", "move to neighbour's receipt, p99", "ms", required=200, better="less", quick=True),
    ),
    run,
)
