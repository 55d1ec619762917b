"""`mesh export prometheus|alerts|grafana`: who is to be asked, and which files are written where."""

import json
import os
from pathlib import Path

import pytest
import yaml

from mesh.topology import Topology, load
from tools.ctl import cli, clusters, state
from tools.ctl.exits import Exit
from tools.ctl.observability import scraping
from tools.ctl.processes import Identity, identity
from tools.ctl.supervision import Phase

REST = "".join(f'[[process]]\nnodes = ["{role}.1"]\n' for role in ("dc", "log", "login", "scene", "gate"))


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def told(folder: Path | str) -> list[dict]:
    return json.loads((Path(folder) / "targets.json").read_text())


def test_every_process_is_a_target_with_its_place_and_its_nodes() -> None:
    topology = clusters.load("mobile-shared", environment={})
    first, *_, last = json.loads(scraping.targets(topology, topology.processes))
    common = {"cluster": "mobile-shared", "region": "local", "host": "127.0.0.1"}
    assert first == {
        "targets": ["127.0.0.1:7750"],
        "labels": {**common, "zone": "one", "process": "dc.1", "nodes": "dc.1"},
    }
    assert last["targets"] == ["127.0.0.1:7753"]
    assert last["labels"]["zone"] == "two"
    assert last["labels"]["process"] == "center.2+login.2+scene.2+gate.2"
    assert last["labels"]["nodes"] == "center.2,login.2,scene.2,gate.2"


def test_an_address_with_colons_is_in_brackets(tmp_path: Path) -> None:
    file = tmp_path / "six.toml"
    file.write_text(f'[cluster]\nname = "six"\n[[process]]\nhost = "::1"\nnodes = ["center.1"]\n{REST}')
    topology = load(file)
    assert json.loads(scraping.targets(topology, topology.processes[:1]))[0]["targets"] == ["[::1]:7750"]


def test_all_machines_are_asked_by_one_prometheus_or_each_by_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "prometheus", "hosts", "-o", "all"]) == Exit.OK
    assert cli.run(["export", "prometheus", "hosts", "-o", "third", "--host", "10.77.0.3"]) == Exit.OK
    places = [(one["labels"]["host"], one["targets"][0]) for one in told("all")]
    assert len(places) == 8
    assert all(target.startswith(f"{host}:") for host, target in places)
    assert [one["labels"]["process"] for one in told("third")] == ["scene.2", "center.1", "dc.1", "log.1"]
    assert "--targets-only" in capsys.readouterr().err


def test_the_configuration_names_the_other_files() -> None:
    read = yaml.safe_load(scraping.files(clusters.load("local", environment={}), [])["prometheus.yml"])
    assert read["rule_files"] == ["zonemesh*.rules.yml"]
    (job,) = read["scrape_configs"]
    assert (job["job_name"], job["file_sd_configs"]) == ("zonemesh", [{"files": ["targets.json"]}])
    assert read["global"]["scrape_interval"] == read["global"]["evaluation_interval"] == "10s"


def test_what_people_edit_is_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "prometheus", "-o", "here"]) == Exit.OK
    assert cli.run(["export", "alerts", "-o", "here"]) == Exit.OK
    files = {path.name for path in Path("here").iterdir()}
    own = {"prometheus.yml", "alertmanager.yml"}
    assert files == {*own, "targets.json", "zonemesh.rules.yml", "zonemesh-local.rules.yml"}
    assert {Path(line).name for line in capsys.readouterr().out.split()} == files
    for name in files:
        (Path("here") / name).write_text("mine")
    assert cli.run(["export", "prometheus", "-o", "here"]) == Exit.OK
    assert cli.run(["export", "alerts", "-o", "here"]) == Exit.OK
    assert {path.name for path in Path("here").iterdir() if path.read_text() == "mine"} == own
    shown = capsys.readouterr()
    assert {Path(line).name for line in shown.out.split()} == files - own
    assert "alertmanager.yml is there and may have been edited" in shown.err
    (Path("here") / "prometheus.yml").unlink()
    assert cli.run(["export", "prometheus", "-o", "here"]) == Exit.OK
    assert "scrape_configs" in (Path("here") / "prometheus.yml").read_text()


def test_dashboards_know_where_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["export", "grafana", "-o", "boards"]) == Exit.OK
    provider = yaml.safe_load(Path("boards/provisioning/dashboards/zonemesh.yml").read_text())["providers"][0]
    folder = Path(provider["options"]["path"])
    assert folder == tmp_path / "boards" / "dashboards"
    assert len(list(folder.glob("*.json"))) == 7
    assert "/etc/grafana" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["prometheus", "alerts", "grafana"])
def test_without_a_folder_they_are_printed(what: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.run(["export", what]) == Exit.OK
    shown = capsys.readouterr().out
    assert "# --- " in shown
    assert cli.run(["export", "prometheus", "--targets-only"]) == Exit.OK
    assert len(json.loads(capsys.readouterr().out)) == 7
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "zonemesh"])


def test_of_a_cluster_that_runs_all_that_runs_is_asked(zone: Topology) -> None:
    """`mesh scale` has added a gate and stopped a scene of the file."""
    zone.runtime.mkdir()
    clusters.register(zone, {}, "supervisor", os.environ, added=["7:gate.2@one"])

    def process(name: str, phase: Phase, reason: str = "") -> state.ProcessState:
        return state.ProcessState(name, [name], str(phase), 0, 0.0, 0, reason, "")

    gone = process("scene.2", Phase.SHUTDOWN, state.SCALED_AWAY)
    failed = process("scene.1", Phase.DOWN, "ended with exit code 2")
    known = state.ClusterState("test", identity(), True, None, [gone, failed])
    state.write(zone.runtime / state.SUPERVISOR, known)
    for words in (["run"], [str(zone.file)], [str(zone.file), "--runtime", str(zone.runtime)]):
        assert cli.run(["export", "prometheus", *words, "--targets-only", "-o", "here"]) == Exit.OK
        names = [one["labels"]["process"] for one in told("here")]
        assert names == ["center.1", "dc.1", "log.1", "login.1", "scene.1", "gate.1", "gate.2"]
        assert [path.name for path in Path("here").iterdir()] == ["targets.json"]


def test_of_a_cluster_that_does_not_run_the_file_counts(zone: Topology) -> None:
    zone.runtime.mkdir()
    gone = state.ProcessState("scene.2", ["scene.2"], "Shutdown", 0, 0.0, 0, state.SCALED_AWAY, "")
    ended = state.ClusterState("test", Identity(os.getpid(), 1.0), True, None, [gone])
    state.write(zone.runtime / state.SUPERVISOR, ended)
    words = [str(zone.file), "--runtime", str(zone.runtime)]
    assert cli.run(["export", "prometheus", *words, "--targets-only", "-o", "here"]) == Exit.OK
    assert len(told("here")) == 7


def test_rules_of_a_topology_have_its_name_and_its_limits(zone: Topology) -> None:
    words = [str(zone.file), "--runtime", str(zone.runtime), "--set", "gate.connections_max=50"]
    assert cli.run(["export", "alerts", *words, "-o", "here"]) == Exit.OK
    text = (Path("here") / "zonemesh-run.rules.yml").read_text()
    assert "> 0.9 * 50" in text
    assert 'cluster="run"' in text
    assert cli.run(["export", "alerts", *words[:-1], "gate.connections_max=true"]) == Exit.USAGE
