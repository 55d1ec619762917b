"""What the processes of a run use: CPU and memory between two marks, and whether anybody disturbed them."""

from collections.abc import Mapping, Sequence

import msgspec

from tools import machine
from tools.bench import cores as seats
from tools.bench.result import ProcessUse


class Mark(msgspec.Struct, frozen=True):
    """Everything at one moment."""

    at: float
    cpu_s: dict[str, float]  # by process name, of those that lived
    times: machine.Times


class Use(msgspec.Struct, frozen=True):
    """Between two marks."""

    seconds: float
    processes: list[ProcessUse]
    notes: list[str]  # other load on the cores, as far as it is worth a word
    invalid: list[str]
    disturbed: list[str] = []  # other load that excuses a failure

    def cpu_s(self, *parts: str) -> float:
        """Processor seconds of all processes, or of those with one of these roles in their name."""
        return sum(p.cpu for p in self.processes if not parts or roles_of(p.name) & set(parts)) * self.seconds

    def rss_mb(self, part: str) -> float:
        """Memory of the processes with this role."""
        return sum(p.rss_mb for p in self.processes if part in roles_of(p.name))


def roles_of(process: str) -> set[str]:
    """Of "scene.1+gate.1": scene and gate."""
    return {node.partition(".")[0] for node in process.split("+")}


def mark(pids: Mapping[str, int], cores: Sequence[int], now: float) -> Mark:
    """Read it all."""
    found = {name: machine.cpu_of(pid) for name, pid in pids.items()}
    times = machine.times(seats.numbers(cores), now)
    return Mark(now, {name: cpu for name, cpu in found.items() if cpu is not None}, times)


def between(before: Mark, after: Mark, pids: Mapping[str, int], guests_s: float | None) -> Use:
    """`guests_s`: processor seconds that the generator used on the same cores; None: not known, so that nobody else
    can be told from it. A process that is gone makes the run INVALID: it is another one that serves now, unpinned and
    with other players."""
    seconds = after.at - before.at
    gone = sorted(set(pids) - set(after.cpu_s))
    used = {name: after.cpu_s[name] - before.cpu_s.get(name, 0.0) for name in pids if name in after.cpu_s}
    notes, disturbed = list[str](), list[str]()
    if guests_s is not None:
        notes, disturbed = machine.disturbance(before.times, after.times, sum(used.values()) + guests_s)
    rss = {name: round(machine.rss_of(pids[name]), 1) for name in used}
    processes = [ProcessUse(name, round(cpu / seconds, 4), rss[name]) for name, cpu in used.items()]
    invalid = [f"{name} ended during the run" for name in gone]
    return Use(seconds, processes, notes + disturbed, invalid, disturbed)
