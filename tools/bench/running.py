"""One run of one bench: the ground under it, Ctrl-C, and the result with everything that a reader needs to judge it."""

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from mesh.clock import Clock
from tools.awake import awake
from tools.bench import cores
from tools.bench.bench import Bench, Outcome, judge
from tools.bench.ground import Ground
from tools.bench.guard import NOTES, guarded
from tools.bench.result import Result
from tools.bots.machine import describe_machine

ROOT = Path(__file__).parents[2]
GIT_S = 5.0
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

T = TypeVar("T")


def run_bench(
    bench: Bench, quick: bool, players: int | None, base_port: int, clock: Clock, say: Callable[[str], None]
) -> Result:
    """CommandError when it cannot be made here, KeyboardInterrupt when it was stopped; nothing is left behind."""
    cores.check_enough(bench.cores)
    machine, began, date = describe_machine(), clock.now(), clock.wall()
    with tempfile.TemporaryDirectory(prefix="zb-") as folder:
        ground = Ground(quick, players, clock, Path(folder), base_port, say)
        with own_notes(Path(folder)) as marked, guarded(marked), awake():
            outcome = to_the_end(bench.run(ground))
    outcome.notes.extend(ground.notes)
    return result_of(bench, outcome, quick, players, machine, date, clock.now() - began)


@contextlib.contextmanager
def own_notes(folder: Path) -> Iterator[Path]:
    """Notes of running clusters go into the run's own folder: `mesh status` and `mesh down` without a name mean the
    user's cluster, and it is not to be one of several because something is measured. What is started from here
    inherits it, which is also how the guard knows it."""
    before, notes = os.environ.get(NOTES), folder / "notes"
    notes.mkdir()
    os.environ[NOTES] = str(notes)
    try:
        yield notes
    finally:
        if before is None:
            del os.environ[NOTES]
        else:
            os.environ[NOTES] = before


def result_of(
    bench: Bench,
    outcome: Outcome,
    quick: bool,
    players: int | None,
    machine: dict[str, str],
    date: float,
    seconds: float,
) -> Result:
    verdict, why, judged = judge(bench, outcome, quick)
    command = f"mesh bench {bench.command or f'run {bench.name}'} {'--quick' if quick else '--full'}"
    return Result(
        name=bench.name,
        verdict=verdict,
        ok=verdict == "OK",
        why=why,
        depth="quick" if quick else "full",
        command=command + (f" --players {players}" if players is not None else ""),
        date=datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds=round(seconds, 1),
        version=version("zonemesh"),
        commit=commit(),
        machine=machine,
        players=outcome.players,
        cpu_us_per_frame=rounded(outcome.cpu_us_per_frame),
        updates_per_s=rounded(outcome.updates_per_s),
        p50_ms=rounded(outcome.p50_ms),
        p99_ms=rounded(outcome.p99_ms),
        ratio_to_limit=rounded(outcome.ratio_to_limit),
        figures=judged,
        tables=outcome.tables,
        processes=outcome.processes,
        notes=list(dict.fromkeys(outcome.notes)),
    )


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def commit() -> str:
    """Of the sources, "" when they are not a checkout; with a + when they differ from it."""
    if not (ROOT / ".git").exists():
        return ""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip()


def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """On uvloop, as the nodes are. Ctrl-C, SIGTERM and a closed terminal cancel it and what it started is stopped; more
    of them do not hurry that."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_interruptible(work))


async def _interruptible(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    loop = asyncio.get_running_loop()
    asked = False

    def stop() -> None:
        nonlocal asked
        if not asked:
            task.cancel()
        asked = True

    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup means it
            loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
