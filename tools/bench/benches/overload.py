"""From half of what the servers can do to three times as much, and back: what degrades, what does not, how it recovers.

The number of players stays the same, and the processor under the servers shrinks: a neighbour of known appetite sits on
their core. First it is measured what the servers use undisturbed; a load of 2 then means that they are left half of
that. So the generator stays honest (its own core is never short), and nobody has to log in to a zone that queues logins
because it is under pressure. Everybody walks, and attacks whoever is in reach, once a second.
"""

import asyncio
import os
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from mesh.errors import PeerLost
from tools import machine
from tools.bench import town
from tools.bench.bench import Bench, Figure, Outcome, in_phase, written
from tools.bench.build import build
from tools.bench.cluster import Cluster
from tools.bench.generator import Generator, LoadSpec
from tools.bench.ground import SERVER, Ground
from tools.bench.peers import FOLDER
from tools.bench.result import Table
from tools.bench.said import Second, Window, greatest
from tools.bench.timeline import TITLE
from tools.bench.townrun import WARM_S, all_in
from tools.bots.scrape import pick, read_page
from tools.ctl.exits import CommandError

PLAYERS, QUICK = 4_500, 2_000  # with fewer, what three times the load leaves is eaten up by processes that idle
SHARE_MAX = 0.94  # of the core, for the neighbour
CALM_S, CALM_TIMES = 3.0, 3  # what is needed is the middle one of so many: a shared machine has faster and slower ones
COURSE = ((0.5, 6.0), (1.0, 6.0), (2.0, 12.0), (3.0, 12.0), (2.0, 8.0), (1.0, 6.0), (0.5, 12.0))
COURSE_QUICK = ((0.5, 3.0), (2.0, 5.0), (3.0, 5.0), (0.5, 11.0))
"""(load, seconds): load 1.0 is what the servers just manage."""
WIDE = 0.6  # of the usual width of the map: more of them find somebody to fight with
SETTLED_S = 3.0  # of a step, in which quality is still on its way down
WAITING = {"mesh_under_way": 1.0, "dc_queue_depth": 1.0, "mesh_events_pending": 1.0, "gate_unsent_bytes": 1 / 1024}
"""What waits in the queues of the servers: requests, operations, events, kilobytes for clients."""
IDLE = 1_000.0  # so many of these wait in a zone that has nothing to do, now and then


@dataclass(frozen=True)
class Moment:
    """One second."""

    load: float
    step: int
    in_step_s: float  # since this load began
    said: Second
    pressure: float  # the greatest score of any server process
    rss_mb: float
    waiting: float  # in all queues of the servers


async def run(ground: Ground) -> Outcome:
    players = ground.players or (QUICK if ground.quick else PLAYERS)
    course = COURSE_QUICK if ground.quick else COURSE
    ground.need_clients(players)
    settings = town.settings(players, width=town.width_m(players) * WIDE)
    async with ground.cluster("bench", settings, (SERVER,)) as cluster, neighbour(ground) as burden:
        spec = LoadSpec(gates=cluster.gates, tickets=cluster.tickets(players))
        async with ground.load(spec) as load:
            await all_in(load, players)
            await load.do("attack 1")
            await load.measure(WARM_S)
            needs: list[float] = []
            for _ in range(CALM_TIMES):
                before = cluster.mark()
                calm = await load.measure(CALM_S)
                needs.append(cluster.since(before).cpu_s() / CALM_S)
            need = statistics.median(needs)
            ground.say(f"{players:,} players need {need * 100:.0f} % of a core")
            watch = Watch(ground, cluster, load, burden)
            watch.invalid += [*in_phase("undisturbed", calm.invalid), *too_much(course, need)]
            await watch.follow(course, need)
    return Outcome(
        players=players,
        updates_per_s=calm.updates_s,
        p50_ms=calm.latency.p50,
        p99_ms=calm.latency.p99,
        reached=judged(watch),
        labels={
            "hit_p99_ms_2": f"attack to Hit at both ends at twice the load ({players:,} players), p99",
            "hit_p99_ms_3": f"the same at three times ({players:,} players)",
        },
        tables=[by_load(watch.steps), over_time(watch.moments)],
        invalid=list(dict.fromkeys(watch.invalid)),
        notes=[f"undisturbed, {players:,} players need {need * 100:.0f} % of a core", said_codes(watch)],
    )


class Watch:
    """Goes through the course and writes down every second of it, and a window of each step."""

    def __init__(self, ground: Ground, cluster: Cluster, load: Generator, burden: asyncio.subprocess.Process) -> None:
        self.moments: list[Moment] = []
        self.steps: list[tuple[float, Window]] = []
        self.invalid: list[str] = []
        self._ground, self._cluster, self._load, self._burden = ground, cluster, load, burden
        self._found: dict[str, tuple[float, float]] = {}  # by process: its pressure, and what waits there

    async def follow(self, course: Sequence[tuple[float, float]], need: float) -> None:
        """To its end, or until it is known that the figures will say nothing."""
        for factor, seconds in course:
            if self.invalid:
                self._ground.say(f"ends here, since the run is INVALID: {self.invalid[0]}")
                return
            self._demand(max(0.0, 1 - need / factor))
            window, _ = await asyncio.gather(self._window(factor, seconds), self._watch(factor, seconds))
            self.steps.append((factor, window))
            self.invalid += in_phase(f"load {factor:g}", window.invalid)
            level = self.moments[-1].said.level_most
            self._ground.say(f"load {factor:g}: quality {level}, Hit p99 {written(window.combat.p99, 'ms')}")

    async def _window(self, factor: float, seconds: float) -> Window:
        """Of the step without its beginning, in which quality is still on its way."""
        settled_s = min(SETTLED_S, seconds / 3)
        await asyncio.sleep(settled_s)
        before, taken = self._cluster.mark(), machine.cpu_of(self._burden.pid) or 0.0
        window = await self._load.measure(seconds - settled_s)
        use = self._cluster.since(before, (machine.cpu_of(self._burden.pid) or 0.0) - taken)
        self.invalid += in_phase(f"load {factor:g}", use.invalid)
        return window

    def _demand(self, share: float) -> None:
        assert self._burden.stdin is not None
        self._burden.stdin.write(f"{share:.4f}\n".encode())

    async def _watch(self, factor: float, seconds: float) -> None:
        began, step = self._ground.clock.now(), len(self.steps)
        while (passed := self._ground.clock.now() - began) < seconds:
            await asyncio.sleep(min(1.0, seconds - passed))
            rss = sum(machine.rss_of(pid) for pid in self._cluster.pids.values())
            at = self._ground.clock.now() - began
            await self._look()
            found = self._found.values()
            pressure, waiting = max((one[0] for one in found), default=0.0), sum(one[1] for one in found)
            self.moments.append(Moment(factor, step, at, self._load.seconds[-1], pressure, rss, waiting))

    async def _look(self) -> None:
        """The servers are short of time, and what watches them is not to wait for them: no answer is the last one."""
        for process in self._cluster.topology.processes:
            if not process.nodes:
                continue
            try:
                async with asyncio.timeout(0.2):
                    page = await read_page(f"http://{process.host}:{process.metrics_port}/metrics")
            except (TimeoutError, PeerLost):
                continue
            pressure = max(pick(page, "mesh_pressure").values(), default=0.0)
            waiting = sum(WAITING[name] * value for (name, *_), value in pick(page, *WAITING).items())
            self._found[process.name] = pressure, waiting


@asynccontextmanager
async def neighbour(ground: Ground) -> AsyncIterator[asyncio.subprocess.Process]:
    """It takes shares of the core on its stdin."""
    program = build(FOLDER / "neighbour", "neighbour", os.environ)
    async with ground.program([str(program)], (SERVER,)) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        if (await child.stdout.readline()).strip() != b"ready":
            raise CommandError("the neighbour may not use real-time priority here: run as root, or with CAP_SYS_NICE")
        yield child


def said_codes(watch: Watch) -> str:
    """Why servers refused something or ended connections, all in all."""
    codes = watch.steps[-1][1].codes if watch.steps else {}
    return f"refused or ended with: {', '.join(f'{code} {count:,}' for code, count in codes.items()) or 'nothing'}"


def too_much(course: Sequence[tuple[float, float]], need: float) -> list[str]:
    """Why the course cannot be followed: with so little that idling eats it up, nothing is found out."""
    most = max(factor for factor, _ in course)
    if 1 - need / most <= SHARE_MAX:
        return []
    return [f"a load of {most:g} would leave the servers {need / most * 100:.0f} % of a core; more players need more"]


def judged(watch: Watch) -> dict[str, float | None]:
    """The figures, from every second and every step; of a course that was not followed to its end none."""
    moments, steps = watch.moments, watch.steps
    if watch.invalid or not moments:
        return {}
    at = {load: greatest(window.combat.p99 for factor, window in steps if factor == load) for load, _ in steps}
    missing = [w.combat.missing for _, w in steps if w.combat.missing is not None]
    return {
        **{f"hit_p99_ms_{load:g}": worst for load, worst in at.items() if load >= 2},
        "hit_second_ms": max(moment.said.hit_p99_ms for moment in moments),
        "closed": float(sum(moment.said.closed for moment in moments)),
        "missing": sum(missing) if missing else None,
        "growth": moments[-1].rss_mb / moments[0].rss_mb,
        "queues": queues(moments),
        "back_s": back_after([m for m in moments if m.step == moments[-1].step]),
        "level_most": float(max(moment.said.level_most for moment in moments)),
    }


def queues(moments: Sequence[Moment]) -> float:
    """What waits in the last three seconds, to the first three, above what waits in idle zones, too."""
    first, last = (statistics.median(m.waiting for m in some) for some in (moments[:3], moments[-3:]))
    return max(IDLE, last) / max(IDLE, first)


def back_after(last: Sequence[Moment]) -> float:
    """Seconds from the fall of the load until everybody has full quality and keeps it; the whole step when never."""
    degraded = [moment.in_step_s for moment in last if moment.said.degraded]
    return degraded[-1] if degraded else 0.0


def by_load(steps: Sequence[tuple[float, Window]]) -> Table:
    head = ["load", "Hits", "Hit p50 ms", "Hit p99 ms", "move p50 ms", "move p99 ms", "updates/s", "disconnected"]
    rows = [
        [
            f"{load:g}",
            f"{w.combat.at_target.count:,}",
            written(w.combat.at_target.p50),
            written(w.combat.p99),
            f"{w.latency.p50_ms:.0f}",
            f"{w.latency.p99_ms:.0f}",
            f"{w.updates_s:,.0f}",
            f"{w.closed}",
        ]
        for load, w in steps
    ]
    return Table("Step by step, without the first seconds of each", head, rows)


def over_time(moments: Sequence[Moment]) -> Table:
    """For the picture."""
    head = [
        "s",
        "load",
        "pressure",
        "quality level",
        "game speed",
        "Hit p99 ms",
        "move p99 ms",
        "updates/s",
        "MB",
        "in queues",
    ]
    rows = [
        [
            f"{second}",
            f"{m.load:g}",
            f"{m.pressure:.2f}",
            f"{m.said.level_most}",
            f"{m.said.dilation:.2f}",
            f"{m.said.hit_p99_ms:.0f}",
            f"{m.said.p99_ms:.0f}",
            f"{m.said.updates_s:.0f}",
            f"{m.rss_mb:.0f}",
            f"{m.waiting:.0f}",
        ]
        for second, m in enumerate(moments)
    ]
    return Table(TITLE, head, rows)


BENCH = Bench(
    "overload",
    "From half to three times the capacity and back: what degrades, what does not, how it recovers.",
    (
        Figure("hit_p99_ms_2", "attack to Hit at both ends at twice the load, p99", "ms", required=150, better="less"),
        Figure("hit_p99_ms_3", "the same at three times", "ms", required=300, better="less"),
        Figure(
            "hit_second_ms", "its p99 in the worst second, also of those in which quality falls", "ms", better="less"
        ),
        Figure("back_s", "until full quality after the load has fallen", "s", required=10, better="less"),
        Figure("closed", "players disconnected", "", required=0, better="less", quick=True),
        Figure(
            "missing", "Hits that somebody whom they concern did not hear", "", required=0, better="less", quick=True
        ),
        Figure("growth", "memory of all server processes at the end, to before", "x", required=1.1, better="less"),
        Figure("queues", "what waits in queues at the end, to before", "x", required=1.5, better="less"),
        Figure("level_most", "the highest level of the policy"),
    ),
    run,
)
