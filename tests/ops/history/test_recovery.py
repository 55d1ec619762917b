"""An ops node that is killed, stopped, or whose disk rots: what it keeps, what it cuts, what it tells."""

import os
import random
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nodes.ops.history.history import History
from nodes.ops.history.segments import FILE_HEAD, BlockHead, Record, SegmentReader, segment_paths
from nodes.ops.reading import Reading
from tests.ops.history.readings import SHORT, START, Telling, ask, counter, everything, gauge, only, points, tell

HITS, PLAYERS = counter("hits_total"), gauge("players")
LATE = counter("late_total", why="late")


def rounds(begin: int, end: int) -> Iterator[list[Reading]]:
    """The same seconds say the same whenever they are asked for: gaps, resets, a new incarnation, a series that comes
    later."""
    one, two = Telling("scene.1"), Telling("scene.2")
    for at in range(begin, end):
        one.incarnation = 1 + (at >= 130)
        values = {HITS: at * 3 - (at >= 130) * 380, PLAYERS: random.Random(at).uniform(0, 9)}
        if at >= 40:
            values[LATE] = at // 4
        readings = [one(START + at, values)]
        if at % 11:
            readings.append(two(START + at, {HITS: at % 50, PLAYERS: at}))
        yield readings


def starts(end: int) -> list[float]:
    """From which the tiers of SHORT answer, the finest first."""
    return [START + end - 55, START + end - 400, START - 20_000]


def all_of(history: History, end: int) -> dict[Any, dict[int, float]]:
    return everything(history, starts(end), START + end)


def killed(history: History, folder: Path, into: Path) -> Path:
    """What is in the folder at this moment, as if the process ended here."""
    shutil.copytree(folder, into)
    return into


@pytest.mark.parametrize("end", [7, 43, 60, 128, 133, 200, 395])
def test_a_history_that_was_killed_goes_on_as_if_nothing_had_happened(end: int, tmp_path: Path) -> None:
    whole = History(tmp_path / "whole", tiers=SHORT)
    tell(whole, rounds(0, 420))
    first = History(tmp_path / "first", tiers=SHORT)
    tell(first, rounds(0, end))
    second = History(killed(first, tmp_path / "first", tmp_path / "second"), tiers=SHORT)
    assert all_of(second, end) == all_of(first, end)
    tell(second, rounds(end, 420))
    assert all_of(second, 420) == all_of(whole, 420)
    assert second.counts.news() == []


@pytest.mark.parametrize("end", [7, 60, 133, 395])
def test_a_history_that_was_stopped_goes_on_as_if_nothing_had_happened(end: int, tmp_path: Path) -> None:
    whole = History(tmp_path / "whole", tiers=SHORT)
    tell(whole, rounds(0, 420))
    first = History(tmp_path / "first", tiers=SHORT)
    tell(first, rounds(0, end - 3))
    for readings in rounds(end - 3, end):
        first.add(readings)
    first.close(first.take())
    second = History(tmp_path / "first", tiers=SHORT)
    tell(second, rounds(end, 420))
    assert all_of(second, 420) == all_of(whole, 420)


def test_a_kill_costs_what_was_not_stored_and_no_more(tmp_path: Path) -> None:
    history = History(tmp_path / "first", tiers=SHORT)
    for count, readings in enumerate(rounds(0, 53), 1):
        history.add(readings)
        if count % 5 == 0:
            history.store(history.take())
    left = History(killed(history, tmp_path / "first", tmp_path / "second"), tiers=SHORT)
    found = points(only(ask(left, "players", START, START + 60, where={"node": "scene.1"})))
    assert sorted(found) == list(range(START, START + 50))


def test_seconds_that_were_stored_are_not_stored_again(tmp_path: Path) -> None:
    first = History(tmp_path, tiers=SHORT)
    tell(first, rounds(0, 50))
    first.close(first.take())
    second = History(tmp_path, tiers=SHORT)
    tell(second, rounds(45, 60))
    assert second.counts.readings_late > 0
    grown = points(only(ask(second, "hits_total", START + 1, START + 60, how="increase", where={"node": "scene.1"})))
    assert grown == {START + at: 3.0 for at in range(1, 60)}


def files(folder: Path) -> list[Path]:
    return [path for tier in SHORT for _, path in segment_paths(folder, tier)]


def records(path: Path) -> list[Record]:
    reader = SegmentReader(path)
    found = [item for item in reader.scan() if isinstance(item, Record)]
    reader.close()
    return found


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """150 seconds: several files of each tier but the coarsest; all blocks of 5 s."""
    history = History(tmp_path / "stored", tiers=SHORT)
    tell(history, rounds(0, 150))
    history.close(history.take())
    return tmp_path / "stored"


def newest(folder: Path, place: int = 0) -> Path:
    return segment_paths(folder, SHORT[place])[-1][1]


def test_a_tail_torn_at_any_byte_is_cut_and_everything_before_is_kept(stored: Path, tmp_path: Path) -> None:
    whole = newest(stored).read_bytes()
    blocks = [record for record in records(newest(stored)) if isinstance(record.head, BlockHead)]
    first_s = START + 150 - 5 * len(blocks)
    for count, size in enumerate(range(0, len(whole), 13)):
        folder = tmp_path / f"torn{count}"
        shutil.copytree(stored, folder)
        newest(folder).write_bytes(whole[:size])
        history = History(folder, tiers=SHORT)
        kept = sum(block.end <= size for block in blocks)
        seconds = points(only(ask(history, "players", START + 95, START + 150, where={"node": "scene.1"})))
        assert sorted(seconds) == list(range(START + 95, first_s + 5 * kept))
        ends = [0, FILE_HEAD.size, *(record.end for record in records(newest(stored)))]
        assert history.counts.cut_bytes == size - max(end for end in ends if end <= size)
        assert history.counts.damaged == 0
        at = first_s + 5 * kept - START
        tell(history, rounds(at, at + 20))
        again = points(only(ask(history, "players", START + at - 20, START + at + 20, where={"node": "scene.1"})))
        assert sorted(again) == list(range(START + at - 20, START + at + 20))
        history.close(history.take())
        tidy = History(folder, tiers=SHORT)
        assert (tidy.counts.cut_bytes, tidy.counts.damaged) == (0, 0)
        tidy.close(tidy.take())
        shutil.rmtree(folder)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_flipped_bit_costs_one_block_at_most_and_is_named(place: int, stored: Path, tmp_path: Path) -> None:
    untouched = History(stored, tiers=SHORT)
    expected = {key: line for key, line in all_of(untouched, 150).items() if key[3] == SHORT[place].step_s}
    untouched.close(untouched.take())
    step_s, block_s = SHORT[place].step_s, (5, 60, 240)[place]
    victims = [path for _, path in segment_paths(stored, SHORT[place])][-2:]
    for victim in victims:
        whole = victim.read_bytes()
        for at in range(0, len(whole), 1 + len(whole) // 45):
            folder = tmp_path / "flipped"
            shutil.copytree(stored, folder)
            flipped = bytearray(whole)
            flipped[at] ^= 1 << at % 8
            (folder / victim.name).write_bytes(flipped)
            history = History(folder, tiers=SHORT)
            found = {key: line for key, line in all_of(history, 150).items() if key[3] == step_s}
            for key, line in expected.items():
                here = found.get(key, {})
                if key[2] in ("last", "max", "mean"):
                    assert here.items() <= line.items(), "what is there is right"
                lost = sorted(line.keys() - here.keys())
                assert not lost or lost[-1] - lost[0] <= block_s + step_s
            assert history.counts.damaged + history.counts.cut_bytes > 0
            if history.counts.damaged:
                assert any(str(folder / victim.name) in text for text in history.counts.news())
            history.close(history.take())
            shutil.rmtree(folder)


def test_damage_is_named_by_file_and_offset_and_counted_once(stored: Path) -> None:
    path = segment_paths(stored, SHORT[0])[-2][1]
    block = next(record for record in records(path) if isinstance(record.head, BlockHead))
    with path.open("r+b") as file:
        file.seek(block.body_at)
        file.write(bytes(block.body_length))
    history = History(stored, tiers=SHORT)
    for _ in range(3):
        for name in ("hits_total", "players"):
            ask(history, name, START + 60, START + 150)
    assert history.counts.damaged == 1
    (said,) = history.counts.news()
    assert said.startswith(f"{path} at byte {block.offset}: ")


def test_what_never_reached_the_disk_is_cut(stored: Path) -> None:
    path = newest(stored)
    last = records(path)[-1]
    with path.open("r+b") as file:
        file.seek(last.body_at)
        file.write(bytes(last.body_length))
        file.seek(0, os.SEEK_END)
        file.write(bytes(5000))
    history = History(stored, tiers=SHORT)
    assert history.counts.cut_bytes == last.end - last.offset + 5000
    tell(history, rounds(145, 150))
    seconds = points(only(ask(history, "players", START + 100, START + 150, where={"node": "scene.1"})))
    assert sorted(seconds) == list(range(START + 100, START + 150))


def test_a_file_of_a_later_version_is_left_alone_and_said(stored: Path) -> None:
    path = newest(stored)
    later = bytearray(path.read_bytes())
    later[8] = 9
    later[16:20] = struct.pack("<I", zlib.crc32(later[:16]))
    path.write_bytes(later)
    history = History(stored, tiers=SHORT)
    assert "later version" in history.counts.news()[0]
    tell(history, rounds(150, 160))
    assert path.read_bytes() == later
    assert len(segment_paths(stored, SHORT[0])) == 6
    assert len(points(only(ask(history, "players", START + 105, START + 160, where={"node": "scene.1"})))) == 25


def test_files_of_others_are_left_alone(stored: Path) -> None:
    (stored / "notes.txt").write_text("mine")
    (stored / "second-1.zhist").write_text("not a number of ours")
    history = History(stored, tiers=SHORT)
    history.close(history.take())
    assert (stored / "notes.txt").read_text() == "mine"
    assert history.counts.news() == []


def test_a_reset_while_the_ops_node_was_away_is_seen(tmp_path: Path) -> None:
    first, one = History(tmp_path, tiers=SHORT), Telling()
    tell(first, ([one(START + at, {HITS: 100 + at})] for at in range(50)))
    first.close(first.take())
    second, again = History(tmp_path, tiers=SHORT), Telling(incarnation=2)
    tell(second, ([again(START + at, {HITS: 500 + at})] for at in range(55, 90)))
    grown = points(only(ask(second, "hits_total", START + 40, START + 90, how="increase")))
    assert grown[START + 55] == 555, "not 555 - 149: another incarnation counts from zero"
    tens = points(only(ask(second, "hits_total", START - 300, START + 90, how="increase")))
    assert tens[START + 50] == 555 + 4


def test_what_was_told_of_before_the_clock_went_back_stays_right_after_a_start(tmp_path: Path) -> None:
    told = [(START + 3600 + at, at) for at in range(100)] + [(START + at, 100 + at) for at in range(200)]
    one = Telling()
    first = History(tmp_path / "first", tiers=SHORT)
    tell(first, ([one(at_s, {HITS: count})] for at_s, count in told))
    second = History(killed(first, tmp_path / "first", tmp_path / "second"), tiers=SHORT)
    for start_s in (START + 150, START - 300, START - 30_000):
        for how in ("last", "increase"):
            found = points(only(ask(second, "hits_total", start_s, START + 200, how=how)))
            assert found == points(only(ask(first, "hits_total", start_s, START + 200, how=how)))
    tell(second, [[one(START + 200, {HITS: 300})]])
    assert second.counts.jumps == 0
