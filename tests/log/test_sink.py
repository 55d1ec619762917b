"""What the sink stores, skips, refuses, seals and deletes."""

import errno
import os
import stat
from pathlib import Path

import pytest

from mesh.errors import Code, RefusedError, StorageError
from mesh.protocol.journal import StoreEvents
from nodes.log.segments import segment_path, segment_paths
from nodes.log.senders import SENDERS_MAX, Senders
from nodes.log.settings import LogSettings
from nodes.log.sink import Sink
from tests.log.writing import WALL_MS, SmallDisk, batch, everything, numbered, numbers, store, write

DAY_MS = 86_400_000


def test_batches_of_one_group_share_a_block_and_keep_their_order(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    assert store(sink, numbered(0, 3), numbered(100, 2, sender="gate.1"), numbered(3, 3)) == [6, 102, 6]
    sink.close()
    assert sink.counts.blocks_written == 1
    assert numbers(tmp_path) == [0, 1, 2, 3, 4, 5, 100, 101]


def test_events_of_the_same_millisecond_stay_in_the_order_of_their_sender(tmp_path: Path) -> None:
    write(
        tmp_path,
        batch([(WALL_MS, "a", 1, {"n": n}) for n in range(20)]),
        batch([(WALL_MS, "a", 1, {"n": n}) for n in range(20, 40)], first=20),
    )
    assert numbers(tmp_path) == list(range(40))
    assert numbers(tmp_path, limit=25) == list(range(15, 40))


def test_a_block_is_closed_at_its_size(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings(block_bytes=1024))
    store(sink, *(numbered(n, 10) for n in range(0, 100, 10)))
    sink.close()
    assert sink.counts.blocks_written == 4  # a batch has about 400 bytes: three of them reach 1024
    assert numbers(tmp_path) == list(range(100))


def test_a_batch_that_came_before_is_skipped_and_counted(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    assert store(sink, numbered(0, 5), numbered(0, 5)) == [5, 5]
    assert store(sink, numbered(0, 5)) == [5]
    sink.close()
    assert (sink.counts.events_stored, sink.counts.events_duplicate) == (5, 10)
    assert numbers(tmp_path) == list(range(5))


def test_of_a_batch_that_came_in_part_the_rest_is_stored(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    assert store(sink, numbered(0, 5)) == [5]
    assert store(sink, numbered(2, 6)) == [8]
    sink.close()
    assert numbers(tmp_path) == list(range(8))
    assert numbers(tmp_path, player=8) == [7]


def test_any_first_is_taken_from_an_incarnation_that_is_new_here(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    assert store(sink, numbered(500, 5), numbered(0, 5, incarnation=8)) == [505, 5]
    assert store(sink, numbered(700, 5)) == [705]  # what lies between went to another log node
    sink.close()
    assert sink.counts.events_duplicate == 0


def test_a_body_that_cannot_be_divided_is_refused_alone(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    store(sink, numbered(0, 5))
    broken = StoreEvents("eu.one.scene.1", 7, 3, 4, bytes(32), b"\xc1\xc1")
    refused, good = store(sink, broken, numbered(0, 2, sender="gate.1"))
    sink.close()
    assert isinstance(refused, RefusedError)
    assert refused.code == Code.BAD_MESSAGE
    assert good == 2


def test_a_segment_is_sealed_at_its_size_and_the_next_one_is_begun(tmp_path: Path) -> None:
    write(tmp_path, *(numbered(n, 100) for n in range(0, 3000, 100)), segment_bytes=4096)
    sizes = [path.stat().st_size for _, path in segment_paths(tmp_path)]
    assert len(sizes) >= 3
    assert all(4096 <= size < 8192 for size in sizes[:-1])
    assert [number for number, _ in segment_paths(tmp_path)] == list(range(1, len(sizes) + 1))
    assert numbers(tmp_path) == list(range(3000))


def test_a_segment_is_sealed_at_its_age_whatever_the_date_says(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings(segment_age_s=60))
    store(sink, numbered(0, 5), now=100)
    sink.tend(159, WALL_MS + 10 * DAY_MS)
    store(sink, numbered(5, 5), now=159)
    sink.tend(160, WALL_MS)
    store(sink, numbered(10, 5), now=161)
    sink.close()
    assert sink.counts.segments_begun == 2
    assert numbers(tmp_path) == list(range(15))


def test_a_segment_is_sealed_when_that_is_wanted_and_the_next_batch_begins_another(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    sink.seal(WALL_MS)
    assert sink.segments == 0, "there was nothing to seal"
    store(sink, numbered(0, 5))
    sink.seal(WALL_MS)
    sink.seal(WALL_MS)
    assert (sink.segments, sink.open_bytes) == (1, 0)
    assert store(sink, numbered(0, 8)) == [8], "who sent what is still known"
    assert sink.segments == 2
    sink.close()
    assert numbers(tmp_path) == list(range(8))


def test_retention_by_size_deletes_the_oldest_first(tmp_path: Path) -> None:
    write(
        tmp_path,
        *(numbered(n, 100) for n in range(0, 20_000, 100)),
        segment_bytes=4096,
        retention_bytes=20_000,
    )
    kept = numbers(tmp_path)
    assert kept == list(range(kept[0], 20_000))
    assert kept[0] > 0
    total = sum(path.stat().st_size for _, path in segment_paths(tmp_path))
    assert 20_000 - 2 * 5_000 < total <= 20_000 + 5_000  # the open one comes on top of what is sealed


def test_retention_by_age_deletes_sealed_segments_only(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings(segment_age_s=60, retention_days=2))
    store(sink, numbered(0, 5))
    sink.tend(60, WALL_MS)
    store(sink, numbered(5, 5), now=61)
    sink.tend(62, WALL_MS + DAY_MS)
    assert sink.segments == 2
    sink.tend(63, WALL_MS + 2 * DAY_MS + 1)
    sink.close()
    assert sink.counts.segments_deleted == 1
    assert numbers(tmp_path) == list(range(5, 10))


def test_retention_counts_the_segments_of_earlier_starts(tmp_path: Path) -> None:
    write(tmp_path, *(numbered(n, 100) for n in range(0, 3000, 100)), segment_bytes=4096)
    before = len(segment_paths(tmp_path))
    sink = Sink(tmp_path, LogSettings(retention_bytes=5000))
    sink.tend(0, int(segment_paths(tmp_path)[0][1].stat().st_mtime * 1000))
    sink.close()
    assert sink.counts.segments_deleted > 0
    assert len(segment_paths(tmp_path)) == before - sink.counts.segments_deleted


def test_a_full_disk_refuses_what_does_not_fit_and_keeps_what_is_there(tmp_path: Path) -> None:
    disk = SmallDisk(600)
    sink = Sink(tmp_path, LogSettings(), disk.open)
    stored = 0
    while True:
        (result,) = store(sink, numbered(stored, 5))
        if isinstance(result, RefusedError):
            break
        stored = result
    assert stored > 0
    assert result.code == Code.DISK_FULL
    assert numbers(tmp_path) == list(range(stored))
    assert segment_path(tmp_path, 1).stat().st_size == sink.open_bytes  # what was written in part is taken back
    disk.room = 100_000
    assert store(sink, numbered(stored, 5)) == [stored + 5]
    sink.close()
    assert numbers(tmp_path) == list(range(stored + 5))
    assert everything(tmp_path).damaged == 0


def test_what_was_refused_is_not_taken_for_stored_when_it_was_in_the_group_twice(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings(), SmallDisk(60).open)
    results = store(sink, numbered(0, 5), numbered(0, 5), numbered(5, 5))
    assert [isinstance(result, RefusedError) for result in results] == [True, True, True]
    assert sink.counts.events_stored == 0


def test_a_disk_that_is_full_from_the_start_leaves_no_half_made_segment(tmp_path: Path) -> None:
    disk = SmallDisk(20)
    sink = Sink(tmp_path, LogSettings(), disk.open)
    store(sink, numbered(0, 5))
    assert segment_paths(tmp_path) == []
    disk.room = 10_000
    assert store(sink, numbered(0, 5)) == [5]
    sink.close()
    assert numbers(tmp_path) == list(range(5))


def test_another_failure_of_the_disk_is_refused_as_unavailable(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings(), SmallDisk(0, errno.EIO).open)
    (result,) = store(sink, numbered(0, 5))
    assert isinstance(result, RefusedError)
    assert result.code == Code.UNAVAILABLE
    assert sink.counts.failures == 1


def test_what_was_stored_is_synced_once_and_only_when_something_was_written(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    sink.tend(0, WALL_MS)
    store(sink, numbered(0, 5))
    sink.tend(1, WALL_MS)
    sink.tend(2, WALL_MS)
    sink.close()
    assert sink.counts.syncs == 1


def test_folder_and_files_are_closed_to_others(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    write(tmp_path / "data", numbered(0, 5))
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "data").iterdir()} == {0o600}


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("something else")
    with pytest.raises(StorageError, match=r"data: .*move it"):
        Sink(tmp_path / "data", LogSettings())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="must be able to"):
        Sink(tmp_path / "data", LogSettings())
    tmp_path.chmod(0o700)


def test_a_folder_that_another_process_writes_to_is_refused(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    child = os.fork()
    if child == 0:
        try:
            Sink(tmp_path, LogSettings())
        except StorageError as error:
            os._exit(7 if "another process" in str(error) else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    sink.close()


def test_files_of_others_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    write(tmp_path, numbered(0, 5), retention_bytes=4096)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert segment_path(tmp_path, 1).exists()


def test_the_sender_that_was_silent_longest_is_forgotten_first() -> None:
    senders = Senders()
    for number in range(SENDERS_MAX):
        senders.keep(f"s{number}", 1, 10)
    senders.keep("s0", 1, 20)
    senders.keep("new", 1, 5)
    assert len(senders) == SENDERS_MAX
    assert (senders.next_of("s0", 1), senders.next_of("s1", 1), senders.next_of("new", 1)) == (20, 0, 5)
    assert Senders(senders.rows()).rows() == senders.rows()
