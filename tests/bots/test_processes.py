"""The real thing: bot processes, a cluster of real nodes, sockets and files."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MESH = [sys.executable, "-m", "tools.ctl.main"]
PORTS = 300  # of one cluster

pytestmark = pytest.mark.cluster


def base_port() -> int:
    """The first of a row of ports of which nobody uses the ones that matter."""
    for port in range(21_000, 30_000, PORTS):
        if all(is_free(port + at) for at in (0, *range(50, 60))):
            return port
    raise AssertionError("no ports are free")


def is_free(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0


def mesh(*arguments: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MESH, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)


def test_the_demonstration_holds(tmp_path: Path) -> None:
    found = tmp_path / "demo.json"
    where = ["--runtime", str(tmp_path / "run"), "--json", str(found), "--base-port", str(base_port())]
    done = mesh("demo", "--bots", "80", *where, timeout_s=90.0)
    assert done.returncode == 0, done.stdout + done.stderr
    outcome: dict[str, Any] = json.loads(found.read_text())
    assert outcome["ok"] is True
    assert outcome["logged_in"] == outcome["bots"] == 80
    assert outcome["errors"] == 0
    assert all(outcome["steps"][str(step)] >= (5 if step == 8 else 80) for step in range(1, 10))
    assert "Authenticate" in done.stdout, "the waterfall"
    assert not (tmp_path / "run").exists()


def test_bots_measure_a_cluster_and_say_what_they_found(tmp_path: Path) -> None:
    runtime = str(tmp_path / "run")
    up = mesh("up", "local", "--detach", "--runtime", runtime, "--base-port", str(base_port()))
    try:
        assert up.returncode == 0, up.stderr
        shape = ["-u", "30", "-r", "30", "-t", "2s", "--processes", "2", "--scenario", "walk", "--cluster", runtime]
        done = mesh("bots", *shape, "--json", "-", "--csv", str(tmp_path / "run1"))
        gone = mesh("bots", "-u", "3", "-t", "1s", "--host", "ws://127.0.0.1:9", "--cluster", runtime, "--json", "-")
    finally:
        mesh("down", runtime)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert (result["verdict"], result["logged_in"], len(result["workers"])) == ("OK", 30, 2)
    assert result["moves_per_s"] == pytest.approx(300, rel=0.1)
    assert len(result["servers"]) == 7
    assert (tmp_path / "run1_stats.csv").read_text().startswith("Type,Name,Request Count")
    assert gone.returncode == 6, gone.stderr
    assert json.loads(gone.stdout)["errors"] == {"login: no connection": 3}


def test_without_a_cluster_there_is_nothing_to_load(tmp_path: Path) -> None:
    done = mesh("bots", "--cluster", str(tmp_path))
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
