"""The bots of one worker process: who comes and goes when, who moves when, what is reported.

Owns the bots, their columns and the measures. Everything happens at times that were fixed beforehand (schedule.py,
visits.py); how late the worker is with it is measured and reported as lag.
"""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mesh.client import wire
from mesh.clock import Clock
from mesh.tickets import sign_ticket
from tools.bots.attendance import Attendance
from tools.bots.bot import Bot
from tools.bots.columns import Columns, Rows
from tools.bots.increments import Increment, Phase
from tools.bots.measures import Measures
from tools.bots.mind import THINK_S, Mind
from tools.bots.options import Credentials, LoginBy, Plan, account_name
from tools.bots.scenarios.catalogue import maker
from tools.bots.scenarios.walk import Walk
from tools.bots.schedule import Arrivals, Wheel
from tools.bots.visits import plan_visits

TICKET_LIFE_S = 600.0
REPORT_S = 1.0
LEAVING_MAX = 100  # logouts under way at the same time
SLEEP_MIN_S = 0.001  # leaves the loop time for the sockets when the worker is late

Usage = Callable[[], tuple[float, int]]
"""CPU seconds used so far, resident bytes."""


class Crowd:
    """One worker's share of the run."""

    def __init__(
        self,
        plan: Plan,
        key: bytes,
        places: NDArray[Any],
        clock: Clock,
        usage: Usage,
        report: Callable[[Increment], None],
        make_mind: Callable[[Bot], Mind] | None = None,
        dial: wire.Dial = wire.dial,
    ) -> None:
        options = plan.options
        self.plan, self.options, self.key = plan, options, key
        self.places, self.clock, self.usage, self.report = places, clock, usage, report
        self.numbers: Rows = np.arange(plan.number, options.users, options.processes)
        self.columns = Columns(len(self.numbers), np.random.default_rng([options.seed, plan.number]))
        self.measures = Measures(plan.number, clock.now(), usage()[0])
        self._settings = {**options.settings, "users": str(options.users)}
        self._dial = dial
        self._make_mind = make_mind or maker(options.scenario, self.measures.mistake)
        self.bots: list[Bot] = [self._make_bot(row) for row in range(len(self.numbers))]
        self._thinkers: list[list[int]] = []  # per slot, the rows of bots that decide anything
        self._arrivals: list[Arrivals] = []
        self._attendance: Attendance | None = None
        self._began = 0.0
        self._wanted = 0  # how many of the whole run are to be in
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving = self._resting = False

    async def play(self, start: float) -> None:
        """From `start` on, until cancelled."""
        self._plan_arrivals(start)
        wheel = Wheel(start, self.options.moves_per_s)
        slots = [np.arange(slot, len(self.bots), wheel.slots) for slot in range(wheel.slots)]
        self._thinkers = [[row for row in slot.tolist() if type(self.bots[row].mind) is not Walk] for slot in slots]
        rethink = max(1, round(THINK_S / wheel.period))
        report_due = self.clock.now() + REPORT_S
        while True:
            now = self.clock.now()
            if not self._leaving:
                self._come_and_go(now)
            for revolution, slot, due in wheel.due(now):
                self._move(slots[slot], revolution, due, wheel)
                self._think(slot, revolution, rethink)
            self.measures.count_updates()
            if now >= report_due:
                report_due += REPORT_S
                self._gather(now)
                self.send_report()
            await asyncio.sleep(max(SLEEP_MIN_S, wheel.next_due - self.clock.now()))

    def aim(self, wanted: int, start: float) -> None:
        """From `start` on so many bots of the whole run are to be in: more come at the spawn rate, the last ones go."""
        options, plan = self.options, self.plan
        self._arrivals = []
        for number in range(wanted, self._wanted):
            if number % options.processes == plan.number:
                bot = self.bots[self._row(number)]
                self._spawn(bot, bot.leave(options.stop_timeout_s))
        if wanted > self._wanted:
            self._arrivals.append(
                Arrivals(start, wanted, options.spawn_rate, plan.number, options.processes, self._wanted)
            )
        self._wanted = wanted

    def begin(self) -> None:
        """The measuring begins."""
        self.enter_phase("window", self.measures.step)
        now = self.clock.now()
        for bot in self.bots:
            if bot.inside:
                bot.begin(now)

    def rest(self) -> None:
        """The measuring is over: nobody decides anything any more, what is under way may end."""
        self.enter_phase("end")
        self._resting = True

    def finish(self) -> None:
        """Everybody says what is known only at the end."""
        now = self.clock.now()
        for bot in self.bots:
            bot.mind.finish(now)
        self.send_report()

    async def leave(self, timeout_s: float) -> None:
        """All bots log out, some at a time; the last ones have until the time-out."""
        self._leaving = True
        turn = asyncio.Semaphore(LEAVING_MAX)

        async def leave_in_turn(bot: Bot) -> None:
            async with turn:
                try:
                    await bot.leave(timeout_s)
                except Exception as error:  # noqa: BLE001 - whatever it is, the others log out
                    bot.go_wrong(error)

        for task in list(self._tasks):
            task.cancel()
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.gather(*(leave_in_turn(bot) for bot in self.bots))
        except TimeoutError:
            self.measures.error("logout: no answer in time")

    def enter_phase(self, phase: Phase, step: int = 0) -> None:
        """Everything so far belongs to the phase before."""
        self.send_report()
        self.measures.phase, self.measures.step = phase, step

    def send_report(self, last: bool = False) -> None:
        cpu_s, rss_bytes = self.usage()
        self.report(self.measures.take(self.clock.now(), cpu_s, rss_bytes, last))

    def credentials(self, number: int) -> Credentials:
        """How this bot of the run gets in: fresh, since tickets expire."""
        options = self.options
        login: LoginBy = "password" if number < options.by_password else options.login
        account = account_name(number, login)
        if login == "ticket":
            secret = sign_ticket(self.key, account, self.clock.wall() + TICKET_LIFE_S)
        else:
            secret = password_of(self.key, account)
        return Credentials(options.gates[number % len(options.gates)], account, secret, login)

    def renew(self, row: int) -> Bot:
        """A new player for a bot that has left, to log in again."""
        self.bots[row] = self._make_bot(row)
        return self.bots[row]

    def _make_bot(self, row: int) -> Bot:
        return Bot(
            int(self.numbers[row]),
            row,
            self.columns,
            self.measures,
            self.clock,
            self.options,
            self._settings,
            self.credentials,
            self._make_mind,
            self._dial,
        )

    def _plan_arrivals(self, start: float) -> None:
        options, plan = self.options, self.plan
        if options.shape is None:
            if not options.in_steps:
                self.aim(options.users, start)
            return
        timetable = plan_visits(options.shape, options.users, options.speed, options.spawn_rate, options.seed)
        own = [visit for visit in timetable.visits if visit.number % options.processes == plan.number]
        self._began = start - min(timetable.visits[0].starts, 0.0)
        seed = options.seed * 1_000_003 + plan.number
        self._attendance = Attendance(own, self._began, options.shape.drops, options.speed, seed)

    def _come_and_go(self, now: float) -> None:
        for arrivals in self._arrivals:
            for number, due in arrivals.due(now):
                self._start(number, due)
        attendance = self._attendance
        if attendance is None:
            return
        for number in attendance.leaving(now):
            bot = self.bots[self._row(number)]
            self._spawn(bot, bot.leave(self.options.stop_timeout_s))
        for number, away_s in attendance.dropping(now):
            bot = self.bots[self._row(number)]
            self._spawn(bot, bot.drop_for(away_s))
        for number, due in attendance.due(now):
            self._start(number, due)

    def _start(self, number: int, due: float) -> None:
        self.measures.first_due = self.measures.first_due or due
        self.measures.lag.record(self.clock.now() - due)
        bot = self.bots[self._row(number)]
        if bot.used:
            bot = self.renew(bot.row)
        self._spawn(bot, bot.start(self.credentials(number), due))

    def _spawn(self, bot: Bot, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(bot.look_at)

    def _row(self, number: int) -> int:
        return (number - self.plan.number) // self.options.processes

    def _gather(self, now: float) -> None:
        """As the shape wants it, those who only walk meet in the middle of their map."""
        shape = self.options.shape
        if shape is None or shape.gather is None:
            return
        begins, until = (self._began + at / self.options.speed for at in shape.gather.span_s)
        rows = np.array([bot.row for bot in self.bots if type(bot.mind) is Walk], np.int64)
        if begins <= now < until:
            self.columns.gather(rows, shape.gather.radius_m)
        elif until <= now < until + 2 * REPORT_S:
            self.columns.scatter(rows)

    def _move(self, slot: Rows, revolution: int, due: float, wheel: Wheel) -> None:
        columns, bots = self.columns, self.bots
        rows = columns.due(slot, revolution)
        self._share_places(slot)
        if not len(rows):
            return
        now = self.clock.now()
        self.measures.lag.record(now - due)
        if wheel.missed(due, now):
            self.measures.moves_missed += len(rows)
            return
        columns.advance(rows, wheel.period)
        x, y, headings = columns.units(rows)
        sent_ms, due_ms = int(now * 1000), int(due * 1000)
        for at, row in enumerate(rows.tolist()):
            bot = bots[row]
            bot.player.move(x[at], y[at], headings[at], bot.state, due_ms if bot.stamps_due else sent_ms)
        self.measures.moves += len(rows)
        for row in columns.stepped_in(rows):
            bots[row].mind.reached(now)

    def _share_places(self, slot: Rows) -> None:
        """Where these bots are, for the parent to count neighbours."""
        places, columns, numbers = self.places, self.columns, self.numbers[slot]
        places["x"][numbers], places["y"][numbers] = columns.x[slot], columns.y[slot]
        places["world"][numbers], places["aoi"][numbers] = columns.world[slot], columns.aoi[slot]

    def _think(self, slot: int, revolution: int, rethink: int) -> None:
        if self._leaving or self._resting:
            return
        now = self.clock.now()
        for row in self._thinkers[slot]:
            if (revolution + row) % rethink == 0 and self.columns.walking[row]:
                bot = self.bots[row]
                if bot.player.playing:
                    bot.mind.think(now)


def password_of(key: bytes, account: str) -> str:
    """A bot's password: a secret of the cluster, since such accounts are real ones."""
    return hmac.digest(key, f"password of {account}".encode(), hashlib.sha256).hex()[:32]
