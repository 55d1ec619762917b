"""Bad days: clients that do not read, that send a hundred times too much, that connect and vanish. What others feel.

Each kind has a window of its own, between two calm ones, in one cluster; what counts is what the well-behaved players
see. Both cores are shared by servers and generator.
"""

from tools.bench import town
from tools.bench.bench import Bench, Figure, Outcome, in_phase, written
from tools.bench.generator import Generator, LoadSpec
from tools.bench.ground import Ground
from tools.bench.result import Table
from tools.bench.said import Window, greatest, times
from tools.bench.townrun import WARM_S, all_in

PLAYERS, QUICK = 1_000, 200
BAD = 20  # of each kind
FLOOD_HZ = 1_000  # moves a second, a hundred times the usual
VANISH_S = 500  # connections a second
VANISHING = 500  # accounts of those
CALM = ("calm", "calm again")  # the worse of them is what the others are held against
SECONDS, SECONDS_QUICK = 8.0, 3.0  # a client that does not read is cut off within that


async def run(ground: Ground) -> Outcome:
    good = ground.players or (QUICK if ground.quick else PLAYERS)
    players = good + 2 * BAD
    seconds = SECONDS_QUICK if ground.quick else SECONDS
    ground.need_clients(players + VANISHING)
    async with ground.cluster("bench", town.settings(players), (0, 1)) as cluster:
        spec = LoadSpec(gates=cluster.gates, tickets=cluster.tickets(players + VANISHING))
        async with ground.load(spec, None) as load:
            await load.do(f"observers 0 {good}")
            await all_in(load, players)
            await load.measure(WARM_S)
            before = cluster.mark()
            windows = await bad_days(ground, load, good, seconds)
            use = cluster.since(before, None)
    calm = greatest(windows[name].latency.p99 for name in CALM)
    felt = {name: times(window.latency.p99, calm) for name, window in windows.items()}
    return Outcome(
        players=good,
        updates_per_s=windows["calm"].updates_s,
        p50_ms=windows["calm"].latency.p50,
        p99_ms=calm,
        reached={
            "stall": felt["do not read"],
            "flood": felt["flood"],
            "vanish": felt["vanish"],
            "closed": float(sum(window.closed for window in windows.values())),
        },
        tables=[felt_table(windows, felt)],
        processes=use.processes,
        invalid=list(dict.fromkeys(why for name, w in windows.items() for why in in_phase(name, w.invalid))),
        notes=use.notes,
    )


async def bad_days(ground: Ground, load: Generator, good: int, seconds: float) -> dict[str, Window]:
    """A window of each, in the order in which they are shown."""
    days = {
        "calm": "",
        "do not read": f"stall {good} {good + BAD}",
        "flood": f"flood {good + BAD} {good + 2 * BAD} {FLOOD_HZ}",
        "vanish": f"vanish {VANISH_S}",
        "calm again": "vanish 0",
    }
    windows = {}
    for name, command in days.items():
        if name == "vanish":
            await load.do("flood 0 0 0")
        if command:
            await load.do(command)
        windows[name] = await load.measure(seconds)
        ground.say(f"{name}: p99 {written(windows[name].latency.p99, 'ms')}")
    return windows


def felt_table(windows: dict[str, Window], felt: dict[str, float | None]) -> Table:
    rows = []
    for name, w in windows.items():
        times = [f"{ms:.0f}" for ms in (w.latency.p50_ms, w.latency.p99_ms)]
        rows.append([name, *times, written(felt[name]), f"{w.ratio * 100:.1f} %", f"{w.closed}"])
    title = (
        f"What the others feel of {BAD} that do not read, {BAD} at {FLOOD_HZ:,} moves/s, {VANISH_S} vanishing a second"
    )
    return Table(title, ["", "p50 ms", "p99 ms", "to calm", "arrived", "disconnected"], rows)


BENCH = Bench(
    "badday",
    "Clients that do not read, flood, or connect and vanish: what the others feel.",
    (
        Figure("stall", "move p99 beside clients that do not read, to calm", "x", required=1.2, better="less"),
        Figure("flood", "beside clients that send a hundredfold", "x", required=1.2, better="less"),
        Figure("vanish", "beside 500 a second that connect and vanish", "x", required=1.2, better="less"),
        Figure("closed", "of the others, disconnected", "", required=0, better="less", quick=True),
    ),
    run,
)
