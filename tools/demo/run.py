"""A whole demonstration: cluster up, the story, the evidence, cluster down, the files read back.

Whatever happens in between, Ctrl-C included, the cluster is stopped before this returns or raises.
"""

import asyncio
import os
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from mesh import keys
from mesh.clock import Clock
from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.control import ListTraces, Trace, Traces
from mesh.protocol.records import DbStat, StatDb
from mesh.topology import Topology
from tools import machine
from tools.bots.accounts import create_accounts
from tools.bots.options import Options, account_name
from tools.bots.result import LOGIN, MOVE
from tools.bots.statistics import Series
from tools.demo.cluster import DemoCluster, read_offline
from tools.demo.evidence import Figures, collect
from tools.demo.outcome import (
    LOOTS_MIN,
    TRADES_MIN,
    Broadcasts,
    DurableWrites,
    LogEvents,
    Moved,
    Notices,
    Outcome,
    Pair,
    Resumed,
    Trades,
    gold_less_minted,
    judged,
)
from tools.demo.story import PARTY, Story

ASK_S = 5.0
QUIET_S = 10.0  # for the last behaviour events to be stored after everybody has left
LOOK_S = 0.1


class Demonstrated(msgspec.Struct):
    """What is shown: the outcome, and one player's way in for the waterfall."""

    outcome: Outcome
    trace: Trace | None
    shout_ms: float  # from the Shout to the last of all players having heard it, median
    loot_ms: float  # from Loot to Looted, durable in between, median


class Gathered(msgspec.Struct):
    """What the running cluster said at the end of the story."""

    gold_before: dict[str, Any]
    gold_after: dict[str, Any]
    figures: Figures
    trace: Trace | None
    disturbed: list[str]


async def demonstrate(
    cluster: DemoCluster, bots: int, by_password: int, spawn_rate: float, clock: Clock, say: Callable[[str], None]
) -> Demonstrated:
    """The whole of it. CommandError or MeshError when it cannot be carried out at all."""
    began = clock.now()
    left: list[str] = []
    try:
        topology = await cluster.start()
        assert cluster.started is not None
        options = make_options(topology, cluster.started.clients, bots, by_password, spawn_rate)
        story = Story(options, clock, say)
        gathered = await perform(story, cluster, topology, options)
        say("the cluster is stopped, its files are read")
    finally:
        left = await asyncio.shield(cluster.stop())
    outcome = await conclude(cluster, topology, story, gathered, left, clock.now() - began, say)
    loot = story.totals.whole.series.get("loot", Series())
    return Demonstrated(
        outcome, gathered.trace, 1000 * statistics.median(story.shout_s or [0.0]), loot.raw.percentile_ms(50.0)
    )


def make_options(topology: Topology, gates: list[str], bots: int, by_password: int, spawn_rate: float) -> Options:
    return Options(
        gates=gates,
        key_file=str(topology.keys / keys.TICKETS),
        users=bots,
        spawn_rate=spawn_rate,
        by_password=by_password,
    )


async def perform(story: Story, cluster: DemoCluster, topology: Topology, options: Options) -> Gathered:
    """The acts, between two looks at the economy; then what the nodes say about it."""
    before, ours_s = machine.times((), story.clock.now()), used_s(cluster)
    passwords = [account_name(number, "password") for number in range(options.by_password)]
    await create_accounts(topology, Path(options.key_file), passwords)
    async with Operator(topology) as operator, story.playing():
        await story.log_in()
        gold_before = await ask_gold(operator, topology)
        await story.make_friends()
        await story.speak_to_all()
        await story.come_and_go()
        await story.drop_and_resume()
        await story.join_a_party()
        await story.switch_lines()
        seen = story.seen
        await story.play_on(lambda: seen.trades_done >= 2 * TRADES_MIN and seen.looted >= LOOTS_MIN)
        after, ours_s = machine.times((), story.clock.now()), used_s(cluster) - ours_s
        if len(scenes := topology.of_role("scene")) > 1:
            await story.drain(operator, scenes[-1])
        trace = await ask_trace(operator, topology, account_name(options.by_password, "ticket"))
        await story.leave()
        figures = await wait_quiet(topology, story.clock)
        _, disturbed = machine.disturbance(before, after, ours_s)
        return Gathered(gold_before, await ask_gold(operator, topology), figures, trace, disturbed)


def late(story: Story) -> list[str]:
    """The players' own lateness: none of the servers' doing, whoever has the cores."""
    found_ms, most_ms = story.totals.whole.lag.percentile_ms(99.0), story.options.limits.lag_p99_ms
    return [f"the bots were late: p99 {found_ms:.0f} ms (at most {most_ms:.0f})"] if found_ms > most_ms else []


def used_s(cluster: DemoCluster) -> float:
    """Processor seconds of everything that belongs to the demonstration, so far."""
    return sum(machine.cpu_of(pid) or 0.0 for pid in (os.getpid(), *cluster.pids()))


async def conclude(
    cluster: DemoCluster,
    topology: Topology,
    story: Story,
    gathered: Gathered,
    left: list[str],
    took_s: float,
    say: Callable[[str], None],
) -> Outcome:
    """Read the files of the stopped nodes and put everything together."""
    database = await read_offline("dc", "check", topology.data(topology.of_role("dc")[0]), say)
    logs = [await read_offline("log", "stat", topology.data(node), say) for node in topology.of_role("log")]
    whole, steady, seen, figures = story.totals.whole, story.totals.steady, story.seen, gathered.figures
    login, move = whole.series.get(LOGIN, Series()), steady.series.get(MOVE, Series())
    before, after = gold_less_minted(gathered.gold_before, gathered.gold_after)
    counts = dict(whole.errors)
    counts |= {f"nodes: {name}": n for name, n in _node_errors(figures).items() if n}
    return judged(
        Outcome(
            bots=story.options.users,
            logged_in=story.logged_in,
            by_password=story.options.by_password,
            steps=figures.steps,
            login_ms=Pair(*login.raw.percentiles_ms((50.0, 99.0)).values()),
            move_ms=Pair(*move.raw.percentiles_ms((50.0, 99.0)).values()),
            updates_per_s=round(steady.updates / steady.window_s, 1) if steady.window_s else 0.0,
            broadcasts=Broadcasts(story.shouts_sent, story.shouts_expected, story.shouts_delivered),
            friend_notices=Notices(story.notices_expected, story.notices_delivered),
            resumed=Resumed(story.dropped, story.resumed),
            looted=seen.looted,
            said=seen.said,
            trades=Trades(seen.trades_done // 2, before, after),
            party=Moved(PARTY, story.party),
            switched=Moved(len(story.switchers), story.switched),
            crossed=Moved(len(story.crossers), story.crossed),
            drained=Moved(story.drain_expected, story.drain_moved),
            left=story.left,
            log_events=LogEvents(figures.events_recorded, sum(log["events"] for log in logs)),
            durable_writes=DurableWrites(figures.durable_acked, database["durable_operations"]),
            database_ok=database["ok"],
            errors=sum(counts.values()),
            error_counts=counts,
            processes_left=len(left),
            ready_s=cluster.started.ready_s if cluster.started else 0.0,
            took_s=round(took_s, 1),
            disturbed=[*gathered.disturbed, *late(story)],
        )
    )


async def ask_gold(operator: Operator, topology: Topology) -> dict[str, Any]:
    """All wallets, and what was minted and burned so far."""
    said = await operator.ask(topology.of_role("dc")[0].name, StatDb(), timeout_s=ASK_S)
    assert isinstance(said, DbStat)
    gold: dict[str, Any] = said.facts["gold"]
    return gold


async def ask_trace(operator: Operator, topology: Topology, character: str) -> Trace | None:
    """One player's way in, from whichever gate it came through."""
    for gate in topology.of_role("gate"):
        try:
            said = await operator.ask(gate.name, ListTraces(kind="login", subject=character), timeout_s=ASK_S)
        except MeshError:
            continue
        if isinstance(said, Traces) and said.traces:
            return said.traces[0]
    return None


async def wait_quiet(topology: Topology, clock: Clock) -> Figures:
    """The figures of all nodes once every behaviour event is stored and nothing changes any more."""
    until = clock.now() + QUIET_S
    figures = await collect(topology)
    while clock.now() < until:
        await asyncio.sleep(LOOK_S)
        before, figures = figures, await collect(topology)
        if not figures.events_pending and figures.events_recorded == before.events_recorded:
            break
    return figures


def _node_errors(figures: Figures) -> dict[str, int]:
    return {"mistakes": figures.errors, "behaviour events dropped": figures.events_dropped}
