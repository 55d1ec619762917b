"""Shows that the checkers see: plants one mistake after the other and runs courses in which it can do harm.

    python -P -m nodes simulate --planted

For each mistake it is said which checkers may find it. The courses are those of the seeds, with faults that give the
mistake its chance in place of their own; without the mistake the same courses find nothing, which is shown as well.
Rejected: to wait until a seed draws the faults by itself, which takes a hundred courses for some.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from nodes.simulation import mistakes
from nodes.simulation.course import run_plan
from nodes.simulation.mistakes import Put
from nodes.simulation.plan import HITS_MAX, HOUR_S, QUIET_S, STORM_S, Fault, Kind, plan_of

COURSES_MAX = 40  # for one mistake

Draw = Callable[[random.Random], Sequence[Fault]]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One of them: who must find it, in what kind of course."""

    name: str
    plant: Callable[[Put], None]
    checkers: frozenset[str]
    faults: Draw
    pair: bool = False


@dataclass(frozen=True, slots=True)
class Caught:
    """What came of a mistake. `checker` is "" when none of those who should have found it did."""

    mistake: Mistake
    courses: int
    seed: int = 0
    checker: str = ""
    text: str = ""
    innocent: bool = True  # does the same course find nothing without the mistake?

    @property
    def ok(self) -> bool:
        return bool(self.checker) and self.innocent


def catch(mistake: Mistake, courses_max: int = COURSES_MAX) -> Caught:
    """Run courses with the mistake until one of its checkers finds it, and that course without it."""
    for seed in range(1, courses_max + 1):
        plan = replace(
            plan_of(seed), faults=tuple(sorted(mistake.faults(random.Random(seed)), key=_time)), pair=mistake.pair
        )
        with planted(mistake.plant):
            problems = run_plan(plan).problems
        for problem in problems:
            if problem.checker in mistake.checkers:
                return Caught(mistake, seed, seed, problem.checker, problem.text, run_plan(plan).ok)
    return Caught(mistake, courses_max)


@contextmanager
def planted(plant: Callable[[Put], None]) -> Iterator[None]:
    """The mistake is in the code meanwhile."""
    before: list[tuple[Any, str, Any]] = []

    def put(owner: Any, name: str, value: Any) -> None:
        before.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    try:
        plant(put)
        yield
    finally:
        for owner, name, value in reversed(before):
            setattr(owner, name, value)


def _time(fault: Fault) -> float:
    return fault.at_s


# --- in what courses they do harm ---


def _at(rolls: random.Random) -> float:
    return rolls.uniform(QUIET_S + 1.0, STORM_S)


def _dies_at(*points: str) -> Draw:
    """The DC dies at one of these points of its work, and is back soon."""

    def draw(rolls: random.Random) -> Sequence[Fault]:
        return [Fault(0.0, "failpoint", "dc.1", "", 0.1, rolls.randint(1, HITS_MAX), rolls.choice(points))]

    return draw


def _killed(count: int) -> Draw:
    def draw(rolls: random.Random) -> Sequence[Fault]:
        return [Fault(_at(rolls), "kill", "dc.1", lasts_s=rolls.choice((0.05, 0.3))) for _ in range(count)]

    return draw


def _gaps(rolls: random.Random) -> Sequence[Fault]:
    """Somebody hears nothing of a scene that dies and comes back."""
    at, count = rolls.uniform(QUIET_S, STORM_S - 2.0), rolls.randint(6, 12)
    gap = Fault(at, "gap", rolls.choice(("scene.1", "gate.1", "gate.2", "login.1", "log.1")), count=count)
    return [gap, Fault(at + 0.01, "kill", "scene.2", lasts_s=0.3)]


def _links(kind: Kind, *ends: tuple[str, str], lasts_s: float) -> Draw:
    def draw(rolls: random.Random) -> Sequence[Fault]:
        return [Fault(_at(rolls), kind, one, other, lasts_s) for one, other in ends]

    return draw


def _delayed(_rolls: random.Random) -> Sequence[Fault]:
    """What scenes ask of the DC is late again and again, so that a newer session may be there before it."""
    ends = [(1.1 + 1.2 * number, scene) for number in range(5) for scene in ("scene.1", "scene.2")]
    return [Fault(at, "cut", scene, "dc.1", 1.1) for at, scene in ends]


def _scene_cut_off(rolls: random.Random) -> Sequence[Fault]:
    """Nobody but the DC hears a scene any more, so it is given up while it plays on."""
    at, scene = _at(rolls), rolls.choice(("scene.1", "scene.2"))
    return [Fault(at, "part", scene, other, 4.0) for other in ("center.1", "gate.1", "gate.2")]


def _set_back_and_alone(rolls: random.Random) -> Sequence[Fault]:
    """The clock of the writer goes back, and then nobody hears it for a while."""
    at = rolls.uniform(QUIET_S, 2.0)
    alone = [Fault(at + 1.0, "part", "dc.1", other, 3.5) for other in ("center.1", "dc.2")]
    return [Fault(at, "clock", "dc.1", lasts_s=6.0, count=-round(HOUR_S)), *alone]


def _slow_readers(_rolls: random.Random) -> Sequence[Fault]:
    return [Fault(QUIET_S + 0.2, "slow reader", name, lasts_s=5.5) for name in ("anna", "bob", "cora")]


def _nothing(_rolls: random.Random) -> Sequence[Fault]:
    return ()


MISTAKES = (
    Mistake(
        "acknowledged before the commit",
        mistakes.acknowledge_before_the_commit,
        frozenset({"lost", "epochs"}),
        _dies_at("dc.before-commit"),
    ),
    Mistake(
        "no repetition is recognised",
        mistakes.recognise_no_repetition,
        frozenset({"doubled"}),
        _dies_at("dc.in-commit", "dc.after-commit"),
    ),
    Mistake(
        "repetitions are noted outside the transaction",
        mistakes.note_repetitions_outside_the_transaction,
        frozenset({"doubled"}),
        _dies_at("dc.in-commit", "dc.after-commit"),
    ),
    Mistake("the disk is not synced", mistakes.leave_the_disk_unsynced, frozenset({"lost", "epochs"}), _killed(2)),
    Mistake("no epoch is looked at", mistakes.look_at_no_epoch, frozenset({"fencing"}), _delayed),
    Mistake(
        "a scene that was given up is heard",
        mistakes.hear_scenes_that_were_given_up,
        frozenset({"fencing"}),
        _scene_cut_off,
    ),
    Mistake("a trade in two transactions", mistakes.trade_in_two_transactions, frozenset({"belongings"}), _killed(2)),
    Mistake(
        "gaps in the stream are ignored", mistakes.ignore_gaps_in_the_stream, frozenset({"members", "liveness"}), _gaps
    ),
    Mistake(
        "a retry has a new number",
        mistakes.retry_under_a_new_number,
        frozenset({"belongings"}),
        _dies_at("dc.in-commit", "dc.after-commit"),
    ),
    Mistake(
        "a lease counts on the wall clock",
        mistakes.count_the_lease_on_the_wall_clock,
        frozenset({"one-writer"}),
        _set_back_and_alone,
        pair=True,
    ),
    Mistake("no checksum is checked", mistakes.check_no_checksum, frozenset({"damage"}), _nothing),
    Mistake(
        "what finds no room is dropped silently",
        mistakes.send_without_being_told,
        frozenset({"stream", "presence", "parties"}),
        _links("full link", ("scene.1", "gate.1"), ("scene.1", "gate.2"), ("scene.2", "gate.1"), lasts_s=1.0),
    ),
    Mistake(
        "a queue without a limit", mistakes.keep_whatever_a_client_does_not_read, frozenset({"bounds"}), _slow_readers
    ),
    Mistake(
        "states wait for the end of the process",
        mistakes.flush_states_only_at_the_end,
        frozenset({"cached"}),
        _killed(1),
    ),
)
