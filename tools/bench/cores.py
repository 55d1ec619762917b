"""The processor cores of a run: who may use which.

Cores are counted from 0 among those that this process may use, so that "core 0" means the same on a laptop and in a
container. A process is pinned with all its threads, since a thread that exists keeps its own mask; threads and
children that it starts later inherit.

Rejected: cgroups, which need rights that a developer's machine does not give.
"""

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.ctl.exits import CommandError
from tools.machine import usable


def check_enough(count: int) -> None:
    """CommandError with what to do about it."""
    if len(usable()) < count:
        raise CommandError(
            f"this bench needs {count} cores, one for the servers and one for the load generator; "
            f"this process may use {len(usable())} (taskset, a container's limit?)"
        )


def numbers(cores: Sequence[int]) -> list[int]:
    """The system's numbers of these cores; CommandError when there are not so many."""
    check_enough(max(cores, default=-1) + 1)
    there = usable()
    return [there[core] for core in cores]


def pin(pids: Iterable[int], cores: Sequence[int]) -> None:
    """These processes, with every thread that they have. One that has ended is left out."""
    mask = numbers(cores)
    for pid in pids:
        for thread in threads(pid):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, mask)


def unpin() -> None:
    """This process may use every core again."""
    pin([os.getpid()], range(len(usable())))


def threads(pid: int) -> list[int]:
    try:
        return [int(entry.name) for entry in Path(f"/proc/{pid}/task").iterdir()]
    except FileNotFoundError:
        return []
