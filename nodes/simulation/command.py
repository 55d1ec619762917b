"""The command of the simulation: many seeds one after the other, or one again, or planted mistakes.

    python -P -m nodes simulate --seeds 300            seeds 1 to 300; exit code 1 when a checker found something
    python -P -m nodes simulate --seeds 50 --from 100  seeds 100 to 149
    python -P -m nodes simulate --seeds 10000 --workers 2   on two cores, saying how far it is
    python -P -m nodes simulate --seed 17              this course again, with its last events
    python -P -m nodes simulate --planted              mistakes that the checkers have to find; 1 when one was not
    ... --json                                         one JSON object instead of lines

The order of sets of texts differs between processes of Python, and with it the course of a seed: so the command starts
itself again with a fixed one, which its workers inherit.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from mesh.clock import SystemClock
from nodes.simulation.course import Verdict, run_course
from nodes.simulation.planted import COURSES_MAX, MISTAKES, Caught, catch
from nodes.simulation.telling import lines_of, planted_lines, planted_summary, story, summary_of

HASHES = "PYTHONHASHSEED"
SEEDS_AT_ONCE = 8  # that a worker is given
ALIVE_S = 1.0  # how often a worker looks whether it is still wanted
PROGRESS_S = 30.0  # between two words about how far it is


def main(words: list[str]) -> int:
    """Exit code 0 when every course was right, or every mistake was found."""
    if os.environ.get(HASHES) != "0":
        program = [sys.executable, "-P", "-m", "nodes", "simulate", *words]
        os.execve(sys.executable, program, {**os.environ, HASHES: "0"})
    said = _options().parse_args(words)
    return _plant(said) if said.planted else _run(said)


def _run(said: argparse.Namespace) -> int:
    seeds = [said.seed] if said.seed is not None else list(range(said.first, said.first + said.seeds))
    clock = SystemClock()
    began = told_at = clock.now()
    verdicts: list[Verdict] = []
    with _mapped(said.workers) as mapped:
        for verdict in mapped(seeds):
            verdicts.append(verdict)
            if not verdict.ok and not said.json:
                print(story(verdict), flush=True)
            if len(seeds) > 1 and clock.now() - told_at > PROGRESS_S:
                told_at = clock.now()
                print(
                    progress(len(verdicts), len(seeds), _failed(verdicts), told_at - began), file=sys.stderr, flush=True
                )
    summary = summary_of(verdicts, clock.now() - began, said.workers)
    print(json.dumps(summary) if said.json else "\n".join(lines_of(summary)))
    return 0 if summary["ok"] else 1


def _plant(said: argparse.Namespace) -> int:
    found: list[Caught] = []
    for mistake in MISTAKES:
        found.append(catch(mistake, said.courses))
        if not said.json:
            print("\n".join(planted_lines(found[-1:], head=len(found) == 1)), flush=True)
    summary = planted_summary(found)
    print(json.dumps(summary) if said.json else summary["text"])
    return 0 if summary["ok"] else 1


def progress(done: int, wanted: int, failed: int, seconds: float) -> str:
    """How far it is, and how long it may take."""
    a_minute = 60 * done / seconds
    left_min = (wanted - done) / a_minute
    return f"{done:,} of {wanted:,} courses, {failed} failed, {a_minute:.0f} a minute, {left_min:.1f} min left"


def _failed(verdicts: Iterable[Verdict]) -> int:
    return sum(not verdict.ok for verdict in verdicts)


@contextmanager
def _mapped(workers: int) -> Iterator[Callable[[list[int]], Iterable[Verdict]]]:
    """Runs seeds, and gives their verdicts in the order of the seeds, whoever ran them."""
    if workers == 1:
        yield lambda seeds: map(run_course, seeds)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _end_with, (os.getpid(),)) as pool:
        try:
            yield lambda seeds: pool.map(run_course, seeds, chunksize=SEEDS_AT_ONCE)
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with(parent: int) -> None:
    """In a worker: end when whoever has begun it is gone, also when that was killed and could say nothing."""

    def look(*_: object) -> None:
        if os.getppid() != parent:
            os._exit(1)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, ALIVE_S, ALIVE_S)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nodes simulate", description="Run seeded courses of the real nodes.")
    parser.add_argument("--seeds", type=int, default=100, help="how many courses")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first seed")
    parser.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--workers", type=_count, default=1, help="processes that run courses")
    parser.add_argument("--planted", action="store_true", help="plant mistakes, and see who finds them")
    parser.add_argument("--courses", type=_count, default=COURSES_MAX, help="at most so many for one planted mistake")
    parser.add_argument("--json", action="store_true")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number
