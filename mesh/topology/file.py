"""A whole topology file, and what command line and environment change in it."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mesh.errors import TopologyError
from mesh.topology.model import DEFAULT_LINKS, PUB_OFFSET, ROLES, ZONES_MAX, Process, Topology
from mesh.topology.places import Ground, Places, socket_folder
from mesh.topology.policy import read_policy
from mesh.topology.rules import problems_of
from mesh.topology.tables import Tables, value_of

BASE_PORT = 7700
BASE_PORT_MAX = 65535 - PUB_OFFSET - ZONES_MAX

EVENTS_KEPT_RANGE = 16, 1 << 22

_LINK = re.compile(r"^([a-z]+) -> ([a-z]+)\Z")
_TOP_KEYS = {"cluster", "process", "settings", "links", "security", "policy"}
_CLUSTER_KEYS = {"name": str, "region": str, "zone": str, "base_port": int, "runtime": str, "events_kept": int}


def load(
    path: Path,
    *,
    base_port: int | None = None,
    runtime: Path | None = None,
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    added: Sequence[str] = (),
) -> Topology:
    """Read and check a topology. Command line > environment > file > default, resolved here and nowhere else.

    `overrides` are `role.key=value` pairs of the command line, the value written as in TOML. MESH_BASE_PORT and
    MESH_RUNTIME are looked up in `environment`. `added` are processes that run besides those of the file, as
    INDEX:NODE[@ZONE]. Raises TopologyError with every problem that was found.
    """
    tables = Tables(path)
    env = environment or {}
    if base_port is None and "MESH_BASE_PORT" in env:
        base_port = tables.number("MESH_BASE_PORT (environment)", env["MESH_BASE_PORT"])
    if runtime is None and "MESH_RUNTIME" in env:
        runtime = Path(env["MESH_RUNTIME"])
    topology = _topology(tables, base_port, runtime, overrides or {}, added)
    if tables.problems:
        raise TopologyError(tables.problems)
    return topology


def _topology(
    tables: Tables, base_port: int | None, runtime: Path | None, overrides: Mapping[str, str], added: Sequence[str]
) -> Topology:
    tables.unknown("", tables.root, _TOP_KEYS)
    cluster = tables.section("cluster", _CLUSTER_KEYS)
    defaults = {"name": tables.path.stem, "region": "local", "zone": "one"}
    names = {key: tables.name(f"cluster.{key}", cluster.get(key, default)) for key, default in defaults.items()}
    port = _port(tables, base_port if base_port is not None else cluster.get("base_port", BASE_PORT))
    folder = runtime or Path(cluster.get("runtime", f"var/{names['name']}"))
    curve = bool(tables.section("security", {"curve": bool}).get("curve"))
    sockets = socket_folder(folder)
    settings = _settings(tables, overrides)
    standby = settings.get("dc", {}).get("standby")
    processes = _processes(tables, Ground(names["region"], names["zone"], port, sockets, curve), added, standby)
    nodes = {n.name: n for p in processes for n in p.nodes}
    return Topology(
        file=tables.path.resolve(),
        cluster=names["name"],
        region=names["region"],
        zone=names["zone"],
        base_port=port,
        runtime=folder.resolve(),
        sockets=sockets,
        processes=processes,
        nodes=nodes,
        links=_links(tables, {n.role for n in nodes.values()}, bool(standby)),
        settings=settings,
        curve=curve,
        policy=read_policy(tables),
        events_kept=_events_kept(tables, cluster.get("events_kept")),
    )


def _port(tables: Tables, port: int) -> int:
    if 1024 <= port <= BASE_PORT_MAX:
        return port
    tables.problem("cluster.base_port", f"{port} is out of range; choose 1024 to {BASE_PORT_MAX}")
    return BASE_PORT


def _events_kept(tables: Tables, count: int | None) -> int | None:
    low, high = EVENTS_KEPT_RANGE
    if count is not None and not low <= count <= high:
        tables.problem("cluster.events_kept", f"{count} is out of range; choose {low} to {high}")
    return count


def _processes(tables: Tables, ground: Ground, added: Sequence[str], standby: Any) -> list[Process]:
    places = Places(tables, ground)
    if not places.read():
        return []
    found = places.add(added)
    for text in problems_of([n for p in found for n in p.nodes], ground.home, standby):
        tables.problem("process", text)
    return found


def _links(tables: Tables, roles: set[str], pair: bool) -> frozenset[tuple[str, str]]:
    table = tables.table("links")
    tables.unknown("links.", table, {"allow"})
    allowed = table.get("allow", [link for link in DEFAULT_LINKS if set(link.split(" -> ")) <= roles])
    if not isinstance(allowed, list):
        tables.problem("links.allow", 'must be a list such as ["gate -> login"]')
        allowed = []
    found = {("dc", "dc")} if pair else set()
    for text in allowed:
        match = _LINK.match(str(text))
        if not match:
            tables.problem("links.allow", f'{text!r} is not a link; write "gate -> login"')
        elif match[2] not in roles or match[1] not in roles:
            missing = match[2] if match[2] not in roles else match[1]
            tables.problem(
                "links.allow", f"{text!r} leads to nowhere: there is no {missing}; add the node or drop the link"
            )
        else:
            found.add((match[1], match[2]))
    return frozenset(found)


def _settings(tables: Tables, overrides: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for role, values in tables.table("settings").items():
        if role not in ROLES:
            tables.problem(f"settings.{role}", f"unknown role; known are {', '.join(ROLES)}")
        elif not isinstance(values, dict):
            tables.problem(f"settings.{role}", "must be a table")
        else:
            found[role] = dict(values)
    for key, text in overrides.items():
        role, _, name = key.partition(".")
        if role not in ROLES or not name:
            tables.problem(f"--set {key}", f"write ROLE.KEY=VALUE with a role of {', '.join(ROLES)}")
            continue
        found.setdefault(role, {})[name] = value_of(text)
    return found
