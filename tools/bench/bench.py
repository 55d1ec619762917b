"""What a bench is: its figures with what they have to be, and a coroutine that measures them on a `Ground`.

Owns the declarations and the verdict; starts nothing. A run whose generator was the limit, or that lost a server, is
INVALID: its figures say nothing about the servers. So is one that was disturbed by other load and missed a figure; one
that was disturbed and missed none is OK, since other load makes no figure better. A figure is judged only at the depth
for which it was stated: what --quick measures in seconds at a few players is shown beside the required value, and only
those that are marked `quick` can fail it.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from tools.bench.result import Judged, Judgement, ProcessUse, Table, Verdict

if TYPE_CHECKING:
    from tools.bench.ground import Ground

Better = Literal["more", "less"]


@dataclass(frozen=True)
class Figure:
    """One number that a bench measures. `required` must hold, `aim` is what we would like."""

    name: str
    what: str
    unit: str = ""
    required: float | None = None
    aim: float | None = None
    better: Better = "more"
    quick: bool = False  # is it also judged with --quick?
    optional: bool = False  # needs something that a machine may not have: not to have measured it is no failure


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the coroutine of a bench returns. `reached` is by the figures' names; a figure that is named like a field
    here (`p99_ms`) is taken from the field."""

    reached: Mapping[str, float | None] = field(default_factory=dict)  # None: there was nothing to measure
    labels: dict[str, str] = field(default_factory=dict)  # of figures, with the numbers of this run
    players: int | None = None
    cpu_us_per_frame: float | None = None
    updates_per_s: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    ratio_to_limit: float | None = None
    tables: list[Table] = field(default_factory=list)
    processes: list[ProcessUse] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)  # why the figures say nothing
    disturbed: list[str] = field(default_factory=list)  # what excuses a figure that was missed
    notes: list[str] = field(default_factory=list)  # what a reader has to know, such as other load on the cores

    def value(self, name: str) -> float | None:
        return self.reached.get(name, getattr(self, name, None))


@dataclass(frozen=True)
class Bench:
    """One of `mesh bench list`."""

    name: str
    line: str
    figures: tuple[Figure, ...]
    run: Callable[["Ground"], Coroutine[Any, Any, Outcome]]
    command: str = ""  # of `mesh bench`, where it is not `run NAME`
    cores: int = 2  # fewer than that and the run is refused: generator and servers would be measured together


def judge(bench: Bench, outcome: Outcome, quick: bool) -> tuple[Verdict, list[str], list[Judged]]:
    """The verdict, the reasons for it, and every figure with what became of it."""
    judged = [judge_figure(named(figure, outcome), outcome.value(figure.name), quick) for figure in bench.figures]
    if outcome.invalid:
        return "INVALID", list(outcome.invalid), judged
    missed = [complaint(one) for one in judged if one.judgement == "missed"]
    needed = {figure.name for figure in bench.figures if is_needed(figure, quick)}
    missed += [f"{one.what}: not measured" for one in judged if one.judgement == "unmeasured" and one.name in needed]
    if missed and outcome.disturbed:
        return "INVALID", [*missed, *outcome.disturbed], judged
    return ("FAILED" if missed else "OK"), missed, judged


def is_needed(figure: Figure, quick: bool) -> bool:
    """Is it a failure not to have measured it?"""
    return figure.required is not None and not figure.optional and (figure.quick or not quick)


def named(figure: Figure, outcome: Outcome) -> Figure:
    """With what it was measured at, where the declaration speaks of the whole thing."""
    return replace(figure, what=outcome.labels.get(figure.name, figure.what))


def in_phase(phase: str, why: Iterable[str]) -> list[str]:
    """Reasons with the part of the run to which they belong."""
    return [f"{phase}: {one}" for one in why]


def judge_figure(figure: Figure, reached: float | None, quick: bool) -> Judged:
    return Judged(
        figure.name,
        figure.what,
        figure.unit,
        reached,
        figure.required,
        figure.aim,
        figure.better,
        judgement(figure, reached, quick),
    )


def judgement(figure: Figure, reached: float | None, quick: bool) -> Judgement:
    if reached is None:
        return "unmeasured"
    if (quick and not figure.quick) or (figure.required is None and figure.aim is None):
        return "unjudged"
    if figure.required is not None and not holds(reached, figure.required, figure.better):
        return "missed"
    if figure.aim is not None and not holds(reached, figure.aim, figure.better):
        return "required"
    return "required" if figure.aim is None else "aim"


def holds(reached: float, limit: float, better: Better) -> bool:
    return reached >= limit if better == "more" else reached <= limit


def complaint(one: Judged) -> str:
    """For people: "p99: 231 ms, at most 200 ms"."""
    limit = "at least" if one.better == "more" else "at most"
    return f"{one.what}: {written(one.reached, one.unit)}, {limit} {written(one.required, one.unit)}"


def written(value: float | None, unit: str = "") -> str:
    """A number with as many digits as mean something; "-" for none."""
    if value is None:
        return "-"
    size = abs(value)
    digits = 0 if size >= 99.95 or value == int(value) else 1 if size >= 9.995 else 2
    text = f"{value:,.{digits}f}"
    return f"{text} {unit}".rstrip()
