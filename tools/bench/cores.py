"""The processor cores of a run: who may use which, and who else did.

Cores are counted from 0 among those that this process may use, so that "core 0" means the same on a laptop and in a
container. A process is pinned with all its threads, since a thread that exists keeps its own mask; threads and
children that it starts later inherit.

Rejected: cgroups, which need rights that a developer's machine does not give.
"""

import contextlib
import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import msgspec
import psutil

from tools.ctl.exits import CommandError

OTHER_SAID = 0.05  # of a core that somebody else used: from here on the result says so
OTHER_MAX = 0.30  # and from here on what went wrong may be their doing
STEAL_SAID = 0.03  # of the time that the host gave to other guests
STEAL_MAX = 0.15


class Times(msgspec.Struct, frozen=True):
    """Seconds so far, of some cores together."""

    at: float
    busy: float
    steal: float


@cache
def usable() -> list[int]:
    """The system's numbers of the cores that this process might use when it began."""
    return sorted(os.sched_getaffinity(0))


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


def times(cores: Sequence[int], now: float) -> Times:
    """Of these cores, or of all that may be used."""
    each = psutil.cpu_times(percpu=True)
    wanted = [each[number] for number in (numbers(cores) if cores else usable())]
    busy = sum(c.user + c.nice + c.system + c.irq + c.softirq for c in wanted)
    return Times(now, busy, sum(c.steal for c in wanted))


def disturbance(before: Times, after: Times, ours_s: float) -> tuple[list[str], list[str]]:
    """What is to be said about the work of others on these cores, and how much of it was too much. `ours_s` are the
    seconds of processor time that the run itself used there."""
    seconds = after.at - before.at
    other = max(0.0, after.busy - before.busy - ours_s) / seconds
    steal = (after.steal - before.steal) / seconds
    said, too_much = [], []
    for share, least, most, who in (
        (other, OTHER_SAID, OTHER_MAX, "other processes used"),
        (steal, STEAL_SAID, STEAL_MAX, "the host of this virtual machine took"),
    ):
        text = f"{who} {share * 100:.0f} % of a core meanwhile"
        if share > most:
            too_much.append(f"{text} (at most {most * 100:.0f} %)")
        elif share > least:
            said.append(text)
    return said, too_much
