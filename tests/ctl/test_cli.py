"""The command line as a user meets it, without a cluster: help, mistakes, exit codes, no traceback."""

import importlib
import json
import re
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from mesh.core.log_group import DROPPED
from mesh.topology import Topology
from tools.ctl import cli, clusters
from tools.ctl.commands.lines import LineRow
from tools.ctl.exits import Exit
from tools.ctl.kinds import KINDS
from tools.ctl.processes import Identity, identity

BAD = """
[cluster]
name = "bad"
base_prot = 9000
[[process]]
nodes = ["center.1", "dc.1", "log.1", "login.1", "scene.1", "gate.1", "gaet.2"]
[settings.scene]
nonsense = 1
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clusters of this user that happen to run are not this test's business."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_of(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def test_every_command_exists_and_its_line_in_the_list_is_how_its_help_begins() -> None:
    group = cli.cli()
    for name, (_, line) in cli.COMMANDS.items():
        command = group.load(name)
        assert words_of(command.help or "").startswith(line.removesuffix(".")), name


def test_help_loads_no_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda name: pytest.fail(f"{name} was loaded"))
    assert cli.run(["--help"]) == Exit.OK
    shown = capsys.readouterr().out
    assert all(name in shown for name in cli.COMMANDS)
    assert "5 time-out" in shown


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("stauts", 2, "did you mean status"),
        ("up nowhere", 2, "duo, hosts, local, mobile, mobile-shared"),
        ("up local --host 10.1.1.1", 2, "has no process on 10.1.1.1"),
        ("drain", 2, "Missing argument"),
        ("drain gate.1", 3, "no cluster is running"),
        ("drain gate.1 --timeout 0", 2, "not in the range"),
        ("drain gate.1 --timeout soon", 2, "not a valid"),
        ("scale", 2, "Missing argument"),
        ("scale gate", 2, "'gate' is not ROLE=N"),
        ("scale gtae=2", 2, "did you mean gate"),
        ("scale center=2", 2, "a zone has one center"),
        ("scale gate=0", 2, "at least one gate"),
        ("scale gate=2", 3, "no cluster is running"),
        ("lines", 3, "no cluster is running"),
        ("lines open", 2, "Missing argument"),
        ("lines open meadow", 3, "no cluster is running"),
        ("lines close meadow", 2, "'meadow' is not a line; write MAP:N"),
        ("lines close meadow:x", 2, "is not a line"),
        ("lines close meadow:0", 2, "is not a line"),
        ("lines close :1", 2, "is not the name of a map"),
        ("lines shut meadow:1", 2, "No such command"),
        ("player anna", 3, "no cluster is running"),
        ("player -- -x", 2, "not a name"),
        ("friends anna", 3, "no cluster is running"),
        ("kick anna", 3, "no cluster is running"),
        ("kick a/b", 2, "not a name"),
        ("say hello", 3, "no cluster is running"),
        ("account vip anna", 3, "no cluster is running"),
        ("account vip anna --level 0", 2, "'0' is not a whole number from 1 to 255; --off ends it"),
        ("account vip anna --level 256", 2, "'256' is not a whole number from 1 to 255"),
        ("account vip anna --level abc", 2, "'abc' is not a whole number from 1 to 255"),
        ("account vip anna --level 2 --off", 2, "give one of them"),
        ("export", 2, "Missing argument"),
        ("export docker", 2, "procfile"),
        ("export systemd local --targets-only", 2, "systemd has no targets"),
        ("export prometheus nowhere", 2, "there is no topology 'nowhere'"),
        ("export prometheus hosts --host 10.77.0.9", 2, "has no process on 10.77.0.9"),
        ("export procfile nowhere", 2, "there is no topology 'nowhere'"),
        ("export procfile local -o /proc/none", 1, "/proc/none"),
        ("up missing.toml", 2, "no such file"),
        ("up local --base-port x", 2, "not a valid"),
        ("up local --set blah", 2, "ROLE.KEY=VALUE"),
        ("up local --set scene.tick=1", 2, "settings.scene.tick: unknown key"),
        ("up local --runtime /proc/none", 1, "cannot write to /proc/none"),
        ("status", 3, "no cluster is running"),
        ("ps other", 3, "no cluster 'other' is running"),
        ("down", 3, "no cluster is running"),
        ("down -c other", 3, "no cluster 'other' is running"),
        ("pressure scene.1 --level 2 --json", 3, "no cluster is running"),
        ("stop other", 3, "no cluster"),
        ("restart gate.1", 3, "no cluster"),
        ("trace", 3, "no cluster"),
        ("logs", 3, "no cluster is running"),
        ("events --since yesterday", 2, "is not a time"),
        ("account create -- -x", 2, "not a name"),
        ("account ban x --for 3", 2, "not a length of time"),
        ("account ban x --for 3d --lift", 2, "give one of them"),
        ("db stat", 3, "no cluster is running"),
        ("completion tcsh", 2, "bash"),
        ("account ban x --for 99999999999999d", 2, "longer than a hundred years"),
        ("events --until 0001-01-01T00:00+14:00", 3, "no cluster is running"),
        ("trace --kind foo", 2, "login"),
        ("up ./", 2, "cannot be read: Is a directory"),
        ("bots --host 127.0.0.1:7700", 2, "write ws://HOST:PORT"),
        ("bots --json /proc/none/x", 2, "/proc/none"),
        ("bots --csv /proc/none/x", 2, "/proc/none"),
        ("bots --move-p99-ms -1", 2, "not in the range"),
    ],
)
def test_mistakes_get_a_word_and_an_exit_code(
    line: str, code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(line.split()) == code
    shown = capsys.readouterr()
    assert says in words_of(shown.err)
    assert shown.out == ""
    assert "Traceback" not in shown.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["say", ""], "the text is empty; it has 1 to 128 characters"),
        (["say", "x" * 129], "the text is too long: 129 characters, at most 128 fit"),
        (["say", "hello", "--speaker", "x" * 65], "the speaker is too long: 65 characters, at most 64 fit"),
        (["say", "hello", "--speaker", ""], "the speaker is empty"),
    ],
)
def test_what_cannot_be_said_is_told_before_anybody_is_asked(
    words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(words) == Exit.USAGE
    shown = words_of(capsys.readouterr().err)
    assert says in shown
    assert "`str`" not in shown


@pytest.fixture
def running(own_folder: Path, zone: Topology, monkeypatch: pytest.MonkeyPatch) -> Topology:
    """A cluster that is listed, and whose nodes nobody asks."""
    zone.runtime.mkdir()
    clusters.register(zone, {}, "supervisor", {"XDG_RUNTIME_DIR": str(own_folder)})
    return zone


@pytest.mark.parametrize(
    ("line", "says"),
    [("drain center.1", "a zone has one center"), ("drain dc.1", "one database"), ("scale scene=1000", "at most 50")],
)
@pytest.mark.usefixtures("running")
def test_what_cannot_be_done_at_all_is_a_usage_error(line: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(line.split()) == Exit.USAGE
    assert says in words_of(capsys.readouterr().err)


@pytest.mark.usefixtures("running")
def test_a_map_that_is_not_there_is_told_with_those_that_are(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find_lines(*_: object) -> list[LineRow]:
        return [LineRow(name, 1, "eu.one.scene.1", 0, 8, 10, "free", "one") for name in ("meadow", "cave")]

    monkeypatch.setattr("tools.ctl.commands.lines.find_lines", find_lines)
    assert cli.run(["lines", "open", "nomap"]) == Exit.NOT_FOUND
    assert "there is no map nomap; there are cave, meadow" in words_of(capsys.readouterr().err)


@pytest.mark.usefixtures("running")
def test_nobodys_friends_are_told_on_stdout(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def friends(*_: object) -> tuple[list[object], str]:
        return [], "Anna"

    monkeypatch.setattr("tools.ctl.commands.player._friends", friends)
    assert cli.run(["friends", "anna"]) == Exit.OK
    assert capsys.readouterr() == ("Anna has no friends yet\n", "")


@pytest.mark.usefixtures("running")
def test_a_kind_that_nobody_records_is_told_when_nothing_is_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: object) -> tuple[list[object], bool]:
        return [], False

    monkeypatch.setattr("tools.ctl.commands.events._ask", none)
    assert cli.run(["events", "-k", "login", "-k", "nokind"]) == Exit.OK
    assert "no node records nokind; kinds are connected, login," in words_of(capsys.readouterr().err)
    assert cli.run(["events", "-k", "login"]) == Exit.OK
    assert "no node records" not in capsys.readouterr().err


def test_the_kinds_of_events_are_those_that_the_nodes_record() -> None:
    text = "".join(path.read_text() for path in (Path(cli.__file__).parents[2] / "nodes").rglob("*.py"))
    text += f'"{DROPPED}"'  # by whatever keeps a journal
    recorded = set(re.findall(r"record\(\s*\"(\w+)\"", text))
    assert len(recorded) > 20
    assert recorded <= set(KINDS)
    assert all(f'"{kind}"' in text or kind.startswith("friend_") for kind in KINDS)


def test_a_kick_has_a_short_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["kick", "anna", "--text", "x" * 257]) == Exit.USAGE
    assert "at most 256 characters" in capsys.readouterr().err


def test_all_mistakes_of_a_topology_are_shown_at_once_and_nothing_is_made(
    own_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_folder / "bad.toml").write_text(BAD)
    assert cli.run(["check", "bad.toml", "--json"]) == Exit.USAGE
    problems = json.loads(capsys.readouterr().out)["problems"]
    found = " ".join(problems)
    assert "cluster.base_prot" in found
    assert "gaet.2" in found
    assert "settings.scene.nonsense" in found
    assert all(problem.startswith("bad.toml: ") for problem in problems)
    assert cli.run(["up", "bad.toml"]) == Exit.USAGE
    shown = capsys.readouterr().err
    assert all(problem.removeprefix("bad.toml: ") in shown for problem in problems)
    assert not (own_folder / "var").exists()


def test_the_topologies_that_come_along_have_no_mistakes(capsys: pytest.CaptureFixture[str]) -> None:
    for name in clusters.shipped_names():
        assert cli.run(["check", name]) == Exit.OK, capsys.readouterr().out


def test_a_mistake_of_ours_is_a_sentence_and_a_file(
    own_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(environment: object) -> None:
        raise ZeroDivisionError("of ours")

    monkeypatch.setattr(clusters, "running", broken)
    monkeypatch.setattr("tempfile.tempdir", str(own_folder))
    assert cli.run(["status"]) == Exit.FAILURE
    shown = capsys.readouterr().err
    assert "mistake in mesh itself: ZeroDivisionError" in shown
    assert "Traceback" not in shown
    assert "Traceback" in next(own_folder.glob("zonemesh-mistake-*.txt")).read_text()


def note(runtime: Path, holder: Identity | None = None) -> clusters.Running:
    return clusters.Running("local", str(runtime), "/t/local.toml", 7700, {}, holder or identity(), "supervisor")


def put(folder: Path, name: str, entry: clusters.Running) -> None:
    clusters.write_json(clusters.folder({"XDG_RUNTIME_DIR": str(folder)}) / f"{name}.json", entry)


def test_clusters_are_found_by_name_folder_and_file(own_folder: Path) -> None:
    environment = {"XDG_RUNTIME_DIR": str(own_folder)}
    put(own_folder, "1", note(own_folder / "var" / "local"))
    assert clusters.find(None, environment).label == "local"
    put(own_folder, "2", note(own_folder / "var" / "local-8700"))
    assert clusters.find("local-8700", environment).label == "local-8700"
    assert clusters.find("var/local", environment).label == "local"
    with pytest.raises(clusters.CommandError, match="local, local-8700") as caught:
        clusters.find(None, environment)
    assert caught.value.exit_code is Exit.USAGE
    with pytest.raises(clusters.CommandError, match="give the folder"):
        clusters.find("/t/local.toml", environment)


def test_a_stopped_cluster_is_found_by_the_name_of_its_folder(own_folder: Path) -> None:
    beside = clusters.load("local", base_port=9700, environment={})
    beside.runtime.mkdir(parents=True)
    entry = clusters.Running("local", str(beside.runtime), str(beside.file), 9700, {}, identity(), "supervisor")
    clusters.write_json(beside.runtime / clusters.LAST_NOTE, entry)
    for name in ("local-9700", "var/local-9700", str(beside.runtime)):
        found, runs = clusters.find_or_load(name, {"XDG_RUNTIME_DIR": str(own_folder)})
        assert (found.runtime, found.base_port, runs) == (beside.runtime, 9700, None)


def test_notes_of_the_dead_and_damaged_ones_are_removed(own_folder: Path) -> None:
    environment = {"XDG_RUNTIME_DIR": str(own_folder)}
    put(own_folder, "1", note(own_folder / "gone", Identity(2**22 + 5, 1.0)))
    folder = clusters.folder(environment)
    (folder / "2.json").write_text("{not json")
    assert clusters.running(environment) == []
    assert list(folder.glob("*.json")) == []


def test_another_base_port_has_its_own_runtime_folder(own_folder: Path) -> None:
    usual = clusters.load("local", environment={})
    other = clusters.load("local", base_port=9700, environment={})
    asked = clusters.load("local", base_port=9700, runtime=own_folder / "mine", environment={})
    assert usual.runtime.name == "local"
    assert other.runtime.name == "local-9700"
    assert other.sockets != usual.sockets
    assert asked.runtime == own_folder / "mine"


def test_keys_are_made_once_for_their_owner_only(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["keys", "new", "local"]) == Exit.OK
    files = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert {file.name for file in files} == {"tickets.key", "resume.key"}
    before = [file.read_text() for file in files]
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)
    cli.run(["keys", "new", "local"])
    assert [file.read_text() for file in files] == before
    cli.run(["keys", "new", "local", "--replace"])
    assert all(file.read_text() != old for file, old in zip(files, before, strict=True))


@pytest.mark.parametrize(
    ("words", "incomplete", "found"),
    [
        (["up"], "mob", {"mobile", "mobile-shared"}),
        (["up", "hosts", "--host"], "10.77.0.", {"10.77.0.1", "10.77.0.2", "10.77.0.3"}),
        (["export", "systemd", "hosts", "--host"], "", {"10.77.0.1", "10.77.0.2", "10.77.0.3"}),
        (["export"], "", {"procfile", "systemd", "prometheus", "alerts", "grafana"}),
        (["scale"], "s", {"scene="}),
        (["scale"], "", {"gate=", "login=", "scene=", "log="}),
        (["drain"], "gate", {"gate.1", "gate.2"}),
        (["restart"], "scene.3", {"scene.3"}),
        (["logs"], "scene.3", {"scene.3"}),
        (["lines", "--zone"], "", {"one"}),
        (["lines", "open", "meadow", "--scene"], "scene.", {"scene.1", "scene.2", "scene.3"}),
        (["say", "x", "-c"], "r", {"run"}),
        (["drain", "gate.1", "-c"], "nothing", set()),
    ],
)
def test_the_shell_is_told_what_fits(
    own_folder: Path, zone: Topology, words: list[str], incomplete: str, found: set[str]
) -> None:
    """Of a cluster that runs with two nodes more than its file has."""
    zone.runtime.mkdir()
    environment = {"XDG_RUNTIME_DIR": str(own_folder)}
    clusters.register(zone, {}, "supervisor", environment, added=["7:scene.3@one", "8:gate.2@one"])
    complete = ShellComplete(cli.cli(), {"obj": environment}, "mesh", "_MESH_COMPLETE")
    assert {item.value for item in complete.get_completions(words, incomplete)} == found


def test_without_a_cluster_the_shell_is_told_nothing(own_folder: Path) -> None:
    complete = ShellComplete(cli.cli(), {"obj": {"XDG_RUNTIME_DIR": str(own_folder)}}, "mesh", "_MESH_COMPLETE")
    assert [item.value for item in complete.get_completions(["drain"], "")] == []
    assert [item.value for item in complete.get_completions(["lines", "--zone"], "")] == []
