"""`mesh down`."""

import asyncio

import rich_click as click

from mesh.clock import SystemClock
from mesh.topology import Topology
from tools.ctl import clusters, state
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import Environment, cluster_option, complete_cluster
from tools.ctl.output import say, span
from tools.ctl.processes import Identity
from tools.ctl.stopping import stop_cluster


@click.command()
@click.argument("name", required=False, metavar="[CLUSTER]", shell_complete=complete_cluster)
@cluster_option
@click.option("--all", "every", is_flag=True, help="Stop every cluster of this user on this machine.")
@click.option("--now", is_flag=True, help="Be impatient: all nodes at once, killed after a second.")
@click.pass_obj
def down(environment: Environment, name: str | None, cluster: str | None, every: bool, now: bool) -> int:
    """Stop a cluster: players are saved, the database is flushed.

    CLUSTER is its name, topology file or runtime folder; not needed when only one runs. Gates stop first, then scenes,
    the database last. A node has 4 s, the whole stop 20 s; whoever is left then is killed. Also ends what a killed
    supervisor left behind. Of a cluster on several machines it stops what runs on this one: the machine of the DC last.

    Exit codes: 0 nothing of it runs any more, 1 somebody else runs it, 2 several are running, 3 none is, 5 it did not
    stop in time.
    """
    clock = SystemClock()
    begun = clock.now()
    for topology, holder in _meant(environment, name or cluster, every):
        count = asyncio.run(stop_cluster(topology, clock, say, now, holder))
        say(f"mesh: cluster {topology.runtime.name}: {count} processes stopped after {span(clock.now() - begun)}")
    return Exit.OK


def _meant(environment: Environment, cluster: str | None, every: bool) -> list[tuple[Topology, Identity | None]]:
    """With the supervisor of each."""
    if every:
        return [_of(note) for note in clusters.running(environment)]
    try:
        return [_of(clusters.find(cluster, environment))]
    except CommandError as error:
        if error.exit_code is not Exit.NOT_FOUND:
            raise
        topology = _orphaned(cluster, environment)
        if topology is None:
            raise
        return [(topology, None)]


def _of(note: clusters.Running) -> tuple[Topology, Identity | None]:
    if note.kind == "outside":
        raise CommandError(f"{note.label} is not run by mesh: stop it with what started it, such as systemctl")
    return note.load(), note.holder if note.kind == "supervisor" else None


def _orphaned(cluster: str | None, environment: Environment) -> Topology | None:
    """A cluster whose supervisor was killed is not on the list any more, but may have nodes that still stop."""
    try:
        topology, _ = clusters.find_or_load(cluster, environment)
    except CommandError:
        return None
    return topology if state.leftovers(topology) else None
