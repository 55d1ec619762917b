"""One bench with everything real, and very few players: cluster, cores, generator, figures, and nothing left behind."""

import json
from pathlib import Path

import pytest

from tests.cluster.running import alive, free_base_port, mesh
from tools.bench.build import NoCompilerError, find_compiler
from tools.machine import usable

pytestmark = pytest.mark.cluster


def can_measure() -> bool:
    try:
        return bool(find_compiler({"PATH": "/usr/local/bin:/usr/bin:/bin"})) and len(usable()) > 1
    except NoCompilerError:
        return False


@pytest.mark.skipif(not can_measure(), reason="needs a C compiler and two cores")
def test_a_small_square_is_measured_and_everything_is_gone_again(tmp_path: Path) -> None:
    file, port = tmp_path / "mobile.json", free_base_port()
    words = ["bench", "run", "mobile", "--quick", "--players", "30", "--json", str(file), "--base-port", str(port)]
    done = mesh(*words, env={"XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)})
    assert done.returncode in (0, 6), done.stderr  # on a busy machine it may be INVALID: timings are not judged here
    said = json.loads(file.read_text())
    assert said["name"] == "mobile"
    assert said["updates_per_s"] > 0
    assert said["cpu_us_per_frame"] > 0
    assert 0 < said["p50_ms"] <= said["p99_ms"]
    assert {use["name"] for use in said["processes"]} == {"dc.1", "log.1", "center.1+login.1+scene.1+gate.1"}
    assert all(use["rss_mb"] > 10 for use in said["processes"])
    assert alive(str(tmp_path)) == []
    assert not list(tmp_path.glob("zb-*"))


def test_a_port_that_is_taken_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    import socket

    port = free_base_port()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        words = ["bench", "run", "mobile", "--quick", "--players", "30", "--base-port", str(port)]
        done = mesh(*words, env={"XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)})
    assert done.returncode == 1
    assert f"port {port} (players at gate.1) is taken" in done.stderr
    assert "Traceback" not in done.stderr
    assert alive(str(tmp_path)) == []
