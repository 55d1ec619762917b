"""What workers send to the parent: once a second, what happened since the last time (pure).

Everything that a run reports is a sum of increments, so a worker that dies loses at most its last second, and the
screen, the CSV and the JSON cannot disagree. The phase says whether a second counts for the figures of the steady
state ("window") or lies before or after it.
"""

from typing import Literal

import msgspec

from tools.bots.statistics import EncodedSeries, Latencies, Series, decode_series

Phase = Literal["start", "window", "end"]


class Increment(msgspec.Struct, frozen=True):
    """One worker, about a second of its life."""

    worker: int
    phase: Phase
    elapsed_s: float
    cpu_s: float
    rss_bytes: int
    players: int  # in the world now
    starting: int  # between connect and Entered now
    entered: int
    moves: int
    moves_missed: int
    updates: int  # of other bots
    updates_other: int  # of whatever else moves
    first_due: float = 0.0  # when the first login of this worker was due, 0 when none was
    last_entered: float = 0.0  # when the last one so far was in the world
    lag: str = ""  # Latencies of the timetable
    series: dict[str, EncodedSeries] = {}
    errors: dict[str, int] = {}
    last: bool = False
    started: int = 0  # logins that were begun
    counts: dict[str, int] = {}  # what a scenario counts
    notes: list[str] = []  # for people: where a user's scenario went wrong
    step: int = 0  # of a search for the limit


class Total:
    """A sum of increments."""

    def __init__(self) -> None:
        self.elapsed_s: dict[int, float] = {}  # per worker, as is the rest that is not a count
        self.cpu_s: dict[int, float] = {}
        self.rss_bytes: dict[int, int] = {}
        self.players: dict[int, int] = {}
        self.starting: dict[int, int] = {}
        self.players_most = 0
        self.started = 0
        self.entered = 0
        self.moves = 0
        self.moves_missed = 0
        self.updates = 0
        self.updates_other = 0
        self.first_due = 0.0
        self.last_entered = 0.0
        self.lag = Latencies()
        self.series: dict[str, Series] = {}
        self.errors: dict[str, int] = {}
        self.counts: dict[str, int] = {}

    def add(self, said: Increment) -> None:
        at = said.worker
        self.elapsed_s[at] = self.elapsed_s.get(at, 0.0) + said.elapsed_s
        self.cpu_s[at] = self.cpu_s.get(at, 0.0) + said.cpu_s
        self.rss_bytes[at] = said.rss_bytes
        self.players[at] = said.players
        self.starting[at] = said.starting
        self.players_most = max(self.players_most, self.players_now)
        self.started += said.started
        self.entered += said.entered
        self.moves += said.moves
        self.moves_missed += said.moves_missed
        self.updates += said.updates
        self.updates_other += said.updates_other
        if said.first_due:
            self.first_due = min(self.first_due or said.first_due, said.first_due)
        self.last_entered = max(self.last_entered, said.last_entered)
        if said.lag:
            self.lag.add(Latencies(said.lag))
        for name, series in said.series.items():
            self.series.setdefault(name, Series()).add(decode_series(series))
        for code, count in said.errors.items():
            self.errors[code] = self.errors.get(code, 0) + count
        for name, count in said.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count

    @property
    def players_now(self) -> int:
        return sum(self.players.values())

    @property
    def window_s(self) -> float:
        """How long this lasted: the mean of the workers, which start and end within milliseconds of each other."""
        return sum(self.elapsed_s.values()) / len(self.elapsed_s) if self.elapsed_s else 0.0

    def cpu_shares(self) -> dict[int, float]:
        """Of one core, per worker."""
        return {worker: self.cpu_s[worker] / s for worker, s in self.elapsed_s.items() if s > 0}


class Totals:
    """The whole run, and its window alone."""

    def __init__(self) -> None:
        self.whole = Total()
        self.window = Total()
        self.step = Total()  # the step of a search for the limit that goes on, while its players come, too
        self.held = Total()  # the same without that
        self.step_number = 0
        self.finished: set[int] = set()

    def add(self, said: Increment) -> None:
        self.whole.add(said)
        if said.phase == "window":
            self.window.add(said)
        if said.step and said.step == self.step_number:
            self.step.add(said)
            if said.phase == "window":
                self.held.add(said)
        if said.last:
            self.finished.add(said.worker)

    def begin_step(self, number: int) -> None:
        """What belongs to this step is added up from nothing."""
        self.step_number, self.step, self.held = number, Total(), Total()

    @property
    def steady(self) -> Total:
        """What figures of the steady state are taken from: the window, or everything when it never opened."""
        return self.window if self.window.elapsed_s else self.whole
