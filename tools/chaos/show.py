"""A result on a terminal: few lines, the verdict first."""

from rich.console import Group, RenderableType
from rich.text import Text

from tools.bench.show import COLOURS, figures
from tools.chaos.result import ChaosResult, Times
from tools.ctl.output import span


def render(result: ChaosResult) -> RenderableType:
    parts: list[RenderableType] = [headline(result)]
    parts += [Text(f"  {why}", style="yellow" if result.verdict == "INVALID" else "red") for why in result.why]
    parts += [Text(f"  {line}") for line in lines(result)]
    if result.figures:
        parts.append(figures(result.figures))
    parts += [Text(f"note: {note}", style="dim") for note in result.notes]
    return Group(*parts)


def headline(result: ChaosResult) -> Text:
    line = Text()
    line.append(f"{result.name}: ", style="bold")
    line.append(result.verdict, style=f"bold {COLOURS[result.verdict]}")
    line.append(f"   {result.kills:,} {result.what}, seed {result.seed}, {span(result.seconds)}", style="dim")
    return line


def lines(result: ChaosResult) -> list[str]:
    """What was recorded, in words."""
    said = []
    if result.acked or result.applied:
        said.append(
            f"operations: {result.acked:,} acknowledged, {result.applied:,} carried out, {result.refused:,} refused, "
            f"{result.unknown:,} unknown; {result.lost:,} lost, {result.doubled:,} doubled"
        )
    if result.gold_before is not None:
        said.append(f"gold: {result.gold_before:,} before, {result.gold_after or 0:,} after")
    if result.recovery_ms.max is not None:
        said.append(f"back after {times(result.recovery_ms)}" + bound(result.bound_ms))
    return [*said, f"proves: {result.proves}"]


def times(found: Times) -> str:
    return f"p50 {found.p50:,.0f} ms, p99 {found.p99:,.0f} ms, max {found.max:,.0f} ms"


def bound(bound_ms: float | None) -> str:
    return "" if bound_ms is None else f" (p99 at most {bound_ms:,.0f} ms)"
