"""`mesh restart NODE`."""

import asyncio
import signal

import rich_click as click

from mesh.clock import Clock, SystemClock
from mesh.errors import MeshError
from mesh.topology import Process, Topology
from tools.ctl import clusters, state
from tools.ctl.control import Request, ask
from tools.ctl.draining import TIMEOUT_S, contents, empty_first
from tools.ctl.exits import CommandError, Exit
from tools.ctl.launch import is_ready
from tools.ctl.lazy import did_you_mean
from tools.ctl.options import Environment, cluster_option, complete_node
from tools.ctl.output import say, span
from tools.ctl.processes import is_local, send
from tools.ctl.upgrading import replaceable, running_of

RESTART_S = 75.0  # 38 s until it is known whether it hands over, 30 s to become Ready: the supervisor answers before
KEEP_S = 40.0  # 4 s to stop, 30 s to become Ready
POLL_S = 0.05


@click.command()
@click.argument("node", shell_complete=complete_node)
@click.option(
    "--cold",
    is_flag=True,
    help="End it first: the players of a scene go on elsewhere as if it had died, the clients of a gate come back.",
)
@cluster_option
@click.pass_obj
def restart(environment: Environment, node: str, cold: bool, cluster: str | None) -> int:
    """Stop a node gracefully and start it again; returns when it is Ready.

    Nodes that share a process are restarted together, and players stay connected: the clients of a gate go to another
    one before, when there is one. A scene that has a process of its own hands everything over to the new one, so that
    its players do not notice; when that does not work it goes on as it was. A node that was drained serves again
    afterwards.

    Exit codes: 0 it is Ready again, 1 somebody else looks after it, 3 no such node or cluster, 4 it did not become
    Ready, 5 no answer in time.
    """
    note = clusters.find(cluster, environment)
    topology = note.load()
    process = process_of(topology, node)
    _check_ours(note, process)
    clock = SystemClock()
    begun = clock.now()
    if not cold:
        asyncio.run(_empty_gates(topology, process, clock))
    if state.is_whole(topology):
        asyncio.run(ask(topology, Request("restart", process.name, cold=cold), RESTART_S))
    else:
        asyncio.run(_under_keep(topology, process, clock))
    say(f"mesh: {process.name} is Ready again after {span(clock.now() - begun)}")
    return Exit.OK


async def _empty_gates(topology: Topology, process: Process, clock: Clock) -> None:
    """Its clients go to others, as far as there are others that take them: a restart happens in any case."""
    running = [one for one, _ in running_of(topology, state.processes_of(topology))]
    for gate in replaceable(process, running, ("gate",)):
        try:
            done = await empty_first(topology, gate, TIMEOUT_S, clock)
        except (CommandError, MeshError) as error:
            say(f"mesh: {gate.short} keeps its clients until it ends: {error}")
        else:
            if done.moved:
                say(f"mesh: {gate.short}: {contents('gate', done.moved)} moved")


def _check_ours(note: clusters.Running, process: Process) -> None:
    """CommandError for a process that no supervisor of ours on this machine looks after."""
    if not is_local(process.host):
        raise CommandError(f"{process.name} runs on {process.host}: `mesh restart {process.name}` there")
    if note.kind == "outside":
        raise CommandError(f"{process.name} is not run by mesh: restart it with what started it, such as systemctl")


def process_of(topology: Topology, node: str) -> Process:
    """By process, node or full node name; CommandError with what comes close."""
    for process in topology.processes:
        if node in (process.name, *(n.short for n in process.nodes), *(n.name for n in process.nodes)):
            return process
    known = [n.short for n in topology.nodes.values()]
    raise CommandError(f"there is no node {node} in {topology.runtime.name}{did_you_mean(node, known)}", Exit.NOT_FOUND)


async def _under_keep(topology: Topology, process: Process, clock: Clock) -> None:
    """A keep starts its node again whenever it ends, so it is enough to end it."""
    before = state.processes_of(topology).get(process.nodes[0].short)
    if before is None or not send(before.identity, signal.SIGTERM):
        raise CommandError(f"{process.name} does not run", Exit.UNHEALTHY)
    end = clock.now() + KEEP_S
    while before.runs or not await is_ready(process.host, process.metrics_port, 1.0):
        if clock.now() >= end:
            raise CommandError(f"{process.name} is not Ready after {KEEP_S:.0f} s", Exit.TIMED_OUT)
        await asyncio.sleep(POLL_S)
