"""Where blocks end up: files, their retention, a disk that is full or fails, memory alone."""

import errno
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesh.errors import StorageError
from nodes.ops.history.archive import STEADY_ROWS
from nodes.ops.history.history import History
from nodes.ops.history.limits import Limits
from nodes.ops.history.segments import segment_paths
from nodes.ops.reading import Reading
from tests.log.writing import SmallDisk
from tests.ops.history.readings import SHORT, START, Telling, ask, counter, gauge, only, points, tell

HITS, PLAYERS = counter("hits_total"), gauge("players")


def rounds(begin: int, end: int) -> Iterator[list[Reading]]:
    one = Telling()
    for at in range(begin, end):
        yield [one(START + at, {HITS: at, PLAYERS: at * 0.37})]


def seconds(history: History, begin: int, end: int) -> list[int]:
    """Which seconds are there, counted from START; at most the newest hour of SHORT's finest tier."""
    lines = ask(history, "players", START + begin, START + end).lines
    return [at_s - START for at_s in points(lines[0])] if lines else []


def test_files_are_closed_at_their_points_and_deleted_when_all_of_them_are_old(tmp_path: Path) -> None:
    history = History(tmp_path, tiers=SHORT)
    tell(history, rounds(0, STEADY_ROWS))
    before = [len(segment_paths(tmp_path, tier)) for tier in SHORT]
    assert before == [STEADY_ROWS // 30, 15, 7]
    assert history.counts.segments_deleted == 0
    tell(history, rounds(STEADY_ROWS, STEADY_ROWS + 20))
    after = [len(segment_paths(tmp_path, tier)) for tier in SHORT]
    assert after == [3, 3, 8]
    assert seconds(history, STEADY_ROWS - 40, STEADY_ROWS + 20) == list(range(STEADY_ROWS - 40, STEADY_ROWS + 20))
    assert history.archive.disk_bytes == sum(path.stat().st_size for path in tmp_path.glob("*.zhist"))


def test_a_clock_that_leaps_a_year_ahead_deletes_nothing(tmp_path: Path) -> None:
    history = History(tmp_path, tiers=SHORT)
    tell(history, rounds(0, STEADY_ROWS + 20))
    deleted = history.counts.segments_deleted
    year = 365 * 86_400
    tell(history, rounds(year, year + 100))
    tell(history, rounds(STEADY_ROWS + 30, STEADY_ROWS + 130))
    assert history.counts.segments_deleted == deleted
    minutes = points(only(ask(history, "players", START - 10_000, START + STEADY_ROWS, 60)))
    assert len(minutes) == STEADY_ROWS // 60


def test_what_a_clock_that_was_ahead_wrote_is_deleted_with_what_it_was_written_among(tmp_path: Path) -> None:
    history = History(tmp_path, tiers=SHORT)
    tell(history, rounds(90_000, 90_060))
    tell(history, rounds(0, STEADY_ROWS + 200))
    assert segment_paths(tmp_path, SHORT[0])[0][0] > 3
    assert history.archive.shelves[0].segments[0].end_s < START + 90_000


def test_above_the_limit_of_bytes_the_oldest_files_go_first(tmp_path: Path) -> None:
    history = History(tmp_path, Limits(disk_bytes=60_000), tiers=SHORT)
    tell(history, rounds(0, 1500))
    assert history.counts.segments_deleted > 0
    assert history.archive.disk_bytes <= 60_000
    assert seconds(history, 1450, 1500) == list(range(1450, 1500))
    ends = [shelf.segments[0].end_s for shelf in history.archive.shelves]
    assert max(ends[:2]) - min(ends[:2]) < 500


def test_a_limit_that_is_smaller_than_what_is_open_leaves_what_is_open(tmp_path: Path) -> None:
    history = History(tmp_path, Limits(disk_bytes=1), tiers=SHORT)
    tell(history, rounds(0, 100))
    assert len(segment_paths(tmp_path, SHORT[0])) == 1
    assert history.counts.failures == 0


def test_a_full_disk_leaves_the_history_going_in_memory_and_is_said_once(tmp_path: Path) -> None:
    disk = SmallDisk(3000)
    history = History(tmp_path / "data", tiers=SHORT, open_file=disk.open)
    tell(history, rounds(0, 100))
    assert history.counts.disk_full > 3
    said = history.counts.news()
    assert len(said) == 1
    assert "No space left" in said[0] or "no room" in said[0]
    assert "in memory only" in said[0]
    assert seconds(history, 45, 100) == list(range(45, 100))
    assert history.archive.memory_bytes > 0

    disk.room = 10**6
    tell(history, rounds(100, 120))
    assert history.archive.memory_bytes == 0
    assert ["written to the disk again" in text for text in history.counts.news()] == [True]
    assert history.counts.blocks_lost == 0
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    again = History(tmp_path / "copy", tiers=SHORT)
    assert seconds(again, 65, 120) == list(range(65, 120))
    assert (again.counts.damaged, again.counts.cut_bytes) == (0, 0)
    tens = points(only(ask(again, "hits_total", START - 300, START + 120, how="increase")))
    assert set(tens.values()) == {10.0}


@pytest.mark.parametrize("room", range(0, 1500, 37))
def test_a_disk_that_fills_up_anywhere_leaves_a_folder_that_can_be_read(room: int, tmp_path: Path) -> None:
    disk = SmallDisk(room)
    history = History(tmp_path / "data", tiers=SHORT, open_file=disk.open)
    tell(history, rounds(0, 40))
    shutil.copytree(tmp_path / "data", tmp_path / "copy")
    left = History(tmp_path / "copy", tiers=SHORT)
    there = seconds(left, 0, 40)
    assert there == list(range(len(there)))
    assert left.counts.damaged == 0
    disk.room = 10**6
    tell(history, rounds(40, 45))
    shutil.copytree(tmp_path / "data", tmp_path / "whole")
    assert seconds(History(tmp_path / "whole", tiers=SHORT), 0, 45) == list(range(45))


def test_a_disk_that_fails_otherwise_is_counted_apart(tmp_path: Path) -> None:
    history = History(tmp_path, tiers=SHORT, open_file=SmallDisk(0, errno.EIO).open)
    tell(history, rounds(0, 20))
    assert (history.counts.failures, history.counts.disk_full) == (4 + 1, 0)
    assert len(history.counts.news()) == 1
    assert seconds(history, 0, 20) == list(range(20))


def test_what_waits_for_the_disk_is_dropped_oldest_first(tmp_path: Path) -> None:
    history = History(tmp_path, Limits(memory_bytes=1500), tiers=SHORT, open_file=SmallDisk(0).open)
    tell(history, rounds(0, 58))
    assert history.archive.memory_bytes <= 1500
    there = seconds(history, 0, 58)
    assert there == list(range(58 - len(there), 58))
    assert 5 < len(there) < 58
    assert history.counts.blocks_lost > 0


def test_without_a_folder_memory_is_bounded_and_nothing_counts_as_lost() -> None:
    history = History(None, Limits(memory_bytes=6000), tiers=SHORT)
    tell(history, rounds(0, STEADY_ROWS + 500))
    assert history.archive.memory_bytes <= 6000
    assert (history.counts.blocks_lost, history.counts.news()) == (0, [])
    assert sum(len(shelf.segments) for shelf in history.archive.shelves) < 60
    there = seconds(history, STEADY_ROWS + 445, STEADY_ROWS + 500)
    assert there[-1] == STEADY_ROWS + 499


def test_folder_and_files_are_closed_to_others(tmp_path: Path) -> None:
    history = History(tmp_path / "data", tiers=SHORT)
    tell(history, rounds(0, 20))
    history.close(history.take())
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "data").iterdir()} == {0o600}


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("something else")
    with pytest.raises(StorageError, match=r"data: .*move it"):
        History(tmp_path / "data")
