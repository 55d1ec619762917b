"""The town square played once: a cluster with a map as wide as its players need, the generator beside it, one window.

The yardstick of all benches with players. A run is OK when more than 95 % of the moves were made (under pressure the
servers ask clients for fewer) and more than 95 % of the updates that were due for them arrived, the p99 from a move to
its neighbour's receipt is under two ticks (200 ms at 10 Hz; a move waits for up to one tick with nothing to do), and
nobody was disconnected.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tools.bench import town
from tools.bench.bench import in_phase
from tools.bench.cluster import Cluster
from tools.bench.generator import Generator, LoadSpec, Window
from tools.bench.ground import GENERATOR, SERVER, Ground
from tools.bench.result import Table
from tools.bench.search import Search, StepEnd
from tools.bench.usage import Use
from tools.ctl.exits import CommandError

P99_TICKS_MAX = 2.0
DELIVERED_MIN = 0.95
CEILING = 12_000  # players; one map of one scene has no more use for this bench
ENTER_S = 120.0  # for everybody to get in
ENTER_RATE = 600.0  # logins a second, so that the way in is no storm
ENDS: dict[str, StepEnd] = {"OK": "held", "FAILED": "broke", "INVALID": "void"}
SECONDS_QUICK, WARM_QUICK_S = 2.0, 1.0
WARM_S = 3.0  # between the last one in and the window: what entering has cost is over


class TownRun(msgspec.Struct, frozen=True):
    """One window with what the servers used meanwhile."""

    players: int
    window: Window
    use: Use
    failed: int = 0  # who did not get in
    hz: float = 10.0  # moves of each player, and ticks

    @property
    def cpu_us_per_frame(self) -> float:
        """Of all server processes together."""
        frames = self.window.frames_s * self.window.seconds
        return self.use.cpu_s() * 1e6 / frames if frames else 0.0

    @property
    def invalid(self) -> list[str]:
        return [*self.window.invalid, *self.use.invalid]

    @property
    def void(self) -> list[str]:
        """Why it says nothing, beside other runs."""
        return in_phase(f"{self.players:,} players", self.invalid)

    @property
    def broken(self) -> list[str]:
        """What keeps the run from being OK."""
        found, window = [], self.window
        if window.ratio <= DELIVERED_MIN:
            found.append(f"{window.ratio * 100:.1f} % of the updates arrived")
        if (made := window.moves_s / (window.inside * self.hz or 1)) <= DELIVERED_MIN:
            found.append(f"{made * 100:.0f} % of the moves were made: the servers asked for fewer")
        if window.latency.p99_ms >= 1000 * P99_TICKS_MAX / self.hz:
            found.append(f"p99 {window.latency.p99_ms:.0f} ms")
        if window.closed:
            found.append(f"{window.closed} were disconnected")
        if self.failed:
            found.append(f"{self.failed} did not get in")
        return found

    @property
    def verdict(self) -> str:
        if self.invalid or (self.broken and self.use.disturbed):
            return "INVALID"
        return "FAILED" if self.broken else "OK"

    @property
    def why(self) -> str:
        """For people: what was wrong with it."""
        return "; ".join([*self.invalid, *self.broken, *(self.use.disturbed if self.broken else [])])


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a square is played."""

    topology: str = "bench"
    servers: tuple[int, ...] = (SERVER,)
    generator: int | None = GENERATOR
    hz: float = 10.0
    seconds: float = 5.0  # of the window
    warm_s: float = WARM_S
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def shares(self) -> bool:
        """Does the generator run where the servers do?"""
        return not self.servers or self.generator is None or self.generator in self.servers


def way_of(ground: Ground, **how: Any) -> Way:
    """Short windows with --quick."""
    return Way(seconds=SECONDS_QUICK, warm_s=WARM_QUICK_S, **how) if ground.quick else Way(**how)


async def play(ground: Ground, players: int, way: Way) -> TownRun:
    """A cluster, everybody in, a window, and all of it gone again."""
    ground.need_clients(players)
    settings = {**town.settings(players, way.hz), **way.settings}
    async with ground.cluster(way.topology, settings, way.servers) as cluster:
        spec = LoadSpec(gates=cluster.gates, tickets=cluster.tickets(players), hz=way.hz)
        async with ground.load(spec, way.generator) as load:
            run = await measure(cluster, load, players, way)
    ground.say(f"{players:,} players: {run.verdict} {run.why}".rstrip())
    return run


async def measure(cluster: Cluster, load: Generator, players: int, way: Way) -> TownRun:
    """So many players in, then a window."""
    wave = await load.clients(players, ENTER_RATE, ENTER_S)
    await load.measure(way.warm_s)
    before = cluster.mark()
    window = await load.measure(way.seconds)
    use = cluster.since(before, window.cpu * window.seconds if way.shares else 0.0)
    return TownRun(players, window, use, wave.asked - wave.inside, way.hz)


async def all_in(load: Generator, players: int, rate: float = ENTER_RATE) -> None:
    """So many players are in the world when this returns; CommandError with what the others were told."""
    wave = await load.clients(players, rate, ENTER_S)
    if wave.inside < wave.asked:
        codes = ", ".join(f"{count:,} x {code}" for code, count in sorted(wave.codes.items()))
        waiting = f"after {ENTER_S:g} s they wait, in the queue of a zone under pressure or for an answer"
        raise CommandError(f"{wave.asked - wave.inside:,} of {wave.asked:,} players did not get in: {codes or waiting}")


HEAD = ["players", "verdict", "arrived", "updates/s", "p50 ms", "p99 ms", "CPU us/frame", "servers", "generator"]


def row(run: TownRun) -> list[str]:
    window = run.window
    return [
        f"{run.players:,}",
        run.verdict,
        f"{window.ratio * 100:.1f} %",
        f"{window.updates_s:,.0f}",
        f"{window.latency.p50_ms:.0f}",
        f"{window.latency.p99_ms:.0f}",
        f"{run.cpu_us_per_frame:.1f}",
        f"{run.use.cpu_s() / run.use.seconds * 100:.0f} %",
        f"{window.cpu * 100:.0f} %",
    ]


def table(title: str, runs: Sequence[TownRun]) -> Table:
    """In the order in which they were played."""
    return Table(title, HEAD, [row(run) for run in runs])


def notes(runs: Sequence[TownRun]) -> list[str]:
    """What readers have to know about runs that count."""
    return [f"{run.players:,} players: {note}" for run in runs for note in run.use.notes]


def disturbed(runs: Sequence[TownRun]) -> list[str]:
    """What excuses a figure that these runs have missed."""
    return list(dict.fromkeys(word for run in runs for word in run.use.disturbed))


async def largest(
    ground: Ground, way: Way, start: int, held: TownRun | None = None, once: bool = False
) -> tuple[TownRun | None, list[TownRun]]:
    """The run with the most players that is OK, None when there is none, and every run on the way there. `held` is one
    with fewer players that was OK already; `once`: no search, only the first step."""
    search = Search(start, CEILING, held.players if held else 0)
    best, runs = held, []
    while (players := search.next()) is not None:
        run = await play(ground, players, way)
        runs.append(run)
        search.ended(players, ENDS[run.verdict])
        if run.verdict == "OK" and (best is None or players >= best.players):
            best = run
        if once:
            break
    return best, runs
