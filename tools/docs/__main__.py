"""Brings the generated parts of the docs in step with what they are made from.

    python -P -m tools.docs            writes them
    python -P -m tools.docs --check    exit 6 when one is not in step

docs/protocol.md is made from the catalogue; generated parts are between `<!-- generated: NAME -->` and `<!-- end -->`,
everything else is written by hand. docs/benchmarks.md and the README's chart are made from docs/bench/*.json
(tools/bench/pages.py).
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from tools.bench import pages
from tools.docs.example import example_text
from tools.docs.tables import code_table, message_tables, struct_tables

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "protocol.md"
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
        behind = [*([PAGE] if made != page else []), *pages.stale(DOCS)]
        for path in behind:
            print(f"{path} is not in step with what it is made from: run python -P -m tools.docs", file=sys.stderr)
        return CHECK_FAILED if behind else 0
    PAGE.write_text(made)
    pages.write_all(DOCS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
