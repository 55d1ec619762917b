"""Backups: a copy of one moment while others write, that says what is in it; and back in its place."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mesh.clock import SystemClock
from mesh.errors import StorageError
from mesh.seat import ThreadWorkers
from mesh.testing import InlineWorkers, ManualClock, run
from nodes.dc import manifest, wrecks
from nodes.dc.audit import Audit
from nodes.dc.backups import Copying
from nodes.dc.filling import fill
from nodes.dc.manifest import MANIFEST, Manifest
from nodes.dc.records import LEDGER
from nodes.dc.restoring import REPLACED, restore
from nodes.dc.store import DATA_FILE, LmdbStore

from .conftest import MIB
from .desk import AT_MS, Desk, commit, make, pay, writing

FAST = 1 << 40
MANY = 1 << 40


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbStore]:
    """Two players, an item, some payments."""
    store = LmdbStore(tmp_path / "dc", MIB, 64 * MIB)
    desk = Desk(store)
    (anna, session), (bert, _) = desk.player("Anna"), desk.player("Bert")
    desk.operate(pay(session, 1, (anna, bert, 30), (0, bert, 5)))
    desk.operate(make(session, 2, (0, 0, anna, "axe")))
    yield store
    store.close()


def back_up(store: LmdbStore, folder: Path) -> Manifest:
    async def story() -> Manifest:
        clock = ManualClock(asyncio.get_running_loop())
        return await Copying(store, InlineWorkers(), clock, MANY).run(folder, FAST, lambda: 7.0)

    return run(story())


def verdict_of(folder: Path) -> dict[str, object]:
    store = LmdbStore(folder, MIB, 64 * MIB, create=False, read_only=True)
    try:
        return Audit(store).run()
    finally:
        store.close()


def test_a_backup_says_what_is_in_it(store: LmdbStore, tmp_path: Path) -> None:
    made = back_up(store, tmp_path / "backups" / "one")
    assert sorted(path.name for path in (tmp_path / "backups").iterdir()) == ["one"]
    assert sorted(path.name for path in (tmp_path / "backups" / "one").iterdir()) == [DATA_FILE, MANIFEST]
    assert made == manifest.check(tmp_path / "backups" / "one")
    assert (made.made_s, made.next_entry, made.rows["ledger"], made.rows["items"]) == (7, 7, 6, 1)
    assert verdict_of(tmp_path / "backups" / "one")["ok"]


def test_there_is_no_second_backup_of_one_name_and_half_of_one_is_none(store: LmdbStore, tmp_path: Path) -> None:
    back_up(store, tmp_path / "one")
    with pytest.raises(StorageError, match="exists"):
        back_up(store, tmp_path / "one")
    (tmp_path / ("two" + manifest.PART)).mkdir()  # what a process that was killed leaves
    (tmp_path / ("two" + manifest.PART) / DATA_FILE).write_bytes(b"half")
    back_up(store, tmp_path / "two")
    assert verdict_of(tmp_path / "two")["ok"]


def test_a_backup_is_a_prefix_of_history_with_all_that_was_answered_before(tmp_path: Path) -> None:
    """With real threads: the copy is under way while operations are committed."""

    async def story() -> tuple[Manifest, int, int]:
        async with writing(store, ThreadWorkers(1)) as book:
            anna = await book.account("anna")
            session = await book.session(anna)
            clock, sequence = SystemClock(), 0
            copying = Copying(store, ThreadWorkers(2), clock, MANY)
            book.writer.pausing = copying.paused
            for sequence in range(1, 20):
                await book.operate(pay(session, sequence, (0, anna, 1)))
            making = asyncio.ensure_future(copying.run(tmp_path / "hot", 8 << 20, clock.wall))
            before = sequence
            while not making.done():
                sequence += 1
                await book.operate(pay(session, sequence, (0, anna, 1)))
            return await making, before, sequence

    store = LmdbStore(tmp_path / "dc", MIB, 64 * MIB)
    fill(store, 3000, "bot", 64, AT_MS, lambda _: None)
    store.drop()
    others = store.count(LEDGER.name) + 2
    made, before, after = asyncio.run(story())
    assert others + before <= made.rows["ledger"] < others + after  # play went on while it was made
    verdict = verdict_of(tmp_path / "hot")
    assert verdict["problems"] == []
    assert verdict["durable_operations"] == made.rows["ledger"] == made.next_entry - 1
    store.close()


def test_a_backup_is_no_faster_than_it_may(store: LmdbStore, tmp_path: Path) -> None:
    async def story() -> None:
        clock = ManualClock(asyncio.get_running_loop())
        began = clock.now()
        made = await Copying(store, InlineWorkers(), clock, MANY).run(tmp_path / "slow", 1000, clock.wall)
        assert clock.now() - began >= made.bytes / 1000

    run(story())


@pytest.mark.parametrize("why", ["grew by", "the DC stops"])
def test_a_backup_that_is_given_up_leaves_nothing(store: LmdbStore, tmp_path: Path, why: str) -> None:
    async def story() -> None:
        copying = Copying(store, InlineWorkers(), ManualClock(asyncio.get_running_loop()), 1 << 20)
        making = asyncio.ensure_future(copying.run(tmp_path / "never", 1000, lambda: 7.0))
        await asyncio.sleep(10.0)
        assert not making.done()
        if why == "the DC stops":
            copying.stop()
        else:
            store.drop()
            store.grow()
            store.grow()
            commit(store, [("names", b"%04d" % n, b"x" * 2000) for n in range(1000)])
        with pytest.raises(StorageError, match=why):
            await making

    run(story())
    assert [path.name for path in tmp_path.iterdir()] == ["dc"]


def test_the_map_grows_only_while_nothing_is_copied_and_the_copy_begins_anew(store: LmdbStore, tmp_path: Path) -> None:
    async def story() -> Manifest:
        clock = ManualClock(asyncio.get_running_loop())
        copying = Copying(store, InlineWorkers(), clock, MANY)
        making = asyncio.ensure_future(copying.run(tmp_path / "one", 1000, clock.wall))
        await asyncio.sleep(10.0)
        async with copying.paused():
            assert not making.done()
            store.drop()
            store.grow()
        commit(store, [("names", b"later", b"a row")])
        return await making

    before = store.count("names")
    made = run(story())
    assert made.rows["names"] == before + 1
    assert made == manifest.check(tmp_path / "one")


def test_what_is_restored_is_what_was_backed_up_and_the_old_one_is_kept(store: LmdbStore, tmp_path: Path) -> None:
    back_up(store, tmp_path / "one")
    commit(store, [("names", b"later", b"not a row")])  # the database went on
    store.close()
    data = tmp_path / "dc"
    (data / wrecks.FILE).touch()
    with pytest.raises(StorageError, match="--force"):
        restore(tmp_path / "one", data, force=False)
    assert (data / wrecks.FILE).exists()
    assert restore(tmp_path / "one", data, force=True)["ok"]
    assert not (data / wrecks.FILE).exists(), "of what the old one has done the new one is not suspected"
    assert verdict_of(data)["problems"] == []
    (kept,) = data.glob(f"{REPLACED}*")
    assert kept.stat().st_size
    new = tmp_path / "elsewhere" / "dc.1"
    assert restore(tmp_path / "one", new, force=False)["ok"]
    assert (new / DATA_FILE).read_bytes() == (tmp_path / "one" / DATA_FILE).read_bytes()
    assert (new / DATA_FILE).stat().st_mode & 0o777 == 0o600


def test_who_restores_the_wrong_backup_first_has_the_original_still(store: LmdbStore, tmp_path: Path) -> None:
    back_up(store, tmp_path / "wrong")
    commit(store, [("meta", b"original", b"")])
    store.close()
    data = tmp_path / "dc"
    original = (data / DATA_FILE).read_bytes()
    first = restore(tmp_path / "wrong", data, force=True)["kept"]
    second = restore(tmp_path / "wrong", data, force=True)["kept"]
    assert first != second
    assert Path(first).read_bytes() == original
    assert Path(second).read_bytes() == (tmp_path / "wrong" / DATA_FILE).read_bytes()


def test_a_database_in_use_is_not_replaced(store: LmdbStore, tmp_path: Path) -> None:
    back_up(store, tmp_path / "one")
    with pytest.raises(StorageError, match="in use by process"):
        restore(tmp_path / "one", tmp_path / "dc", force=True)


def damage_file(folder: Path) -> None:
    content = bytearray((folder / DATA_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / DATA_FILE).write_bytes(content)


def cut(folder: Path) -> None:
    content = (folder / DATA_FILE).read_bytes()
    (folder / DATA_FILE).write_bytes(content[:-4096])


def change_manifest(folder: Path, **fields: object) -> None:
    made = msgspec.structs.replace(manifest.read(folder), **fields)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(made))


DAMAGE = {
    "its checksum is not that of": damage_file,
    "it has [0-9]+ bytes, and": cut,
    "not a backup of a DC": lambda folder: (folder / MANIFEST).unlink(),
    "is not a backup": lambda folder: (folder / MANIFEST).write_text("{}"),
    "has format 9": lambda folder: change_manifest(folder, format=9),
    "cannot be copied": lambda folder: (folder / DATA_FILE).unlink(),
}


@pytest.mark.parametrize("text", DAMAGE)
def test_a_damaged_backup_is_not_restored_and_nothing_is_changed(store: LmdbStore, tmp_path: Path, text: str) -> None:
    back_up(store, tmp_path / "one")
    store.close()
    before = (tmp_path / "dc" / DATA_FILE).read_bytes()
    DAMAGE[text](tmp_path / "one")
    with pytest.raises(StorageError, match=text):
        restore(tmp_path / "one", tmp_path / "dc", force=True)
    assert (tmp_path / "dc" / DATA_FILE).read_bytes() == before
    assert not (tmp_path / "dc" / "new").exists()


def test_a_backup_with_a_wrong_row_is_not_restored(store: LmdbStore, tmp_path: Path) -> None:
    """Its file is as its manifest says; what was wrong was wrong when it was made."""
    commit(store, [("names", b"later", b"not a row")])
    back_up(store, tmp_path / "one")
    verdict = restore(tmp_path / "one", tmp_path / "new", force=False)
    assert not verdict["ok"]
    assert verdict["damaged_rows"] == 1
    assert not (tmp_path / "new" / DATA_FILE).exists()


def test_a_backup_with_other_numbers_of_rows_is_not_restored(store: LmdbStore, tmp_path: Path) -> None:
    made = back_up(store, tmp_path / "one")
    change_manifest(tmp_path / "one", rows={**made.rows, "items": 2})
    verdict = restore(tmp_path / "one", tmp_path / "new", force=False)
    assert verdict["problems"] == ["there are not as many rows as the manifest says"]
    assert not (tmp_path / "new" / DATA_FILE).exists()


def test_the_last_backup_is_remembered(store: LmdbStore, tmp_path: Path) -> None:
    assert manifest.last(tmp_path / "dc") == 0
    manifest.note(tmp_path / "dc", back_up(store, tmp_path / "one"))
    assert manifest.last(tmp_path / "dc") == 7
