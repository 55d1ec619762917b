"""A player is erased: from data files, from segments of a log node that stopped, and of one that serves."""

import asyncio
from pathlib import Path

import pyarrow as pa
import pytest

from mesh.core.log_group import sums
from mesh.lake.erasing import Erasures, Scrub
from mesh.lake.lake import Lake, manifest_of
from mesh.lake.parquet import add, read, table_from
from mesh.lake.rewriting import blanked, erase
from mesh.operator import Operator
from mesh.protocol.journal import ErasePlayer, PlayerErased
from mesh.testing import Cluster
from nodes.log.compression import decompress
from nodes.log.erasing import ASIDE, erase_in_folder
from nodes.log.query import Query, search
from nodes.log.segments import Block, SegmentFile, segment_path, segment_paths
from nodes.log.settings import LogSettings
from nodes.log.sink import Sink
from nodes.log.stored import stored
from tests.data.laking import WALL_MS, DyingDisk, Killed, compact, content, files_in, log_folder
from tests.log.test_node import play
from tests.log.test_node import stored as wait_stored
from tests.log.writing import Happening, batch, store, without_columns, write

GONE, NAME = 70_123, "Zebulon.Quix"
EVENTS: list[Happening] = [
    (WALL_MS, "enter", GONE, {"name": NAME, "map": "meadow", "line": 1}),
    (WALL_MS + 1, "say", GONE, {"text": "my secret"}),
    (WALL_MS + 2, "say", 5, {"text": f"hi {NAME.upper()}, how are you?"}),
    (WALL_MS + 3, "trade", 5, {"other": GONE, "gold": 9, "items": [1]}),
    (WALL_MS + 4, "trade", GONE, {"other": 5, "gold": 0, "items": []}),
    (WALL_MS + 5, "mail", 6, {"to": NAME, "gold": 3, "items": []}),
    (WALL_MS + 6, "party_leave", 6, {"party": 2, "gone": [GONE, 8]}),
    (WALL_MS + 7, "whisper", 6, {"to": GONE, "text": "psst"}),
    (WALL_MS + 8, "death", 9, {"killer": GONE}),
    (WALL_MS + 9, "move", GONE, {"x": 1.0, "y": 2.0}),
    (WALL_MS + 10, "loot", 9, {"gold": GONE, "items": []}),  # that much gold, by chance
    (WALL_MS + 11, "say", 9, {"text": f"{NAME}s are not {NAME.lower()}"}),
    (WALL_MS + 12, "move", 9, {"x": 1.0, "y": 2.0}),
]
SCRUB = Scrub(GONE, [NAME])
LEFT = {
    2: '{"text":"hi erased, how are you?"}',
    3: '{"gold":9,"items":[1]}',
    5: '{"gold":3,"items":[],"to":"erased"}',
    6: '{"gone":[8],"party":2}',
    7: '{"text":"psst"}',
    8: "{}",
    10: f'{{"gold":{GONE},"items":[]}}',
    11: f'{{"text":"{NAME}s are not erased"}}',
    12: '{"x":1.0,"y":2.0}',
}
"""Number -> fields, of what stays."""


def test_a_lake_has_nothing_of_him(tmp_path: Path) -> None:
    lake, log = tmp_path / "lake", log_folder(tmp_path / "log.1", batch(EVENTS))
    compact(lake, log)
    with Lake(lake, WALL_MS + 1000) as opened:
        done = erase(opened, SCRUB, WALL_MS + 1000)
    assert (done.events, done.mentions) == (4, 7)
    assert {event.number: event.fields for event in content(lake)} == LEFT
    assert files_in(lake) == {file.name for file in manifest_of(lake).files}
    assert_nowhere(lake, b"secret", NAME.encode() + b'"')


def test_events_that_come_late_do_not_bring_him_back(tmp_path: Path) -> None:
    lake, log = tmp_path / "lake", log_folder(tmp_path / "log.1", batch(EVENTS))
    with Lake(lake, WALL_MS + 1000) as opened:
        erase(opened, SCRUB, WALL_MS + 1000)
    done = compact(lake, log)
    assert done.erased == 4
    found = {event.number: event.fields for event in content(lake)}
    assert sorted(found) == sorted(LEFT)
    assert not any(str(GONE) in found[number] for number in (3, 6, 7, 8))
    write(log, batch([(WALL_MS + 5000, "say", GONE, {"text": "a new life"})], first=len(EVENTS)))
    assert compact(lake, log).events == 1, "what he does later is new"


def test_an_erased_account_is_not_readable_in_the_manifest(tmp_path: Path) -> None:
    with Lake(tmp_path, WALL_MS) as lake:
        erase(lake, SCRUB, WALL_MS)
    assert str(GONE).encode() not in (tmp_path / "manifest.json").read_bytes()
    erasures = Erasures(manifest_of(tmp_path))
    assert erasures.until_ms(GONE) == WALL_MS
    assert erasures.until_ms(GONE + 1) == 0


def test_the_gold_of_the_ledger_is_of_nobody(tmp_path: Path) -> None:
    ledger = {"entry": [1, 2], "ts": pa.array([WALL_MS, WALL_MS], pa.int64()), "kind": ["create", "trade"],
              "account": [GONE, 5], "session": [0, 0], "source": [0, 5], "target": [GONE, GONE],
              "amount": [100, 7]}  # fmt: skip
    purses = {"account": [GONE, 5], "gold": [107, 1], "place": ["purse", "purse"],
              "ts": pa.array([WALL_MS, WALL_MS], pa.int64())}  # fmt: skip
    with Lake(tmp_path, WALL_MS) as lake:
        lake.commit(WALL_MS, add(lake, "ledger", table_from("ledger", ledger)))
        lake.commit(WALL_MS, add(lake, "purses", table_from("purses", purses)))
        assert erase(lake, SCRUB, WALL_MS).mentions == 3
        rows = [row for file in lake.manifest.files for row in read(lake.path(file)).to_pylist()]
        assert all(GONE not in row.values() for row in rows)
        assert [row["amount"] for row in rows if "amount" in row] == [100, 7]
        assert [row["gold"] for row in rows if "gold" in row] == [1, 107]
        again = blanked(table_from("ledger", ledger), "ledger", Erasures(lake.manifest))
        assert again["target"].to_pylist() == [None, None]


@pytest.mark.parametrize("moment", ["before", "torn", "after"])
def test_killed_while_it_erases_a_lake(tmp_path: Path, moment: str) -> None:
    log = log_folder(tmp_path / "log.1", batch(EVENTS))
    for step in range(1, 60):
        lake, disk = tmp_path / f"lake{step}", DyingDisk(step, moment)
        compact(lake, log)
        before = content(lake)
        try:
            with Lake(lake, WALL_MS + 1000, disk) as opened:
                erase(opened, SCRUB, WALL_MS + 1000)
        except Killed:
            assert content(lake) in (before, [event for event in content(lake) if event.number in LEFT])
            with Lake(lake, WALL_MS + 1000) as opened:
                erase(opened, SCRUB, WALL_MS + 1000)
        assert {event.number: event.fields for event in content(lake)} == LEFT
        assert files_in(lake) == {file.name for file in manifest_of(lake).files}
        if not disk.died:
            return
    pytest.fail("it never came to its end")


@pytest.mark.parametrize("columns", [True, False])
def test_segments_have_nothing_of_him(tmp_path: Path, columns: bool) -> None:
    others: list[Happening] = [(WALL_MS + at, "say", 3, {"text": "x" * 50}) for at in range(20)]
    made = batch(EVENTS) if columns else without_columns(batch(EVENTS))
    log = log_folder(tmp_path / "log.1", batch(others, "eu.one.gate.1"), made)
    before = segment_path(log, 1).read_bytes()
    done = erase_in_folder(log, SCRUB, 1)
    assert (done.segments, done.events, done.mentions, done.damaged) == (1, 4, 7, 0)
    assert_gone_from_segments(log)
    found = search(log, Query(limit=100)).events
    assert [event.number for event in found if event.node.endswith("scene.1")] == list(range(len(EVENTS)))
    assert {event.number for event in found if event.kind == "erased"} == {0, 1, 4, 9}
    assert all(event.player == 0 for event in found if event.kind == "erased")
    assert [one.missing for one in sums([stored(log)], [])] == [0, 0]
    assert segment_path(log, 1).read_bytes() != before
    again = erase_in_folder(log, SCRUB, 1)
    assert (again.segments, again.events, again.mentions) == (0, 0, 0)


def test_the_log_node_goes_on_with_them(tmp_path: Path) -> None:
    log = log_folder(tmp_path / "log.1", batch(EVENTS))
    erase_in_folder(log, SCRUB, 1)
    write(log, batch([(WALL_MS, "say", 3, {"text": "more"})], first=len(EVENTS)))
    assert [event.number for event in search(log, Query(player=3)).events] == [len(EVENTS)]
    lake = tmp_path / "lake"
    assert compact(lake, log).events == len(LEFT) + 1
    assert {event.number: event.fields for event in content(lake) if event.number in LEFT} == LEFT


def test_a_lake_that_has_them_already_is_not_disturbed(tmp_path: Path) -> None:
    lake, log = tmp_path / "lake", log_folder(tmp_path / "log.1", batch(EVENTS))
    compact(lake, log)
    erase_in_folder(log, SCRUB, 1)
    assert compact(lake, log).events == 0


def test_what_is_damaged_is_kept_and_counted(tmp_path: Path) -> None:
    log = log_folder(tmp_path / "log.1", batch(EVENTS), batch(EVENTS, "eu.one.gate.1"), batch(EVENTS, "eu.one.gate.2"))
    path = segment_path(log, 1)
    data = bytearray(path.read_bytes())
    blocks = [at for at in range(len(data)) if data[at : at + 4] == b"ZBLK"]
    data[blocks[2] - 3] ^= 1
    path.write_bytes(data)
    done = erase_in_folder(log, SCRUB, 1)
    assert (done.events, done.damaged) == (8, 1)
    assert search(log, Query(player=GONE)).damaged == 1


def test_only_segments_with_something_of_him_are_written(tmp_path: Path) -> None:
    log = tmp_path / "log.1"
    sink = Sink(log, LogSettings())
    for at in range(3):
        events: list[Happening] = EVENTS if at == 1 else [(WALL_MS, "say", 3, {"text": "hello"})]
        store(sink, batch(events, f"eu.one.gate.{at}"))
        sink.seal(WALL_MS)
    sink.close()
    before = {path: path.read_bytes() for _, path in segment_paths(log)}
    assert len(before) == 3
    assert erase_in_folder(log, SCRUB, 1).segments == 1
    assert [path for path, data in before.items() if path.read_bytes() != data] == [segment_path(log, 2)]


def test_a_log_node_that_serves_does_it_itself(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        journal = cluster.node("dc.1").journal
        for at_ms, kind, player, fields in EVENTS:
            del at_ms
            journal.record(kind, player, **fields)
        await wait_stored(cluster)
        async with Operator(cluster.topology, cluster.network, cluster.clock) as operator:
            asking = asyncio.ensure_future(operator.ask("log.1", ErasePlayer(GONE, [NAME]), 60.0))
            answer = await asking
        assert isinstance(answer, PlayerErased)
        assert (answer.segments, answer.events, answer.mentions) == (1, 4, 7)
        journal.record("say", 3, text="it goes on")
        await wait_stored(cluster)

    play(tmp_path, story)
    (log,) = [path for path in (tmp_path / "data").iterdir() if path.name.startswith("log")]
    assert_gone_from_segments(log)
    texts = [event.fields.get("text") for event in search(log, Query(kinds=frozenset(["say"]))).events]
    assert texts[-1] == "it goes on"
    assert not list(log.glob(f"{ASIDE}*"))


def assert_nowhere(folder: Path, *needles: bytes) -> None:
    """In no byte of any file, as it is or as Parquet shows it."""
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(needle in data for needle in needles), path
            if path.suffix == ".parquet":
                shown = repr(read(path).to_pylist()).encode()
                assert not any(needle in shown for needle in needles), path
                assert f"'account': {GONE}".encode() not in shown


def assert_gone_from_segments(log: Path) -> None:
    """Every byte of every file, and of every block opened."""
    number = GONE.to_bytes(4, "big")
    for path in log.iterdir():
        data = path.read_bytes()
        assert b"secret" not in data
        assert NAME.encode() + b"\xa3" not in data
    for _, path in segment_paths(log):
        with SegmentFile(path) as file:
            for item in file.scan(bodies=True):
                assert isinstance(item, Block)
                raw = decompress(file.body(item), item.head.raw_length)
                assert b"secret" not in raw
                assert raw.lower().count(NAME.lower().encode()) <= 1, "only a longer word that begins like it"
                assert raw.count(number) <= 1, "only the gold that is as much by chance"
