"""A scene that is restarted by the supervisor with real processes: beside the old one, or without it when it hangs."""

import os
import signal
from pathlib import Path

import pytest

from tests.ctl.test_cluster import Small, small

pytestmark = pytest.mark.cluster

__all__ = ["small"]

APART = """
[cluster]
name = "small"
base_port = {port}
[[process]]
nodes = ["center.1", "dc.1", "log.1"]
[[process]]
nodes = ["login.1", "gate.1"]
[[process]]
nodes = ["scene.1"]
"""


def test_a_scene_takes_over_from_itself_again_and_again(small: Small) -> None:
    small.file.write_text(APART.format(port=small.port))
    done = small.up("--detach")
    assert done.returncode == 0, done.stderr
    pids = [small.status()[1]["scene.1"]["pid"]]
    for _ in range(2):
        done = small.mesh("restart", "scene.1")
        assert done.returncode == 0, done.stdout + done.stderr
        pids.append(small.status()[1]["scene.1"]["pid"])
    assert len(set(pids)) == 3
    assert log_of(small).count("this scene goes on with what its predecessor had") == 2

    os.kill(pids[-1], signal.SIGSTOP)
    done = small.mesh("restart", "scene.1")
    assert done.returncode == 0, done.stdout + done.stderr
    pids.append(small.status()[1]["scene.1"]["pid"])
    assert small.mesh("restart", "scene.1", "--cold").returncode == 0
    code, after = small.status()
    assert (code, after["scene.1"]["restarts"]) == (0, 0)
    assert after["scene.1"]["pid"] not in pids
    assert log_of(small).count("this scene goes on with what its predecessor had") == 2

    assert small.mesh("down").returncode == 0
    assert small.nothing_runs()


def log_of(small: Small) -> str:
    return Path(small.runtime / "logs" / "scene.1.log").read_text()
