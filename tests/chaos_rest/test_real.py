"""The scenarios of streams, clocks, load and time with real processes, in their shortest form."""

import json
from pathlib import Path

import pytest

from tests.chaos.test_real import can_build
from tests.cluster.running import alive, free_base_port, mesh

pytestmark = pytest.mark.cluster

FAULTS = {"pubsub-gap": 3, "clock-jump": 2, "overload": 1, "soak": 1}


@pytest.mark.parametrize("name", FAULTS)
def test_short_form(name: str, tmp_path: Path) -> None:
    if name == "clock-jump" and not can_build():
        pytest.skip("needs a C compiler")
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
    assert said["kills"] == FAULTS[name]
    assert said["acked"] > 10
    assert (said["lost"], said["doubled"]) == (0, 0)
    assert alive(str(tmp_path)) == []
    assert not list(tmp_path.glob("zc-*"))
