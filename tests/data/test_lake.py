"""What a lake keeps and what it lets go."""

from pathlib import Path

import msgspec
import pytest

from mesh.errors import StorageError
from mesh.lake.lake import RETIRED_MS, Lake, NoLake, manifest_of
from mesh.lake.manifest import VERSION, Loss, Manifest, encoded, with_losses
from mesh.lake.parquet import add, read, table_from
from mesh.lake.pruning import DAY_MS, prune
from tests.data.laking import HOUR_MS, WALL_MS, DyingDisk, FullDisk, Killed, data_files, files_in


def fill(folder: Path, hours: int, rows: int = 10) -> None:
    """So many hours up to WALL_MS, each with a file of its own."""
    with Lake(folder, WALL_MS) as lake:
        for hour in range(hours):
            ts = [WALL_MS - hour * HOUR_MS - 1 - at for at in range(rows)]
            columns = {"kind": ["say"] * rows, "ts": _times(ts), "account": [1] * rows, "zone": ["one"] * rows,
                       "node": ["n"] * rows, "incarnation": [1] * rows, "number": list(range(rows))}  # fmt: skip
            lake.commit(WALL_MS, add(lake, "events", table_from("events", columns)))


def _times(ts: list[int]) -> object:
    import numpy as np

    return np.array(ts, np.int64)


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoLake):
        manifest_of(tmp_path / "nowhere")


def test_a_manifest_that_is_damaged_or_newer_is_said(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(StorageError, match="not a manifest"):
        manifest_of(tmp_path)
    (tmp_path / "manifest.json").write_bytes(encoded(Manifest(version=VERSION + 1)))
    with pytest.raises(StorageError, match=f"version {VERSION + 1}"):
        Lake(tmp_path, WALL_MS)


def test_what_nobody_names_is_removed_by_the_next_writer(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    named = files_in(tmp_path)
    for name in ("events/day=2025-01-01/hour=00/zone=x/00000099.parquet", "moves/00000098.parquet.new"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"half")
    Lake(tmp_path, WALL_MS).close()
    assert files_in(tmp_path) == named
    assert not (tmp_path / "events/day=2025-01-01").exists()


def test_retired_files_are_kept_for_those_who_read_them(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    before = files_in(tmp_path)
    with Lake(tmp_path, WALL_MS) as lake:
        lake.commit(WALL_MS, dropped=lake.manifest.files[:1])
    Lake(tmp_path, WALL_MS + RETIRED_MS - 1).close()
    assert files_in(tmp_path) == before
    Lake(tmp_path, WALL_MS + RETIRED_MS).close()
    assert files_in(tmp_path) == {file.name for file in manifest_of(tmp_path).files} != before
    assert manifest_of(tmp_path).retired == []


def test_prune_by_age(tmp_path: Path) -> None:
    fill(tmp_path, 50)
    with Lake(tmp_path, WALL_MS) as lake:
        gone = prune(lake, WALL_MS, days=1.0, at_once=True)
        assert gone.files == 26
        assert gone.rows == 260
        assert min(file.oldest_ms for file in data_files(tmp_path)) > WALL_MS - DAY_MS
        assert files_in(tmp_path) == {file.name for file in lake.manifest.files}
        assert prune(lake, WALL_MS, days=1.0).files == 0


def test_prune_by_size_takes_the_oldest(tmp_path: Path) -> None:
    fill(tmp_path, 10)
    with Lake(tmp_path, WALL_MS) as lake:
        newest = sorted(data_files(tmp_path), key=lambda file: file.hour)[-3:]
        prune(lake, WALL_MS, bytes_max=sum(file.bytes for file in newest))
        assert {file.name for file in data_files(tmp_path)} == {file.name for file in newest}


@pytest.mark.parametrize("moment", ["before", "torn", "after"])
def test_killed_while_it_prunes(tmp_path: Path, moment: str) -> None:
    for step in range(1, 40):
        folder = tmp_path / str(step)
        fill(folder, 4)
        disk = DyingDisk(step, moment)
        try:
            with Lake(folder, WALL_MS, disk) as lake:
                prune(lake, WALL_MS, bytes_max=1, at_once=True)
        except Killed:
            Lake(folder, WALL_MS).close()
        assert len(data_files(folder)) in (0, 4)
        assert files_in(folder) == {file.name for file in manifest_of(folder).files}
        if not disk.died:
            return
    pytest.fail("it never came to its end")


def test_no_room_for_the_manifest(tmp_path: Path) -> None:
    fill(tmp_path, 2)
    before, files = (tmp_path / "manifest.json").read_bytes(), files_in(tmp_path)
    with Lake(tmp_path, WALL_MS, FullDisk(1)) as lake:
        rows = read(lake.path(lake.manifest.files[0]))
        with pytest.raises(StorageError, match="No space left"):
            lake.commit(WALL_MS, add(lake, "events", rows))
        assert files_in(tmp_path) == files
        assert (tmp_path / "manifest.json").read_bytes() == before


def test_losses_are_named_up_to_a_limit() -> None:
    manifest = with_losses(Manifest(), [Loss("f", "s", at, 1, 0, "why") for at in range(1500)])
    assert len(manifest.losses) == 1000
    assert manifest.losses_unnamed == 500
    again = with_losses(manifest, [Loss("f", "s", 3, 1, 0, "why")])
    assert msgspec.structs.asdict(again) == msgspec.structs.asdict(manifest)
