"""Does the cost of a player stay the same as players grow, what does one more node cost, and how long is a tick.

players   the same density with 500 to 5,000 players: CPU of all server processes for each of them
nodes     the same players over one gate and over two, on one scene and on two: CPU of a frame
ticks     a scene process that is fed by a stand-in for a gate (walkers.py), alone on core 0
"""

import asyncio
import os
import statistics
from collections.abc import Sequence
from pathlib import Path

from tools.bench import cores, town
from tools.bench.bench import Bench, Figure, Outcome
from tools.bench.cluster import Cluster
from tools.bench.generator import LoadSpec
from tools.bench.ground import GENERATOR, SERVER, Ground
from tools.bench.result import Table
from tools.bench.standin import stand_in
from tools.bench.townrun import TownRun, Way, disturbed, measure, notes, play, table, way_of
from tools.bench.walkers import Crowd
from tools.bots.scrape import pick, read_page
from tools.ctl import clusters

SIZES, SIZES_QUICK = (500, 1_000, 2_000, 3_500, 5_000), (200, 600)
NODES_PLAYERS, NODES_QUICK = 5_000, 400
CROWD, CROWD_QUICK = 10_000, 1_000
ROUNDS, NODES_ROUNDS = 3, 5
SETTLE_S = 2.0
TICK = "scene_tick_seconds"


async def run(ground: Ground) -> Outcome:
    way = way_of(ground)
    rounds = 1 if ground.quick else ROUNDS
    sizes = SIZES_QUICK if ground.quick else SIZES
    by_size = [[await play(ground, size, way) for size in sizes] for _ in range(rounds)]
    flat = flatness(by_size)
    players = ground.players or (NODES_QUICK if ground.quick else NODES_PLAYERS)
    by_nodes = [await round_of_nodes(ground, players, way) for _ in range(1 if ground.quick else NODES_ROUNDS)]
    crowd = CROWD_QUICK if ground.quick else CROWD
    tick = await tick_ms(ground, crowd, 0, way.seconds)
    tick_npcs = await tick_ms(ground, crowd, crowd, way.seconds)
    every = [run for one in (*by_size, *by_nodes) for run in one]
    return Outcome(
        players=max(sizes),
        cpu_us_per_frame=statistics.median(one[-1].cpu_us_per_frame for one in by_size),
        reached={
            "growth": flat[-1] / flat[0],
            "spread": max(flat) / min(flat),
            "gate": added(by_nodes, 1),
            "scene": added(by_nodes, 3),
            "tick_ms": tick,
            "tick_npcs_ms": tick_npcs,
        },
        labels={
            "growth": f"CPU per player at {sizes[-1]:,}, to that at {sizes[0]:,}",
            "gate": f"what a second gate adds, {players:,} players",
            "scene": f"what a second scene adds, {players:,} players",
            "tick_ms": f"a tick with {crowd:,} players",
            "tick_npcs_ms": f"a tick with {2 * crowd:,} entities",
        },
        tables=[
            cost_table(sizes, flat),
            table("One gate and one scene, two gates, the first again, two scenes, the first again", by_nodes[-1]),
            Table(
                "Ticks",
                ["entities", "mean ms"],
                [[f"{crowd:,}", f"{tick:.1f}"], [f"{2 * crowd:,}", f"{tick_npcs:.1f}"]],
            ),
        ],
        processes=by_size[-1][-1].use.processes,
        invalid=list(dict.fromkeys(why for run in every for why in run.void)),
        disturbed=disturbed(every),
        notes=notes(every),
    )


def flatness(by_size: Sequence[Sequence[TownRun]]) -> list[float]:
    """Milliseconds of CPU for each player and second, by size; medians of the rounds."""
    return [
        statistics.median(1000 * run.use.cpu_s() / run.use.seconds / run.players for run in runs)
        for runs in zip(*by_size, strict=True)
    ]


def cost_table(sizes: Sequence[int], flat: Sequence[float]) -> Table:
    rows = [[f"{size:,}", f"{cost:.3f}", f"{cost / flat[0]:.2f}"] for size, cost in zip(sizes, flat, strict=True)]
    return Table("CPU for each player and second", ["players", "ms", "to the first"], rows)


async def round_of_nodes(ground: Ground, players: int, way: Way) -> list[TownRun]:
    """The usual cluster, one with a second gate, the usual one, one with a second scene, the usual one. Two scenes have
    a line each, so the map is for half of the players: each sees as many others as before."""
    runs: list[TownRun] = []
    for more, on_one_line in (
        ("", players),
        ("gate.2", players),
        ("", players),
        ("scene.2", players // 2),
        ("", players),
    ):
        file = with_node(ground.folder, more) if more else "bench"
        async with ground.cluster(str(file), town.settings(on_one_line), way.servers) as cluster:
            spec = LoadSpec(gates=cluster.gates, tickets=cluster.tickets(players))
            async with ground.load(spec, way.generator) as load:
                runs.append(await measure(cluster, load, players, way))
        ground.say(f"{players:,} players {f'with {more}' if more else 'on one gate and scene'}: {runs[-1].verdict}")
    return runs


def added(rounds: Sequence[Sequence[TownRun]], at: int) -> float:
    """What the cluster at this place of a round costs more than those before and after it, in per cent; median of the
    rounds. Between two clusters is half a minute, in which a machine becomes faster or slower by more than that."""
    return statistics.median(
        100
        * (one[at].cpu_us_per_frame / statistics.mean(one[beside].cpu_us_per_frame for beside in (at - 1, at + 1)) - 1)
        for one in rounds
    )


def with_node(folder: Path, short: str) -> Path:
    """The topology of the benches with one more process."""
    text = clusters.topology_file("bench").read_text(encoding="utf-8")
    path = folder / f"bench-{short}.toml"
    path.write_text(f'{text}\n[[process]]\nnodes = ["{short}"]\n', encoding="utf-8")
    return path


async def tick_ms(ground: Ground, players: int, npcs: int, seconds: float) -> float:
    """The mean tick of a scene alone on its core, with so many who walk and so many who are moved by the scene."""
    ground.say(f"ticks with {players + npcs:,} entities, {players:,} of them players")
    settings = town.settings(players + npcs)
    settings["scene.maps"] = settings["scene.maps"].replace("npcs=0", f"npcs={npcs}").replace("=20000", "=12000")
    async with ground.cluster("bench", settings) as cluster, stand_in(cluster, Crowd) as crowd:
        scene = cluster.pids["scene.1"]
        cores.pin([scene], (SERVER,))
        cores.pin([os.getpid(), *(pid for pid in cluster.pids.values() if pid != scene)], (GENERATOR,))
        tickets = cluster.tickets(players).read_text(encoding="ascii").split()
        await crowd.log_in(tickets)
        crowd.walk()
        await asyncio.sleep(SETTLE_S)
        before = await ticks(cluster)
        await asyncio.sleep(seconds)
        after = await ticks(cluster)
    cores.unpin()
    return 1000 * (after[0] - before[0]) / (after[1] - before[1])


async def ticks(cluster: Cluster) -> tuple[float, float]:
    """Seconds in ticks so far, and how many there were."""
    spec = cluster.topology.node("scene.1")
    page = await read_page(f"http://{spec.host}:{spec.metrics_port}/metrics")
    found = pick(page, f"{TICK}_sum", f"{TICK}_count")
    sums = {name: sum(value for (key, _, _), value in found.items() if key == name) for name, _, _ in found}
    return sums[f"{TICK}_sum"], sums[f"{TICK}_count"]


BENCH = Bench(
    "scale",
    "Does a player cost the same among five hundred and five thousand; what does one more node cost.",
    (
        Figure("growth", "CPU per player at 5,000, to that at 500", "x", required=1.15, better="less"),
        Figure("spread", "the dearest size to the cheapest", "x", aim=1.15, better="less"),
        Figure("gate", "what a second gate adds", "%", required=5, better="less"),
        Figure("scene", "what a second scene adds", "%", required=5, better="less"),
        Figure("tick_ms", "a tick with 10,000 players", "ms", required=15, better="less"),
        Figure("tick_npcs_ms", "a tick with 20,000 entities", "ms", required=30, better="less"),
    ),
    run,
)
