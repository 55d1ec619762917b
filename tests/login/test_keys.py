"""Key files: private, whole, and the same for everybody who starts at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mesh import keys
from mesh.errors import StorageError


def test_a_key_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "keys" / keys.TICKETS
    key = keys.load_or_create(path)
    assert len(key) == keys.KEY_BYTES
    assert keys.load_or_create(path) == keys.load(path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o077 == 0


def test_many_who_start_at_once_agree(tmp_path: Path) -> None:
    path = tmp_path / "keys" / keys.TICKETS
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(keys.load_or_create, [path] * 32))
    assert len(set(made)) == 1
    assert [file.name for file in path.parent.iterdir()] == [keys.TICKETS], "nothing half-made is left behind"


def test_a_key_that_exists_is_never_overwritten(tmp_path: Path) -> None:
    """Two nodes may both have seen that there is none."""
    path = tmp_path / keys.TICKETS
    first = keys.load_or_create(path)
    keys._create(path)
    assert keys.load(path) == first


def test_a_new_key_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / keys.TICKETS
    first = keys.load_or_create(path)
    second = keys.replace(path)
    assert second != first
    assert keys.load(path) == second


def test_a_path_that_cannot_be_looked_at_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"cannot read the key .*kkk"):
        keys.load_or_create(tmp_path / ("k" * 300))


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "00" * 31, "00" * 33])
def test_a_damaged_key_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / keys.TICKETS
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StorageError, match=r"tickets\.key is damaged"):
        keys.load(path)


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / keys.TICKETS
    keys.load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(StorageError, match="chmod 600"):
        keys.load(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="keys"):
        keys.load_or_create(tmp_path / "keys" / keys.TICKETS)
