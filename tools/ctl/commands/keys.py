"""`mesh keys new`: the secrets of a cluster, made before its first start or replaced afterwards."""

import os
from pathlib import Path

import rich_click as click

from mesh import keys as key_files
from mesh.topology import Topology
from tools.ctl import clusters
from tools.ctl.exits import Exit
from tools.ctl.options import Environment, complete_cluster, json_option
from tools.ctl.output import emit, emit_json, say
from tools.ctl.prechecks import hosts_of


@click.group()
def keys() -> None:
    """Make the secret keys of a cluster."""


@keys.command()
@click.argument("topology", default=clusters.DEFAULT_TOPOLOGY, shell_complete=complete_cluster)
@click.option("--base-port", type=click.IntRange(1024, 65_000), metavar="N", help="As given to `mesh up`.")
@click.option("--runtime", type=click.Path(path_type=Path, file_okay=False), help="As given to `mesh up`.")
@click.option(
    "--copies",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Also write what each host needs to DIR/<host>/keys.",
)
@click.option("--replace", is_flag=True, help="Also replace the keys that exist: what they signed is void.")
@json_option
@click.pass_obj
def new(
    environment: Environment,
    topology: str,
    base_port: int | None,
    runtime: Path | None,
    copies: Path | None,
    replace: bool,
    as_json: bool,
) -> int:
    """Make the keys that a cluster of TOPOLOGY needs: for tickets, for resume tokens and, when nodes talk beyond
    loopback, a CURVE key pair for every node and one for operators.

    They go to <runtime>/keys, readable by their owner only. A cluster on one machine makes its own at its first start;
    on several machines, each gets a copy as its <runtime>/keys before `mesh up --host`. --copies writes one for each
    host, with the secrets of its own nodes alone. Nothing that exists is replaced without --replace.
    """
    chosen = clusters.load(topology, base_port=base_port, runtime=runtime, environment=environment)
    made = make(chosen, replace)
    if copies is not None:
        for host in hosts_of(chosen):
            made += copy_for(chosen, host, copies / host / "keys")
    if as_json:
        emit_json({"folder": str(chosen.keys), "files": made})
    else:
        emit("\n".join(made))
    if replace:
        say("mesh: running nodes keep the old keys until they are restarted")
    return Exit.OK


def copy_for(topology: Topology, host: str, folder: Path) -> list[str]:
    """What the nodes of one host need, and an operator there: written, and named."""
    nodes = [node for process in topology.processes if process.host == host for node in process.nodes]
    wanted = [Path(name) for name in (key_files.TICKETS, key_files.RESUME) if any(n.role == "login" for n in nodes)]
    if topology.curve:
        wanted += [Path("curve") / name for name in ("members", "ctl.secret", *(f"{n.short}.secret" for n in nodes))]
    for name in wanted:
        target = folder / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write((topology.keys / name).read_bytes())
    return [str(folder / name) for name in wanted]


def make(topology: Topology, replace: bool) -> list[str]:
    """The files that there are now."""
    found = []
    for name in (key_files.TICKETS, key_files.RESUME):
        path = topology.keys / name
        if replace and path.exists():
            key_files.replace(path)
        else:
            key_files.load_or_create(path)
        found.append(str(path))
    if topology.curve:
        from mesh.transport.auth import make_keys

        folder = topology.keys / "curve"
        if replace:
            for old in folder.glob("*.secret"):
                old.unlink()
        names = {node.short: node.name for node in topology.nodes.values()}
        make_keys(folder, {**names, "ctl": f"{topology.region}.{topology.zone}.ctl"})
        found += [str(path) for path in sorted(folder.iterdir())]
    return found
