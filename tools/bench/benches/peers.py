"""The product beside the references, in one run, so that a noisy machine is equally noisy to all: servers on core 0,
the generator on core 1, as many players as the slowest of them carries. Medians of three rounds, each of which plays
all of them in turn.

Run by `mesh bench peers`; not one of `mesh bench list`, since nothing is required here that `square` does not judge.
"""

import asyncio
import statistics

from tools.bench import peers
from tools.bench.bench import Bench, Figure, Outcome, in_phase, written
from tools.bench.ground import Ground
from tools.bench.result import Table
from tools.bench.townrun import TownRun, disturbed, notes, play, way_of
from tools.ctl.exits import CommandError

PLAYERS, QUICK = 3_000, 500
ROUNDS = 3
SLOWEST = "colyseus"
US = "zonemesh"
SERVERS = {
    "epoll": "C, bare epoll",
    "pair": "Python, bare gate and scene",
    US: "zonemesh",
    "colyseus": "Colyseus",
}
"""In the order of the table and of the chart."""


async def run(ground: Ground) -> Outcome:
    players = ground.players or (QUICK if ground.quick else PLAYERS)
    way = way_of(ground)
    missing = {}
    for name in SERVERS:
        if name != US and (why := await asyncio.to_thread(peers.missing, name)):
            missing[name] = why
    if SLOWEST not in missing:
        try:
            players = await peers.carried(SLOWEST, players, ground)
        except CommandError as error:
            missing[SLOWEST] = str(error)
    costs: dict[str, list[float]] = {name: [] for name in SERVERS if name not in missing}
    runs, void = list[TownRun](), list[str]()
    for _ in range(1 if ground.quick else ROUNDS):
        for name, seen in costs.items():
            if name == US:
                runs.append(await play(ground, players, way))
                seen.append(runs[-1].cpu_us_per_frame)
            else:
                peer = await peers.run_peer(name, players, ground, way.seconds)
                seen.append(peer.cpu_us_per_frame)
                void += in_phase(SERVERS[name], peer.invalid)
                ground.say(f"{SERVERS[name]}: {seen[-1]:.1f} us/frame")
    middle = {name: statistics.median(seen) for name, seen in costs.items()}
    last = runs[-1]
    return Outcome(
        players=players,
        cpu_us_per_frame=middle[US],
        updates_per_s=last.window.updates_s,
        p50_ms=last.window.latency.p50,
        p99_ms=last.window.latency.p99,
        ratio_to_limit=middle[US] / middle["epoll"] if "epoll" in middle else None,
        reached=middle,
        tables=[ratios(middle, players)],
        processes=last.use.processes,
        invalid=list(dict.fromkeys([*void, *(why for run in runs for why in run.void)])),
        disturbed=disturbed(runs),
        notes=[*notes(runs), *(f"{SERVERS[name]} was not measured: {why}" for name, why in missing.items())],
    )


def ratios(middle: dict[str, float], players: int) -> Table:
    rows = [[SERVERS[name], written(cost), f"{cost / middle[US]:.2f}"] for name, cost in middle.items()]
    return Table(f"{players:,} players, one core of servers", ["server", "CPU us/frame", "to ours"], rows)


BENCH = Bench(
    "peers",
    "The product beside the references, in one run.",
    tuple(Figure(name, f"CPU per frame, {title}", "us", better="less") for name, title in SERVERS.items()),
    run,
    command="peers",
)
