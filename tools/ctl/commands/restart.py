"""`mesh restart NODE`."""

import asyncio
import signal

import rich_click as click

from mesh.clock import Clock, SystemClock
from mesh.topology import Process, Topology
from tools.ctl import clusters, state
from tools.ctl.control import Request, ask
from tools.ctl.exits import CommandError, Exit
from tools.ctl.launch import is_ready
from tools.ctl.lazy import did_you_mean
from tools.ctl.options import Environment, cluster_option, complete_node
from tools.ctl.output import say, span
from tools.ctl.processes import is_local, send

RESTART_S = 75.0  # 38 s until it is known whether it hands over, 30 s to become Ready: the supervisor answers before
KEEP_S = 40.0  # 4 s to stop, 30 s to become Ready
POLL_S = 0.05


@click.command()
@click.argument("node", shell_complete=complete_node)
@click.option("--cold", is_flag=True, help="A scene: end it first. Its players go on elsewhere, as if it had died.")
@cluster_option
@click.pass_obj
def restart(environment: Environment, node: str, cold: bool, cluster: str | None) -> int:
    """Stop a node gracefully and start it again; returns when it is Ready.

    Nodes that share a process are restarted together. Players stay connected while a node other than their gate is
    restarted. A node that was drained serves again afterwards. A scene that has a process of its own hands everything
    over to the new one, so that its players do not notice; when that does not work it goes on as it was.

    Exit codes: 0 it is Ready again, 1 somebody else looks after it, 3 no such node or cluster, 4 it did not become
    Ready, 5 no answer in time.
    """
    note = clusters.find(cluster, environment)
    topology = note.load()
    process = process_of(topology, node)
    _check_ours(note, process)
    clock = SystemClock()
    begun = clock.now()
    if state.is_whole(topology):
        asyncio.run(ask(topology, Request("restart", process.name, cold=cold), RESTART_S))
    else:
        asyncio.run(_under_keep(topology, process, clock))
    say(f"mesh: {process.name} is Ready again after {span(clock.now() - begun)}")
    return Exit.OK


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
