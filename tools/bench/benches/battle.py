"""Five hundred against five hundred within half a radius of sight, each attacking once a second.

Every attack must end as a Hit at both ends, soon, in the order in which it was made, and with the same points left at
both. Everybody goes on walking meanwhile; who dies comes back to life, as the rules have it.
"""

from tools.bench import town
from tools.bench.bench import Bench, Figure, Outcome, in_phase
from tools.bench.generator import Generator, LoadSpec
from tools.bench.ground import SERVER, Ground
from tools.bench.result import Table
from tools.bench.said import Combat, Window
from tools.bench.townrun import WARM_S, all_in

PLAYERS, QUICK = 1_000, 200
ACROSS_M = 60.0  # where they begin; they fight within half of it about the middle
MAP_M = 200.0
SECONDS, SECONDS_QUICK = 10.0, 4.0
LAST_HITS_S = 2.5  # for what is under way; what comes later than that is missing


async def run(ground: Ground) -> Outcome:
    players = ground.players or (QUICK if ground.quick else PLAYERS)
    ground.need_clients(players)
    async with ground.cluster("bench", town.settings(players, width=MAP_M, spawn_m=ACROSS_M), (SERVER,)) as cluster:
        spec = LoadSpec(gates=cluster.gates, tickets=cluster.tickets(players))
        async with ground.load(spec) as load:
            await load.do(f"circle {ACROSS_M / 2:g}")  # before anybody comes: who comes early must not walk away
            await all_in(load, players)
            await load.measure(WARM_S)
            before = cluster.mark()
            seconds = SECONDS_QUICK if ground.quick else SECONDS
            window = await fight(load, 1.0, seconds)
            use = cluster.since(before)
    combat = window.combat
    return Outcome(
        players=players,
        updates_per_s=window.updates_s,
        p50_ms=combat.at_target.p50,
        p99_ms=combat.p99,
        reached={
            "attacks_s": combat.attacks / seconds,
            "missing": None if combat.missing is None else combat.missing + combat.unexpected,
            "disordered": float(combat.disordered) if combat.attacks else None,
            "closed": float(window.closed),
            "move_p99_ms": window.latency.p99,
        },
        tables=[combat_table(combat)],
        processes=use.processes,
        invalid=in_phase("the fight", [*window.invalid, *use.invalid]),
        notes=use.notes,
    )


async def fight(load: Generator, attacks_s: float, seconds: float) -> Window:
    """A window with attacks all the time but at its end, so that every Hit of them is still in it."""
    await load.do(f"attack {attacks_s:g}")
    return await load.measure(seconds + LAST_HITS_S, then={seconds: "attack 0"})


def combat_table(combat: Combat) -> Table:
    rows = [
        [name, f"{d.count:,}", f"{missing:,}", f"{d.p50_ms:.0f}", f"{d.p99_ms:.0f}", f"{d.max_ms:.0f}"]
        for name, d, missing in (
            ("attacker", combat.at_attacker, combat.missing_at_attacker),
            ("target", combat.at_target, combat.missing_at_target),
        )
    ]
    words = f"{combat.attacks:,} attacks, {combat.denied:,} refused, {combat.deaths:,} deaths"
    return Table(words, ["Hits at the", "heard", "missing", "p50 ms", "p99 ms", "max ms"], rows)


BENCH = Bench(
    "battle",
    "Five hundred against five hundred, each attacking once a second.",
    (
        Figure("p99_ms", "attack to Hit at both ends, p99", "ms", required=150, better="less", quick=True),
        Figure(
            "missing", "Hits that somebody whom they concern did not hear", "", required=0, better="less", quick=True
        ),
        Figure("disordered", "Hits in another order than they were made", "", required=0, better="less", quick=True),
        Figure("closed", "players disconnected", "", required=0, better="less", quick=True),
        Figure("attacks_s", "attacks; the dead make none", "/s"),
        Figure("move_p99_ms", "move to neighbour's receipt meanwhile, p99", "ms", better="less"),
    ),
    run,
)
