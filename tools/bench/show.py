"""A result on a terminal: the verdict, the figures beside what they have to be, the bench's own tables."""

from rich.console import Group, RenderableType
from rich.text import Text

from tools.bench.bench import written
from tools.bench.result import Judged, ProcessUse, Result, Table
from tools.ctl.output import span, table

JUDGEMENTS = {
    "aim": ("as aimed", "green"),
    "required": ("as required", "green"),
    "missed": ("MISSED", "red"),
    "unjudged": ("", ""),
    "unmeasured": ("not measured", "dim"),
}
COLOURS = {"OK": "green", "FAILED": "red", "INVALID": "yellow"}


def render(result: Result) -> RenderableType:
    """Everything that there is to see."""
    parts: list[RenderableType] = [headline(result)]
    parts += [Text(f"  {why}", style="yellow" if result.verdict == "INVALID" else "red") for why in result.why]
    parts += [Text(""), figures(result.figures)]
    for one in result.tables:
        parts += [Text(one.title, style="bold"), plain(one)]
    if result.processes:
        parts += [Text("Server processes", style="bold"), processes(result.processes)]
    parts += [Text(f"note: {note}", style="dim") for note in result.notes]
    return Group(*parts)


def headline(result: Result) -> Text:
    line = Text()
    line.append(f"{result.name}: ", style="bold")
    line.append(result.verdict, style=f"bold {COLOURS[result.verdict]}")
    crowd = f", {result.players:,} players" if result.players else ""
    line.append(f"   {result.depth}{crowd}, {span(result.seconds)}, {result.machine.get('processor', '')}", style="dim")
    return line


def figures(judged: list[Judged]) -> RenderableType:
    made = table("figure", "reached", "required", "aim", "", right=("reached", "required", "aim"))
    for one in judged:
        word, style = JUDGEMENTS[one.judgement]
        if one.judgement == "unjudged" and (one.required, one.aim) != (None, None):
            word, style = "not judged", "dim"  # there is a limit, and a short run says nothing about it
        limits = [limit(one, value) for value in (one.required, one.aim)]
        made.add_row(one.what, written(one.reached, one.unit), *limits, Text(word, style=style))
    return made


def limit(one: Judged, value: float | None) -> str:
    """ "<= 18 us"; "" when nothing is asked for."""
    sign = ">=" if one.better == "more" else "<="
    return "" if value is None else f"{sign} {written(value, one.unit)}"


def plain(one: Table) -> RenderableType:
    made = table(*one.head, right=tuple(one.head[1:]))
    for row in one.rows:
        made.add_row(*row)
    return made


def processes(uses: list[ProcessUse]) -> RenderableType:
    made = table("process", "CPU of a core", "memory", right=("CPU of a core", "memory"))
    for use in uses:
        made.add_row(use.name, f"{use.cpu * 100:.1f} %", f"{use.rss_mb:.0f} MB")
    return made
