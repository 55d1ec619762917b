"""What every test shares: no log on the terminal, and a place for topologies."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from loguru import logger

from mesh.topology import Topology, load
from tools.awake import awake

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


@pytest.fixture(autouse=True, scope="session")
def _cores(request: pytest.FixtureRequest) -> Iterator[None]:
    """Real processes on a virtual machine are not to wait for its host each time that they wake up."""
    real = any(item.get_closest_marker("cluster") for item in request.session.items)
    with awake() if real else contextlib.nullcontext():
        yield


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
