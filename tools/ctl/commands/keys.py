"""`mesh keys new`: the secrets of a cluster, made before its first start or replaced afterwards."""

from pathlib import Path

import rich_click as click

from mesh import keys as key_files
from mesh.topology import Topology
from tools.ctl import clusters
from tools.ctl.exits import Exit
from tools.ctl.options import Environment, complete_cluster, json_option
from tools.ctl.output import emit, emit_json, say


@click.group()
def keys() -> None:
    """Make the secret keys of a cluster."""


@keys.command()
@click.argument("topology", default=clusters.DEFAULT_TOPOLOGY, shell_complete=complete_cluster)
@click.option("--base-port", type=click.IntRange(1024, 65_000), metavar="N", help="As given to `mesh up`.")
@click.option("--runtime", type=click.Path(path_type=Path, file_okay=False), help="As given to `mesh up`.")
@click.option("--replace", is_flag=True, help="Also replace the keys that exist: what they signed is void.")
@json_option
@click.pass_obj
def new(
    environment: Environment,
    topology: str,
    base_port: int | None,
    runtime: Path | None,
    replace: bool,
    as_json: bool,
) -> int:
    """Make the keys that a cluster of TOPOLOGY needs: for tickets, for resume tokens and, when nodes talk beyond
    loopback, a CURVE key pair for every node and one for operators.

    They go to <runtime>/keys, readable by their owner only; copy that folder to each machine of the zone. A cluster on
    one machine makes its own at its first start. Nothing that exists is replaced without --replace.
    """
    chosen = clusters.load(topology, base_port=base_port, runtime=runtime, environment=environment)
    made = make(chosen, replace)
    if as_json:
        emit_json({"folder": str(chosen.keys), "files": made})
    else:
        emit("\n".join(made))
    if replace:
        say("mesh: running nodes keep the old keys until they are restarted")
    return Exit.OK


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
