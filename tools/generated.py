"""Parts of the docs that are made from results, in files that are otherwise written by hand.

A generated part is between `<!-- generated: NAME -->` and `<!-- end -->`. Nobody types a measured number into such a
part, so none can outlive its measurement.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

_PART = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


class Ran(Protocol):
    """The result of a run, as far as it matters for whether and how it is published."""

    @property
    def name(self) -> str: ...
    @property
    def verdict(self) -> str: ...
    @property
    def why(self) -> list[str]: ...
    @property
    def date(self) -> str: ...
    @property
    def commit(self) -> str: ...


def says_something(result: Ran) -> bool:
    """What an INVALID run has found is not published, good or bad."""
    return result.verdict != "INVALID"


def left_out(results: Iterable[Ran]) -> list[str]:
    """A sentence for each that is not published, for whoever renders."""
    return [f"{invalid(result)}, so it is left out" for result in results if not says_something(result)]


def invalid(result: Ran) -> str:
    return f"{result.name}: the run of {result.date[:10]} is INVALID ({'; '.join(result.why) or 'it does not say why'})"


def dated(result: Ran) -> str:
    return ", ".join(filter(None, (result.date[:10], result.commit)))


def fill(page: str, part: Callable[[str], str]) -> str:
    """The page with its generated parts as `part` makes them from their names; a name that it does not know is a
    KeyError of its own."""
    return _PART.sub(lambda match: f"{match[1]}\n{part(match[2])}\n\n{match[3]}", page)


def stale(made: Mapping[Path, str]) -> list[Path]:
    """The files that are not as they should be."""
    return [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]


def write_stale(made: Mapping[Path, str]) -> list[Path]:
    """Everything that is not in step, written anew; which files that were."""
    behind = stale(made)
    for path in behind:
        path.write_text(made[path], encoding="utf-8")
    return behind


def table(head: list[str], rows: list[list[str]], words: int = 1) -> str:
    """In Markdown. So many columns from the left are words, the others are figures."""
    marks = "|" + "|".join([*["---"] * words, *["--:"] * (len(head) - words)]) + "|"
    lines = [f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |" for cells in rows]
    return "\n".join([f"| {' | '.join(head)} |", marks, *lines])
