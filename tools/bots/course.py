"""What every run has, whatever its course: worker processes that are heard, a history by the second, an end.

Ctrl-C ends a run early and the report still comes; a second one ends it at once.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from mesh.clock import Clock
from mesh.topology import Topology
from tools.bots.history import Point, Sums, point
from tools.bots.increments import Increment, Total, Totals
from tools.bots.machine import describe_machine
from tools.bots.neighbours import PLACE
from tools.bots.options import Options
from tools.bots.servers import Servers
from tools.bots.visits import wanted_players
from tools.bots.watcher import Watcher
from tools.bots.workers import Workers

HEAD_START_S = 0.3  # so that all have heard when to start
SAMPLE_S = 0.5  # between two counts of neighbours
WATCH_S = 0.1

T = TypeVar("T")


class Course(Generic[T]):
    """The base of run.py and ramp.py. `stop` may be called at any time, from a signal handler, too."""

    def __init__(self, options: Options, clock: Clock, watcher: Watcher, topology: Topology | None = None) -> None:
        self.options, self.clock, self.watcher, self.topology = options, clock, watcher, topology
        self.servers = Servers(topology, clock)
        self.workers = Workers(options)
        self.totals = Totals()
        self.history: list[Point] = []
        self.machine = describe_machine()
        self.phase = "start"
        self.began = 0.0
        self._interval = Total()
        self._sums = Sums()
        self._stop = asyncio.Event()
        self._stops = 0

    def stop(self) -> None:
        """Finish early; the second time: at once."""
        self._stops += 1
        self._stop.set()
        if self._stops > 1:
            self.workers.kill()

    async def play(self) -> T:
        """The whole course."""
        with tempfile.TemporaryDirectory(prefix="zonemesh-bots-") as folder:
            places_file = Path(folder) / "places"
            np.zeros(self.options.users, PLACE).tofile(places_file)
            places = np.memmap(places_file, PLACE, "r", shape=(self.options.users,))
            try:
                await self.workers.start(places_file)
                self.began = self.clock.now() + HEAD_START_S
                self.workers.tell(f"start {self.began}")
                return await self._while_heard(places)
            finally:
                self.workers.kill()

    async def go(self, places: np.memmap) -> None:
        """Everything between the start of the bots and their logout."""
        raise NotImplementedError

    def conclude(self) -> T:
        """What is known when the last bot is gone."""
        raise NotImplementedError

    @property
    def over(self) -> bool:
        """Somebody wants it to stop, or there are no workers any more."""
        return self._stop.is_set() or self.workers.over

    @property
    def elapsed_s(self) -> float:
        return self.clock.now() - self.began

    def troubles(self) -> tuple[str, ...]:
        """Why the generator itself could not go on."""
        return (*self.workers.troubles(), *_exhausted(self.totals.whole.errors))

    async def pause(self, seconds: float) -> None:
        """Or until somebody wants to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    async def _while_heard(self, places: np.memmap) -> T:
        async with asyncio.TaskGroup() as tasks:
            self.workers.listen(tasks, self._hear)
            ticking = tasks.create_task(self._tick())
            await self.go(places)
            self.workers.tell("finish")
            self.workers.tell("stop")
            await self.workers.wait_ended(self.options.stop_timeout_s + 10)
            ticking.cancel()
        return self.conclude()

    async def _tick(self) -> None:
        """Once a second: the history, and a word to whoever watches."""
        while True:
            await asyncio.sleep(1.0)
            interval, self._interval = self._interval, Total()
            servers, ticks, busy = await self.servers.sample()
            wall, elapsed_s = self.clock.wall(), self.elapsed_s
            wanted = wanted_players(self.options, elapsed_s)
            self.history.append(point(interval, self._sums, wall, elapsed_s, self.phase, servers, ticks, busy, wanted))
            self.watcher.progress(elapsed_s, self.totals, interval)

    def _hear(self, said: Increment) -> None:
        self.totals.add(said)
        self._interval.add(said)
        for note in said.notes:
            self.watcher.note(note)


def _exhausted(errors: dict[str, int]) -> list[str]:
    """The bots' own machine ran out of something."""
    return [
        f"the bots' machine ran out of {what} {count} times"
        for what in ("descriptors", "ports")
        if (count := sum(n for code, n in errors.items() if code.endswith(f"out_of_{what}")))
    ]
