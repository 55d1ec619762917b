"""A log node that was killed or whose disk rots: what it keeps, what it cuts, what it tells."""

import shutil
from pathlib import Path

import pytest

from mesh.errors import StorageError
from nodes.log.layout import pack_file_head
from nodes.log.recovery import recover
from nodes.log.segments import Block, Damage, SegmentFile, segment_path
from nodes.log.settings import LogSettings
from nodes.log.sink import Sink
from tests.log.writing import WALL_MS, everything, numbered, numbers, store, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three blocks of five events in one segment."""
    write(tmp_path / "data", numbered(0, 5), numbered(5, 5), numbered(10, 5))
    return tmp_path / "data"


def segment(folder: Path) -> Path:
    return segment_path(folder, 1)


def blocks(folder: Path) -> list[Block]:
    with SegmentFile(segment(folder)) as file:
        return [item for item in file.scan(bodies=True) if isinstance(item, Block)]


def reopened(folder: Path) -> Sink:
    return Sink(folder, LogSettings())


def test_a_tail_torn_at_any_byte_is_cut_and_everything_before_is_kept(folder: Path) -> None:
    whole = segment(folder).read_bytes()
    starts = [block.head.offset for block in blocks(folder)]
    for size in range(starts[1] + 1, len(whole) + 1):
        segment(folder).write_bytes(whole[:size])
        last = max(start for start in [*starts, len(whole)] if start <= size)
        kept = 5 * [*starts, len(whole)].index(last)
        sink = reopened(folder)
        assert sink.recovered.cut_bytes == size - last
        assert segment(folder).stat().st_size == last
        assert numbers(folder) == list(range(kept))
        # The sender never had an answer for what was cut, and sends it again.
        assert store(sink, numbered(kept, 5)) == [kept + 5]
        sink.close()
        assert numbers(folder) == list(range(kept + 5))


def test_what_was_cut_is_counted_in_events_when_the_head_came_through(folder: Path) -> None:
    last = blocks(folder)[-1].head
    for size, events in ((last.end - 1, 5), (last.body_offset, 5), (last.body_offset - 1, 0)):
        with segment(folder).open("r+b") as file:
            file.truncate(size)
        shutil.copytree(folder, folder.parent / f"copy{size}")
        sink = reopened(folder.parent / f"copy{size}")
        assert sink.recovered.cut_events == events
        sink.close()


def test_every_flipped_bit_of_a_block_is_noticed_and_costs_only_that_block(folder: Path) -> None:
    whole = segment(folder).read_bytes()
    middle = blocks(folder)[1].head
    for at in range(middle.offset, middle.end):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << at % 8
        segment(folder).write_bytes(flipped)
        found = everything(folder)
        assert [event.fields["n"] for event in found.events] == [*range(5), *range(10, 15)]
        assert found.damaged == 1


def test_damage_in_the_middle_is_left_and_writing_goes_on_behind_it(folder: Path) -> None:
    middle = blocks(folder)[1].head
    with segment(folder).open("r+b") as file:
        file.seek(middle.offset)
        file.write(bytes(middle.end - middle.offset))
    sink = reopened(folder)
    assert (sink.recovered.cut_bytes, sink.recovered.damaged_blocks) == (0, 1)
    store(sink, numbered(15, 5))
    sink.close()
    assert numbers(folder) == [*range(5), *range(10, 20)]
    with SegmentFile(segment(folder)) as file:
        damage = [item for item in file.scan(bodies=False) if isinstance(item, Damage)]
    assert [(item.offset, item.length) for item in damage] == [(middle.offset, middle.end - middle.offset)]


def test_zeros_behind_the_last_block_are_cut(folder: Path) -> None:
    size = segment(folder).stat().st_size
    with segment(folder).open("ab") as file:
        file.write(bytes(5000))
    sink = reopened(folder)
    sink.close()
    assert sink.recovered.cut_bytes == 5000
    assert segment(folder).stat().st_size == size


def test_a_last_block_whose_body_never_reached_the_disk_is_cut(folder: Path) -> None:
    last = blocks(folder)[-1].head
    with segment(folder).open("r+b") as file:
        file.seek(last.end - 10)
        file.write(bytes(10))
    sink = reopened(folder)
    assert (sink.recovered.cut_bytes, sink.recovered.cut_events) == (last.end - last.offset, 5)
    assert store(sink, numbered(10, 5)) == [15]
    sink.close()
    assert numbers(folder) == list(range(15))


def test_a_damaged_head_of_a_file_costs_no_event_and_no_duplicate(folder: Path) -> None:
    with segment(folder).open("r+b") as file:
        file.write(b"XXXX")
    sink = reopened(folder)
    assert store(sink, numbered(10, 10)) == [20]
    sink.close()
    assert sink.counts.events_duplicate == 5
    assert numbers(folder) == list(range(20))


@pytest.mark.parametrize("left", [0, 10, 36, 40])
def test_a_file_that_was_being_made_is_set_aside(folder: Path, left: int) -> None:
    head = pack_file_head(2, WALL_MS, [("eu.one.scene.1", 7, 15)])
    assert left < len(head)
    segment_path(folder, 2).write_bytes(head[:left])
    sink = reopened(folder)
    assert store(sink, numbered(0, 15)) == [15]
    assert store(sink, numbered(15, 5)) == [20]
    sink.close()
    assert sink.recovered.set_aside == [str(folder / "00000002.damaged")]
    assert sink.recovered.cut_bytes == left
    assert numbers(folder) == list(range(20))


def test_duplicates_are_skipped_after_a_restart(folder: Path) -> None:
    sink = reopened(folder)
    assert store(sink, numbered(10, 5)) == [15]
    assert store(sink, numbered(0, 15)) == [15]
    sink.close()
    assert (sink.counts.events_stored, sink.counts.events_duplicate) == (0, 20)
    assert numbers(folder) == list(range(15))


def test_duplicates_are_skipped_after_rotations_and_a_restart(tmp_path: Path) -> None:
    batches = [numbered(0, 5), *(numbered(n, 50, sender="eu.one.gate.1") for n in range(0, 2000, 50))]
    write(tmp_path, *batches, segment_bytes=4096)
    sink = reopened(tmp_path)
    assert sink.segments > 2
    assert store(sink, *batches) == [5, *[2000] * 40]
    sink.close()
    assert sink.counts.events_stored == 0


def test_a_segment_of_a_later_version_stops_the_start_with_a_clear_word(folder: Path) -> None:
    import zlib

    later = bytearray(segment(folder).read_bytes())
    length = int.from_bytes(later[12:16], "little")
    later[8] = 9
    later[16:20] = zlib.crc32(later[20 : 36 + length], zlib.crc32(later[:16])).to_bytes(4, "little")
    segment(folder).write_bytes(later)
    with pytest.raises(StorageError, match="version 9"):
        reopened(folder)
    assert everything(folder).damaged == 1


def test_what_was_set_aside_before_stays(folder: Path) -> None:
    for content in (b"first", b"second"):
        (folder / "00000001.zlog").write_bytes(content)
        recover(folder)
    assert (folder / "00000001.damaged").read_bytes() == b"first"
    assert (folder / "00000001.damaged-2").read_bytes() == b"second"
