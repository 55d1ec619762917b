"""A database as text and back: all of it or nothing."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh.errors import StorageError
from mesh.protocol.records import Letter, Operate
from nodes.dc.accounts import find_account
from nodes.dc.cache import Rows
from nodes.dc.exporting import export
from nodes.dc.importing import import_
from nodes.dc.records import FENCES, TABLES, FenceRow
from nodes.dc.store import DATA_FILE, LmdbStore

from .conftest import MIB
from .desk import Desk, commit, make, pay

LIMIT = 64 * MIB


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    """Every table has a row."""
    store = LmdbStore(tmp_path / "dc", MIB, LIMIT)
    desk = Desk(store)
    (anna, session), (bert, _) = desk.player("Anna"), desk.player("Bert")
    desk.operate(pay(session, 1, (anna, bert, 30), (0, bert, 5)))
    desk.operate(make(session, 2, (0, 0, anna, "axe")))
    letter = Letter("bert", 'a "text"\nof two lines', 5, [1])
    desk.operate(Operate(session, 3, "mail-send", [], letter=letter, asked=9))
    desk.do(lambda view: view.put(FENCES, "scene.1", FenceRow((7,))))
    yield store
    store.close()


@pytest.fixture
def file(store: LmdbStore, tmp_path: Path) -> Path:
    export(store, tmp_path / "all.jsonl", 7, lambda _: None, secrets=True)
    return tmp_path / "all.jsonl"


def load(file: Path, data: Path, *, force: bool = False) -> dict[str, Any]:
    return import_(file, data, LIMIT, lambda _: None, force=force)


def content(store: LmdbStore) -> dict[str, list[tuple[bytes, bytes]]]:
    return {name: list(store.scan(name)) for name in TABLES}


def test_with_secrets_nothing_is_lost(store: LmdbStore, file: Path, tmp_path: Path) -> None:
    assert all(content(store).values())
    assert load(file, tmp_path / "new")["problems"] == []
    new = LmdbStore(tmp_path / "new", MIB, LIMIT, create=False)
    assert content(new) == content(store)
    new.close()


def test_without_secrets_passwords_are_gone_and_the_rest_is_there(store: LmdbStore, tmp_path: Path) -> None:
    export(store, tmp_path / "plain.jsonl", 7, lambda _: None, secrets=False)
    assert '"password_hash"' not in (tmp_path / "plain.jsonl").read_text()
    assert load(tmp_path / "plain.jsonl", tmp_path / "new")["ok"]
    new = LmdbStore(tmp_path / "new", MIB, LIMIT, create=False)
    assert find_account(Rows(new, 10, 10_000), "anna").password_hash == ""
    assert {k: v for k, v in content(new).items() if k != "accounts"} == {
        k: v for k, v in content(store).items() if k != "accounts"
    }
    new.close()


def test_a_file_that_exists_is_not_written_over_and_a_damaged_row_is_not_exported(
    store: LmdbStore, file: Path, tmp_path: Path
) -> None:
    with pytest.raises(StorageError, match="exists"):
        export(store, file, 7, lambda _: None, secrets=True)
    commit(store, [("names", b"x", b"not a row")])
    with pytest.raises(StorageError, match="checksum"):
        export(store, tmp_path / "other.jsonl", 7, lambda _: None, secrets=True)
    assert not list(tmp_path.glob("other*"))


def sealed(lines: list[str]) -> str:
    """With the right last line."""
    body = "".join(line + "\n" for line in lines)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return body + json.dumps({"end": True, "rows": len(lines) - 1, "sha256": digest}) + "\n"


def changed(lines: list[str], table: str, old: str, new: str) -> str:
    at = next(n for n, line in enumerate(lines) if line.startswith(f'{{"t":"{table}"'))
    assert old in lines[at], lines[at]
    return sealed([*lines[:at], lines[at].replace(old, new), *lines[at + 1 :]])


WRONG: dict[str, Callable[[list[str]], str]] = {
    "cut short": lambda lines: "\n".join(lines)[:-20],
    "the last line is expected": lambda lines: "\n".join([*lines, lines[-1]]) + "\n",
    "something follows": lambda lines: sealed(lines) + "x\n",
    "the checksum does not match": lambda lines: sealed(lines).replace('"Anna"', '"Anne"', 1),
    "not the beginning": lambda lines: sealed(lines[1:]),
    "version 2": lambda lines: sealed([lines[0].replace('"version":1', '"version":2'), *lines[1:]]),
    "unknown tables: swords": lambda lines: sealed([lines[0].replace('"fences"', '"swords"'), *lines[1:]]),
    "a row of meta is expected": lambda lines: sealed([lines[0], *lines[2:]]),
    "unknown or missing: banned_until_s": lambda lines: changed(lines, "accounts", '"banned_until_s":0,', ""),
    "unknown or missing: colour": lambda lines: changed(lines, "purses", '{"gold":', '{"colour":1,"gold":'),
    "Expected `int`": lambda lines: changed(lines, "sessions", '"epoch":1', '"epoch":"1"'),
    "is no key of": lambda lines: changed(lines, "items", '"k":1', '"k":"one"'),
    "not in the order": lambda lines: changed(lines, "characters", '"k":1', '"k":2'),
    "JSON is malformed": lambda lines: changed(lines, "states", '"r":', '"r"'),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_named_with_its_line_and_nothing_is_changed(file: Path, tmp_path: Path, text: str) -> None:
    file.write_text(WRONG[text](file.read_text().splitlines()[:-1]))
    with pytest.raises(StorageError, match=text) as error:
        load(file, tmp_path / "new")
    assert str(error.value).startswith(f"{file}:")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["dc.lock"]


def test_rows_that_do_not_agree_are_not_imported(file: Path, tmp_path: Path) -> None:
    file.write_text(changed(file.read_text().splitlines()[:-1], "items", '"owner":-2', '"owner":2'))
    verdict = load(file, tmp_path / "new")
    assert not verdict["ok"]
    assert not (tmp_path / "new" / DATA_FILE).exists()


def test_a_database_is_replaced_only_when_that_is_wanted(store: LmdbStore, file: Path, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="in use"):
        load(file, tmp_path / "dc", force=True)
    store.close()
    with pytest.raises(StorageError, match="--force"):
        load(file, tmp_path / "dc")
    assert load(file, tmp_path / "dc", force=True)["ok"]
