"""The reader of a stopped log node's folder."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nodes.log.offline import main
from nodes.log.segments import segment_path
from tests.log.writing import WALL_MS, numbered, write

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, numbered(0, 20), numbered(0, 5, sender="eu.one.gate.1"))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    code = main([str(word) for word in words])
    return code, json.loads(capsys.readouterr().out)


def test_query(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = run(
        capsys, "query", "--data", folder, "--player", 3, "--kind", "test", "--since", WALL_MS + 3, "--limit", 5
    )
    assert code == 0
    assert answer["events"] == [
        {"at_ms": WALL_MS + 12, "kind": "test", "player": 3, "node": "eu.one.scene.1", "fields": {"n": 12}}
        | {"incarnation": 7, "number": 12}
    ]
    assert answer["more"] is False


def test_stat(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = run(capsys, "stat", "--data", folder)
    assert code == 0
    assert (answer["events"], answer["blocks"], answer["damaged"]) == (25, 2, 0)
    assert answer["senders"] == {"eu.one.scene.1": 20, "eu.one.gate.1": 5}
    (segment,) = answer["segments"]
    assert (segment["oldest_ms"], segment["newest_ms"]) == (WALL_MS, WALL_MS + 19)
    assert answer["bytes"] == segment_path(folder, 1).stat().st_size


def test_check_of_a_sound_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = run(capsys, "check", "--data", folder)
    assert (code, answer["ok"], answer["events"]) == (0, True, 25)


def test_check_names_the_damage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with segment_path(folder, 1).open("r+b") as file:
        file.seek(200)
        byte = file.read(1)
        file.seek(200)
        file.write(bytes([byte[0] ^ 1]))
    code, answer = run(capsys, "check", "--data", folder)
    assert code == 6
    assert answer["ok"] is False
    assert [(problem["file"], problem["events"]) for problem in answer["problems"]] == [("00000001.zlog", 20)]


def test_check_names_columns_that_are_not_those_of_the_events(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    honest = numbered(0, 5)
    write(tmp_path, honest, msgspec.structs.replace(numbered(5, 5), times=honest.times))
    code, answer = run(capsys, "check", "--data", tmp_path)
    assert code == 6
    assert [(problem["events"], "columns" in problem["problem"]) for problem in answer["problems"]] == [(5, True)]


def test_a_tail_that_is_torn_is_no_damage(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = segment_path(folder, 1)
    path.write_bytes(path.read_bytes()[:-3])
    code, answer = run(capsys, "check", "--data", folder)
    assert code == 0
    assert answer["events"] == 20
    assert answer["tail_bytes"] > 0


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = run(capsys, "stat", "--data", tmp_path / "none")
    assert code == 1
    assert "none" in answer["error"]


def test_as_an_operator_calls_it(folder: Path) -> None:
    words = ["log", "--offline", "query", "--data", str(folder), "--limit", "1"]
    command = [sys.executable, "-m", "nodes", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert len(json.loads(done.stdout)["events"]) == 1
