"""The town square: all server processes on core 0, the generator on core 1.

Two questions. What does a frame cost: at 4,000 players, beside the C server on bare epoll (the limit of what this
machine's kernel gives) and Colyseus, in turns within one run, medians of three. And how many players fit: more and more
of them until the square is not OK any more.
"""

import asyncio
import statistics
from collections.abc import Sequence

from tools.bench import peers
from tools.bench.bench import Bench, Figure, Outcome, in_phase
from tools.bench.ground import Ground
from tools.bench.result import Table
from tools.bench.said import times
from tools.bench.townrun import TownRun, Way, disturbed, largest, notes, play, table, way_of
from tools.ctl.exits import CommandError

PLAYERS, PLAYERS_QUICK = 4_000, 800
FIRST_STEP = 5_500  # what is required: the search begins there
ROUNDS = 3
LIMIT, OTHER, OTHER_NAME = "epoll", "colyseus", "Colyseus"
OTHER_PLAYERS = 3_000  # it carries 3,500 of them on a quick machine


async def run(ground: Ground) -> Outcome:
    players = ground.players or (PLAYERS_QUICK if ground.quick else PLAYERS)
    way = way_of(ground)
    rounds = 1 if ground.quick else ROUNDS
    runs, limits, said = await beside_limit(ground, players, way, rounds)
    other, ours, words = await beside_other(ground, min(players, OTHER_PLAYERS), way)
    best, climb = middle(runs), list[TownRun]()
    if not ground.quick and ground.players is None:
        found, climb = await largest(ground, way, FIRST_STEP, best if best.verdict == "OK" else None)
        best = found or best
    cost = statistics.median(run.cpu_us_per_frame for run in runs)
    limit = statistics.median(limits) if limits else None
    beside = {"colyseus_behind": times(other.cpu_us_per_frame, mean_cost(ours))} if other and ours else {}
    tables = [table(f"{players:,} players, {rounds} times", runs)]
    if ours:
        tables.append(table(f"As many players as {OTHER_NAME} carries, before it and after it", ours))
    tables += ratio_table(players, [run.cpu_us_per_frame for run in runs], limits, other, ours)
    if climb:
        tables.append(table("How many fit", climb))
    return Outcome(
        players=best.players,
        cpu_us_per_frame=cost,
        updates_per_s=best.window.updates_s,
        p50_ms=best.window.latency.p50,
        p99_ms=best.window.latency.p99,
        ratio_to_limit=cost / limit if limit else None,
        reached={**beside, "arrived": best.window.arrived, "bytes": best.window.update_bytes},
        labels={"cpu_us_per_frame": f"CPU per frame, {players:,} players"},
        tables=tables,
        processes=best.use.processes,
        invalid=sound(runs),
        disturbed=disturbed([*runs, *climb]),
        notes=[*said, *words, *notes([*runs, *climb])],
    )


async def beside_limit(
    ground: Ground, players: int, way: Way, rounds: int
) -> tuple[list[TownRun], list[float], list[str]]:
    """The product and the C server in turns: runs, the C server's cost of a frame, and why it is not there."""
    missing = await asyncio.to_thread(peers.missing, LIMIT)
    runs: list[TownRun] = []
    limits: list[float] = []
    said = [f"no ratio to the limit: {missing}"] if missing else []
    for _ in range(rounds):
        runs.append(await play(ground, players, way))
        if not missing:
            peer = await peers.run_peer(LIMIT, players, ground, way.seconds)
            ground.say(f"{LIMIT}: {peer.cpu_us_per_frame:.1f} us/frame")
            said += in_phase(f"{LIMIT} is left out", peer.invalid)
            limits += [] if peer.invalid else [peer.cpu_us_per_frame]
    return runs, limits, said


async def beside_other(
    ground: Ground, players: int, way: Way
) -> tuple[peers.PeerResult | None, list[TownRun], list[str]]:
    """Colyseus, and the product with as many players before it and after it, since the machine may become slower or
    faster; nothing and a word without it."""
    missing = await asyncio.to_thread(peers.missing, OTHER)
    if missing:
        return None, [], [f"{OTHER_NAME} was not measured: {missing}"]
    try:
        players = await peers.carried(OTHER, players, ground)
    except CommandError as error:
        return None, [], [f"{OTHER_NAME} was not measured: {error}"]
    before = await play(ground, players, way)
    other = await peers.run_peer(OTHER, players, ground, way.seconds)
    after = await play(ground, players, way)
    if void := [*in_phase(OTHER, other.invalid), *before.void, *after.void]:
        return None, [], in_phase(f"no ratio to {OTHER_NAME}", void)
    return other, [before, after], []


def mean_cost(runs: Sequence[TownRun]) -> float:
    """Microseconds of CPU for a frame."""
    return statistics.mean(run.cpu_us_per_frame for run in runs)


def middle(runs: Sequence[TownRun]) -> TownRun:
    """The one with the median cost: its latencies stand for all."""
    return sorted(runs, key=lambda run: run.cpu_us_per_frame)[len(runs) // 2]


def sound(runs: Sequence[TownRun]) -> list[str]:
    """Why the figures say nothing: more than half of the runs were disturbed."""
    void = [run for run in runs if run.invalid]
    return list(dict.fromkeys(why for run in void for why in run.void)) if 2 * len(void) > len(runs) else []


def ratio_table(
    players: int, ours: list[float], limits: list[float], other: peers.PeerResult | None, same: Sequence[TownRun]
) -> list[Table]:
    """What the ratios are made of: each pair with as many players, medians where there were several runs."""
    rows = []
    if limits:
        mine, limit = statistics.median(ours), statistics.median(limits)
        each = ", ".join(f"{one:.1f}" for one in limits)
        rows.append([f"C, bare epoll ({each})", f"{players:,}", f"{limit:.1f}", f"{mine:.1f}", f"{mine / limit:.2f}"])
    if other and same and other.cpu_us_per_frame:
        costs = other.cpu_us_per_frame, mean_cost(same), mean_cost(same) / other.cpu_us_per_frame
        numbers = [f"{costs[0]:.1f}", f"{costs[1]:.1f}", f"{costs[2]:.2f}"]
        rows.append([f"{OTHER_NAME}, raw batches", f"{same[0].players:,}", *numbers])
    head = ["server", "players", "its CPU us/frame", "ours", "ours to its"]
    return [Table("The references in the same run, medians", head, rows)] if rows else []


BENCH = Bench(
    "square",
    "How many players one core of servers carries on the town square, and what a frame costs.",
    (
        Figure("players", "players that are OK", "", required=5_500, aim=7_500),
        Figure("cpu_us_per_frame", "CPU per frame", "us", required=18, aim=13, better="less"),
        Figure("ratio_to_limit", "the same, to C on bare epoll", "x", required=2.0, aim=1.4, better="less"),
        Figure("colyseus_behind", "Colyseus' CPU per frame to ours", "x", required=1.5, optional=True),
        Figure("arrived", "updates that arrived, of those due", "%", required=95, quick=True),
        Figure("bytes", "bytes of an update on the wire", "B", required=14, better="less", quick=True),
        Figure("p99_ms", "move to neighbour's receipt, p99", "ms", required=200, better="less", quick=True),
    ),
    run,
)
