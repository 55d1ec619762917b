"""The search for the limit: more and more players, each step held long enough for honest percentiles, until the
objective breaks; then closer and closer to where it broke.

A step in which the bots could not keep up says nothing about the servers: the search ends there and is INVALID, with
what held before as what is known. Who is asked to go in a smaller step logs out; the others play on.
"""

from typing import Any

import msgspec
import numpy as np

from mesh.clock import Clock
from mesh.topology import Topology
from tools.bots.bottleneck import Load, bottlenecks
from tools.bots.course import SAMPLE_S, WATCH_S, Course
from tools.bots.increments import Total
from tools.bots.neighbours import Expectation
from tools.bots.objective import Checked, Clause, check
from tools.bots.options import Limits, Options
from tools.bots.result import MISTAKE, MOVE, OWN_MISTAKE, ServerUse, Verdict
from tools.bots.search import Bounds, Search
from tools.bots.servers import Ticks, busy_between, ticks_between, uses_between
from tools.bots.statistics import Series
from tools.bots.watcher import Watcher

REPORTED_S = 0.3  # for the workers' last words on a step to be here
SETTLE_S = 2.0  # after the players of a step have come or gone
GRACE_S = 20.0  # for those who come late
HOLD_FACTOR_MAX = 3  # a step is held longer, up to so many times, when there are too few samples
SAMPLES_MIN = 1000  # for a p99: ten samples above it
GAVE_UP = 0.9  # fewer players than this share of those wanted: the step is not the one that was wanted


class Step(msgspec.Struct, frozen=True):
    """One number of players."""

    began_s: float  # since the search began
    wanted: int
    players: int
    held_s: float
    checked: list[Checked]
    invalid: list[str]  # why it says nothing about the servers
    samples: int  # of moves
    lag_p99_ms: float
    bots_cpu: list[float]  # by bot process
    servers: list[ServerUse]
    ticks: list[Ticks]
    busy: float
    bottlenecks: list[str]

    @property
    def ok(self) -> bool:
        return not self.invalid and all(one.ok for one in self.checked)


class LimitFound(msgspec.Struct, frozen=True):
    """The outcome of a search."""

    verdict: Verdict  # OK: a limit was found, or nothing broke up to the bounds
    players: int  # the most with which everything held
    broke: int  # the fewest with which it did not; 0: never
    sentence: str
    ended: str
    bottlenecks: list[str]
    reasons: list[str]
    objective: list[str]
    scenario: str
    steps: list[Step]
    errors: dict[str, int]
    settings: dict[str, Any]
    machine: dict[str, str]


class Ramp(Course[LimitFound]):
    """One search."""

    def __init__(
        self,
        options: Options,
        clock: Clock,
        watcher: Watcher,
        topology: Topology | None,
        clauses: list[Clause],
        bounds: Bounds,
    ) -> None:
        super().__init__(options, clock, watcher, topology)
        self._clauses, self._bounds = clauses, bounds
        self._search = Search(bounds)
        self._at = 0  # players who are wanted now
        self.steps: list[Step] = []
        tick_hz = topology.settings.get("scene", {}).get("tick_hz", 10.0) if topology else 10.0
        self._tick_ms = 1000.0 / float(tick_hz)

    async def go(self, places: np.memmap) -> None:
        search = self._search
        while (wanted := search.wanted) is not None:
            step = await self._hold(wanted, places)
            if self.over:  # in the middle of a step, which then says nothing
                search.end("it was stopped")
                break
            self.steps.append(step)
            self.watcher.note(sentence_of(step))
            if step.invalid:
                search.end("the bots could not keep up")
            else:
                search.tell(step.ok, self.elapsed_s)
        self.phase = "end"
        self.workers.tell("halt")

    def conclude(self) -> LimitFound:
        search = self._search
        broken = [step for step in self.steps if not step.ok and not step.invalid]
        first_broken = min(broken, key=lambda step: step.wanted, default=None)
        last = first_broken or (self.steps[-1] if self.steps else None)
        reasons = [reason for step in self.steps for reason in step.invalid] or list(self.troubles())
        verdict: Verdict = "INVALID" if reasons or not self.steps else "OK" if search.held else "FAILED"
        found = last.bottlenecks if last else []
        return LimitFound(
            verdict=verdict,
            players=search.held,
            broke=search.broke,
            sentence=sentence(verdict, search, found, last),
            ended=search.ended,
            bottlenecks=found,
            reasons=reasons,
            objective=[clause.text for clause in self._clauses],
            scenario=self.options.scenario,
            steps=self.steps,
            errors=dict(sorted(self.totals.whole.errors.items())),
            settings={
                "spawn rate": self.options.spawn_rate,
                "moves per second": self.options.moves_per_s,
                "held for": self.options.run_time_s,
                **msgspec.to_builtins(self._bounds),
                **self.options.settings,
            },
            machine=self.machine,
        )

    async def _hold(self, wanted: int, places: np.memmap) -> Step:
        """So many players, for as long as it takes."""
        number = len(self.steps) + 1
        self.phase = "start"
        self.totals.begin_step(number)
        self.workers.tell(f"aim {wanted} {self.clock.now() + WATCH_S} {number}")
        more, self._at = max(wanted - self._at, 0), wanted
        await self._wait_players(wanted, more / self.options.spawn_rate + GRACE_S)
        await self.pause(SETTLE_S)
        self.phase = "window"
        self.workers.tell("measure")
        before, expectation = await self.servers.mark(), Expectation()
        began = self.clock.now()
        while not self.over and not self._held_enough(began):
            expectation.sample(np.array(places))
            await self.pause(SAMPLE_S)
        after = await self.servers.mark()
        held_s = self.clock.now() - began
        self.workers.tell("settle")
        await self.pause(REPORTED_S)
        held, ramp = self.totals.held, self.totals.step
        expected = expectation.updates(held.moves)
        servers, ticks = uses_between(before, after), ticks_between(before.pages, after.pages)
        bots = list(held.cpu_shares().values())
        load = Load(servers, ticks, self._tick_ms, busy_between(before, after), int(self.machine["cores"]), sum(bots))
        return Step(
            began_s=round(began - self.began, 1),
            wanted=wanted,
            players=held.players_now,
            held_s=round(held_s, 1),
            checked=[
                *check(self._clauses, ramp, held, held.updates / expected if expected else 0.0),
                *_missing(wanted, held),
            ],
            invalid=invalid(held, self.options.limits, self.troubles(), load.busy),
            samples=held.series.get(MOVE, Series()).raw.count,
            lag_p99_ms=round(held.lag.percentile_ms(99.0), 1),
            bots_cpu=[round(share, 3) for share in bots],
            servers=servers,
            ticks=ticks,
            busy=load.busy,
            bottlenecks=bottlenecks(load),
        )

    async def _wait_players(self, wanted: int, timeout_s: float) -> None:
        until = self.clock.now() + timeout_s
        while self.clock.now() < until and not self.over:
            if self.totals.whole.players_now == wanted:
                return
            await self.pause(WATCH_S)

    def _held_enough(self, began: float) -> bool:
        held_s, wanted_s = self.clock.now() - began, self.options.run_time_s
        if held_s < wanted_s:
            return False
        move = self.totals.held.series.get(MOVE)
        return move is None or move.raw.count >= SAMPLES_MIN or held_s >= HOLD_FACTOR_MAX * wanted_s


def _missing(wanted: int, held: Total) -> list[Checked]:
    """That everybody came in is part of every objective."""
    if held.players_now == wanted:
        return []
    return [Checked("all players in the world", float(held.players_now), held.players_now >= GAVE_UP * wanted)]


def invalid(held: Total, limits: Limits, troubles: tuple[str, ...], busy: float = 0.0) -> list[str]:
    """Why a step says nothing about the servers."""
    found = list(troubles)
    lag = held.lag.percentile_ms(99.0)
    if lag > limits.lag_p99_ms:
        text = f"the bots were late: p99 {lag:.0f} ms, limit {limits.lag_p99_ms:.0f} ms"
        found.append(text + (f"; the machine was {busy * 100:.0f} % busy" if busy else ""))
    for worker, share in sorted(held.cpu_shares().items()):
        if share > limits.cpu_max:
            found.append(f"bot process {worker} used {share * 100:.0f} % of a core: more --processes")
    if held.moves_missed > limits.missed_max * (held.moves + held.moves_missed):
        found.append(f"the bots left out {held.moves_missed} of {held.moves + held.moves_missed} moves that were due")
    mistakes = sum(count for code, count in held.errors.items() if code.startswith(MISTAKE))
    if mistakes:
        found.append(f"the scenario itself went wrong {mistakes} times")
    own = sum(count for code, count in held.errors.items() if code.startswith(OWN_MISTAKE))
    if own:
        found.append(f"the bots themselves went wrong {own} times")
    return found


def sentence(verdict: Verdict, search: Search, found: list[str], last: Step | None) -> str:
    """The outcome in one line."""
    if last is None:
        return "no step was made"
    if verdict == "INVALID":
        known = f"{search.held:,} players are carried" if search.held else "nothing is known"
        return f"{known}; with {last.wanted:,} the bots were the bottleneck, not the servers"
    if not search.broke:
        return f"{search.held:,} players and more: {search.ended}"
    broken = ", ".join(show(one) for one in last.checked if not one.ok)
    here = f"{search.held:,} players here" if search.held else f"not even {search.broke:,} players here"
    return f"{here}, bottleneck: {found[0]} (with {last.wanted:,}: {broken})"


def sentence_of(step: Step) -> str:
    """One step in one line."""
    words = "; ".join(step.invalid) if step.invalid else ", ".join(show(one) for one in step.checked)
    mark = "INVALID" if step.invalid else "ok" if step.ok else "BROKEN"
    return f"{step.players:>7,} players  {mark:<7}  {words}"


def show(checked: Checked) -> str:
    """A clause with what was found: move.p99 133 ms (<200ms)."""
    for sign in ("<", ">"):
        measure, found, rest = checked.clause.partition(sign)
        if found:
            return f"{measure} {show_value(checked)} ({found}{rest})"
    return f"{checked.clause}: {show_value(checked)}"


def show_value(checked: Checked) -> str:
    """What was found, in the unit of its measure."""
    if checked.value is None:
        return "-"
    if checked.clause.startswith("ratio"):
        return f"{checked.value * 100:.1f} %"
    return f"{checked.value:,.0f} ms" if "." in checked.clause else f"{checked.value:,.0f}"
