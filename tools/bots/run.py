"""A whole run: starts the worker processes, opens and closes the measuring window, adds up what they say.

The course: workers load, all start at the same moment, bots log in at the spawn rate; when all are in (or it is clear
that some will not come) the window opens, and after the run time it closes; everybody logs out. Ctrl-C ends the run
early and the report still comes; a second one ends it at once.
"""

import asyncio
import contextlib
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from mesh.clock import Clock
from tools.bots.increments import Increment, Total, Totals
from tools.bots.neighbours import PLACE, Expectation
from tools.bots.options import Options, Plan
from tools.bots.result import Result, build
from tools.bots.servers import ServerMeter
from tools.bots.worker import LINE_MAX, READY
from tools.ctl.exits import CommandError, Exit

LOAD_S = 60.0  # for the workers to import what they need, on a busy machine
HEAD_START_S = 0.3  # so that all have heard when to start
SETTLE_S = 1.0  # between the last login and the window
GRACE_S = 15.0  # for logins that are late; those that come later than this miss the window
SAMPLE_S = 0.5
WATCH_S = 0.1
DESCRIPTORS_SPARE = 100  # of one worker, besides its bots


class Watcher:
    """What a run tells about itself while it goes on. The base says nothing."""

    def progress(self, elapsed_s: float, totals: Totals, interval: Total) -> None:
        """About once a second."""

    def note(self, text: str) -> None:
        """A sentence for people."""


class Worker:
    """One bot process, from the outside."""

    def __init__(self, number: int, process: asyncio.subprocess.Process) -> None:
        self.number = number
        self.process = process
        self.ended = ""  # why it went without a last word

    def tell(self, line: str) -> None:
        if self.process.stdin is not None and not self.process.stdin.is_closing():
            self.process.stdin.write(line.encode() + b"\n")

    async def listen(self, heard: Callable[[Increment], None]) -> None:
        """Until it ends."""
        assert self.process.stdout is not None
        finished = False
        while line := await self.process.stdout.readline():
            said = msgspec.json.decode(line, type=Increment)
            finished = finished or said.last
            heard(said)
        code = await self.process.wait()
        if not finished:
            self.ended = f"bot process {self.number} ended early with exit code {code}"


class Run:
    """One run. `stop` may be called at any time, from a signal handler, too."""

    def __init__(self, options: Options, clock: Clock, watcher: Watcher, meter: ServerMeter | None = None) -> None:
        self.options, self.clock, self.watcher = options, clock, watcher
        self.meter = meter or ServerMeter({})
        self.totals = Totals()
        self.expectation = Expectation()
        self.history: list[tuple[float, Total]] = []  # wall clock, what happened in that second
        self._interval = Total()
        self._stop = asyncio.Event()
        self._stops = 0
        self._workers: list[Worker] = []

    def stop(self) -> None:
        """Finish early; the second time: at once."""
        self._stops += 1
        self._stop.set()
        if self._stops > 1:
            self._kill()

    async def play(self) -> Result:
        """The whole course."""
        check_descriptors(self.options)
        with tempfile.TemporaryDirectory(prefix="zonemesh-bots-") as folder:
            places_file = Path(folder) / "places"
            np.zeros(self.options.users, PLACE).tofile(places_file)
            try:
                return await self._play(places_file)
            finally:
                self._kill()

    async def _play(self, places_file: Path) -> Result:
        await self._start_workers(places_file)
        began = self.clock.now() + HEAD_START_S
        self._tell_all(f"start {began}")
        async with asyncio.TaskGroup() as tasks:
            listening = [tasks.create_task(worker.listen(self._hear)) for worker in self._workers]
            ticking = tasks.create_task(self._tick(began))
            await self._wait_in_world(began, listening)
            servers = []
            if not self._stop.is_set():
                self._tell_all("measure")
                self.meter.start(self.clock.now())
                await self._measure(np.memmap(places_file, PLACE, "r", shape=(self.options.users,)), listening)
                servers = self.meter.stop(self.clock.now())
                self._tell_all("halt")
            self._tell_all("stop")
            await self._wait_ended(listening)
            ticking.cancel()
        stopped = [worker.ended for worker in self._workers if worker.ended]
        stopped += _exhausted(self.totals.whole.errors)
        return build(self.options, self.totals, self.expectation, servers, tuple(stopped))

    async def _start_workers(self, places_file: Path) -> None:
        for number in range(self.options.processes):
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "tools.bots.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the parent, also while a worker is still being loaded
                limit=LINE_MAX,
            )
            worker = Worker(number, process)
            self._workers.append(worker)
            worker.tell(msgspec.json.encode(Plan(self.options, number, str(places_file))).decode())
        try:
            async with asyncio.timeout(LOAD_S):
                for worker in self._workers:
                    assert worker.process.stdout is not None
                    if await worker.process.stdout.readline() != READY:
                        raise CommandError(f"bot process {worker.number} did not start; see its words above")
        except TimeoutError:
            raise CommandError(f"the bot processes did not start within {LOAD_S:.0f} s", Exit.TIMED_OUT) from None

    async def _wait_in_world(self, began: float, listening: list[asyncio.Task[None]]) -> None:
        """Until all bots are in, or did not get in, or the grace is over."""
        until = began + self.options.users / self.options.spawn_rate + GRACE_S
        whole = self.totals.whole
        while self.clock.now() < until and not self._stop.is_set() and not _all_done(listening):
            login = whole.series.get("login")
            if whole.entered + (login.failures if login else 0) >= self.options.users:
                await self._pause(SETTLE_S)
                return
            await self._pause(WATCH_S)

    async def _measure(self, places: np.memmap, listening: list[asyncio.Task[None]]) -> None:
        """Count neighbours until the run time is over."""
        until = self.clock.now() + (self.options.run_time_s or float("inf"))
        while not self._stop.is_set() and not _all_done(listening):
            left = until - self.clock.now()
            if left <= 0:
                return
            self.expectation.sample(np.array(places))
            await self._pause(min(SAMPLE_S, left))

    async def _wait_ended(self, listening: list[asyncio.Task[None]]) -> None:
        _, late = await asyncio.wait(listening, timeout=self.options.stop_timeout_s + 10)
        if late:
            self._kill()
            await asyncio.wait(late)

    async def _tick(self, began: float) -> None:
        """Once a second: the history, and a word to whoever watches."""
        while True:
            await asyncio.sleep(1.0)
            interval, self._interval = self._interval, Total()
            self.history.append((self.clock.wall(), interval))
            self.watcher.progress(self.clock.now() - began, self.totals, interval)

    def _hear(self, said: Increment) -> None:
        self.totals.add(said)
        self._interval.add(said)

    def _tell_all(self, line: str) -> None:
        for worker in self._workers:
            worker.tell(line)

    def _kill(self) -> None:
        for worker in self._workers:
            if worker.process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    worker.process.kill()

    async def _pause(self, seconds: float) -> None:
        """Or until somebody wants to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()


def check_descriptors(options: Options) -> None:
    """Each bot takes one; better to say so now than to fail at the thousandth."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = -(-options.users // options.processes) + DESCRIPTORS_SPARE
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise CommandError(
            f"{needed} file descriptors are needed per bot process and the limit is {hard}: "
            f"use --processes {-(-options.users // (hard - DESCRIPTORS_SPARE))}, or raise `ulimit -Hn`",
            Exit.USAGE,
        )


def _exhausted(errors: dict[str, int]) -> list[str]:
    """The bots' own machine ran out of something."""
    return [
        f"the bots' machine ran out of {what} {count} times"
        for what in ("descriptors", "ports")
        if (count := sum(n for code, n in errors.items() if code.endswith(f"out_of_{what}")))
    ]


def _all_done(tasks: list[asyncio.Task[None]]) -> bool:
    return all(task.done() for task in tasks)
