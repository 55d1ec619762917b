"""The index beside a segment: what it says, what it saves, and that nothing but time is lost without it."""

import errno
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.disk import AppendFile
from nodes.log.indexes import index_path, stretches
from nodes.log.layout import BlockHead, unpack_block_head
from nodes.log.query import Query, search
from nodes.log.segments import segment_path, segment_paths
from nodes.log.settings import LogSettings
from nodes.log.sink import Sink
from nodes.log.stretch import (
    BLOCKS_MAX,
    RECORD_HEAD,
    Described,
    blocks_of,
    candidates,
    pack_stretch,
    record_size,
    unpack_stretch,
)
from tests.log.writing import (
    WALL_MS,
    Happening,
    SmallDisk,
    batch,
    everything,
    numbers,
    store,
    without_columns,
    write,
)

BLOCKS = BLOCKS_MAX * 2 + 10
PER_BLOCK = 4


def block_of(n: int) -> list[Happening]:
    """The events of block n: everybody's player 1, player 1000 + n, and a rare kind in every hundredth block."""
    kind = "rare" if n % 100 == 7 else "usual"
    first = n * PER_BLOCK
    return [
        (WALL_MS + first, "usual", 1, {"n": first}),
        (WALL_MS + first + 1, kind, 1000 + n, {"n": first + 1}),
        (WALL_MS + first + 2, "usual", 2 + n % 3, {"n": first + 2}),
        (WALL_MS + first + 3, "usual", 0, {"n": first + 3}),
    ]


def fill(sink: Sink, begin: int, end: int, *, old: bool = False) -> None:
    for n in range(begin, end):
        made = batch(block_of(n), first=n * PER_BLOCK)
        store(sink, without_columns(made) if old else made)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One segment of BLOCKS blocks, closed cleanly."""
    sink = Sink(tmp_path, LogSettings())
    fill(sink, 0, BLOCKS)
    sink.close()
    return tmp_path


def covered(folder: Path, number: int = 1) -> list[int]:
    """Blocks in each stretch of a segment."""
    path = segment_path(folder, number)
    return [blocks_of(stretch) for stretch, _ in stretches(path, path.stat().st_size)]


def right(folder: Path, count: int = BLOCKS) -> None:
    """The answers that the events themselves give."""
    assert numbers(folder, player=1000 + 7) == [7 * PER_BLOCK + 1]
    assert numbers(folder, player=3) == [n * PER_BLOCK + 2 for n in range(count) if n % 3 == 1]
    assert numbers(folder, kinds=frozenset({"rare"})) == [n * PER_BLOCK + 1 for n in range(7, count, 100)]
    assert numbers(folder, since_ms=WALL_MS + 9, until_ms=WALL_MS + 12) == [9, 10, 11, 12]
    assert numbers(folder, player=5000) == []
    assert len(numbers(folder)) == count * PER_BLOCK


def test_a_stretch_is_written_when_it_is_full_and_at_the_end(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    fill(sink, 0, BLOCKS_MAX - 1)
    assert covered(tmp_path) == []
    fill(sink, BLOCKS_MAX - 1, BLOCKS)
    assert covered(tmp_path) == [BLOCKS_MAX, BLOCKS_MAX]
    sink.close()
    assert covered(tmp_path) == [BLOCKS_MAX, BLOCKS_MAX, 10]
    right(tmp_path)


def test_blocks_without_what_is_looked_for_are_not_touched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def noted(data: bytes, at: int) -> BlockHead | None:
        looked.append(at)
        return unpack_block_head(data, at)

    monkeypatch.setattr("nodes.log.segments.unpack_block_head", noted)
    found = everything(folder, player=1000 + 7)
    assert (len(looked), found.blocks_opened, found.blocks_skipped) == (1, 1, BLOCKS - 1)
    found = everything(folder, kinds=frozenset({"rare"}))
    assert (found.blocks_opened, len(looked)) == (6, 7)
    everything(folder, player=5000)
    everything(folder, since_ms=WALL_MS + PER_BLOCK * BLOCKS)
    assert len(looked) == 7


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]),
        lambda path: path.write_bytes(path.read_bytes()[:3000] + b"\0" + path.read_bytes()[3001:]),
        lambda path: path.write_bytes(path.read_bytes() + b"more"),
    ],
    ids=["lost", "empty", "cut", "first byte", "middle byte", "longer"],
)
def test_an_index_that_is_damaged_costs_time_and_no_event(folder: Path, harm: Callable[[Path], object]) -> None:
    harm(index_path(segment_path(folder, 1)))
    right(folder)
    Sink(folder, LogSettings()).close()
    assert sum(covered(folder)) == BLOCKS, "the next start makes it whole again"
    right(folder)


@pytest.mark.parametrize("count", [5, BLOCKS_MAX - 1, BLOCKS_MAX, BLOCKS_MAX + 5])
def test_after_a_kill_the_index_goes_on_where_it_was(tmp_path: Path, count: int) -> None:
    killed = Sink(tmp_path, LogSettings())
    fill(killed, 0, count)
    killed._folder.close()  # the lock of a process that is gone
    sink = Sink(tmp_path, LogSettings())
    fill(sink, count, BLOCKS)
    sink.close()
    assert sum(covered(tmp_path)) == BLOCKS
    assert sink.counts.blocks_unindexed == 0
    right(tmp_path)


def test_an_index_that_outlived_its_blocks_is_not_believed(folder: Path) -> None:
    path = segment_path(folder, 1)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])  # as after the death of a machine
    sink = Sink(folder, LogSettings())
    lost_from = sink._senders.next_of("eu.one.scene.1", 7)
    assert 0 < lost_from < BLOCKS * PER_BLOCK
    other = [(WALL_MS + lost_from + k, "usual", 77, {"n": lost_from + k}) for k in range(4000)]
    store(sink, batch(other, first=lost_from))
    sink.close()
    assert numbers(folder, player=77) == list(range(lost_from, lost_from + 4000))
    assert numbers(folder, player=1000 + 7) == [7 * PER_BLOCK + 1]
    assert numbers(folder, player=1000 + BLOCKS - 1) == []


def test_no_stretch_goes_over_a_damaged_block(folder: Path) -> None:
    path = segment_path(folder, 1)
    index_path(path).unlink()
    data = path.read_bytes()
    middle = data.index(b"ZBLK", len(data) // 2)
    path.write_bytes(data[: middle + 60] + b"\xff\xff" + data[middle + 62 :])
    Sink(folder, LogSettings()).close()
    assert sum(covered(folder)) == BLOCKS - 1
    found = everything(folder)
    assert (found.damaged, len(found.events)) == (1, (BLOCKS - 1) * PER_BLOCK)


def test_a_block_that_is_damaged_later_is_seen(folder: Path) -> None:
    path = segment_path(folder, 1)
    data = path.read_bytes()
    middle = data.index(b"ZBLK", len(data) // 2)
    path.write_bytes(data[: middle + 60] + b"\xff\xff" + data[middle + 62 :])
    found = everything(folder)
    assert (found.damaged, len(found.events)) == (1, (BLOCKS - 1) * PER_BLOCK)


def test_a_disk_that_takes_no_index_is_no_reason_to_lose_events(tmp_path: Path) -> None:
    disk = SmallDisk(0, errno.EIO)

    def open_file(path: Path, size: int) -> AppendFile:
        return disk.open(path, size) if path.suffix == ".zidx" else AppendFile(path, size)

    sink = Sink(tmp_path, LogSettings(), open_file)
    fill(sink, 0, BLOCKS_MAX + 3)
    disk.room = 1 << 30
    fill(sink, BLOCKS_MAX + 3, BLOCKS)
    sink.close()
    assert sink.counts.blocks_unindexed == BLOCKS_MAX
    assert sum(covered(tmp_path)) == BLOCKS - BLOCKS_MAX
    right(tmp_path)


def test_batches_without_columns_are_indexed_by_player_and_time(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    fill(sink, 0, 20, old=True)
    fill(sink, 20, 40)
    fill(sink, 40, BLOCKS, old=True)
    sink.close()
    right(tmp_path)
    assert everything(tmp_path, player=1000 + 7).blocks_opened == 1


def test_both_sorts_of_batches_in_one_group(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    made = [batch(block_of(n), first=n * PER_BLOCK) for n in range(8)]
    store(sink, *(without_columns(each) if n in (2, 3, 6) else each for n, each in enumerate(made)))
    sink.close()
    assert numbers(tmp_path) == list(range(8 * PER_BLOCK))
    assert sink.counts.blocks_written == 5


def test_an_index_goes_with_its_segment(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings(segment_bytes=4096, retention_bytes=20_000))
    fill(sink, 0, 1000)
    sink.close()
    assert sink.counts.segments_deleted > 0
    left = {path.name for path in tmp_path.iterdir()} - {"lock"}
    assert left == {p.name for _, s in segment_paths(tmp_path) for p in (s, index_path(s))}


def test_a_large_batch_is_divided_so_that_little_is_opened_for_one_player(tmp_path: Path) -> None:
    many = [(WALL_MS + n, "test", n, {"n": n, "pad": "x" * (n % 30)}) for n in range(8000)]
    write(tmp_path, batch(many), block_bytes=16_384)
    found = everything(tmp_path, player=4321)
    assert [event.fields["n"] for event in found.events] == [4321]
    assert found.blocks_opened == 1
    assert found.blocks_skipped > 10
    assert numbers(tmp_path) == list(range(8000))
    sink = Sink(tmp_path, LogSettings())
    assert sink._senders.next_of("eu.one.scene.1", 7) == 8000
    assert store(sink, batch(many)) == [8000]
    sink.close()
    assert sink.counts.events_duplicate == 8000


def test_columns_that_lie_are_found_out(tmp_path: Path) -> None:
    honest = batch([(WALL_MS + n, "test", n % 2 + 1, {"n": n}) for n in range(10)])
    lying = msgspec.structs.replace(honest, players=np.full(10, 9, "<u8").tobytes())
    write(tmp_path, lying)
    assert numbers(tmp_path, player=9) == [], "an answer has only what the events say themselves"
    assert numbers(tmp_path) == list(range(10))


rows = st.lists(
    st.tuples(
        st.lists(st.integers(1, 6), min_size=1, max_size=6),
        st.one_of(st.none(), st.lists(st.sampled_from("abcdef"), max_size=4)),
        st.integers(0, 50),
        st.integers(0, 20),
    ),
    min_size=1,
    max_size=30,
)


@given(
    rows=rows,
    player=st.integers(0, 7),
    kinds=st.frozensets(st.sampled_from("abcxyz"), max_size=2),
    since=st.integers(0, 40),
    until=st.integers(0, 40),
)
def test_a_stretch_names_exactly_the_blocks_that_may_match(
    rows: list[tuple[list[int], list[str] | None, int, int]], player: int, kinds: frozenset[str], since: int, until: int
) -> None:
    made = [
        Described(n * 100, n * 100 + 100, oldest, oldest + span, names, np.unique(np.array(players, np.uint64)))
        for n, (players, names, oldest, span) in enumerate(rows)
    ]
    record = pack_stretch(made, 1)
    assert record_size(record[: RECORD_HEAD.size]) == len(record)
    stretch = unpack_stretch(record)
    assert stretch is not None
    assert (stretch.begin, stretch.end, blocks_of(stretch)) == (0, 100 * len(rows), len(rows))
    expected = [
        each.offset
        for each in made
        if (not player or player in each.players)
        and (not kinds or each.kinds is None or kinds & set(each.kinds))
        and each.newest_ms >= since
        and (not until or each.oldest_ms <= until)
    ]
    assert candidates(stretch, player, kinds, since, until)["offset"].tolist() == expected


def test_more_kinds_than_a_mask_has_bits() -> None:
    made = [Described(n * 100, n * 100 + 100, 1, 2, [f"kind{n}"], np.array([n], np.uint64)) for n in range(100)]
    stretch = unpack_stretch(pack_stretch(made, 1))
    assert stretch is not None
    assert len(candidates(stretch, 0, {"kind7"}, 0, 0)) == 100
    assert candidates(stretch, 7, {"kind7"}, 0, 0)["offset"].tolist() == [700]


@given(st.binary(max_size=80))
def test_no_bytes_make_reading_an_index_fail(data: bytes) -> None:
    unpack_stretch(data)
    unpack_stretch(RECORD_HEAD.pack(b"ZIDX", zlib.crc32(data), len(data)) + data)


def test_a_search_beside_the_writer_sees_all_that_is_stored(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    for begin in range(0, BLOCKS, 50):
        end = min(BLOCKS, begin + 50)
        fill(sink, begin, end)
        found = search(tmp_path, Query(player=1, limit=10_000))
        assert len(found.events) == end
    sink.close()
