"""Brings the generated parts of docs/protocol.md in step with the catalogue.

    python -P -m tools.docs            writes the page
    python -P -m tools.docs --check    exit 6 when the page is not in step

Generated parts are between `<!-- generated: NAME -->` and `<!-- end -->`; everything else is written by hand.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from tools.docs.example import example_text
from tools.docs.tables import code_table, message_tables, struct_tables

PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"
CHECK_FAILED = 6

PARTS: dict[str, Callable[[], str]] = {
    "client to gate": lambda: message_tables("client", "gate"),
    "gate to client": lambda: message_tables("gate", "client"),
    "client to scene": lambda: message_tables("client", "scene"),
    "scene to client": lambda: message_tables("scene", "client"),
    "client to center": lambda: message_tables("client", "center"),
    "center to client": lambda: message_tables("center", "client"),
    "structs": struct_tables,
    "codes": code_table,
    "example": example_text,
}

_PART = re.compile(r"(<!-- generated: ([a-z ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(page: str) -> str:
    """The page with its generated parts as they should be. KeyError for a part that nobody knows."""
    return _PART.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n\n{match[3]}", page)


def main(arguments: list[str]) -> int:
    page = PAGE.read_text()
    made = render(page)
    if arguments == ["--check"]:
        if made != page:
            print(f"{PAGE} is not in step with the catalogue: run python -P -m tools.docs", file=sys.stderr)
            return CHECK_FAILED
        return 0
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
