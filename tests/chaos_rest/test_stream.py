"""The center's publications: whoever loses some of them soon knows what everybody knows, also when nothing follows."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mesh.checking.stream import stream
from mesh.protocol.cluster import Publicise
from mesh.testing import Cluster, run, wait_until, with_cluster
from tests.conftest import ZONE
from tests.world import ROLES, World, world_topology

Story = Callable[[World], Awaitable[None]]
HEALED_S = 0.5  # what may pass until a subscriber is equal to the snapshot
AGAIN_S = 0.1  # of it, the connection may take this to be made again; in memory it is never broken


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Story], None]:
    def go(story: Story) -> None:
        async def told(cluster: Cluster) -> None:
            await story(World(cluster))
            assert cluster.internal_errors() == []

        run(with_cluster(world_topology(tmp_path, ZONE), ROLES, tmp_path / "data", told))

    return go


def test_what_was_lost_at_the_end_of_the_stream_is_there_soon(play: Callable[[Story], None]) -> None:
    async def story(world: World) -> None:
        network, gate = world.cluster.network, world.node("gate.1")
        center = world.node("center.1").publications
        for part in range(20):  # at any moment between two signs of life of the stream
            await asyncio.sleep(0.05 * part)
            network.lossy[gate.name] = 1
            await world.operator.ask("center.1", Publicise("server", f"word {part}"))
            lost_at, wanted = world.cluster.clock.now(), center.sequence
            await wait_until(lambda wanted=wanted: gate.registry.membership.sequence >= wanted)
            assert world.cluster.clock.now() - lost_at <= HEALED_S - AGAIN_S

    play(story)


def test_the_checker_names_what_is_missing_doubled_or_late() -> None:
    assert stream("a", [1, 2, 3], 3, 1) == []
    assert stream("a", [2, 3], 3) == [], "whoever came late begins anywhere"
    assert stream("a", [], 3) == []
    assert [one.text for one in stream("a", [1, 3], 3, 1)] == ["a has not heard 1, such as 2"]
    assert [one.text for one in stream("a", [1, 2], 3, 1)] == ["a has not heard 1, such as 3"]
    assert [one.text for one in stream("a", [], 2, 1)] == ["a has not heard 2, such as 1"]
    assert [one.text for one in stream("a", [1, 2, 2, 3], 3, 1)] == ["a has heard 1 twice"]
    assert [one.text for one in stream("a", [1, 3, 2], 3, 1)] == ["a has heard 2 after a later one"]
