"""Which nodes `mesh scale` starts and stops. Pure: a topology and what runs of it in, a plan out.

It grows by the lowest free number and shrinks from the highest one, so that the same words always mean the same nodes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from mesh.topology import PROCESSES_MAX, SINGLE, NodeSpec, Topology
from tools.ctl.exits import CommandError, Exit
from tools.ctl.lazy import did_you_mean
from tools.ctl.meant import only_one, zones_meant
from tools.ctl.state import ProcessState

SCALABLE = ("gate", "login", "scene", "log")
GONE = ("Shutdown", "Down")


@dataclass(frozen=True)
class Plan:
    """Short names; `stop` in the order in which they are emptied and stopped."""

    role: str
    zone: str
    before: int
    after: int
    start: list[str] = field(default_factory=list)
    wake: list[str] = field(default_factory=list)  # they run, but were drained
    stop: list[NodeSpec] = field(default_factory=list)


def parse(words: Sequence[str]) -> dict[str, int]:
    """ "scene=3": role -> how many of it."""
    wanted: dict[str, int] = {}
    for word in words:
        role, equals, text = word.partition("=")
        if not equals or not role or not (text.isascii() and text.isdigit()) or len(text) > 4:
            raise CommandError(f"{word!r} is not ROLE=N; write scene=3, for example", Exit.USAGE)
        if role in SINGLE:
            raise CommandError(f"{role} cannot be scaled: {only_one(role)}", Exit.USAGE)
        if role not in SCALABLE:
            raise CommandError(f"there is no role {role}{did_you_mean(role, list(SCALABLE))}", Exit.USAGE)
        if role in wanted:
            raise CommandError(f"{role} is there twice", Exit.USAGE)
        if int(text) < 1:
            raise CommandError(f"{word}: a zone needs at least one {role}; `mesh down` stops a cluster", Exit.USAGE)
        wanted[role] = int(text)
    return wanted


def plan(topology: Topology, known: Mapping[str, ProcessState], role: str, count: int, zone: str = "") -> Plan:
    """What has to happen so that `count` nodes of a role serve a zone. `known` are the processes by short node name."""
    zone = _zone(topology, role, zone)
    there = sorted(topology.of_role(role, zone), key=lambda node: node.number)
    running = [node for node in there if node.short not in known or known[node.short].phase not in GONE]
    kept, surplus = running[:count], running[count:]
    for node in surplus:
        if len(topology.process_of(node).nodes) > 1:
            text = f"{node.short} shares its process with others ({topology.process_of(node).name}) and stays with them"
            raise CommandError(text)
    missing = count - len(kept)
    stopped = [node.short for node in there if node not in running]
    start = [*stopped, *_free(topology, role, max(0, missing - len(stopped)))][: max(0, missing)]
    total = len(topology.processes) + len([short for short in start if short not in stopped])
    if total > PROCESSES_MAX:
        raise CommandError(
            f"{role}={count} makes {total} processes; one cluster has at most {PROCESSES_MAX}", Exit.USAGE
        )
    wake = [node.short for node in kept if node.short in known and known[node.short].drained]
    return Plan(role, zone, len(running), count, start, wake, surplus[::-1])


def _zone(topology: Topology, role: str, zone: str) -> str:
    """The one that is meant: the only one that has this role, or the one that was said."""
    having = [z for z in zones_meant(topology, zone) if topology.of_role(role, z)]
    if not having:
        where = f"zone {zone}" if zone else topology.file.name
        raise CommandError(f"{where} has no {role} of its own", Exit.NOT_FOUND)
    if len(having) > 1:
        raise CommandError(f"{role} is in several zones: --zone {' or --zone '.join(having)}", Exit.USAGE)
    return having[0]


def _free(topology: Topology, role: str, count: int) -> list[str]:
    """The lowest numbers that no node of this role has, in any zone."""
    taken: Collection[int] = {node.number for node in topology.of_role(role)}
    free: list[str] = []
    number = 1
    while len(free) < count:
        if number not in taken:
            free.append(f"{role}.{number}")
        number += 1
    return free
