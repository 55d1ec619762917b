"""What the node processes use while bots play: CPU and memory of each, and how long the scenes' ticks take.

Processes of this machine are read from the system, which costs them nothing; those of others by their /metrics. The
ticks are known to the scenes alone, so their pages are read in any case, every few seconds. A process that cannot be
read is left out: a load test reports what it could measure.
"""

import asyncio
import contextlib

import msgspec
import psutil

from mesh.clock import Clock
from mesh.errors import MeshError, PeerLost
from mesh.topology import Process, Topology
from tools.bots.result import ServerUse
from tools.bots.scrape import Samples, pick, read_page
from tools.ctl.state import processes_of

PAGES_S = 2.0  # between two looks at the pages
TICK = "scene_tick_seconds"
SKIPPED = "scene_ticks_skipped_total"
CPU, RSS = "process_cpu_seconds_total", "process_resident_memory_bytes"
NAMES = (f"{TICK}_bucket", f"{TICK}_sum", f"{TICK}_count", SKIPPED, CPU, RSS)


class Reading(msgspec.Struct, frozen=True):
    """One process, so far."""

    at: float  # when that was
    pid: int
    cpu_s: float
    rss_mb: float


class Ticks(msgspec.Struct, frozen=True):
    """A scene's ticks between two looks. The p99 is the upper end of a bucket of its histogram: not above that."""

    node: str
    count: int
    mean_ms: float
    p99_ms: float
    skipped: int


class Mark(msgspec.Struct, frozen=True):
    """Everything at one moment, to be compared with a later one."""

    at: float
    readings: dict[str, Reading]
    pages: dict[str, Samples]
    idle_s: float
    all_s: float


class Servers:
    """Of one cluster. Without a topology there are none."""

    def __init__(self, topology: Topology | None, clock: Clock) -> None:
        self._topology, self._clock = topology, clock
        self._processes = list(topology.processes) if topology else []
        self._local: dict[str, psutil.Process] = {}
        self._pages: dict[str, Samples] = {}
        self._pages_due = self._pages_at = 0.0
        self._before: Mark | None = None
        self._uses: dict[str, ServerUse] = {}
        self._ticks: list[Ticks] = []

    async def sample(self) -> tuple[list[ServerUse], list[Ticks], float]:
        """Since the last time: use by process, ticks by scene (the latest known), and how busy the machine was."""
        before, pages_were = self._before, self._pages
        mark = await self.mark(fresh=False)
        self._before = mark
        if before is None:
            return [], [], 0.0
        if mark.pages is not pages_were:
            self._ticks = ticks_between(pages_were, mark.pages)
        new = {use.name: use for use in uses_between(before, mark)}
        self._uses = {name: new.get(name) or self._uses[name] for name in mark.readings if name in new | self._uses}
        return list(self._uses.values()), self._ticks, busy_between(before, mark)

    async def mark(self, fresh: bool = True) -> Mark:
        """How it is now; `fresh`: with the pages as they are now."""
        now = self._clock.now()
        if fresh or now >= self._pages_due:
            self._pages_due = now + PAGES_S
            self._pages, self._pages_at = await self._read_pages(), now
        readings = {}
        for process in self._processes:
            reading = self._read(process, now)
            if reading is not None:
                readings[process.name] = reading
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0) + times.nice  # what is nice takes only what nobody wants
        return Mark(now, readings, self._pages, idle, sum(times[:8]))

    def _read(self, process: Process, now: float) -> Reading | None:
        local = self._find_local(process)
        if local is not None:
            with contextlib.suppress(psutil.Error):
                times = local.cpu_times()
                return Reading(now, local.pid, times.user + times.system, local.memory_info().rss / 1e6)
        page = self._pages.get(process.name, {})
        if (CPU, "", "") in page:
            return Reading(self._pages_at, 0, page[CPU, "", ""], page.get((RSS, "", ""), 0.0) / 1e6)
        return None

    def _find_local(self, process: Process) -> psutil.Process | None:
        """The process itself, when it runs here; looked up again when it has been started anew."""
        known = self._local.get(process.name)
        if known is not None and known.is_running():
            return known
        self._local.pop(process.name, None)
        assert self._topology is not None
        state = processes_of(self._topology).get(process.nodes[0].short)
        if state is not None and state.runs:
            with contextlib.suppress(psutil.Error):
                self._local[process.name] = psutil.Process(state.pid)
        return self._local.get(process.name)

    async def _read_pages(self) -> dict[str, Samples]:
        """Of the processes that have a scene, and of those that do not run here."""
        found: dict[str, Samples] = {}

        async def read(process: Process) -> None:
            with contextlib.suppress(PeerLost, MeshError):
                url = f"http://{process.host}:{process.metrics_port}/metrics"
                found[process.name] = pick(await read_page(url), *NAMES)

        wanted = [
            process
            for process in self._processes
            if any(node.role == "scene" for node in process.nodes) or self._find_local(process) is None
        ]
        await asyncio.gather(*(read(process) for process in wanted))
        return found


def uses_between(before: Mark, after: Mark) -> list[ServerUse]:
    """CPU as a share of one core. A process that was started anew in between counts from nothing."""
    found = []
    for name, now in sorted(after.readings.items()):
        then = before.readings.get(name)
        seconds = now.at - then.at if then is not None else 0.0
        since = then.cpu_s if then is not None and then.pid == now.pid and then.cpu_s <= now.cpu_s else 0.0
        if seconds > 0:
            found.append(ServerUse(name, now.pid, round((now.cpu_s - since) / seconds, 3), round(now.rss_mb, 1)))
    return found


def busy_between(before: Mark, after: Mark) -> float:
    """The share of all cores together that was not idle."""
    total = after.all_s - before.all_s
    return round(1 - (after.idle_s - before.idle_s) / total, 3) if total > 0 else 0.0


def ticks_between(before: dict[str, Samples], after: dict[str, Samples]) -> list[Ticks]:
    """By scene, those that ticked."""
    found = []
    for process, page in after.items():
        old = before.get(process, {})
        for node in sorted({node for name, node, _ in page if name == f"{TICK}_count"}):
            count = _grown(old, page, f"{TICK}_count", node)
            if count > 0:
                mean_ms = 1000 * _grown(old, page, f"{TICK}_sum", node) / count
                skipped = round(_grown(old, page, SKIPPED, node))
                found.append(Ticks(node, round(count), round(mean_ms, 2), _p99_ms(old, page, node, count), skipped))
    return found


def _p99_ms(old: Samples, page: Samples, node: str, count: float) -> float:
    ends = sorted(float(end) for name, of, end in page if name == f"{TICK}_bucket" and of == node and end != "+Inf")
    for end in ends:
        if _grown(old, page, f"{TICK}_bucket", node, _as_written(page, node, end)) >= 0.99 * count:
            return end * 1000
    return ends[-1] * 1000 if ends else 0.0


def _as_written(page: Samples, node: str, end: float) -> str:
    return next(e for name, of, e in page if name == f"{TICK}_bucket" and of == node and float(e) == end)


def _grown(old: Samples, page: Samples, name: str, node: str, more: str = "") -> float:
    now, then = page.get((name, node, more), 0.0), old.get((name, node, more), 0.0)
    return now - then if now >= then else now
