"""Processes and their nodes: names, addresses and ports, all of which follow from the file.

base_port + N - 1        players at gate.N
base_port + 50 + INDEX   /metrics of a process
base_port + 100 + INDEX  the ROUTER of its node (with CURVE; Unix sockets otherwise)
base_port + 150 ...      those of nodes that share a process, in the order of the file
base_port + 200 ...      the PUB of each zone's center, the home zone's first
"""

import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mesh.topology.model import (
    METRICS_OFFSET,
    PROCESSES_MAX,
    PUB_OFFSET,
    ROLES,
    ROUTER_OFFSET,
    NodeSpec,
    Process,
)
from mesh.topology.tables import Tables

SOCKET_PATH_MAX = 100  # Linux takes 107 bytes for a Unix socket
LOOPBACK = "127.0.0.1"
SHARING_MAX = PUB_OFFSET - ROUTER_OFFSET - PROCESSES_MAX  # nodes that share a process with others, with CURVE

_SHORT = re.compile(r"^([a-z]+)\.([1-9][0-9]{0,3})\Z")
_ADDED = re.compile(r"^([0-9]{1,2}):([a-z]+\.[0-9]+)(?:@([a-z0-9-]+))?\Z")
_KEYS = {"nodes", "host", "zone"}


@dataclass(frozen=True)
class Ground:
    """What all addresses of a cluster have in common."""

    region: str
    home: str
    port: int
    sockets: Path
    curve: bool


@dataclass
class Places:
    """Reads the processes of a file, then those that the command line adds."""

    tables: Tables
    ground: Ground
    found: list[Process] = field(default_factory=list)
    _seen: dict[str, str] = field(default_factory=dict)  # short name -> where it was named
    _sharing: int = 0
    _zones: list[str] = field(default_factory=list)

    def read(self) -> list[Process]:
        """[[process]], in the order of the file."""
        entries = self.tables.root.get("process", [])
        if not isinstance(entries, list) or not entries:
            self.tables.problem("process", 'no process; add [[process]] with nodes = ["gate.1"] and so on')
            return []
        if len(entries) > PROCESSES_MAX:
            self.tables.problem("process", f"{len(entries)} processes; at most {PROCESSES_MAX} fit into one file")
        for index, entry in enumerate(entries[:PROCESSES_MAX]):
            if isinstance(entry, dict):
                self._read_one(index, entry)
            else:
                self.tables.problem(f"process[{index}]", "must be a table")
        return self.found

    def add(self, texts: Sequence[str]) -> list[Process]:
        """INDEX:NODE[@ZONE] each: processes of one node that are not in the file, on this machine."""
        for text in texts:
            match, key = _ADDED.match(text), f"--add {text}"
            if not match or not _is_node(match[2]):
                self.tables.problem(key, "write INDEX:NODE or INDEX:NODE@ZONE, such as 7:scene.3")
                continue
            index, zone = int(match[1]), match[3] or self.ground.home
            if index >= PROCESSES_MAX or any(p.index == index for p in self.found):
                self.tables.problem(key, f"index {index} is taken or above {PROCESSES_MAX - 1}")
            elif match[2] in self._seen:
                self.tables.problem(key, f"{match[2]} is already in {self._seen[match[2]]}")
            else:
                self._seen[match[2]] = key
                self._place(index, LOOPBACK, zone, [match[2]])
        return self.found

    def _read_one(self, index: int, entry: dict[str, Any]) -> None:
        at, tables = f"process[{index}]", self.tables
        tables.unknown(f"{at}.", entry, _KEYS)
        host = entry.get("host", LOOPBACK)
        if not isinstance(host, str):
            tables.problem(f"{at}.host", f"{host!r} must be a text")
            host = LOOPBACK
        if not is_loopback(host) and not self.ground.curve:
            text = f"{host} is beyond loopback; set [security] curve = true and run `mesh keys new`"
            tables.problem(f"{at}.host", text)
        zone = tables.name(f"{at}.zone", entry.get("zone", self.ground.home))
        self._place(index, host, zone, self._shorts(at, entry.get("nodes")))

    def _shorts(self, at: str, nodes: Any) -> list[str]:
        if not isinstance(nodes, list) or not nodes or not all(isinstance(n, str) for n in nodes):
            self.tables.problem(f"{at}.nodes", 'must be a list of node names such as ["gate.1"]')
            return []
        good = []
        for short in nodes:
            if not _is_node(short):
                text = f"{short!r} is not a node; write <role>.<n> with a role of {', '.join(ROLES)}"
                self.tables.problem(f"{at}.nodes", text)
            elif short in self._seen:
                text = f"{short} is already in {self._seen[short]}; give each node one place, also in another zone"
                self.tables.problem(f"{at}.nodes", text)
            else:
                self._seen[short] = at
                good.append(short)
        return good

    def _place(self, index: int, host: str, zone: str, shorts: list[str]) -> None:
        ground, metrics_port = self.ground, self.ground.port + METRICS_OFFSET + index
        if zone not in self._zones:
            self._zones.append(zone)
        nodes = []
        for short in shorts:
            role, number = short.split(".")
            address = self._address(host, index, short, shared=len(shorts) > 1)
            name = f"{ground.region}.{zone}.{short}"
            publisher = self._publisher(host, zone, short) if role == "center" else ""
            nodes.append(NodeSpec(name, short, role, int(number), zone, host, address, index, metrics_port, publisher))
        self.found.append(Process(index, "+".join(shorts), host, metrics_port, nodes))

    def _address(self, host: str, index: int, short: str, *, shared: bool) -> str:
        if not self.ground.curve:
            return f"ipc://{self.ground.sockets}/{short}"
        first = self.ground.port + ROUTER_OFFSET
        if not shared:
            return f"tcp://{host}:{first + index}"
        self._sharing += 1
        if self._sharing == SHARING_MAX + 1:
            self.tables.problem("process", f"more than {SHARING_MAX} nodes share a process with others")
        return f"tcp://{host}:{first + PROCESSES_MAX + self._sharing - 1}"

    def _publisher(self, host: str, zone: str, short: str) -> str:
        if not self.ground.curve:
            return f"ipc://{self.ground.sockets}/{short}.pub"
        order = list(dict.fromkeys((self.ground.home, *self._zones)))
        return f"tcp://{host}:{self.ground.port + PUB_OFFSET + order.index(zone)}"


def _is_node(short: str) -> bool:
    match = _SHORT.match(short)
    return match is not None and match[1] in ROLES


def is_loopback(host: str) -> bool:
    return host == "localhost" or host == "::1" or host.startswith("127.")


def socket_folder(runtime: Path) -> Path:
    """Where the Unix sockets of a cluster are: beside its data, or under the temporary folder when that path is too
    long for a socket address, or under /tmp when that one is, too."""
    near = runtime.resolve() / "run"
    mark = hashlib.sha256(os.fsencode(runtime.resolve())).hexdigest()[:12]
    name = f"zonemesh-{os.getuid()}-{mark}"
    shortest = Path("/tmp") / name  # noqa: S108 - a node refuses it when it is not its own
    folders = (near, Path(tempfile.gettempdir()) / name)
    return next((one for one in folders if len(os.fsencode(one / "center.1000.pub")) <= SOCKET_PATH_MAX), shortest)
