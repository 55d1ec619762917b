"""What the ops node keeps besides figures: traces, lines of the ops log, and marks on the time line.

Owns one SQLite file; every method blocks and is called in a worker. It holds what is dispensable: when the disk is full
or the file is broken, the game and the figures go on, and that is counted and said. A broken file is put aside under
another name and a new one begun, since an operator may want to look at it.

What is kept: every trace that came, up to a number; then the oldest go first, but for those that failed or were among
the slowest of their hour, which stay for longer. Lines and marks go by age and number.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mesh.errors import StorageError
from mesh.protocol.control import Trace
from mesh.protocol.monitoring import Line
from mesh.trace import OK, duration_us

TRACES_MAX = 100_000  # some 1 KB each
NOTABLE_MAX = 20_000  # of these, failed ones and the slowest of an hour
SLOWEST_OF_HOUR = 20  # of a kind
LINES_MAX = 500_000
MARKS_MAX = 20_000
FOUND_MAX = 1000  # of one question
PRUNE_SHARE = 0.05  # so many too many, before the oldest are taken out together

_SCHEMA = """
CREATE TABLE IF NOT EXISTS traces (
  id INTEGER NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, result TEXT NOT NULL,
  took_us INTEGER NOT NULL, node TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (id, node)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS traces_by_time ON traces (at_ms);
CREATE INDEX IF NOT EXISTS traces_by_subject ON traces (subject, at_ms);
CREATE INDEX IF NOT EXISTS traces_by_kind ON traces (kind, took_us);
CREATE TABLE IF NOT EXISTS lines (
  at_ms INTEGER NOT NULL, level TEXT NOT NULL, node TEXT NOT NULL, text TEXT NOT NULL, fields TEXT NOT NULL,
  trace INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS lines_by_time ON lines (at_ms);
CREATE INDEX IF NOT EXISTS lines_by_trace ON lines (trace) WHERE trace != 0;
CREATE TABLE IF NOT EXISTS marks (at_ms INTEGER NOT NULL, kind TEXT NOT NULL, node TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS marks_by_time ON marks (at_ms);
"""


class Mark(msgspec.Struct, frozen=True):
    """Something that happened to the cluster: a start, an end, another version, an order of an operator."""

    at_ms: int
    kind: str  # "start", "end", "version", "order"
    node: str
    text: str


class KeptTrace(msgspec.Struct, frozen=True):
    """A trace, and the node at which it began."""

    node: str
    trace: Trace


class Wanted(msgspec.Struct, frozen=True):
    """Which traces or lines; times in milliseconds since 1970."""

    from_ms: int = 0
    to_ms: int = 2**62
    node: str = ""
    kind: str = ""  # of traces
    subject: str = ""  # of traces
    result: str = ""  # of traces; "failed" is every one but ok
    level: str = ""  # of lines: this one and those above
    text: str = ""  # of lines: somewhere in text or fields, whatever the case
    order: str = "latest"  # or "slowest", of traces
    limit: int = 100


LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class Archive:
    """See the module. `lost` counts what could not be written; `problem` says why, "" while all is well."""

    def __init__(self, path: Path) -> None:
        self.lost = 0
        self.problem = ""
        self.put_aside: Path | None = None  # a broken file that was found at the start
        self._path = path
        self._database: sqlite3.Connection | None = None

    def open(self, wall_ms: int) -> None:
        """Use the file, or begin one. StorageError where there can be none."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._database = self._opened()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):
                    raise
                self.put_aside = self._path.with_name(f"{self._path.name}.broken-{wall_ms}")
                self._path.rename(self.put_aside)
                self._database = self._opened()
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"{self._path}: {error}") from None

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    # --- keeping ---

    def add(self, traces: Iterable[KeptTrace], lines: Iterable[Line], marks: Iterable[Mark]) -> None:
        """All of these or, when the disk does not take them, none: counted."""
        kept = [
            (
                one.trace.id, one.trace.started_wall_ms, one.trace.kind, one.trace.subject, one.trace.result,
                duration_us(one.trace), one.node, msgspec.msgpack.encode(one.trace),
            )
            for one in traces
        ]  # fmt: skip
        said = [
            (one.wall_ms, one.level, one.node, one.text, msgspec.json.encode(one.fields).decode(), one.trace)
            for one in lines
        ]
        marked = [(one.at_ms, one.kind, one.node, one.text) for one in marks]
        try:
            with self._base:
                self._base.executemany("INSERT OR REPLACE INTO traces VALUES (?, ?, ?, ?, ?, ?, ?, ?)", kept)
                self._base.executemany("INSERT INTO lines VALUES (?, ?, ?, ?, ?, ?)", said)
                self._base.executemany("INSERT INTO marks VALUES (?, ?, ?, ?)", marked)
                self._prune()
        except sqlite3.Error as error:
            self.lost += len(kept) + len(said) + len(marked)
            self.problem = f"{self._path}: {error}"
        else:
            self.problem = ""

    def _prune(self) -> None:
        self._drop_oldest("lines", LINES_MAX)
        self._drop_oldest("marks", MARKS_MAX)
        [count] = self._base.execute("SELECT count(*) FROM traces").fetchone()
        if count > TRACES_MAX * (1 + PRUNE_SHARE):
            self._base.execute(_PRUNE_TRACES, (SLOWEST_OF_HOUR, NOTABLE_MAX, count - TRACES_MAX))

    def _drop_oldest(self, table: str, most: int) -> None:
        [first, last] = self._base.execute(f"SELECT min(rowid), max(rowid) FROM {table}").fetchone()  # noqa: S608 - ours
        if first is not None and last - first + 1 > most * (1 + PRUNE_SHARE):
            self._base.execute(f"DELETE FROM {table} WHERE rowid <= ?", (last - most,))  # noqa: S608 - ours

    # --- finding ---

    def traces(self, wanted: Wanted) -> list[KeptTrace]:
        """Newest or slowest first."""
        where, values = _where(wanted, {"node": "node", "kind": "kind", "subject": "subject"})
        if wanted.result == "failed":
            where.append("result != ?")
            values.append(OK)
        elif wanted.result:
            where.append("result = ?")
            values.append(wanted.result)
        order = "took_us DESC" if wanted.order == "slowest" else "at_ms DESC"
        rows = self._found("SELECT node, body FROM traces", where, values, order, wanted.limit)
        return [KeptTrace(node, msgspec.msgpack.decode(body, type=Trace)) for node, body in rows]

    def trace(self, number: int) -> list[KeptTrace]:
        """All that is known under one id: a trace has one beginning, a player's session may have several traces."""
        rows = self._found("SELECT node, body FROM traces", ["id = ?"], [number], "at_ms", FOUND_MAX)
        return [KeptTrace(node, msgspec.msgpack.decode(body, type=Trace)) for node, body in rows]

    def lines(self, wanted: Wanted) -> list[Line]:
        """Newest first."""
        where, values = _where(wanted, {"node": "node"})
        if wanted.level:
            above = LEVELS[LEVELS.index(wanted.level) :]
            where.append(f"level IN ({', '.join('?' * len(above))})")
            values += above
        if wanted.text:
            where.append("(text LIKE ? ESCAPE '\\' OR fields LIKE ? ESCAPE '\\')")
            values += [_like(wanted.text)] * 2
        return self._lines(where, values, wanted.limit)

    def lines_of(self, trace: int) -> list[Line]:
        """What was logged inside a trace."""
        return self._lines(["trace = ?"], [trace], FOUND_MAX)

    def marks(self, wanted: Wanted) -> list[Mark]:
        """Newest first."""
        where, values = _where(wanted, {"node": "node", "kind": "kind"})
        rows = self._found("SELECT at_ms, kind, node, text FROM marks", where, values, "at_ms DESC", wanted.limit)
        return [Mark(*row) for row in rows]

    def _lines(self, where: list[str], values: list[Any], limit: int) -> list[Line]:
        what = "SELECT at_ms, level, node, text, fields, trace FROM lines"
        rows = self._found(what, where, values, "at_ms DESC, rowid DESC", limit)
        return [
            Line(at_ms, level, node, text, msgspec.json.decode(fields), trace)
            for at_ms, level, node, text, fields, trace in rows
        ]

    def _found(
        self, what: str, where: Sequence[str], values: Sequence[Any], order: str, limit: int
    ) -> list[tuple[Any, ...]]:
        text = f"{what} WHERE {' AND '.join(where) or '1'} ORDER BY {order} LIMIT ?"
        try:
            return self._base.execute(text, (*values, min(limit, FOUND_MAX))).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: {error}") from None

    @property
    def _base(self) -> sqlite3.Connection:
        assert self._database is not None, "it is open"
        return self._database

    def _opened(self) -> sqlite3.Connection:
        made = sqlite3.connect(self._path, check_same_thread=False)  # one worker at a time, and not always the same
        try:
            made.execute("PRAGMA journal_mode = WAL")
            made.execute("PRAGMA synchronous = NORMAL")
            made.executescript(_SCHEMA)
        except sqlite3.Error:
            made.close()
            raise
        self._path.chmod(0o600)
        return made


_PRUNE_TRACES = """
DELETE FROM traces WHERE (id, node) IN (
  SELECT id, node FROM traces WHERE (id, node) NOT IN (
    SELECT id, node FROM (
      SELECT id, node, at_ms, result,
        row_number() OVER (PARTITION BY kind, at_ms / 3600000 ORDER BY took_us DESC) AS place FROM traces
    ) WHERE result != 'ok' OR place <= ? ORDER BY at_ms DESC LIMIT ?
  ) ORDER BY at_ms LIMIT ?
)
"""


def _where(wanted: Wanted, columns: dict[str, str]) -> tuple[list[str], list[Any]]:
    where, values = ["at_ms BETWEEN ? AND ?"], [wanted.from_ms, wanted.to_ms]
    for field, column in columns.items():
        value = getattr(wanted, field)
        if value:
            where.append(f"{column} = ?")
            values.append(value)
    return where, values


def _like(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
