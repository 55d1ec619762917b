"""What the machine is on which the bots run: figures without it say little."""

import platform
from pathlib import Path

import psutil

CPU_INFO = Path("/proc/cpuinfo")


def describe_machine() -> dict[str, str]:
    """For the report, in the order in which it is shown."""
    load = psutil.getloadavg()
    return {
        "processor": _processor(),
        "cores": str(psutil.cpu_count() or "?"),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load before": " ".join(f"{value:.2f}" for value in load),
    }


def _processor() -> str:
    try:
        lines = CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
