"""Several roles in one process, signals, and the end of whoever started it: real processes without a supervisor."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mesh import keys, tickets
from mesh.client.player import Player
from mesh.clock import SystemClock
from mesh.errors import MeshError
from mesh.operator import Operator
from mesh.protocol.control import Describe, Description
from mesh.protocol.social import Shouted
from mesh.testing import wait_until
from mesh.topology import Topology, load
from tests.cluster.running import ROOT, free_base_port

pytestmark = pytest.mark.cluster

SHARED = """
[cluster]
name = "shared"
region = "local"
zone = "one"
[[process]]
nodes = ["gate.1", "scene.1", "login.1", "center.1"]
[[process]]
nodes = ["dc.1"]
[[process]]
nodes = ["log.1"]
[settings.scene.maps.meadow]
size_m = 200.0
npcs = 2
"""


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    file = tmp_path / "shared.toml"
    file.write_text(SHARED)
    return load(file, base_port=free_base_port(os.getpid() + 7), runtime=tmp_path / "run")


def start(topology: Topology, name: str, *words: str) -> subprocess.Popen[bytes]:
    given = ["--topology", str(topology.file), "--runtime", str(topology.runtime)]
    port = ["--base-port", str(topology.base_port)]
    return subprocess.Popen([sys.executable, "-P", "-m", "nodes", name, *given, *port, *words], cwd=ROOT)


async def login(topology: Topology, account: str) -> Player:
    """A player in the world, as soon as there is one."""
    async with asyncio.timeout(20):
        while True:
            try:
                key = keys.load(topology.keys / keys.TICKETS)
                secret = tickets.sign_ticket(key, account, SystemClock().wall() + 300)
                url = f"ws://127.0.0.1:{topology.base_port}"
                return await Player.login(url, secret=secret, method="ticket")
            except (MeshError, OSError):
                await asyncio.sleep(0.05)


def test_roles_that_share_a_process_serve_players_and_stop_in_time(topology: Topology) -> None:
    running = [start(topology, process.name) for process in topology.processes]

    async def story() -> None:
        anna = await login(topology, "anna")
        anna.shout("hello")
        assert (await anna.wait(Shouted)).text == "hello"
        running[1].send_signal(signal.SIGKILL)  # the dc
        running[1].wait()
        running[1] = start(topology, "dc.1")
        bob = await login(topology, "bob")
        assert anna.playing
        async with Operator(topology) as operator:
            for short in ("gate.1", "scene.1", "login.1", "center.1"):
                said = await operator.ask(short, Describe())
                assert isinstance(said, Description)
                assert said.state == "Ready"
        await bob.logout()
        await anna.logout()

    try:
        asyncio.run(story())
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(6) for process in running]
    assert codes == [0, 0, 0]


def test_a_process_that_stood_still_comes_back(topology: Topology) -> None:
    running = [start(topology, process.name) for process in topology.processes]

    async def story() -> None:
        anna = await login(topology, "anna")
        async with Operator(topology) as operator:
            running[1].send_signal(signal.SIGSTOP)
            async with asyncio.timeout(10):
                while await linked(operator, "login.1", "dc.1"):  # noqa: ASYNC110 - another process knows
                    await asyncio.sleep(0.05)
            running[1].send_signal(signal.SIGCONT)
            bob = await login(topology, "bob")
            assert await linked(operator, "login.1", "dc.1")
        await bob.logout()
        await anna.logout()

    try:
        asyncio.run(story())
    finally:
        for process in running:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        codes = [process.wait(6) for process in running]
    assert codes == [0, 0, 0]


async def linked(operator: Operator, short: str, other: str) -> bool:
    said = await operator.ask(short, Describe())
    assert isinstance(said, Description)
    return any(peer.endswith(other) and state == "up" for peer, state in said.links)


def test_a_process_that_is_asked_to_stop_while_it_waits_for_others_stops(topology: Topology) -> None:
    alone = start(topology, topology.processes[0].name)
    log = topology.log_file(topology.processes[0])

    asyncio.run(wait_until(lambda: log.exists() and (topology.sockets / "gate.1").exists()))
    alone.send_signal(signal.SIGTERM)
    assert alone.wait(6) == 0
    assert "ERROR" not in log.read_text()


def test_a_process_ends_with_whoever_started_it(topology: Topology) -> None:
    words = [sys.executable, "-P", "-m", "nodes", "log.1", "--topology", str(topology.file)]
    words += ["--runtime", str(topology.runtime), "--base-port", str(topology.base_port), "--parent"]
    starter = f"import os, subprocess; print(subprocess.Popen({words!r} + [str(os.getpid())]).pid, flush=True); input()"
    parent = subprocess.Popen(
        [sys.executable, "-c", starter], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())

    async def story() -> None:
        await wait_until((topology.sockets / "log.1").exists)
        parent.kill()
        await wait_until(lambda: not is_running(child), timeout_s=10)

    try:
        asyncio.run(story())
    finally:
        parent.communicate()


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
