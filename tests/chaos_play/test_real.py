"""The scenarios about players with real processes, in their shortest form: loss, order and ownership are judged."""

import json
from pathlib import Path

import pytest

from tests.cluster.running import alive, free_base_port, mesh

pytestmark = pytest.mark.cluster

FAULTS = {
    "scene-kill": 1,
    "scene-hang": 1,
    "scene-restart": 2,
    "gate-kill": 1,
    "gate-hang": 1,
    "center-kill": 1,
    "double-login": 20,
    "log-outage": 3,
    "net-chaos": 3,
    "poison": 500,
    "dupes": 40,
    "rolling-upgrade": 1,
}


@pytest.mark.parametrize("name", FAULTS)
def test_short_form(name: str, tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    words = ["chaos", "run", name, "--quick", "--kills", str(FAULTS[name]), "--json", str(file)]
    done = mesh(
        *words,
        "--base-port",
        str(free_base_port()),
        timeout_s=300.0,
        env={"XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)},
    )
    said = json.loads(file.read_text()) if file.exists() and file.stat().st_size else {}
    assert done.returncode == 0, done.stdout + done.stderr
    assert said["ok"]
    assert said["acked"] > 10
    assert (said["lost"], said["doubled"]) == (0, 0)
    assert alive(str(tmp_path)) == []
    assert not list(tmp_path.glob("zc-*"))
