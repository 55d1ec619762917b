"""Where the commands' words go: data to stdout, words for people to stderr.

Rich is loaded when something is drawn and not before: `mesh --help` and a supervisor do without. It honours NO_COLOR
and a missing terminal by itself.
"""

import sys
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_CELLS = 10_000


def say(text: str) -> None:
    """A sentence for people."""
    print(text, file=sys.stderr, flush=True)


def emit(text: str) -> None:
    """A line of data."""
    print(text, flush=True)


def emit_json(value: Any) -> None:
    """Data for programs: indented, since people read it, too."""
    emit(msgspec.json.format(msgspec.json.encode(value, enc_hook=str)).decode())


def emit_json_line(value: Any) -> None:
    """One of many values, on one line."""
    emit(msgspec.json.encode(value, enc_hook=str).decode())


def console() -> "Console":
    """For tables and bars on stdout."""
    from rich.console import Console

    made = Console(highlight=False, soft_wrap=False)
    # Without a terminal the lines are as long as their content: a pipe has no width.
    return made if made.is_terminal else Console(highlight=False, width=PIPE_CELLS)


def table(*columns: str, right: tuple[str, ...] = (), folds: str = "") -> "Table":
    """A table in the one look that all commands share. The column `folds` gives way on a narrow terminal: what does
    not fit goes on in the next line, so that the others keep their width."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        justify: Literal["left", "right"] = "right" if column in right else "left"
        if column == folds:
            made.add_column(column, justify=justify, overflow="fold")
        else:
            made.add_column(column, justify=justify, no_wrap=True)
    return made


def facts_table(facts: dict[str, Any]) -> None:
    """What and how many, a line for each; those of one kind below each other."""
    drawn = table("what", "value", right=("value",))
    for key, value in facts.items():
        if isinstance(value, dict):
            for inner, number in value.items():
                drawn.add_row(f"{key}.{inner}", _number(number))
        else:
            drawn.add_row(key, _number(value))
    console().print(drawn, markup=False)


def _number(value: Any) -> str:
    return f"{value:,}".replace(",", " ") if isinstance(value, int) and not isinstance(value, bool) else str(value)


def short(node: str) -> str:
    """`gate.1` of `eu.one.gate.1`: a cluster is one zone of one region."""
    return ".".join(node.split(".")[-2:])


def brief(seconds: float) -> str:
    """A length of time for a narrow column, at most 8 characters for some years: 9s, 4m 9s, 2h 5m, 3d 4h."""
    whole = max(0, int(seconds))
    for unit, size, lower, part in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // part}{lower}"
    return f"{whole}s"


def span(seconds: float) -> str:
    """A length of time as people say it: 950 ms, 4.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    for unit, size, lower, part in (("d", 86_400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit} {rest} {lower}" if rest else f"{whole // size} {unit}"
    return f"{seconds:.1f} s"
