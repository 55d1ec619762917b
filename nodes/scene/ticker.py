"""The beat of a scene: when the next tick is due, and what ticks cost.

Owns the schedule and the measurements. Pure. A tick that comes too late is not made up for: the ticks that were
missed are skipped and counted, since two ticks at once would make a slow scene slower.
"""

from collections import deque

KEPT = 600  # durations, for percentiles: a minute at 10 Hz
SMOOTHING = 0.1  # of the pressure: about the last ten ticks
SHARE_MAX = 3.0  # of one tick: one during which the process stood still would count for a minute


class Ticker:
    """`hz` ticks a second, fewer while the game is slowed down."""

    def __init__(self, hz: float) -> None:
        self.base_hz = hz
        self.period_s = 1.0 / hz
        self.tick = 0
        self.skipped = 0
        self.pressure = 0.0  # duration / period, smoothed
        self.parts: dict[str, float] = {}  # seconds by part of the tick, since the start
        self._due = 0.0
        self._shares: list[float] = []  # durations / period since `share` was asked last
        self._share = 0.0
        self._durations: deque[float] = deque(maxlen=KEPT)

    @property
    def hz(self) -> float:
        """Ticks a second as they are now."""
        return 1.0 / self.period_s

    def stretch(self, dilation: float) -> None:
        """From the next tick on there are so many fewer: each is the same piece of the game's time."""
        before, self.period_s = self.period_s, 1.0 / (self.base_hz * dilation)
        self.pressure *= before / self.period_s

    def share(self) -> float:
        """How much of the period ticks take: those since this was asked last, without any as it was."""
        if self._shares:
            self._share = sum(self._shares) / len(self._shares)
            self._shares.clear()
        return self._share

    def restart(self, now: float) -> None:
        """Nothing happened for a while: the next tick is due in one period."""
        self._due = now
        self.pressure = self._share = 0.0
        self._shares.clear()

    def wait_s(self, now: float) -> float:
        """How long until the next tick; 0 when it is due or late."""
        self._due += self.period_s
        late = now - self._due
        if late >= self.period_s:
            missed = int(late / self.period_s)
            self.skipped += missed
            self._due += missed * self.period_s
        return max(0.0, self._due - now)

    def half_s(self, now: float) -> float:
        """How long until the middle between this tick and the next; 0 when it is over."""
        return max(0.0, self._due + self.period_s / 2 - now)

    def went_on(self, seconds: float) -> None:
        """So much more of the last tick was done between it and the next."""
        share = min(seconds / self.period_s, SHARE_MAX)
        if self._shares:
            self._shares[-1] += share
        self.pressure += SMOOTHING * share

    def ended(self, seconds: float) -> None:
        """A tick took so long."""
        self.tick += 1
        self._durations.append(seconds)
        share = min(seconds / self.period_s, SHARE_MAX)
        self._shares.append(share)
        self.pressure += SMOOTHING * (share - self.pressure)

    def part_ended(self, part: str, seconds: float) -> None:
        """A part of a tick took so long."""
        self.parts[part] = self.parts.get(part, 0.0) + seconds

    def percentile_ms(self, percent: float) -> float:
        """Of the last ticks; 0 without any."""
        if not self._durations:
            return 0.0
        ordered = sorted(self._durations)
        return round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 3)


def turn_of(tick: int, within: float, odd: bool = False) -> tuple[int, int] | None:
    """What is done for everybody once within so many ticks is done for a part of them in every second tick, in even
    ones or in odd ones: (part, parts) for this tick, None for no part."""
    ticks = max(1, round(within))
    if ticks == 1:
        return 0, 1
    return (tick // 2 % (ticks // 2), ticks // 2) if tick % 2 == odd else None
