"""What is promised to players, and how fast the failures that are allowed are being used up. Pure.

An objective says which share of events has to be good. What may be bad is its budget; the burn rate is how many times
as fast as allowed the budget is used: 1 uses up exactly what 30 days may use. Alerts follow the multi-window,
multi-burn-rate scheme of "The Site Reliability Workbook" (B. Beyer et al., O'Reilly 2018), chapter 5, "Alerting on
SLOs", table 5-8: the rate has to be exceeded in a long window, which says that it matters, and in a short one, which
says that it goes on.

    2 % of the budget within an hour       1 h and 5 min     14.4     critical
    5 % within six hours                   6 h and 30 min     6       critical
    10 % within three days                 3 d and 6 h        1       warning

With few events a single bad one burns at a great rate; so a long window needs BAD_MIN of them before it says anything.

Owns the good and bad events of the last three days by minute and of the last thirty days by hour. Objectives of time
(a number has to be below a bound) count seconds instead of events.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from nodes.ops.analysis.catalogue import UNFLUSHED_S
from nodes.ops.analysis.kinds import Severity
from nodes.ops.analysis.plans import Floats
from nodes.ops.analysis.signals import Slot

MINUTES, HOURS = 4320, 720
BAD_MIN = 10.0
LOOK_S = 30.0  # burn rates are worked out anew so often
STEP_S_MAX = 60.0  # one look counts for no more: a clock that jumps is no outage

Counts = npt.NDArray[np.float32]


class Window(msgspec.Struct, frozen=True):
    """A pair of windows and the burn rate at which both say that something is wrong."""

    long_min: int
    short_min: int
    rate: float
    severity: Severity


WINDOWS = (
    Window(60, 5, 14.4, "critical"),
    Window(360, 30, 6.0, "critical"),
    Window(4320, 360, 1.0, "warning"),
)


class Objective(msgspec.Struct, frozen=True, kw_only=True):
    """Of events: `bad` and `all` are signals that count them, a second. Of time: `bad` is a signal that has to be at
    most `within`."""

    name: str
    text: str
    target: float  # the share that has to be good
    bad: str
    all: str = ""
    within: float = 0.0


OBJECTIVES = (
    Objective(name="login-p99", text="99 % of the logins take at most a second", target=0.99, bad="logins_late",
              all="logins_all"),
    Objective(name="move-p99", text="99 % of the moves are with their neighbours within 250 ms", target=0.99,
              bad="moves_late", all="moves_all"),
    Objective(name="availability", text="99.9 % of the logins do not fail for a fault of ours", target=0.999,
              bad="logins_failed", all="logins_tried"),
    Objective(name="write-loss", text="99.9 % of the time all that is acknowledged is on disk within a second",
              target=0.999, bad="unflushed", within=UNFLUSHED_S),
)  # fmt: skip


class Burn(msgspec.Struct, frozen=True):
    """How one pair of windows stands."""

    window: Window
    long: float
    short: float
    bad: float  # events, or seconds, in the long window

    @property
    def too_fast(self) -> bool:
        return min(self.long, self.short) >= self.window.rate and self.bad >= BAD_MIN


class Budget(msgspec.Struct, frozen=True):
    """How an objective of a zone or a node stands."""

    objective: Objective
    subject: str
    zone: str
    burns: tuple[Burn, ...]
    left: float  # share of the budget of 30 days; below 0 when it is overdrawn

    @property
    def worst(self) -> Burn | None:
        """The most severe pair of windows that is exceeded."""
        return next((one for one in self.burns if one.too_fast), None)


class ObjectivesState(msgspec.Struct, frozen=True):
    """What survives a restart: for each key rows of float32, bad and all, by minute and by hour of the epoch."""

    keys: list[tuple[str, str, str]]  # objective, subject, zone
    minute: int
    hour: int
    minutes: bytes
    hours: bytes


class Objectives:
    """See the module."""

    def __init__(self, objectives: Sequence[Objective] = OBJECTIVES, state: ObjectivesState | None = None) -> None:
        self._objectives = {one.name: one for one in objectives}
        self._keys: list[tuple[str, str, str]] = []
        self._minutes, self._hours = np.zeros((0, 2, MINUTES), np.float32), np.zeros((0, 2, HOURS), np.float32)
        self._minute = self._hour = 0
        self._looked_s: float | None = None
        self._wiring: list[tuple[int, Objective, int, int]] = []  # row, objective, slots of `bad` and `all`
        self._slots = 0
        self.budgets: list[Budget] = []
        if state is not None:
            self._restore(state)

    def look(self, slots: Sequence[Slot], values: Floats, now_s: float, dt_s: float) -> list[Budget]:
        """Count what has come; the budgets are of the last LOOK_S."""
        if len(slots) != self._slots:
            self._wire(slots)
        dt = min(max(dt_s, 0.0), STEP_S_MAX)
        self._turn(now_s)
        for row, objective, bad, all_ in self._wiring:
            counted = _counted(objective, float(values[bad]), float(values[all_]))
            for which, each_s in enumerate(counted):
                if each_s:
                    self._minutes[row, which, self._minute % MINUTES] += each_s * dt
                    self._hours[row, which, self._hour % HOURS] += each_s * dt
        if self._looked_s is None or not 0 <= now_s - self._looked_s < LOOK_S:
            self._looked_s = now_s
            self.budgets = self._work_out()
        return self.budgets

    def state(self) -> ObjectivesState:
        return ObjectivesState(
            list(self._keys), self._minute, self._hour, self._minutes.tobytes(), self._hours.tobytes()
        )

    def _restore(self, state: ObjectivesState) -> None:
        count = 2 * 4 * len(state.keys)
        if len(state.minutes) != count * MINUTES or len(state.hours) != count * HOURS:
            return
        minutes, hours = (np.frombuffer(one, np.float32) for one in (state.minutes, state.hours))
        self._keys, self._minute, self._hour = list(state.keys), state.minute, state.hour
        self._minutes, self._hours = minutes.reshape(-1, 2, MINUTES).copy(), hours.reshape(-1, 2, HOURS).copy()

    def _wire(self, slots: Sequence[Slot]) -> None:
        """Which slots count for which row."""
        self._slots, self._wiring = len(slots), []
        at = {(slot.signal.name, slot.subject): n for n, slot in enumerate(slots)}
        for objective in self._objectives.values():
            for (signal, subject), bad in at.items():
                all_ = at.get((objective.all or objective.bad, subject))
                if signal == objective.bad and all_ is not None:
                    self._wiring.append((self._row((objective.name, subject, slots[bad].zone)), objective, bad, all_))

    def _row(self, key: tuple[str, str, str]) -> int:
        if key not in self._keys:
            self._keys.append(key)
            self._minutes = np.concatenate((self._minutes, np.zeros((1, 2, MINUTES), np.float32)))
            self._hours = np.concatenate((self._hours, np.zeros((1, 2, HOURS), np.float32)))
        return self._keys.index(key)

    def _turn(self, now_s: float) -> None:
        """Make room for the present minute and hour. Where the clock was set back they go on as they are."""
        self._minute = _turned(self._minutes, self._minute, int(now_s // 60))
        self._hour = _turned(self._hours, self._hour, int(now_s // 3600))

    def _work_out(self) -> list[Budget]:
        rows = [row for row, _, _, _ in self._wiring]
        if not rows:
            return []
        lengths = sorted({n for window in WINDOWS for n in (window.long_min, window.short_min)})
        sums = {n: _last(self._minutes, self._minute, n) for n in lengths}
        month = self._hours.sum(axis=2)
        found = []
        for row, objective, _, _ in self._wiring:
            rates = {n: _burn(objective, some[row]) for n, some in sums.items()}
            burns = tuple(
                Burn(one, rates[one.long_min], rates[one.short_min], float(sums[one.long_min][row][0]))
                for one in WINDOWS
            )
            name, subject, zone = self._keys[row]
            found.append(Budget(self._objectives[name], subject, zone, burns, 1.0 - _burn(objective, month[row])))
        return found


def _counted(objective: Objective, bad: float, all_: float) -> tuple[float, float]:
    """Bad and all events of a second."""
    if not (math.isfinite(bad) and math.isfinite(all_)):
        return 0.0, 0.0
    return (bad, all_) if objective.all else (float(bad > objective.within), 1.0)


def _turned(rows: Counts, before: int, now: int) -> int:
    size = rows.shape[2]
    if now > before:
        rows[:, :, [n % size for n in range(max(before + 1, now - size + 1), now + 1)]] = 0.0
    return max(before, now)


def _last(rows: Counts, now: int, count: int) -> Counts:
    """Bad and all of the last `count` columns, for each row."""
    size = rows.shape[2]
    if count >= size:
        return np.asarray(rows.sum(axis=2))
    return np.asarray(rows[:, :, (now - np.arange(count)) % size].sum(axis=2))


def _burn(objective: Objective, counts: Counts) -> float:
    bad, total = float(counts[0]), float(counts[1])
    return bad / total / (1.0 - objective.target) if total > 0 else 0.0
