"""Five thousand logins by ticket at the same moment, through all nine steps, on both cores; and whether those who
play already feel it.

Accounts are new: their first ticket makes them, which is the dearest kind of login. The rate is that from the first
connection to the last player in the world.
"""

import asyncio

from tools.bench import town
from tools.bench.bench import Bench, Figure, Outcome, in_phase
from tools.bench.generator import Generator, LoadSpec, Wave, Window
from tools.bench.ground import Ground
from tools.bench.result import Table
from tools.bench.said import times
from tools.bench.townrun import all_in

PLAYERS, QUICK = 5_000, 500
THERE, THERE_QUICK = 500, 100  # who plays already
CALM_S = 5.0
EXPECTED_RATE = 2_000  # logins a second: the window is as short as the storm would be then, so that it holds no calm
ENTER_S = 120.0


async def run(ground: Ground) -> Outcome:
    coming = ground.players or (QUICK if ground.quick else PLAYERS)
    there = THERE_QUICK if ground.quick else THERE
    ground.need_clients(coming + there)
    async with ground.cluster("bench", town.settings(coming + there), (0, 1)) as cluster:
        spec = LoadSpec(gates=cluster.gates, tickets=cluster.tickets(there, "there"))
        crowd = LoadSpec(gates=cluster.gates, tickets=cluster.tickets(coming, "coming"))
        async with ground.load(spec, None) as load, ground.load(crowd, None) as storm:
            await all_in(load, there, 200.0)
            await load.measure(CALM_S / 2)
            calm = await load.measure(CALM_S)
            ground.say(f"{coming:,} log in at once")
            before = cluster.mark()
            wave, during = await weather(storm, load, coming)
            use = cluster.since(before, None)
            ground.say(f"{wave.inside:,} of {wave.asked:,} are in after {wave.seconds:.1f} s")
    return Outcome(
        players=coming,
        updates_per_s=during.updates_s,
        p50_ms=during.latency.p50,
        p99_ms=during.latency.p99,
        reached={
            "logins_s": wave.logins_s,
            "inside": 100.0 * wave.inside / wave.asked,
            "disconnected": float(during.closed),
            "felt": times(during.latency.p99, calm.latency.p99),
        },
        labels={
            "logins_s": f"logins through all nine steps, {coming:,} at once",
            "felt": f"move p99 of the {there:,} who play, to before",
        },
        tables=[wave_table(wave), felt_table(calm, during)],
        processes=use.processes,
        invalid=[*in_phase("before the storm", calm.invalid), *in_phase("during the storm", during.invalid)],
    )


async def weather(storm: Generator, load: Generator, coming: int) -> tuple[Wave, Window]:
    """Everybody at once, and meanwhile a window of those who are there."""
    wave, during = await asyncio.gather(
        storm.clients(coming, 0.0, ENTER_S), load.measure(max(1.0, coming / EXPECTED_RATE))
    )
    return wave, during


def wave_table(wave: Wave) -> Table:
    steps = {
        "connected": wave.connect, "upgraded": wave.upgrade, "LoggedIn": wave.login, "Entered": wave.enter,
        "altogether": wave.all,
    }  # fmt: skip
    rows = [[name, f"{d.p50_ms:,.0f}", f"{d.p99_ms:,.0f}", f"{d.max_ms:,.0f}"] for name, d in steps.items()]
    return Table("Each client's way in", ["step", "p50 ms", "p99 ms", "max ms"], rows)


def felt_table(calm: Window, during: Window) -> Table:
    rows = [
        [name, f"{w.latency.p50_ms:.0f}", f"{w.latency.p99_ms:.0f}", f"{w.closed}"]
        for name, w in (("before", calm), ("during", during))
    ]
    return Table("Those who play already", ["", "p50 ms", "p99 ms", "disconnected"], rows)


BENCH = Bench(
    "storm",
    "Five thousand logins at once, while others play.",
    (
        Figure("logins_s", "logins through all nine steps", "/s", required=600, aim=1_000),
        Figure("inside", "of them in the world at the end", "%", required=100, quick=True),
        Figure("felt", "move p99 of those who play, to before", "x", required=1.5, better="less"),
        Figure("disconnected", "of those who play, disconnected", "", required=0, better="less", quick=True),
    ),
    run,
)
