"""`mesh data sql`: a question in SQL, as a table, as CSV or as JSON."""

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from tools.ctl.exits import CommandError, Exit
from tools.ctl.options import Environment
from tools.ctl.output import console, emit_json_line, say, table
from tools.data.limits import limit_options, parse_limits
from tools.data.where import known, lake_option, need, place_of

ROWS_SHOWN = 200
QUESTION_MAX = 1_000_000  # characters

Row = tuple[Any, ...]


@click.command()
@click.argument("question", metavar="SQL")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1),
    default=ROWS_SHOWN,
    show_default=True,
    help="Rows of the table that is drawn.",
)
@limit_options("60s")
@lake_option
@click.pass_obj
def sql(
    environment: Environment, question: str, as_csv: bool, as_json: bool, limit: int, memory: str, threads: int,
    timeout: str, cluster: str | None, lake: Path | None,
) -> int:  # fmt: skip
    """Ask a question in SQL, in DuckDB's dialect; `-` reads it from stdin. `mesh data tables` shows what there is.

    Nothing can be changed by it, and nothing but the lake can be read. Times are UTC.

    Exit codes: 0, 1 it takes more memory than it may, 2 a mistake in the question, 3 there is no lake, 5 time-out.
    """
    if as_csv and as_json:
        raise CommandError("--csv or --json", Exit.USAGE)
    need("duckdb")
    from tools.data.desk import Desk, Limits, answer

    text = sys.stdin.read(QUESTION_MAX) if question == "-" else question
    place, limits = place_of(environment, cluster, lake), Limits(*parse_limits(memory, threads, timeout))
    with Desk(place.folder, known(place), limits) as desk:
        desk.check(text)
        answer(desk, lambda: _show(desk, text, _writer(as_csv, as_json, limit)))
    return Exit.OK


class Drawn:
    """The rows of a table for people: the first ones, and how many there are more."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._names: list[str] = []
        self._rows: list[Row] = []
        self._count = 0

    def add(self, names: list[str], rows: list[Row]) -> None:
        self._names = names
        self._rows += rows[: self._limit - len(self._rows)]
        self._count += len(rows)

    def end(self) -> None:
        numbers = [
            name for at, name in enumerate(self._names) if any(isinstance(row[at], int | float) for row in self._rows)
        ]
        drawn = table(*self._names, right=tuple(numbers))
        for row in self._rows:
            drawn.add_row(*(cell(value) for value in row))
        console().print(drawn, markup=False)
        more = (
            f", {len(self._rows):,} shown: --limit, --csv or --json for more" if self._count > len(self._rows) else ""
        )
        say(f"mesh: {self._count:,} row{'' if self._count == 1 else 's'}{more}")


class Csv:
    """A line of names, then a line for each row."""

    def __init__(self) -> None:
        self._out = csv.writer(sys.stdout)
        self._began = False

    def add(self, names: list[str], rows: list[Row]) -> None:
        if not self._began:
            self._out.writerow(names)
            self._began = True
        self._out.writerows(rows)

    def end(self) -> None:
        sys.stdout.flush()


class Json:
    """An object for each row."""

    def add(self, names: list[str], rows: list[Row]) -> None:
        for row in rows:
            emit_json_line(dict(zip(names, row, strict=True)))

    def end(self) -> None:
        pass


def cell(value: Any) -> str:
    """For a table."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 1 or value == 0 else f"{value:.4g}"
    if isinstance(value, str):
        return value
    if isinstance(value, list | dict):
        return msgspec.json.encode(value, enc_hook=str).decode()
    return str(value)


def _writer(as_csv: bool, as_json: bool, limit: int) -> Drawn | Csv | Json:
    if as_csv:
        return Csv()
    return Json() if as_json else Drawn(limit)


def _show(desk: Any, text: str, out: Drawn | Csv | Json) -> None:
    take: Callable[[list[str], list[Row]], None] = out.add
    for names, rows in desk.stream(text):
        take(names, rows)
    out.end()
