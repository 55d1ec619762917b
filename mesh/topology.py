"""TOML -> who exists, where, and who may talk to whom.

A topology is data: clusters differ in files, not in code. Everything that is wrong with a file is reported at once.
What a role's own settings mean is that role's business (`nodes/<role>/settings.py`); here they are raw tables.
"""

import hashlib
import os
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from mesh.errors import TopologyError

ROLES = ("center", "dc", "log", "login", "scene", "gate")
"""In the order in which they depend on each other."""

DEFAULT_LINKS = (
    "gate -> login",
    "gate -> scene",
    "gate -> log",
    "login -> dc",
    "login -> log",
    "scene -> dc",
    "scene -> log",
    "dc -> log",
)
"""Who opens a link to whom, besides everyone to the center. Both sides speak on it."""

NEEDS = {"gate": ("login", "scene"), "login": ("dc",), "scene": ("dc",), "center": ("dc",)}
"""A role without which another one cannot serve."""

PROCESSES_MAX = 50  # the ports of one cluster are laid out in blocks of this size
METRICS_OFFSET = 50
ROUTER_OFFSET = 100
PUB_OFFSET = 200
SOCKET_PATH_MAX = 100  # Linux takes 107 bytes for a Unix socket

_NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\Z")
_SHORT = re.compile(r"^([a-z]+)\.([1-9][0-9]{0,3})\Z")
_LINK = re.compile(r"^([a-z]+) -> ([a-z]+)\Z")
_TOP_KEYS = {"cluster", "process", "settings", "links", "security"}
_CLUSTER_KEYS = {"name": str, "region": str, "zone": str, "base_port": int, "runtime": str}
_PROCESS_KEYS = {"nodes": list, "host": str}


class NodeSpec(msgspec.Struct, frozen=True):
    """One node of a topology."""

    name: str  # <region>.<zone>.<role>.<n>
    short: str  # <role>.<n>
    role: str
    number: int
    host: str
    address: str  # of its ROUTER
    process: int
    metrics_port: int


class Process(msgspec.Struct, frozen=True):
    """One operating system process and the nodes that share its loop."""

    index: int
    name: str  # short names joined by +
    host: str
    metrics_port: int
    nodes: list[NodeSpec]


class Topology(msgspec.Struct, frozen=True):
    """A cluster as it is meant to be."""

    file: Path
    cluster: str
    region: str
    zone: str
    base_port: int
    runtime: Path
    sockets: Path
    processes: list[Process]
    nodes: dict[str, NodeSpec]
    links: frozenset[tuple[str, str]]
    settings: dict[str, dict[str, Any]]
    curve: bool

    def node(self, name: str) -> NodeSpec:
        """By full or short name; KeyError when there is none."""
        return self.nodes.get(name) or self.nodes[f"{self.region}.{self.zone}.{name}"]

    def of_role(self, role: str) -> list[NodeSpec]:
        return [n for n in self.nodes.values() if n.role == role]

    def dials(self, role: str, other: str) -> bool:
        """Does a node of `role` open the link to one of `other`?"""
        return (role, other) in self.links or (other == "center" and role != "center")

    def may_talk(self, role: str, other: str) -> bool:
        """Is there a link between these roles, whoever opens it? Operators reach everyone."""
        return "ctl" in (role, other) or self.dials(role, other) or self.dials(other, role)

    @property
    def center(self) -> NodeSpec:
        return self.of_role("center")[0]

    @property
    def publisher(self) -> str:
        """Where the center's PUB is."""
        if self.curve:
            return f"tcp://{self.center.host}:{self.base_port + PUB_OFFSET}"
        return f"ipc://{self.sockets}/publications"

    def data(self, node: NodeSpec) -> Path:
        return self.runtime / "data" / node.short

    def log_file(self, process: Process) -> Path:
        return self.runtime / "logs" / f"{process.name}.log"

    @property
    def keys(self) -> Path:
        return self.runtime / "keys"


def load(
    path: Path,
    *,
    base_port: int | None = None,
    runtime: Path | None = None,
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Topology:
    """Read and check a topology. Command line > environment > file > default, resolved here and nowhere else.

    `overrides` are `role.key=value` pairs of the command line, the value written as in TOML. MESH_BASE_PORT and
    MESH_RUNTIME are looked up in `environment`. Raises TopologyError with every problem that was found.
    """
    table = _read(path)
    env = environment or {}
    problems: list[str] = []
    reader = _Reader(path, table, problems)
    if base_port is None and "MESH_BASE_PORT" in env:
        base_port = reader.number("MESH_BASE_PORT (environment)", env["MESH_BASE_PORT"])
    if runtime is None and "MESH_RUNTIME" in env:
        runtime = Path(env["MESH_RUNTIME"])
    topology = reader.topology(base_port, runtime, overrides or {})
    if problems or topology is None:
        raise TopologyError(problems)
    return topology


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise TopologyError(
            [f"{path}: there is no such file; `mesh up local` starts the one that comes along"]
        ) from None
    except OSError as error:
        raise TopologyError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        raise TopologyError([f"{path}: cannot be read: {error}"]) from None
    except tomllib.TOMLDecodeError as error:
        raise TopologyError([f"{path}: not valid TOML: {error}"]) from None


class _Reader:
    """Collects problems while it reads, so that one run shows all of them."""

    def __init__(self, path: Path, table: dict[str, Any], problems: list[str]) -> None:
        self.path = path
        self.table = table
        self.problems = problems

    def problem(self, key: str, text: str) -> None:
        self.problems.append(f"{self.path}: {key}: {text}")

    def number(self, key: str, text: str) -> int | None:
        if not text.isdecimal():
            self.problem(key, f"{text!r} is not a number; give a port such as 7700")
            return None
        return int(text)

    def topology(self, base_port: int | None, runtime: Path | None, overrides: Mapping[str, str]) -> Topology | None:
        self.unknown("", self.table, _TOP_KEYS)
        cluster = self.section("cluster", _CLUSTER_KEYS)
        names = {key: self.name_of(cluster, key) for key in ("name", "region", "zone")}
        port = base_port if base_port is not None else cluster.get("base_port", 7700)
        if not isinstance(port, int) or not 1024 <= port <= 65535 - PUB_OFFSET - 1:
            self.problem("cluster.base_port", f"{port} is out of range; choose 1024 to {65535 - PUB_OFFSET - 1}")
            port = 7700
        folder = runtime or Path(cluster.get("runtime", f"var/{names['name']}"))
        security = self.section("security", {"curve": bool})
        sockets = socket_folder(folder)
        processes = self.processes(names["region"], names["zone"], port, sockets, bool(security.get("curve")))
        nodes = {n.name: n for p in processes for n in p.nodes}
        links = self.links({n.role for n in nodes.values()})
        settings = self.settings(overrides)
        if self.problems:
            return None
        return Topology(
            file=self.path.resolve(),
            cluster=names["name"],
            region=names["region"],
            zone=names["zone"],
            base_port=port,
            runtime=folder.resolve(),
            sockets=sockets,
            processes=processes,
            nodes=nodes,
            links=links,
            settings=settings,
            curve=bool(security.get("curve")),
        )

    def unknown(self, prefix: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
        for key in table:
            if key not in known:
                self.problem(f"{prefix}{key}", f"unknown key; known are {', '.join(sorted(known))}")

    def section(self, name: str, keys: Mapping[str, type]) -> dict[str, Any]:
        table = self.table.get(name, {})
        if not isinstance(table, dict):
            self.problem(name, "must be a table")
            return {}
        self.unknown(f"{name}.", table, keys)
        good = {}
        for key, kind in keys.items():
            if key in table and (not isinstance(table[key], kind) or (kind is int and isinstance(table[key], bool))):
                self.problem(f"{name}.{key}", f"{table[key]!r} must be a {_WORDS[kind]}")
            elif key in table:
                good[key] = table[key]
        return good

    def name_of(self, cluster: Mapping[str, Any], key: str) -> str:
        default = {"name": self.path.stem, "region": "local", "zone": "one"}[key]
        name = str(cluster.get(key, default))
        if not _NAME.match(name):
            self.problem(f"cluster.{key}", f"{name!r} is not a name; use 1-32 of a-z, 0-9 and - in between")
        return name

    def processes(self, region: str, zone: str, port: int, sockets: Path, curve: bool) -> list[Process]:
        entries = self.table.get("process", [])
        if not isinstance(entries, list) or not entries:
            self.problem("process", 'no process; add [[process]] with nodes = ["gate.1"] and so on')
            return []
        if len(entries) > PROCESSES_MAX:
            self.problem("process", f"{len(entries)} processes; at most {PROCESSES_MAX} fit into one file")
        seen: dict[str, str] = {}
        found = []
        for index, entry in enumerate(entries[:PROCESSES_MAX]):
            at = f"process[{index}]"
            if not isinstance(entry, dict):
                self.problem(at, "must be a table")
                continue
            self.unknown(f"{at}.", entry, _PROCESS_KEYS)
            host = entry.get("host", "127.0.0.1")
            if not isinstance(host, str):
                self.problem(f"{at}.host", f"{host!r} must be a text")
                host = "127.0.0.1"
            shorts = self.shorts(at, entry.get("nodes"), seen)
            if not is_loopback(host) and not curve:
                self.problem(
                    f"{at}.host", f"{host} is beyond loopback; set [security] curve = true and run `mesh keys new`"
                )
            metrics_port = port + METRICS_OFFSET + index
            nodes: list[NodeSpec] = []
            for short in shorts:
                role, number = short.split(".")
                address = f"tcp://{host}:{port + ROUTER_OFFSET + index}" if curve else f"ipc://{sockets}/{short}"
                if curve and len(shorts) > 1:
                    address = (
                        f"tcp://{host}:{port + ROUTER_OFFSET + PROCESSES_MAX + len(seen) - len(shorts) + len(nodes)}"
                    )
                full = f"{region}.{zone}.{short}"
                nodes.append(NodeSpec(full, short, role, int(number), host, address, index, metrics_port))
            found.append(Process(index, "+".join(shorts), host, metrics_port, nodes))
        self.required({short.split(".")[0] for short in seen}, seen)
        return found

    def shorts(self, at: str, nodes: Any, seen: dict[str, str]) -> list[str]:
        if not isinstance(nodes, list) or not nodes or not all(isinstance(n, str) for n in nodes):
            self.problem(f"{at}.nodes", 'must be a list of node names such as ["gate.1"]')
            return []
        good = []
        for short in nodes:
            match = _SHORT.match(short)
            if not match or match[1] not in ROLES:
                self.problem(
                    f"{at}.nodes", f"{short!r} is not a node; write <role>.<n> with a role of {', '.join(ROLES)}"
                )
            elif short in seen:
                self.problem(f"{at}.nodes", f"{short} is already in {seen[short]}; give each node one place")
            else:
                seen[short] = at
                good.append(short)
        return good

    def required(self, roles: set[str], seen: Mapping[str, str]) -> None:
        for role in sorted(roles):
            for need in (*NEEDS.get(role, ()), "center"):
                if need not in roles and need != role:
                    self.problem("process", f'{role} needs a {need} and there is none; add nodes = ["{need}.1"]')
        for single in ("center", "dc"):
            if sum(short.startswith(f"{single}.") for short in seen) > 1:
                self.problem("process", f"more than one {single}; a zone has one")

    def links(self, roles: set[str]) -> frozenset[tuple[str, str]]:
        table = self.table.get("links", {})
        if not isinstance(table, dict):
            self.problem("links", "must be a table")
            return frozenset()
        self.unknown("links.", table, {"allow"})
        found = set()
        allowed = table.get("allow", [link for link in DEFAULT_LINKS if set(link.split(" -> ")) <= roles])
        if not isinstance(allowed, list):
            self.problem("links.allow", 'must be a list such as ["gate -> login"]')
            allowed = []
        for text in allowed:
            match = _LINK.match(str(text))
            if not match:
                self.problem("links.allow", f'{text!r} is not a link; write "gate -> login"')
            elif match[2] not in roles or match[1] not in roles:
                missing = match[2] if match[2] not in roles else match[1]
                self.problem(
                    "links.allow", f"{text!r} leads to nowhere: there is no {missing}; add the node or drop the link"
                )
            else:
                found.add((match[1], match[2]))
        return frozenset(found)

    def settings(self, overrides: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        table = self.table.get("settings", {})
        if not isinstance(table, dict):
            self.problem("settings", "must be a table")
            return {}
        found: dict[str, dict[str, Any]] = {}
        for role, values in table.items():
            if role not in ROLES:
                self.problem(f"settings.{role}", f"unknown role; known are {', '.join(ROLES)}")
            elif not isinstance(values, dict):
                self.problem(f"settings.{role}", "must be a table")
            else:
                found[role] = dict(values)
        for key, text in overrides.items():
            role, _, name = key.partition(".")
            if role not in ROLES or not name:
                self.problem(f"--set {key}", f"write ROLE.KEY=VALUE with a role of {', '.join(ROLES)}")
                continue
            found.setdefault(role, {})[name] = _value(text)
        return found


_WORDS = {str: "text", int: "whole number", list: "list", bool: "true or false"}


def _value(text: str) -> Any:
    """A command line value as TOML reads it; what TOML does not read is a text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def is_loopback(host: str) -> bool:
    return host == "localhost" or host == "::1" or host.startswith("127.")


def socket_folder(runtime: Path) -> Path:
    """Where the Unix sockets of a cluster are: beside its data, or under the temporary folder when that path is too
    long for a socket address."""
    near = runtime.resolve() / "run"
    if len(os.fsencode(near)) + len("/center.1000") <= SOCKET_PATH_MAX:
        return near
    mark = hashlib.sha256(os.fsencode(runtime.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"zonemesh-{os.getuid()}-{mark}"
