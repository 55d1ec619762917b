"""Traces, lines and marks on disk: what is found again, what goes first, what a broken file or a full disk costs."""

import random
import sqlite3
from pathlib import Path

import pytest

from mesh.errors import StorageError
from mesh.protocol.control import Trace
from mesh.protocol.envelope import Hop
from mesh.protocol.monitoring import Line
from nodes.ops import archive
from nodes.ops.archive import Archive, KeptTrace, Mark, Wanted

HOUR_MS = 3_600_000


def trace(number: int, took_us: int = 1000, at_ms: int = 0, **fields: str) -> KeptTrace:
    hop = Hop(0, 1, 0, "client", "eu.one.gate.1", 0, 1, took_us - 1, took_us)
    subject, kind, result = fields.get("subject", "ann"), fields.get("kind", "login"), fields.get("result", "ok")
    return KeptTrace(fields.get("node", "gate.1"), Trace(number, subject, kind, at_ms or number, [hop], result))


def line(at_ms: int, text: str, level: str = "INFO", node: str = "gate.1", number: int = 0, **fields: str) -> Line:
    return Line(at_ms, level, node, text, fields, number)


@pytest.fixture
def kept(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "ops" / "archive.sqlite")
    made.open(1)
    yield made
    made.close()


def ids(found: list[KeptTrace]) -> list[int]:
    return [one.trace.id for one in found]


def test_traces_are_found_by_whom_what_how_long_and_how_they_ended(kept: Archive):
    kept.add(
        [
            trace(1, 500, subject="ann"),
            trace(2, 9000, subject="bob"),
            trace(3, 700, subject="ann", kind="resume", result="unavailable"),
            trace(2**63 - 1, 40, at_ms=4, subject="cid", node="gate.2"),
        ],
        [],
        [],
    )
    assert ids(kept.traces(Wanted())) == [2**63 - 1, 3, 2, 1]
    assert ids(kept.traces(Wanted(order="slowest"))) == [2, 3, 1, 2**63 - 1]
    assert ids(kept.traces(Wanted(subject="ann"))) == [3, 1]
    assert ids(kept.traces(Wanted(kind="login", limit=2))) == [2**63 - 1, 2]
    assert ids(kept.traces(Wanted(result="failed"))) == [3]
    assert ids(kept.traces(Wanted(node="gate.2"))) == [2**63 - 1]
    assert ids(kept.traces(Wanted(from_ms=2, to_ms=3))) == [3, 2]
    assert kept.trace(3) == [trace(3, 700, subject="ann", kind="resume", result="unavailable")]
    assert kept.trace(77) == []


def test_the_same_trace_twice_is_one(kept: Archive):
    kept.add([trace(1)], [], [])
    kept.add([trace(1)], [], [])
    assert ids(kept.traces(Wanted())) == [1]


def test_lines_are_found_by_level_node_words_and_trace(kept: Archive):
    said = [
        line(1, "ready"),
        line(2, "no snapshot yet", "WARNING", reason="the link 100% broke"),
        line(3, "a handler failed", "ERROR", "dc.1", 9, handler="on_x"),
    ]
    kept.add([], said, [])
    assert kept.lines(Wanted()) == said[::-1]
    assert kept.lines(Wanted(level="WARNING")) == said[:0:-1]
    assert kept.lines(Wanted(node="dc.1")) == said[2:]
    assert kept.lines(Wanted(text="SNAPSHOT")) == [said[1]]
    assert kept.lines(Wanted(text="100% b")) == [said[1]]
    assert kept.lines(Wanted(text="%")) == [said[1]]
    assert kept.lines(Wanted(text="_")) == [said[2]]
    assert kept.lines(Wanted(text="on_x")) == [said[2]]
    assert kept.lines_of(9) == [said[2]]


def test_marks(kept: Archive):
    marks = [Mark(1, "start", "gate.1", "0.3.0"), Mark(2, "end", "gate.1", "stopped")]
    kept.add([], [], marks)
    assert kept.marks(Wanted()) == marks[::-1]
    assert kept.marks(Wanted(kind="end")) == marks[1:]


def test_all_of_it_is_there_after_a_restart(tmp_path: Path):
    path = tmp_path / "archive.sqlite"
    for number in range(1, 4):
        made = Archive(path)
        made.open(1)
        made.add([trace(number)], [line(number, "ready")], [Mark(number, "start", "gate.1", "")])
        made.close()
    made = Archive(path)
    made.open(1)
    assert ids(made.traces(Wanted())) == [3, 2, 1]
    assert [one.wall_ms for one in made.lines(Wanted())] == [3, 2, 1]
    assert len(made.marks(Wanted())) == 3
    made.close()


def test_the_oldest_go_first_but_for_the_failed_and_the_slowest_of_their_hour(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(archive, "TRACES_MAX", 100)
    monkeypatch.setattr(archive, "NOTABLE_MAX", 60)
    monkeypatch.setattr(archive, "SLOWEST_OF_HOUR", 2)
    made, chance = Archive(tmp_path / "a.sqlite"), random.Random(5)
    made.open(1)
    every = [
        trace(number, chance.randrange(10, 10_000_000), number * HOUR_MS // 30, result="ok" if number % 50 else "full")
        for number in range(1, 601)
    ]
    for start in range(0, 600, 10):
        made.add(every[start : start + 10], [], [])
    kept = set(ids(made.traces(Wanted(limit=1000))))
    assert 100 <= len(kept) <= 105
    assert {600, 599, 598} <= kept
    failed = {number for number in range(1, 601) if number % 50 == 0}
    assert failed <= kept
    newest = sorted(number for number in range(1, 601) if number not in failed)[-60:]
    assert set(newest[15:]) <= kept
    old = [one.trace for one in every if one.trace.id in kept and one.trace.id < 300 and one.trace.result == "ok"]
    for one in old:  # whoever of the old ones is left was among the slowest of its hour
        same_hour = [
            other.trace.hops[0].heard_us
            for other in every
            if other.trace.started_wall_ms // HOUR_MS == one.started_wall_ms // HOUR_MS
        ]
        assert one.hops[0].heard_us in sorted(same_hour)[-2:]
    made.close()


def test_lines_go_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(archive, "LINES_MAX", 50)
    made = Archive(tmp_path / "a.sqlite")
    made.open(1)
    for number in range(200):
        made.add([], [line(number, f"line {number}")], [])
    found = [one.wall_ms for one in made.lines(Wanted(limit=1000))]
    assert found[0] == 199
    assert found == sorted(found, reverse=True)
    assert 50 <= len(found) <= 53
    made.close()


def test_a_broken_file_is_put_aside_and_a_new_one_begun(tmp_path: Path):
    path = tmp_path / "a.sqlite"
    path.write_bytes(b"this is no database" * 500)
    made = Archive(path)
    made.open(1234)
    assert made.put_aside == tmp_path / "a.sqlite.broken-1234"
    assert made.put_aside.read_bytes().startswith(b"this is no")
    made.add([trace(1)], [], [])
    assert ids(made.traces(Wanted())) == [1]
    made.close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=str(tmp_path / "file")):
        Archive(tmp_path / "file" / "a.sqlite").open(1)


def test_a_full_disk_loses_what_came_then_and_nothing_else(kept: Archive):
    kept.add([trace(1)], [], [])
    [pages] = kept._base.execute("PRAGMA page_count").fetchone()
    kept._base.execute(f"PRAGMA max_page_count = {pages}")
    big = [line(number, "x" * 900) for number in range(2000)]
    kept.add([trace(2)], big, [])
    assert kept.lost == 2001
    assert "full" in kept.problem
    assert ids(kept.traces(Wanted())) == [1]
    kept._base.execute("PRAGMA max_page_count = 1000000")
    kept.add([trace(3)], [], [])
    assert kept.problem == ""
    assert ids(kept.traces(Wanted())) == [3, 1]


def test_a_question_to_a_database_that_is_damaged_is_an_error_with_its_name(kept: Archive):
    kept._base.execute("DROP TABLE lines")
    with pytest.raises(StorageError, match=r"archive\.sqlite"):
        kept.lines(Wanted())
    assert isinstance(kept._base, sqlite3.Connection)
