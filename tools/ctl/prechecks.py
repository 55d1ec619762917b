"""Everything that can be found wrong before a cluster is started: so that nothing is, when something is.

In this order: whether its hosts are this machine, the topology and all roles' settings, whether this cluster runs
already, whether an earlier one is still stopping, whether somebody else has its ports.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO

import msgspec

from mesh.clock import Clock
from mesh.errors import TopologyError
from mesh.topology import Process, Topology
from tools.ctl import clusters, state
from tools.ctl.exits import CommandError, Exit
from tools.ctl.lazy import did_you_mean
from tools.ctl.processes import holder, is_local, is_taken, send, wait_gone
from tools.ctl.words import client_host, client_port

CHECK_S_MAX = 20.0
PROBE_BYTES = 4096  # a full disk still takes empty files
LEFTOVERS_S = 6.0  # nodes whose supervisor was killed stop by themselves within 4 s


class Problems(msgspec.Struct):
    """What `python -m nodes check` prints."""

    problems: list[str]


def settings_problems(
    file: Path, base_port: int | None, runtime: Path | None, overrides: Mapping[str, str], python: str = ""
) -> list[str]:
    """What the nodes themselves, of this installation or another one, say about a topology and their settings;
    CommandError when they cannot be asked."""
    command = [python or sys.executable, "-P", "-m", "nodes", "check", str(file), "--json"]
    if base_port is not None:
        command += ["--base-port", str(base_port)]
    if runtime is not None:
        command += ["--runtime", str(runtime)]
    for key, value in overrides.items():
        command += ["--set", f"{key}={value}"]
    try:
        ran = subprocess.run(command, capture_output=True, timeout=CHECK_S_MAX, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise CommandError(f"the check of {file} took more than {CHECK_S_MAX:.0f} s", Exit.TIMED_OUT) from None
    except OSError as error:
        raise CommandError(f"{command[0]} cannot be started: {error.strerror}", Exit.USAGE) from None
    try:
        return msgspec.json.decode(ran.stdout, type=Problems).problems
    except msgspec.DecodeError:
        words = ran.stderr.decode(errors="replace").strip().splitlines()
        raise CommandError(f"the nodes cannot check {file}: {words[-1] if words else 'no answer'}") from None


def processes_on(topology: Topology, host: str) -> list[Process]:
    """Those that this machine has to start: all, or those of one host. CommandError when they are not to be started
    here."""
    hosts = hosts_of(topology)
    if host:
        check_host(topology, host)
    wanted = [p for p in topology.processes if host in ("", p.host)]
    away = [h for h in ([host] if host else hosts) if not is_local(h)]
    if away and not host and len(hosts) > 1:
        text = f"{topology.file.name} is for several machines ({', '.join(hosts)}): on each of them, run `mesh up "
        raise CommandError(f"{text}{topology.file} --host ADDRESS` with its own address", Exit.USAGE)
    if away:
        raise CommandError(f"{', '.join(away)} is not an address of this machine", Exit.USAGE)
    return wanted


def check_host(topology: Topology, host: str) -> None:
    """CommandError when the topology does not place anything there."""
    hosts = hosts_of(topology)
    if host not in hosts:
        text = f"{topology.file.name} has no process on {host}{did_you_mean(host, hosts)}"
        raise CommandError(text, Exit.USAGE)


def hosts_of(topology: Topology) -> list[str]:
    """In the order of the file."""
    return list(dict.fromkeys(p.host for p in topology.processes))


def check_keys(topology: Topology, processes: Iterable[Process]) -> None:
    """MeshError when links need CURVE keys that are not here, or that do not know all nodes."""
    if not topology.curve:
        return
    from mesh.transport.auth import Identity  # zmq is loaded by those who need it

    folder = topology.keys / "curve"
    for process in processes:
        for node in process.nodes:
            Identity.load(folder, node.short)
    rows = [line.split() for line in (folder / "members").read_text().splitlines()]
    missing = sorted(set(topology.nodes) - {row[1] for row in rows if len(row) > 1})
    if missing:
        text = f"{folder / 'members'} does not know {', '.join(missing)}; run `mesh keys new {topology.file}` where "
        raise CommandError(f"{text}the keys were made, and copy the folder to each machine")


def check_settings(topology: Topology, overrides: Mapping[str, str]) -> None:
    """TopologyError with everything at once."""
    problems = settings_problems(topology.file, topology.base_port, topology.runtime, overrides)
    if problems:
        raise TopologyError(problems)


def check_not_running(topology: Topology, environment: Mapping[str, str]) -> None:
    """CommandError when this runtime folder has a supervisor."""
    for note in clusters.running(environment):
        if note.runtime == str(topology.runtime):
            raise _runs_already(topology, f"pid {note.holder.pid}")


def lock(topology: Topology, name: str = "supervisor", what: str = "") -> IO[bytes]:
    """Hold the runtime folder until the file is closed, which the system does for a process that is killed. `what`: who
    else may hold it, when that is not the cluster."""
    topology.runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = (topology.runtime / f"{name}.lock").open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        if what:
            raise CommandError(f"{what} of {topology.runtime.name} is under way ({file.name})") from None
        raise _runs_already(topology, f"it holds {file.name}") from None
    return file


def _runs_already(topology: Topology, evidence: str) -> CommandError:
    label = topology.runtime.name
    return CommandError(
        f"cluster {label} runs already ({evidence}): `mesh status {label}` shows it, `mesh down {label}` stops it; "
        "a second one beside it needs --base-port"
    )


async def wait_leftovers(topology: Topology, clock: Clock, say: Callable[[str], None], only: str = "") -> None:
    """Nodes of this cluster (or one process of it) whose supervisor was killed stop by themselves; those that do not
    are killed."""
    left = [p for p in state.leftovers(topology) if only in ("", p.name)]
    if not left:
        return
    names = ", ".join(f"{p.name} (pid {p.pid})" for p in left)
    say(f"waiting for what a killed supervisor left behind: {names}")
    if await wait_gone([p.identity for p in left], clock, LEFTOVERS_S):
        return
    for process in left:
        if send(process.identity, signal.SIGKILL):
            say(f"{process.name} (pid {process.pid}) did not stop and was killed")
    await wait_gone([p.identity for p in left], clock, LEFTOVERS_S)


def ports_of(topology: Topology, processes: Iterable[Process]) -> list[tuple[str, int, str]]:
    """What these processes will listen on: (host, port, what for)."""
    wanted = []
    for process in processes:
        wanted.append((process.host, process.metrics_port, f"metrics of {process.name}"))
        for node in process.nodes:
            if node.role == "gate":
                host, port = client_host(topology, node), client_port(topology, node.number)
                wanted.append((host, port, f"players at {node.short}"))
            if node.address.startswith("tcp://"):
                wanted.append((node.host, int(node.address.rpartition(":")[2]), f"mesh link of {node.short}"))
            if node.publisher.startswith("tcp://"):
                wanted.append((node.host, int(node.publisher.rpartition(":")[2]), f"publications of {node.short}"))
    return wanted


def check_ports(topology: Topology, processes: Iterable[Process]) -> None:
    """CommandError that names every port that is taken, and who has it."""
    taken = [
        f"port {port} ({what}) is taken by {holder(port)}"
        for host, port, what in ports_of(topology, processes)
        if is_taken(host, port)
    ]
    if taken:
        raise CommandError("\n".join([*taken, "Nothing was started. --base-port moves all ports of a cluster."]))


def check_writable(topology: Topology) -> None:
    """CommandError, naming the folder, when the data cannot be kept where it is meant to be."""
    for path in (topology.runtime, topology.runtime / "logs", topology.runtime / "data"):
        probe = path / f".probe-{os.getpid()}"
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe.write_bytes(b"x" * PROBE_BYTES)
        except OSError as error:
            why = error.strerror or str(error)
            raise CommandError(f"cannot write to {path}: {why}; make room or choose another --runtime") from None
        finally:
            with contextlib.suppress(OSError):
                probe.unlink()
