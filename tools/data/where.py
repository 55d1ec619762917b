"""Which lake a command is about, and whether what it takes is installed."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import rich_click as click

from mesh.lake.lake import FOLDER, NoLake, manifest_of
from mesh.lake.manifest import Manifest
from mesh.topology import Topology
from tools.ctl import clusters
from tools.ctl.clusters import Running
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import Environment, any_cluster_option

F = TypeVar("F", bound=Callable[..., Any])


class Place(NamedTuple):
    """A lake, and the cluster that it belongs to when that is known."""

    folder: Path
    topology: Topology | None = None
    running: Running | None = None


def lake_option(function: F) -> F:
    """Of a cluster, or any lake."""
    option = click.option(
        "--lake", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
        help="A lake that is not in a cluster's runtime folder: a sample, or a copy.",
    )  # fmt: skip
    return any_cluster_option(option(function))


def place_of(environment: Environment, cluster: str | None, lake: Path | None) -> Place:
    """The lake that is meant, whether it is there or not."""
    if lake is not None:
        return Place(lake.absolute())
    topology, running = clusters.find_or_load(cluster, environment)
    return Place(topology.runtime.absolute() / FOLDER, topology, running)


def known(place: Place) -> Manifest:
    """What is in it; CommandError when there is no lake."""
    try:
        return manifest_of(place.folder)
    except NoLake:
        raise CommandError(
            f"there is no lake in {place.folder} yet; `mesh data compact` makes it from the log of a cluster, "
            "`mesh data sample --lake FOLDER` one to try",
            Exit.NOT_FOUND,
        ) from None


def need(*modules: str) -> None:
    """Of the extra `data`; CommandError with what to do."""
    lacking = [name for name in modules if importlib.util.find_spec(name) is None]
    if lacking:
        raise CommandError(
            f"this takes {' and '.join(lacking)}, which an extra brings: pip install 'zonemesh[data]'", Exit.USAGE
        )
