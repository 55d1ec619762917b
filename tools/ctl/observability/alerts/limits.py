"""How near a cluster comes to the limits that its topology sets: the only alerts that are made for one cluster."""

import json
from collections.abc import Mapping
from typing import Any

from mesh.errors import TopologyError
from mesh.topology import Topology
from tools.ctl.observability.forms import Alert, Group
from tools.ctl.observability.promql import JOB, NODE, ZONE, of, total

DEFAULTS: Mapping[tuple[str, str], int] = {
    ("dc", "map_bytes_max"): 64 << 30,
    ("gate", "connections_max"): 20_000,
    ("center", "capacity"): 20_000,
}
"""Where a topology says nothing: those of nodes/<role>/settings.py. A test compares them."""


def group(topology: Topology) -> Group:
    """TopologyError when a limit is not a number."""
    name = topology.runtime.name
    cluster = f"cluster={json.dumps(name)}"
    map_bytes = _limit(topology, "dc", "map_bytes_max")
    connections = _limit(topology, "gate", "connections_max")
    capacity = _limit(topology, "center", "capacity")
    return Group(
        f"zonemesh-limits-{name}",
        (
            Alert(
                name="ClusterUnknown",
                expr=f"absent({of('up', JOB, cluster)})",
                lasts="5m",
                summary=f"Prometheus has no targets of cluster {name}",
                description=f"targets.json is missing or empty: `mesh export prometheus {name} --targets-only -o DIR`.",
                runbook="node-away",
            ),
            Alert(
                name="StoreNearlyFull",
                expr=f"{of('dc_used_bytes', cluster)} > 0.8 * {map_bytes}",
                lasts="10m",
                severity="critical",
                summary="The database of {{ $labels.node }} of cluster {{ $labels.cluster }} nearly has its greatest "
                "size",
                description="{{ $value | humanize1024 }}B are in use. At `map_bytes_max` of [settings.dc] changes are "
                "refused as on a full disk: raise it, and restart the DC.",
                runbook="disk-full",
            ),
            Alert(
                name="GateNearlyFull",
                expr=f"{total('gate_clients', NODE, cluster)} > 0.9 * {connections}",
                lasts="5m",
                summary="{{ $labels.node }} of cluster {{ $labels.cluster }} nearly has as many connections as it "
                "takes",
                description="{{ $value }} of them. Above `connections_max` of [settings.gate] more are refused: `mesh "
                "scale gate=N` adds gates.",
                runbook="unbalanced-gates",
            ),
            Alert(
                name="ZoneNearlyFull",
                expr=f"{total('center_players', ZONE, cluster)} > 0.95 * {capacity}",
                lasts="10m",
                severity="info",
                summary="Zone {{ $labels.zone }} of cluster {{ $labels.cluster }} is nearly full",
                description="{{ $value }} players. Above `capacity` of [settings.center] logins wait in the queue.",
                runbook="login-failures",
            ),
        ),
    )


def _limit(topology: Topology, role: str, key: str) -> int:
    value: Any = topology.settings.get(role, {}).get(key, DEFAULTS[role, key])
    if not isinstance(value, int) or isinstance(value, bool):
        raise TopologyError([f"{topology.file.name}: settings.{role}.{key}: {value!r} must be a whole number"])
    return value
