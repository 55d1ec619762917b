"""The gold of a DC, as text and in a lake."""

import csv
from pathlib import Path
from typing import Any

import pytest

from mesh.lake.lake import Lake, manifest_of
from mesh.lake.parquet import read
from mesh.protocol.records import Letter, Operate
from nodes.dc.flows import LEDGER_FILE, PURSES_FILE, write_flows
from nodes.dc.memory_store import MemoryStore
from tests.data.asking import desk_on, table, tiles
from tests.data.laking import WALL_MS, FullDisk
from tests.dc.desk import AT_MS, Desk, pay
from tools.data.ledger import put_ledger
from tools.data.model import DAY_MS, Period
from tools.data.reports.catalogue import maker

PERIOD = Period(AT_MS // DAY_MS * DAY_MS, AT_MS // DAY_MS * DAY_MS + DAY_MS)


@pytest.fixture
def store() -> MemoryStore:
    """Anna gives, gets and burns; a mail with gold waits for Bert."""
    store = MemoryStore()
    desk = Desk(store)
    (anna, session), (bert, _) = desk.player("Anna"), desk.player("Bert")
    desk.operate(pay(session, 1, (anna, bert, 30), (0, bert, 5)))
    desk.operate(pay(session, 2, (anna, -1, 20)))
    desk.operate(Operate(session, 3, "mail-send", [], letter=Letter("bert", "here", 5), asked=9))
    return store


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))[1:]


def test_every_move_and_every_holder(store: MemoryStore, tmp_path: Path) -> None:
    said = write_flows(store, tmp_path, 1)
    ledger = rows(tmp_path / LEDGER_FILE)
    assert [(row[2], row[5], row[6], row[7]) for row in ledger] == [
        ("create", "0", "1", "100"), ("create", "0", "2", "100"), ("pay", "1", "2", "30"), ("pay", "0", "2", "5"),
        ("pay", "1", "-1", "20"), ("mail-send", "1", "-2", "5"),
    ]  # fmt: skip
    assert {int(row[1]) for row in ledger} == {AT_MS}
    assert sorted(rows(tmp_path / PURSES_FILE)) == sorted(
        [
            ["0", "-205", "minted"],
            ["0", "20", "burned"],
            ["1", "45", "purse"],
            ["2", "135", "purse"],
            ["2", "5", "mail"],
        ]
    )
    assert (said["moves"], said["holders"]) == (6, 2)
    assert write_flows(store, tmp_path, said["next"])["moves"] == 0


def test_an_account_without_gold_is_there_too(tmp_path: Path) -> None:
    store = MemoryStore()
    Desk(store, gold=0).player("Anna")
    write_flows(store, tmp_path, 1)
    (row,) = rows(tmp_path / LEDGER_FILE)
    assert (row[2], row[3], row[7]) == ("create", "1", "0")


def test_in_the_lake_it_adds_up(store: MemoryStore, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    taken = take(store, lake, tmp_path)
    assert (taken.moves, taken.holders) == (6, 2)
    with desk_on(lake) as asked:
        made = maker("economy")(asked, PERIOD)
    books = {row[0]: row[1] for row in table(made, "The books")}
    assert books["made, by the ledger"] == 205
    assert books["destroyed, by the ledger"] == 20
    assert (books["in purses"], books["in mails that wait"]) == (180, 5)
    assert books["difference"] == books["of that not in the ledger"] == 0
    assert tiles(made)["held by all"] == "185"


def test_the_next_time_only_what_is_new_is_taken(store: MemoryStore, tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    take(store, lake, tmp_path)
    assert take(store, lake, tmp_path).moves == 0
    manifest = manifest_of(lake)
    assert [file.rows for file in manifest.of_table("ledger")] == [6]
    assert len(manifest.of_table("purses")) == 1
    (purses,) = manifest.of_table("purses")
    assert sum(row["gold"] for row in read(lake / purses.name).to_pylist()) == 0, "all purses and mails together"


def test_a_full_disk_takes_nothing(store: MemoryStore, tmp_path: Path) -> None:
    from mesh.lake.disk import NoRoom

    for room in (0, 1, 2):
        with pytest.raises(NoRoom):
            take(store, tmp_path / "lake", tmp_path, FullDisk(room))
    assert not list((tmp_path / "lake").rglob("*.parquet"))
    assert take(store, tmp_path / "lake", tmp_path).moves == 6


def take(store: MemoryStore, lake: Path, folder: Path, disk: Any = None) -> Any:
    first = manifest_of(lake).ledger_next if (lake / "manifest.json").exists() else 1
    said = write_flows(store, folder, first)
    with Lake(lake, WALL_MS, disk) as opened:
        return put_ledger(opened, folder, said["next"], WALL_MS)
