"""Takes snapshots: asks every node of a cluster at once, as an operator, twice.

It needs no ops node and no center, so that it also works when those are what is broken. A node that does not answer, or
answers with nonsense, costs its own figures and nobody else's.
"""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from mesh.clock import Clock
from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.control import Describe, Description
from mesh.protocol.monitoring import MetricsRead, ReadMetrics
from mesh.topology import NodeSpec, Topology
from tools.ctl import state
from tools.ctl.asking import expect
from tools.ctl.commands.status import merge
from tools.ctl.processes import is_local
from tools.ctl.snapshot.bots import BotsWatch
from tools.ctl.snapshot.figures import Figures, Layout, NonsenseError, Row, row_of
from tools.ctl.snapshot.model import BotsProcess, NodeView, Snapshot

ANSWER_S = 2.0  # for one answer; who takes longer is Silent
SECONDS = 2.0  # between the two readings


class Told(msgspec.Struct, frozen=True):
    """What one node said at one moment."""

    answer: Description | MeshError
    row: Row | None = None
    problem: str = ""  # why there is no row
    apart_s: float = 0.0  # how far its clock is ahead of ours
    unsure_s: float = 0.0
    at_s: float = 0.0  # when the row came


Moment = dict[str, Told]
"""By full name, all nodes of the topology."""


class Reader:
    """Reads all nodes, again and again. Owns the layouts of their figures, which travel only when they are new."""

    def __init__(self, topology: Topology, operator: Operator, clock: Clock, answer_s: float = ANSWER_S) -> None:
        self.topology = topology
        self._operator, self._clock, self._answer_s = operator, clock, answer_s
        self._known: dict[str, tuple[int, int, Layout]] = {}  # by full name: incarnation, number of the layout

    async def read(self, only: Sequence[str] = ()) -> Moment:
        """One reading, of all nodes or of these (full names)."""
        names = list(only or self.topology.nodes)
        return dict(zip(names, await asyncio.gather(*map(self._read, names)), strict=True))

    async def _read(self, name: str) -> Told:
        asked, wall_s = self._clock.now(), self._clock.wall()
        try:
            answer = expect(await self._operator.ask(name, Describe(), self._answer_s), Description)
        except MeshError as error:
            return Told(error)
        unsure_s = (self._clock.now() - asked) / 2
        wall_ms = answer.facts.get("wall_ms")
        apart_s = wall_ms / 1000 - wall_s - unsure_s if isinstance(wall_ms, int) else 0.0
        try:
            row = await self._read_row(name, answer.incarnation)
        except NonsenseError as error:
            return Told(answer, None, f"its figures make no sense: {error}", apart_s, unsure_s)
        except MeshError as error:
            return Told(answer, None, f"it did not tell its figures: {error}", apart_s, unsure_s)
        return Told(answer, row, "", apart_s, unsure_s, self._clock.now())

    async def _read_row(self, name: str, incarnation: int) -> Row:
        known = self._known.pop(name, None)
        if known is not None and known[0] != incarnation:  # a new life numbers its layouts anew
            known = None
        question = ReadMetrics(known[1] if known is not None else 0)
        said = expect(await self._operator.ask(name, question, self._answer_s), MetricsRead)
        row = row_of(said, known[2] if known is not None else None)
        self._known[name] = (incarnation, said.layout, row.layout)
        return row


async def take(
    topology: Topology,
    label: str,
    operator: Operator,
    clock: Clock,
    seconds: float = SECONDS,
    only: Sequence[str] = (),
) -> Snapshot:
    """Two readings, so many seconds apart, of all nodes or of these (full names)."""
    reader, bots = Reader(topology, operator, clock), BotsWatch(clock)
    before = await reader.read(only)
    bots.look()
    await asyncio.sleep(seconds)
    now = await reader.read(only)
    return snapshot_of(topology, label, before, now, state.processes_of(topology), bots.look())


def snapshot_of(
    topology: Topology,
    label: str,
    before: Moment,
    now: Moment,
    known: Mapping[str, state.ProcessState],
    bots: Sequence[BotsProcess] = (),
) -> Snapshot:
    """Of two readings and of what the supervisor knows of each node, by short name."""
    views: list[NodeView] = []
    processes: set[tuple[str, int]] = set()
    seconds = 0.0
    for spec in topology.nodes.values():
        told = now.get(spec.name)
        if told is None:  # it is new in the topology, and nobody has asked it yet
            continue
        figures = _figures(before.get(spec.name), told)
        leads = figures is not None and (spec.host, figures.now.pid) not in processes
        if figures is not None:
            processes.add((spec.host, figures.now.pid))
            seconds = max(seconds, figures.seconds)
        views.append(_view(spec, told, known.get(spec.short), topology, figures, leads))
    here = next((host for host in dict.fromkeys(view.host for view in views) if is_local(host)), "")
    return Snapshot(topology, label, seconds, views, list(bots), here)


def _view(
    spec: NodeSpec,
    told: Told,
    known: state.ProcessState | None,
    topology: Topology,
    figures: Figures | None,
    leads: bool,
) -> NodeView:
    said = told.answer if isinstance(told.answer, Description) else None
    status = merge(spec, told.answer, known, topology)
    return NodeView(spec, status, said, figures, told.problem, told.apart_s, told.unsure_s, leads)


def _figures(before: Told | None, now: Told) -> Figures | None:
    """Growth only within one life."""
    if now.row is None:
        return None
    assert isinstance(now.answer, Description), "who told figures has described itself"
    was = before.answer if before is not None else None
    if before is None or before.row is None or not isinstance(was, Description):
        return Figures(now.row)
    if was.incarnation != now.answer.incarnation:
        return Figures(now.row)
    return Figures(now.row, before.row, now.at_s - before.at_s)
