"""What is done to the cluster while bots play: nodes are killed, one is drained.

Owns the list of what happened. It kills processes of this cluster only: it finds them in what the cluster's own
supervisor wrote down, by pid and start time together, and the supervisor starts them again.
"""

import asyncio
import signal

import msgspec

from mesh.clock import Clock
from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.control import Drain, Drained
from mesh.topology import SINGLE, Topology
from tools.bots.result import Happened
from tools.ctl.exits import CommandError, Exit
from tools.ctl.lazy import did_you_mean
from tools.ctl.processes import send
from tools.ctl.state import ProcessState, processes_of

DRAIN_S = 120.0  # for a node to become empty
LOOK_S = 0.05
READY = "Ready"
PLAYERS = ("gate", "scene")


class Wishes(msgspec.Struct, frozen=True):
    """What shall be done."""

    kill: list[str] = []  # short names of nodes, one after the other and from the beginning again
    kill_every_s: float = 2.0
    drain: str = ""
    after_s: float = 3.0  # of the window, before the first of it


NO_WISHES = Wishes()


class Actions:
    """Carries the wishes out while the window is open."""

    def __init__(self, wishes: Wishes, topology: Topology, clock: Clock, began: float) -> None:
        self.wishes, self.happened = wishes, list[Happened]()
        self.kills = 0
        self.draining = bool(wishes.drain)  # begun or still to come: the window waits for it
        self.drained: Drained | None = None
        self.drain_s = 0.0
        self.problem = "it was not asked before the run was over" if wishes.drain else ""  # why it is not drained
        self._topology, self._clock, self._began = topology, clock, began

    async def carry_out(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(self.wishes.after_s)
        async with asyncio.TaskGroup() as tasks:
            if self.wishes.drain:
                tasks.create_task(self._drain(self.wishes.drain))
            if self.wishes.kill:
                tasks.create_task(self._kill_again_and_again())

    async def settle(self, timeout_s: float) -> None:
        """Until everything that was killed is Ready again."""
        until = self._clock.now() + timeout_s
        while self.wishes.kill and not self._all_ready():
            if self._clock.now() >= until:
                return
            await asyncio.sleep(LOOK_S)

    async def _drain(self, node: str) -> None:
        self._note(f"{node} is asked to become empty")
        asked = self._clock.now()
        try:
            async with Operator(self._topology) as operator:
                said = await operator.ask(node, Drain(), timeout_s=DRAIN_S)
        except MeshError as error:
            self.problem = str(error) or type(error).__name__
            self._note(f"{node} could not be drained: {self.problem}")
            return
        finally:
            self.draining = False
        assert isinstance(said, Drained)
        self.drained, self.drain_s, self.problem = said, self._clock.now() - asked, ""
        what = f"is not empty, {said.left} are left ({said.text})" if said.left else "is empty"
        self._note(f"{node} {what}: {said.moved} moved in {self.drain_s:.1f} s")

    async def _kill_again_and_again(self) -> None:
        """At fixed times, each only when everything is Ready: two at once are another experiment."""
        due, number = self._clock.now(), 0
        while True:
            await asyncio.sleep(max(due - self._clock.now(), 0.0))
            if self._all_ready():
                self._kill(self.wishes.kill[number % len(self.wishes.kill)])
                number += 1
            due += self.wishes.kill_every_s
            await asyncio.sleep(LOOK_S)

    def _kill(self, node: str) -> None:
        process = processes_of(self._topology).get(node)
        if process is not None and send(process.identity, signal.SIGKILL):
            self.kills += 1
            self._note(f"{process.name} is killed")

    def _all_ready(self) -> bool:
        known = processes_of(self._topology)
        return all(_is_ready(known.get(node)) for node in self.wishes.kill)

    def _note(self, text: str) -> None:
        self.happened.append(Happened(round(self._clock.now() - self._began, 2), text))


def check_wishes(wishes: Wishes, topology: Topology) -> None:
    """CommandError for a node that there is not, or that nobody would start again."""
    shorts = sorted(node.short for node in topology.nodes.values())
    for node in [*wishes.kill, *([wishes.drain] if wishes.drain else [])]:
        if node not in shorts:
            raise CommandError(f"there is no node {node!r}{did_you_mean(node, shorts)}", Exit.USAGE)
    if wishes.drain:
        check_drain(wishes.drain, topology)
    known = processes_of(topology)
    for node in wishes.kill:
        if not _is_ready(known.get(node)):
            raise CommandError(f"{node} is not looked after by a supervisor of this machine: it cannot be killed here")


def check_drain(node: str, topology: Topology) -> None:
    """CommandError for a node that nobody could take over from."""
    role = topology.node(node).role
    if role in SINGLE:
        raise CommandError(f"{node} cannot be drained: there is one {role} in a zone", Exit.USAGE)
    if role in PLAYERS and len(topology.of_role(role)) < 2:
        raise CommandError(f"{node} cannot be drained: it is the only {role}, nobody could take over", Exit.USAGE)


def _is_ready(process: ProcessState | None) -> bool:
    return process is not None and process.phase == READY and process.runs
