"""simulation: many seeded courses of the real nodes on virtual time, by `python -m nodes simulate`.

There is no cluster here: a program of its own runs the courses one after the other and says what its checkers have
found. The seed of the run is that of the first course.
"""

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import Callable
from typing import Any

from mesh.checking.records import Problem
from tools.bench.bench import Figure
from tools.chaos.scenario import Arena, Found, Scenario
from tools.ctl.exits import CommandError

LAST_WORDS = 5  # lines of a program that failed


async def run(arena: Arena) -> Found:
    workers = str(os.cpu_count() or 1)
    words = ["--seeds", str(arena.faults), "--from", str(arena.seed), "--workers", workers, "--json"]
    arena.ground.say(f"{arena.faults} courses, seeds {arena.seed} to {arena.seed + arena.faults - 1}")
    async with arena.ground.program([sys.executable, "-P", "-m", "nodes", "simulate", *words]) as child:
        return found_in(await result_of(child, arena.ground.say))


async def result_of(child: asyncio.subprocess.Process, say: Callable[[str], None]) -> dict[str, Any]:
    """What the program prints in the end. What it says meanwhile is passed on as it comes, since ten thousand courses
    take more than an hour. CommandError when it ends without a result."""
    assert child.stdout is not None
    assert child.stderr is not None
    last: deque[str] = deque(maxlen=LAST_WORDS)

    async def listen(words: asyncio.StreamReader) -> None:
        async for line in words:
            last.append(line.decode(errors="replace").rstrip())
            say(last[-1])

    out, _ = await asyncio.gather(child.stdout.read(), listen(child.stderr))
    try:
        said: dict[str, Any] = json.loads(out)
    except ValueError:
        raise CommandError("the simulation ended without a result: " + "\n".join(last)) from None
    return said


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
