"""Brings the generated parts of the docs in step with what they are made from.

    python -P -m tools.docs            writes them
    python -P -m tools.docs --check    exit 6 when one is not in step

docs/protocol.md is made from the catalogue, docs/benchmarks.md and the README's chart from docs/bench/*.json
(tools/bench/pages.py), and the table of docs/reliability.md from docs/chaos/*.json (tools/chaos/pages.py).
"""

import sys
from collections.abc import Callable
from pathlib import Path

from tools.bench import pages as benches
from tools.chaos import pages as scenarios
from tools.docs.example import example_text
from tools.docs.tables import code_table, message_tables, struct_tables
from tools.generated import fill, stale, write_stale

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


def generated() -> dict[Path, str]:
    """Every file that has something generated, as it should be. KeyError for a part that nobody knows."""
    page = fill(PAGE.read_text(encoding="utf-8"), lambda name: PARTS[name]())
    return {PAGE: page, **benches.generated(DOCS), **scenarios.generated(DOCS)}


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        behind = stale(generated())
        for path in behind:
            print(f"{path} is not in step with what it is made from: run python -P -m tools.docs", file=sys.stderr)
        return CHECK_FAILED if behind else 0
    write_stale(generated())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
