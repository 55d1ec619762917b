"""What every test shares: no log on the terminal, and a place for topologies."""

import socket
from pathlib import Path

import pytest
from hypothesis import settings
from loguru import logger

from mesh.topology import Topology, load

ZONE = """
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
nodes = ["scene.2"]
[[process]]
nodes = ["gate.1"]
"""


settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")  # the same examples every time; a slow machine is no failure


@pytest.fixture(autouse=True, scope="session")
def _quiet() -> None:
    logger.remove()


@pytest.fixture
def zone(tmp_path: Path) -> Topology:
    """A zone of seven nodes whose files live in the test's folder."""
    file = tmp_path / "zone.toml"
    file.write_text(ZONE)
    return load(file, runtime=tmp_path / "run")


@pytest.fixture
def unused_ports() -> list[int]:
    """Four ports that nobody listens on at the moment."""
    sockets = [socket.socket() for _ in range(4)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
