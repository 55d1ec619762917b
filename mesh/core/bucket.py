"""A token bucket: so many at once, so many per second after that."""


class Bucket:
    """Pure: the time is an argument. The rate and size are given with each call, so that a bucket is two numbers."""

    __slots__ = ("_at", "_used")

    def __init__(self, now: float) -> None:
        self._used = 0.0
        self._at = now

    def used(self, now: float, per_s: float) -> float:
        """How many tokens are missing by now; 0 is a full bucket."""
        return max(0.0, self._used - (now - self._at) * per_s)

    def take(self, now: float, per_s: float, burst: float) -> bool:
        """One token, if there is one."""
        used = self.used(now, per_s)
        if used + 1.0 > burst:
            return False
        self._used, self._at = used + 1.0, now
        return True

    def give_back(self, now: float, per_s: float) -> None:
        """The token that was taken is not to count."""
        self._used, self._at = max(0.0, self.used(now, per_s) - 1.0), now
