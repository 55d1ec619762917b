"""Two zones in one process, with players in both: what the tests of this folder are told with."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from mesh.client.player import Player
from mesh.testing import Cluster, run, with_cluster
from mesh.topology import Topology, load
from nodes.center.directory import Presence
from tests.world import ROLES, World

TOPOLOGY = """
[cluster]
name = "test"
region = "eu"
zone = "one"

[[process]]
nodes = ["center.1"]
[[process]]
nodes = ["dc.1"]
[[process]]
nodes = ["log.1"]
[[process]]
nodes = ["login.1"]
[[process]]
nodes = ["scene.1"]
[[process]]
nodes = ["gate.1"]
[[process]]
zone = "two"
nodes = ["center.2"]
[[process]]
zone = "two"
nodes = ["login.2"]
[[process]]
zone = "two"
nodes = ["scene.2"]
[[process]]
zone = "two"
nodes = ["gate.2"]

[settings.login]
argon_memory_kib = 64
argon_passes = 1

[settings.scene.maps.meadow]
size_m = 200.0
npcs = 0
"""
GATES = {"one": "gate.1", "two": "gate.2"}
CENTERS = {"one": "center.1", "two": "center.2"}
SCENES = {"one": "scene.1", "two": "scene.2"}
OTHER = {"one": "two", "two": "one"}


class TwoZones(World):
    """See the module."""

    async def enter(self, account: str, zone: str, **how: Any) -> Player:
        """A player in the world, in this zone."""
        return await self.login(account, GATES[zone], **how)

    def center(self, zone: str) -> Any:
        return self.node(CENTERS[zone])

    def presence(self, player: Player, zone: str) -> Presence | None:
        """How the center of a zone sees a player."""
        found: Presence | None = self.center(zone).directory.of_name(player.session.character)
        return found

    def owners(self, name: str) -> list[tuple[str, int]]:
        """Zone and session of every character of this name that is in a scene's world."""
        return sorted(
            (zone, at.session)
            for zone, scene in SCENES.items()
            if scene in self.cluster.nodes and self.node(scene).failure is None  # else its process ends
            for at in self.node(scene).residents.on_list_hosted(None, None).hosted
            if at.status.name == name and not at.departed
        )

    def zones_of(self, name: str) -> list[str]:
        """Where a character is, after the centers."""
        return [
            zone
            for zone, center in CENTERS.items()
            if center in self.cluster.nodes and self.center(zone).directory.of_name(name) is not None
        ]

    def is_linked(self) -> bool:
        """Can the centers reach each other?"""
        two = self.cluster.topology.node("center.2").name
        return "center.1" in self.cluster.nodes and two in self.node("center.1").switchboard.links.up


Story = Callable[[TwoZones], Awaitable[None]]


def two_zones(folder: Path, more: str = "") -> Topology:
    file = folder / "two.toml"
    file.write_text(TOPOLOGY + more)
    return load(file, runtime=folder / "run")


def tell(
    folder: Path,
    story: Story,
    *,
    more: str = "",
    seed: int = 1,
    latency_s: tuple[float, float] = (0.0, 0.0),
    errors: bool = False,
) -> None:
    """Run a story in two zones. `errors`: mistakes may be logged."""

    async def told(cluster: Cluster) -> None:
        cluster.network.latency_s = latency_s
        await story(TwoZones(cluster))
        assert errors or cluster.internal_errors() == []

    run(with_cluster(two_zones(folder, more), ROLES, folder / f"data-{seed}", told, seed=seed))
