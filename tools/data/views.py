"""What a lake looks like in SQL: the views over its data files, as text. Pure.

Files of one shape are read as one; older shapes are put beside them by the names of their columns, so a column that
came later is empty in older files. Each kind of event has a view with the fields that events of this kind ever had,
whether they are columns of the files or in the JSON beside them.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path

from mesh.lake.columns import F4, FIELDS, HOURLY, I4, I8, KIND_OF_MOVES, TABLES, TEXT, TIME
from mesh.lake.manifest import DataFile, Manifest, Seen

SQL_TYPES = {TIME: "TIMESTAMP", I8: "BIGINT", I4: "INTEGER", F4: "FLOAT", TEXT: "VARCHAR"}
OTHER_TYPES = {"int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "text": "VARCHAR"}
COMMON = ("ts", "account", "zone", "node")
OWN = ("events", "deeds", "moves", "ledger", "purses", "sessions", "players")
"""Names that no kind of event can have as its view."""
OPEN_H = 24  # a session without an end that began later than this before the end of the data still goes on

ABOUT: Mapping[str, str] = {
    "events": "everything that happened",
    "deeds": "the same without moves: faster",
    "moves": "ways walked, once a second for those who walk",
    "sessions": "from login to logout",
    "players": "when each account was made, came first and was seen last",
    "ledger": "every move of gold in the DC's ledger",
    "purses": "who held how much when the ledger was last taken",
}


class Views(Enum):
    """How many of them: a lake of years has many files, which all views name, and takes some time to be set up."""

    NONE = 0
    TABLES = 1  # without those of each kind of event
    ALL = 2


def definitions(folder: Path, manifest: Manifest, which: Views = Views.ALL) -> list[str]:
    """Statements that make the views."""
    if which is Views.NONE:
        return []
    tables = {table: reading(folder, table, manifest.of_table(table)) for table in TABLES}
    views = {"deeds": tables["events"], **{name: tables[name] for name in ("moves", "ledger", "purses")}}
    views["events"] = f"SELECT * FROM deeds UNION ALL BY NAME SELECT '{KIND_OF_MOVES}' AS kind, * FROM moves"
    views["sessions"] = _sessions(last_ms(manifest))
    views["players"] = _PLAYERS
    if which is Views.ALL:
        views |= {kind: view_of_kind(kind, seen) for kind, seen in kinds_with_view(manifest)}
    return [f"CREATE VIEW {quoted(name)} AS {text}" for name, text in views.items()]


def kinds_with_view(manifest: Manifest) -> list[tuple[str, Seen]]:
    """Kinds of events, but moves and those that are called like a table."""
    taken, found = {*OWN, KIND_OF_MOVES}, []
    for kind, seen in sorted(manifest.kinds.items()):
        if kind and kind.lower() not in taken:
            taken.add(kind.lower())
            found.append((kind, seen))
    return found


def columns_of_kind(seen: Seen) -> dict[str, str]:
    """Column -> type, of the view of a kind."""
    columns = {name: SQL_TYPES[TABLES["events"][name]] for name in (*COMMON, *_typed(seen))}
    known = {name.lower() for name in (*TABLES["events"], *columns)}
    for name, kind in seen.others.items():
        if name.lower() not in known:
            known.add(name.lower())
            columns[name] = OTHER_TYPES.get(kind, "JSON")
    return columns


def view_of_kind(kind: str, seen: Seen) -> str:
    """Its events with their fields."""
    parts = list(COMMON)
    for name, type_ in columns_of_kind(seen).items():
        if name in COMMON:
            continue
        inner = _from_json(name, type_)
        if name not in FIELDS:
            parts.append(f"{inner} AS {quoted(name)}")
        elif name in seen.others:
            parts.append(f"coalesce({quoted(name)}, {inner}) AS {quoted(name)}")
        else:
            parts.append(quoted(name))
    return f"SELECT {', '.join(parts)} FROM deeds WHERE kind = {literal(kind)}"


def reading(folder: Path, table: str, files: Sequence[DataFile]) -> str:
    """The rows of these files of a table."""
    columns = TABLES[table]
    empty = ", ".join(f"NULL::{SQL_TYPES[kind]} AS {quoted(name)}" for name, kind in columns.items())
    shapes: dict[str, list[DataFile]] = {}
    for file in sorted(files, key=lambda one: (one.hour, one.name)):
        shapes.setdefault(file.shape, []).append(file)
    parts = [f"SELECT {empty} WHERE false"]
    parts += [_files(str(folder / one.name) for one in some) for some in shapes.values()]
    return " UNION ALL BY NAME ".join(parts)


def first_ms(manifest: Manifest) -> int:
    """When the first event happened; 0 when there is none."""
    return min((file.oldest_ms for file in manifest.files if file.table in HOURLY), default=0)


def last_ms(manifest: Manifest) -> int:
    """When the last one did."""
    return max((file.newest_ms for file in manifest.files if file.table in HOURLY), default=0)


def quoted(name: str) -> str:
    """As a name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """As a text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def timestamp(ms: int) -> str:
    """As a time in SQL."""
    return f"TIMESTAMP '{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S.%f}'"


def _typed(seen: Seen) -> list[str]:
    return [name for name in FIELDS if name in seen.columns]


def _from_json(name: str, type_: str) -> str:
    pointer = literal("/" + name.replace("~", "~0").replace("/", "~1"))
    if type_ == "JSON":
        return f"json_extract(fields, {pointer})"
    return f"TRY_CAST(json_extract_string(fields, {pointer}) AS {type_})"


def _files(paths: Iterable[str]) -> str:
    return f"SELECT * FROM read_parquet([{', '.join(map(literal, paths))}], hive_partitioning = false)"


def _sessions(end_ms: int) -> str:
    end = timestamp(end_ms)
    return f"""
        WITH one AS (
            SELECT account, session, any_value(zone) AS zone, min(ts) AS began, max(ts) AS seen,
                   max(ts) FILTER (WHERE kind = 'logout') AS logged_out,
                   max(why) FILTER (WHERE kind = 'logout') AS why
            FROM deeds
            WHERE kind IN ('login', 'takeover', 'resume', 'linkdead', 'transfer', 'rehomed', 'logout')
              AND session IS NOT NULL
            GROUP BY account, session
        ), placed AS (
            SELECT *, lead(began) OVER (PARTITION BY account ORDER BY began, session) AS following,
                   began > {end} - INTERVAL {OPEN_H} HOUR AS is_recent
            FROM one
        )
        SELECT account, session, zone, began,
               coalesce(logged_out, following, CASE WHEN is_recent THEN {end} ELSE seen END) AS ended,
               why, logged_out IS NULL AND following IS NULL AND is_recent AS is_open
        FROM placed"""


_PLAYERS = """
        WITH came AS (
            SELECT account, min(began) AS first_login, max(ended) AS last_seen, count(*) AS sessions
            FROM sessions GROUP BY account
        ), made AS (
            SELECT account, min(ts) AS created FROM ledger WHERE kind = 'create' AND account > 0 GROUP BY account
        )
        SELECT account, coalesce(created, first_login) AS joined, created, first_login, last_seen,
               coalesce(sessions, 0) AS sessions
        FROM came FULL JOIN made USING (account)"""
