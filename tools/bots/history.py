"""What happened in each second of a run, small enough to be kept for hours (pure).

A second's histograms are 200 KB for each series; what a chart or a CSV row needs of them is a dozen numbers, which are
taken when the second is over.
"""

import msgspec

from tools.bots.increments import Total
from tools.bots.result import ServerUse
from tools.bots.servers import Ticks
from tools.bots.statistics import PERCENTILES, Latencies, Series

SHOWN = (50.0, 95.0, 99.0)


class Second(msgspec.Struct, frozen=True):
    """One kind of thing in one second; milliseconds."""

    count: int
    failures: int
    p50: float
    p95: float
    p99: float


class Summed(msgspec.Struct, frozen=True):
    """All kinds together, as a row of Locust's history has them."""

    count: int
    failures: int
    percentiles: list[float]  # milliseconds, at PERCENTILES


class SoFar(msgspec.Struct, frozen=True):
    """All kinds together, from the beginning of the run on; milliseconds."""

    count: int
    failures: int
    median: float
    mean: float
    least: float
    most: float


class Point(msgspec.Struct, frozen=True):
    """One second."""

    wall: float  # when it ended
    at_s: float  # since the run began
    phase: str
    players: int
    starting: int
    seconds: float  # how long it really was
    entered: int
    moves: int
    moves_missed: int
    updates: int
    updates_other: int
    series: dict[str, Second]
    errors: dict[str, int]
    counts: dict[str, int]
    lag_p99_ms: float
    workers: dict[int, float]  # CPU, as a share of one core
    servers: list[ServerUse]
    ticks: list[Ticks]
    busy: float  # the machine, all cores together
    every: Summed
    so_far: SoFar
    wanted: float | None = None  # players, as a shape wants it


class Sums:
    """All samples of a run, for the columns that count from its beginning."""

    def __init__(self) -> None:
        self._all = Series()

    def add(self, interval: Total) -> tuple[Summed, SoFar]:
        now = Series()
        for series in interval.series.values():
            now.add(series)
        self._all.add(now)
        raw = self._all.raw
        so_far = SoFar(
            self._all.count,
            self._all.failures,
            *(round(ms, 2) for ms in (raw.percentile_ms(50.0), raw.mean_ms, raw.min_ms, raw.max_ms)),
        )
        percentiles = [round(ms, 2) for ms in now.raw.percentiles_ms(PERCENTILES).values()]
        return Summed(now.count, now.failures, percentiles), so_far


def point(
    interval: Total,
    sums: Sums,
    wall: float,
    at_s: float,
    phase: str,
    servers: list[ServerUse],
    ticks: list[Ticks],
    busy: float,
    wanted: float | None = None,
) -> Point:
    """One second, from what the workers said in it and how the servers were."""
    every, so_far = sums.add(interval)
    return Point(
        wall=wall,
        at_s=round(at_s, 2),
        phase=phase,
        players=interval.players_now,
        starting=sum(interval.starting.values()),
        seconds=interval.window_s or 1.0,
        entered=interval.entered,
        moves=interval.moves,
        moves_missed=interval.moves_missed,
        updates=interval.updates,
        updates_other=interval.updates_other,
        series={name: _second(series) for name, series in interval.series.items()},
        errors=dict(interval.errors),
        counts=dict(interval.counts),
        lag_p99_ms=_rounded(interval.lag, 99.0),
        workers={number: round(share, 3) for number, share in interval.cpu_shares().items()},
        servers=servers,
        ticks=ticks,
        busy=busy,
        every=every,
        so_far=so_far,
        wanted=wanted,
    )


def _second(series: Series) -> Second:
    values = [round(ms, 2) for ms in series.raw.percentiles_ms(SHOWN).values()]
    return Second(series.count, series.failures, *values)


def _rounded(of: Latencies, percentile: float) -> float:
    return round(of.percentile_ms(percentile), 2)
