"""The search for the largest number of players that is OK (pure).

A step is a number of players and its end: it held, it broke, or the run says nothing. The search climbs by a quarter
while steps hold and then halves the gap, so that it ends in a few steps, each of which costs a cluster of its own.
A step that broke is tried once more: on a shared machine one bad second is no limit of ours.
"""

from dataclasses import dataclass, field
from typing import Literal

StepEnd = Literal["held", "broke", "void"]

GRAIN = 250  # players; a finer answer would be noise
CLIMB = 1.25
STEPS_MAX = 12
TRIES = 2


@dataclass
class Search:
    """Begins at `open`; `held` is what is known to hold already, 0 for nothing; `ceiling` is where the climb ends."""

    open: int
    ceiling: int
    held: int = 0
    broke: int = 0  # 0: nothing has so far
    steps: int = 0
    _tries: dict[int, int] = field(default_factory=dict)

    def next(self) -> int | None:
        """The number to try, None at the end."""
        if self.steps >= STEPS_MAX or self.held >= self.ceiling:
            return None
        if not self.broke:
            return min(self.ceiling, self.open if self.open > self.held else rounded(self.held * CLIMB))
        if self._tries[self.broke] < TRIES:
            return self.broke
        if self.broke - self.held <= GRAIN:
            return None
        return max(self.held + 1, rounded((self.held + self.broke) / 2))

    def ended(self, players: int, how: StepEnd) -> None:
        """A run that said nothing got as far as one that broke."""
        self.steps += 1
        self._tries[players] = self._tries.get(players, 0) + 1
        if how == "held":
            self.held = max(self.held, players)
            self.broke = 0 if self.broke <= players else self.broke
        elif not self.broke or players < self.broke:
            self.broke = players


def rounded(players: float) -> int:
    """To the grain, downwards and at least one."""
    return max(GRAIN, int(players / GRAIN) * GRAIN)
