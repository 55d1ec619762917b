"""Where `mesh top` has its snapshots from: one reading a second, each compared with the one two before it."""

import contextlib
from collections import deque
from collections.abc import Mapping
from typing import Protocol

from mesh.clock import Clock
from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.monitoring import Line, LinesRead, ReadLines
from mesh.topology import Topology
from tools.ctl import clusters, state
from tools.ctl.asking import expect
from tools.ctl.snapshot.bots import BotsWatch
from tools.ctl.snapshot.inspection import BAD
from tools.ctl.snapshot.model import BotsProcess, Snapshot
from tools.ctl.snapshot.taking import Moment, Reader, snapshot_of

ANSWER_S = 0.8  # who takes longer is shown as Silent, and asked again
RELOAD_S = 5.0  # between two looks whether nodes were added, and how busy bots are
READINGS = 3
LINES_KEPT = 50
LINES_ASKED = 1000


class Source(Protocol):
    """What `mesh top` draws."""

    async def open(self) -> None:
        """Before anything is read."""

    async def close(self) -> None:
        """The last thing."""

    async def read(self) -> Snapshot:
        """The cluster as it is now."""

    async def warnings(self, name: str) -> list[Line]:
        """The last warnings of a node's process, by its full name; none when it does not answer."""


class ClusterSource:
    """A running cluster, with the nodes that come and go."""

    def __init__(self, name: str | None, environment: Mapping[str, str], clock: Clock) -> None:
        note = clusters.find(name, environment)
        self._name, self._environment, self._clock = note.runtime, environment, clock
        self._topology, self._label = note.load(), note.label
        self._moments: deque[Moment] = deque(maxlen=READINGS)
        self._bots_watch, self._bots = BotsWatch(clock), list[BotsProcess]()
        self._lines: dict[str, tuple[int, deque[Line]]] = {}  # by full name: where the next answer begins, the bad ones
        self._looked_at = clock.now()
        self._operator: Operator
        self._reader: Reader

    async def open(self) -> None:
        self._begin(self._topology)
        self._bots_watch.look()

    async def close(self) -> None:
        await self._operator.__aexit__(None, None, None)

    async def read(self) -> Snapshot:
        if self._clock.now() - self._looked_at > RELOAD_S:
            self._looked_at = self._clock.now()
            self._bots = self._bots_watch.look()
            await self._reload()
        self._moments.append(await self._reader.read())
        known = state.processes_of(self._topology)
        return snapshot_of(self._topology, self._label, self._moments[0], self._moments[-1], known, self._bots)

    async def warnings(self, name: str) -> list[Line]:
        after, kept = self._lines.get(name, (0, deque(maxlen=LINES_KEPT)))
        try:
            said = expect(await self._operator.ask(name, ReadLines(after, LINES_ASKED), ANSWER_S), LinesRead)
        except MeshError:
            return list(kept)
        kept.extend(line for line in said.lines if line.level in BAD)
        self._lines[name] = (said.last, kept)
        return list(kept)

    def _begin(self, topology: Topology) -> None:
        self._topology = topology
        self._operator = Operator(topology)
        self._reader = Reader(topology, self._operator, self._clock, ANSWER_S)

    async def _reload(self) -> None:
        """Nodes that were added. A cluster that has stopped is shown as it was known last."""
        with contextlib.suppress(MeshError, OSError):
            topology = clusters.find(self._name, self._environment).load()
            if topology.nodes != self._topology.nodes:
                await self.close()
                self._begin(topology)
