"""The table of `mesh top`: a row for each node, columns that can be sorted by, and which of them fit. Pure.

Times in the columns are milliseconds.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from tools.ctl.snapshot.inspection import BAD
from tools.ctl.snapshot.model import NodeView, Snapshot
from tools.ctl.snapshot.units import number

GAP = 2  # cells that a column takes besides its own


class NodeRow(msgspec.Struct, frozen=True):
    """One node. None: it does not tell, or it has no such thing."""

    node: str
    name: str
    role: str
    zone: str
    host: str
    state: str
    level: int
    cpu: float | None = None  # of a core, its process
    memory_bytes: float | None = None
    players: int | None = None
    messages: float | None = None  # heard and said in a second
    lag_s: float | None = None  # p99
    tick_s: float | None = None  # p99
    warnings: float | None = None  # lines that its process logged since its start


class Column(NamedTuple):
    """One column, and the key that sorts by it."""

    name: str
    title: str
    key: str
    width: int
    value: Callable[[NodeRow], str | float | None]
    text: Callable[[NodeRow], str]
    is_number: bool = True


def _or_blank(value: float | None, scale: float = 1.0) -> str:
    return "" if value is None else number(value * scale)


def _text(name: str, title: str, key: str, width: int) -> Column:
    return Column(
        name, title, key, width, lambda row: str(getattr(row, name)), lambda row: str(getattr(row, name)), False
    )


COLUMNS: tuple[Column, ...] = (
    _text("node", "node", "n", 9),
    _text("role", "role", "o", 6),
    _text("zone", "zone", "z", 8),
    _text("host", "host", "h", 15),
    _text("state", "state", "s", 9),
    Column("level", "lvl", "l", 3, lambda row: row.level, lambda row: str(row.level or "")),
    Column("cpu", "CPU%", "c", 5, lambda row: row.cpu, lambda row: _or_blank(row.cpu and round(row.cpu, 3), 100)),
    Column("memory", "MB", "m", 5, lambda row: row.memory_bytes, lambda row: _mb(row.memory_bytes)),
    Column("players", "players", "p", 7, lambda row: row.players, lambda row: _or_blank(row.players)),
    Column("messages", "msg/s", "r", 6, lambda row: row.messages, lambda row: _whole(row.messages)),
    Column("lag", "lag", "g", 5, lambda row: row.lag_s, lambda row: _or_blank(row.lag_s, 1000)),
    Column("tick", "tick", "t", 5, lambda row: row.tick_s, lambda row: _or_blank(row.tick_s, 1000)),
    Column("warnings", "warn", "w", 4, lambda row: row.warnings, lambda row: _whole(row.warnings)),
)
LEFT_OUT = ("host", "zone", "role", "warnings", "tick", "memory", "messages", "level", "lag", "cpu", "players")
"""Where there is no room for all, in this order. A single zone or host is never shown."""


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _mb(value: float | None) -> str:
    return "" if value is None else f"{value / 1e6:.0f}"


def columns_for(width: int, rows: Sequence[NodeRow]) -> list[Column]:
    """Those that fit beside each other."""
    several = {name for name in ("zone", "host") if len({getattr(row, name) for row in rows}) > 1}
    found = [column for column in COLUMNS if column.name not in ("zone", "host") or column.name in several]
    for name in LEFT_OUT:
        if sum(column.width + GAP for column in found) > width:
            found = [column for column in found if column.name != name]
    return found


def rows_of(snapshot: Snapshot) -> list[NodeRow]:
    """In the order of the topology, without those that were scaled away."""
    return [_row(view) for view in snapshot.missed]


def _row(view: NodeView) -> NodeRow:
    figures, status = view.figures, view.status
    level = int(status.facts.get("pressure", {}).get("level", 0))
    players = status.players if view.role in ("scene", "gate") and view.said is not None else None
    row = NodeRow(view.short, view.spec.name, view.role, view.zone, view.host, status.state, level, players=players)
    if figures is None:
        return row
    heard, said = figures.rate("mesh_heard_total"), figures.rate("mesh_said_total")
    logged = figures.by("level", "mesh_log_lines_total")
    return msgspec.structs.replace(
        row,
        cpu=figures.rate("process_cpu_seconds_total"),
        memory_bytes=figures.value("process_resident_memory_bytes"),
        messages=heard + said if heard is not None and said is not None else None,
        lag_s=figures.quantile(0.99, "mesh_loop_lag_seconds"),
        tick_s=figures.quantile(0.99, "scene_tick_seconds"),
        warnings=sum(count for name, count in logged.items() if name in BAD),
    )


def ordered(rows: Sequence[NodeRow], column: Column, reverse: bool) -> list[NodeRow]:
    """By a column, numbers the largest first and words from a to z, or the other way round. Whoever has no value comes
    last; equals stay in the order of the topology."""
    if column.name == "node":  # scene.10 comes after scene.2
        return list(reversed(rows)) if reverse else list(rows)
    known = [row for row in rows if column.value(row) is not None]
    known.sort(key=column.value, reverse=column.is_number != reverse)  # type: ignore[arg-type]
    return known + [row for row in rows if column.value(row) is None]


def column_of(name: str) -> Column:
    return next(column for column in COLUMNS if column.name == name)


def headline(snapshot: Snapshot, rows: Sequence[NodeRow]) -> str:
    """The whole cluster in one line."""
    ready = sum(row.state == "Ready" for row in rows)
    players = sum(row.players or 0 for row in rows if row.role == "scene")
    messages = sum(row.messages or 0.0 for row in rows)
    cpu = sum(figures.rate("process_cpu_seconds_total") or 0.0 for _, figures in snapshot.processes())
    words = f"{ready} of {len(rows)} Ready  {players} players  {messages:.0f} msg/s  {100 * cpu:.0f} % CPU"
    return f"{snapshot.label}  {words}"
