"""What a scenario is: faults, load, checkers, bounds. Everything that whoever writes one has to know is here.

    SCENARIO = Scenario(
        "gate-kill",                                  # its name; the module is tools/chaos/scenarios/gate_kill.py
        "Kill a gate while clients play.",            # one line for `mesh chaos list`
        (Figure("lost_clients", "clients that did not come back", "", 0, better="less", quick=True),
         Figure("recovery_p99_ms", "resumed, p99", "ms", 5000, better="less")),
        run,                                          # async def run(arena: Arena) -> Found
        faults=20, faults_quick=2, what="kills", bound_ms=5000,
    )

`run` starts its own cluster on `arena.ground` (`ground.cluster(topology, settings)` under the real supervisor, with
`ground.program(command)` any other program, or `household(...)` of `tools/chaos/household.py`: processes that are
killed, paused and armed with failpoints one by one and start again at once), loads it, writes every operation into a
`mesh.checking.records.Book`, carries out `arena.faults` faults with all chance from `arena.chance`, and returns what it
has `Found`: problems from the checkers in `mesh/checking`, recovery times, counts. It judges nothing itself: a problem
fails the run, and so does a figure that is not as required. Figures that are times are judged by the long form only
(`quick=False`), loss, order and ownership always (`quick=True`); `recovery_p50_ms`, `recovery_p99_ms`,
`recovery_max_ms`, `lost`, `doubled` and `gold_change` are filled in from `Found` for whoever declares them.

Nothing is said about servers when the scenario could not load them: `Found.invalid` says why, and the run fails. Who
notices that it makes no sense to go on raises `Spoilt`.
"""

import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mesh.checking.records import Book, Problem, State
from mesh.checking.verdicts import check_all, count_of
from tools.bench.bench import Figure
from tools.bench.ground import Ground


@dataclass(frozen=True)
class Arena:
    """What a scenario is given. `ground` has the clock, a folder, `say`, clusters and programs."""

    ground: Ground
    faults: int  # how many to carry out
    seed: int

    @property
    def quick(self) -> bool:
        return self.ground.quick

    def chance(self, what: str) -> random.Random:
        """Chance of its own for each thing that is chosen, so that one more choice here changes none there."""
        return random.Random(f"{self.seed} {what}")


class Spoilt(Exception):
    """A run that says nothing, and why."""


@dataclass(kw_only=True)
class Found:
    """What became of a run."""

    faults: int  # that were carried out
    acked: int = 0
    applied: int = 0
    refused: int = 0
    unknown: int = 0
    lost: int = 0
    doubled: int = 0
    gold_before: int | None = None  # None: nobody had gold
    gold_after: int | None = None
    recovery_ms: list[float] = field(default_factory=list)  # of each fault that somebody noticed
    reached: Mapping[str, float | None] = field(default_factory=dict)  # figures, by name
    problems: list[Problem] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)  # why this says nothing
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scenario:
    """One of `mesh chaos list`."""

    name: str
    line: str
    figures: tuple[Figure, ...]
    run: Callable[[Arena], Coroutine[Any, Any, Found]]
    faults: int = field(kw_only=True)  # of the long form
    faults_quick: int = field(kw_only=True)
    what: str = field(default="kills", kw_only=True)  # what the faults are called, several of them
    bound_ms: float | None = field(default=None, kw_only=True)  # of the recovery, p99


def counted(book: Book, state: State, faults: int, problems: Sequence[Problem] = ()) -> Found:
    """What operations and the state at the end say by all checkers, besides `problems` that are known already."""
    found = [*problems, *check_all(book.operations, state)]
    asked = {operation.id for operation in book.operations}
    return Found(
        faults=faults,
        acked=book.count("ok"),
        applied=len(asked.intersection(state.applied)),
        refused=book.count("refused"),
        unknown=book.count("unknown"),
        lost=count_of(found, "lost"),
        doubled=count_of(found, "doubled"),
        problems=found,
    )
