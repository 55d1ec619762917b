"""How many players next (pure)? Coarse steps up until something breaks, then the middle between what held and what did
not, until they are close together."""

import msgspec

FACTOR = 1.6  # of a coarse step
PRECISION = 0.05  # of what held: closer is not worth another step


class Bounds(msgspec.Struct, frozen=True):
    """Where a search ends in any case."""

    start: int = 100
    users_max: int = 5000
    steps_max: int = 12
    time_s: float = 600.0


class Search:
    """`wanted` is the next step; None: it is over, and `ended` says why."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.held = 0  # the most players with which everything held
        self.broke = 0  # the fewest with which it did not; 0: never
        self.steps = 0
        self.ended = ""
        self.wanted: int | None = min(bounds.start, bounds.users_max)

    def tell(self, ok: bool, elapsed_s: float) -> None:
        """How the step with `wanted` players was."""
        assert self.wanted is not None
        self.steps += 1
        if ok:
            self.held = max(self.held, self.wanted)
        else:
            self.broke = min(self.broke or self.wanted, self.wanted)
        self.wanted = self._next()
        if self.wanted is not None and self.steps >= self._bounds.steps_max:
            self.end(f"after {self.steps} steps (--max-steps)")
        elif self.wanted is not None and elapsed_s >= self._bounds.time_s:
            self.end(f"after {elapsed_s:.0f} s (--max-time)")

    def end(self, why: str) -> None:
        self.wanted, self.ended = None, why

    def _next(self) -> int | None:
        if not self.broke:
            if self.held >= self._bounds.users_max:
                self.ended = f"with {self.held:,} players nothing broke (--max-users)"
                return None
            return min(max(round(self.held * FACTOR), self.held + 1), self._bounds.users_max)
        middle = (self.held + self.broke) // 2
        if self.broke - self.held <= max(PRECISION * self.held, 1) or middle < 1:
            self.ended = f"between {self.held:,} and {self.broke:,} players"
            return None
        return middle
