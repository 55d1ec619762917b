"""The time of the game on one scene: as real time, but slower while the policy says so.

Owns how fast it goes. Pure, but for the clock that it is given. It never goes back and never jumps: when the rate
changes it goes on from where it is. Everything that happens in the world is on it (cool-downs, the dead who come back,
NPCs, corpses, how far one may walk), so that all of it slows down together and nobody gets an advantage. What is
between players and servers is not: sessions, saves, chat, invitations, whatever the DC is asked.

Clients hear of a slower clock later than it slows down, and walk on at their old speed until then. For LENIENT_S the
fastest rate that was in force is what their way is measured by.
"""

from collections import deque
from collections.abc import Callable

LENIENT_S = 3.0  # for a client on a bad connection to hear of it, and for its moves to come back


class GameClock:
    """`real` is the machine's clock, which never goes back either."""

    def __init__(self, real: Callable[[], float]) -> None:
        self.rate = 1.0  # game seconds in a second
        self._real = real
        self._at = self._game = real()
        self._past: deque[tuple[float, float]] = deque()  # until when rates of before are forgiven, and these rates

    def now(self) -> float:
        """The time in the game."""
        return self._game + max(0.0, self._real() - self._at) * self.rate

    def go(self, rate: float) -> None:
        """From now on this fast."""
        if rate == self.rate:
            return
        self._game, self._at = self.now(), max(self._at, self._real())
        self._past.append((self._at + LENIENT_S, self.rate))
        self.rate = rate

    def lenience(self) -> float:
        """By how much a client may be faster than the game: 1, more for a moment after it became slower."""
        now = self._real()
        while self._past and self._past[0][0] <= now:
            self._past.popleft()
        return max(1.0, max((rate for _, rate in self._past), default=0.0) / self.rate)
