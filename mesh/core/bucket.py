"""A token bucket: so many at once, so many per second after that."""


class Bucket:
    """`rate` tokens a second, at most `burst` at once; full when it is made. Pure: the time is an argument."""

    __slots__ = ("_at", "_level", "burst", "rate")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self.rate, self.burst = rate, burst
        self._level = float(burst)
        self._at = now

    def take(self, now: float, count: int = 1) -> int:
        """Up to `count` whole tokens; 0 when the bucket is empty."""
        taken = min(count, self.holds(now))
        self._level -= taken
        return taken

    def holds(self, now: float) -> int:
        """How many whole tokens could be taken."""
        self._level = min(self.burst, self._level + (now - self._at) * self.rate)
        self._at = now
        return int(self._level)

    def wait_s(self, now: float) -> float:
        """How long until there is a whole one."""
        return max(0.0, (1.0 - self.tokens(now)) / self.rate)

    def tokens(self, now: float) -> float:
        """What is in it, parts of tokens included: for another bucket to go on with."""
        self.holds(now)
        return self._level

    def fill(self, tokens: float) -> None:
        """From now on it has that many."""
        self._level = min(float(self.burst), max(0.0, tokens))

    def give_back(self) -> None:
        """A token that was taken is not to count."""
        self._level = min(self.burst, self._level + 1.0)
