"""`mesh doctor`: what is wrong with a cluster, why, and what mends it."""

import asyncio

import rich_click as click

from mesh.clock import SystemClock
from mesh.operator import Operator
from mesh.topology import Topology
from tools.ctl import clusters
from tools.ctl.doctor.catalogue import CHECKS, NAMES
from tools.ctl.doctor.examination import Report, as_dict, examine
from tools.ctl.exits import CommandError, Exit
from tools.ctl.lazy import did_you_mean
from tools.ctl.options import Environment, cluster_option, json_option
from tools.ctl.output import emit_json, say
from tools.ctl.snapshot.model import Snapshot
from tools.ctl.snapshot.taking import SECONDS, take

SECONDS_MIN, SECONDS_MAX = 0.5, 300.0


def complete_check(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell."""
    return [name for name in NAMES if name.startswith(incomplete)]


@click.command()
@click.option(
    "--check",
    "checks",
    multiple=True,
    metavar="NAME",
    shell_complete=complete_check,
    help="Only this check. Can be repeated.",
)
@click.option("--list", "lists", is_flag=True, help="Show what is checked, and ask nobody.")
@click.option(
    "-t",
    "--time",
    "seconds",
    type=click.FloatRange(SECONDS_MIN, SECONDS_MAX),
    default=SECONDS,
    show_default=True,
    metavar="S",
    help="How long growth is watched, in seconds: what happens rarely is seen in a longer time.",
)
@cluster_option
@json_option
@click.pass_obj
def doctor(
    environment: Environment,
    checks: tuple[str, ...],
    lists: bool,
    seconds: float,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Find out what is wrong with a cluster, why, and what mends it.

    Every node is asked for its figures twice. What is found stands there with what proves it and with the command that
    mends it; what explains other things comes first, with these below it. Notes are no reason to worry.

    Exit codes: 0 healthy, 2 there is no such check, 3 no such cluster, 4 no node answers, 6 something is wrong.
    """
    for name in checks:
        if name not in NAMES:
            raise CommandError(f"there is no check {name!r}{did_you_mean(name, list(NAMES))}", Exit.USAGE)
    if lists:
        _list(as_json)
        return Exit.OK
    note = clusters.find(cluster, environment)
    snapshot = asyncio.run(_take(note.load(), note.label, seconds))
    report = examine(snapshot, checks or NAMES)
    _show(report, as_json)
    if not snapshot.answering:
        say(f"mesh: no node of {note.label} answers; `mesh status` and `mesh logs` may say why")
        return Exit.UNHEALTHY
    return Exit.OK if report.is_healthy else Exit.CHECK_FAILED


async def _take(topology: Topology, label: str, seconds: float) -> Snapshot:
    async with Operator(topology) as operator:
        return await take(topology, label, operator, SystemClock(), seconds)


def _show(report: Report, as_json: bool) -> None:
    if as_json:
        emit_json(as_dict(report))
        return
    from tools.ctl.doctor.page import draw

    draw(report)


def _list(as_json: bool) -> None:
    if as_json:
        emit_json({"checks": [{"name": check.name, "text": check.text} for check in CHECKS]})
        return
    from tools.ctl.doctor.page import draw_list

    draw_list()
