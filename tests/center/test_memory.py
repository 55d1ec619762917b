"""The files of the center: an epoch that grows, members and who waited as a convenience."""

from pathlib import Path

import pytest

from mesh.errors import StorageError
from mesh.protocol.control import Member
from nodes.center.memory import load_members, load_queue, next_epoch, save_members, save_queue
from nodes.center.queue import Kept


def test_the_epoch_grows_with_every_start(tmp_path: Path) -> None:
    folder = tmp_path / "center.1"
    assert [next_epoch(folder) for _ in range(3)] == [1, 2, 3]
    assert [file.name for file in folder.iterdir()] == ["epoch"]


def test_a_start_that_was_killed_half_way_does_no_harm(tmp_path: Path) -> None:
    next_epoch(tmp_path)
    (tmp_path / "epoch.new").write_text("99")
    assert next_epoch(tmp_path) == 2


@pytest.mark.parametrize("text", ["", "many", "1 2", "\u00e9"])
def test_a_damaged_epoch_is_named_and_not_guessed(tmp_path: Path, text: str) -> None:
    (tmp_path / "epoch").write_text(text)
    with pytest.raises(StorageError, match="epoch is damaged"):
        next_epoch(tmp_path)


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "center.1").write_text("")
    with pytest.raises(StorageError, match=r"center\.1"):
        next_epoch(tmp_path / "center.1")


def test_members_come_back_and_damage_counts_as_none(tmp_path: Path) -> None:
    assert load_members(tmp_path) == []
    members = [Member("eu.one.scene.1", 7, "scene", "ipc://x", "Ready", facts={"maps": "meadow"})]
    assert save_members(tmp_path, members)
    assert load_members(tmp_path) == members
    (tmp_path / "members.mp").write_bytes(b"\x93 not members")
    assert load_members(tmp_path) == []


def test_a_disk_that_does_not_take_them_ends_nothing(tmp_path: Path) -> None:
    assert not save_members(tmp_path / "missing", [])


def test_the_queue_comes_back_and_damage_counts_as_none(tmp_path: Path) -> None:
    kept = Kept([(7, False), (8, True)], [(9, 12.5)])
    assert load_queue(tmp_path) == Kept()
    assert save_queue(tmp_path, kept)
    assert load_queue(tmp_path) == kept
    (tmp_path / "queue.mp").write_bytes(b"\xc1 not a list")
    assert load_queue(tmp_path) == Kept()
    assert not save_queue(tmp_path / "queue.mp", kept)
