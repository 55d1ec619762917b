"""Keeps the cores of a virtual machine from halting while times on it are measured or judged.

A guest's core that has nothing to do halts, and the host gives it to others; whatever wakes it then waits until the
host gives it back. Mesh processes sleep and wake thousands of times a second: on a host under load they lost 10 to 40 %
of a core (`steal`) and 100 ms of latency that way, and a few per cent on cores that never halted.

So each core gets a loop that runs while nobody else wants the core. Its time counts as `nice`, and tools/machine.py
takes that for idle. There is none on bare metal, whose cores nobody takes; none under a limit of processor time, which
the loops would use up; and none without the right to make a control group.

The loops are in a group of their own that is idle as a whole (`cpu.idle`). Rejected: the idle class alone (SCHED_IDLE).
It counts among the tasks of one group, and the kernel makes a group of every session (autogroup), so that the loops
took a fifth of a core from a server that wanted all of it.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tools.machine import usable

PROC, GROUPS = Path("/proc"), Path("/sys/fs/cgroup")
GROUP = "zonemesh-awake"
LOOP = """
import os, sys
core, parent, procs = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
with open(procs, "w") as file:
    file.write(str(os.getpid()))
os.sched_setaffinity(0, {core})
os.nice(19)
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


@contextlib.contextmanager
def awake() -> Iterator[None]:
    """All cores that may be used, until the end of the block or of this process, however it ends."""
    group = idle_group() if is_virtual() and not is_limited() else None
    loops = [_loop(core, group) for core in usable()] if group else []
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
        for loop in loops:
            loop.wait()
        if group:
            with contextlib.suppress(OSError):  # somebody else's loops are in it
                group.rmdir()


def _loop(core: int, group: Path) -> subprocess.Popen[bytes]:
    """In a session of its own: Ctrl-C is not for it."""
    words = [sys.executable, "-I", "-S", "-c", LOOP, str(core), str(os.getpid()), str(group / "cgroup.procs")]
    nothing = subprocess.DEVNULL
    return subprocess.Popen(words, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)


def idle_group(groups: Path = GROUPS) -> Path | None:
    """A control group whose processes run only while no others want to, made if need be; None without the right to."""
    controls = "cpu" in _read(groups / "cgroup.subtree_control").split()
    group = (groups if controls else groups / "cpu") / GROUP
    try:
        group.mkdir(exist_ok=True)
        (group / "cpu.idle").write_text("1")
    except OSError:
        return None
    return group


def is_virtual(proc: Path = PROC) -> bool:
    """Does a hypervisor say that it is there?"""
    lines = _read(proc / "cpuinfo").splitlines()
    return any(line.startswith("flags") and "hypervisor" in line.split() for line in lines)


def is_limited(proc: Path = PROC, groups: Path = GROUPS) -> bool:
    """Has this process, or a group that it is in, a quota of processor time?"""
    for line in _read(proc / "self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        file, root = ("cpu.cfs_quota_us", groups / "cpu") if controllers else ("cpu.max", groups)
        here = root / path.lstrip("/")
        for folder in (here, *here.parents):
            if _read(folder / file).split()[:1] not in ([], ["max"], ["-1"]):
                return True
            if folder == root:
                break
    return False


def _read(file: Path) -> str:
    """Nothing when it is not there."""
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
