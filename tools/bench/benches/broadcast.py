"""One public message to everybody, while everybody walks: who has it, how soon, and what movement feels of it.

The message goes all the way: from one client to its gate, to the center, by publication to every gate, and to every
client. Both cores are shared by servers and generator.
"""

import asyncio

from tools.bench import town
from tools.bench.bench import Bench, Figure, Outcome, in_phase
from tools.bench.generator import Generator, LoadSpec
from tools.bench.ground import Ground
from tools.bench.result import Table
from tools.bench.said import Heard, greatest, times
from tools.bench.townrun import WARM_S, all_in

PLAYERS, QUICK = 5_000, 500
SHOUTS, SHOUTS_QUICK = 5, 2
PAUSE_S = 1.1  # a player may shout about once a second
SECONDS = 5.0
HEARD_S = 10.0


async def run(ground: Ground) -> Outcome:
    players = ground.players or (QUICK if ground.quick else PLAYERS)
    shouts = SHOUTS_QUICK if ground.quick else SHOUTS
    ground.need_clients(players)
    async with ground.cluster("bench", town.settings(players), (0, 1)) as cluster:
        spec = LoadSpec(gates=cluster.gates, tickets=cluster.tickets(players))
        async with ground.load(spec, None) as load:
            await all_in(load, players)
            await load.measure(WARM_S)
            calm = await load.measure(shouts * PAUSE_S)
            before = cluster.mark()
            heard, during = await asyncio.gather(shout(load, shouts), load.measure(shouts * PAUSE_S))
            use = cluster.since(before, during.cpu * during.seconds)
    return Outcome(
        players=players,
        updates_per_s=during.updates_s,
        p50_ms=during.latency.p50,
        p99_ms=during.latency.p99,
        reached={
            "last_ms": greatest(one.delay.longest for one in heard),
            "heard": 100.0 * min(one.delay.count / one.asked for one in heard),
            "felt": times(during.latency.p99, calm.latency.p99),
        },
        labels={"last_ms": f"until all {players:,} have it"},
        tables=[heard_table(heard)],
        processes=use.processes,
        invalid=[
            *in_phase("before the messages", calm.invalid),
            *in_phase("during them", during.invalid + use.invalid),
        ],
        disturbed=use.disturbed,
        notes=[*use.notes, f"movement before: p99 {calm.latency.p99_ms:.0f} ms"],
    )


async def shout(load: Generator, times: int) -> list[Heard]:
    """The answers of the generator, one for each message."""
    heard = []
    for _ in range(times):
        heard.append(await load.shout(HEARD_S))
        await asyncio.sleep(PAUSE_S)
    return heard


def heard_table(heard: list[Heard]) -> Table:
    rows = [
        [
            f"{one.delay.count:,} of {one.asked:,}",
            *(f"{ms:.0f}" for ms in (one.delay.p50_ms, one.delay.p99_ms, one.delay.max_ms)),
        ]
        for one in heard
    ]
    return Table("Each message", ["heard by", "p50 ms", "p99 ms", "the last ms"], rows)


BENCH = Bench(
    "broadcast",
    "One public message to five thousand players, while they walk.",
    (
        Figure("last_ms", "until everybody has it", "ms", required=300, better="less"),
        Figure("heard", "of the players who have it", "%", required=100, quick=True),
        Figure("felt", "move p99 meanwhile, to before", "x", required=1.5, better="less"),
    ),
    run,
)
