"""The real thing: bot processes, a cluster of real nodes, sockets and files."""

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MESH = [sys.executable, "-m", "tools.ctl.main"]
PORTS = 300  # of one cluster
TRIES = 5  # of a run that the machine has disturbed
DISTURBED = re.compile(
    r"the bots (were late|left out)|bot process|[0-9.]+ % of the expected updates arrived|(login|move) p99|nothing was"
)
"""What a run says of itself that says nothing of the servers: its windows are short, and the cores are others', too."""
SPEEDS = (900, 200, 50)  # of a shape that is played in seconds: where logins take long, they need more of them

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


def mesh(*arguments: str, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*MESH, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False)


def measured(*arguments: str) -> dict[str, Any]:
    """What `mesh bots` found, as JSON; found anew while the machine was too busy for it, and if it stays so the test
    is skipped with what is said about it."""
    for _ in range(TRIES):
        done = mesh("bots", *arguments, "--json", "-")
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if found["verdict"] == "OK" else 6), done.stderr
        if not (found["reasons"] and all(DISTURBED.match(reason) for reason in found["reasons"])):
            return found
    pytest.skip(f"nothing can be measured on this machine at the moment: {'; '.join(found['reasons'])}")


def test_the_demonstration_holds(tmp_path: Path) -> None:
    found = tmp_path / "demo.json"
    where = ["--runtime", str(tmp_path / "run"), "--json", str(found), "--base-port", str(base_port())]
    done = mesh("demo", "--bots", "80", *where)
    assert done.returncode == 0, done.stdout + done.stderr
    outcome: dict[str, Any] = json.loads(found.read_text())
    assert outcome["ok"] is True
    assert outcome["logged_in"] == outcome["bots"] == 80
    assert outcome["errors"] == 0
    assert all(outcome["steps"][str(step)] >= (5 if step == 8 else 80) for step in range(1, 10))
    assert "Authenticate" in done.stdout, "the waterfall"
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster for all that follows: its runtime folder."""
    runtime = str(tmp_path_factory.mktemp("bots") / "run")
    up = mesh("up", "local", "--detach", "--runtime", runtime, "--base-port", str(base_port()))
    try:
        assert up.returncode == 0, up.stderr
        yield runtime
    finally:
        mesh("down", runtime)


def test_bots_measure_a_cluster_and_say_what_they_found(cluster: str, tmp_path: Path) -> None:
    words = ["-u", "30", "-r", "60", "-t", "1s", "--processes", "2", "--scenario", "walk", "--cluster", cluster]
    result = measured(*words, "--csv", str(tmp_path / "run1"), "--html", str(tmp_path / "run1.html"))
    assert result["reasons"] == []
    assert (result["verdict"], result["logged_in"], len(result["workers"])) == ("OK", 30, 2)
    assert result["moves_per_s"] == pytest.approx(300, rel=0.1)
    assert len(result["servers"]) == 7
    assert (tmp_path / "run1_stats.csv").read_text().startswith("Type,Name,Request Count")
    page = (tmp_path / "run1.html").read_text()
    assert "30 players, scenario walk" in page
    assert "Server CPU" in page


def test_without_any_gate_the_run_is_not_begun(cluster: str) -> None:
    gone = mesh("bots", "-u", "3", "-t", "0.1s", "--host", "ws://127.0.0.1:9", "--cluster", cluster, "--json", "-")
    assert gone.returncode == 1, gone.stderr
    assert gone.stderr == "mesh: no gate takes players: ws://127.0.0.1:9 does not listen\n"


def test_a_search_for_the_limit_reports_its_steps(cluster: str) -> None:
    bounds = [
        "--start",
        "10",
        "--max-users",
        "10",
        "--hold",
        "0.4s",
        "-r",
        "100",
        "--objective",
        "login.p99<10s,errors<=0",
    ]
    found = measured("--find-limit", *bounds, "--cluster", cluster, "--scenario", "walk")
    assert (found["verdict"], found["players"], found["broke"]) == ("OK", 10, 0)
    assert [one["players"] for one in found["steps"]] == [10]
    assert "--max-users" in found["sentence"]
    assert len(found["steps"][0]["servers"]) == 7


def test_a_scenario_of_a_user_plays_by_a_shape_and_its_mistakes_are_told(cluster: str, tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "from tools.bots.mind import Mind\n\nclass Own(Mind):\n    def think(self, now):\n"
        "        self.body.count('thoughts')\n        if self.body.number == 3:\n            1 / 0\n"
    )
    for speed in SPEEDS:
        words = ["-u", "20", "--shape", "mobile", "--speed", str(speed), "--scenario", str(own)]
        done = mesh("bots", *words, "--cluster", cluster, "--json", "-")
        result: dict[str, Any] = json.loads(done.stdout)
        if result["logged_in"] > 20:
            break
    assert (done.returncode, result["verdict"], result["scenario"], result["shape"]) == (
        6,
        "INVALID",
        "own.py",
        "mobile",
    )
    assert result["logged_in"] > 20, "bots come again"
    assert result["window_s"] == pytest.approx(1800 / speed, abs=1.5)
    assert result["counts"]["thoughts"] >= 5
    assert list(result["errors"]) == ["scenario: own.py:7: ZeroDivisionError: division by zero"]
    assert "Traceback" in done.stderr, "where it went wrong is shown"


def test_without_a_cluster_there_is_nothing_to_load(tmp_path: Path) -> None:
    done = mesh("bots", "--cluster", str(tmp_path))
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
