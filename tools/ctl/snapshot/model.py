"""A cluster as it was within some seconds: what each of its nodes said of itself, and what is known of those that said
nothing. Data only, so that whatever judges it can be tried with one that was made up.
"""

import msgspec

from mesh.protocol.control import Description
from mesh.topology import NodeSpec, Topology
from tools.ctl.commands.status import NodeStatus, is_away
from tools.ctl.snapshot.figures import Figures

READY = "Ready"


class NodeView(msgspec.Struct, frozen=True):
    """One node."""

    spec: NodeSpec
    status: NodeStatus  # as `mesh status` has it
    said: Description | None = None  # None: it did not answer
    figures: Figures | None = None
    problem: str = ""  # why there are no figures of a node that answered
    apart_s: float = 0.0  # how far its clock is ahead of ours
    unsure_s: float = 0.0  # give or take so much, which the way may have taken
    leads: bool = True  # is it the first of its process that tells figures? Those of the process count once

    @property
    def short(self) -> str:
        return self.spec.short

    @property
    def role(self) -> str:
        return self.spec.role

    @property
    def zone(self) -> str:
        return self.spec.zone

    @property
    def host(self) -> str:
        return self.spec.host

    @property
    def is_ready(self) -> bool:
        return self.status.state == READY

    @property
    def uptime_s(self) -> float:
        return self.status.uptime_s


class BotsProcess(msgspec.Struct, frozen=True):
    """A process of `mesh bots` on this machine."""

    pid: int
    cpu: float  # of one core


class Snapshot(msgspec.Struct, frozen=True):
    """The whole cluster."""

    topology: Topology
    label: str  # what people call the cluster
    seconds: float  # over which growth was watched
    nodes: list[NodeView]  # in the order of the topology
    bots: list[BotsProcess] = []
    here: str = ""  # the host of the topology that is this machine, if one is

    @property
    def missed(self) -> list[NodeView]:
        """All but those that `mesh scale` stopped, which nobody misses."""
        return [view for view in self.nodes if not is_away(view.status)]

    @property
    def answering(self) -> list[NodeView]:
        return [view for view in self.nodes if view.said is not None]

    def told(self, role: str = "") -> list[tuple[NodeView, Figures]]:
        """Who told figures, of a role or of all."""
        return [(view, view.figures) for view in self.nodes if view.figures is not None and role in ("", view.role)]

    def processes(self) -> list[tuple[NodeView, Figures]]:
        """The same, one for each process."""
        return [(view, figures) for view, figures in self.told() if view.leads]

    def machines(self) -> list[tuple[NodeView, Figures]]:
        """The same, one for each machine that is told of."""
        found: dict[str, tuple[NodeView, Figures]] = {}
        for view, figures in self.processes():
            if figures.value("host_cpus") is not None:
                found.setdefault(view.host, (view, figures))
        return list(found.values())

    def first(self, role: str) -> str:
        """The short name of the first node of a role, "" when there is none."""
        return next((view.short for view in self.nodes if view.role == role), "")

    def view(self, name: str) -> NodeView | None:
        """By short or full name."""
        return next((view for view in self.nodes if name in (view.short, view.spec.name)), None)

    def setting(self, role: str, key: str, default: float) -> float:
        """A number of [settings.<role>] as the topology has it, or as it is when that says nothing."""
        value = self.topology.settings.get(role, {}).get(key, default)
        return float(value) if isinstance(value, int | float) else default
