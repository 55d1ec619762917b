"""Topologies: what a good one means, and that a bad one shows all its mistakes at once."""

from pathlib import Path

import pytest

from mesh.errors import StorageError, TopologyError
from mesh.topology import load, socket_folder
from nodes.process import refuse_strangers
from tests.conftest import ZONE


def write(folder: Path, text: str) -> Path:
    file = folder / "zone.toml"
    file.write_text(text)
    return file


def problems(folder: Path, text: str, **options) -> list[str]:
    with pytest.raises(TopologyError) as found:
        load(write(folder, text), **options)
    return found.value.problems


def test_names_addresses_and_ports_follow_from_the_file(tmp_path):
    zone = load(write(tmp_path, ZONE), runtime=tmp_path / "run")
    gate = zone.node("gate.1")
    assert gate.name == "eu.one.gate.1"
    assert gate is zone.node("eu.one.gate.1")
    assert gate.address == f"ipc://{tmp_path}/run/run/gate.1"
    assert gate.metrics_port == 7700 + 50 + 6
    assert zone.center_of("one").short == "center.1"
    assert [p.name for p in zone.processes][:2] == ["center.1", "dc.1"]
    assert zone.data(gate) == tmp_path / "run/data/gate.1"


def test_links_say_who_dials_and_both_may_talk(tmp_path):
    zone = load(write(tmp_path, ZONE))
    assert zone.dials("gate", "scene")
    assert not zone.dials("scene", "gate")
    assert zone.may_talk("scene", "gate")
    assert not zone.may_talk("gate", "dc")
    assert all(zone.dials(role, "center") for role in ("gate", "scene", "dc", "log", "login"))
    assert zone.may_talk("ctl", "dc")


def test_command_line_wins_over_environment_over_file(tmp_path):
    file = write(
        tmp_path, ZONE.replace('zone = "one"', 'zone = "one"\nbase_port = 8000') + "\n[settings.scene]\ntick_hz = 5\n"
    )
    assert load(file).base_port == 8000
    assert load(file, environment={"MESH_BASE_PORT": "9000"}).base_port == 9000
    assert load(file, base_port=9500, environment={"MESH_BASE_PORT": "9000"}).base_port == 9500
    assert load(file, environment={"MESH_RUNTIME": str(tmp_path / "env")}).runtime == tmp_path / "env"
    settings = load(file, overrides={"scene.tick_hz": "20", "gate.host": "0.0.0.0", "log.x": "[1]"}).settings
    assert settings == {"scene": {"tick_hz": 20}, "gate": {"host": "0.0.0.0"}, "log": {"x": [1]}}


def test_several_roles_share_a_process(tmp_path):
    text = ZONE.replace('nodes = ["scene.1"]', 'nodes = ["scene.1", "gate.2"]')
    zone = load(write(tmp_path, text))
    assert zone.node("scene.1").process == zone.node("gate.2").process
    assert "scene.1+gate.2" in [p.name for p in zone.processes]


def test_all_mistakes_are_shown_at_once_with_file_key_and_remedy(tmp_path):
    text = """
colour = "red"
[cluster]
name = "Not A Name"
base_port = "7700"
[[process]]
nodes = ["gate.1", "gate.1", "wizard.1", "gate.x"]
spin = 3
[[process]]
nodes = []
[links]
allow = ["gate -> scene", "gate to login"]
[settings.wizard]
a = 1
[settings]
gate = 3
""".replace("[settings]\ngate = 3\n", "")
    found = problems(tmp_path, text)
    for part in (
        "colour: unknown key",
        "cluster.name: 'Not A Name' is not a name",
        "cluster.base_port: '7700' must be a whole number",
        "gate.1 is already in process[0]",
        "'wizard.1' is not a node",
        "'gate.x' is not a node",
        "process[0].spin: unknown key",
        "process[1].nodes: must be a list",
        "gate needs a login",
        "gate needs a center",
        "'gate -> scene' leads to nowhere: there is no scene",
        "'gate to login' is not a link",
        "settings.wizard: unknown role",
    ):
        assert any(part in problem for problem in found), part
    assert all(problem.startswith(str(tmp_path / "zone.toml")) for problem in found)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("= 3", "not valid TOML"),
        ("[cluster]\nname = 'x'\n", "no process"),
        (ZONE.replace('nodes = ["dc.1"]', 'nodes = ["dc.1", "dc.2"]'), "more than one dc"),
        (ZONE.replace('nodes = ["gate.1"]', 'nodes = ["gate.1"]\nhost = "10.0.0.1"'), "beyond loopback"),
        (ZONE.replace('zone = "one"', 'zone = "one"\nbase_port = 80'), "out of range"),
        (ZONE.replace('zone = "one"', 'zone = "one"\nbase_port = true'), "must be a whole number"),
        (ZONE.replace('zone = "one"', 'zone = "one"\nevents_kept = 15'), "choose 16 to 4194304"),
        (ZONE + '[settings.dc]\nstandby = {"dc.1" = "dc.2"}', "the dc nodes must be dc.1 and dc.2"),
        ("process = 3", "no process"),
        ("process = [3]\n", "must be a table"),
        (ZONE.replace('name = "test"', 'name = "test\\n"'), "is not a name"),
        (ZONE.replace('nodes = ["dc.1"]', 'nodes = ["dc.1\\n"]'), "is not a node"),
        (ZONE + "\n[links]\nallow = 3\n", "links.allow"),
    ],
)
def test_each_mistake_is_named(tmp_path, text, part):
    assert any(part in problem for problem in problems(tmp_path, text))


def test_a_standby_is_a_second_dc_with_a_link_to_the_first(tmp_path):
    text = ZONE.replace('nodes = ["dc.1"]', 'nodes = ["dc.1"]\n[[process]]\nnodes = ["dc.2"]')
    file = tmp_path / "zone.toml"
    file.write_text(text + '[settings.dc]\nstandby = {"dc.1" = "dc.2"}\n[links]\nallow = ["scene -> dc"]')
    zone = load(file)
    one, other = (node.name for node in zone.of_role("dc"))
    assert zone.standbys == {one: other}
    assert zone.dials("dc", "dc")


def test_a_missing_file_and_a_folder_are_said_so(tmp_path):
    with pytest.raises(TopologyError, match="there is no such file"):
        load(tmp_path / "nothing.toml")
    with pytest.raises(TopologyError, match="cannot be read"):
        load(tmp_path)


def test_sockets_move_when_the_folder_is_too_deep(tmp_path):
    near, deep = tmp_path / "run", tmp_path / ("x" * 80)
    assert socket_folder(near) == near / "run"
    far = socket_folder(deep)
    assert len(str(far)) < 80
    assert far == socket_folder(deep)
    assert far != socket_folder(tmp_path / ("y" * 80))


def test_not_into_a_temporary_folder_that_is_too_deep_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / ("t" * 80)))
    assert socket_folder(tmp_path / ("x" * 80)).parent == Path("/tmp")


def test_a_folder_for_sockets_that_somebody_else_has_made_is_refused(tmp_path, monkeypatch):
    file = tmp_path / "zone.toml"
    file.write_text(ZONE)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    inside, outside = load(file, runtime=tmp_path / "run"), load(file, runtime=tmp_path / ("x" * 80))
    outside.sockets.mkdir(parents=True)
    refuse_strangers(outside)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    refuse_strangers(inside)
    with pytest.raises(StorageError, match="belongs to somebody else"):
        refuse_strangers(outside)
