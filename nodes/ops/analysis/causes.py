"""Which findings belong together, and what is the cause of them. Pure: findings in, groups out.

Each finding points to a kind of trouble at a place; late loops of most processes of a machine point to it. In the
order of the kinds each such pair takes, of what no other one has taken, all that it explains: signals of the families
that follow from it, of nodes that it reaches, that did not begin clearly before it. It reaches the nodes at its place,
those that depend on them (the topology's needs and links, and the center, on which all depend), what is said of their
zones and machines, and the neighbours on a machine whose cores are all in use.

A cause whose own finding has ended stays the cause of what it had explained while that goes on: a flood of connections
is over when all of them are there, and they are still what takes the cores.

Rejected: to learn from the past what follows from what. The first trouble of a kind is the one to be explained.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import msgspec

from mesh.topology.model import DEFAULT_LINKS, NEEDS, ROLES, SHARED
from nodes.ops.analysis.forms import CLUSTER
from nodes.ops.analysis.kinds import BY_NAME, KINDS, Kind
from nodes.ops.analysis.presence import Standing
from nodes.ops.analysis.watch import Finding

TOGETHER_S = 60.0  # the same trouble in several places that began within this is one
LATE_MIN = 3  # processes
Key = tuple[str, str]


class Cause(msgspec.Struct, frozen=True):
    """A kind of trouble at a place."""

    kind: str
    place: str  # a node, a process, "host:a", "zone:one", "cluster"
    begun_s: float


class Group(msgspec.Struct, frozen=True):
    """Findings with one cause; those that point to it come first."""

    cause: Cause
    findings: tuple[Finding, ...]
    pointing: int  # how many of them point to the cause


class Kept(msgspec.Struct, frozen=True):
    """A cause that was found before, and what it explained then."""

    cause: Cause
    keys: frozenset[Key]


class Relations:
    """Who is where and depends on whom, in one moment."""

    def __init__(self, standings: Sequence[Standing]) -> None:
        self._by_node = {one.node: one for one in standings}
        self._reached: dict[str, frozenset[str]] = {}

    def nodes_at(self, place: str) -> frozenset[str]:
        """The nodes of a place; a place that nobody knows has none."""
        if place in self._by_node:
            return frozenset((place,))
        return frozenset(one.node for one in self._by_node.values() if place in _places(one))

    def reached(self, place: str, full: frozenset[str] = frozenset()) -> frozenset[str]:
        """The subjects that trouble at this place may trouble. `full`: machines whose cores are all in use."""
        known = self._reached.get(place)
        if known is None:
            known = self._reached[place] = self._reach(place)
        return known.union(*(self.nodes_at(machine) for machine in full & known))

    def place_of(self, kind: Kind, finding: Finding) -> str:
        """Where the cause sits that a finding points to."""
        one = self._by_node.get(finding.subject)
        if kind.scope == "cluster":
            return CLUSTER
        if kind.scope == "zone":
            return f"zone:{finding.zone}" if finding.zone else CLUSTER
        if one is None or kind.scope == "node":
            return finding.subject
        return f"host:{one.host}" if kind.scope == "host" else one.process

    def zones_of(self, place: str) -> list[str]:
        """The zones of the nodes there."""
        return sorted({self._by_node[node].zone for node in self.nodes_at(place)})

    def machine_of(self, node: str) -> str:
        """ "host:a"; "" for what is no node."""
        one = self._by_node.get(node)
        return f"host:{one.host}" if one is not None else ""

    def are_most(self, machine: str, nodes: Iterable[str]) -> bool:
        """Are these nodes in at least half of the processes of a machine, and in LATE_MIN of them?"""
        there = {self._by_node[node].process for node in self.nodes_at(machine)}
        some = {self._by_node[node].process for node in nodes}
        return len(some) >= max(LATE_MIN, len(there) / 2)

    def machines_among(self, nodes: Iterable[str]) -> dict[str, frozenset[str]]:
        """Machines all of whose nodes, at least two, are among these."""
        some, found = set(nodes), {}
        for host in {one.host for one in self._by_node.values()}:
            there = self.nodes_at(f"host:{host}")
            if len(there) > 1 and there <= some:
                found[f"host:{host}"] = there
        return found

    def _reach(self, place: str) -> frozenset[str]:
        base = [self._by_node[node] for node in self.nodes_at(place)]
        reached = {place, CLUSTER}
        for one in self._by_node.values():
            if any(one.node == other.node or _depends(one, other) for other in base):
                reached |= {one.node, f"zone:{one.zone}"}
        return frozenset(reached | {f"host:{one.host}" for one in base})


def grouped(findings: Sequence[Finding], relations: Relations, kept: Sequence[Kept] = ()) -> list[Group]:
    """Every finding that points to something is in one group; the cause of causes comes first."""
    pointing, full = _pointing(findings, relations), _full(findings)
    before = {(one.cause.kind, one.cause.place): one for one in kept}
    free = {_key(one): one for one in findings}
    groups: list[Group] = []
    for kind in KINDS:
        places = dict.fromkeys((*pointing.get(kind.name, {}), *(place for name, place in before if name == kind.name)))
        for place in places:
            own = [one for one in pointing.get(kind.name, {}).get(place, ()) if _key(one) in free]
            cause = _cause(kind, place, own, before.get((kind.name, place)))
            explained = [one for one in free.values() if one not in own and explains(cause, one, relations, full)]
            group = _group(cause, own, explained, before.get((kind.name, place)))
            if group is not None:
                groups.append(group)
                for one in group.findings:
                    free.pop(_key(one), None)
    return _merged(groups, relations)


def _pointing(findings: Sequence[Finding], relations: Relations) -> dict[str, dict[str, list[Finding]]]:
    """By kind and place. A machine that is gone is one cause, not one for each of its nodes."""
    found: dict[str, dict[str, list[Finding]]] = defaultdict(lambda: defaultdict(list))
    for one in findings:
        if one.kind:
            found[one.kind][relations.place_of(BY_NAME[one.kind], one)].append(one)
    away = found.get("node-away", {})
    for machine, nodes in relations.machines_among(away).items():
        away[machine] = [one for node in sorted(nodes) for one in away.pop(node)]
    for machine, late in _late_machines(findings, relations).items():
        found["cpu-hog"].setdefault(machine, []).extend(late)
    return found


def _late_machines(findings: Sequence[Finding], relations: Relations) -> dict[str, list[Finding]]:
    """Machines most of whose processes are late, with what says so. Nodes do that to each other only where all cores
    are in use: then something of theirs is the cause, and the machine is not."""
    full = _full(findings)
    late: dict[str, list[Finding]] = defaultdict(list)
    for one in findings:
        machine = relations.machine_of(one.subject)
        if one.signal == "loop_lag" and machine and machine not in full:
            late[machine].append(one)
    return {
        machine: some for machine, some in late.items() if relations.are_most(machine, [one.subject for one in some])
    }


def _cause(kind: Kind, place: str, own: Sequence[Finding], kept: Kept | None) -> Cause:
    begun = [one.since_s for one in own] + ([kept.cause.begun_s] if kept is not None else [])
    return Cause(kind.name, place, min(begun, default=0.0))


def _group(cause: Cause, own: Sequence[Finding], explained: Sequence[Finding], kept: Kept | None) -> Group | None:
    """None when nothing speaks for this cause any more."""
    if not own:
        known = kept.keys if kept is not None else frozenset()
        explained = [one for one in explained if one.key in known]
    if not own and not any(one.kind for one in explained):
        return None
    return Group(cause, (*_in_order(own), *_in_order(explained)), len(own))


def explains(cause: Cause, finding: Finding, relations: Relations, full: frozenset[str] = frozenset()) -> bool:
    """Can this be a consequence of that?"""
    kind = BY_NAME[cause.kind]
    return (
        finding.family in kind.explains
        and finding.since_s >= cause.begun_s - kind.slack_s
        and finding.subject in relations.reached(cause.place, full)
    )


def _full(findings: Iterable[Finding]) -> frozenset[str]:
    return frozenset(one.subject for one in findings if one.signal == "host_cpu")


def _key(one: Finding) -> tuple[str, str, str]:
    return one.signal, one.subject, one.how


def _in_order(findings: Iterable[Finding]) -> list[Finding]:
    """What points to something before what does not, the strongest first."""
    return sorted(findings, key=lambda one: (not one.kind, -one.strength, one.key))


def _merged(groups: Sequence[Group], relations: Relations) -> list[Group]:
    """The same trouble at several places that began together is one."""
    merged: list[Group] = []
    for group in groups:
        cause = group.cause
        same = [n for n, one in enumerate(merged) if _began_with(one.cause, cause)]
        if not same:
            merged.append(group)
            continue
        other = merged[same[0]]
        zones = {*relations.zones_of(cause.place), *relations.zones_of(other.cause.place)}
        place = f"zone:{zones.pop()}" if len(zones) == 1 else CLUSTER
        begun_s = min(cause.begun_s, other.cause.begun_s)
        pointing = [*other.findings[: other.pointing], *group.findings[: group.pointing]]
        rest = [*other.findings[other.pointing :], *group.findings[group.pointing :]]
        both = (*_in_order(pointing), *_in_order(rest))
        merged[same[0]] = Group(Cause(cause.kind, place, begun_s), both, len(pointing))
    return merged


def _began_with(one: Cause, other: Cause) -> bool:
    return one.kind == other.kind and abs(one.begun_s - other.begun_s) <= TOGETHER_S


def _places(one: Standing) -> tuple[str, ...]:
    return one.process, f"host:{one.host}", f"zone:{one.zone}", CLUSTER


def _depends(one: Standing, other: Standing) -> bool:
    """Is `one` troubled when `other` is? Nodes of different zones are only by what serves all of them."""
    together = one.zone == other.zone or other.role in SHARED
    return together and other.role in _needed().get(one.role, frozenset())


@cache
def _needed() -> Mapping[str, frozenset[str]]:
    """For each role those without which it does not work well, directly or by others."""
    direct = defaultdict(lambda: {"center"}, {role: {"center", *NEEDS.get(role, ())} for role in ROLES})
    for link in DEFAULT_LINKS:
        role, other = link.split(" -> ")
        direct[role].add(other)
    needed = {role: set(roles) for role, roles in direct.items()}
    for _ in ROLES:
        needed = {role: roles.union(*(needed[other] for other in roles)) for role, roles in needed.items()}
    return {role: frozenset(roles - {role}) for role, roles in needed.items()}
