"""Segments become a lake: every event once, whatever dies, comes late or comes twice."""

import contextlib
from pathlib import Path

import msgspec
import pytest

import nodes.log.compaction
from mesh.errors import StorageError
from mesh.lake.disk import NoRoom
from mesh.lake.lake import Lake, manifest_of
from nodes.log.compaction import Compaction, StoppedError
from nodes.log.segments import segment_path
from nodes.log.settings import LogSettings
from nodes.log.sink import Sink
from tests.data.laking import (
    GATE,
    HOUR_MS,
    SCENE,
    WALL_MS,
    DyingDisk,
    FullDisk,
    Killed,
    all_said,
    batches_of,
    compact,
    content,
    data_files,
    files_in,
    log_folder,
    named,
    some_events,
)
from tests.log.writing import Happening, batch, store, without_columns, write

EVENTS = some_events(40, begin_ms=WALL_MS - HOUR_MS - 20_000)  # over the end of an hour


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes.log.compaction, "ROUND_EVENTS", 10)


def test_events_come_into_the_lake_as_they_were_recorded(tmp_path: Path, lake: Path) -> None:
    log = log_folder(tmp_path / "log.1", *batches_of(EVENTS, 8))
    done = compact(lake, log)
    assert (done.events, done.twice, done.lost) == (40, 0, 0)
    assert content(lake) == sorted(all_said(EVENTS))
    hours = {file.hour for file in data_files(lake)}
    assert len(hours) == 2
    assert files_in(lake) == {file.name for file in manifest_of(lake).files}


def test_again_there_is_nothing_to_do(tmp_path: Path, lake: Path) -> None:
    log = log_folder(tmp_path / "log.1", *batches_of(EVENTS, 8))
    compact(lake, log)
    before = (lake / "manifest.json").read_bytes()
    done = compact(lake, log)
    assert (done.events, done.twice, done.rounds) == (0, 0, 0)
    assert (lake / "manifest.json").read_bytes() == before


def test_it_goes_on_where_it_ended_also_in_the_open_segment(tmp_path: Path, lake: Path) -> None:
    log = tmp_path / "log.1"
    sink = Sink(log, LogSettings())
    store(sink, batch(EVENTS[:10]))
    assert compact(lake, log).events == 10  # beside the log node that writes
    store(sink, batch(EVENTS[10:25], first=10))
    assert compact(lake, log).events == 15
    sink.close()
    write(log, batch(EVENTS[25:], first=25))
    done = compact(lake, log)
    assert (done.events, done.twice) == (15, 0)
    assert content(lake) == sorted(all_said(EVENTS))


@pytest.mark.parametrize("moment", ["before", "torn", "after"])
def test_killed_at_any_step_nothing_is_lost_or_doubled(tmp_path: Path, moment: str, small_rounds: None) -> None:
    happened = EVENTS[13:29]  # over the end of the hour
    log = log_folder(tmp_path / "log.1", *batches_of(happened, 4))
    expected, step = sorted(all_said(happened)), 0
    while True:
        step += 1
        lake, disk = tmp_path / f"lake{step}", DyingDisk(step, moment)
        try:
            compact(lake, log, disk=disk)
        except Killed:
            if (lake / "manifest.json").exists():
                assert set(content(lake)) <= set(expected)
            compact(lake, log)
        assert content(lake) == expected
        assert files_in(lake) == named(lake)
        if not disk.died:
            break
    assert step > 40, "there are many steps to die at"


def test_killed_again_and_again_it_gets_done(tmp_path: Path, lake: Path, small_rounds: None) -> None:
    log = log_folder(tmp_path / "log.1", *batches_of(EVENTS, 4))
    for _ in range(100):
        try:
            compact(lake, log, disk=DyingDisk(60, "after"))
        except Killed:
            continue
        break
    assert content(lake) == sorted(all_said(EVENTS))


def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path, lake: Path, small_rounds: None) -> None:
    log = log_folder(tmp_path / "log.1", *batches_of(EVENTS, 4))
    for room in range(20):
        if room == 0:
            with pytest.raises(NoRoom, match="make room"):
                compact(lake, log, disk=FullDisk(room))
            assert files_in(lake) == set()
            assert not (lake / "manifest.json").exists()
            continue
        with contextlib.suppress(NoRoom):
            compact(lake, log, disk=FullDisk(room))
        if (lake / "manifest.json").exists():
            assert files_in(lake) == named(lake)
    assert compact(lake, log).rounds == 0, "with room enough all was done"
    assert content(lake) == sorted(all_said(EVENTS))


def test_what_two_log_nodes_have_is_there_once(tmp_path: Path, lake: Path) -> None:
    one = log_folder(tmp_path / "log.1", batch(EVENTS[:20]))
    other = log_folder(tmp_path / "log.2", batch(EVENTS[10:30], first=10), batch(EVENTS[35:], first=35))
    done = compact(lake, one, other)
    assert (done.events, done.twice) == (35, 10)
    assert content(lake) == sorted(all_said(EVENTS[:30]) + all_said(EVENTS[35:], 35))
    late = log_folder(tmp_path / "log.3", batch(EVENTS[25:], first=25))
    done = compact(lake, one, other, late)
    assert (done.events, done.twice) == (5, 10)
    assert content(lake) == sorted(all_said(EVENTS))


def test_lives_of_a_sender_and_senders_are_told_apart(tmp_path: Path, lake: Path) -> None:
    batches = [batch(EVENTS[:5]), batch(EVENTS[:5], incarnation=8), batch(EVENTS[:5], GATE)]
    log = log_folder(tmp_path / "log.1", *batches)
    assert compact(lake, log).events == 15
    expected = [*all_said(EVENTS[:5]), *all_said(EVENTS[:5], incarnation=8), *all_said(EVENTS[:5], sender=GATE)]
    assert content(lake) == sorted(expected)
    assert {file.zone for file in data_files(lake)} == {"one", "two"}


def test_late_events_come_into_their_hour(tmp_path: Path, lake: Path) -> None:
    log = tmp_path / "log.1"
    write(log, batch(EVENTS[20:], first=0))
    compact(lake, log)
    late: list[Happening] = [(at_ms - 5 * HOUR_MS, kind, player, fields) for at_ms, kind, player, fields in EVENTS[:20]]
    write(log, batch(late, GATE), batch(EVENTS[:20], GATE, first=20))
    compact(lake, log, wall_ms=WALL_MS + HOUR_MS)
    assert content(lake) == sorted(all_said(EVENTS[20:]) + all_said(late + EVENTS[:20], sender=GATE))


def test_small_files_of_an_hour_that_is_over_become_one(tmp_path: Path, lake: Path) -> None:
    log = tmp_path / "log.1"
    begin = WALL_MS - HOUR_MS
    events = [(begin + at, "say", 1, {"text": str(at)}) for at in range(12)]
    for at in range(0, 12, 4):
        write(log, batch(events[at : at + 4], first=at))
        compact(lake, log, wall_ms=begin + 1000)
    assert len(data_files(lake)) == 3, "the hour goes on"
    done = compact(lake, log, wall_ms=begin + 2 * HOUR_MS)
    assert done.merged == 3
    assert [file.rows for file in data_files(lake)] == [12]
    assert len(manifest_of(lake).retired) == 3, "those who read them may go on"
    assert content(lake) == sorted(all_said(events))
    compact(lake, log, wall_ms=begin + 3 * HOUR_MS)
    assert files_in(lake) == {file.name for file in manifest_of(lake).files}


def test_many_files_of_an_hour_that_goes_on_are_merged(tmp_path: Path, lake: Path) -> None:
    log = tmp_path / "log.1"
    for at in range(6):
        write(log, batch([(WALL_MS + at, "say", 1, {"text": str(at)})], first=at))
        done = compact(lake, log, wall_ms=WALL_MS + 1000)
    assert done.merged == 12, "and those of their index"
    assert [file.table for file in manifest_of(lake).files] == ["events", "index"]


def test_broken_blocks_are_skipped_counted_and_named(tmp_path: Path, lake: Path) -> None:
    log = log_folder(tmp_path / "log.1", *batches_of(EVENTS, 10))
    path = segment_path(log, 1)
    data = bytearray(path.read_bytes())
    blocks = [at for at in range(len(data)) if data[at : at + 4] == b"ZBLK"]
    assert len(blocks) == 4
    data[blocks[2] - 5] ^= 1  # the body of the second one
    data[blocks[2] + 10] ^= 1  # the head of the third one
    path.write_bytes(data)
    done = compact(lake, log)
    assert (done.events, done.lost, done.lost_events) == (20, 2, 10)
    assert content(lake) == sorted(all_said(EVENTS[:10]) + all_said(EVENTS[30:], 30))
    losses = manifest_of(lake).losses
    assert [(one.file, one.offset) for one in losses] == [(path.name, blocks[1]), (path.name, blocks[2])]
    assert "damaged" in losses[0].why
    assert compact(lake, log).lost == 0, "they are looked at once"
    twin = log_folder(tmp_path / "log.2", batch(EVENTS[10:30], first=10))
    assert compact(lake, log, twin).events == 20
    assert content(lake) == sorted(all_said(EVENTS))


def test_a_torn_tail_is_left_for_later(tmp_path: Path, lake: Path) -> None:
    log = log_folder(tmp_path / "log.1", *batches_of(EVENTS, 20))
    path = segment_path(log, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    done = compact(lake, log)
    assert (done.events, done.lost) == (20, 0)
    path.write_bytes(whole)
    assert compact(lake, log).events == 20
    assert content(lake) == sorted(all_said(EVENTS))


def test_a_segment_whose_end_was_lost_and_written_anew_is_read_again(tmp_path: Path, lake: Path) -> None:
    """A machine that died kept less of it than was read, and other blocks stand there now."""
    log = log_folder(tmp_path / "log.1", *batches_of(EVENTS[:30], 10))
    compact(lake, log)
    path = segment_path(log, 1)
    data = path.read_bytes()
    blocks = [at for at in range(len(data)) if data[at : at + 4] == b"ZBLK"]
    path.write_bytes(data[: blocks[1]])
    write(log, batch(EVENTS[10:20], first=10), batch(EVENTS[30:], GATE), batch(EVENTS[20:30], first=20))
    done = compact(lake, log)
    assert done.events == 10
    assert content(lake) == sorted(all_said(EVENTS[:30]) + all_said(EVENTS[30:], sender=GATE))


def test_numbers_of_segments_that_come_again_are_other_segments(tmp_path: Path, lake: Path) -> None:
    log = log_folder(tmp_path / "log.1", batch(EVENTS[:10]))
    compact(lake, log)
    segment_path(log, 1).unlink()
    log_folder(log, batch(EVENTS[:20], GATE))
    assert compact(lake, log).events == 20
    assert content(lake) == sorted(all_said(EVENTS[:10]) + all_said(EVENTS[:20], sender=GATE))


def test_batches_of_older_senders_have_no_columns(tmp_path: Path, lake: Path) -> None:
    log = log_folder(tmp_path / "log.1", *(without_columns(one) for one in batches_of(EVENTS, 8)))
    assert compact(lake, log).events == 40
    assert content(lake) == sorted(all_said(EVENTS))


def test_one_event_that_is_none_does_not_cost_the_others(tmp_path: Path, lake: Path) -> None:
    good = batch(EVENTS[:5])
    wrong = bytearray(good.body)
    wrong[0] = 0xC1  # nothing begins with that
    log = log_folder(tmp_path / "log.1", msgspec.structs.replace(good, body=bytes(wrong)))
    done = compact(lake, log)
    assert (done.events, done.lost, done.lost_events) == (4, 1, 1)
    assert content(lake) == sorted(all_said(EVENTS[1:5], 1))
    assert SCENE in manifest_of(lake).losses[0].why


def test_a_clock_that_was_never_set(tmp_path: Path, lake: Path) -> None:
    events: list[Happening] = [(5, "say", 1, {}), EVENTS[0], (2**62, "say", 1, {})]
    done = compact(lake, log_folder(tmp_path / "log.1", batch(events)))
    assert (done.events, done.lost_events) == (1, 2)
    assert "2100" in manifest_of(lake).losses[0].why


def test_new_fields_are_there_and_old_ones_stay(tmp_path: Path, lake: Path) -> None:
    events: list[Happening] = [
        (WALL_MS, "dance", 1, {"steps": 5}),
        (WALL_MS + 1, "dance", 1, {"steps": 2.5, "with": 7}),
        (WALL_MS + 2, "dance", 1, {"gold": 3, "style": {"name": "polka"}}),
    ]
    log = tmp_path / "log.1"
    for at, one in enumerate(events):
        write(log, batch([one], first=at))
        compact(lake, log)
    assert content(lake) == sorted(all_said(events))
    seen = manifest_of(lake).kinds["dance"]
    assert seen.columns == ["gold"]
    assert seen.others == {"steps": "float", "with": "int", "style": "json"}


def test_retention_of_the_log_takes_nothing_from_the_lake(tmp_path: Path, lake: Path) -> None:
    log = log_folder(tmp_path / "log.1", *batches_of(EVENTS, 10), segment_bytes=4096)
    compact(lake, log)
    for path in log.glob("*.zlog"):
        path.unlink()
    done = compact(lake, log)
    assert (done.events, done.lost) == (0, 0)
    assert content(lake) == sorted(all_said(EVENTS))


def test_nobody_wants_it_any_more(tmp_path: Path, lake: Path) -> None:
    log = log_folder(tmp_path / "log.1", batch(EVENTS))
    with Lake(lake, WALL_MS) as opened, pytest.raises(StoppedError):
        Compaction(opened, WALL_MS, lambda: True).run([log])
    assert compact(lake, log).events == 40


def test_one_at_a_time(tmp_path: Path, lake: Path) -> None:
    with Lake(lake, WALL_MS), pytest.raises(StorageError, match="another process"):
        Lake(lake, WALL_MS)
    Lake(lake, WALL_MS).close()
