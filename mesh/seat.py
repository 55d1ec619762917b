"""What reaches a node from outside: time, network, disk, threads, clients, randomness, its log.

A node names none of these itself, so the same class runs as a process and in a simulation.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mesh.clock import Clock
from mesh.failpoints import Failpoints
from mesh.front import Front
from mesh.logs import Lines
from mesh.metrics import Metrics
from mesh.topology import NodeSpec, Topology
from mesh.transport.base import Network

T = TypeVar("T")


class Workers(Protocol):
    """Threads for what would block the loop."""

    def run(self, function: Callable[..., T], *args: Any) -> Awaitable[T]: ...

    def close(self) -> None:
        """Wait for what runs, refuse what comes."""
        ...


class ThreadWorkers:
    """A pool of `threads` threads; calls beyond that wait in order. Callers bound how many they start."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="worker")

    def run(self, function: Callable[..., T], *args: Any) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, function, *args)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


class Logger(Protocol):
    """The part of a loguru logger that nodes use: constant text plus fields."""

    def info(self, text: str, **fields: Any) -> None: ...
    def warning(self, text: str, **fields: Any) -> None: ...
    def error(self, text: str, **fields: Any) -> None: ...
    def exception(self, text: str, **fields: Any) -> None: ...


def no_crash_file(_path: Path) -> None:
    """Of a node that is not a process of its own."""


@dataclass(frozen=True, slots=True)
class Seat:
    """Everything that a node is given."""

    spec: NodeSpec
    topology: Topology
    clock: Clock
    network: Network
    random: random.Random
    log: Logger
    workers: Callable[[int], Workers]  # threads -> a pool of its own
    data: Path  # a folder of the node's own; made by whoever needs it
    front: Callable[..., Front] | None = None  # gates: makes the listening place from the gate's settings
    failpoints: Failpoints = field(default_factory=Failpoints)  # nothing is armed but in tests
    crashes_into: Callable[[Path], None] = no_crash_file  # where the process says how it dies of compiled code
    around: Sequence[Metrics] = ()  # what the process that it is in tells of itself and its machine
    lines: Lines = field(default_factory=Lines)  # what this process logs
