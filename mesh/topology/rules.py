"""What every zone of a topology needs, and what it must not have twice. Pure: nodes in, problems out."""

from collections.abc import Sequence
from typing import Any

from mesh.topology.model import METRICS_OFFSET, NEEDS, PLAYERS, SHARED, ZONES_MAX, NodeSpec


def problems_of(nodes: Sequence[NodeSpec], home: str, standby: Any = None) -> list[str]:
    """Everything that keeps these nodes from being a cluster whose home zone is `home`. `standby` is what the settings
    of the DC say about that."""
    zones = list(dict.fromkeys((home, *(n.zone for n in nodes))))
    problems = _of_the_dc([n for n in nodes if n.role == "dc"], home, standby or {})
    if len(zones) > ZONES_MAX:
        problems.append(f"{len(zones)} zones; at most {ZONES_MAX} fit into one file")
    for zone in zones:
        here = [n for n in nodes if n.zone == zone]
        roles = {n.role for n in here}
        usable = roles | {n.role for n in nodes if n.zone == home and n.role in SHARED}
        missing = _missing(roles, usable) if len(zones) == 1 else _missing_in_zone(zone, roles, usable)
        problems += missing
        if sum(n.role == "center" for n in here) > 1:
            problems.append(f'more than one center in zone "{zone}"; a zone has one')
    far = [n.short for n in nodes if n.role == "gate" and n.number > METRICS_OFFSET]
    problems += [f"{short} has no port; number gates from 1 to {METRICS_OFFSET}" for short in far]
    return problems


def _of_the_dc(found: Sequence[NodeSpec], home: str, standby: Any) -> list[str]:
    """One for all zones, because an account may be in any of them; and a second one that takes over from it."""
    pair = list(next(iter(standby.items()), ())) if isinstance(standby, dict) else []
    problems = []
    if pair and sorted(n.short for n in found) != sorted(map(str, pair)):
        problems.append(f"the dc nodes must be {' and '.join(map(str, pair))}, as settings.dc.standby says")
    elif len(found) > 1 and not pair:
        how = '[settings.dc] standby = { "dc.1" = "dc.2" } makes one the standby of the other'
        problems.append(f"more than one dc; all zones of a file share one; {how}")
    away = [n for n in found if n.zone != home]
    problems += [f'{n.short} is in zone "{n.zone}"; the dc belongs into the home zone, "{home}"' for n in away]
    return problems


def _missing(roles: set[str], usable: set[str]) -> list[str]:
    """Of the only zone: a part of one may be run for itself."""
    return [
        f'{role} needs a {need} and there is none; add nodes = ["{need}.1"]'
        for role in sorted(roles)
        for need in dict.fromkeys((*NEEDS.get(role, ()), "center"))
        if need not in usable and need != role
    ]


def _missing_in_zone(zone: str, roles: set[str], usable: set[str]) -> list[str]:
    """Of one of several: it has all that players need, and a center for whatever it has."""
    needs = {"center", *(need for role in roles for need in NEEDS.get(role, ()))}
    if roles & {"login", "scene", "gate"}:
        needs |= set(PLAYERS)
    return [
        f'zone "{zone}" needs a {need} and has none; add nodes = ["{need}.N"] with zone = "{zone}"'
        for need in sorted(needs - usable)
    ]
