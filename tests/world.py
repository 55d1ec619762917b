"""A zone in one process with players in it: what journeys and races are told with."""

import asyncio
from pathlib import Path
from typing import Any

from mesh import keys, tickets
from mesh.client.player import Player
from mesh.errors import PeerLost
from mesh.operator import Operator
from mesh.protocol.control import Describe, Description
from mesh.protocol.journal import Event, Events, QueryEvents
from mesh.protocol.records import DbStat, StatDb
from mesh.testing import Cluster, MemoryClient, wait_until
from mesh.testing.playing import DEAD, creatures, walk_to
from mesh.topology import Topology
from nodes.center.node import CenterNode
from nodes.dc.node import DcNode
from nodes.gate.node import GateNode
from nodes.log.node import LogNode
from nodes.login.node import LoginNode
from nodes.scene.node import SceneNode

__all__ = ["DEAD", "ROLES", "SETTINGS", "MemoryWire", "World", "creatures", "walk_to", "world_topology"]

ROLES = {"center": CenterNode, "dc": DcNode, "log": LogNode, "login": LoginNode, "scene": SceneNode, "gate": GateNode}

# Small and quick: one busy map that both scenes carry, few creatures, cheap passwords.
SETTINGS = """
[settings.login]
argon_memory_kib = 64
argon_passes = 1

[settings.center]
linkdead_s = 60.0

[settings.scene.maps.meadow]
size_m = 200.0
npcs = 6
"""


class MemoryWire:
    """A wire of a player to a gate in memory."""

    def __init__(self, client: MemoryClient) -> None:
        self.client = client

    def send(self, frame: bytes) -> None:
        if self.client.closed is None:
            self.client.send(frame)

    def close(self) -> None:
        if self.client.closed is None:
            self.client.close()

    def abort(self) -> None:
        if self.client.closed is None:
            self.client.connection.end("aborted")


class World:
    """A running zone."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.operator = Operator(cluster.topology, cluster.network, cluster.clock)
        self.key = keys.load_or_create(cluster.topology.keys / keys.TICKETS)

    def node(self, short: str) -> Any:
        return self.cluster.node(short)

    async def dial(self, url: str, on_frame: Any, on_closed: Any) -> MemoryWire:
        """Connect to the gate that listens at `url`."""
        for short, front in self.cluster.fronts.items():
            node = self.cluster.nodes.get(short)
            if isinstance(node, GateNode) and node.url() == url and front.listening:
                try:
                    client = front.connect()
                except ConnectionError as error:
                    raise PeerLost(f"no connection to {url}: {error}") from None
                client.on_frame, client.on_closed = on_frame, on_closed
                return MemoryWire(client)
        raise PeerLost(f"no connection to {url}")

    def url(self, short: str = "gate.1") -> str:
        return self.node(short).url()

    def ticket(self, account: str) -> str:
        return tickets.sign_ticket(self.key, account, self.cluster.clock.wall() + 300)

    async def login(self, account: str, gate: str = "gate.1", **how: Any) -> Player:
        """A player in the world, by ticket."""
        how.setdefault("timeout_s", 10.0)
        secret = self.ticket(account)
        return await Player.login(
            self.url(gate), secret=secret, method="ticket", dial=self.dial, clock=self.cluster.clock, **how
        )

    async def login_password(self, account: str, password: str) -> Player:
        return await Player.login(self.url(), account, password, dial=self.dial, clock=self.cluster.clock)

    async def login_token(self, token: str) -> Player:
        return await Player.login(self.url(), secret=token, method="resume", dial=self.dial, clock=self.cluster.clock)

    async def together(self, one: str, other: str) -> tuple[Player, Player]:
        """Two players on one scene, side by side. Placement spreads players, so more are let in until it fits."""
        first = await self.login(one)
        for n in range(10):
            second = await self.login(other)
            if second.session.entered.scene == first.session.entered.scene:
                break
            await second.logout()
            await self.login(f"filler-{n}")
        await walk_to(second, first.session.x, first.session.y)
        await wait_until(lambda: first.session.entered.you.entity in second.session.view)
        await wait_until(lambda: second.session.entered.you.entity in first.session.view)
        return first, second

    async def hunt(self, player: Player) -> int:
        """Go to a creature and attack it until it is dead; its entity."""
        center = round(player.session.entered.size_m / player.session.entered.unit_m / 2)
        await walk_to(player, center, center, stop=lambda: creatures(player))
        await wait_until(lambda: creatures(player))
        target = creatures(player)[0]
        while target in player.session.view and not player.session.view[target].state & DEAD:
            seen = player.session.view[target]
            await walk_to(player, seen.x, seen.y, steps_max=5)
            player.attack(target)
            await asyncio.sleep(0.3)
        return target

    async def corpse_in_view(self, player: Player) -> int:
        def corpses() -> list[int]:
            return [e.id for e in player.session.view.values() if e.kind == "corpse"]

        await wait_until(corpses)
        return corpses()[0]

    def steps(self) -> dict[int, int]:
        """How often each step happened, over all nodes."""
        nodes = self.cluster.nodes.values()
        return {step: sum(node.dispatch.steps[step] for node in nodes) for step in range(1, 10)}

    def players(self) -> int:
        """Characters in the world."""
        return sum(self.node(s).load().players for s in self.cluster.nodes if s.startswith("scene"))

    async def gold(self) -> dict[str, int]:
        """All wallets, and what was ever minted and burned."""
        answer = await self.operator.ask("dc.1", StatDb())
        assert isinstance(answer, DbStat)
        return dict(answer.facts["gold"])

    async def events(self) -> list[Event]:
        answer = await self.operator.ask("log.1", QueryEvents(limit=1000))
        assert isinstance(answer, Events)
        return answer.events

    async def describe(self) -> list[Description]:
        answers = [await self.operator.ask(short, Describe()) for short in self.cluster.nodes]
        return [answer for answer in answers if isinstance(answer, Description)]


def world_topology(tmp_path: Path, text: str) -> Topology:
    """A topology out of its text, with its files in the test's folder."""
    from mesh.topology import load

    file = tmp_path / "zone.toml"
    file.write_text(text + SETTINGS)
    return load(file, runtime=tmp_path / "run")
