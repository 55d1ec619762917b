"""Stopping a cluster from outside, whoever runs it: a supervisor, honcho, or nobody any more."""

import signal
from collections.abc import Callable

from mesh.clock import Clock
from mesh.topology import Topology
from tools.ctl import state
from tools.ctl.control import Request, ask
from tools.ctl.exits import CommandError, Exit
from tools.ctl.processes import Identity, is_alive, send, started_by, wait_gone

CONTROL_S = 3.0
STOP_S = 25.0  # the supervisor promises 20 s
GRACE_S = 4.0  # for nodes whose supervisor is gone


async def stop_cluster(
    topology: Topology,
    clock: Clock,
    say: Callable[[str], None],
    hurry: bool = False,
    holder: Identity | None = None,
) -> int:
    """Returns how many processes were stopped, when nothing of the cluster runs any more. `holder` is its supervisor
    as the list of clusters knows it: it is stopped even if its supervisor.json cannot be read."""
    states = list(state.states_of(topology))
    living = [s for s in states if s.supervised]
    processes = [p for s in states for p in s.processes if p.runs]
    if living:
        await _ask_supervisors(topology, living, hurry, say)
        await _must_be_gone([s.supervisor for s in living], clock, STOP_S)
    unread = 0
    if holder is not None and holder not in [s.supervisor for s in states] and is_alive(holder):
        unread = len(started_by(holder))
        say(f"{topology.runtime / state.SUPERVISOR} cannot be read; the supervisor (pid {holder.pid}) is told to stop")
        send(holder, signal.SIGTERM)
        await _must_be_gone([holder], clock, STOP_S)
    left = [p for p in processes if p.runs]
    for process in left:
        say(f"{process.name} (pid {process.pid}) has no supervisor any more, stopping it")
        send(process.identity, signal.SIGTERM)
    if left and not await wait_gone([p.identity for p in left], clock, GRACE_S):
        for process in left:
            send(process.identity, signal.SIGKILL)
        await _must_be_gone([p.identity for p in left], clock, GRACE_S)
    return len(processes) + unread


async def _ask_supervisors(
    topology: Topology, living: list[state.ClusterState], hurry: bool, say: Callable[[str], None]
) -> None:
    """Over the control socket; by signal when that does not work, and for honcho and keeps, which have none."""
    for keeper in {s.foreman or s.supervisor for s in living if not s.whole}:
        send(keeper, signal.SIGTERM)
    for supervisor in (s.supervisor for s in living if s.whole):
        try:
            await ask(topology, Request("stop", hurry=hurry), CONTROL_S)
        except CommandError as error:
            say(f"{error}; signalling it instead")
            send(supervisor, signal.SIGTERM)


async def _must_be_gone(who: list[Identity], clock: Clock, timeout_s: float) -> None:
    if not await wait_gone(who, clock, timeout_s):
        pids = ", ".join(str(w.pid) for w in who if is_alive(w))
        raise CommandError(f"still running after {timeout_s:.0f} s: pid {pids}", Exit.TIMED_OUT)
