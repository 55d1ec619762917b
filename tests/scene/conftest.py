"""What the tests of the scene node share: a zone that a story is told in."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from mesh.testing import Cluster, run, with_cluster
from mesh.topology import Topology, load
from tests.scene.zone import ROLES, ZONE, Zone

Story = Callable[[Zone], Awaitable[None]]


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    file = tmp_path / "zone.toml"
    file.write_text(ZONE)
    return load(file, runtime=tmp_path / "run")


@pytest.fixture
def in_zone(topology: Topology, tmp_path: Path) -> Callable[[Story], None]:
    """Tells a story in a running zone; mistakes of ours that a node logged fail it."""

    def play_story(story: Story) -> None:
        async def go(cluster: Cluster) -> None:
            await story(Zone(cluster))
            assert cluster.internal_errors() == []

        run(with_cluster(topology, ROLES, tmp_path / "data", go))

    return play_story
