"""How busy the processes of `mesh bots` on this machine are: one that is full measures itself and not the servers."""

from collections.abc import Iterator

import psutil

from mesh.clock import Clock
from tools.ctl.snapshot.model import BotsProcess

WORKER = ["-P", "-m", "tools.bots.worker"]


class BotsWatch:
    """What they use from one look to the next."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looked_at = 0.0
        self._used_s: dict[int, float] = {}  # by pid: processor time, user and system

    def look(self) -> list[BotsProcess]:
        """Those that were there at the last look, too."""
        now = self._clock.now()
        elapsed_s, self._looked_at = now - self._looked_at, now
        before, self._used_s = self._used_s, dict(_used())
        if elapsed_s <= 0:
            return []
        return [
            BotsProcess(pid, (used_s - before[pid]) / elapsed_s)
            for pid, used_s in self._used_s.items()
            if pid in before
        ]


def _used() -> Iterator[tuple[int, float]]:
    for process in psutil.process_iter(["cmdline", "cpu_times"]):
        words, times = process.info["cmdline"], process.info["cpu_times"]
        if words and times is not None and words[1:4] == WORKER:
            yield process.pid, times.user + times.system
