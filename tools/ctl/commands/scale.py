"""`mesh scale ROLE=N ...`."""

import asyncio

import rich_click as click

from mesh.clock import Clock, SystemClock
from mesh.protocol.control import Describe, Description
from mesh.topology import Topology
from tools.ctl import clusters, state
from tools.ctl.asking import gather
from tools.ctl.control import Request, ask
from tools.ctl.draining import TIMEOUT_S, contents, drain_and_show
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import Environment, cluster_option, json_option, zone_option
from tools.ctl.output import emit_json, say, span
from tools.ctl.scaling import SCALABLE, Plan, parse, plan

START_S = 40.0  # 30 s to become Ready
ANSWER_S = 3.0
STOP_S = 10.0  # 4 s to stop, then it is killed


def complete_role(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """For the shell."""
    return [f"{role}=" for role in SCALABLE if role.startswith(incomplete)]


@click.command()
@click.argument("wanted", nargs=-1, required=True, metavar="ROLE=N...", shell_complete=complete_role)
@zone_option
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(1, 3600),
    default=TIMEOUT_S,
    show_default=True,
    metavar="S",
    help="How long a node may take to become empty before it is stopped, in seconds.",
)
@cluster_option
@json_option
@click.pass_obj
def scale(
    environment: Environment, wanted: tuple[str, ...], zone: str, timeout_s: float, cluster: str | None, as_json: bool
) -> int:
    """Change how many gates, logins, scenes or log nodes serve, while players play: mesh scale scene=3 gate=2.

    Further nodes get the next free numbers. Surplus ones are drained and stopped, the highest number first; one that
    cannot be emptied is not stopped. What was added ends with the cluster: for good, add it to the topology.

    Exit codes: 0 done, 1 a port is taken, 2 not a role or number, or more than one cluster has room for, 3 no such
    cluster or zone, 4 a node did not become Ready or empty, or one that is to stay was drained, 5 no answer in time.
    """
    counts = parse(wanted)
    note = clusters.find(cluster, environment)
    topology = note.load()
    _check(note, topology)
    known = state.processes_of(topology)
    plans = [plan(topology, known, role, count, zone) for role, count in counts.items()]
    clock = SystemClock()
    begun = clock.now()
    asyncio.run(_carry_out(topology, plans, timeout_s, clock))
    if as_json:
        emit_json({"scaled": [_as_json(one) for one in plans], "seconds": round(clock.now() - begun, 3)})
    else:
        words = ", ".join(f"{one.role}: {one.before} -> {one.after}" for one in plans)
        say(f"mesh: {words} after {span(clock.now() - begun)}")
    return Exit.OK


def _check(note: clusters.Running, topology: Topology) -> None:
    """CommandError for clusters that cannot change while they run."""
    file = topology.file.name
    if note.kind == "keep":
        text = f"{note.label} runs under a Procfile, which says what there is: add the process to {file}, write the "
        raise CommandError(f"{text}Procfile anew (`mesh export procfile`) and start that")
    if note.kind != "supervisor":
        text = f"{note.label} is not run by `mesh up`: add the process to {file}, and to whatever starts it "
        raise CommandError(f"{text}(`mesh export systemd` writes the units anew)")
    if topology.curve:
        text = f"the links of {file} are encrypted, and a further node needs a key that all others know: add the "
        raise CommandError(f"{text}process to the file, run `mesh keys new {topology.file}`, and start it anew")


async def _carry_out(topology: Topology, plans: list[Plan], timeout_s: float, clock: Clock) -> None:
    """All that grows at the same time, then what shrinks, one node after the other."""
    starts = [Request("add", short, zone=one.zone) for one in plans for short in one.start]
    starts += [Request("restart", short) for one in plans for short in one.wake]
    results = await asyncio.gather(*(_start(topology, request) for request in starts))
    problems = [problem for problem in results if problem]
    if problems:
        raise CommandError("\n".join(problems), Exit.UNHEALTHY)
    for one in plans:
        if one.stop:
            await _check_kept(topology, one)
        for node in one.stop:
            done = await drain_and_show(topology, node, timeout_s, clock)
            await ask(topology, Request("remove", node.short), STOP_S)
            moved = f", {contents(node.role, done.moved)} moved" if done.moved else ""
            say(f"mesh: {node.short} has stopped{moved}")


async def _check_kept(topology: Topology, one: Plan) -> None:
    """CommandError when a node that is to stay gives its players away itself: nobody would take those of the others."""
    kept = [node for node in topology.of_role(one.role, one.zone) if node not in one.stop]
    answers = await gather(topology, [node.name for node in kept], Describe(), Description, ANSWER_S)
    draining = [
        node.short for node in kept if isinstance(said := answers[node.name], Description) and said.state == "Draining"
    ]
    if draining:
        remedy = " and ".join(f"`mesh restart {short}`" for short in draining)
        text = f"{', '.join(draining)} would stay, but was drained and takes nobody: restart it first ({remedy}), "
        raise CommandError(f"{text}then `mesh scale {one.role}={one.after}`", Exit.UNHEALTHY)


async def _start(topology: Topology, request: Request) -> str:
    """What went wrong, or ""."""
    try:
        await ask(topology, request, START_S)
    except CommandError as error:
        return f"{request.process} was not started: {error}"
    say(f"mesh: {request.process} is Ready")
    return ""


def _as_json(one: Plan) -> dict[str, object]:
    return {
        "role": one.role,
        "zone": one.zone,
        "before": one.before,
        "after": one.after,
        "started": [*one.start, *one.wake],
        "stopped": [node.short for node in one.stop],
    }
