"""The zone of a course: the real nodes, each with a life, a disk and failpoints of its own.

Owns what outlives a process (disks, files, who is dead) and the four things that can happen to one: it begins, it is
killed, it stands still, it goes on. A failpoint kills in the middle of a function: at once nothing that the process
still does can be seen by anybody, and its tasks are ended in the next turn of the loop.
"""

import asyncio
import contextvars
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from mesh.checking.tenures import Tenure
from mesh.clock import Clock
from mesh.errors import MeshError, StorageError
from mesh.failpoints import Armed, Failpoints
from mesh.node import Node
from mesh.seat import Seat
from mesh.testing import Cluster
from mesh.testing.lives import Life
from mesh.topology import Topology
from nodes.center.node import CenterNode
from nodes.dc.node import DcNode
from nodes.dc.store import Store
from nodes.gate.node import GateNode
from nodes.log.node import LogNode
from nodes.login.node import LoginNode
from nodes.scene.node import SceneNode
from nodes.simulation.disk import Disk, SimulatedStore, SimulatedWorkers
from nodes.simulation.plan import Plan

Tell = Callable[[str], None]
"""Something happened that whoever looks for the reason of a failure should see."""

OFFICE = "writes from now on"  # what a DC logs that takes office
STOP_S = 4.0  # from SIGTERM to SIGKILL


class MachineClock:
    """The clock of one node: as good as everybody's, until its date jumps by `jump_s`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.now = clock.now
        self.jump_s = 0.0

    def wall(self) -> float:
        return self._clock.wall() + self.jump_s


class ProcessLog:
    """The log of one process: silent when it is dead. Lines go to the cluster's, with the name of the node."""

    def __init__(self, zone: "SimulatedZone", short: str, life: Life) -> None:
        self._zone, self._short, self._life = zone, short, life

    def _add(self, level: str, text: str, fields: dict[str, Any]) -> None:
        if self._life not in self._zone.doomed:
            self._zone.log.lines.append((level, text, {"node": self._short, **fields}))
            if text == OFFICE:
                self._zone.take_office(self._short, **fields)
            if level != "info":
                self._zone.tell(f"{self._short} {level}: {text} {fields or ''}")

    def info(self, text: str, **fields: Any) -> None:
        self._add("info", text, fields)

    def warning(self, text: str, **fields: Any) -> None:
        self._add("warning", text, fields)

    def error(self, text: str, **fields: Any) -> None:
        self._add("error", text, fields)

    def exception(self, text: str, **fields: Any) -> None:
        self._add("exception", text, fields)


class SimulatedZone(Cluster):
    """See the module. `on_failpoint` is told when one has killed a node, `on_crash` when a DC is dead: its store holds
    then what is left."""

    def __init__(self, topology: Topology, data: Path, plan: Plan, tell: Tell) -> None:
        self.stores = {spec.short: SimulatedStore() for spec in topology.nodes.values() if spec.role == "dc"}
        super().__init__(topology, _roles(self.stores, self._ended_itself), data, plan.seed)
        self.tell = tell
        self.clocks = {spec.short: MachineClock(self.clock) for spec in topology.nodes.values()}
        self.network.latency_s = plan.latency_s
        self.lives: dict[str, Life] = {}
        self.doomed: set[Life] = set()  # killed: what they still do is seen by nobody
        self.armed: dict[str, dict[str, Armed]] = {}  # failpoints of the next process of a node
        self.on_failpoint: Callable[[str], None] = lambda _short: None
        self.on_crash: Callable[[str], None] = lambda _short: None
        self.epochs: list[int] = []  # of the center, at each of its starts
        self.offices: list[tuple[str, Tenure]] = []  # which DCs of a pair said that they write, one after the other
        self._beginnings: dict[str, asyncio.Task[None]] = {}
        self._dead: dict[str, Node] = {}  # to be buried
        self._points: list[Failpoints] = []
        self._ended: list[Life] = []
        rolls = random.Random(plan.seed + 1)
        self.disks = {
            spec.short: Disk(rolls, plan.disk_s if spec.role == "dc" else (0.0, 0.001))
            for spec in topology.nodes.values()
        }

    # --- what happens to a process ---

    def begin(self, short: str) -> None:
        """It starts; it is Ready some time later."""
        life = self.lives[short] = Life()
        loop = asyncio.get_running_loop()
        self._beginnings[short] = loop.create_task(self._begin(short), context=life.context)

    async def end(self, short: str) -> None:
        """SIGKILL. It may be dead already, by a failpoint."""
        life = self.lives[short]
        self.doom(short)
        life.go_on()
        beginning = self._beginnings[short]
        beginning.cancel()
        await asyncio.gather(beginning, return_exceptions=True)
        node = self._dead.pop(short, None)
        if node is not None:
            await node.abandon()
        life.end()
        self._ended.append(life)

    async def ask_to_stop(self, short: str) -> None:
        """SIGTERM: it saves, says goodbye and ends, or takes longer than a supervisor waits. `end` is still to come."""
        node, life = self.nodes.get(short), self.lives[short]
        if node is None or life in self.doomed:
            return
        stopping = asyncio.get_running_loop().create_task(node.stop(), context=life.context)
        await asyncio.wait([stopping], timeout=STOP_S)
        stopping.cancel()

    def doom(self, short: str) -> None:
        """From now on nobody hears of it: the visible half of a SIGKILL."""
        if self.lives[short] in self.doomed:
            return
        self.doomed.add(self.lives[short])
        if short in self.stores:
            self.stores[short].crash()
            self.on_crash(short)
        if short in self.nodes:
            self._dead[short] = self.crash(short)

    def stand_still(self, short: str) -> None:
        """SIGSTOP."""
        self.network.pause(self.topology.node(short).name)
        self.lives[short].stand_still()

    def go_on(self, short: str) -> None:
        """SIGCONT."""
        self.lives[short].go_on()
        self.network.pause(self.topology.node(short).name, False)

    def let_go(self) -> None:
        """The course is over: whatever a process has left behind may end with the loop."""
        for life in self._ended:
            life.is_over = False

    def disarm(self) -> None:
        """No failpoint strikes any more."""
        self.armed.clear()
        for failpoints in self._points:
            failpoints.armed = {}

    def is_up(self, short: str) -> bool:
        """Does it run, and can it be spoken to?"""
        node = self.nodes.get(short)
        return node is not None and node.ready.is_set() and not node.failed.is_set() and not self.lives[short].stands

    def has_failed(self, short: str) -> bool:
        """Has it said that it cannot serve? Its process ends then, and the supervisor starts another one."""
        node = self.nodes.get(short)
        return node is not None and node.failed.is_set() and not self.lives[short].stands

    @property
    def store(self) -> SimulatedStore:
        """That of the DC that writes; when nobody does, the first one's."""
        writers = [short for short in self.stores if (pair := self.dc(short).pair) is None or pair.serves]
        return self.stores[(writers or ["dc.1"])[0]]

    def dc(self, short: str) -> DcNode:
        node = self.nodes[short]
        assert isinstance(node, DcNode)
        return node

    def take_office(self, short: str, epoch: int, incarnation: str, **_: Any) -> None:
        """A DC of a pair says that it writes from now on."""
        tenure = Tenure(epoch, f"{self.name(short)} {incarnation}")
        self.offices.append((short, tenure))

    def epoch_of(self, name: str) -> int:
        """The last one in which this DC said that it writes; 0: never."""
        return next((tenure.epoch for short, tenure in reversed(self.offices) if self.name(short) == name), 0)

    def name(self, short: str) -> str:
        return self.topology.node(short).name

    # --- what it is given ---

    def seat(self, short: str) -> Seat:
        life = self.lives[short]
        disk = self.disks[short]
        failpoints = Failpoints(self.armed.pop(short, {}), lambda name, _armed: self._struck(short, name))
        self._points.append(failpoints)
        return replace(
            super().seat(short),
            clock=self.clocks[short],
            log=ProcessLog(self, short, life),
            workers=lambda _threads: SimulatedWorkers(disk, lambda: life in self.doomed or life.is_over),
            failpoints=failpoints,
        )

    def _struck(self, short: str, point: str) -> None:
        if self.lives[short] not in self.doomed:
            self.tell(f"{short} dies at {point}")
            self._ended_itself(short)

    def _ended_itself(self, short: str) -> None:
        """A process that was not killed from outside is over."""
        self.doom(short)
        asyncio.get_running_loop().call_soon(self.on_failpoint, short, context=contextvars.Context())

    async def _begin(self, short: str) -> None:
        self.fronts.pop(short, None)
        node = self.roles[self.topology.node(short).role](self.seat(short))
        self.nodes[short] = node
        try:
            await node.start()
        except MeshError as error:
            self.tell(f"{short} cannot start: {error}")
            node.failed.set()
            return
        if isinstance(node, CenterNode):
            self.epochs.append(node.publications.epoch)


def _roles(stores: dict[str, SimulatedStore], ended: Callable[[str], None]) -> dict[str, type[Node]]:
    class SimulatedDc(DcNode):
        """The DC on a disk that can fail."""

        def open_store(self) -> Store:
            return stores[self.seat.spec.short].open()

        def _die(self, error: StorageError) -> NoReturn:
            """The process of this node is not ours."""
            try:
                super()._die(error)
            except SystemExit:
                ended(self.seat.spec.short)
                raise error from None

    return {
        "center": CenterNode,
        "dc": SimulatedDc,
        "log": LogNode,
        "login": LoginNode,
        "scene": SceneNode,
        "gate": GateNode,
    }
