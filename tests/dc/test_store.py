"""What every store promises, on each of them; then what is LMDB's own: files, locks, damage, full disks."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mesh.errors import StorageError
from nodes.dc.store import DATA_FILE, LOCK_FILE, DiskFull, LmdbStore, MapFull, Store

from .conftest import MIB, MakeStore
from .desk import commit

# --- the contract ---


def test_what_was_committed_is_there(store: Store) -> None:
    commit(store, [("names", b"anna", b"1"), ("names", b"bert", b"2"), ("purses", b"anna", b"9")])
    assert store.get("names", b"anna") == b"1"
    assert store.get("purses", b"anna") == b"9"
    assert store.get("purses", b"bert") is None
    assert (store.count("names"), store.count("purses"), store.count("items")) == (2, 1, 0)


def test_a_later_change_of_a_row_wins_and_rows_can_go(store: Store) -> None:
    commit(store, [("names", b"a", b"1"), ("names", b"a", b"2"), ("names", b"b", b"1")])
    commit(store, [("names", b"b", None), ("names", b"never", None)])
    assert list(store.scan("names")) == [(b"a", b"2")]


def test_scan_goes_in_the_order_of_keys(store: Store) -> None:
    commit(store, [("names", key, b"v") for key in (b"b2", b"a", b"b1", b"c")])
    assert [key for key, _ in store.scan("names")] == [b"a", b"b1", b"b2", b"c"]
    assert [key for key, _ in store.scan("names", b"b")] == [b"b1", b"b2"]
    assert list(store.scan("names", b"zz")) == []
    assert list(store.scan("items")) == []


def test_a_map_that_is_full_changes_nothing_and_can_be_enlarged(make_store: MakeStore) -> None:
    store = make_store(MIB, 16 * MIB)
    commit(store, [("names", b"first", b"1")])
    large = [("items", b"%08d" % i, bytes(4000)) for i in range(400)]
    with pytest.raises(MapFull):
        commit(store, large)
    store.drop()
    assert store.count("items") == 0
    assert store.get("names", b"first") == b"1"
    store.grow()
    store.grow()
    commit(store, large)
    assert store.count("items") == 400
    assert store.facts()["map_bytes"] == 4 * MIB


def test_only_a_commit_makes_it_happen(store: Store) -> None:
    commit(store, [("names", b"anna", b"1")])
    store.write([("names", b"anna", b"2"), ("names", b"bert", b"2")])
    assert (store.get("names", b"anna"), store.count("names")) == (b"1", 1)
    store.drop()
    store.begin()
    store.write([("names", b"carl", b"3")])
    store.begin()  # forgets it, too
    store.commit()
    assert [key for key, _ in store.scan("names")] == [b"anna"]


def test_what_was_written_in_several_goes_is_one_commit(store: Store) -> None:
    store.begin()
    for number in range(3):
        store.write([("names", b"anna", b"%d" % number), ("names", b"n%d" % number, b"")])
        store.write([])
    store.commit()
    store.write([("names", b"n1", None)])
    store.commit()
    assert list(store.scan("names")) == [(b"anna", b"2"), (b"n0", b""), (b"n2", b"")]


def test_a_map_does_not_grow_for_ever(make_store: MakeStore) -> None:
    store = make_store(MIB, 2 * MIB)
    store.grow()
    with pytest.raises(DiskFull, match="larger than"):
        store.grow()


# --- LMDB ---


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    store = LmdbStore(tmp_path, MIB, 16 * MIB)
    store.grow()
    commit(store, [("items", b"%08d" % i, bytes(4000)) for i in range(300)])
    store.close()
    again = LmdbStore(tmp_path, MIB, 16 * MIB)
    assert again.count("items") == 300
    commit(again, [("names", b"a", b"1")])
    again.close()


def test_lmdb_is_used_in_its_safe_mode(lmdb_store: LmdbStore) -> None:
    flags = lmdb_store._environment.flags()
    assert (flags["sync"], flags["metasync"], flags["writemap"], flags["map_async"]) == (True, True, False, False)


def test_a_thread_commits_what_the_loop_has_written(lmdb_store: LmdbStore) -> None:
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lmdb_store.begin).result()
        for number in range(20):
            lmdb_store.write([("names", b"%d" % number, b"1")])
            assert lmdb_store.get("names", b"%d" % number) is None
            thread.submit(lmdb_store.commit).result()
            assert lmdb_store.get("names", b"%d" % number) == b"1"
        thread.submit(lmdb_store.drop).result()


def test_data_is_private(lmdb_store: LmdbStore) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in lmdb_store.folder.iterdir()}
    assert stat.S_IMODE(lmdb_store.folder.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}
    assert {DATA_FILE, LOCK_FILE} <= set(modes)


def test_a_second_one_is_told_who_has_the_folder(lmdb_store: LmdbStore) -> None:
    with pytest.raises(StorageError, match=f"in use by process {os.getpid()}; stop that one"):
        LmdbStore(lmdb_store.folder, MIB, MIB)
    commit(lmdb_store, [("names", b"a", b"1")])  # and the first one is not disturbed
    assert lmdb_store.count("names") == 1


@pytest.mark.parametrize("content", [b"not a database at all", bytes(20_000), os.urandom(20_000)])
def test_a_file_that_is_not_lmdb_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / DATA_FILE).write_bytes(content)
    with pytest.raises(StorageError, match=r"data\.mdb is not an LMDB file; move it away"):
        LmdbStore(tmp_path, MIB, MIB)
    (tmp_path / DATA_FILE).unlink()
    LmdbStore(tmp_path, MIB, MIB).close()  # the failed attempt holds no lock


@pytest.mark.parametrize("length", [1, 4096, 8192, 5 * 4096, 30 * 4096 + 7])
def test_a_file_that_was_cut_short_is_not_touched(tmp_path: Path, length: int) -> None:
    store = LmdbStore(tmp_path, MIB, MIB)
    commit(store, [("items", b"%08d" % i, bytes(1000)) for i in range(200)])
    store.close()
    os.truncate(tmp_path / DATA_FILE, length)
    with pytest.raises(StorageError, match=r"cut short|not an LMDB file"):
        LmdbStore(tmp_path, MIB, MIB)


def test_a_folder_that_is_a_file_or_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        LmdbStore(tmp_path / "file", MIB, MIB)
    with pytest.raises(StorageError, match=r"nowhere has no data\.mdb"):
        LmdbStore(tmp_path / "nowhere", MIB, MIB, create=False)
    assert not (tmp_path / "nowhere").exists()


def test_a_folder_without_permission_is_named() -> None:
    """In the kernel's own folder not even root may make files."""
    with pytest.raises(StorageError, match="/sys/kernel/dc: no permission to write"):
        LmdbStore(Path("/sys/kernel/dc"), MIB, MIB)


FULL_DISK = """
import resource, sys
from pathlib import Path
from nodes.dc.store import DiskFull, LmdbStore

def commit(store, changes):
    store.begin()
    store.write(changes)
    store.commit()

store = LmdbStore(Path(sys.argv[1]), 1 << 26, 1 << 26)
commit(store, [("names", b"anna", b"1")])
size = store.facts()["file_bytes"]
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50_000, resource.RLIM_INFINITY))
for _ in range(3):
    try:
        commit(store, [("items", b"%08d" % i, bytes(1000)) for i in range(500)])
    except DiskFull as error:
        print("full", store.get("names", b"anna"), store.count("items"))
commit(store, [("names", b"bert", b"2")])
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
commit(store, [("items", b"%08d" % i, bytes(1000)) for i in range(500)])
print("room", store.count("names"), store.count("items"))
"""


def test_a_full_disk_refuses_and_keeps_reading(tmp_path: Path) -> None:
    """A real one needs a file system of its own; a limit on the size of files fails the same system calls."""
    child = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert child.stderr == ""
    assert child.stdout.splitlines() == ["full b'1' 0"] * 3 + ["room 2 500"]
