"""The commands for a stopped DC: JSON on stdout, words on stderr, exit codes; never a traceback."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nodes.dc.offline import main
from nodes.dc.store import DATA_FILE, LmdbStore

from .conftest import MIB
from .desk import Desk, make, pay


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a DC that has stopped."""
    folder = tmp_path / "dc"
    store = LmdbStore(folder, MIB, 64 * MIB)
    desk = Desk(store)
    (anna, session), (bert, _) = desk.player("Anna"), desk.player("Bert")
    desk.operate(pay(session, 1, (anna, bert, 30), (0, bert, 5)))
    desk.operate(make(session, 2, (0, 0, anna, "axe")))
    store.close()
    return folder


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    code = main(words)
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


def test_stat(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, facts, _ = call(capsys, "stat", "--data", str(data))
    assert code == 0
    assert facts["durable_operations"] == 6
    assert facts["gold"] == {"wallets": 205, "mails": 0, "minted": 205, "burned": 0}
    assert (facts["accounts"], facts["items"]) == (2, 1)
    assert facts["file_bytes"] == (data / DATA_FILE).stat().st_size


def test_get_and_list(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer, _ = call(capsys, "get", "purses", "bert", "--data", str(data))
    assert (code, answer) == (0, {"rows": [{"key": "2", "gold": 135}], "more": False})
    code, answer, _ = call(capsys, "get", "accounts", "carl", "--data", str(data))
    assert (code, answer) == (3, {"rows": [], "more": False})
    code, answer, _ = call(capsys, "list", "--limit", "1", "--data", str(data))
    assert code == 0
    assert [row["name"] for row in answer["accounts"]] == ["Anna"]
    assert answer["more"]
    assert "password_hash" not in answer["accounts"][0]


def test_fill_makes_accounts_that_are_whole_and_can_be_played(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ("--data", str(tmp_path / "new"))
    code, facts, _ = call(capsys, "fill", "6000", "bot", *data)
    assert (code, facts["accounts"], facts["rows"]) == (0, 6000, 6000 * 10 + 3 + 1)  # the one row about it twice
    code, verdict, _ = call(capsys, "check", *data)
    assert (code, verdict["problems"], verdict["accounts"]) == (0, [], 6000)
    code, answer, _ = call(capsys, "get", "sessions", "bot00006000", *data)
    assert (answer["rows"][0]["key"], answer["rows"][0]["epoch"]) == ("6000", 1)
    code, facts, _ = call(capsys, "fill", "10", "other", *data)
    assert code == 0
    code, facts, words = call(capsys, "fill", "10", "bot", *data)
    assert (code, facts) == (1, None)
    assert "bot00000001 is taken" in words
    with pytest.raises(SystemExit):
        main(["fill", "10", "b t", *data])
    code, facts, _ = call(capsys, "stat", *data)
    assert (facts["accounts"], facts["durable_operations"]) == (6010, 12_020)


def test_check(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, verdict, _ = call(capsys, "check", "--data", str(data))
    assert (code, verdict["ok"], verdict["problems"]) == (0, True, [])


def test_check_finds_a_flipped_bit_in_the_file(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text of a row is looked for in the file, so that the flip hits a value and not free space."""
    content = bytearray((data / DATA_FILE).read_bytes())
    at = content.rindex(b"\xa3axe")
    content[at + 2] ^= 0x10
    (data / DATA_FILE).write_bytes(content)
    code, verdict, _ = call(capsys, "check", "--data", str(data))
    assert code == 6
    assert verdict["damaged_rows"] >= 1
    assert any("the checksum does not match" in problem for problem in verdict["problems"])


def test_reading_changes_nothing(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (data / DATA_FILE).read_bytes()
    for words in (["stat"], ["check"], ["list"], ["get", "ledger"]):
        assert call(capsys, *words, "--data", str(data))[0] == 0
    assert (data / DATA_FILE).read_bytes() == before


def test_what_cannot_be_opened_is_said_in_one_line(tmp_path: Path, data: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / DATA_FILE).write_text("hello")
    for folder, text in ((tmp_path / "bad", "not an LMDB file"), (tmp_path / "none", "not the data folder of a DC")):
        child = subprocess.run(
            [sys.executable, "-P", "-m", "nodes", "dc", "--offline", "check", "--data", str(folder)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=Path(__file__).parents[2],
            env={"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert (child.returncode, child.stdout) == (1, "")
        assert text in child.stderr
        assert child.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_a_running_dc_is_left_alone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = LmdbStore(data, MIB, 64 * MIB)
    try:
        code, _, text = call(capsys, "stat", "--data", str(data))
    finally:
        store.close()
    assert code == 1
    assert "in use by process" in text
