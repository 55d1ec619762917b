"""One run of one scenario: the ground under it, somebody who cleans up when it is killed, and the result."""

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from mesh.checking.proof import bound_of
from mesh.clock import Clock
from tools.awake import awake
from tools.bench.ground import Ground
from tools.bench.guard import guarded
from tools.bench.running import commit, own_notes, to_the_end
from tools.bots.machine import describe_machine
from tools.chaos.judging import by_checker, judge, proves, shown, times_of
from tools.chaos.result import ChaosResult
from tools.chaos.scenario import Arena, Found, Scenario, Spoilt


def run_scenario(
    scenario: Scenario,
    faults: int | None,
    seed: int,
    quick: bool,
    base_port: int,
    clock: Clock,
    say: Callable[[str], None],
) -> ChaosResult:
    """CommandError when it cannot be run here, KeyboardInterrupt when it was stopped; nothing is left behind."""
    machine, began, date = describe_machine(), clock.now(), clock.wall()
    wanted = faults or (scenario.faults_quick if quick else scenario.faults)
    with tempfile.TemporaryDirectory(prefix="zc-") as folder:
        ground = Ground(quick, None, clock, Path(folder), base_port, say)
        with own_notes(Path(folder)) as notes, guarded(notes), awake():
            found = to_the_end(_run(scenario, Arena(ground, wanted, seed)))
    return result_of(scenario, found, quick, seed, machine, date, clock.now() - began)


async def _run(scenario: Scenario, arena: Arena) -> Found:
    try:
        return await scenario.run(arena)
    except Spoilt as error:
        return Found(faults=0, invalid=list(map(str, error.args)))


def result_of(
    scenario: Scenario, found: Found, quick: bool, seed: int, machine: dict[str, str], date: float, seconds: float
) -> ChaosResult:
    verdict, why, judged = judge(scenario, found, quick)
    command = f"mesh chaos run {scenario.name} --kills {found.faults} --seed {seed}" + (" --quick" if quick else "")
    return ChaosResult(
        name=scenario.name,
        verdict=verdict,
        ok=verdict == "OK",
        why=why,
        kills=found.faults,
        what=scenario.what,
        acked=found.acked,
        applied=found.applied,
        refused=found.refused,
        unknown=found.unknown,
        lost=found.lost,
        doubled=found.doubled,
        gold_before=found.gold_before,
        gold_after=found.gold_after,
        recovery_ms=times_of(found.recovery_ms),
        bound_ms=scenario.bound_ms,
        proves=proves(scenario, found),
        bound_of_rate=1.0 if found.problems else round(bound_of(found.faults), 6),
        seed=seed,
        depth="quick" if quick else "long",
        command=command,
        date=datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        seconds=round(seconds, 1),
        version=version("zonemesh"),
        commit=commit(),
        machine=machine,
        figures=judged,
        problems=shown(found.problems),
        problems_by_checker={checker: count for checker, (count, _) in by_checker(found.problems).items()},
        notes=list(dict.fromkeys(found.notes)),
    )
