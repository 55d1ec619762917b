"""How a report looks on a terminal of any width: causes first, what they explain below them, then what is good."""

from typing import TYPE_CHECKING

from rich.text import Text

from tools.ctl.doctor.catalogue import CHECKS
from tools.ctl.doctor.examination import Report
from tools.ctl.doctor.finding import Finding
from tools.ctl.output import console, table
from tools.ctl.snapshot.units import plural, shown

if TYPE_CHECKING:
    from rich.table import Table

COLOURS = {"critical": "red", "warning": "yellow", "note": "cyan"}
BELOW = "└ "


def draw(report: Report) -> None:
    """To stdout."""
    out = console()
    out.print(headline(report), style="bold", markup=False)
    if report.findings:
        out.print(findings_table(report.findings))
    if report.good:
        out.print(f"good: {', '.join(report.good)}", style="dim", markup=False)


def headline(report: Report) -> str:
    """How the cluster is, in one line."""
    checks = f"{plural(report.made, 'check')}, {len(report.good)} good"
    return f"{report.cluster}: {report.answered} of {plural(report.nodes, 'node')} answer; {checks}"


def findings_table(findings: list[Finding]) -> "Table":
    """Each with what proves it and the command that mends it."""
    drawn = table("severity", "where", "what is wrong", folds="what is wrong")
    for one in findings:
        where = f"{BELOW}{one.where}" if one.because else one.where
        drawn.add_row(Text(one.severity, COLOURS[one.severity]), where, _words(one))
    return drawn


def _words(one: Finding) -> Text:
    """Its lines. The command stands alone on its line, to be copied."""
    said = Text(one.text)
    if one.because:
        said.append(f"\nlikely because of {one.because}", "dim")
    said.append(f"\n{proof(one)}", "dim")
    said.append(f"\n{one.mend}", "bold")
    return said


def proof(one: Finding) -> str:
    """ "loop-lag: mesh_loop_lag_seconds p90 is 120 ms (at most 50 ms)" """
    return f"{one.check}: {one.metric} is {shown(one.value, one.unit)} ({one.limit})"


def draw_list() -> None:
    """What there is to look at."""
    drawn = table("check", "what is so when it finds nothing", folds="what is so when it finds nothing")
    for check in CHECKS:
        drawn.add_row(check.name, check.text)
    console().print(drawn)
