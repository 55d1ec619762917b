"""`mesh doctor`, `info`, `slowlog`, `tap` and `trace` on a small cluster of real processes, one of which is killed."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ctl.test_cluster import Small
from tools.ctl.exits import Exit

pytestmark = pytest.mark.cluster

STEADY = ("nodes", "links", "registry", "figures", "labels", "versions", "clocks", "errors")
"""Checks that do not depend on how busy the machine is."""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    one = Small(tmp_path)
    yield one
    one.mesh("down", "--all", "--now")
    one.wait("the end of every process", one.nothing_runs)


def doctor(small: Small, *names: str) -> tuple[int, dict]:
    words = [word for name in names for word in ("--check", name)]
    done = small.mesh("doctor", "--json", "-t", "0.5", *words)
    return done.returncode, json.loads(done.stdout)


def keys(report: dict) -> set[str]:
    return {one["key"] for one in report["findings"]}


def test_a_cluster_is_looked_at_while_a_process_of_it_hangs_dies_and_comes_back(small: Small) -> None:
    done = small.up("--detach", "--json")
    assert done.returncode == 0, done.stderr
    small.wait("health", lambda: doctor(small, *STEADY)[0] == Exit.OK)
    code, report = doctor(small)
    assert code in (Exit.OK, Exit.CHECK_FAILED), "the machine may be busy"
    assert report["nodes"] == {"expected": 6, "answered": 6}
    assert not keys(report) & {"nodes:gate.1", "nodes:dc.1"}

    shown = small.mesh("info", "gate.1", "--json")
    assert shown.returncode == Exit.OK, shown.stderr
    said = json.loads(shown.stdout)
    assert (said["node"], said["state"], said["process"]["shared_with"]) == ("gate.1", "Ready", ["login.1", "scene.1"])
    assert said["process"]["memory_bytes"] > 1e6
    assert {"center.1", "scene.1", "login.1"} <= set(said["links"])
    assert "gate.1  Ready" in small.mesh("info", "gate.1").stdout
    slow = small.mesh("slowlog", "--json")
    assert slow.returncode == Exit.OK, slow.stderr
    assert isinstance(json.loads(slow.stdout)["slow"], list)

    tap = small.popen("tools.ctl.main", "tap", "--node", "dc.1", "--message", "Describe", "-n", "1", "--json")
    small.wait("a message", lambda: small.status() and tap.poll() is not None)
    heard, words = tap.communicate()
    assert tap.returncode == Exit.OK, words
    assert json.loads(heard)["source"].startswith("ctl.")

    pid = small.status()[1]["gate.1"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    code, report = doctor(small, *STEADY)
    assert code == Exit.CHECK_FAILED
    assert {"nodes:login.1", "nodes:scene.1", "nodes:gate.1"} <= keys(report)
    assert report["findings"][0]["check"] == "nodes"
    down = small.mesh("info", "gate.1")
    assert down.returncode == Exit.UNHEALTHY
    assert "Silent" in down.stdout
    os.kill(pid, signal.SIGKILL)
    small.wait("its return", lambda: doctor(small, "nodes")[0] == Exit.OK)
    code, report = doctor(small, "restarts")
    assert code == Exit.CHECK_FAILED
    assert keys(report) == {"restarts:login.1", "restarts:scene.1", "restarts:gate.1"}
    assert small.mesh("trace", "slowest").returncode == Exit.NOT_FOUND
