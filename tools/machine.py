"""The machine of a run, and who else used it: what a figure of time is worth.

A run on a shared machine can be slow without any doing of its own: other processes have the cores, or the host of the
virtual machine gives them to other guests. Both can be read from the kernel's counters; how much is too much for a
figure of time to be judged is decided here, for all that measure.
"""

import os
from collections.abc import Sequence
from functools import cache

import msgspec
import psutil

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


def times(numbers: Sequence[int], now: float) -> Times:
    """Of the cores with these of the system's numbers, or of all that may be used."""
    each = psutil.cpu_times(percpu=True)
    wanted = [each[number] for number in numbers or usable()]
    busy = sum(c.user + c.system + c.irq + c.softirq for c in wanted)  # what is nice takes only what nobody wants
    return Times(now, busy, sum(c.steal for c in wanted))


def disturbance(before: Times, after: Times, ours_s: float) -> tuple[list[str], list[str]]:
    """What is to be said about the work of others on some cores, and how much of it was too much. `ours_s` are the
    seconds of processor time that the run itself used there."""
    if os.nice(0) > 0:
        ours_s = 0.0  # what is nice was not counted, and we and ours are
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


def cpu_of(pid: int) -> float | None:
    """Seconds of all its threads; None when it is gone."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        used = process.cpu_times()
    except psutil.Error:
        return None
    return float(used.user + used.system)


def rss_of(pid: int) -> float:
    """Megabytes; 0 when it is gone."""
    try:
        return float(psutil.Process(pid).memory_info().rss) / 1e6
    except psutil.Error:
        return 0.0
