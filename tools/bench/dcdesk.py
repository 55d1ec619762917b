"""A DC, and we who ask it: a scene and a login in this process, on the other core. For the bench of the DC.

There is no supervisor and no other node, so that a start is the DC's alone. The file of its database is thrown out of
the kernel's memory before, as after a night. Where the topology has a standby it is there, too, on our core, since it
works while its writer waits for it.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from mesh.operator import Operator
from mesh.protocol.control import Describe, Description
from mesh.topology import Topology
from tools.bench import cores
from tools.bench.cluster import Cluster
from tools.bench.ground import GENERATOR, SERVER, Ground
from tools.bench.standin import StandIn, stand_in
from tools.ctl.exits import CommandError

PAIRED_S = 30.0  # for the standby to get its copy
LOOK_S = 0.05


class Scene(StandIn):
    ROLE = "scene"


class Login(StandIn):
    ROLE = "login"


@dataclass(frozen=True)
class Desk:
    """The DC and those who ask it."""

    ground: Ground
    cluster: Cluster
    scene: Scene
    login: Login
    start_s: float

    @property
    def pid(self) -> int:
        return self.cluster.pids["dc.1"]

    def anonymous_mb(self) -> float:
        """Its memory without the pages of its file, which are the kernel's to take back."""
        used = psutil.Process(self.pid).memory_info()
        return float(used.rss - used.shared) / 1e6


def forget(data: Path) -> None:
    """What the kernel holds of the file in memory: the DC is to find it as after a night."""
    for path in data.iterdir():
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@asynccontextmanager
async def desk_of(
    ground: Ground, topology: Topology, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Desk]:
    """A center and a DC without a supervisor, so that the start is the DC's alone, and its standby where the topology
    has one. `environment`: what the DC has more than we have."""

    def command(node: str) -> list[str]:
        words = [sys.executable, "-P", "-m", "nodes", node, "--topology", str(topology.file)]
        return [*words, "--base-port", str(topology.base_port), "--runtime", str(topology.runtime)]

    async with AsyncExitStack() as stack:
        center = await stack.enter_async_context(ground.program(command("center.1"), (SERVER,)))
        began = ground.clock.now()
        dc = await stack.enter_async_context(ground.program(command("dc.1"), (), environment))
        pids = {"center.1": center.pid, "dc.1": dc.pid}
        cluster = Cluster(topology, pids, (SERVER, GENERATOR), ground.folder, ground.clock)
        scene = await stack.enter_async_context(stand_in(cluster, Scene))
        start_s = ground.clock.now() - began
        login = await stack.enter_async_context(stand_in(cluster, Login))
        if topology.standbys:
            standby = await stack.enter_async_context(ground.program(command("dc.2"), (GENERATOR,)))
            pids["dc.2"] = standby.pid
            await _paired(topology)
        cores.pin([os.getpid()], (GENERATOR,))
        stack.callback(cores.unpin)
        yield Desk(ground, cluster, scene, login, start_s)


async def _paired(topology: Topology) -> None:
    """Until the first DC writes and the other one has everything."""
    try:
        async with asyncio.timeout(PAIRED_S), Operator(topology) as operator:
            while True:
                said = await operator.ask("dc.1", Describe())
                assert isinstance(said, Description), "nothing else answers Describe"
                if (said.facts.get("pair"), said.facts.get("standby")) == ("writer", "paired"):
                    return
                await asyncio.sleep(LOOK_S)
    except TimeoutError:
        raise CommandError(f"the standby has not got its copy within {PAIRED_S:.0f} s") from None
