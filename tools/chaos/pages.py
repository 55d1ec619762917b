"""The table of docs/reliability.md, made from docs/chaos/*.json: what each fault may cost, and what it did cost."""

from pathlib import Path

from tools.bench.bench import written
from tools.bench.result import Judged
from tools.bench.show import limit
from tools.bench.store import read_all
from tools.chaos.catalogue import SCENARIOS
from tools.chaos.result import ChaosResult
from tools.generated import dated, fill, invalid, says_something, table

HEAD = [
    "scenario",
    "reached, and what it has to be",
    "verdict",
    "N",
    "3/N",
    "operations",
    "seed",
    "command",
    "date, commit",
]
WORDS = 3  # columns that are no figures
PAGE, FOLDER, PART = "reliability.md", "chaos", "chaos table"


def generated(docs: Path) -> dict[Path, str]:
    """The page, as it should be; nothing where there are no results."""
    results = read_all(docs / FOLDER, ChaosResult, "scenario")
    page = docs / PAGE
    if not results or not page.exists():
        return {}
    return {page: fill(page.read_text(encoding="utf-8"), lambda name: part(name, results))}


def part(name: str, results: dict[str, ChaosResult]) -> str:
    """KeyError for one that nobody knows."""
    if name != PART:
        raise KeyError(f"there is no part {name!r} of {PAGE}")
    said = [results[name] for name in SCENARIOS if name in results]
    rows = [row(result) for result in said if says_something(result)]
    missing = [name for name in SCENARIOS if name not in results]
    words = [table(HEAD, rows, WORDS) if rows else "Nothing that says anything was measured yet."]
    words += [f"- {invalid(result)}" for result in said if not says_something(result)]
    if missing:
        words.append(f"Not measured at full length yet: {', '.join(f'`{name}`' for name in missing)}.")
    return "\n\n".join(words)


def row(result: ChaosResult) -> list[str]:
    depth = "" if result.depth == "long" else f" ({result.depth})"
    return [
        f"`{result.name}`",
        "; ".join(map(reached, result.figures)),
        f"{result.verdict}{depth}",
        f"{result.kills:,} {result.what}",
        f"{result.bound_of_rate * 100:.2g} %" if result.bound_of_rate < 1 else "",
        f"{result.acked:,}" if result.acked else "",
        str(result.seed),
        f"`{result.command}`",
        dated(result),
    ]


def reached(one: Judged) -> str:
    """ "resumed, p99: 4,232 ms (<= 5,000 ms)"."""
    found = "not measured" if one.judgement == "unmeasured" else written(one.reached, one.unit)
    asked = limit(one, one.required)
    text = f"{one.what}: {found}" + (f" ({asked})" if asked else "")
    return f"**{text}, missed**" if one.judgement == "missed" else text
