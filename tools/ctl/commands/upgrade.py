"""`mesh upgrade`."""

import asyncio
import contextlib
import os
import shutil

import rich_click as click

from mesh.clock import SystemClock
from mesh.errors import MeshError, TopologyError
from mesh.protocol.control import Describe, Description, Drained
from mesh.topology import ROLES, NodeSpec, Topology
from tools.ctl import clusters, prechecks, state
from tools.ctl.asking import gather
from tools.ctl.commands.restart import RESTART_S
from tools.ctl.control import Request, ask
from tools.ctl.draining import TIMEOUT_S, empty_first
from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import Environment, cluster_option, json_option
from tools.ctl.output import emit_json, say, span
from tools.ctl.rollout import Rollout, Stepped
from tools.ctl.scaling import GONE
from tools.ctl.upgrading import ORDER, Step, complaints, plan

ANSWER_S = 2.0


@click.command()
@click.option(
    "--python",
    default="",
    metavar="PATH",
    help="The Python of another installation: nodes run from that from now on. Default: each from the one it has.",
)
@click.option("--only", type=click.Choice(ROLES), help="Only processes that have a node of this role.")
@click.option("--cold", is_flag=True, help="Scenes are drained instead of handed over, between versions that cannot.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(1, 3600),
    default=TIMEOUT_S,
    show_default=True,
    metavar="S",
    help="How long a node may take to become empty, in seconds. It is restarted then.",
)
@cluster_option
@json_option
@click.pass_obj
def upgrade(
    environment: Environment,
    python: str,
    only: str | None,
    cold: bool,
    timeout_s: float,
    cluster: str | None,
    as_json: bool,
) -> int:
    """Restart every node, one after the other, while players play: with new code, or from another installation.

    Whoever is asked comes before whoever asks: log, dc, center, login, scene, gate. Of two DCs the standby comes first.
    The clients of a gate go to other gates before, a scene hands everything over to its new process. Between two steps
    all nodes must be Ready and linked again. It stops at the first failure and says how to go on or back; a node that
    does not come up from another installation serves from its old one again.

    Exit codes: 0 all done, 1 somebody else looks after the cluster, 2 PATH is not such an installation, 3 no such
    cluster, 4 a node is not well, 5 no answer in time.
    """
    note = clusters.find(cluster, environment)
    topology = note.load()
    _check(note)
    if python:
        python = _checked(python, topology, note)
    clock = SystemClock()
    began = clock.now()
    with contextlib.closing(prechecks.lock(topology, "upgrade", "an upgrade")):
        hands = _Hands(topology, cold, timeout_s)
        steps = asyncio.run(_first_look(topology, hands, only or "", python, cold))
        done = asyncio.run(Rollout(topology, steps, python, hands, clock, lambda text: say(f"mesh: {text}")).run())
    _tell(topology, done, clock.now() - began, as_json)
    return Exit.OK


def _check(note: clusters.Running) -> None:
    """CommandError when no supervisor of ours starts the nodes."""
    if note.kind != "supervisor":
        text = (
            f"{note.label} is not run by `mesh up`: put the new code where it is started from, then restart its nodes"
        )
        raise CommandError(f"{text} one by one, in this order: {', '.join(ORDER)}")


def _checked(python: str, topology: Topology, note: clusters.Running) -> str:
    """Its whole path; CommandError or TopologyError when our nodes do not run from it with this topology."""
    path = shutil.which(python)
    if path is None:
        raise CommandError(f"{python} is not a program; nothing was changed", Exit.USAGE)
    path = os.path.abspath(path)  # not resolved: the Python of a virtual environment is a link
    given = topology.file, topology.base_port, topology.runtime, note.overrides
    try:
        problems = prechecks.settings_problems(*given, path)
    except CommandError as error:
        raise CommandError(f"{path} runs no nodes: {error}; nothing was changed", Exit.USAGE) from None
    if problems:
        raise TopologyError(problems)
    return path


async def _first_look(topology: Topology, hands: "_Hands", only: str, python: str, cold: bool) -> list[Step]:
    """CommandError when the cluster is not well before anything is done to it."""
    answers = await hands.describe()
    wrong = complaints(topology, answers)
    if wrong:
        raise CommandError(f"{'; '.join(wrong)}: mend that first, nothing was restarted", Exit.UNHEALTHY)
    return plan(topology, state.processes_of(topology), answers, only=only, python=python, cold=cold)


class _Hands:
    """Of a cluster with a supervisor: see `tools.ctl.rollout.Hands`."""

    def __init__(self, topology: Topology, cold: bool, timeout_s: float) -> None:
        self._topology, self._cold, self._timeout_s = topology, cold, timeout_s

    async def describe(self) -> dict[str, Description | MeshError]:
        known = state.processes_of(self._topology)
        wanted = [
            name
            for name, node in self._topology.nodes.items()
            if node.short not in known or known[node.short].phase not in GONE
        ]
        return await gather(self._topology, wanted, Describe(), Description, ANSWER_S)

    async def empty(self, node: NodeSpec) -> Drained:
        return await empty_first(self._topology, node, self._timeout_s, SystemClock())

    async def restart(self, process: str, python: str) -> None:
        await ask(self._topology, Request("restart", process, python=python, cold=self._cold), RESTART_S)

    def runs_from(self, process: str) -> str:
        return next((s.python for s in state.processes_of(self._topology).values() if s.name == process), "")


def _tell(topology: Topology, done: list[Stepped], seconds: float, as_json: bool) -> None:
    if as_json:
        emit_json({"steps": done, "seconds": round(seconds, 3)})
        return
    names = {process.name for process in topology.processes} - {one.process for one in done}
    rest = f"; not concerned: {', '.join(sorted(names))}" if names else ""
    count = len(done)
    say(f"mesh: {count} process{'' if count == 1 else 'es'} upgraded after {span(seconds)}{rest}")
