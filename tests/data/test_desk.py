"""Questions in SQL: what can be seen, and what cannot be done."""

from pathlib import Path

import pytest

from mesh.lake.manifest import Manifest, Seen
from tests.data.asking import DAY_ZERO, HOUR, desk_on, lake_of, session
from tests.data.laking import GATE, WALL_MS, batches_of, compact, log_folder
from tests.log.writing import Happening, batch, write
from tools.ctl.exits import CommandError, Exit
from tools.data.desk import Desk, answer
from tools.data.views import definitions

EVENTS: list[Happening] = [
    *session(1, 101, DAY_ZERO, DAY_ZERO + HOUR),
    (DAY_ZERO + 10, "loot", 1, {"gold": 5, "items": [7, 8]}),
    (DAY_ZERO + 20, "dance", 1, {"steps": 3, "style's": "polka"}),
    (DAY_ZERO + 30, "move", 1, {"x": 1.5, "y": 2.5}),
    (DAY_ZERO + 40, "move", 2, {"x": 3.5, "y": 4.5}),
    (DAY_ZERO + 50, "Events", 2, {"n": 1}),  # called like a table
]


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return lake_of(tmp_path, EVENTS, [(DAY_ZERO - 5, "create", 1, 0, 1, 100)], [(1, 105, "purse")])


def test_every_event_is_there(lake: Path) -> None:
    with desk_on(lake) as desk:
        assert desk.rows("SELECT count(*) FROM events") == [(len(EVENTS),)]
        assert desk.rows("SELECT count(*) FROM deeds") == [(len(EVENTS) - 2,)]
        assert desk.rows("SELECT account, x FROM events WHERE kind = 'move' ORDER BY ts") == [(1, 1.5), (2, 3.5)]
        assert desk.rows("SELECT account, y FROM moves ORDER BY ts") == [(1, 2.5), (2, 4.5)]
        assert desk.rows("SELECT epoch_ms(ts), gold, zone FROM loot") == [(DAY_ZERO + 10, 5, "one")]
        assert desk.rows("SELECT account, amount FROM ledger") == [(1, 100)]
        assert desk.rows("SELECT epoch_ms(joined), sessions FROM players") == [(DAY_ZERO - 5, 1)]
        assert desk.rows("SELECT session, epoch_ms(began), epoch_ms(ended), why, is_open FROM sessions") == [
            (101, DAY_ZERO, DAY_ZERO + HOUR, "logout", False)
        ]


def test_fields_without_a_column_are_columns_of_their_kind(lake: Path) -> None:
    with desk_on(lake) as desk:
        assert desk.rows("""SELECT steps + 1, "style's" FROM dance""") == [(4, "polka")]
        assert desk.rows("SELECT json_extract(items, '$[1]')::BIGINT FROM loot") == [(8,)]


def test_a_field_whose_type_has_changed(tmp_path: Path) -> None:
    log, lake = tmp_path / "log.1", tmp_path / "lake"
    for at, steps in enumerate((3, 2.5)):
        write(log, batch([(DAY_ZERO + at, "dance", 1, {"steps": steps})], first=at))
        compact(lake, log)
    with desk_on(lake) as desk:
        assert desk.rows("SELECT steps FROM dance ORDER BY ts") == [(3.0,), (2.5,)]


def test_data_files_of_an_older_version_have_less_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is a column now was JSON then; both are seen as one."""
    from mesh.lake import columns, gathering, parquet

    lake, now = tmp_path / "lake", dict(columns.TABLES["events"])
    older = {name: kind for name, kind in now.items() if name not in ("gold", "target")}
    fields = {name: kind for name, kind in columns.FIELDS.items() if name not in ("gold", "target")}
    with monkeypatch.context() as then:
        then.setitem(parquet.TABLES, "events", older)  # type: ignore[arg-type]
        then.setattr(gathering, "fields_of", lambda table: fields)
        compact(lake, log_folder(tmp_path / "log.1", batch([(DAY_ZERO, "loot", 1, {"gold": 5})])))
    compact(lake, log_folder(tmp_path / "log.2", batch([(DAY_ZERO + 1, "loot", 2, {"gold": 7})], GATE)))
    with desk_on(lake) as desk:
        assert len({file.shape for file in desk.manifest.of_table("events")}) == 2
        assert desk.rows("SELECT account, gold FROM loot ORDER BY ts") == [(1, 5), (2, 7)]
        assert desk.rows("SELECT account, gold FROM deeds ORDER BY ts") == [(1, None), (2, 7)]
    compact(lake, tmp_path / "log.1", tmp_path / "log.2", wall_ms=WALL_MS + 10 * HOUR)
    with desk_on(lake) as desk:
        assert desk.rows("SELECT account, gold FROM loot ORDER BY ts") == [(1, 5), (2, 7)]


def test_a_lake_without_events_has_its_tables() -> None:
    text = definitions(
        Path("/nowhere"), Manifest(kinds={"dance": Seen([], {"ts": "int", "Steps": "int", "steps": "text"})})
    )
    assert any(one.startswith('CREATE VIEW "dance"') for one in text)


def test_an_empty_lake_can_be_asked(tmp_path: Path) -> None:
    compact(tmp_path / "lake", log_folder(tmp_path / "log.1", *batches_of(EVENTS, 500)))
    manifest = Manifest(salt="00", kinds={"dance": Seen([], {"steps": "int"})})
    from tools.data.desk import Limits

    with Desk(tmp_path / "lake", manifest, Limits(threads=1)) as desk:
        assert desk.rows("SELECT count(*), max(ts) FROM events") == [(0, None)]
        assert desk.rows("SELECT * FROM players") == []
        assert desk.rows("SELECT steps FROM dance") == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE t AS SELECT 1", "DROP VIEW events", "INSERT INTO events VALUES (1)", "SET threads = 9",
        "COPY (SELECT 1) TO '{lake}/x.csv'", "EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/x.csv'",
        "ATTACH '{lake}/x.db'",
        "INSTALL httpfs", "LOAD httpfs", "PRAGMA database_list; DROP VIEW deeds", "CALL pragma_version()",
        "explain create table t as select 1", "PREPARE p AS SELECT 1", "SELECT 1; SELECT 2", "",
    ],
)  # fmt: skip
def test_only_questions_are_asked(lake: Path, statement: str) -> None:
    with desk_on(lake) as desk:
        with pytest.raises(CommandError) as caught:
            desk.check(statement.format(lake=lake))
        assert caught.value.exit_code == Exit.USAGE
    assert not (lake / "x.csv").exists()


@pytest.mark.parametrize(
    "question",
    ["SELECT 1", "WITH a AS (SELECT 1 AS x) SELECT * FROM a", "DESCRIBE events", "SUMMARIZE loot", "EXPLAIN SELECT 1",
     "explain analyze select count(*) from events", "SHOW TABLES", "FROM loot"],
)  # fmt: skip
def test_what_is_a_question(lake: Path, question: str) -> None:
    with desk_on(lake) as desk:
        desk.check(question)
        assert desk.rows(question)


@pytest.mark.parametrize(
    "question",
    ["SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_text('/etc/hostname')",
     "SELECT * FROM glob('/etc/*')", "SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')"],
)  # fmt: skip
def test_nothing_but_the_lake_can_be_read(lake: Path, question: str) -> None:
    with desk_on(lake) as desk:
        desk.check(question)
        with pytest.raises(CommandError):
            desk.rows(question)


def test_a_question_that_would_eat_all_memory(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.data.desk.SPILL_MIB", 16)
    with desk_on(lake, memory_mib=64) as desk, pytest.raises(CommandError, match=r"more than 64 MiB.*--memory"):
        desk.rows("SELECT list(a.range) FROM range(30000000) a GROUP BY a.range % 7")


def test_a_question_that_takes_too_long(lake: Path) -> None:
    with desk_on(lake, timeout_s=0.2) as desk, pytest.raises(CommandError, match=r"within 0\.2 s") as caught:
        answer(desk, lambda: desk.rows("SELECT count(*) FROM range(1000000000000) a WHERE a.range % 7 = 8"))
    assert caught.value.exit_code == Exit.TIMED_OUT


def test_after_that_nothing_more_is_asked(lake: Path) -> None:
    with desk_on(lake) as desk:
        desk.interrupt()
        with pytest.raises(CommandError) as caught:
            desk.rows("SELECT 1")
        assert caught.value.exit_code == Exit.TIMED_OUT


def test_a_mistake_in_a_question_is_shown(lake: Path) -> None:
    with desk_on(lake) as desk:
        with pytest.raises(CommandError, match="golld") as caught:
            desk.rows("SELECT golld FROM loot")
        assert caught.value.exit_code == Exit.USAGE


def test_a_data_file_that_is_damaged_is_said(lake: Path) -> None:
    with desk_on(lake) as desk:
        (file, *_) = [one for one in desk.manifest.files if one.table == "events"]
    path = lake / file.name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CommandError), desk_on(lake) as desk:
        desk.rows("SELECT sum(account), max(text) FROM deeds")
