"""How long something lasts, as a distribution: sessions of players, the time between two drops (pure).

A value is drawn by inverting the distribution function at a uniform number, so that one stream of random numbers gives
the same sessions on every machine. Lengths are seconds.
"""

import math
from collections.abc import Callable
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from tools.bots.durations import parse_duration

Floats = NDArray[np.float64]
Kind = Literal["fixed", "exponential", "weibull", "lognormal", "forever"]

NEEDS: dict[str, tuple[str, ...]] = {
    "fixed": ("mean",),
    "exponential": ("mean",),
    "weibull": ("mean", "shape"),
    "lognormal": ("median", "sigma"),
    "forever": (),
}
"""Which keys each kind takes; the others must be left out."""

TAIL = 1e-6  # what the longest length that is reckoned with leaves over
GRID = 4096


class Lengths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """As a shape file says it: `mean` and `median` are durations ("20m"), `shape` and `sigma` plain numbers."""

    kind: Kind
    mean: str = ""
    median: str = ""
    shape: float = 0.0
    sigma: float = 0.0

    def __post_init__(self) -> None:
        given = {name for name in ("mean", "median", "shape", "sigma") if getattr(self, name)}
        needed = set(NEEDS[self.kind])
        if given != needed:
            wanted = " and ".join(sorted(needed)) or "nothing else"
            raise ValueError(f"kind {self.kind!r} takes {wanted}, and this has {', '.join(sorted(given)) or 'nothing'}")
        if any(parse_duration(text) <= 0 for text in (self.mean, self.median) if text):
            raise ValueError("a length must be more than nothing")
        if self.shape < 0 or self.sigma < 0:
            raise ValueError("shape and sigma must be above 0")

    @property
    def mean_s(self) -> float:
        """Infinite for those that never end."""
        if self.kind == "forever":
            return math.inf
        if self.kind == "lognormal":
            return parse_duration(self.median) * math.exp(self.sigma**2 / 2)
        return parse_duration(self.mean)

    def survival(self, lengths: Floats) -> Floats:
        """The share that lasts longer than each of these (seconds, not negative)."""
        match self.kind:
            case "forever":
                return np.ones_like(lengths)
            case "fixed":
                return (lengths < self.mean_s).astype(np.float64)
            case "exponential":
                return np.exp(-lengths / self.mean_s)
            case "weibull":
                return np.exp(-((lengths / self._scale) ** self.shape))
            case "lognormal":
                ratio = np.log(np.maximum(lengths, 1e-12) / parse_duration(self.median)) / self.sigma
                return _upper_tail(ratio)

    def draw(self, uniform: Floats) -> Floats:
        """One length for each number from [0, 1)."""
        match self.kind:
            case "forever":
                return np.full_like(uniform, math.inf)
            case "fixed":
                return np.full_like(uniform, self.mean_s)
            case "exponential":
                return -self.mean_s * np.log1p(-uniform)
            case "weibull":
                return self._scale * (-np.log1p(-uniform)) ** (1 / self.shape)
            case "lognormal":
                grid = self._grid()
                return np.interp(uniform, 1 - self.survival(grid), grid)

    def draw_rest(self, uniform: Floats) -> Floats:
        """How much longer those stay who are found in the middle of it: the residual life of a steady crowd, whose
        density is survival / mean (long sessions are met more often than short ones)."""
        if self.kind in ("forever", "exponential"):
            return self.draw(uniform)  # never ends, or has no memory
        grid = self._grid()
        return np.interp(uniform, 1 - self._rest(grid), grid)

    def rest_survival(self, lengths: Floats) -> Floats:
        """The survival function of `draw_rest`."""
        if self.kind in ("forever", "exponential"):
            return self.survival(lengths)
        grid = self._grid()
        return np.interp(lengths, grid, self._rest(grid), right=0.0)

    def _rest(self, grid: Floats) -> Floats:
        area = np.concatenate(([0.0], np.cumsum(np.diff(grid) * _middles(self.survival(grid)))))
        rest: Floats = 1 - area / area[-1]
        return rest

    def _grid(self) -> Floats:
        """From nothing to where only TAIL is left, close together where lengths are short."""
        longest = _where_below(self.survival, TAIL, self.mean_s)
        return np.concatenate(([0.0], np.geomspace(longest * 1e-8, longest, GRID)))

    @property
    def _scale(self) -> float:
        """Of a Weibull distribution with this mean: mean / gamma(1 + 1 / shape)."""
        return self.mean_s / math.gamma(1 + 1 / self.shape)


def _where_below(survival: Callable[[Floats], Floats], share: float, start: float) -> float:
    """A length that not more than this share exceeds, found by doubling."""
    length = start
    while survival(np.array([length]))[0] > share:
        length *= 2
    return length


def _middles(values: Floats) -> Floats:
    middles: Floats = (values[1:] + values[:-1]) / 2
    return middles


def _upper_tail(z: Floats) -> Floats:
    """Of the normal distribution."""
    return np.array([0.5 * math.erfc(v / math.sqrt(2)) for v in z.ravel()]).reshape(z.shape)
