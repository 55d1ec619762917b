"""The command of the simulation: many seeds one after the other, or one again.

    python -P -m nodes simulate --seeds 300            seeds 1 to 300; exit code 1 when a checker found something
    python -P -m nodes simulate --seeds 50 --from 100  seeds 100 to 149
    python -P -m nodes simulate --seed 17              this course again, with its last events
    ... --json                                         one JSON object instead of lines

The order of sets of texts differs between processes of Python, and with it the course of a seed: so the command starts
itself again with a fixed one.
"""

import argparse
import json
import os
import sys
from collections import Counter
from typing import Any

from mesh.checking.proof import proof
from mesh.clock import SystemClock
from nodes.simulation.course import Verdict, run_course

HASHES = "PYTHONHASHSEED"
FAILURES_SHOWN = 5


def main(words: list[str]) -> int:
    """Exit code 0 when every course was right."""
    if os.environ.get(HASHES) != "0":
        program = [sys.executable, "-P", "-m", "nodes", "simulate", *words]
        os.execve(sys.executable, program, {**os.environ, HASHES: "0"})
    said = _options().parse_args(words)
    seeds = [said.seed] if said.seed is not None else list(range(said.first, said.first + said.seeds))
    clock = SystemClock()
    began = clock.now()
    verdicts = []
    for seed in seeds:
        verdicts.append(run_course(seed))
        if not verdicts[-1].ok and not said.json:
            print(story(verdicts[-1]), flush=True)
    summary = summary_of(verdicts, clock.now() - began)
    print(json.dumps(summary) if said.json else _lines(summary))
    return 0 if summary["ok"] else 1


def story(verdict: Verdict) -> str:
    """What led to a failure, and how to see it again."""
    problems = "\n".join(f"  {one.checker}: {one.text}" for one in verdict.problems)
    events = "\n".join(f"  {event}" for event in verdict.events)
    again = f"python -P -m nodes simulate --seed {verdict.seed}"
    return f"seed {verdict.seed} failed\n{problems}\nthe last events:\n{events}\nagain: {again}\n"


def summary_of(verdicts: list[Verdict], seconds: float) -> dict[str, Any]:
    """Of many seeds, for people and programs."""
    failed = [one for one in verdicts if not one.ok]
    checkers = Counter(problem.checker for one in failed for problem in one.problems)
    faults: Counter[str] = Counter()
    for one in verdicts:
        faults.update(one.faults)
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
        "virtual_s": round(sum(one.virtual_s for one in verdicts), 1),
        "messages": sum(one.messages for one in verdicts),
        "acked": sum(one.operations for one in verdicts),
        "faults": dict(sorted(faults.items())),
        "proof": proof(len(verdicts), len(failed), "courses"),
        "digests": {str(one.seed): one.digest for one in verdicts} if len(verdicts) <= FAILURES_SHOWN else {},
    }


def _lines(summary: dict[str, Any]) -> str:
    faults = ", ".join(f"{count} {kind}" for kind, count in summary["faults"].items())
    found = ", ".join(f"{count} x {name}" for name, count in summary["checkers"].items())
    lines = [
        f"{summary['seeds']} courses, {summary['virtual_s']:,.0f} virtual seconds, {summary['messages']:,} messages, "
        f"{summary['acked']:,} durable operations acknowledged",
        f"faults: {faults}",
        f"{summary['seeds_per_minute']} seeds a minute",
        summary["proof"],
    ]
    if found:
        lines.append(f"found: {found}; seeds {', '.join(map(str, summary['failed_seeds']))}")
    lines += [f"digest of seed {seed}: {digest}" for seed, digest in summary["digests"].items()]
    return "\n".join(lines)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nodes simulate", description="Run seeded courses of the real nodes.")
    parser.add_argument("--seeds", type=int, default=100, help="how many courses")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first seed")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--json", action="store_true")
    return parser
