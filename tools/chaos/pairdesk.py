"""A pair of DCs with their center, the roads between the three, and writers who ask: what dc-failover stands on.

Every connection between two of the three goes through a proxy of its own (`mesh/detours.py`), so that each of them can
be cut off from the others while scenes still reach it: the old writer that everybody would believe. Who says yes is
noted, with the epoch in which it writes as the registry says.
"""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mesh.checking.tenures import Answer, Tenure
from mesh.core.membership import EPOCH
from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.catalogue import Message
from mesh.protocol.control import Describe, Description
from mesh.protocol.records import Operate
from mesh.topology import Topology, load
from tools.bench.cluster import Cluster
from tools.bench.dcdesk import Login, Scene
from tools.bench.standin import stand_in
from tools.chaos.dcdesk import PLAYERS, STARTING_GOLD
from tools.chaos.household import Kept, household
from tools.chaos.roads import Dial, Roads, roads_between
from tools.chaos.scenario import Arena
from tools.chaos.writers import Writers
from tools.ctl.clusters import topology_file
from tools.ctl.exits import CommandError

CENTER, DCS = "center.1", ("dc.1", "dc.2")
PER_S = 500.0  # durable operations: each goes over a proxy, too
REPLICATED_EVERY = 2  # of these is of class R; the others show when somebody writes again, also alone
POLL_S = 0.02
PAIRED_S = 90.0  # for a copy of everything; so long only where the machine itself is slow
TOOK = re.compile(r"(dc\.\d+) writes from now on epoch=(\d+) incarnation='([0-9a-f]+)'")
DIALS: Sequence[Dial] = (
    ("dc.1", CENTER),
    ("dc.1", f"{CENTER}.pub"),
    ("dc.1", "dc.2"),
    ("dc.2", CENTER),
    ("dc.2", f"{CENTER}.pub"),
)
"""Who opens the connection to whom: of the two DCs the first."""


class AskingScene(Scene):
    """Notes who has said yes to an operation, in which epoch."""

    def __init__(self, seat: Any) -> None:
        super().__init__(seat)
        self.answers: list[Answer] = []

    async def ask(self, target: str, message: Message, timeout_s: float = 5.0) -> Message:
        if not isinstance(message, Operate):
            return await super().ask(target, message, timeout_s)
        peer, asked = self._resolve(target, message), self.clock.now()
        epoch = self.epoch_of(peer)
        answer = await super().ask(peer, message, timeout_s)
        self.answers.append(Answer((message.session, message.sequence), asked, self.clock.now(), epoch))
        return answer

    def epoch_of(self, name: str) -> int:
        """In which it writes; 0 for one that does not."""
        member = self.member(name)
        return int(member.facts.get(EPOCH, 0)) if member is not None else 0


@dataclass(frozen=True)
class PairDesk:
    """The processes and those who ask."""

    arena: Arena
    topology: Topology
    kept: dict[str, Kept]
    roads: Roads
    scene: AskingScene
    writers: Writers
    operator: Operator

    def data(self, short: str) -> Path:
        return self.topology.data(self.topology.node(short))

    async def wait_paired(self) -> str:
        """Until one writes and the other one could take over; the short name of the one that writes, "" for nobody."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PAIRED_S):
                while True:
                    for short in DCS:
                        if await self.leads(short):
                            return short
                    await asyncio.sleep(POLL_S)
        return ""

    async def leads(self, short: str) -> bool:
        """Does it write, with a standby that could take over? As it says itself, and as scenes know it."""
        try:
            said = await self.operator.ask(short, Describe(), 1.0)
        except MeshError:
            return False
        assert isinstance(said, Description), "the catalogue names the only answer"
        epoch = said.facts.get("epoch")
        leads = (said.facts.get("pair"), said.facts.get("standby")) == ("writer", "paired")
        known = [member.name for member in self.scene.peers("dc")]
        return leads and known == [said.name] and self.scene.epoch_of(said.name) == epoch

    def claims(self) -> list[Tenure]:
        """Who took office, as each process has said in its log."""
        found = []
        for name in DCS:
            file = self.topology.log_file(self.kept[name].process)
            for short, epoch, incarnation in TOOK.findall(file.read_text(encoding="utf-8", errors="replace")):
                found.append(Tenure(int(epoch), f"{self.topology.node(short).name} {incarnation}"))
        return found


@contextlib.asynccontextmanager
async def pair_of(arena: Arena, settings: Sequence[tuple[str, str]] = ()) -> AsyncIterator[PairDesk]:
    """A center and a pair with new accounts in it, and writers that have not begun."""
    ground = arena.ground
    overrides = {"dc.starting_gold": str(STARTING_GOLD), **dict(settings)}
    topology = load(topology_file("pair"), base_port=ground.base_port, runtime=ground.folder / "p")
    topology.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with (
        roads_between(arena.chance("network"), topology.sockets, DIALS) as roads,
        household(ground, topology, (CENTER, *DCS), overrides, roads.environments) as kept,
    ):
        for one in kept.values():
            if not await one.wait_ready():
                raise CommandError(f"{one.process.name} did not start: {' '.join(one.words())}")
        cluster = Cluster(topology, {}, (), ground.folder, ground.clock)
        async with (
            Operator(topology) as operator,
            stand_in(cluster, AskingScene) as scene,
            stand_in(cluster, Login) as login,
        ):
            chance = arena.chance("writers")
            writers = Writers(login, scene, ground.clock, chance, PER_S, replicated_every=REPLICATED_EVERY)
            desk = PairDesk(arena, topology, kept, roads, scene, writers, operator)
            if not await desk.wait_paired():
                raise CommandError("the standby has not got a copy of everything")
            await writers.log_in(PLAYERS)
            yield desk
