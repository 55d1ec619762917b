"""From what a run has found to its verdict. Pure."""

from collections import Counter

from mesh.checking.proof import proof
from mesh.checking.records import Problem
from tools.bench.bench import complaint, is_needed, judge_figure
from tools.bench.result import Judged
from tools.chaos.result import Times, Verdict
from tools.chaos.scenario import Found, Scenario

SHOWN_MAX = 5  # problems of one checker; the others are counted


def judge(scenario: Scenario, found: Found, quick: bool) -> tuple[Verdict, list[str], list[Judged]]:
    """The verdict, the reasons for it, and every figure with what became of it."""
    reached = figures_of(found)
    judged = [judge_figure(figure, reached.get(figure.name), quick) for figure in scenario.figures]
    needed = {figure.name for figure in scenario.figures if is_needed(figure, quick)}
    wrong = [
        f"{checker}: {count:,} x, such as: {text}" for checker, (count, text) in by_checker(found.problems).items()
    ]
    wrong += [complaint(one) for one in judged if one.judgement == "missed"]
    if wrong:
        return "FAILED", [*wrong, *found.invalid], judged
    idle = list(found.invalid)
    idle += [f"{one.what}: not measured" for one in judged if one.judgement == "unmeasured" and one.name in needed]
    if not found.faults:
        idle.append("nothing was done to the cluster")
    return ("INVALID" if idle else "OK"), idle, judged


def figures_of(found: Found) -> dict[str, float | None]:
    """By name: what all scenarios have, and the scenario's own."""
    times = times_of(found.recovery_ms)
    change = None if found.gold_before is None else (found.gold_after or 0) - found.gold_before
    return {
        "lost": found.lost,
        "doubled": found.doubled,
        "gold_change": change,
        "recovery_p50_ms": times.p50,
        "recovery_p99_ms": times.p99,
        "recovery_max_ms": times.max,
        **found.reached,
    }


def times_of(milliseconds: list[float]) -> Times:
    """Nearest rank, so that p99 of few times is the longest of them."""
    if not milliseconds:
        return Times()
    ordered = sorted(milliseconds)

    def quantile(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)

    return Times(quantile(0.5), quantile(0.99), round(ordered[-1], 1))


def by_checker(problems: list[Problem]) -> dict[str, tuple[int, str]]:
    """How many each checker has found, with the first."""
    counts = Counter(problem.checker for problem in problems)
    first: dict[str, str] = {}
    for problem in problems:
        first.setdefault(problem.checker, problem.text)
    return {checker: (count, first[checker]) for checker, count in counts.items()}


def shown(problems: list[Problem]) -> list[Problem]:
    """The first of each checker."""
    counts: Counter[str] = Counter()
    some = []
    for problem in problems:
        counts[problem.checker] += 1
        if counts[problem.checker] <= SHOWN_MAX:
            some.append(problem)
    return some


def proves(scenario: Scenario, found: Found) -> str:
    """What the number of faults says. A problem belongs to no single fault, so one problem fails the whole run."""
    if found.problems:
        return f"nothing: {len(found.problems):,} problems in {found.faults:,} {scenario.what}"
    return proof(found.faults, 0, scenario.what)
