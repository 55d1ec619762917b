"""The report of a demonstration, made for reading (pure): what must hold, then one player's nine steps over time."""

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tools.demo.outcome import Check, Outcome, checks
from tools.demo.run import Demonstrated
from tools.waterfall import BAR_CELLS
from tools.waterfall import render as draw


def render(shown: Demonstrated, bar_cells: int = BAR_CELLS) -> RenderableType:
    """Everything."""
    parts: list[RenderableType] = [_checks(shown.outcome)]
    if any(not check.judged and not check.ok for check in checks(shown.outcome)):
        who = "; ".join(shown.outcome.disturbed)
        parts += [Text(f"? says nothing about the servers: {who}", style="yellow"), Text()]
    if shown.outcome.error_counts:
        parts += [*(Text(f"  {count} x {code}", style="red") for code, count in shown.outcome.error_counts.items())]
    if shown.trace is not None:
        parts += [
            Text("One player's nine steps", style="bold"),
            Text(),
            draw(shown.trace, bar_cells),
            Text(),
            _beyond(shown),
        ]
    return Group(*parts, Text(), _verdict(shown.outcome))


def _checks(outcome: Outcome) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("")
    table.add_column("what")
    table.add_column("found", justify="right")
    table.add_column("must be", justify="right")
    for check in checks(outcome):
        mark, style = _mark(check)
        table.add_row(mark, check.name, check.value, check.limit, style=style)
    return table


def _mark(check: Check) -> tuple[Text, str]:
    """And the style of its line."""
    if check.ok:
        return Text("✔", style="green"), ""
    return (Text("✘", style="bold red"), "red") if check.fails else (Text("?", style="yellow"), "yellow")


def _beyond(shown: Demonstrated) -> Table:
    """The steps that are not part of a login, as the players measured them."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_row(
        "7", f"the player was in the world, with the full view, after {shown.outcome.login_ms.p50:.1f} ms (p50)"
    )
    table.add_row("8", f"a public broadcast reached all players after {shown.shout_ms:.1f} ms (p50)")
    table.add_row("9", f"a looted coin was on disk and in the wallet after {shown.loot_ms:.1f} ms (p50)")
    return table


def _verdict(outcome: Outcome) -> Text:
    failed = sum(check.fails for check in checks(outcome))
    after = f" after {outcome.took_s:.0f} s; the cluster was Ready in {outcome.ready_s:.1f} s"
    if outcome.ok:
        return Text.assemble(("Everything holds", "bold green"), after)
    return Text.assemble((f"{failed} line(s) do not hold", "bold red"), after)
