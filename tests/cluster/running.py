"""A real cluster for tests: processes, sockets, files, started and stopped through the command line."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from mesh import keys, tickets
from mesh.client.player import Player
from mesh.clock import SystemClock
from mesh.errors import DeadlineExceeded
from mesh.operator import Operator
from mesh.protocol.social import Shouted
from mesh.topology import PUB_OFFSET, Topology, load

ROOT = Path(__file__).parents[2]
PORTS = range(20_000, 32_000, PUB_OFFSET + 100)  # below what the kernel gives to clients
LOGIN_S = 60.0


def free_base_port(seed: int = os.getpid()) -> int:
    """A block of ports that nobody listens on."""
    blocks = list(PORTS)
    for n in range(len(blocks)):
        base = blocks[(seed + n) % len(blocks)]
        if all(_is_free(base + offset) for offset in (*range(4), *range(50, 60))):
            return base
    raise RuntimeError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def mesh(*words: str, timeout_s: float = 300.0, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "tools.ctl.main", *words],
        cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False, env={**os.environ, **(env or {})},
    )  # fmt: skip


class Running:
    """A cluster that is up: of a topology that comes along, or of a file."""

    def __init__(self, folder: Path, topology: str | Path = "local", *settings: str) -> None:
        self.base_port = free_base_port()
        self.name = f"test-{self.base_port}"
        self.runtime = folder / self.name
        words = ["up", str(topology), "--detach", "--runtime", str(self.runtime), "--base-port", str(self.base_port)]
        for setting in settings:
            words += ["--set", setting]
        done = mesh(*words)
        assert done.returncode == 0, done.stderr
        file = topology if isinstance(topology, Path) else ROOT / "topology" / f"{topology}.toml"
        self.topology: Topology = load(file, base_port=self.base_port, runtime=self.runtime)
        self.url = f"ws://127.0.0.1:{self.base_port}"

    def status(self) -> dict[str, dict[str, Any]]:
        """By short name."""
        done = mesh("status", self.name, "--json")
        assert done.stdout, done.stderr
        return {node["node"]: node for node in json.loads(done.stdout)["nodes"]}

    def pid(self, short: str) -> int:
        return int(self.status()[short]["pid"])

    def kill(self, short: str, how: signal.Signals = signal.SIGKILL) -> int:
        pid = self.pid(short)
        os.kill(pid, how)
        return pid

    def operator(self) -> Operator:
        return Operator(self.topology)

    def url_of(self, gate: int) -> str:
        """Where gate.N takes players."""
        return f"ws://127.0.0.1:{self.base_port + gate - 1}"

    def ticket(self, account: str) -> str:
        key = keys.load(self.topology.keys / keys.TICKETS)
        return tickets.sign_ticket(key, account, SystemClock().wall() + 300)

    async def login(self, account: str, gate: int = 1, **how: Any) -> Player:
        """However slow the machine is: where everything is late, newcomers are queued."""
        how.setdefault("timeout_s", LOGIN_S)
        return await Player.login(self.url_of(gate), secret=self.ticket(account), method="ticket", **how)

    def mesh(self, *words: str) -> str:
        """A command about this cluster; what it wrote, on either stream."""
        done = mesh(*words, "-c", self.name)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def stop(self) -> None:
        done = mesh("down", self.name)
        assert done.returncode == 0, done.stderr


def alive(marker: str) -> list[str]:
    """Command lines of processes that mention `marker`: orphans, when nothing should run any more."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if marker in words and state != "Z":
                found.append(words)
    return found


async def say_aloud(speaker: Player, text: str, listener: Player) -> Shouted:
    """Until it is heard: where nodes are late, the rate of words is low, and more of them are refused."""
    while True:
        speaker.shout(text)
        with contextlib.suppress(DeadlineExceeded):
            return await listener.wait(Shouted, 1.0, where=lambda said: said.speaker == speaker.session.character)
