"""What the operating system and the interpreter know of this process: processor time, memory, descriptors, collections.

Owns the hook of the garbage collector. Names and units are those of the field's process collectors. `/metrics` shows
them once for a process; each of its nodes tells them to the ops node, with the process's number.
"""

import gc
import os
import resource
from pathlib import Path

import psutil

from mesh.clock import Clock
from mesh.metrics import Metrics

OWN_DESCRIPTORS = Path("/proc/self/fd")


class Usage:
    """See the module."""

    def __init__(self, clock: Clock) -> None:
        self.metrics = Metrics()
        self._clock, self._process = clock, psutil.Process()
        self._collecting_s = self._began = 0.0
        self._collections = [0, 0, 0]
        reads, started = self.metrics.reads, self._process.create_time()
        reads("process_cpu_seconds_total", "Processor time, user and system.", _cpu_s)
        reads("process_resident_memory_bytes", "Memory in use.", lambda: float(self._process.memory_info().rss))
        reads("process_open_fds", "Open descriptors.", self._descriptors)
        reads("process_max_fds", "The limit for these.", lambda: float(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
        reads("process_start_time_seconds", "When it was started, in seconds since 1970.", lambda: started)
        reads("process_threads", "Threads.", lambda: float(self._process.num_threads()))
        reads("python_gc_seconds_total", "Time that looking for cycles took.", lambda: self._collecting_s)
        reads("python_gc_collections_total", "How often cycles were looked for.", self._by_generation, "generation")

    def begin(self) -> None:
        """Time the collections from now on, until the process ends."""
        gc.callbacks.append(self._collected)

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = self._clock.now()
            return
        self._collecting_s += self._clock.now() - self._began
        self._collections[info["generation"]] += 1

    def _by_generation(self) -> dict[tuple[str, ...], float]:
        return {(str(generation),): float(number) for generation, number in enumerate(self._collections)}

    def _descriptors(self) -> float:
        """Newer systems tell it as the size of the folder; to list ten thousand takes milliseconds."""
        try:
            return float(os.stat(OWN_DESCRIPTORS).st_size or self._process.num_fds())
        except OSError:
            return float(self._process.num_fds())


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
