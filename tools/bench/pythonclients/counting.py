"""What the Python clients count and time, in the words of `tools/bench/said.py`.

Everything in `Counts` only grows; a window is the difference of two of them. Movement is looked at by numpy, hundreds
of pieces at a time: per piece there is one copy of its bytes and one time.
"""

import resource
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mesh.protocol.lanes import UPDATE, UPDATE_SIZE
from tools.bench.said import Distribution

BUCKETS = 8_192
FINE_MS, COARSE_MS = 0.5, 4.0  # width of a bucket
PIECES_AT_ONCE = 512
STAMP_MAX_MS = 65_000  # an age above that is none: stamped later in this ms than the clock was read
CHECK_EVERY = 64  # chunks of pieces: of one of so many the movers are looked up

Rows = NDArray[np.int64]


@dataclass
class Counts:
    """The names are those of `Window`, but for rates."""

    moves: int = 0
    moves_missed: int = 0
    frames: int = 0
    frames_other: int = 0
    updates: int = 0
    movement_bytes: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    appeared: int = 0
    vanished: int = 0
    corrected: int = 0
    events: int = 0
    qualities: int = 0
    transfers: int = 0
    refused: int = 0
    closed: int = 0
    checked: int = 0
    wrong: int = 0

    def since(self, before: "Counts") -> dict[str, int]:
        return {name: value - getattr(before, name) for name, value in vars(self).items()}

    def copy(self) -> "Counts":
        return replace(self)


class Times:
    """A histogram with buckets of equal width; the last one holds everything above."""

    def __init__(self, width_ms: float = FINE_MS) -> None:
        self.width_ms, self.longest_ms = width_ms, 0.0
        self.buckets: Rows = np.zeros(BUCKETS, np.int64)

    def add(self, seconds: float) -> None:
        self.add_all(np.array([seconds * 1000]))

    def add_all(self, ms: NDArray[np.float64]) -> None:
        if len(ms):
            places = np.clip(ms / self.width_ms, 0, BUCKETS - 1).astype(np.int64)
            self.buckets += np.bincount(places, minlength=BUCKETS)
            self.longest_ms = max(self.longest_ms, float(ms.max()))

    def told(self) -> Distribution:
        count = int(self.buckets.sum())
        if not count:
            return Distribution()
        p50, p90, p99 = (round(self._quantile(share, count), 2) for share in (0.5, 0.9, 0.99))
        return Distribution(count, p50, p90, p99, round(self.longest_ms, 2))

    def _quantile(self, share: float, count: int) -> float:
        """The middle of the bucket; none is greater than the longest."""
        place = int(np.searchsorted(np.cumsum(self.buckets), max(1.0, share * count)))
        return min((place + 0.5) * self.width_ms, self.longest_ms)


class Measures:
    """Of all clients of this process."""

    def __init__(self, clients: int) -> None:
        self.now = Counts()
        self.codes: Counter[str] = Counter()
        self.observers = range(1 << 32)  # whose latencies are looked at
        self.client_bytes: Rows = np.zeros(clients, np.int64)  # of movement, in this window
        self.begin_second(0.0)
        self.open(0.0)

    def open(self, now: float) -> None:
        """A window begins."""
        self.window, self.window_at, self.window_cpu_s = self.now.copy(), now, cpu_seconds()
        self.latency, self.lateness = Times(), Times()
        self.in_view_sum, self.in_view_samples, self.in_view_most = 0.0, 0, 0
        self.client_bytes[:] = 0

    def begin_second(self, now: float) -> None:
        self.second, self.second_at, self.second_cpu_s = self.now.copy(), now, cpu_seconds()
        self.second_latency, self.second_lateness, self.second_hits = Times(), Times(), Times()

    def refuse(self, code: str) -> None:
        self.codes[code] += 1
        self.now.refused += 1

    def late(self, ms: NDArray[np.float64]) -> None:
        """Moves were sent so much later than due."""
        self.lateness.add_all(ms)
        self.second_lateness.add_all(ms)

    def sampled(self, neighbours: Rows) -> None:
        """How many players each one in the world has within its radius now."""
        if len(neighbours):
            self.in_view_sum += float(neighbours.mean())
            self.in_view_samples += 1
            self.in_view_most = max(self.in_view_most, int(neighbours.max()))

    @property
    def in_view(self) -> float:
        return self.in_view_sum / self.in_view_samples if self.in_view_samples else 0.0


class Movement:
    """Pieces of update records that wait to be counted."""

    def __init__(self, measures: Measures) -> None:
        self._measures = measures
        self._pieces: list[bytes] = []
        self._heard: list[tuple[int, float]] = []  # by whom and when (s)
        self._chunks = 0

    def hear(self, row: int, now: float, records: memoryview) -> bool:
        """True when it is time to count."""
        self._pieces.append(bytes(records))
        self._heard.append((row, now))
        return len(self._pieces) >= PIECES_AT_ONCE

    def take(self) -> tuple[NDArray[np.void], Rows, bool]:
        """All records and who heard each; their ages are counted. Last: their movers are to be looked up."""
        lengths = np.array([len(piece) for piece in self._pieces], np.int64) // UPDATE_SIZE
        records = np.frombuffer(b"".join(self._pieces), UPDATE)
        heard = np.array(self._heard, np.float64).reshape(-1, 2)
        rows, at = np.repeat(heard[:, 0].astype(np.int64), lengths), np.repeat(heard[:, 1], lengths)
        self._pieces.clear()
        self._heard.clear()
        self._chunks += 1
        self._count_ages(records, rows, at)
        return records, rows, self._chunks % CHECK_EVERY == 1

    def _count_ages(self, records: NDArray[np.void], rows: Rows, at: NDArray[np.float64]) -> None:
        """One machine, one clock: the stamp is its ms. Half a ms was cut off from it on average."""
        observers = self._measures.observers
        looked_at = (rows >= observers.start) & (rows < observers.stop)
        at_ms = at[looked_at] * 1000
        age = (np.floor(at_ms).astype(np.int64) - records["stamp"][looked_at]) & 0xFFFF
        ms = np.where(age > STAMP_MAX_MS, 0.0, age + at_ms % 1 - 0.5)
        self._measures.latency.add_all(ms)
        self._measures.second_latency.add_all(ms)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def frame_head(size: int) -> int:
    """Bytes before the payload of a WebSocket frame from a server; one from a client has four more."""
    return 2 if size < 126 else 4 if size < 1 << 16 else 10
