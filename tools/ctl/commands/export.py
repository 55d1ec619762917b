"""`mesh export procfile|systemd`."""

import getpass
from pathlib import Path

import rich_click as click

from mesh.topology import Process, Topology
from tools.ctl import clusters, prechecks
from tools.ctl.exits import CommandError, Exit
from tools.ctl.exporting import Place, procfile, systemd_units
from tools.ctl.options import (
    Environment,
    complete_cluster,
    host_option,
    parse_settings,
    start_options,
)
from tools.ctl.output import emit, say


@click.command()
@click.argument("what", type=click.Choice(["procfile", "systemd"]))
@click.argument("topology", default=clusters.DEFAULT_TOPOLOGY, shell_complete=complete_cluster)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the files there; what is there already is replaced. Default: print them.",
)
@click.option("--user", metavar="NAME", help="Whom the services run as. Default: you.")
@host_option
@start_options
@click.pass_obj
def export(
    environment: Environment,
    what: str,
    topology: str,
    output: Path | None,
    user: str | None,
    host: str,
    base_port: int | None,
    runtime: Path | None,
    settings: tuple[str, ...],
) -> int:
    """Write a Procfile or systemd units for a topology.

    TOPOLOGY is a .toml file or the name of one that comes along (default: local). A Procfile is for honcho: each line
    keeps one process alive. systemd gets one service for each process, with restarts, limits and the order of a stop,
    and one target for all; `systemd-analyze verify DIR/*` checks them. Paths are absolute: the files are for this
    machine.

    Exit codes: 0, 1 cannot write, 2 the topology has mistakes, or no such host.
    """
    overrides = parse_settings(settings)
    chosen = clusters.load(topology, base_port=base_port, runtime=runtime, overrides=overrides, environment=environment)
    processes = _processes(chosen, host)
    place = Place(str(Path.cwd()), user or getpass.getuser())
    if what == "procfile":
        files = {"Procfile": procfile(chosen, processes, overrides, place)}
    else:
        files = systemd_units(chosen, processes, overrides, place)
    if output is None:
        emit("\n".join(_page(name, text, len(files) > 1) for name, text in files.items()).rstrip())
        return Exit.OK
    output.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (output / name).write_text(text, encoding="utf-8")
        emit(str(output / name))
    say(f"mesh: {_next(what, output, chosen)}")
    return Exit.OK


def _processes(topology: Topology, host: str) -> list[Process]:
    """What runs on one machine. The files may be written on another one than they are for."""
    hosts = prechecks.hosts_of(topology)
    if host:
        prechecks.check_host(topology, host)
    elif len(hosts) > 1:
        text = f"{topology.file.name} is for several machines: say for which, --host {' or --host '.join(hosts)}"
        raise CommandError(text, Exit.USAGE)
    return [p for p in topology.processes if host in ("", p.host)]


def _page(name: str, text: str, several: bool) -> str:
    return f"# --- {name} ---\n{text}" if several else text


def _next(what: str, output: Path, topology: Topology) -> str:
    if what == "procfile":
        return f"honcho -f {output / 'Procfile'} start"
    return f"copy them to /etc/systemd/system, then systemctl enable --now zonemesh-{topology.runtime.name}.target"
