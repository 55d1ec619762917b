"""What the node processes used while the bots played: CPU and memory by process, as the system counts them.

Only for processes of this machine. A cluster that cannot be asked, or a process that went away in between, is left
out: a load test reports what it could measure.
"""

import asyncio
import contextlib

import psutil

from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.control import Describe, Description
from mesh.topology import Topology
from tools.bots.result import ServerUse

ASK_S = 2.0


async def find_pids(topology: Topology) -> dict[int, str]:
    """Process id -> short names of its nodes."""
    found: dict[int, list[str]] = {}
    async with Operator(topology) as operator:

        async def ask(name: str, short: str) -> None:
            with contextlib.suppress(MeshError):
                said = await operator.ask(name, Describe(), timeout_s=ASK_S)
                if isinstance(said, Description):
                    found.setdefault(said.pid, []).append(short)

        await asyncio.gather(*(ask(node.name, node.short) for node in topology.nodes.values()))
    return {pid: "+".join(sorted(names)) for pid, names in found.items()}


class ServerMeter:
    """CPU of these processes between `start` and `stop`."""

    def __init__(self, pids: dict[int, str]) -> None:
        self._names = pids
        self._before: dict[int, float] = {}
        self._since = 0.0

    def start(self, now: float) -> None:
        self._since = now
        self._before = {pid: used for pid in self._names if (used := _cpu_s(pid)) is not None}

    def stop(self, now: float) -> list[ServerUse]:
        """By name; empty when it was never started."""
        found = []
        for pid, before in self._before.items():
            with contextlib.suppress(psutil.Error):
                after, rss = _cpu_s(pid), psutil.Process(pid).memory_info().rss
                if after is not None and now > self._since:
                    share = round((after - before) / (now - self._since), 3)
                    found.append(ServerUse(self._names[pid], pid, share, round(rss / 1e6, 1)))
        return sorted(found, key=lambda use: use.name)


def _cpu_s(pid: int) -> float | None:
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return float(times.user + times.system)
