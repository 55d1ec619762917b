"""One file, several machines: who starts what, who gets which keys, what status makes of the others. And clusters that
somebody else looks after."""

import json
import os
import socket
from pathlib import Path

import pytest

from mesh.errors import DeadlineExceeded, StorageError
from mesh.protocol.control import Description, Load
from mesh.topology import Topology, load
from tools.ctl import cli, clusters, prechecks
from tools.ctl.commands.keys import copy_for, make
from tools.ctl.commands.status import merge
from tools.ctl.exits import CommandError, Exit
from tools.ctl.processes import is_answering, is_local
from tools.ctl.run import PART_START_S, Part
from tools.ctl.supervision import Limits

# 127.0.0.2 is an address of this machine, 192.0.2.7 (for documentation) of none.
HERE, THERE = "127.0.0.2", "192.0.2.7"
FILE = f"""
[cluster]
name = "far"
[security]
curve = true
[[process]]
host = "{HERE}"
nodes = ["gate.1"]
[[process]]
host = "{HERE}"
nodes = ["login.1"]
[[process]]
host = "{THERE}"
nodes = ["center.1", "scene.1"]
[[process]]
host = "{THERE}"
nodes = ["dc.1"]
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def far(tmp_path: Path) -> Topology:
    (tmp_path / "far.toml").write_text(FILE)
    return load(tmp_path / "far.toml", runtime=tmp_path / "far")


def test_a_machine_starts_its_own_processes(far: Topology) -> None:
    assert [p.name for p in prechecks.processes_on(far, HERE)] == ["gate.1", "login.1"]


@pytest.mark.parametrize(
    ("host", "says"),
    [
        ("", f"for several machines ({HERE}, {THERE}): on each of them, run `mesh up"),
        (THERE, f"{THERE} is not an address of this machine"),
        ("127.0.0.22", f"has no process on 127.0.0.22; did you mean {HERE}"),
        ("nonsense host", "has no process on nonsense host"),
    ],
)
def test_a_machine_does_not_start_what_is_not_its_own(
    far: Topology, host: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError) as caught:
        prechecks.processes_on(far, host)
    assert says in str(caught.value)
    assert caught.value.exit_code is Exit.USAGE
    words = ["--host", host] if host else []
    assert cli.run(["up", str(far.file), *words]) == Exit.USAGE
    shown = capsys.readouterr().err
    assert says.split(" (")[0] in shown
    assert not far.runtime.exists(), "nothing was made"


def test_a_file_for_one_other_machine_says_so(tmp_path: Path) -> None:
    text = FILE.replace(HERE, THERE)
    (tmp_path / "away.toml").write_text(text)
    away = load(tmp_path / "away.toml", runtime=tmp_path / "away")
    with pytest.raises(CommandError, match=rf"^{THERE} is not an address of this machine"):
        prechecks.processes_on(away, "")


def test_addresses_of_this_machine() -> None:
    assert is_local("127.0.0.1")
    assert is_local("localhost")
    assert is_local(HERE)
    assert not is_local(THERE)
    assert not is_local("no-such-host.invalid")


def test_a_part_waits_longer_for_the_other_machines(far: Topology) -> None:
    assert Part(far, {}, {}, HERE, []).limits == Limits(start_s=PART_START_S)
    assert Part(far, {}, {}, "", []).limits == Limits()


def test_missing_keys_are_told_before_anything_is_started(far: Topology) -> None:
    with pytest.raises(StorageError, match="run `mesh keys new`"):
        prechecks.check_keys(far, far.processes)
    make(far, replace=False)
    prechecks.check_keys(far, far.processes)


def test_a_node_that_is_new_in_the_file_needs_new_keys(far: Topology, tmp_path: Path) -> None:
    make(far, replace=False)
    (tmp_path / "far.toml").write_text(f'{FILE}\n[[process]]\nhost = "{THERE}"\nnodes = ["scene.2"]\n')
    grown = load(tmp_path / "far.toml", runtime=far.runtime)
    with pytest.raises(CommandError, match=r"does not know local\.one\.scene\.2; run `mesh keys new"):
        prechecks.check_keys(grown, prechecks.processes_on(grown, HERE))
    make(grown, replace=False)
    prechecks.check_keys(grown, grown.processes)


def test_clusters_in_the_clear_need_no_keys(zone: Topology) -> None:
    prechecks.check_keys(zone, zone.processes)


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_each_machine_gets_the_secrets_of_its_own_nodes(far: Topology, tmp_path: Path) -> None:
    make(far, replace=False)
    copy_for(far, HERE, tmp_path / "here")
    copy_for(far, THERE, tmp_path / "there")
    common = {"curve/members", "curve/ctl.secret"}
    own = {"tickets.key", "resume.key", "curve/gate.1.secret", "curve/login.1.secret"}
    assert names_in(tmp_path / "here") == common | own
    others = {f"curve/{short}.secret" for short in ("center.1", "scene.1", "dc.1")}
    assert names_in(tmp_path / "there") == common | others, "who does not sign has no key to sign with"
    for path in (tmp_path / "here").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
    (tmp_path / "here" / "curve" / "members").write_text("old")
    copy_for(far, HERE, tmp_path / "here")
    assert (tmp_path / "here" / "curve" / "members").read_text() == (far.keys / "curve" / "members").read_text()


def test_a_machine_with_its_copy_has_all_that_its_nodes_need(far: Topology, tmp_path: Path) -> None:
    make(far, replace=False)
    copy_for(far, THERE, tmp_path / "elsewhere" / "keys")
    there = load(far.file, runtime=tmp_path / "elsewhere")
    prechecks.check_keys(there, [p for p in there.processes if p.host == THERE])
    with pytest.raises(StorageError, match=r"gate\.1\.secret is missing"):
        prechecks.check_keys(there, [p for p in there.processes if p.host == HERE])


def test_the_command_makes_keys_and_copies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["keys", "new", "hosts", "--runtime", "secrets", "--copies", "copies", "--json"]) == Exit.OK
    files = json.loads(capsys.readouterr().out)["files"]
    hosts = {"10.77.0.1", "10.77.0.2", "10.77.0.3"}
    assert {path.name for path in (tmp_path / "copies").iterdir()} == hosts
    assert all((tmp_path / file).is_file() for file in files)
    assert (tmp_path / "copies" / "10.77.0.3" / "keys" / "curve" / "dc.1.secret").is_file()


def test_a_node_of_another_machine_is_told_from_one_that_is_down(far: Topology) -> None:
    gate, dc = far.node("gate.1"), far.node("dc.1")
    silent = DeadlineExceeded("x")
    assert merge(gate, silent, None, far).state == "Down"
    assert merge(dc, silent, None, far).state == "Unreached"
    said = Description(dc.name, "dc", "Ready", os.getpid(), 1, 5.0, "http://x/metrics", Load(), [])
    there = merge(dc, said, None, far)
    assert (there.state, there.rss_mb, there.host) == ("Ready", 0.0, THERE), "its pid is no process of ours"


def test_a_note_knows_its_part_and_what_was_added(zone: Topology, own_folder: Path) -> None:
    environment = {"XDG_RUNTIME_DIR": str(own_folder)}
    zone.runtime.mkdir()
    clusters.register(zone, {}, "supervisor", environment, HERE, ["7:scene.3@one"])
    note = clusters.find(None, environment)
    assert note.host == HERE
    assert note.load().node("scene.3").process == 7
    clusters.register(zone, {}, "supervisor", environment)
    assert clusters.find(None, environment).added == []
    assert len(clusters.running(environment)) == 1


# --- clusters that run without a supervisor of ours ---


@pytest.fixture
def outside(zone: Topology) -> Topology:
    """The zone as `-c FILE` loads it, with its usual folder."""
    return clusters.load(str(zone.file), environment={})


def listen(topology: Topology, short: str) -> socket.socket:
    topology.sockets.mkdir(parents=True)
    server = socket.socket(socket.AF_UNIX)
    server.bind(topology.node(short).address.removeprefix("ipc://"))
    server.listen()
    return server


def test_a_cluster_of_systemd_is_found_by_its_file(outside: Topology, own_folder: Path) -> None:
    environment = {"XDG_RUNTIME_DIR": str(own_folder)}
    with pytest.raises(CommandError, match="is running"):
        clusters.find(str(outside.file), environment)
    with listen(outside, "dc.1"):
        note = clusters.find(str(outside.file), environment)
        assert (note.kind, note.runtime) == ("outside", str(outside.runtime))
        assert note.load().nodes == outside.nodes
    with pytest.raises(CommandError, match="is running"):
        clusters.find(str(outside.file), environment)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("restart gate.1", "gate.1 is not run by mesh: restart it with what started it, such as systemctl"),
        ("scale scene=3", "is not run by `mesh up`: add the process to zone.toml"),
    ],
)
def test_what_only_a_supervisor_can_do_is_refused_there(
    outside: Topology, line: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with listen(outside, "dc.1"):
        assert cli.run([*line.split(), "-c", str(outside.file)]) == Exit.FAILURE
    assert says in " ".join(capsys.readouterr().err.split())


def test_a_cluster_of_systemd_is_not_stopped_here(outside: Topology, capsys: pytest.CaptureFixture[str]) -> None:
    with listen(outside, "dc.1"):
        assert cli.run(["down", str(outside.file)]) == Exit.FAILURE
    assert "stop it with what started it" in capsys.readouterr().err


def test_who_answers_is_asked_at_its_own_address(tmp_path: Path, unused_ports: list[int]) -> None:
    assert not is_answering(f"ipc://{tmp_path}/nobody")
    assert not is_answering(f"tcp://127.0.0.1:{unused_ports[0]}")
    with socket.socket() as server:
        server.bind(("127.0.0.1", unused_ports[0]))
        server.listen()
        assert is_answering(f"tcp://127.0.0.1:{unused_ports[0]}")


def test_scale_says_why_a_cluster_with_keys_does_not_grow(
    far: Topology, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    far.runtime.mkdir()
    clusters.register(far, {}, "supervisor", {"XDG_RUNTIME_DIR": str(own_folder)}, HERE)
    assert cli.run(["scale", "gate=2"]) == Exit.FAILURE
    assert "a further node needs a key that all others know" in " ".join(capsys.readouterr().err.split())


def test_scale_says_what_to_do_under_a_procfile(
    zone: Topology, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zone.runtime.mkdir()
    clusters.register(zone, {}, "keep", {"XDG_RUNTIME_DIR": str(own_folder)})
    assert cli.run(["scale", "gate=2"]) == Exit.FAILURE
    assert "runs under a Procfile, which says what there is: add the process to zone.toml" in " ".join(
        capsys.readouterr().err.split()
    )


def test_a_node_of_another_machine_is_restarted_there(
    far: Topology, own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    far.runtime.mkdir()
    clusters.register(far, {}, "supervisor", {"XDG_RUNTIME_DIR": str(own_folder)}, HERE)
    assert cli.run(["restart", "dc.1"]) == Exit.FAILURE
    assert f"dc.1 runs on {THERE}: `mesh restart dc.1` there" in capsys.readouterr().err
    assert cli.run(["logs", "dc.1"]) == Exit.OK
    assert f"dc.1 runs on {THERE}, and its log is there" in capsys.readouterr().err
