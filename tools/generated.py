"""Parts of the docs that are made from results, in files that are otherwise written by hand.

A generated part is between `<!-- generated: NAME -->` and `<!-- end -->`. Nobody types a measured number into such a
part, so none can outlive its measurement.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

_PART = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


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
