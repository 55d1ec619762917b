"""A ground without processes: clusters that use what the test says, and a generator that has measured already."""

import contextlib
import dataclasses
import itertools
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tools.bench.ground import Ground
from tools.bench.result import ProcessUse
from tools.bench.said import Distribution, Heard, Wave, Window
from tools.bench.usage import Mark, Use


def window(**said: Any) -> Window:
    """Of 1,000 players whom everything went well with; `p50_ms` and `p99_ms` are of the latency."""
    latency = Distribution(1000, said.pop("p50_ms", 70.0), 110.0, said.pop("p99_ms", 130.0), 190.0)
    usual = dict.fromkeys((f.name for f in msgspec.structs.fields(Window)), 0) | {
        "inside": 1000, "seconds": 5.0, "moves_s": 10_000.0, "frames_s": 10_000.0, "updates_s": 200_000.0,
        "expected_s": 195_000.0, "ratio": 1.02, "bytes_per_update": 13.0, "latency": latency, "late": Distribution(),
        "cpu": 0.2, "codes": {}, "invalid": [],
    }  # fmt: skip
    return Window(**{**usual, **said})


def wave(asked: int, inside: int | None = None, logins_s: float = 800.0) -> Wave:
    some = Distribution(asked, 10.0, 15.0, 20.0, 25.0)
    there = asked if inside is None else inside
    return Wave(asked, there, 0, asked - there, 0, 2.0, logins_s, some, some, some, some, some, {})


class FakeLoad:
    """A generator: `played` says what a window is with so many players inside."""

    def __init__(self, played: Callable[[int], Window], logins_s: float) -> None:
        self.inside = 0
        self._played, self._logins_s = played, logins_s

    async def clients(self, count: int, rate: float = 0.0, timeout_s: float = 1.0) -> Wave:
        self.inside = count
        return wave(count, logins_s=self._logins_s)

    async def shout(self, timeout_s: float = 1.0) -> Heard:
        """One in a hundred never has it."""
        return Heard(self.inside, Distribution(self.inside - self.inside // 100, 50.0, 80.0, 110.0, 120.0))

    async def do(self, command: str) -> None:
        """Nothing changes by it."""

    async def measure(self, seconds: float) -> Window:
        return self._played(self.inside)


class FakeCluster:
    """Its processes use `cpu_s` for each second."""

    def __init__(self, folder: Path, cpu: float, invalid: list[str], disturbed: list[str]) -> None:
        self.gates, self.folder, self.pids = ["127.0.0.1:1"], folder, {"gate.1": 1}
        self._cpu, self._invalid, self._disturbed = cpu, invalid, disturbed
        self.guests: list[float | None] = []

    def tickets(self, count: int, prefix: str = "bench") -> Path:
        return self.folder / f"{prefix}-{count}"

    def mark(self) -> Mark:
        return Mark(0.0, {}, None)  # type: ignore[arg-type]

    def since(self, before: Mark, guests_s: float | None = 0.0) -> Use:
        self.guests.append(guests_s)
        return Use(5.0, [ProcessUse("gate.1", self._cpu, 90.0)], [], self._invalid, self._disturbed)


@dataclasses.dataclass(frozen=True)
class FakeGround(Ground):
    """What was asked for is in `asked`: (topology, settings, cores) of each cluster."""

    played: Callable[[int], Window] = lambda _players: window()
    cpu: float = 0.5
    logins_s: float = 800.0
    invalid: list[str] = dataclasses.field(default_factory=list)
    disturbed: list[str] = dataclasses.field(default_factory=list)
    asked: list[tuple[str, dict[str, str], tuple[int, ...]]] = dataclasses.field(default_factory=list)

    @contextlib.asynccontextmanager
    async def cluster(  # type: ignore[override]
        self, topology: str, settings: Mapping[str, str] | None = None, cores: Sequence[int] = ()
    ) -> AsyncIterator[FakeCluster]:
        self.asked.append((topology, dict(settings or {}), tuple(cores)))
        yield FakeCluster(self.folder, self.cpu, self.invalid, self.disturbed)

    @contextlib.asynccontextmanager
    async def load(self, spec: Any, core: int | None = 1) -> AsyncIterator[FakeLoad]:  # type: ignore[override]
        yield FakeLoad(self.played, self.logins_s)

    def need_clients(self, count: int) -> None:
        """As many as you like."""


class Steps:
    """A clock: a second later each time that it is looked at."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def now(self) -> float:
        return float(next(self._count))

    def wall(self) -> float:
        return 1_800_000_000.0


def ground(folder: Path, *, quick: bool = False, players: int | None = None, **how: Any) -> FakeGround:
    return FakeGround(quick, players, Steps(), folder, 1, lambda _text: None, **how)
