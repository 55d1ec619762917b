"""A small zone around two scenes, on virtual time: short words for what the tests do with it."""

from typing import Any

import numpy as np

from mesh.protocol import play
from mesh.protocol.catalogue import Message
from mesh.protocol.cluster import Enter, Hosted
from mesh.protocol.placement import Depart, Departed, TakeBack
from mesh.protocol.sessions import Status, session_of
from mesh.testing import Cluster, wait_until
from nodes.scene.line import Line
from nodes.scene.node import SceneNode
from nodes.scene.world import Kind
from tests.scene.building import Client, status_of
from tests.scene.neighbours import CenterNode, DcNode, GateNode, LoginNode, LogNode

ROLES = {"scene": SceneNode, "center": CenterNode, "dc": DcNode, "gate": GateNode, "log": LogNode, "login": LoginNode}
SCENE = "eu.one.scene.1"
NEXT = "eu.one.scene.2"

ZONE = """
[cluster]
name = "test"
region = "eu"
zone = "one"
[[process]]
nodes = ["center.1", "dc.1", "log.1", "login.1", "scene.1", "scene.2", "gate.1", "gate.2"]
[settings.scene]
lines_max = 5
[settings.scene.maps.meadow]
size_m = 200.0
aoi_m = 30.0
npcs = 0
players_max = 5
portals = [{x = 100.0, y = 100.0, radius_m = 3.0, to = "cave", to_x = 20.0, to_y = 30.0}]
[settings.scene.maps.cave]
size_m = 100.0
npcs = 0
[settings.scene.maps.tower]
[settings.scene.hosts]
"scene.1" = ["meadow:1", "meadow:2", "cave:7"]
"scene.2" = ["meadow:3", "cave:1"]
"""


class Zone:
    """A cluster, and what is done with it."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.scene: SceneNode = cluster.node("scene.1")
        self.next: SceneNode = cluster.node("scene.2")
        self.gate: GateNode = cluster.node("gate.1")
        self.other: GateNode = cluster.node("gate.2")
        self.center: CenterNode = cluster.node("center.1")
        self.bank = cluster.node("dc.1").bank

    async def enter(self, account: int, epoch: int = 1, line: int = 0, scene: str = SCENE, **status: Any) -> Any:
        said = Enter(session_of(account, epoch), self.status(account, **status), line)
        hosted = await self.center.ask(scene, said)
        return hosted.map, hosted.line

    def status(self, account: int, x: float = 50.0, y: float = 50.0, **fields: Any) -> Status:
        return status_of(account, x, y, **fields)

    async def join(self, account: int, epoch: int = 1, line: int = 0, **status: Any) -> tuple[int, Client]:
        """Enter and attach at the first gate; handle and client, which has Entered."""
        await self.enter(account, epoch, line, **status)
        return await self.attach(account, epoch)

    async def attach(self, account: int, epoch: int = 1, scene: str = SCENE, **fields: Any) -> tuple[int, Client]:
        handle = await self.gate.attach(scene, session_of(account, epoch), **fields)
        client = self.gate.clients[handle]
        await wait_until(lambda: client.of(play.Entered))
        return handle, client

    async def depart(self, account: int, why: Any = "portal", epoch: int = 1, timeout_s: float = 5.0) -> Departed:
        answer = await self.center.ask(SCENE, Depart(session_of(account, epoch), why), timeout_s)
        assert isinstance(answer, Departed)
        return answer

    async def arrive(self, departed: Departed, scene: str = NEXT, epoch: int = 1, **fields: Any) -> Hosted:
        """Where the center sends what departed."""
        said = Enter(session_of(departed.status.account, epoch), departed.status, carried=departed.carried, **fields)
        return await self.hosted(scene, said)

    async def take_back(self, account: int, epoch: int = 1) -> Hosted:
        return await self.hosted(SCENE, TakeBack(session_of(account, epoch)))

    async def hosted(self, scene: str, said: Message) -> Hosted:
        answer = await self.center.ask(scene, said)
        assert isinstance(answer, Hosted)
        return answer

    def session(self, account: int, epoch: int = 1, scene: Any = None) -> Any:
        return (scene or self.scene).sessions.find(session_of(account, epoch))

    def line(self, account: int, epoch: int = 1) -> Line:
        return self.scene.lines.of(self.session(account, epoch))

    def saved(self) -> list[int]:
        """The sessions that the DC was given, in order."""
        return [n for said in self.bank.saved for n in np.frombuffer(said.sessions, "<u8").tolist()]


async def two_together(zone: Zone) -> tuple[int, Client, int, Client]:
    one, client = await zone.join(1, line=1)
    other, their = await zone.join(2, line=1, x=51.0)
    await wait_until(lambda: other in client.view)
    return one, client, other, their


def corpse_for(zone: Zone, account: int, item: str = "ring") -> int:
    line, session = zone.line(account), zone.session(account)
    x, y = int(line.world.x[session.slot]), int(line.world.y[session.slot])
    slot = line.world.add(Kind.CORPSE, "wolf", x, y, hp=0, hp_max=0)
    corpse = line.corpses.add(line.world.number(slot), slot, account, zone.scene.clock.now(), zone.scene.random)
    corpse.item, corpse.gold = item, 7
    return corpse.number
