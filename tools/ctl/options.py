"""Options that several commands share, so that they are spelled and explained the same everywhere."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from mesh.errors import MeshError

F = TypeVar("F", bound=Callable[..., Any])


def complete_cluster(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: clusters that run, and topologies that come along."""
    from tools.ctl import clusters

    try:
        names = [note.label for note in clusters.running(ctx.obj or {})]
        return [n for n in sorted({*names, *clusters.shipped_names()}) if n.startswith(incomplete)]
    except (MeshError, OSError):
        return []


def complete_node(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: nodes of the cluster that runs."""
    from tools.ctl import clusters

    try:
        topology = clusters.find(ctx.params.get("cluster"), ctx.obj or {}).load()
        return [n.short for n in topology.nodes.values() if n.short.startswith(incomplete)]
    except (MeshError, OSError):
        return []


def complete_zone(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: zones of the cluster that runs."""
    from tools.ctl import clusters

    try:
        topology = clusters.find(ctx.params.get("cluster"), ctx.obj or {}).load()
        return [zone for zone in topology.zones if zone.startswith(incomplete)]
    except (MeshError, OSError):
        return []


def complete_host(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell: hosts of the topology that was named before."""
    from tools.ctl import clusters

    try:
        # click has not parsed what stands before an option that has no value yet.
        name = ctx.args[-1] if ctx.args else ctx.params.get("topology") or clusters.DEFAULT_TOPOLOGY
        topology = clusters.load(name, environment=ctx.obj or {})
        return [host for host in {p.host: None for p in topology.processes} if host.startswith(incomplete)]
    except (MeshError, OSError):
        return []


def cluster_option(function: F) -> F:
    return _cluster_option("the only one that runs")(function)


def any_cluster_option(function: F) -> F:
    """For commands that also read what a stopped cluster left."""
    return _cluster_option("the only one that runs; when none does, what local left")(function)


def _cluster_option(default: str) -> Callable[[F], F]:
    return click.option(
        "-c",
        "--cluster",
        metavar="NAME",
        shell_complete=complete_cluster,
        help=f"Which cluster: its name, topology file or runtime folder. Default: {default}.",
    )


def json_option(function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")(function)


def host_option(function: F) -> F:
    return click.option(
        "--host",
        default="",
        metavar="ADDRESS",
        shell_complete=complete_host,
        help="Only the processes that the topology places on this host.",
    )(function)


def zone_option(function: F) -> F:
    return click.option(
        "--zone", default="", metavar="ZONE", shell_complete=complete_zone, help="Only this zone of the cluster."
    )(function)


def start_options(function: F) -> F:
    """What changes a topology at its start."""
    for option in (
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="ROLE.KEY=VALUE",
            help="Change a setting: --set scene.tick_hz=20. Can be repeated.",
        ),
        click.option(
            "--runtime",
            type=click.Path(path_type=Path, file_okay=False),
            help="Folder for data, logs and sockets. Default: var/<cluster>.",
        ),
        click.option(
            "--base-port",
            type=click.IntRange(1024, 65_000),
            metavar="N",
            help="The first port; the others follow. Another one makes a second cluster beside the first.",
        ),
    ):
        function = option(function)
    return function


def parse_settings(settings: tuple[str, ...]) -> dict[str, str]:
    """ROLE.KEY=VALUE pairs; whether role and key exist is the topology's business."""
    pairs = {}
    for item in settings:
        key, equals, value = item.partition("=")
        if not equals or "." not in key:
            raise click.UsageError(f"--set {item}: write ROLE.KEY=VALUE, such as scene.tick_hz=20")
        pairs[key.strip()] = value.strip()
    return pairs


Environment = Mapping[str, str]
