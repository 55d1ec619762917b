"""`mesh db` on the files of a stopped cluster: backup, check, restore, export, import; words and exit codes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.structs import replace

from nodes.center.memory import TENURE_FILE
from nodes.dc.ledger import DATABASE
from nodes.dc.manifest import MAP_BYTES
from nodes.dc.records import META
from nodes.dc.settings import DcSettings
from nodes.dc.store import LmdbStore
from tools.ctl import cli
from tools.ctl.commands.db_data import COPIES, _clear
from tools.ctl.exits import Exit

ZONE = """
[cluster]
name = "small"
[[process]]
nodes = ["center.1", "dc.1", "log.1", "login.1", "scene.1", "gate.1"]
"""


@pytest.fixture
def zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small.toml, and what a stopped cluster of that has left: ten accounts."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("MESH_RUNTIME", str(tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(ZONE)
    fill = [sys.executable, "-P", "-m", "nodes", "dc", "--offline", "fill", "10", "bot"]
    root = str(Path(cli.__file__).parents[2])
    subprocess.run(
        [*fill, "--data", str(tmp_path / "run" / "data" / "dc.1")], check=True, capture_output=True,
        env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip
    monkeypatch.setenv("PYTHONPATH", root)
    return tmp_path


def db(*words: str, on: str = "small.toml") -> int:
    return cli.run(["db", *words, "-c", on])


def test_back_up_check_and_restore(zone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert db("backup", "one") == Exit.OK
    assert capsys.readouterr().out.strip() == str(zone / "one")
    assert db("backup", "one") == Exit.FAILURE
    assert "exists already" in capsys.readouterr().err
    assert db("check", "--backup", "one") == Exit.OK
    assert db("restore", "one") == Exit.FAILURE
    assert "--force" in capsys.readouterr().err
    (zone / "run" / "data" / "dc.1" / "data.mdb").write_bytes(b"damaged")
    assert db("verify") == Exit.FAILURE
    assert "is not an LMDB file" in capsys.readouterr().err
    assert db("restore", "one", "--force", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["accounts"] == 10
    assert db("verify") == db("audit") == db("check") == Exit.OK


def test_both_of_a_pair_get_the_same(zone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = ZONE.replace('"dc.1"', '"dc.1", "dc.2"') + '[settings.dc]\nstandby = { "dc.1" = "dc.2" }\n'
    (zone / "small.toml").write_text(pair)
    assert db("backup", "one") == Exit.OK
    assert db("restore", "one", "--force") == Exit.OK, capsys.readouterr().err
    one, other = (zone / "run" / "data" / name / "data.mdb" for name in ("dc.1", "dc.2"))
    assert one.read_bytes() == other.read_bytes()


def test_what_a_center_knows_of_a_pair_is_not_about_the_database_that_is_put_there(
    zone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else neither of the two could write: that one is older than what the center has written down."""
    pair = ZONE.replace('"dc.1"', '"dc.1", "dc.2"') + '[settings.dc]\nstandby = { "dc.1" = "dc.2" }\n'
    assert db("backup", "one") == Exit.OK
    assert db("export", "all.jsonl") == Exit.OK
    tenure = zone / "run" / "data" / "center.1" / TENURE_FILE
    tenure.parent.mkdir()
    for words in (("restore", "one"), ("import", "all.jsonl")):
        tenure.touch()
        (zone / "small.toml").write_text(ZONE)
        assert db(*words, "--force") == Exit.OK
        assert tenure.exists(), "one DC asks nobody"
        (zone / "small.toml").write_text(pair)
        capsys.readouterr()
        assert db(*words) == Exit.FAILURE
        assert tenure.exists(), "nothing was changed"
        assert db(*words, "--force") == Exit.OK
        assert not tenure.exists()
        assert str(tenure) in capsys.readouterr().err


def test_of_two_that_have_stopped_the_one_that_wrote_last_is_read(
    zone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pair = ZONE.replace('"dc.1"', '"dc.1", "dc.2"') + '[settings.dc]\nstandby = { "dc.1" = "dc.2" }\n'
    (zone / "small.toml").write_text(pair)
    data = zone / "run" / "data"
    assert db("stat", "--json") == Exit.OK, "one of them was never started"
    shutil.copytree(data / "dc.1", data / "dc.2")
    for short, epoch, batch in (("dc.2", 4, 1), ("dc.1", 4, 2)):
        stand(data / short, epoch, batch)
        capsys.readouterr()
        assert db("get", "meta", "--json") == Exit.OK
        (row,) = json.loads(capsys.readouterr().out)["rows"]
        assert (row["epoch"], row["batch"]) == (epoch, batch)
    (data / "dc.1" / "data.mdb").write_bytes(b"damaged")
    assert db("check") == Exit.OK
    assert "is not an LMDB file" in capsys.readouterr().err
    assert cli.run(["account", "list", "-c", "small.toml", "--json"]) == Exit.OK
    assert len(json.loads(capsys.readouterr().out)["accounts"]) == 10


def stand(data: Path, epoch: int, batch: int) -> None:
    """This database was written up to there."""
    store = LmdbStore(data, MAP_BYTES, DcSettings().map_bytes_max)
    key = META.keys.pack(DATABASE)
    row = META.unpack(key, store.get(META.name, key) or b"")
    store.begin()
    store.write([(META.name, key, META.pack(key, replace(row, epoch=epoch, batch=batch)))])
    store.commit()
    store.close()


def test_a_damaged_backup_is_refused(zone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert db("backup", "one") == Exit.OK
    content = bytearray((zone / "one" / "data.mdb").read_bytes())
    content[len(content) // 2] ^= 1
    (zone / "one" / "data.mdb").write_bytes(content)
    capsys.readouterr()
    assert db("restore", "one", "--force") == Exit.CHECK_FAILED
    assert "is damaged" in capsys.readouterr().err
    assert db("check") == Exit.OK


def test_what_is_exported_is_imported_elsewhere(
    zone: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert db("export", "-") == Exit.USAGE
    assert not (zone / "-").exists()
    assert db("export", "all.jsonl") == Exit.OK
    monkeypatch.setenv("MESH_RUNTIME", str(zone / "other"))  # a cluster that never ran
    assert db("import", "all.jsonl") == Exit.OK
    capsys.readouterr()
    assert db("stat", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["accounts"] == 10
    (zone / "all.jsonl").write_text((zone / "all.jsonl").read_text()[:-50])
    assert db("import", "all.jsonl", "--force") == Exit.FAILURE
    assert "cut short" in capsys.readouterr().err


def test_a_check_that_finds_something_says_so(zone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = zone / "run" / "data" / "dc.1" / "data.mdb"
    content = bytearray(file.read_bytes())
    content[content.rindex(b"bot00000007")] ^= 1
    file.write_bytes(content)
    assert db("verify") == Exit.CHECK_FAILED
    shown = capsys.readouterr().err
    assert "the checksum does not match" in shown
    assert "the database is damaged" in shown


def test_a_damaged_row_is_told_to_whoever_asks_for_that_player_and_concerns_nobody_else(
    zone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One bit of the name, which is a key: what is left of it stands where it stood."""
    file = zone / "run" / "data" / "dc.1" / "data.mdb"
    file.write_bytes(file.read_bytes().replace(b"bot00000007", b"bot00000017"))
    for words in (["player", "bot00000007"], ["friends", "bot00000007"], ["events", "--player", "bot00000007"]):
        assert cli.run([*words, "-c", "small.toml"]) == Exit.CHECK_FAILED, words
        assert "names bot00000017: the checksum does not match" in capsys.readouterr().err
    assert cli.run(["player", "bot00000006", "-c", "small.toml"]) == Exit.OK


def test_copies_of_commands_that_were_killed_are_removed(tmp_path: Path) -> None:
    copies = tmp_path / COPIES
    for name in (str(os.getpid()), "999999999", "999999999.part"):
        (copies / name).mkdir(parents=True)
    _clear(copies)
    assert [left.name for left in copies.iterdir()] == [str(os.getpid())]
