"""What is normal for each signal now: a level that follows slowly, and how far values lie from it. Pure.

Everything is an array by slot (`signals.py`).

Values are looked at as asinh(value / floor): about value / floor where that is small, its logarithm where it is large.
So a step counts by how many times as much it is, and what happens below the floor of a signal does not count.

Level and deviation are exponentially weighted means of what is cut off at CLIP deviations (Huber's psi), so that one
outlier moves them no more than an ordinary value does:

    r = z - level;  p = clip(r, -CLIP * d, CLIP * d);  level += a * p;  d += b * (|p| / MEAN_CLIPPED - d)

This is robust exponential smoothing as in S. Gelper, R. Fried, C. Croux, "Robust forecasting with exponential and
Holt-Winters smoothing", Journal of Forecasting 29 (2010) 285-300, with the mean of the clipped deviation in place of
their bounded scale; at the beginning the weights are those of a plain mean.

A value is beyond what is normal when it is further than REACH deviations, and at least `times` as much, from the level
of now and from what is usual at this hour of the week (`seasons.py`). The level does not learn from such values; nor
from any while nodes are being restarted, or while a finding is open on the slot. What stays beyond for ADOPT_S is the
new level.

Rejected: forecasts with a trend. A trend is what the fourth hour of an outage looks like, and normal ones are slow.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from nodes.ops.analysis.plans import Floats
from nodes.ops.analysis.seasons import Seasons, SeasonsState
from nodes.ops.analysis.signals import Slot

LEVEL_S, SPREAD_S = 300.0, 900.0  # time constants
CLIP = 2.0
MEAN_CLIPPED = 0.781  # E min(|x|, 2) of a normal x with deviation 1
REACH = 6.0
SPREAD_FIRST, SPREAD_MIN = 0.3, 0.05
WARM_S = 300.0  # of values; before, nothing is beyond what is normal
ADOPT_S = 1800.0
NEAR = 0.6  # of the way to what is beyond: who was there has not come back yet
STEP_S_MAX = 60.0  # one look counts for no more

Flags = npt.NDArray[np.bool_]


class BaselineState(msgspec.Struct, frozen=True):
    """What survives a restart. Arrays as bytes of float32, in the order of `keys`."""

    keys: list[tuple[str, str]]  # signal, subject
    level: bytes
    spread: bytes
    slow: bytes
    seen_s: bytes
    seasons: SeasonsState


class Baselines:
    """See the module. `beyond`, `near` and `strength` are of the last look; strength 1.0 is the edge of normal."""

    def __init__(self) -> None:
        self._level = self._spread = self._slow = self._seen_s = self._out_s = np.empty(0)
        self._floor = self._effect = np.empty(0)
        self._low: Flags = np.empty(0, np.bool_)
        self._top = self._bottom = np.empty(0)
        self._remembered: dict[tuple[str, str], tuple[float, float, float, float]] = {}
        self.seasons = Seasons()
        self.strength = np.empty(0)
        self.beyond: Flags = np.empty(0, np.bool_)
        self.near: Flags = np.empty(0, np.bool_)

    def look(self, slots: Sequence[Slot], values: Floats, now_s: float, dt_s: float, held: Flags, found: Flags) -> None:
        """`held`: slots that are not to be judged or learned from now; `found`: those with an open finding."""
        self._grow(slots)
        dt = min(max(dt_s, 0.0), STEP_S_MAX)
        z: Floats = np.arcsinh(values / self._floor)
        known = np.isfinite(z)
        first = known & (self._seen_s == 0)
        self._level = np.where(first, z, self._level)
        self._slow = np.where(first, z, self._slow)
        self._judge(z, known)
        free = known & ~held
        learning = free & ~found & ~self.beyond
        self._learn(np.where(known, z, 0.0), dt, free, learning)
        self.seasons.look(np.where(free, z, np.nan), now_s)

    def band(self, slot: int) -> tuple[float, float, float]:
        """The lowest normal value, the level, the highest; NaN before the first value."""
        if slot >= len(self._level) or self._seen_s[slot] == 0:
            return float("nan"), float("nan"), float("nan")
        low, level, high = np.sinh([self._bottom[slot], self._level[slot], self._top[slot]]) * self._floor[slot]
        return float(low), float(level), float(high)

    # --- parts of a look ---

    def _judge(self, z: Floats, known: Flags) -> None:
        spread = np.maximum(self._spread, SPREAD_MIN)
        reach = np.maximum(REACH * spread, self._effect)
        usual_low, usual_high = self.seasons.usual()
        high, low = np.fmax(self._level, usual_high), np.fmin(self._level, usual_low)
        self._top, self._bottom = high + reach, low - reach
        self.strength = np.where(known, np.where(self._low, low - z, z - high) / reach, 0.0)
        warm = self._seen_s >= WARM_S
        self.beyond = warm & (self.strength > 1.0)
        self.near = warm & (self.strength > NEAR)

    def _learn(self, z: Floats, dt: float, free: Flags, learning: Flags) -> None:
        spread = np.maximum(self._spread, SPREAD_MIN)
        young = dt / (self._seen_s + max(dt, 1e-9))
        clipped = np.clip(z - self._level, -CLIP * spread, CLIP * spread)
        self._level = self._level + np.where(learning, np.maximum(_share(dt, LEVEL_S), young) * clipped, 0.0)
        aim = np.abs(clipped) / MEAN_CLIPPED - self._spread
        self._spread = self._spread + np.where(learning, np.maximum(_share(dt, SPREAD_S), young / 2) * aim, 0.0)
        self._slow = self._slow + np.where(free, _share(dt, LEVEL_S) * (z - self._slow), 0.0)
        self._seen_s = self._seen_s + np.where(learning, dt, 0.0)
        change = np.where(self.beyond, dt, -dt)
        self._out_s = np.maximum(self._out_s + np.where(free, change, 0.0), 0.0)
        lasting = self._out_s >= ADOPT_S
        if lasting.any():
            self._level = np.where(lasting, self._slow, self._level)
            self._out_s = np.where(lasting, 0.0, self._out_s)

    def _grow(self, slots: Sequence[Slot]) -> None:
        fresh = slots[len(self._level) :]
        if not fresh:
            return
        nothing = (0.0, SPREAD_FIRST, 0.0, 0.0)
        known = [self._remembered.pop((one.signal.name, one.subject), nothing) for one in fresh]
        level, spread, slow, seen_s = np.array(known, np.float64).T
        self._level, self._spread = np.append(self._level, level), np.append(self._spread, spread)
        self._slow, self._seen_s = np.append(self._slow, slow), np.append(self._seen_s, seen_s)
        self._out_s = np.append(self._out_s, np.zeros(len(fresh)))
        self._floor = np.append(self._floor, [one.signal.floor for one in fresh])
        self._effect = np.append(self._effect, np.log([one.signal.times for one in fresh]))
        self._low = np.append(self._low, np.array([one.signal.low for one in fresh], np.bool_))
        self.seasons.grow([(one.signal.name, one.subject) for one in fresh])

    # --- over a restart ---

    def state(self, slots: Sequence[Slot]) -> BaselineState:
        """Of the slots that were looked at."""
        keys = [(one.signal.name, one.subject) for one in slots[: len(self._level)]]
        level, spread = _packed(self._level), _packed(self._spread)
        return BaselineState(keys, level, spread, _packed(self._slow), _packed(self._seen_s), self.seasons.state())

    def restore(self, state: BaselineState) -> None:
        """Before the first look. What does not add up is forgotten."""
        packed = state.level, state.spread, state.slow, state.seen_s
        if any(len(part) != 4 * len(state.keys) for part in packed):
            return
        parts = [np.frombuffer(part, "<f4") for part in packed]
        if not all(np.isfinite(part).all() for part in parts):
            return
        rows = np.array(parts, np.float64).T.tolist()
        self._remembered = {key: (a, b, c, d) for key, (a, b, c, d) in zip(state.keys, rows, strict=True)}
        self.seasons.restore(state.keys, state.seasons)


def _share(dt_s: float, time_constant_s: float) -> float:
    return 1.0 - float(np.exp(-dt_s / time_constant_s))


def _packed(values: Floats) -> bytes:
    return values.astype("<f4").tobytes()
