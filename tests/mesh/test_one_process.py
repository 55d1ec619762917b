"""Several roles in one process, with real sockets: short ways inside it, proved ones to everybody else.

Two networks stand for two processes: sockets of different ZeroMQ contexts meet only outside.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mesh import keys, tickets
from mesh.client.player import Player
from mesh.clock import SystemClock
from mesh.protocol.play import Said
from mesh.protocol.social import Shouted, Speak, Spoken
from mesh.seat import Seat
from mesh.testing import InlineWorkers, MemoryFront, SilentLog, wait_until
from mesh.topology import Process, Topology, load
from mesh.transport.auth import Identity, make_keys
from mesh.transport.sockets import ZmqNetwork
from tests.cluster.running import free_base_port
from tests.world import ROLES, SETTINGS, MemoryWire

ZONE = """
[cluster]
name = "mobile"
region = "eu"
zone = "one"

[[process]]
nodes = ["dc.1", "log.1"]

[[process]]
nodes = ["center.1", "login.1", "scene.1", "gate.1"]
"""
SHARED = """
[[process]]
zone = "two"
nodes = ["center.2", "login.2", "scene.2", "gate.2"]
"""
CURVE = "\n[security]\ncurve = true\n"


class Running:
    """The nodes of a topology, each process with a network of its own."""

    def __init__(self, topology: Topology) -> None:
        self.topology, self.clock, self.log = topology, SystemClock(), SilentLog()
        self.fronts: dict[str, MemoryFront] = {}  # by short name of the gate
        self.networks: list[ZmqNetwork] = []
        self.identities: list[Identity] = []
        self.nodes = {}

    async def start(self, process: Process) -> None:
        own = {}
        if self.topology.curve:
            folder = self.topology.keys / "curve"
            own = {spec.name: Identity.load(folder, spec.short) for spec in process.nodes}
        network = ZmqNetwork(own)
        self.networks.append(network)
        self.identities += own.values()
        for spec in process.nodes:
            data = self.topology.data(spec)
            chance = random.Random(spec.process * 100 + spec.number)
            front = self.fronts[spec.short] = MemoryFront()
            seat = Seat(
                spec, self.topology, self.clock, network, chance, self.log, InlineWorkers, data, lambda *_, f=front: f
            )
            self.nodes[spec.short] = ROLES[spec.role](seat)
            await self.nodes[spec.short].start()

    async def stop(self) -> None:
        await asyncio.gather(*(node.stop() for node in self.nodes.values()))
        for network in self.networks:
            network.close()

    async def dial(self, url: str, on_frame, on_closed) -> MemoryWire:
        gate = next(short for short in self.fronts if short.startswith("gate") and self.nodes[short].url() == url)
        client = self.fronts[gate].connect()
        client.on_frame, client.on_closed = on_frame, on_closed
        return MemoryWire(client)

    async def login(self, account: str, gate: str = "gate.1") -> Player:
        key = keys.load_or_create(self.topology.keys / keys.TICKETS)
        ticket = tickets.sign_ticket(key, account, self.clock.wall() + 60)
        url = self.nodes[gate].url()
        return await Player.login(url, secret=ticket, method="ticket", dial=self.dial)

    def links(self, short: str) -> dict[str, str]:
        """How this node reaches those that it dialled: by the last part of their name."""
        up = self.nodes[short].switchboard.links.up.values()
        return {link.peer.split(".", 2)[2]: link.address.split(":")[0] for link in up if link.dialled}


def topology_of(tmp_path: Path, text: str) -> Topology:
    file = tmp_path / "mobile.toml"
    file.write_text(text + SETTINGS)
    topology = load(file, runtime=tmp_path / "run", base_port=free_base_port())
    if topology.curve:
        make_keys(topology.keys / "curve", {n.short: n.name for n in topology.nodes.values()})
    return topology


def play(topology: Topology, story: Callable[[Running], Awaitable[None]]) -> None:
    """With all processes running, all nodes Ready; nobody was refused and no mistake was logged."""

    async def told() -> None:
        running = Running(topology)
        try:
            for process in topology.processes:
                await running.start(process)
            for node in running.nodes.values():
                await node.ready.wait()
            await story(running)
            assert [identity.refused for identity in running.identities] == [0] * len(running.identities)
        finally:
            await running.stop()
        assert [line for line in running.log.lines if line[0] in ("error", "exception")] == []

    asyncio.run(asyncio.wait_for(told(), 30))


@pytest.mark.parametrize("security", ["", CURVE], ids=["plain", "curve"])
def test_four_roles_share_a_process_and_keep_their_proofs(tmp_path: Path, security: str):
    outside = "tcp" if security else "ipc"

    async def story(running: Running) -> None:
        player = await running.login("anna")
        player.say("to my scene")
        player.shout("to the zone")
        assert (await player.wait(Said)).text == "to my scene"
        assert (await player.wait(Shouted)).text == "to the zone"
        await wait_until(lambda: len(running.links("gate.1")) == 4)
        assert running.links("gate.1") == {
            "center.1": "inproc", "login.1": "inproc", "scene.1": "inproc", "log.1": outside,
        }  # fmt: skip
        assert running.links("scene.1") == {"center.1": "inproc", "dc.1": outside, "log.1": outside}
        assert running.links("dc.1") == {"center.1": outside, "log.1": "inproc"}
        await player.logout()

    play(topology_of(tmp_path, ZONE + security), story)


@pytest.mark.parametrize("security", ["", CURVE], ids=["plain", "curve"])
def test_two_game_servers_share_a_dc_and_a_player_travels(tmp_path: Path, security: str):
    outside = "tcp" if security else "ipc"

    async def story(running: Running) -> None:
        await wait_until(lambda: "center.2" in running.links("center.1"))
        anna, bob = await running.login("anna"), await running.login("bob", "gate.2")
        anna.social(Speak("world", "over the border"))
        assert (await bob.wait(Spoken)).text == "over the border"
        entered = await anna.travel("two")
        assert entered.scene == running.nodes["scene.2"].name
        await wait_until(lambda: len(running.links("dc.1")) == 3)
        assert running.links("dc.1") == {"center.1": outside, "center.2": outside, "log.1": "inproc"}
        assert running.links("scene.2") == {"center.2": "inproc", "dc.1": outside, "log.1": outside}
        assert running.links("center.1")["center.2"] == outside
        for player in (anna, bob):
            await player.logout()

    play(topology_of(tmp_path, ZONE + SHARED + security), story)
