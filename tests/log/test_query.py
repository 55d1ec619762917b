"""Questions: by player, kind and time; the newest of them; exactly, in bounded memory, around damage."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.protocol.journal import StoreEvents
from nodes.log.query import RESULT_BYTES_MAX, Query, lines_of, search
from nodes.log.settings import LogSettings
from nodes.log.sink import Sink
from tests.log.writing import WALL_MS, Happening, batch, everything, numbered, numbers, store, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three senders in turn, 60 events in 12 blocks and several segments; player and kind go by the number."""
    kinds = ("move", "loot", "chat")
    batches = []
    for n in range(0, 60, 5):
        events: list[Happening] = [
            (WALL_MS + k, kinds[k % 3], k % 7, {"n": k, "pad": "x" * k}) for k in range(n, n + 5)
        ]
        batches.append(batch(events, sender=f"eu.one.scene.{n // 5 % 3}", first=n))
    write(tmp_path, *batches, segment_bytes=4096, retention_bytes=4096 * 100)
    return tmp_path


def test_all_of_a_player(folder: Path) -> None:
    assert numbers(folder, player=3) == [n for n in range(60) if n % 7 == 3]


def test_by_kind(folder: Path) -> None:
    assert numbers(folder, kinds=frozenset({"loot"})) == [n for n in range(60) if n % 3 == 1]
    assert numbers(folder, kinds=frozenset({"loot", "chat"}), player=3) == [
        n for n in range(60) if n % 3 and n % 7 == 3
    ]


def test_by_time_with_both_ends(folder: Path) -> None:
    assert numbers(folder, since_ms=WALL_MS + 12, until_ms=WALL_MS + 31) == list(range(12, 32))


def test_the_newest_ones_oldest_first_and_whether_there_are_more(folder: Path) -> None:
    found = everything(folder, player=3, limit=4)
    assert [event.fields["n"] for event in found.events] == [38, 45, 52, 59]
    assert found.more
    assert not everything(folder, player=3, limit=9).more
    assert everything(folder, player=3, limit=7).more


def test_an_event_comes_back_as_it_was_recorded(folder: Path) -> None:
    (event,) = everything(folder, limit=1).events
    assert (event.at_ms, event.kind, event.player, event.node) == (WALL_MS + 59, "chat", 3, "eu.one.scene.2")
    assert event.fields == {"n": 59, "pad": "x" * 59}


def test_blocks_without_the_player_or_the_time_are_not_opened(folder: Path) -> None:
    found = everything(folder, player=6)
    assert (found.blocks_opened, found.blocks_skipped) == (8, 4)
    found = everything(folder, since_ms=WALL_MS + 57)
    assert (found.blocks_opened, found.blocks_skipped) == (1, 11)


def test_blocks_that_cannot_change_a_full_answer_are_not_opened(folder: Path) -> None:
    assert everything(folder, limit=3).blocks_opened == 1
    assert everything(folder, limit=5).blocks_opened == 2


def test_an_event_that_arrives_late_takes_its_place_by_its_time(tmp_path: Path) -> None:
    late = batch([(WALL_MS - 1000, "test", 1, {"n": -1})], sender="eu.one.gate.1")
    write(tmp_path, numbered(0, 5), late, numbered(5, 5))
    assert numbers(tmp_path) == [-1, *range(10)]
    assert numbers(tmp_path, limit=3) == [7, 8, 9]


def test_a_batch_that_is_not_what_it_says_costs_only_itself(tmp_path: Path) -> None:
    sink = Sink(tmp_path, LogSettings())
    broken = StoreEvents("gate.1", 1, 0, 3, bytes(24), b"\x93\x01\x02\x03")
    too_few = StoreEvents("gate.2", 1, 0, 9, bytes(72), numbered(0, 5).body)
    no_map = StoreEvents("gate.3", 1, 0, 1, bytes(8), b"\x95\x01\xa1a\x00\xa1b\x07")
    store(sink, broken, numbered(0, 5), too_few, no_map)
    sink.close()
    found = everything(tmp_path)
    assert [event.fields["n"] for event in found.events] == list(range(5))
    assert found.damaged == 3


def test_an_answer_is_bounded_in_bytes(tmp_path: Path) -> None:
    big: list[Happening] = [(WALL_MS + n, "test", 1, {"n": n, "text": "x" * 8000}) for n in range(50)]
    write(tmp_path, *(batch(big, sender=f"s{n}") for n in range(20)))
    found = everything(tmp_path)
    assert found.more
    assert RESULT_BYTES_MAX * 0.9 < sum(len(event.fields["text"]) for event in found.events) <= RESULT_BYTES_MAX
    assert found.events[-1].fields["n"] == 49


def test_a_query_that_takes_too_long_says_that_there_is_more(folder: Path) -> None:
    left = iter([False, False, False])
    found = search(folder, Query(limit=1000), lambda: next(left, True))
    assert found.unfinished
    assert found.more
    assert 0 < len(found.events) < 60
    assert found.events[-1].fields["n"] == 59


def test_an_empty_folder_has_no_events(tmp_path: Path) -> None:
    assert everything(tmp_path).events == []


happenings = st.lists(
    st.tuples(st.integers(0, 20), st.sampled_from(["a", "b", "c"]), st.integers(0, 4)), min_size=1, max_size=12
)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(happenings, min_size=1, max_size=8),
    player=st.integers(0, 4),
    kinds=st.frozensets(st.sampled_from(["a", "b", "c"])),
    since=st.integers(0, 20),
    until=st.integers(0, 20),
    limit=st.integers(1, 30),
)
def test_any_query_finds_what_a_plain_filter_finds(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[list[tuple[int, str, int]]],
    player: int,
    kinds: frozenset[str],
    since: int,
    until: int,
    limit: int,
) -> None:
    folder = tmp_path_factory.mktemp("data")
    flat: list[tuple[int, str, int, int]] = []
    batches = []
    for row in rows:
        first = len(flat)
        flat += [(at + 1, kind, who, first + k) for k, (at, kind, who) in enumerate(row)]
        batches.append(batch([(at, kind, who, {"n": n}) for at, kind, who, n in flat[first:]], first=first))
    write(folder, *batches)
    matching = [
        n
        for at, kind, who, n in sorted(flat, key=lambda event: (event[0], event[3]))
        if (not player or who == player) and (not kinds or kind in kinds) and at >= since and (not until or at <= until)
    ]
    query = Query(player, kinds, since, until, limit)
    found = search(folder, query)
    assert [event.fields["n"] for event in found.events] == matching[-limit:]
    assert found.more == (len(matching) > limit)


@given(st.binary(max_size=60), st.integers(1, 5))
def test_no_bytes_make_reading_fail(body: bytes, count: int) -> None:
    lines = lines_of(body, count)
    assert lines is None or len(lines) == count
