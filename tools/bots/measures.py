"""What one worker has measured since it last reported.

Owns counters, histograms and the movement that waits to be counted. Movement is counted by numpy, thousands of pieces
at a time; per piece there is one copy of its bytes and one time stamp.

A bot marks its moves in bits of the state that are free to the game, so that a receiver can tell them from those of
NPCs and people, and so that both kinds of latency come out of one run: bots with even numbers stamp the moment of
sending ("raw"), those with odd numbers the moment when the move was due ("corrected").
"""

import numpy as np

from mesh.protocol.lanes import UPDATE, UPDATE_SIZE
from tools.bots.increments import Increment, Phase
from tools.bots.result import LOGIN, MOVE
from tools.bots.statistics import CHUNK, Latencies, MoveTable, Series, encode_series

STATE_RUNNING = 0x01
STATE_BOT = 0x40
STATE_DUE = 0x20  # the stamp says when the move was due
STATE_DEAD = 0x80

ERRORS_MAX = 100  # kinds; what is over that counts as "other"
COUNTS_MAX = 100  # the same, of what a scenario counts
NOTES_MAX = 10  # different ones of one worker in a run


class Measures:
    """One worker's. `take` empties it into an increment."""

    def __init__(self, worker: int, now: float, cpu_s: float) -> None:
        self.worker = worker
        self.phase: Phase = "start"
        self.step = 0
        self.players = 0
        self.starting = 0
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
        self._notes: list[str] = []
        self._noted: set[str] = set()
        self._raw, self._due = MoveTable(), MoveTable()
        self._pieces: list[bytes] = []
        self._times: list[int] = []
        self._since, self._cpu = now, cpu_s

    def record(self, series: str, seconds: float, late_s: float = 0.0) -> None:
        """Something was done."""
        self._of(series).record(seconds, late_s)

    def fail(self, series: str) -> None:
        """Something was tried in vain."""
        self._of(series).fail()

    def error(self, code: str) -> None:
        """Something that must not happen in a good run."""
        if code not in self.errors and len(self.errors) >= ERRORS_MAX:
            code = "other"
        self.errors[code] = self.errors.get(code, 0) + 1

    def count(self, name: str, by: int = 1) -> None:
        """Something that a scenario wants to know at the end."""
        if name not in self.counts and len(self.counts) >= COUNTS_MAX:
            name = "other"
        self.counts[name] = self.counts.get(name, 0) + by

    def mistake(self, line: str, details: str) -> None:
        """A user's scenario went wrong; the details are told once."""
        self.error(line)
        if line not in self._noted and len(self._noted) < NOTES_MAX:
            self._noted.add(line)
            self._notes.append(details)

    def logged_in(self, seconds: float, late_s: float, now: float) -> None:
        self.record(LOGIN, seconds, late_s)
        self.entered += 1
        self.last_entered = now

    def hear_updates(self, now_ms: int, records: bytes) -> None:
        """One piece of movement."""
        self._pieces.append(records)
        self._times.append(now_ms)
        if len(self._pieces) >= CHUNK:
            self.count_updates()

    def count_updates(self) -> None:
        """Count what was heard since the last time."""
        if not self._pieces:
            return
        lengths = np.fromiter(map(len, self._pieces), np.int64, len(self._pieces)) // UPDATE_SIZE
        records = np.frombuffer(b"".join(self._pieces), UPDATE)
        received = np.repeat(np.array(self._times, np.int64), lengths)
        self._pieces.clear()
        self._times.clear()
        state, stamp = records["state"], records["stamp"]
        ours = state & (STATE_BOT | STATE_DEAD) == STATE_BOT
        due = ours & (state & STATE_DUE != 0)
        raw = ours & ~due
        self._raw.add(received[raw], stamp[raw])
        self._due.add(received[due], stamp[due])
        heard = int(ours.sum())
        self.updates += heard
        self.updates_other += len(records) - heard

    def take(self, now: float, cpu_s: float, rss_bytes: int, last: bool = False) -> Increment:
        """Everything since the last call, and start anew."""
        self.count_updates()
        move = self._of(MOVE)
        move.raw.add(self._raw.latencies())
        move.corrected.add(self._due.latencies())
        said = Increment(
            worker=self.worker,
            phase=self.phase,
            elapsed_s=now - self._since,
            cpu_s=cpu_s - self._cpu,
            rss_bytes=rss_bytes,
            players=self.players,
            starting=self.starting,
            entered=self.entered,
            moves=self.moves,
            moves_missed=self.moves_missed,
            updates=self.updates,
            updates_other=self.updates_other,
            first_due=self.first_due,
            last_entered=self.last_entered,
            lag=self.lag.encode() if self.lag.count else "",
            series={name: encode_series(one) for name, one in self.series.items() if one.count or one.corrected.count},
            errors=dict(self.errors),
            last=last,
            started=self.started,
            counts={name: count for name, count in self.counts.items() if count},
            notes=self._notes,
            step=self.step,
        )
        self._forget(now, cpu_s)
        return said

    def _of(self, series: str) -> Series:
        found = self.series.get(series)
        if found is None:
            found = self.series[series] = Series()
        return found

    def _forget(self, now: float, cpu_s: float) -> None:
        """Gauges and the times of the first and last login stay."""
        self.started = self.entered = self.moves = self.moves_missed = self.updates = self.updates_other = 0
        self.lag = Latencies()
        self.series.clear()
        self.errors.clear()
        self.counts.clear()
        self._notes = []
        self._raw.clear()
        self._due.clear()
        self._since, self._cpu = now, cpu_s
