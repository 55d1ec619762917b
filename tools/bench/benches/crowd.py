"""A crowd: one and three thousand players, each within the radius of sight of all others.

Nobody can be told of everybody at every tick. What has to hold: no client gets more movement than its budget, nobody in
view is left untold for more than two seconds, fights are heard at once whatever the crowd does, and nobody is
disconnected. One player of twenty fights; every tenth client is looked at closely.
"""

from tools.bench import town
from tools.bench.bench import Bench, Figure, Outcome, in_phase, written
from tools.bench.benches.battle import fight
from tools.bench.generator import LoadSpec
from tools.bench.ground import SERVER, Ground
from tools.bench.result import Table
from tools.bench.said import Window, greatest, times
from tools.bench.townrun import all_in
from tools.bench.usage import Use

SIZES, QUICK = (1_000, 3_000), (300,)
ACROSS_M = 40.0  # of the crowd: less than the radius of sight, so that everybody could see everybody
MAP_M = 200.0
BUDGET_BYTES_S = 20_000  # of the map's settings, said here so that it is what is measured
BUDGET_ROOM = 1.1  # heads of frames, and a tick more or less in the window
SETTLE_S, SETTLE_QUICK_S = 8.0, 3.0
SECONDS, SECONDS_QUICK = 10.0, 4.0
ATTACKS_S = 0.05
LOOK_AT_EVERY = 10


async def run(ground: Ground) -> Outcome:
    sizes = (ground.players,) if ground.players else QUICK if ground.quick else SIZES
    runs = [(players, *await gather(ground, players)) for players in sizes]
    players, last, use = runs[-1]
    windows = [window for _, window, _ in runs]
    missing = [w.combat.missing for w in windows if w.combat.missing is not None]
    return Outcome(
        players=players,
        updates_per_s=last.updates_s,
        p50_ms=last.latency.p50,
        p99_ms=last.latency.p99,
        reached={
            "combat_p99_ms": greatest(w.combat.p99 for w in windows),
            "missing": sum(missing) if missing else None,
            "oldest_s": times(greatest(w.views.longest.longest for w in windows), 1000.0),
            "starved": float(sum(w.views.starved for w in windows)),
            "budget": max(w.client_bytes_s_most for w in windows) / BUDGET_BYTES_S,
            "bytes": greatest(w.update_bytes for w in windows),
            "closed": float(sum(w.closed for w in windows)),
        },
        tables=[crowd_table(runs)],
        processes=use.processes,
        invalid=[why for n, window, used in runs for why in in_phase(f"{n:,} players", window.invalid + used.invalid)],
        notes=[note for _, _, used in runs for note in used.notes],
    )


async def gather(ground: Ground, players: int) -> tuple[Window, Use]:
    """Everybody on one spot, for a while."""
    ground.need_clients(players)
    settings = town.settings(players, width=MAP_M, spawn_m=ACROSS_M * 0.7, budget_bytes_s=BUDGET_BYTES_S)
    async with ground.cluster("bench", settings, (SERVER,)) as cluster:
        spec = LoadSpec(gates=cluster.gates, tickets=cluster.tickets(players))
        async with ground.load(spec) as load:
            await load.do(f"track {LOOK_AT_EVERY}")
            await load.do(f"circle {ACROSS_M / 2:g}")
            await all_in(load, players)
            await load.measure(SETTLE_QUICK_S if ground.quick else SETTLE_S)
            before = cluster.mark()
            window = await fight(load, ATTACKS_S, SECONDS_QUICK if ground.quick else SECONDS)
            use = cluster.since(before)
    ground.say(
        f"{players:,} in one place: each sees {window.views.seen:.0f} at {window.client_bytes_s / 1000:.1f} KB/s"
    )
    return window, use


def crowd_table(runs: list[tuple[int, Window, Use]]) -> Table:
    head = ["players", "seen by each", "KB/s each", "KB/s most", "B/update", "oldest s (p99)", "oldest s",
            "Hit p99 ms", "move p50 ms", "servers"]  # fmt: skip
    rows = [
        [
            f"{players:,}",
            f"{w.views.seen:.0f}",
            f"{w.client_bytes_s / 1000:.1f}",
            f"{w.client_bytes_s_most / 1000:.1f}",
            f"{w.bytes_per_update:.1f}",
            f"{w.views.longest.p99_ms / 1000:.2f}",
            f"{w.views.longest.max_ms / 1000:.2f}",
            written(w.combat.p99),
            f"{w.latency.p50_ms:.0f}",
            f"{use.cpu_s() / use.seconds * 100:.0f} %",
        ]
        for players, w, use in runs
    ]
    return Table("Everybody within the radius of sight of everybody", head, rows)


BENCH = Bench(
    "crowd",
    "One and three thousand players within one radius of sight.",
    (
        Figure("combat_p99_ms", "attack to Hit at both ends, p99", "ms", required=150, better="less", quick=True),
        Figure(
            "missing", "Hits that somebody whom they concern did not hear", "", required=0, better="less", quick=True
        ),
        Figure(
            "oldest_s", "the longest that anybody in view was not told of", "s", required=2, better="less", quick=True
        ),
        Figure("starved", "entities in view not told of for more than 2 s", "", required=0, better="less", quick=True),
        Figure("budget", "movement to one client, to its budget", "x", required=BUDGET_ROOM, better="less", quick=True),
        Figure("bytes", "bytes of an update on the wire", "B", required=14, better="less", quick=True),
        Figure("closed", "players disconnected", "", required=0, better="less", quick=True),
    ),
    run,
)
