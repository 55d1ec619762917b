"""How hard a node works, and at which level of the policy it does: signals -> score -> level.

A signal is a number that is 1.0 when the node is at the limit of what it can do without being felt: how late its loop
is, how much of its period a tick takes, how old the oldest thing is that waits, whether links refuse sends. The score
is the greatest of them, smoothed as the root of the mean of squares: what is late now and then is what a player feels,
however good the mean. The level is the policy's (0: nothing is left out). Pure: `now` is an argument.

The loop is closed: a level makes the score fall, so that the score at a level says nothing about the score without it.
Hence:

    up      one level when the score was above UP for UP_S, and then for UP_NEXT_S each: the relief needs time to show.
            Far above it, where one level cannot be enough, time counts up to HURRY times, unless it falls already;
            up to HURRY_FIRST times for the first level, to which a single late look is not to lead. From then on,
            where time counts most, it is two levels at once: everybody is told of each step, and that is work when
            there is least time for it
    down    one level when the score was below DOWN for DOWN_S (less with many levels, so that the way back from the
            highest one always takes RETURN_S at most)
    failed  when going down was followed by going up again, and nothing else, the relief of that level is needed: the
            next try waits BACK_OFF times as long, unless the score is clearly lower than it was at the failed one, or
            it was higher up since

A process that stood still (stopped, moved to another machine, a laptop's lid) sees everything late at once. The first
look that comes more than PAUSE_S late is therefore not counted, whatever the signals say; a second one in a row is.
And no single look counts for more than LOOK_MAX_S or above VALUE_MAX.

Rejected: a model of what each level saves (it depends on what the players do), and counting processor time (a node
whose neighbours take the processor away is as late as one that is busy itself).
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SMOOTHING_S = 0.3
VALUE_MAX = 2.0
LOOK_MAX_S = 0.4
PAUSE_S = 1.0
UP, DOWN = 1.0, 0.5
UP_S, UP_NEXT_S = 0.8, 0.9
FAR, HURRY = (1.3, 1.7), 4.0  # scores between which time begins to count more, up to so many times
HURRY_FIRST = 1.8
DOWN_S = 1.4
RETURN_S = 7.0
FAILED_S = 8.0  # to go up again within so long after going down is a failure
BACK_OFF = 3.0
WAIT_S_MAX = 60.0
LOWER = 0.8  # of the score at a failed try: below it the load has changed, and a try is not the same again
OPERATOR = "operator"  # the reason of a step that was ordered
SAMPLES_MAX = 512  # of a queue: a minute of looks

Direction = Literal["up", "down"]


@dataclass(frozen=True, slots=True)
class Step:
    """The level has changed."""

    before: int
    level: int
    score: float
    reason: str  # the signal that is the score (on the way down: only the greatest), or OPERATOR
    values: dict[str, float]  # of all signals, smoothed


@dataclass(slots=True)
class _Try:
    """Going down from one level."""

    score: float
    at: float
    failures: int = 0


@dataclass(slots=True)
class Pressure:
    """`top` is the highest level of the policy."""

    top: int
    level: int = 0
    pinned: bool = False  # an operator holds the level
    values: dict[str, float] = field(default_factory=dict)
    changes: dict[Direction, int] = field(default_factory=lambda: {"up": 0, "down": 0})
    pauses: int = 0
    _looked_at: float | None = None
    _was_late: bool = False
    _above_s: float = 0.0
    _below_s: float = 0.0
    _lower_s: float = 0.0  # below what failed
    _tries: dict[int, _Try] = field(default_factory=dict)  # by the level that was left
    _last: int = 0  # the level that the last change left when it went down, else 0

    @property
    def score(self) -> float:
        return max(self.values.values(), default=0.0)

    @property
    def reason(self) -> str:
        """The signal that is the score."""
        return max(self.values, key=self.values.__getitem__, default="")

    def look(self, signals: Mapping[str, float], now: float, late_s: float = 0.0) -> Step | None:
        """The signals as they are now; called several times a second, and `late_s` too late this time."""
        gap, self._looked_at = now - (self._looked_at if self._looked_at is not None else now), now
        was_late, self._was_late = self._was_late, late_s > PAUSE_S
        if self._was_late and not was_late:
            self.pauses += 1
            return None
        elapsed = min(max(0.0, gap), LOOK_MAX_S)
        self._smooth(signals, elapsed)
        haste = self._count(elapsed, max(signals.values(), default=0.0))
        return None if self.pinned else self._step(now, haste)

    def pin(self, level: int | None) -> Step | None:
        """Hold this level, or go on from where it is."""
        self.pinned = level is not None
        self._above_s = self._below_s = self._lower_s = 0.0
        self._last = 0
        return self._go(level, OPERATOR) if level is not None and level != self.level else None

    def _smooth(self, signals: Mapping[str, float], elapsed: float) -> None:
        share = 1.0 - math.exp(-elapsed / SMOOTHING_S)
        for name in signals.keys() | self.values.keys():
            value = min(max(0.0, signals.get(name, 0.0)), VALUE_MAX)
            before = self.values.get(name, 0.0) ** 2
            self.values[name] = math.sqrt(before + share * (value**2 - before))

    def _count(self, elapsed: float, newest: float) -> float:
        """How long the score has been where it is. `newest`: what it would be if it was not smoothed. How much a second
        above the limit counts now."""
        score, failed = self.score, self._tries.get(self.level)
        lower = min(DOWN, failed.score * LOWER) if failed is not None else DOWN
        haste = min(_haste(min(score, newest)), HURRY if self.level else HURRY_FIRST)
        self._above_s = self._above_s + elapsed * haste if score > UP else min(0.0, self._above_s)
        self._below_s = self._below_s + elapsed if score < DOWN else 0.0
        self._lower_s = self._lower_s + elapsed if score < lower else 0.0
        return haste

    def _step(self, now: float, haste: float) -> Step | None:
        if self._above_s >= UP_S and self.level < self.top:
            self._fail(now)
            return self._go(min(self.top, self.level + (2 if haste >= HURRY else 1)), self.reason)
        if self.level and (self._below_s >= self._wait_s() or self._lower_s >= self._down_s):
            self._try(now)
            return self._go(self.level - 1, self.reason)
        return None

    @property
    def _down_s(self) -> float:
        return min(DOWN_S, RETURN_S / self.top)

    def _wait_s(self) -> float:
        failed = self._tries.get(self.level)
        failures = failed.failures if failed is not None else 0
        return min(WAIT_S_MAX, self._down_s * BACK_OFF ** min(failures, 9))

    def _try(self, now: float) -> None:
        """It goes down. What was tried before and went well is forgotten with that."""
        before = self._tries.get(self.level)
        self._tries[self.level] = _Try(self.score, now, before.failures if before is not None else 0)
        self._last = self.level
        for level in [n for n, one in self._tries.items() if n > self.level and now - one.at > FAILED_S]:
            del self._tries[level]

    def _fail(self, now: float) -> None:
        """It goes up: was it a mistake to go down? And its level is not enough, so what was tried to get below it was
        tried under a smaller load."""
        for level in [n for n in self._tries if n <= self.level]:
            del self._tries[level]
        tried = self._tries.get(self.level + 1)
        if tried is None or self._last != self.level + 1 or now - tried.at > FAILED_S:
            self._tries.pop(self.level + 1, None)
        else:
            tried.failures += 1
        self._last = 0

    def _go(self, level: int, reason: str) -> Step:
        before, self.level = self.level, level
        direction: Direction = "up" if level > before else "down"
        self.changes[direction] += abs(level - before)
        self._above_s = UP_S - UP_NEXT_S if direction == "up" else 0.0
        self._below_s = self._lower_s = 0.0
        return Step(before, level, self.score, reason, dict(self.values))


def _haste(score: float) -> float:
    """How much a second above the limit counts."""
    near, far = FAR
    return 1.0 + (HURRY - 1.0) * min(1.0, max(0.0, (score - near) / (far - near)))


class Delay:
    """How old the oldest thing is that waits in a queue that only counts: as old as the first look at which it had
    come. That is a look too little, where the other end of what is known would be a look too much: a queue in which
    something always waits, and never for long, is under no pressure."""

    def __init__(self) -> None:
        self._came = 0
        self._looks: deque[tuple[float, int]] = deque(maxlen=SAMPLES_MAX)  # when, and how many had come then

    def age_s(self, done: int, waiting: int, now: float) -> float:
        """`done` and `waiting` things of the queue, as of now. When nothing waits counting begins anew, so that what
        came to nothing without being counted is not taken for something that waits."""
        self._came = max(self._came, done + waiting) if waiting else done
        self._looks.append((now, self._came))
        while self._looks and self._looks[0][1] <= done:
            self._looks.popleft()
        return now - self._looks[0][0] if self._looks else 0.0
