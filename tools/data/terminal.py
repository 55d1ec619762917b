"""A report in the terminal: figures, what they lack, tables."""

from rich.text import Text

from tools.ctl.output import console, say, table
from tools.data.model import Report, Table, day, show

NUMBERS = ("count", "number", "percent", "hours")
BAD = "bold red"


def draw(report: Report) -> None:
    """Print it."""
    out = console()
    days = report.period.days
    span = f"{day(days[0])} to {day(days[-1])}" if len(days) > 1 else day(days[0])
    out.print(Text(f"{report.title}, {span}", style="bold"))
    figures = Text()
    for tile in report.tiles:
        figures.append(f"  {tile.name} ", style="dim")
        figures.append(tile.value, style=BAD if tile.is_bad else "bold")
    out.print(figures)
    for one in report.tables:
        if one.rows:
            _draw_table(one)
    for warning in report.warnings:
        say(f"mesh: {warning}")


def _draw_table(one: Table) -> None:
    out = console()
    names = [name or " " * at for at, (name, _) in enumerate(one.columns)]
    last = one.columns[-1]
    drawn = table(
        *names,
        right=tuple(name for name, (_, form) in zip(names, one.columns, strict=True) if form in NUMBERS),
        folds=last[0] if last[1] == "text" else "",
    )
    for at, row in enumerate(one.rows):
        style = BAD if at in one.bad else None
        drawn.add_row(*(show(value, form) for value, (_, form) in zip(row, one.columns, strict=True)), style=style)
    out.print()
    out.print(Text(one.title, style="bold"))
    out.print(drawn, markup=False)
    if one.note:
        out.print(Text(f"  {one.note}", style="dim"))
