"""The supervisor with real processes: it starts, restarts and stops them, and whatever is killed, nothing stays behind.

Small clusters of two processes, so that the whole file takes seconds.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.clock import SystemClock
from tests.cluster.running import ROOT, alive, free_base_port, mesh

pytestmark = pytest.mark.cluster

TOPOLOGY = """
[cluster]
name = "small"
base_port = {port}
[[process]]
nodes = ["center.1", "dc.1", "log.1"]
[[process]]
nodes = ["login.1", "scene.1", "gate.1"]
"""
DEADLINE_S = 60.0


class Small:
    """A topology in a folder of its own, with a list of clusters of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_base_port()
        self.file = folder / "small.toml"
        self.file.write_text(TOPOLOGY.format(port=self.port))
        self.runtime = folder / "small"
        self.env = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}

    def mesh(self, *words: str) -> subprocess.CompletedProcess[str]:
        return mesh(*words, env=self.env)

    def up(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.mesh("up", str(self.file), "--runtime", str(self.runtime), *words)

    def popen(self, *words: str) -> subprocess.Popen[str]:
        """Whatever Ctrl-C means to whoever runs the tests: in the background of a shell it is ignored."""
        command = ["env", "--default-signal=INT", sys.executable, "-P", "-m", *words]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def status(self) -> tuple[int, dict[str, dict]]:
        done = self.mesh("status", "--json")
        return done.returncode, {node["node"]: node for node in json.loads(done.stdout)["nodes"]} if done.stdout else {}

    def wait(self, what: str, condition) -> None:
        clock = SystemClock()
        end = clock.now() + DEADLINE_S
        while not condition():
            assert clock.now() < end, f"{what} did not happen within {DEADLINE_S} s"

    def nothing_runs(self) -> bool:
        return not [line for line in alive(str(self.folder)) if "pytest" not in line]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    one = Small(tmp_path)
    yield one
    one.mesh("down", "--all", "--now")
    one.wait("the end of every process", one.nothing_runs)


def test_up_restart_kill_and_down(small: Small) -> None:
    done = small.up("--detach", "--json")
    assert done.returncode == 0, done.stderr
    assert {node["state"] for node in json.loads(done.stdout)["nodes"]} == {"Ready"}
    code, before = small.status()
    assert code == 0
    assert len(before) == 6

    second = small.up()
    assert second.returncode == 1
    assert "runs already" in second.stderr

    assert small.mesh("restart", "gate.1").returncode == 0
    assert small.status()[1]["gate.1"]["pid"] != before["gate.1"]["pid"]
    os.kill(before["dc.1"]["pid"], signal.SIGKILL)
    small.wait("the return of the DC", lambda: small.status()[1]["dc.1"]["pid"] not in (0, before["dc.1"]["pid"]))
    small.wait("Ready", lambda: small.status()[0] == 0)
    code, after = small.status()
    assert (after["dc.1"]["restarts"], after["gate.1"]["restarts"]) == (1, 0)
    assert "was ended by SIGKILL" in small.mesh("logs", "supervisor").stdout

    assert small.mesh("down").returncode == 0
    assert small.nothing_runs()
    assert small.mesh("status").returncode == 3
    assert small.mesh("db", "check", "-c", str(small.runtime)).returncode == 0


def test_a_cluster_whose_supervisor_json_is_damaged_is_stopped(small: Small) -> None:
    done = small.up("--detach", "--json")
    assert done.returncode == 0, done.stderr
    (small.runtime / "supervisor.json").write_text('{"pid": 1}')
    stopped = small.mesh("down")
    assert stopped.returncode == 0
    assert "supervisor.json cannot be read" in stopped.stderr
    assert "2 processes stopped" in stopped.stderr
    assert small.nothing_runs()


def test_a_killed_supervisor_leaves_no_orphan_and_the_next_up_waits_for_the_end_of_its_nodes(small: Small) -> None:
    done = small.up("--detach", "--json")
    node = small.status()[1]["center.1"]["pid"]
    os.kill(node, signal.SIGSTOP)  # so that it is still there
    os.kill(json.loads(done.stdout)["supervisor_pid"], signal.SIGKILL)
    again = small.popen("tools.ctl.main", "up", str(small.file), "--runtime", str(small.runtime), "--detach")
    assert again.stderr is not None
    assert "a killed supervisor left behind" in again.stderr.readline()
    os.kill(node, signal.SIGCONT)
    words = again.communicate(timeout=DEADLINE_S)[1]
    assert again.returncode == 0, words
    os.kill(json.loads(small.mesh("status", "--json").stdout)["supervisor"]["pid"], signal.SIGKILL)
    small.wait("the end of every process", small.nothing_runs)


def test_ctrl_c_during_the_start_stops_what_was_started(small: Small) -> None:
    running = small.popen("tools.ctl.main", "up", str(small.file), "--runtime", str(small.runtime))
    assert running.stderr is not None
    assert "starting 2 processes" in running.stderr.readline()
    running.send_signal(signal.SIGINT)
    _, words = running.communicate(timeout=DEADLINE_S)
    assert running.returncode == 130
    assert "Traceback" not in words
    assert small.nothing_runs()


def test_a_taken_port_is_named_with_its_holder_and_nothing_is_started(small: Small) -> None:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", small.port))
        server.listen()
        done = small.up("--detach")
    assert done.returncode == 1
    assert f"port {small.port} (players at gate.1) is taken by pid {os.getpid()}" in done.stderr
    assert small.nothing_runs()


def test_a_storage_problem_is_told_in_the_words_of_the_node_and_ends_the_start(small: Small) -> None:
    data = small.runtime / "data" / "dc.1"
    data.mkdir(parents=True)
    (data / "data.mdb").write_text("not a database")
    done = small.up("--detach")
    assert done.returncode == 4
    assert "is not an LMDB file" in done.stderr
    assert small.nothing_runs()


def test_a_keep_brings_its_node_back_and_stops_it_in_time(small: Small) -> None:
    words = ["--topology", str(small.file), "--runtime", str(small.runtime)]
    keeps = [small.popen("tools.ctl.keep", name, *words) for name in ("center.1", "gate.1")]
    try:
        small.wait("Ready", lambda: small.status()[0] == 0)
        before = small.status()[1]["gate.1"]["pid"]
        os.kill(before, signal.SIGKILL)
        small.wait("the return of the gate", lambda: small.status()[1]["gate.1"]["pid"] not in (0, before))
        assert small.up().returncode == 1, "a keep counts as running"
        assert small.mesh("restart", "login.1").returncode == 0
        clock = SystemClock()
        begun = clock.now()
        assert small.mesh("down").returncode == 0
        assert clock.now() - begun < 5.0
    finally:
        for keep in keeps:
            keep.communicate(timeout=DEADLINE_S)
    assert small.nothing_runs()
