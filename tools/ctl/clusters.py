"""Which clusters run on this machine, and how a command finds the one that is meant.

Every supervisor (and every `mesh keep` of a Procfile) leaves a small file in a folder of this user while it runs:

    $XDG_RUNTIME_DIR/zonemesh/clusters/<pid>.json, or /tmp/zonemesh-<uid>/clusters/<pid>.json

A file whose process is gone is removed by whoever sees it. A cluster is known by the name of its runtime folder, so
that two copies of one topology (`--base-port`) have two names.

A cluster whose processes somebody else looks after (systemd) leaves no note. It is found by its topology file, when one
of its nodes on this machine takes connections.
"""

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import msgspec

from mesh import topology as topologies
from mesh.errors import TopologyError
from mesh.topology import Topology
from tools.ctl.exits import CommandError, Exit
from tools.ctl.processes import Identity, identity, is_alive, is_answering, is_local

DEFAULT_TOPOLOGY = "local"
USUAL_RUNTIMES = "var"
"""Where runtime folders are when nobody says otherwise, below the folder where `mesh up` was called."""
LAST_NOTE = "cluster.json"
"""In the runtime folder: what the cluster was started with, also after it was stopped."""


class Running(msgspec.Struct, frozen=True):
    """A cluster that runs, as its supervisor wrote it down."""

    cluster: str
    runtime: str
    topology: str  # the file
    base_port: int
    overrides: dict[str, str]
    holder: Identity  # the supervisor, or one `mesh keep`
    kind: str  # "supervisor", "keep", or "outside" for one without a note
    host: str = ""  # the part of a cluster on several machines that runs here; "" for all of it
    added: list[str] = []  # processes that are not in the file, as INDEX:NODE@ZONE

    @property
    def label(self) -> str:
        """What people call it."""
        return Path(self.runtime).name

    def load(self) -> Topology:
        """Its topology, with the changes that it was started with."""
        return topologies.load(
            Path(self.topology),
            base_port=self.base_port,
            runtime=Path(self.runtime),
            overrides=self.overrides,
            added=self.added,
        )


def folder(environment: Mapping[str, str]) -> Path:
    """Where this user's notes are; made when it is missing, for this user only."""
    base = environment.get("XDG_RUNTIME_DIR", "")
    if base and os.access(base, os.W_OK):
        path = Path(base) / "zonemesh" / "clusters"
    else:
        path = Path(tempfile.gettempdir()) / f"zonemesh-{os.getuid()}" / "clusters"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    if {path.stat().st_uid, path.parent.stat().st_uid} != {os.getuid()}:
        raise CommandError(f"{path} belongs to somebody else; set XDG_RUNTIME_DIR to a folder of your own")
    return path


def register(
    topology: Topology,
    overrides: Mapping[str, str],
    kind: str,
    environment: Mapping[str, str],
    host: str = "",
    added: Sequence[str] = (),
) -> Path:
    """Leave the note, or write it anew; whoever calls this removes the file when it ends."""
    me = identity()
    note = Running(
        topology.cluster,
        str(topology.runtime),
        str(topology.file),
        topology.base_port,
        dict(overrides),
        me,
        kind,
        host,
        list(added),
    )
    path = folder(environment) / f"{me.pid}.json"
    write_json(topology.runtime / LAST_NOTE, note)
    write_json(path, note)
    return path


def running(environment: Mapping[str, str]) -> list[Running]:
    """One entry for each cluster that runs, by name; a supervisor before a keep. Removes notes of the dead."""
    found: dict[str, Running] = {}
    for path in sorted(folder(environment).glob("*.json")):
        with contextlib.suppress(OSError):
            try:
                note = msgspec.json.decode(path.read_bytes(), type=Running)
            except msgspec.DecodeError:
                path.unlink(missing_ok=True)
                continue
            if not is_alive(note.holder):
                path.unlink(missing_ok=True)
            elif note.runtime not in found or note.kind == "supervisor":
                found[note.runtime] = note
    return sorted(found.values(), key=lambda note: (note.label, note.runtime))


def topology_file(name: str) -> Path:
    """A path as it is, or the name of one that comes along: "local"."""
    path = Path(name)
    if path.suffix == ".toml" or "/" in name or path.is_file():
        return path
    shipped = Path(str(files("topology") / f"{name}.toml"))
    if shipped.is_file():
        return shipped
    raise CommandError(
        f"there is no topology {name!r}; {', '.join(shipped_names())} come along, or give the path of a .toml file",
        Exit.USAGE,
    )


def shipped_names() -> list[str]:
    """The topologies of the installed package."""
    return sorted(Path(str(entry)).stem for entry in files("topology").iterdir() if entry.name.endswith(".toml"))


def load(
    name: str,
    *,
    base_port: int | None = None,
    runtime: Path | None = None,
    overrides: Mapping[str, str] | None = None,
    environment: Mapping[str, str],
) -> Topology:
    """What `mesh up` starts. Another base port means another runtime folder, so that copies do not meet."""
    path = topology_file(name)
    topology = topologies.load(
        path, base_port=base_port, runtime=runtime, overrides=dict(overrides or {}), environment=environment
    )
    if runtime is not None or "MESH_RUNTIME" in environment:
        return topology
    usual = topologies.load(path, environment={}, overrides=dict(overrides or {}))
    if usual.base_port == topology.base_port:
        return topology
    beside = topology.runtime.with_name(f"{topology.runtime.name}-{topology.base_port}")
    return topologies.load(path, base_port=topology.base_port, runtime=beside, overrides=dict(overrides or {}))


def find(name: str | None, environment: Mapping[str, str]) -> Running:
    """The running cluster that is meant: by label, runtime folder or topology file; without a name the only one."""
    every = running(environment)
    if name is None:
        if not every:
            raise CommandError("no cluster is running; `mesh up` starts one", Exit.NOT_FOUND)
        if len(every) > 1:
            raise CommandError(f"several clusters are running, say which: {_names(every)}", Exit.USAGE)
        return every[0]
    fitting = [note for note in every if _fits(note, name)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise CommandError(f"{name} may be one of several, give the folder: {_folders(fitting)}", Exit.USAGE)
    if (outside := _outside(name, environment)) is not None:
        return outside
    others = f"running: {_names(every)}" if every else "none is"
    raise CommandError(f"no cluster {name!r} is running; {others}", Exit.NOT_FOUND)


def _outside(name: str, environment: Mapping[str, str]) -> Running | None:
    """A cluster that runs without a supervisor of ours."""
    try:
        topology = load(name, environment=environment)
    except (CommandError, TopologyError):
        return None
    if not any(is_answering(node.address) for node in topology.nodes.values() if is_local(node.host)):
        return None
    return Running(
        topology.cluster,
        str(topology.runtime),
        str(topology.file),
        topology.base_port,
        {},
        Identity(0, 0.0),
        "outside",
    )


def find_or_load(name: str | None, environment: Mapping[str, str]) -> tuple[Topology, Running | None]:
    """For commands that also read what a stopped cluster left behind: the running one, else the topology as it would
    be started."""
    try:
        note = find(name, environment)
    except CommandError as error:
        if error.exit_code is not Exit.NOT_FOUND:
            raise
    else:
        return note.load(), note
    topology = _stopped(name, environment)
    if not topology.runtime.is_dir():
        raise CommandError(
            f"no cluster is running, and there is no {topology.runtime}; `mesh up` starts one", Exit.NOT_FOUND
        )
    return topology, None


def _stopped(name: str | None, environment: Mapping[str, str]) -> Topology:
    """By topology, or by runtime folder or its name: the supervisor leaves there what the cluster was started with."""
    for folder_of_it in (Path(name), Path(USUAL_RUNTIMES) / name) if name else ():
        if (note := read_note(folder_of_it)) is not None:
            return note.load()
    try:
        return load(name or DEFAULT_TOPOLOGY, environment=environment)
    except TopologyError as error:
        raise CommandError(str(error), Exit.USAGE) from None


def read_note(runtime: Path) -> Running | None:
    """What a cluster that has this runtime folder was last started with."""
    try:
        return msgspec.json.decode((runtime / LAST_NOTE).read_bytes(), type=Running)
    except (OSError, msgspec.DecodeError):
        return None


def write_json(path: Path, value: object) -> None:
    """Whole or not at all, for this user only."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(value))
    beside.replace(path)


def _fits(note: Running, name: str) -> bool:
    if name in (note.label, note.runtime, note.topology):
        return True
    path = Path(name)
    return ("/" in name or path.suffix == ".toml") and str(path.resolve()) in (note.runtime, note.topology)


def _names(notes: list[Running]) -> str:
    labels = [note.label for note in notes]
    return ", ".join(note.label if labels.count(note.label) == 1 else note.runtime for note in notes)


def _folders(notes: list[Running]) -> str:
    return ", ".join(note.runtime for note in notes)
