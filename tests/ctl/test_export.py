"""A Procfile that honcho reads, and units that systemd takes."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from honcho.environ import parse_procfile

from mesh.topology import Topology, load
from tools.ctl import cli, clusters
from tools.ctl.exits import Exit
from tools.ctl.exporting import Place, honcho_name, procfile, systemd_units, unit_name

PLACE = Place("/srv/game", "games", "/opt/mesh/bin/python")
ODD = """
[cluster]
name = "odd"
[[process]]
nodes = ["center.1", "login.1", "scene.1", "gate.1"]
[[process]]
nodes = ["dc.1"]
[[process]]
nodes = ["log.1"]
"""


@pytest.fixture
def odd(tmp_path: Path) -> Topology:
    """A path with everything that is special to a shell or to systemd."""
    folder = tmp_path / '50% of $HOME\'s "games"'
    folder.mkdir()
    (folder / "odd.toml").write_text(ODD)
    return load(folder / "odd.toml", runtime=folder / "run")


def test_each_process_has_a_line_that_keeps_it(zone: Topology) -> None:
    found = parse_procfile(procfile(zone, zone.processes, {"scene.tick_hz": "20"}, PLACE)).processes
    assert list(found) == ["center1", "dc1", "log1", "login1", "scene1", "scene2", "gate1"]
    words = shlex.split(found["gate1"])
    assert words[:6] == ["exec", "/opt/mesh/bin/python", "-P", "-m", "tools.ctl.keep", "gate.1"]
    assert words[words.index("--topology") + 1] == str(zone.file)
    assert words[words.index("--base-port") + 1] == str(zone.base_port)
    assert words[words.index("--runtime") + 1] == str(zone.runtime)
    assert words[words.index("--set") + 1] == "scene.tick_hz=20"


def test_odd_paths_survive_the_shell_and_nodes_that_share_have_one_line(odd: Topology) -> None:
    found = parse_procfile(procfile(odd, odd.processes, {}, PLACE)).processes
    assert list(found) == ["center1_login1_scene1_gate1", "dc1", "log1"]
    for line in found.values():
        said = subprocess.run(["sh", "-c", f'set -- {line}; echo "$8"'], capture_output=True, text=True, check=True)
        assert said.stdout.strip() == str(odd.file)


def test_units_restart_limit_and_stop_in_order(zone: Topology) -> None:
    units = systemd_units(zone, zone.processes, {}, PLACE)
    assert len(units) == 8
    gate, dc = units["zonemesh-run-gate.1.service"], units["zonemesh-run-dc.1.service"]
    for line in ("User=games", "WorkingDirectory=/srv/game", "Restart=on-failure", "RestartPreventExitStatus=2"):
        assert line in gate
    assert "LimitNOFILE=65536" in gate
    assert "OOMScoreAdjust" in dc
    assert "OOMScoreAdjust" not in gate
    after = {name: _after(text) for name, text in units.items() if name.endswith(".service")}
    assert after["zonemesh-run-dc.1.service"] == set()
    assert after["zonemesh-run-login.1.service"] == {
        f"zonemesh-run-{one}.service" for one in ("center.1", "dc.1", "log.1")
    }
    assert after["zonemesh-run-gate.1.service"] == set(after) - {"zonemesh-run-gate.1.service"}
    assert set(re.search(r"Wants=(.*)", units["zonemesh-run.target"])[1].split()) == set(after)  # type: ignore[index]


def _after(text: str) -> set[str]:
    found = re.search(r"^After=(.*)$", text, re.MULTILINE)
    assert found is not None
    return set(found[1].split()) - {"network-online.target"}


def test_names_are_what_honcho_and_systemd_take(odd: Topology) -> None:
    assert honcho_name(odd.processes[0]) == "center1_login1_scene1_gate1"
    assert unit_name(odd, odd.processes[0]) == "zonemesh-run-center.1_login.1_scene.1_gate.1.service"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
@pytest.mark.parametrize("which", ["zone", "odd"])
def test_systemd_finds_no_fault(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    topology: Topology = request.getfixturevalue(which)
    units = tmp_path / "units"
    units.mkdir()
    for name, text in systemd_units(topology, topology.processes, {}, Place(str(tmp_path), "root")).items():
        (units / name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *sorted(str(path) for path in units.iterdir())],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    ours = [line for line in done.stderr.splitlines() if "zonemesh" in line]
    assert ours == []
    assert done.returncode == 0, done.stderr


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", clusters.shipped_names())
def test_every_topology_that_comes_along_can_be_exported(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    host = ["--host", "10.77.0.1"] if name == "hosts" else []
    assert cli.run(["export", "procfile", name, *host]) == Exit.OK
    assert parse_procfile(capsys.readouterr().out).processes
    assert cli.run(["export", "systemd", name, *host]) == Exit.OK
    assert "[Service]" in capsys.readouterr().out


def test_files_are_written_where_one_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "systemd", "mobile", "-o", "units/here", "--user", "games"]) == Exit.OK
    shown = capsys.readouterr()
    files = sorted(path.name for path in (tmp_path / "units" / "here").iterdir())
    assert sorted(Path(line).name for line in shown.out.split()) == files
    assert len(files) == 4
    assert "systemctl enable --now zonemesh-mobile.target" in shown.err


def test_of_several_machines_one_is_exported(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "procfile", "hosts"]) == Exit.USAGE
    assert "--host 10.77.0.1 or --host 10.77.0.2" in " ".join(capsys.readouterr().err.split())
    assert cli.run(["export", "procfile", "hosts", "--host", "10.77.0.9"]) == Exit.USAGE
    assert "no process on 10.77.0.9; did you mean 10.77.0" in capsys.readouterr().err
    assert cli.run(["export", "procfile", "hosts", "--host", "10.77.0.3"]) == Exit.OK
    assert list(parse_procfile(capsys.readouterr().out).processes) == ["scene2", "center1", "dc1", "log1"]
