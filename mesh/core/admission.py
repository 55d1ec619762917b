"""Admission by queue delay: who is new waits outside while those who are here wait for too long.

What counts is not how many wait but how long, and not a peak but a queue that stays: as in CoDel (Nichols and Jacobson,
2012) a delay above TARGET_S is nothing as long as some look within INTERVAL_S finds it below. When none does, more
comes than is done, and everybody's delay would grow without end: from then on newcomers are refused, until a look finds
the delay below TARGET_S again. Those who are in the world already are never refused by this. Pure.

Rejected: a limit on a number of things, which is right for one speed of one machine; and to refuse by the level of the
policy, which is made to leave out what nobody misses, and which goes down slowly so as not to flutter.
"""

TARGET_S = 0.1
INTERVAL_S = 0.5


class Admission:
    """Of one queue."""

    def __init__(self, target_s: float = TARGET_S) -> None:
        self.refused = 0
        self._target_s = target_s
        self._above_since: float | None = None
        self._is_shut = False

    @property
    def is_shut(self) -> bool:
        """Are newcomers refused?"""
        return self._is_shut

    def look(self, delay_s: float, now: float, least_s: float = 0.0) -> None:
        """How long what is being done now has waited. `least_s`: what nobody here can make less."""
        if delay_s <= max(self._target_s, least_s):
            self._above_since, self._is_shut = None, False
        elif self._above_since is None:
            self._above_since = now
        elif now - self._above_since >= INTERVAL_S:
            self._is_shut = True

    def admits(self) -> bool:
        """Somebody new comes. False is counted."""
        self.refused += self._is_shut
        return not self._is_shut
