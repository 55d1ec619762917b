"""What grows so slowly that no moment of it is strange: memory that leaks, ticks that take longer and longer. Pure.

POINTS values of a window are compared in pairs. The median of the slopes of all pairs is the slope (H. Theil, 1950;
P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968) 1379-1389), and what the
signs of the pairs have in common, Kendall's tau, says whether it grew all the time or in one step: a step in the middle
of a window has a tau of 0.5.

What more players explain is no creep: a value may grow by the factor by which players have grown within the window, to
the power of `explained`. A tick costs somewhat more than in proportion, memory less.

Rejected: a longer memory in the baselines. What doubles within an hour is adopted by any level that follows an evening.
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from nodes.ops.plans import Floats, Indices
from nodes.ops.signals import Slot

POINTS = 24
QUARTER = POINTS // 4
TAU, TAU_LEFT = 0.7, 0.45  # to find a creep, and to go on believing in it
TIMES = 3  # in a row
LOAD = "players"
LOAD_MIN = 20.0  # fewer players count as so many

_FIRST, _SECOND = np.triu_indices(POINTS, 1)


class Creep(msgspec.Struct, frozen=True):
    """One kind of slow growth of a signal."""

    signal: str
    kind: str  # of the incident
    window_s: float
    share: float  # by which it has grown within the window
    step: float  # and by how much at least, in the signal's unit
    explained: float = 1.0  # power of the growth of players
    falls: bool = False  # it is falling that is bad, and only when nothing is left within `left_s`
    left_s: float = 0.0
    calm_s: float = 1200.0  # after the start of the node


CREEPS = (
    Creep("memory", "memory-leak", window_s=240.0, share=0.15, step=24e6),
    Creep("memory", "memory-leak", window_s=1800.0, share=0.2, step=48e6),
    Creep("tick", "tick-creep", window_s=240.0, share=0.34, step=0.0015, explained=1.5, calm_s=300.0),
    Creep("tick", "tick-creep", window_s=1200.0, share=0.5, step=0.004, explained=1.5, calm_s=300.0),
    Creep("descriptors", "descriptors", window_s=240.0, share=0.3, step=0.03, calm_s=600.0),
    Creep("disk_left", "disk-full", window_s=600.0, share=0.02, step=5e8, falls=True, left_s=7200.0, calm_s=0.0),
)


class Crept(msgspec.Struct, frozen=True):
    """A creep of one slot that goes on."""

    slot: int
    creep: Creep
    since_s: float  # when its window began
    value: float
    start: float  # at the beginning of the window


class Creeps:
    """All creeps of all slots."""

    def __init__(self, creeps: Sequence[Creep] = CREEPS) -> None:
        self._trends = [_Trend(one) for one in creeps]
        self._slots = 0

    def look(self, slots: Sequence[Slot], values: Floats, now_s: float, quiet_s: Floats) -> list[Crept]:
        """`quiet_s`: how long ago the node of each slot began its life. What creeps in two windows is said once."""
        if len(slots) != self._slots:
            loads = {slot.zone: at for at, slot in enumerate(slots) if slot.signal.name == LOAD}
            for trend in self._trends:
                trend.take(slots, loads)
            self._slots = len(slots)
        found = [crept for trend in self._trends for crept in trend.look(values, now_s, quiet_s)]
        return list({(crept.slot, crept.creep.kind): crept for crept in reversed(found)}.values())


class _Trend:
    """One creep for all slots of its signal."""

    def __init__(self, creep: Creep) -> None:
        self._creep, self._every_s = creep, creep.window_s / POINTS
        self._slots: Indices = np.empty(0, np.intp)
        self._loads: Indices = np.empty(0, np.intp)  # the slot of the players that explain it; -1: none
        self._known = 0  # slots that were looked through
        self._points = np.empty((2, 0, POINTS))  # of the values, and of the loads
        self._times = np.empty(0, np.intp)  # how often in a row it was found
        self._due_s: float | None = None
        self._found: list[Crept] = []

    def take(self, slots: Sequence[Slot], loads: Mapping[str, int]) -> None:
        """Further slots. Loads may come after what they explain."""
        fresh = [at for at, slot in enumerate(slots) if at >= self._known and slot.signal.name == self._creep.signal]
        self._known = len(slots)
        self._slots = np.append(self._slots, np.array(fresh, np.intp))
        self._loads = np.array([loads.get(slots[at].zone, -1) for at in self._slots.tolist()], np.intp)
        self._points = np.concatenate((self._points, np.full((2, len(fresh), POINTS), np.nan)), axis=1)
        self._times = np.append(self._times, np.zeros(len(fresh), np.intp))

    def look(self, values: Floats, now_s: float, quiet_s: Floats) -> list[Crept]:
        """Those that go on, as of the last point."""
        late_s = now_s - self._due_s if self._due_s is not None else self._every_s
        if not -self._every_s <= late_s < 0 and len(self._slots):
            self._due_s = now_s + self._every_s - (late_s if 0 <= late_s < self._every_s else 0.0)
            self._add_point(values, quiet_s)
            self._found = self._look_back(now_s)
        return self._found

    def _add_point(self, values: Floats, quiet_s: Floats) -> None:
        """What is not known stays what it was; of a node that has just begun nothing is kept."""
        load = np.where(self._loads >= 0, values[self._loads], np.nan)
        latest, before = np.array((values[self._slots], load)), self._points[:, :, -1]
        latest = np.where(np.isfinite(latest), latest, before)
        self._points = np.concatenate((self._points[:, :, 1:], latest[:, :, None]), axis=2)
        self._points[:, quiet_s[self._slots] < self._creep.calm_s] = np.nan

    def _look_back(self, now_s: float) -> list[Crept]:
        rows = self._rising()
        times, self._times = self._times, np.zeros(len(self._slots), np.intp)
        if not len(rows):
            return []
        creep, points = self._creep, self._points[0, rows] * (-1.0 if self._creep.falls else 1.0)
        apart = points[:, _SECOND] - points[:, _FIRST]
        tau = np.sign(apart).mean(axis=1)
        growth = _median(apart / (_SECOND - _FIRST)) * (POINTS - 1)
        start = np.abs(_median(points[:, :QUARTER]))
        enough = np.maximum(self._enough(start, rows), creep.step)
        on = times[rows] >= TIMES
        holds = (tau >= np.where(on, TAU_LEFT, TAU)) & (growth >= enough * np.where(on, 0.5, 1.0))
        if creep.falls:
            holds &= np.abs(points[:, -1]) / np.maximum(growth, 1e-9) * creep.window_s <= creep.left_s
        self._times[rows] = np.where(holds, times[rows] + 1, 0)
        return [
            Crept(int(self._slots[at]), creep, now_s - creep.window_s, float(self._points[0, at, -1]), float(start[n]))
            for n, at in enumerate(rows.tolist())
            if self._times[at] >= TIMES
        ]

    def _rising(self) -> Indices:
        """The rows that are worth a closer look, which takes long: steady growth by half a step is three eighths of it
        from the first quarter of a window to the last."""
        first, last = (
            part.sum(axis=1) / QUARTER for part in (self._points[0, :, :QUARTER], self._points[0, :, -QUARTER:])
        )
        rise = first - last if self._creep.falls else last - first
        return np.flatnonzero((rise >= 0.3 * self._creep.step) & np.isfinite(self._points[0].sum(axis=1)))

    def _enough(self, start: Floats, rows: Indices) -> Floats:
        """How much growth within a window is more than players explain."""
        load = np.where(np.isfinite(self._points[1, rows]), self._points[1, rows], 0.0)
        before, after = _median(load[:, :QUARTER]), _median(load[:, -QUARTER:])
        grown = np.maximum(1.0, np.maximum(after, LOAD_MIN) / np.maximum(before, LOAD_MIN)) ** self._creep.explained
        allowed = np.ones(len(rows)) if self._creep.falls else grown
        return start * ((1.0 + self._creep.share) * allowed - 1.0)


def _median(rows: Floats) -> Floats:
    """Of each row; the upper one of two in the middle. NumPy's own looks for NaN, which takes longer than the rest."""
    middle = rows.shape[1] // 2
    found: Floats = np.partition(rows, middle, axis=1)[:, middle]
    return found


def limit_of(crept: Crept) -> float:
    """Up to where the value would have been normal."""
    sign = -1.0 if crept.creep.falls else 1.0
    return crept.start + sign * max(crept.start * crept.creep.share, crept.creep.step)
