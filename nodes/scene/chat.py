"""How much somebody may say: a token bucket.

Owns nothing but its two numbers. Pure. Overflow rule: the message is refused and its sender told.
"""


class Bucket:
    """`rate` tokens a second, at most `burst` of them."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self.rate, self.burst = rate, burst
        self._tokens = float(burst)
        self._at = now

    def take(self, now: float) -> bool:
        """One token; False when there is none."""
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
