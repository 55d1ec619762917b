"""What the operating system knows of this machine: processors, memory, disk, network.

One process of each machine tells it: the first one of the topology there. Names and units are those of the field.
"""

from pathlib import Path
from typing import Any

import psutil

from mesh.clock import Clock
from mesh.metrics import Metrics, Reading
from mesh.topology import Process, Topology


def tells(topology: Topology, process: Process) -> bool:
    """Is this the process that tells of its machine?"""
    return process.index == min(one.index for one in topology.processes if one.host == process.host)


class HostUsage:
    """See the module. `folder`: the disk that counts is the one on which it is."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.metrics = Metrics()
        self._folder = folder
        reads = self.metrics.reads
        reads("host_time_seconds", "What its clock says, in seconds since 1970.", clock.wall)
        reads("host_cpus", "Processors.", lambda: float(psutil.cpu_count() or 1))
        reads("host_cpu_seconds_total", "Time of all processors, by what it went to.", _cpu, "mode")
        reads("host_load1", "Processes that run or wait to, over a minute.", lambda: psutil.getloadavg()[0])
        reads("host_memory_bytes", "Memory.", lambda: float(psutil.virtual_memory().total))
        text = "Memory that can be had without swapping."
        reads("host_memory_available_bytes", text, lambda: float(psutil.virtual_memory().available))
        reads("host_disk_bytes", "Size of the disk with the data.", lambda: float(self._disk().total))
        reads("host_disk_free_bytes", "What is free there.", lambda: float(self._disk().free))
        reads("host_disk_bytes_total", "Bytes read and written, all disks.", _disk_bytes, "direction")
        text = "Time in which a disk had something to do, all disks."
        reads("host_disk_busy_seconds_total", text, _disk_busy)
        reads("host_network_bytes_total", "Bytes over all networks, loopback included.", _network, "direction")

    def _disk(self) -> Any:
        return psutil.disk_usage(str(self._folder))


def _cpu() -> Reading:
    """`stolen`: what the machine below gave to others."""
    times = psutil.cpu_times()
    modes = {"user": times.user + getattr(times, "nice", 0.0), "system": times.system, "idle": times.idle}
    modes |= {"iowait": getattr(times, "iowait", 0.0), "stolen": getattr(times, "steal", 0.0)}
    return {(mode,): seconds for mode, seconds in modes.items()}


def _disk_bytes() -> Reading:
    counters = psutil.disk_io_counters()
    read, written = (counters.read_bytes, counters.write_bytes) if counters is not None else (0, 0)
    return {("read",): float(read), ("written",): float(written)}


def _disk_busy() -> float:
    counters = psutil.disk_io_counters()
    return float(getattr(counters, "busy_time", 0)) / 1000


def _network() -> Reading:
    counters = psutil.net_io_counters()
    return {("received",): float(counters.bytes_recv), ("sent",): float(counters.bytes_sent)}
