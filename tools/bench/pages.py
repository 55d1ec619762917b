"""Figures in the docs, made from docs/bench/*.json: the generated parts of docs/benchmarks.md, and the chart.

"bench figures" is the table of all required figures, "bench NAME" what one bench has found. "bench figures at MACHINE"
is the table of docs/bench/MACHINE/*.json, which were measured on another machine.
"""

from pathlib import Path

from tools.bench import timeline
from tools.bench.bench import written
from tools.bench.catalogue import BENCHES
from tools.bench.chart import bars
from tools.bench.result import Judged, Result, Table
from tools.bench.show import limit
from tools.bench.store import read_all
from tools.generated import dated, fill, invalid, says_something, table

HEAD = ["bench", "figure", "must be", "aim", "measured", "verdict", "run", "date, commit", "processor, cores"]
PAGE, FOLDER, CHART = "benchmarks.md", "bench", "square.svg"
OTHER = "figures at "


def generated(docs: Path) -> dict[Path, str]:
    """Every file that has something generated, as it should be."""
    results = read_all(docs / FOLDER, Result, "bench")
    if not results:
        return {}
    page = docs / PAGE
    elsewhere = {f.name: read_all(f, Result, "bench") for f in sorted((docs / FOLDER).iterdir()) if f.is_dir()}
    made = {page: render(page.read_text(encoding="utf-8"), results, elsewhere)} if page.exists() else {}
    if "peers" in results and says_something(results["peers"]):
        made[docs / FOLDER / CHART] = chart(results["peers"])
    for name, result in results.items():
        for each in result.tables if says_something(result) else ():
            if each.title == timeline.TITLE:
                made[docs / FOLDER / f"{name}.svg"] = timeline.timeline(each)
    return made


def render(text: str, results: dict[str, Result], elsewhere: dict[str, dict[str, Result]]) -> str:
    """The page with its generated parts as they should be, `elsewhere` by machine. KeyError for a part that nobody
    knows."""
    return fill(text, lambda name: part(name.removeprefix("bench "), results, elsewhere))


def part(name: str, results: dict[str, Result], elsewhere: dict[str, dict[str, Result]]) -> str:
    if name == "figures":
        return figures(results)
    if name.startswith(OTHER):
        return figures(elsewhere[name.removeprefix(OTHER)])
    if name not in {**BENCHES, "peers": ""}:
        raise KeyError(f"there is no bench {name!r} to make a part of the page from")
    if name in results and not says_something(results[name]):
        return f"{invalid(results[name])}."
    return one(results[name]) if name in results else f"Not measured yet: `mesh bench run {name}`."


def figures(results: dict[str, Result]) -> str:
    """All that is required beside what was measured, in the order of `mesh bench list`."""
    said = [results[name] for name in BENCHES if name in results]
    rows = [row(result, judged) for result in said if says_something(result) for judged in result.figures]
    shown = table(HEAD, rows) if rows else "Nothing that says anything was measured yet."
    return "\n\n".join([shown, *(f"- {invalid(result)}" for result in said if not says_something(result))])


def extent(result: Result) -> str:
    """How much of the whole thing it was: "full, 5,000 players"."""
    return result.depth + (f", {result.players:,} players" if result.players else "")


def row(result: Result, judged: Judged) -> list[str]:
    measured = written(judged.reached, judged.unit)
    if judged.judgement in ("aim", "required"):
        measured = f"**{measured}**"
    elif judged.judgement == "missed":
        measured = f"{measured} (missed)"
    if judged.judgement == "unmeasured":
        measured = "not measured"
    where = ", ".join(result.machine[key] for key in ("processor", "cores") if key in result.machine)
    limits = [limit(judged, value) for value in (judged.required, judged.aim)]
    return [result.name, judged.what, *limits, measured, result.verdict, extent(result), dated(result), where]


def one(result: Result) -> str:
    """What a reader wants of one bench: the command, the machine, its tables."""
    machine = ", ".join(
        result.machine[key] for key in ("processor", "cores", "system", "python") if key in result.machine
    )
    head = f"`{result.command}` ({extent(result)}): {result.verdict}, {result.date[:10]}"
    head += f", {machine} (processor, cores, system, Python)."
    parts = [head, *(shown(result, each) for each in result.tables)]
    if result.processes:
        uses = [[use.name, f"{use.cpu * 100:.1f} %", f"{use.rss_mb:.0f} MB"] for use in result.processes]
        parts.append(table(["server process", "CPU of a core", "memory"], uses))
    parts += [f"- {note}" for note in [*result.why, *result.notes]]
    return "\n\n".join(parts)


def shown(result: Result, each: Table) -> str:
    """What changes over time is a picture."""
    if each.title == timeline.TITLE:
        return f"![{each.title}](bench/{result.name}.svg)"
    return f"{table_title(each)}\n\n{table(each.head, each.rows)}"


def table_title(each: Table) -> str:
    return f"{each.title}:"


def chart(result: Result) -> str:
    """Of the references and the product: what a frame costs."""
    known = [(one.what.partition(", ")[2], one.reached) for one in result.figures if one.reached is not None]
    with_ = f" ({result.players:,} players)" if result.players else ""
    title = f"CPU of all server processes for one player's move and frame, in us{with_}"
    return bars(title, [(name, value) for name, value in known if value is not None], ours="zonemesh")
