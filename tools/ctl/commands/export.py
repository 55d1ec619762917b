"""`mesh export procfile|systemd|prometheus|alerts|grafana`."""

import getpass
import os
from collections.abc import Mapping
from pathlib import Path

import rich_click as click

from mesh.topology import Process, Topology
from tools.ctl import clusters, prechecks, state
from tools.ctl.exits import CommandError, Exit
from tools.ctl.exporting import Place, procfile, systemd_units
from tools.ctl.observability import grafana, notifying, rules, scraping
from tools.ctl.options import (
    Environment,
    complete_cluster,
    host_option,
    parse_settings,
    start_options,
)
from tools.ctl.output import emit, say

SUPERVISORS = ("procfile", "systemd")
OBSERVERS = ("prometheus", "alerts", "grafana")
KEPT = (scraping.CONFIGURATION, notifying.CONFIGURATION)
"""People edit these: they are written once."""


@click.command()
@click.argument("what", type=click.Choice([*SUPERVISORS, *OBSERVERS]))
@click.argument("topology", default=clusters.DEFAULT_TOPOLOGY, shell_complete=complete_cluster)
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the files there; what is there already is replaced, but for prometheus.yml and alertmanager.yml, which "
    "you edit. Default: print them.",
)
@click.option("--user", metavar="NAME", help="Whom the services run as. Default: you.")
@click.option("--targets-only", is_flag=True, help="Of prometheus, only who is to be asked: targets.json.")
@host_option
@start_options
@click.pass_obj
def export(
    environment: Environment,
    what: str,
    topology: str,
    output: Path | None,
    user: str | None,
    targets_only: bool,
    host: str,
    base_port: int | None,
    runtime: Path | None,
    settings: tuple[str, ...],
) -> int:
    """Write what other programs need to run or to watch a topology.

    TOPOLOGY is a .toml file or the name of one that comes along (default: local). A Procfile is for honcho: each line
    keeps one process alive. systemd gets one service for each process, with restarts, limits and the order of a stop,
    and one target for all; `systemd-analyze verify DIR/*` checks them. Paths are absolute: the files are for this
    machine.

    prometheus writes prometheus.yml and targets.json. TOPOLOGY may be the name of a cluster that runs: then
    targets.json has what `mesh scale` added, too, and --targets-only writes it again. alerts writes rules and
    alertmanager.yml, and grafana dashboards, with the files by which Grafana finds them. docs/monitoring.md says how
    they go together.

    Exit codes: 0, 1 cannot write, 2 the topology has mistakes, or no such host.
    """
    overrides = parse_settings(settings)
    if targets_only and what != "prometheus":
        raise click.UsageError(f"--targets-only is for prometheus; {what} has no targets")
    if what in SUPERVISORS:
        chosen = clusters.load(
            topology, base_port=base_port, runtime=runtime, overrides=overrides, environment=environment
        )
        files = _for_supervisor(what, chosen, _processes(chosen, host), overrides, user)
    else:
        chosen = _as_it_runs(topology, base_port, runtime, overrides, environment)
        files = _for_observer(what, chosen, host, output, targets_only)
    if output is None:
        emit("\n".join(_page(name, text, len(files) > 1) for name, text in files.items()).rstrip())
        return Exit.OK
    for name, text in files.items():
        _write(output / name, text)
    say(f"mesh: {_next(what, output, chosen)}")
    return Exit.OK


def _for_supervisor(
    what: str, topology: Topology, processes: list[Process], overrides: Mapping[str, str], user: str | None
) -> dict[str, str]:
    place = Place(str(Path.cwd()), user or getpass.getuser())
    if what == "procfile":
        return {"Procfile": procfile(topology, processes, overrides, place)}
    return systemd_units(topology, processes, overrides, place)


def _for_observer(what: str, topology: Topology, host: str, output: Path | None, targets_only: bool) -> dict[str, str]:
    if host:
        prechecks.check_host(topology, host)
    if what == "grafana":
        return grafana.files((output or Path.cwd()).resolve())
    if what == "alerts":
        return rules.files(topology) | notifying.files(topology)
    files = scraping.files(topology, _expected(topology, host))
    return {scraping.TARGETS: files[scraping.TARGETS]} if targets_only else files


def _as_it_runs(
    name: str, base_port: int | None, runtime: Path | None, overrides: Mapping[str, str], environment: Environment
) -> Topology:
    """Of a cluster that runs, with what was added to it; otherwise as it would be started."""
    if base_port is None and runtime is None:
        try:
            return clusters.find(name, environment).load()
        except CommandError as error:
            if error.exit_code is not Exit.NOT_FOUND:
                raise
    topology = clusters.load(name, base_port=base_port, runtime=runtime, overrides=overrides, environment=environment)
    running = (note for note in clusters.running(environment) if note.runtime == str(topology.runtime))
    note = next(running, None)
    return note.load() if note is not None else topology


def _expected(topology: Topology, host: str) -> list[Process]:
    """All but those that `mesh scale` stopped: nobody misses them."""
    known = state.processes_of(topology) if state.is_whole(topology) else {}
    away = {one.name for one in known.values() if one.reason == state.SCALED_AWAY}
    return [p for p in topology.processes if host in ("", p.host) and p.name not in away]


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


def _write(path: Path, text: str) -> None:
    """Whole or not at all: Prometheus reads targets.json when it changes."""
    if path.name in KEPT and path.exists():
        if path.read_text(encoding="utf-8") != text:
            say(f"mesh: {path} is there and may have been edited: it stays as it is; remove it to have it written anew")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
    emit(str(path))


def _next(what: str, output: Path, topology: Topology) -> str:
    match what:
        case "procfile":
            return f"honcho -f {output / 'Procfile'} start"
        case "systemd":
            family = f"zonemesh-{topology.runtime.name}.target"
            return f"copy them to /etc/systemd/system, then systemctl enable --now {family}"
        case "prometheus":
            again = f"mesh export prometheus {topology.runtime.name} --targets-only -o {output}"
            return f"prometheus --config.file={output / scraping.CONFIGURATION}; after `mesh scale`: {again}"
        case "alerts":
            return f"promtool check rules {output / rules.PATTERN}, then have Prometheus reload"
        case _:
            return f"copy {output / 'provisioning'} to /etc/grafana, then restart Grafana"
