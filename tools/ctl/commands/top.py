"""`mesh top`: the nodes of a cluster, live on a terminal."""

import sys

import rich_click as click

from mesh.clock import SystemClock
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import Environment, cluster_option
from tools.ctl.top.source import ClusterSource


@click.command()
@cluster_option
@click.option(
    "-t",
    "--time",
    "seconds",
    type=click.FloatRange(0.5, 60.0),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Between two readings, in seconds.",
)
@click.pass_obj
def top(environment: Environment, cluster: str | None, seconds: float) -> int:
    """Watch the nodes of a cluster: pressure, processes, players, messages, and what the doctor finds.

    Enter shows everything about a node, `?` the keys, `q` ends it. It draws on a terminal; for scripts there are `mesh
    status --json` and `mesh doctor --json`.

    Exit codes: 0, 1 textual is not installed, 2 there is no terminal, 3 no such cluster.
    """
    source = ClusterSource(cluster, environment, SystemClock())
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CommandError("there is no terminal to draw on; `mesh status` and `mesh doctor` need none", Exit.USAGE)
    try:
        from tools.ctl.top.app import TopApp
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "textual":
            raise
        install = f"{sys.executable} -m pip install textual"
        raise CommandError(f"mesh top draws with textual, which is not installed: {install}") from None
    TopApp(source, seconds).run()
    return Exit.OK
