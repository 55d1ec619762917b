"""What came of courses and of planted mistakes, for people and for programs. Pure."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from mesh.checking.proof import proof
from nodes.simulation.course import Verdict
from nodes.simulation.planted import Caught

FAILURES_SHOWN = 5


def story(verdict: Verdict) -> str:
    """What led to a failure, and how to see it again."""
    problems = "\n".join(f"  {one.checker}: {one.text}" for one in verdict.problems)
    events = "\n".join(f"  {event}" for event in verdict.events)
    again = f"python -P -m nodes simulate --seed {verdict.seed}"
    return f"seed {verdict.seed} failed\n{problems}\nthe last events:\n{events}\nagain: {again}\n"


def summary_of(verdicts: Sequence[Verdict], seconds: float, workers: int = 1) -> dict[str, Any]:
    """Of many seeds, for people and programs."""
    failed = [one for one in verdicts if not one.ok]
    checkers = Counter(problem.checker for one in failed for problem in one.problems)
    return {
        "name": "simulation",
        "ok": not failed,
        "seeds": len(verdicts),
        "failed": len(failed),
        "failures": [
            {"seed": one.seed, "problems": [f"{p.checker}: {p.text}" for p in one.problems], "events": one.events}
            for one in failed[:FAILURES_SHOWN]
        ],
        "failed_seeds": [one.seed for one in failed],
        "checkers": dict(checkers),
        "seeds_per_minute": round(60 * len(verdicts) / seconds, 1) if seconds else 0.0,
        "workers": workers,
        "virtual_s": round(sum(one.virtual_s for one in verdicts), 1),
        "messages": sum(one.messages for one in verdicts),
        "acked": sum(one.operations for one in verdicts),
        "kinds": _summed(one.kinds for one in verdicts),
        "with_standby": sum(one.pair for one in verdicts),
        "with_class_r": sum(one.replicated for one in verdicts),
        "switched_over": sum(one.switched_over for one in verdicts),
        "oldest_lost_state_s": round(max((one.lost_state_s for one in verdicts), default=0.0), 2),
        "faults": _summed(one.faults for one in verdicts),
        "proof": proof(len(verdicts), len(failed), "courses"),
        "digests": {str(one.seed): one.digest for one in verdicts} if len(verdicts) <= FAILURES_SHOWN else {},
    }


def lines_of(summary: dict[str, Any]) -> list[str]:
    """The same, for people."""
    found = ", ".join(f"{count} x {name}" for name, count in summary["checkers"].items())
    on = f" on {summary['workers']} cores" if summary["workers"] > 1 else ""
    lines = [
        f"{summary['seeds']} courses, {summary['virtual_s']:,.0f} virtual seconds, {summary['messages']:,} messages",
        f"{summary['acked']:,} durable operations acknowledged: {_counted(summary['kinds'])}",
        f"{summary['with_standby']} with a standby of the DC, which took over in {summary['switched_over']}; "
        f"in {summary['with_class_r']} of them operations wait for it (class R)",
        f"the oldest state of class C that a crash has lost was acknowledged {summary['oldest_lost_state_s']} s before",
        f"faults: {_counted(summary['faults'])}",
        f"{summary['seeds_per_minute']} seeds a minute{on}",
        summary["proof"],
    ]
    if found:
        lines.append(f"found: {found}; seeds {', '.join(map(str, summary['failed_seeds']))}")
    return lines + [f"digest of seed {seed}: {digest}" for seed, digest in summary["digests"].items()]


def planted_lines(found: Sequence[Caught], head: bool = True) -> list[str]:
    """A table: the mistake, who found it, in which course, and what it said."""
    lines = [f"{'mistake':46} {'found by':12} {'course':>6}  what was found"] if head else []
    for one in found:
        by, course = (one.checker, str(one.courses)) if one.checker else ("nobody", f"> {one.courses}")
        text = one.text if one.innocent else f"the same course without the mistake is not right: {one.text}"
        lines.append(f"{one.mistake.name:46} {by:12} {course:>6}  {text}".rstrip())
    return lines


def planted_summary(found: Sequence[Caught]) -> dict[str, Any]:
    """Of all mistakes."""
    right = sum(one.ok for one in found)
    return {
        "name": "planted",
        "ok": right == len(found),
        "found": right,
        "mistakes": [
            {
                "name": one.mistake.name,
                "may_find": sorted(one.mistake.checkers),
                "found_by": one.checker,
                "courses": one.courses,
                "text": one.text,
                "right_without_it": one.innocent,
            }
            for one in found
        ],
        "text": f"{right} of {len(found)} mistakes were found, each by a checker that is meant to",
    }


def _summed(counts: Any) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
