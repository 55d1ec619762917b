"""`mesh data` as it is called: on a lake, and on the files of a stopped cluster with its DC."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mesh.lake.lake import Lake, manifest_of
from tests.data.asking import DAY_ZERO, HOUR, lake_of, session
from tests.data.laking import WALL_MS, all_said, batches_of, content, data_files, log_folder
from tests.data.test_erasing import EVENTS, GONE, NAME, assert_gone_from_segments
from tests.log.writing import Happening
from tools.ctl import cli
from tools.ctl.exits import Exit
from tools.data import command

ROOT = str(Path(cli.__file__).parents[2])
ZONE = """
[cluster]
name = "small"
[[process]]
nodes = ["center.1", "dc.1", "log.1", "login.1", "scene.1", "gate.1"]
"""
HAPPENED: list[Happening] = [
    *session(1, 101, DAY_ZERO, DAY_ZERO + HOUR),
    (DAY_ZERO + 10, "loot", 1, {"gold": 5, "items": []}),
    (DAY_ZERO + 20, "move", 1, {"x": 1.5, "y": 2.5}),
    (DAY_ZERO + 30, "say", 2, {"text": 'a, "b"'}),
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", ROOT)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return lake_of(tmp_path, HAPPENED)


@pytest.fixture
def zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a stopped cluster has left: ten accounts in its DC, and a behaviour log."""
    monkeypatch.setenv("MESH_RUNTIME", str(tmp_path / "run"))
    (tmp_path / "small.toml").write_text(ZONE)
    data = tmp_path / "run" / "data"
    fill = [sys.executable, "-P", "-m", "nodes", "dc", "--offline", "fill", "10", "bot", "--data", str(data / "dc.1")]
    subprocess.run(fill, check=True, capture_output=True, env={**os.environ, "PYTHONPATH": ROOT})
    log_folder(data / "log.1", *batches_of(HAPPENED, 500))
    return tmp_path


def test_every_command_exists_and_its_line_in_the_list_is_how_its_help_begins() -> None:
    group = command.data
    for name, (_, line) in command.PLACES.items():
        text = " ".join((group.load(name).help or "").split())
        assert text.startswith(line.removesuffix(".")), name
        assert "Exit codes: 0" in text, name


def data(*words: str) -> int:
    return cli.run(["data", *words])


def test_sql(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    question = "SELECT kind, account, text FROM deeds WHERE kind IN ('say', 'loot') ORDER BY kind"
    assert data("sql", question, "--lake", str(lake), "--csv") == Exit.OK
    out = capsys.readouterr().out
    assert list(csv.reader(io.StringIO(out))) == [
        ["kind", "account", "text"],
        ["loot", "1", ""],
        ["say", "2", 'a, "b"'],
    ]
    assert data("sql", question, "--lake", str(lake), "--json") == Exit.OK
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[1] == {"kind": "say", "account": 2, "text": 'a, "b"'}
    assert data("sql", question, "--lake", str(lake), "-n", "1") == Exit.OK
    shown = capsys.readouterr()
    assert "loot" in shown.out
    assert "say" not in shown.out
    assert "2 rows, 1 shown" in shown.err


def test_sql_from_stdin(lake: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT count(*) AS n FROM events"))
    assert data("sql", "-", "--lake", str(lake), "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == {"n": len(HAPPENED)}


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["sql", "DROP VIEW events"], Exit.USAGE, "only read"),
        (["sql", "SELECT x FROM nothing"], Exit.USAGE, "nothing"),
        (["sql", "SELECT 1", "--csv", "--json"], Exit.USAGE, "--csv or --json"),
        (["sql", "SELECT 1", "--memory", "lots"], Exit.USAGE, "512M"),
        (["sql", "SELECT 1", "--timeout", "soon"], Exit.USAGE, "length of time"),
        (["report", "daily", "--days", "3", "--since", "3d"], Exit.USAGE, "--days or --since"),
        (["report", "daily", "--until", "2001-01-01"], Exit.NOT_FOUND, "no events in that time"),
        (["prune"], Exit.USAGE, "--days, --size"),
        (["player", "Nobody"], Exit.NOT_FOUND, "Nobody"),
        (["export", "--to", "s3://bucket/there"], Exit.USAGE, "sinks.py"),
        (["export", "--to", "clickhouse"], Exit.USAGE, "sinks.py"),
    ],
)
def test_what_is_wrong_is_said(
    lake: Path, words: list[str], code: Exit, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert data(*words, "--lake", str(lake)) == code
    assert text in capsys.readouterr().err


def test_without_a_lake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["tables"],
        ["sql", "SELECT 1"],
        ["report", "daily"],
        ["player", "1"],
        ["prune", "--days", "1", "-y"],
    ):
        assert data(*words, "--lake", str(tmp_path / "none")) == Exit.NOT_FOUND
        assert "mesh data sample" in capsys.readouterr().err


def test_without_the_extra(lake: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for words in (["sql", "SELECT 1"], ["report", "daily"], ["player", "1"]):
        assert data(*words, "--lake", str(lake)) == Exit.USAGE
        assert "pip install 'zonemesh[data]'" in capsys.readouterr().err


def test_tables(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data("tables", "--lake", str(lake), "--json") == Exit.OK
    said = json.loads(capsys.readouterr().out)
    tables = {one["table"]: one for one in said["tables"]}
    assert tables["events"]["rows"] == len(HAPPENED)
    assert tables["loot"]["columns"] == {
        "ts": "TIMESTAMP", "account": "BIGINT", "zone": "VARCHAR", "node": "VARCHAR", "gold": "BIGINT", "items": "JSON",
    }  # fmt: skip
    assert tables["loot"]["rows"] == 1
    assert said["since_ms"] == DAY_ZERO
    assert data("tables", "--lake", str(lake)) == Exit.OK
    assert "what" not in capsys.readouterr().err


def test_the_columns_that_are_told_are_those_that_are_there(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data("tables", "--lake", str(lake), "--json") == Exit.OK
    for one in json.loads(capsys.readouterr().out)["tables"]:
        assert data("sql", f'DESCRIBE "{one["table"]}"', "--lake", str(lake), "--json") == Exit.OK
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        there = {row["column_name"]: row["column_type"] for row in rows}
        if one["table"] == "events":
            assert there.items() >= one["columns"].items()
        else:
            assert there == one["columns"], one["table"]


def test_report(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "daily.html"
    assert data("report", "daily", "--lake", str(lake), "--html", str(page)) == Exit.OK
    assert "Day by day" in page.read_text()
    assert str(page) in capsys.readouterr().err
    assert data("report", "daily", "--lake", str(lake)) == Exit.OK
    assert "By day" in capsys.readouterr().out
    assert data("report", "daily", "--lake", str(lake), "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["period"]["since_ms"] == DAY_ZERO


def test_player(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data("player", "p1", "--lake", str(lake), "--json") == Exit.OK
    said = json.loads(capsys.readouterr().out)
    assert said["account"] == 1
    assert said["kinds"] == {"enter": 1, "leave": 1, "login": 1, "logout": 1, "loot": 1}
    assert [event["at_ms"] for event in said["events"]] == sorted(event["at_ms"] for event in said["events"])
    loot = next(event for event in said["events"] if event["kind"] == "loot")
    assert loot["fields"] == {"gold": 5, "items": []}
    assert data("player", "1", "--moves", "--lake", str(lake), "-n", "2") == Exit.OK
    assert "6 events, the newest 2 shown" in capsys.readouterr().err


def test_export_brings_a_copy_up_to_date(lake: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "copy"
    assert data("export", "--to", str(target), "--lake", str(lake), "--json") == Exit.OK
    first = json.loads(capsys.readouterr().out)
    files = {file.name for file in manifest_of(lake).files}
    assert {path.relative_to(target).as_posix() for path in target.rglob("*.parquet")} == files
    assert first["copied"] == len(files)
    assert all((target / name).read_bytes() == (lake / name).read_bytes() for name in files)
    (target / sorted(files)[0]).with_suffix(".parquet.part").write_bytes(b"half")
    with Lake(lake, WALL_MS) as opened:
        opened.commit(WALL_MS, dropped=[opened.manifest.files[0]])
    assert data("export", "--to", str(target), "--lake", str(lake), "--json") == Exit.OK
    again = json.loads(capsys.readouterr().out)
    assert (again["copied"], again["there"], again["removed"]) == (0, len(files) - 1, 1)
    about = json.loads((target / "copy.json").read_text())
    assert {one["name"] for one in about["files"]} == {file.name for file in manifest_of(lake).files}


def test_prune(lake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data("prune", "--days", "0.5", "--yes", "--lake", str(lake), "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["rows"] == len(HAPPENED)
    assert data_files(lake) == []


def test_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "sample"
    words = [
        "sample",
        "--lake",
        str(folder),
        "--days",
        "3",
        "--players",
        "60",
        "--events",
        "5K",
        "--until",
        "2025-03-09",
    ]
    assert data(*words, "--cheaters", "0", "--json") == Exit.OK
    made = json.loads(capsys.readouterr().out)["made"]
    assert made["players"] == 60
    assert json.loads((folder / "sample.json").read_text())["made"] == made
    assert data(*words) == Exit.FAILURE
    assert "not empty" in capsys.readouterr().err
    assert data("report", "retention", "--lake", str(folder)) == Exit.OK


def test_compact_takes_log_and_ledger(zone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data("compact", "-c", "small.toml", "--json") == Exit.OK
    said = json.loads(capsys.readouterr().out)
    lake = zone / "run" / "lake"
    assert said["events"] == len(HAPPENED)
    assert said["ledger"]["holders"] == 10
    assert content(lake) == sorted(all_said(HAPPENED))
    assert (
        data("sql", "SELECT place, count(*) AS n FROM purses GROUP BY place", "-c", "small.toml", "--json") == Exit.OK
    )
    places = {row["place"]: row["n"] for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert places == {"purse": 10, "minted": 1, "burned": 1}
    assert data("sql", "SELECT count(*) AS n, sum(amount) AS gold FROM ledger", "-c", "small.toml", "--json") == Exit.OK
    before = json.loads(capsys.readouterr().out)
    assert before["n"] >= 10
    assert data("compact", "-c", "small.toml") == Exit.OK
    assert "0 events came into the lake" in capsys.readouterr().err
    assert data("sql", "SELECT count(*) AS n, sum(amount) AS gold FROM ledger", "-c", "small.toml", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out) == before
    assert data("report", "economy", "-c", "small.toml", "--json") == Exit.OK
    books = next(one for one in json.loads(capsys.readouterr().out)["tables"] if one["title"] == "The books")
    assert books["bad"] == []


def test_a_name_is_known_by_the_dc(zone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data("compact", "-c", "small.toml", "--no-ledger") == Exit.OK
    assert data("player", "bot00000001", "-c", "small.toml", "--json") == Exit.OK
    assert json.loads(capsys.readouterr().out)["account"] == 1


def test_erase_of_a_stopped_cluster(zone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = zone / "run" / "data" / "log.1"
    shutil.rmtree(log)
    log_folder(log, *batches_of(EVENTS, 500))
    assert data("compact", "-c", "small.toml", "--no-ledger") == Exit.OK
    capsys.readouterr()
    assert data("erase", str(GONE), "--yes", "-c", "small.toml", "--json") == Exit.OK
    said = json.loads(capsys.readouterr().out)
    assert (said["log"]["events"], said["lake"]["events"]) == (4, 4)
    assert_gone_from_segments(log)
    assert not any(event.account == GONE or NAME + '"' in event.fields for event in content(zone / "run" / "lake"))
    assert data("compact", "-c", "small.toml", "--no-ledger") == Exit.OK
    assert not any(event.account == GONE for event in content(zone / "run" / "lake"))
    capsys.readouterr()
    assert data("erase", str(GONE), "--yes", "-c", "small.toml") == Exit.OK
    assert "What is left: the account itself" in capsys.readouterr().err
