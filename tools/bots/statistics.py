"""Latencies and counts: what the bots measure, in a form that several processes can add up.

Histograms are HdrHistograms in microseconds (3 digits, up to 10 minutes), so results of worker processes are merged
without loss: percentiles of a merged run are those of all its samples. Movement has its own table of milliseconds,
because its samples come by the hundred thousand per second and are counted by numpy.
"""

from typing import Any

import msgspec
import numpy as np
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

LONGEST_US = 600_000_000
DIGITS = 3
PERCENTILES = (50.0, 66.0, 75.0, 80.0, 90.0, 95.0, 98.0, 99.0, 99.9, 99.99, 100.0)
"""The columns of Locust's CSV files."""

STAMPS = 65_536  # movement stamps are milliseconds modulo this
CHUNK = 4096  # pieces that wait for one numpy pass


class Latencies:
    """How long something took, as a histogram."""

    def __init__(self, encoded: str = "") -> None:
        self._histogram: Any = HdrHistogram(1, LONGEST_US, DIGITS)
        self._sum_us = 0.0
        if encoded:
            total, blob = encoded.split(":", 1)
            self._sum_us = float(total)
            self._histogram.decode_and_add(blob)

    def record(self, seconds: float, count: int = 1) -> None:
        """Negative values count as zero, longer ones than ten minutes as ten minutes."""
        value = min(max(int(seconds * 1e6), 0), LONGEST_US)
        self._histogram.record_value(value, count)
        self._sum_us += value * count

    def add(self, other: "Latencies") -> None:
        """Take in everything that the other one has."""
        self._histogram.add(other._histogram)
        self._sum_us += other._sum_us

    @property
    def count(self) -> int:
        return int(self._histogram.get_total_count())

    @property
    def mean_ms(self) -> float:
        return self._sum_us / self.count / 1000 if self.count else 0.0

    @property
    def min_ms(self) -> float:
        return float(self._histogram.get_min_value()) / 1000 if self.count else 0.0

    @property
    def max_ms(self) -> float:
        return float(self._histogram.get_max_value()) / 1000 if self.count else 0.0

    def percentiles_ms(self, wanted: tuple[float, ...] = PERCENTILES) -> dict[float, float]:
        """The value that this share of the samples does not exceed; zeros when there are no samples."""
        if not self.count:
            return dict.fromkeys(wanted, 0.0)
        found = self._histogram.get_percentile_to_value_dict(list(wanted))
        return {p: min(float(found[p]) / 1000, self.max_ms) for p in wanted}

    def percentile_ms(self, percentile: float) -> float:
        return self.percentiles_ms((percentile,))[percentile]

    def encode(self) -> str:
        """As text for a JSON line; Latencies(encoded) is the way back."""
        return f"{self._sum_us}:{self._histogram.encode().decode()}"


class Series:
    """One kind of thing that bots do: how often, how often in vain, how long it took.

    `raw` is from the moment it was done to its answer; `corrected` from the moment it was due. A generator that
    falls behind would otherwise measure only what it got round to sending (coordinated omission).
    """

    def __init__(self) -> None:
        self.failures = 0
        self.raw = Latencies()
        self.corrected = Latencies()

    def record(self, seconds: float, late_s: float = 0.0) -> None:
        """`late_s` is how much later than planned it was done."""
        self.raw.record(seconds)
        self.corrected.record(seconds + late_s)

    def fail(self) -> None:
        self.failures += 1

    def add(self, other: "Series") -> None:
        self.failures += other.failures
        self.raw.add(other.raw)
        self.corrected.add(other.corrected)

    @property
    def count(self) -> int:
        """Attempts, successful or not."""
        return self.raw.count + self.failures


class EncodedSeries(msgspec.Struct, frozen=True):
    """A Series on its way from a worker process."""

    failures: int
    raw: str
    corrected: str


def encode_series(series: Series) -> EncodedSeries:
    return EncodedSeries(series.failures, series.raw.encode(), series.corrected.encode())


def decode_series(encoded: EncodedSeries) -> Series:
    series = Series()
    series.failures = encoded.failures
    series.raw = Latencies(encoded.raw)
    series.corrected = Latencies(encoded.corrected)
    return series


class MoveTable:
    """Movement latencies, counted per millisecond.

    An update carries the mover's clock in milliseconds modulo 65536, and on one machine all clocks are the same, so
    (receipt - stamp) mod 65536 is the latency, exact to the millisecond for anything shorter than a minute.
    """

    def __init__(self) -> None:
        self.counts: NDArray[np.int64] = np.zeros(STAMPS, np.int64)

    def add(self, received_ms: NDArray[np.int64], stamps: NDArray[np.uint16]) -> None:
        """One pair per update."""
        latencies = (received_ms - stamps) % STAMPS
        self.counts += np.bincount(latencies, minlength=STAMPS)

    def clear(self) -> None:
        self.counts[:] = 0

    def latencies(self) -> Latencies:
        """The same as a histogram. A millisecond counts as its end: nothing looks faster than it was."""
        result = Latencies()
        for ms in np.flatnonzero(self.counts).tolist():
            result.record((ms + 1) / 1000, int(self.counts[ms]))
        return result
