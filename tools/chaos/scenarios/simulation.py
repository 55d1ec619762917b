"""simulation: many seeded courses of the real nodes on virtual time, by `python -m nodes simulate`.

There is no cluster here: a program of its own runs the courses one after the other and says what its checkers have
found. The seed of the run is that of the first course.
"""

import json
import os
import sys
from typing import Any

from mesh.checking.records import Problem
from tools.bench.bench import Figure
from tools.chaos.scenario import Arena, Found, Scenario
from tools.ctl.exits import CommandError


async def run(arena: Arena) -> Found:
    workers = str(os.cpu_count() or 1)
    words = ["--seeds", str(arena.faults), "--from", str(arena.seed), "--workers", workers, "--json"]
    arena.ground.say(f"{arena.faults} courses, seeds {arena.seed} to {arena.seed + arena.faults - 1}")
    async with arena.ground.program([sys.executable, "-P", "-m", "nodes", "simulate", *words]) as child:
        out, err = await child.communicate()
    try:
        said: dict[str, Any] = json.loads(out)
    except ValueError:
        raise CommandError(f"the simulation ended without a result: {err.decode(errors='replace')[-500:]}") from None
    return found_in(said)


def found_in(said: dict[str, Any]) -> Found:
    """What the program has said, in the words of a scenario."""
    problems = []
    for failure in said["failures"]:
        for text in failure["problems"]:
            checker, _, what = text.partition(": ")
            problems.append(Problem(checker, f"seed {failure['seed']}: {what}"))
    counts = said["checkers"]
    notes = [f"faults: {', '.join(f'{count} {kind}' for kind, count in said['faults'].items())}"]
    if said["failed_seeds"]:
        notes.append(f"see one again: python -P -m nodes simulate --seed {said['failed_seeds'][0]}")
    return Found(
        faults=said["seeds"],
        acked=said["acked"],
        applied=said["acked"] - counts.get("lost", 0),
        lost=counts.get("lost", 0),
        doubled=counts.get("doubled", 0),
        reached={
            "failed_courses": said["failed"],
            "seeds_per_minute": said["seeds_per_minute"],
            "virtual_hours": said["virtual_s"] / 3600,
            "messages": said["messages"],
        },
        problems=problems,
        notes=notes,
    )


SCENARIO = Scenario(
    "simulation",
    "Seeded courses on virtual time: network, disk and processes fail, no promise does.",
    (
        Figure("failed_courses", "courses in which a checker found something", "", 0, better="less", quick=True),
        Figure("lost", "acknowledged operations that are not there", "", 0, better="less", quick=True),
        Figure("doubled", "operations that were carried out twice", "", 0, better="less", quick=True),
        Figure("seeds_per_minute", "courses a minute, on all cores"),
        Figure("virtual_hours", "time that was simulated", "h"),
        Figure("messages", "messages between nodes"),
    ),
    run,
    faults=10_000,
    faults_quick=100,
    what="courses",
)
