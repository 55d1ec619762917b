"""The scenarios of the DC with real processes, in their shortest form: loss and order are judged, times are not."""

import json
from pathlib import Path

import pytest

from tests.cluster.running import alive, free_base_port, mesh
from tools.bench.build import NoCompilerError, find_compiler

pytestmark = pytest.mark.cluster

FAULTS = {
    "dc-kill": 2,
    "dc-failpoints": 15,  # one at each point
    "dc-power": 3,
    "dc-cached-window": 1,
    "dc-disk-full": 1,
    "dc-map-full": 1,
    "dc-corrupt": 4,
    "dc-failover": 4,  # one of each kind
}


def can_build() -> bool:
    try:
        return bool(find_compiler({"PATH": "/usr/local/bin:/usr/bin:/bin"}))
    except NoCompilerError:
        return False


@pytest.mark.parametrize("name", FAULTS)
def test_real(name: str, tmp_path: Path) -> None:
    if name == "dc-power" and not can_build():
        pytest.skip("needs a C compiler")
    file = tmp_path / "result.json"
    words = ["chaos", "run", name, "--quick", "--kills", str(FAULTS[name]), "--json", str(file)]
    done = mesh(
        *words, "--base-port", str(free_base_port()), env={"XDG_RUNTIME_DIR": str(tmp_path), "TMPDIR": str(tmp_path)}
    )
    said = json.loads(file.read_text()) if file.exists() and file.stat().st_size else {}
    assert done.returncode == 0, done.stdout + done.stderr
    assert said["ok"]
    assert said["kills"] >= FAULTS[name]
    assert said["acked"] > 100
    assert (said["lost"], said["doubled"], said["gold_after"] - said["gold_before"]) == (0, 0, 0)
    assert alive(str(tmp_path)) == []
    assert not list(tmp_path.glob("zc-*"))
