"""A measuring run: everybody comes, is measured, and goes.

The course: bots log in at the spawn rate (or as a shape wants it); when all are in (or it is clear that some will not
come) the window opens, and after the run time it closes; what a scenario must show at the end is found out while
everybody is still in the world; everybody logs out.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import numpy as np

from mesh.clock import Clock
from mesh.operator import Operator
from mesh.topology import Topology
from tools.bots.actions import NO_WISHES, Actions, Wishes
from tools.bots.course import SAMPLE_S, WATCH_S, Course
from tools.bots.findings import Evidence, findings
from tools.bots.neighbours import Expectation
from tools.bots.options import Options, account_name
from tools.bots.result import MOVING, Aside, Result, ServerUse, build
from tools.bots.roll import Roll, Words, call_roll, read_words
from tools.bots.scenarios.lines import RATE
from tools.bots.servers import busy_between, uses_between
from tools.bots.visits import plan_visits
from tools.bots.watcher import Watcher

SETTLE_S = 1.0  # between the last login and the window
GRACE_S = 15.0  # for logins that are late; those that come later than this miss the window
QUIET_S = 2.0  # between the window and the roll call: what is under way ends
LOGGED_S, LOGGED_TRIES = 1.0, 5  # for the last behaviour events to be in a segment
SWITCH_S = 3.0  # the center's, when the cluster's file has none
BACK_S = 50.0  # for those who were sent away to be back: a little longer than a bot tries


class Run(Course[Result]):
    """One run."""

    def __init__(
        self,
        options: Options,
        clock: Clock,
        watcher: Watcher,
        topology: Topology | None = None,
        wishes: Wishes = NO_WISHES,
        until: tuple[str, int] | None = None,
    ) -> None:
        super().__init__(options, clock, watcher, topology)
        self.wishes = wishes
        self.until = until  # close the window when a scenario has counted so many of something
        self.expectation = Expectation()
        self.actions: Actions | None = None
        self._used: list[ServerUse] = []
        self._busy = 0.0
        self._evidence = Evidence(options.scenario, 0.0)

    async def go(self, places: np.memmap) -> None:
        await self._wait_in_world()
        if not self.over:
            await self._open_window(places)
            self._evidence = await self._look_closely()

    def conclude(self) -> Result:
        options, shape = self.options, self.options.shape
        left_out = 0
        if shape is not None:
            left_out = plan_visits(shape, options.users, options.speed, options.spawn_rate, options.seed).left_out
        aside = Aside(
            machine=self.machine,
            findings=findings(self._evidence, self.totals.whole),
            happened=self.actions.happened if self.actions else [],
            left_out=left_out,
            busy=self._busy,
            stopped=self.troubles(),
        )
        return build(options, self.totals, self.expectation, self._used, aside)

    async def _wait_in_world(self) -> None:
        """Until all bots are in, or did not get in, or the grace is over. A shape begins when those who are in at its
        beginning are due."""
        shape, whole = self.options.shape, self.totals.whole
        expected = round(shape.players[0][1] * self.options.users) if shape else self.options.users
        until = self.began + expected / self.options.spawn_rate + (0 if shape else GRACE_S)
        while self.clock.now() < until and not self.over:
            login = whole.series.get("login")
            if not shape and whole.entered + (login.failures if login else 0) >= expected:
                await self.pause(SETTLE_S)
                return
            await self.pause(WATCH_S)

    async def _open_window(self, places: np.memmap) -> None:
        """Measure. What is done to the cluster is done in here."""
        self.phase = "window"
        self.workers.tell("measure")
        before = await self.servers.mark()
        async with self._acting():
            await self._measure(places)
        after = await self.servers.mark()
        self._used, self._busy = uses_between(before, after), busy_between(before, after)
        self.phase = "end"
        self.workers.tell("halt")

    @contextlib.asynccontextmanager
    async def _acting(self) -> AsyncIterator[None]:
        """The wishes are carried out while this is open."""
        if self.topology is None or not (self.wishes.kill or self.wishes.drain):
            yield
            return
        self.actions = Actions(self.wishes, self.topology, self.clock, self.began)
        doing = asyncio.create_task(self.actions.carry_out())
        try:
            yield
        finally:
            doing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await doing

    async def _measure(self, places: np.memmap) -> None:
        """Count neighbours until the run time is over, or enough was counted."""
        until = self.clock.now() + (self.options.run_time_s or float("inf"))
        while not self.over and not self._is_enough():
            left = until - self.clock.now()
            if left <= 0 and not (self.actions and self.actions.draining):
                return
            self.expectation.sample(np.array(places))
            await self.pause(min(SAMPLE_S, max(left, WATCH_S)))

    def _is_enough(self) -> bool:
        if self.until is None:
            return False
        name, wanted = self.until
        return self.totals.whole.counts.get(name, 0) >= wanted

    # --- while all are still in the world ---

    async def _look_closely(self) -> Evidence:
        """Who is where, and what became of everything that was said."""
        actions, topology = self.actions, self.topology
        moving = self.options.scenario in MOVING
        roll: Roll | None = None
        words: Words | None = None
        if topology is not None and (actions is not None or moving):
            await self._wait_back()
            await self.pause(QUIET_S)
            if self.options.shape is None:
                login = self.options.login
                names = {account_name(number, login) for number in range(self.options.users)}
                async with Operator(topology) as operator:
                    roll = await call_roll(operator, topology, names)
        if topology is not None and moving:
            async with Operator(topology) as operator:
                words = await self._read_words(operator, topology)
        window_s = self.totals.window.window_s  # the last of it was reported in between
        evidence = self._evidence_of(window_s, roll, words)
        if actions is None:
            return evidence
        return msgspec.structs.replace(
            evidence,
            kills=actions.kills,
            drained=actions.drained,
            drain_s=actions.drain_s,
            drain_problem=actions.problem,
        )

    def _evidence_of(self, window_s: float, roll: Roll | None, words: Words | None) -> Evidence:
        options = self.options
        center = self.topology.settings.get("center", {}) if self.topology else {}
        return Evidence(
            options.scenario,
            window_s,
            roll,
            words,
            users=options.users,
            rate=float(options.settings.get("rate", RATE)) if options.scenario == "lines" else 0.0,
            switch_s=float(center.get("switch_s", SWITCH_S)),
        )

    async def _wait_back(self) -> None:
        """Until those who were sent away are in again."""
        if self.actions is not None:
            await self.actions.settle(BACK_S)
        until = self.clock.now() + BACK_S
        while self.clock.now() < until and not self.over and self.options.shape is None:
            if self.totals.whole.players_now >= self.options.users:
                return
            await self.pause(WATCH_S)

    async def _read_words(self, operator: Operator, topology: Topology) -> Words:
        """Again, as long as some are not stored yet."""
        since_ms = round(1000 * (self.clock.wall() - self.elapsed_s))
        for _ in range(LOGGED_TRIES):
            await self.pause(LOGGED_S)
            now_ms = round(1000 * self.clock.wall())
            words = await read_words(operator, topology, self.options.settings["run"], since_ms, now_ms)
            if words.carried_out >= self.totals.whole.counts.get("said", 0):
                break
        return words
