"""The beat of a scene: when the next tick is due, and what ticks cost.

Owns the schedule and the measurements. Pure. A tick that comes too late is not made up for: the ticks that were
missed are skipped and counted, since two ticks at once would make a slow scene slower.
"""

from collections import deque

KEPT = 600  # durations, for percentiles: a minute at 10 Hz
SMOOTHING = 0.1  # of the pressure: about the last ten ticks


class Ticker:
    """`hz` ticks a second."""

    def __init__(self, hz: float) -> None:
        self.period_s = 1.0 / hz
        self.tick = 0
        self.skipped = 0
        self.pressure = 0.0  # duration / period, smoothed
        self.parts: dict[str, float] = {}  # seconds by part of the tick, since the start
        self._due = 0.0
        self._durations: deque[float] = deque(maxlen=KEPT)

    def restart(self, now: float) -> None:
        """Nothing happened for a while: the next tick is due in one period."""
        self._due = now
        self.pressure = 0.0

    def wait_s(self, now: float) -> float:
        """How long until the next tick; 0 when it is due or late."""
        self._due += self.period_s
        late = now - self._due
        if late >= self.period_s:
            missed = int(late / self.period_s)
            self.skipped += missed
            self._due += missed * self.period_s
        return max(0.0, self._due - now)

    def ended(self, seconds: float) -> None:
        """A tick took so long."""
        self.tick += 1
        self._durations.append(seconds)
        self.pressure += SMOOTHING * (seconds / self.period_s - self.pressure)

    def part_ended(self, part: str, seconds: float) -> None:
        """A part of a tick took so long."""
        self.parts[part] = self.parts.get(part, 0.0) + seconds

    def percentile_ms(self, percent: float) -> float:
        """Of the last ticks; 0 without any."""
        if not self._durations:
            return 0.0
        ordered = sorted(self._durations)
        return round(1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))], 3)
